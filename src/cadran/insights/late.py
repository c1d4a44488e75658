"""Late changes as plain values, the form that JSON, CSV and other programs take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadran.insights.record import plain
from cadran.period import instant

if TYPE_CHECKING:
    from cadran.engine.late import Late, LateChange
    from cadran.engine.result import Figure

#: Names of the columns of a late change, in order. Other programs rely on them: names are only added.
FIELDS = (
    "kpi", "period_start", "period_end", "segment", "part_of", "part", "change", "entity", "id", "old", "new", "delta",
    "learnt_from", "learnt_to",
)  # fmt: skip


def records(found: Late) -> list[dict[str, Any]]:
    """One record per late change, by the names of `FIELDS`; days and instants as ISO 8601 text."""
    return [_record(change, found.kpi) for change in found.changes]


def document(found: Late) -> dict[str, Any]:
    """The whole ledger: knowledge, each figure before and after, and every change."""
    return {
        "kpi": found.kpi,
        "currency": found.currency,
        "since": instant(found.since),
        "until": instant(found.until),
        "figures": [_figures(old, new) for old, new in found.figures],
        "changes": records(found),
    }


def _record(change: LateChange, kpi: str) -> dict[str, Any]:
    return {
        "kpi": kpi,
        "period_start": change.start.isoformat(),
        "period_end": change.end.isoformat(),
        "segment": dict(change.segment),
        "part_of": change.kpi,
        "part": change.part,
        "change": change.kind,
        "entity": change.entity,
        "id": change.id,
        "old": plain(change.old),
        "new": plain(change.new),
        "delta": plain(change.delta),
        "learnt_from": instant(change.learnt_from) if change.learnt_from else None,
        "learnt_to": instant(change.learnt_to) if change.learnt_to else None,
    }


def _figures(old: Figure | None, new: Figure | None) -> dict[str, Any]:
    figure = new or old
    assert figure is not None  # noqa: S101 - a pair has at least one figure
    return {
        "period_start": figure.start.isoformat(),
        "period_end": figure.end.isoformat(),
        "segment": dict(figure.segment),
        "old": _figure(old),
        "new": _figure(new),
    }


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    return {
        "value": plain(figure.value),
        "numerator": plain(figure.numerator),
        "denominator": plain(figure.denominator),
        "n": figure.n,
    }
