"""A change and its drivers as plain values, the form that JSON, CSV and other programs take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadran.i18n import say
from cadran.insights.record import MONEY_UNITS, plain

if TYPE_CHECKING:
    from cadran.insights.change import Driver, Drivers

#: Names of the columns of a driver, in order. Other programs rely on them: names are only added.
FIELDS = (
    "name", "unit", "segment", "before", "now", "contribution", "mix", "rate", "weight_before", "weight_now",
)  # fmt: skip


def change_record(found: Drivers, language: str) -> dict[str, Any]:
    """A change as plain values: decimals as text, days as ISO 8601, null where there is no value."""
    return {
        "kpi": found.kpi.id,
        "version": found.kpi.version,
        "unit": found.kpi.unit,
        "currency": found.currency if found.kpi.unit in MONEY_UNITS else None,
        "start": found.start.isoformat(),
        "end": found.end.isoformat(),
        "earlier_start": found.earlier_start.isoformat(),
        "earlier_end": found.earlier_end.isoformat(),
        "before": plain(found.before),
        "now": plain(found.now),
        "change": plain(found.change),
        "method": found.method,
        "mix": plain(found.mix),
        "rate": plain(found.rate),
        "is_simpson": found.is_simpson,
        "reason": say(found.reason, dict(found.reason_params), language) if found.reason else "",
        "believed": list(found.believed),
        "drivers": [driver_record(driver) for driver in found.drivers],
    }


def driver_record(driver: Driver) -> dict[str, Any]:
    """One driver as plain values, by the names of `FIELDS`."""
    return {
        "name": driver.name,
        "unit": driver.unit,
        "segment": dict(driver.segment),
        "before": plain(driver.before),
        "now": plain(driver.now),
        "contribution": plain(driver.contribution),
        "mix": plain(driver.mix),
        "rate": plain(driver.rate),
        "weight_before": driver.weight_before,
        "weight_now": driver.weight_now,
    }
