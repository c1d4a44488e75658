"""Targets locked for a campaign: as the archive keeps them, and on the KPIs that they bind."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cadran.catalogue.definition import Target, TargetLock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cadran.catalogue.definition import Catalogue


def with_locks(catalogue: Catalogue, rows: Sequence[Mapping[str, Any]]) -> Catalogue:
    """The catalogue with locked targets on every version of the KPIs that they are about.

    Args:
        catalogue: Definitions as they are now.
        rows: Locks as the archive keeps them.
    """
    locks: dict[str, list[TargetLock]] = {}
    for row in rows:
        locks.setdefault(row["kpi"], []).append(lock_of_row(row))
    if not locks:
        return catalogue
    kpis = {
        name: tuple(replace(kpi, locks=tuple(locks[name])) for kpi in versions) if name in locks else versions
        for name, versions in catalogue.kpis.items()
    }
    return replace(catalogue, kpis=kpis)


def lock_of_row(row: Mapping[str, Any]) -> TargetLock:
    """A lock as the archive keeps it, as a value."""
    targets = tuple(_target(kept) for kept in row["targets"])
    return TargetLock(row["campaign"], row["start"], row["end"], row["locked_on"], targets)


def target_row(target: Target) -> dict[str, Any]:
    """A target as JSON keeps it without loss; the inverse is in `lock_of_row`."""
    return {
        "value": format(target.value, "f"),
        "high": None if target.high is None else format(target.high, "f"),
        "segment": dict(target.segment),
        "start": target.start.isoformat() if target.start else None,
        "end": target.end.isoformat() if target.end else None,
    }


def _target(kept: Mapping[str, Any]) -> Target:
    start, end = (date.fromisoformat(kept[name]) if kept[name] else None for name in ("start", "end"))
    high = None if kept["high"] is None else Decimal(kept["high"])
    return Target(Decimal(kept["value"]), high, kept["segment"], start, end)
