"""A KPI's whole contract as plain values: what travels beside the metric.

The keys and values are those of a YAML entry of the catalogue, so that reading the entry again
gives the same KPI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import Field

    from cadran.catalogue.definition import Kpi

#: What no entry says: where it was written, and targets locked for a campaign; the id is the entry's name.
_NOT_WRITTEN = {"Kpi": ("id", "locks", "where", "places"), "Measure": ("places",)}


def contract_of(kpi: Kpi) -> dict[str, Any]:
    """The contract with the keys of a YAML entry; what has its default value is left out."""
    found: dict[str, Any] = _plain(kpi)
    return found


def identified(kpi: Kpi) -> dict[str, Any]:
    """The contract with the id before it."""
    return {"id": kpi.id, **contract_of(kpi)}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        skipped = _NOT_WRITTEN.get(type(value).__name__, ())
        kept = [each for each in fields(value) if each.name not in skipped]
        return {e.name: _plain(getattr(value, e.name)) for e in kept if getattr(value, e.name) != _default(e)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Decimal | date) else value


def _default(each: Field[Any]) -> Any:
    return each.default_factory() if each.default_factory is not MISSING else each.default
