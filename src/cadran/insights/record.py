"""A reading as plain values, the form that JSON, CSV and other programs take."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cadran.i18n import say
from cadran.period import instant

if TYPE_CHECKING:
    from cadran.engine.result import Number
    from cadran.insights.reading import Change, Reading, Readings

MONEY_UNITS = ("money", "money_per_day")
#: Names of the columns of a record, in order. Other programs rely on them: names are only added.
FIELDS = (
    "kpi", "version", "period_start", "period_end", "segment", "value", "numerator", "denominator", "n", "low", "high",
    "unit", "currency", "status", "reason", "partial", "as_of", "basis", "maturity", "target", "verdict", "change",
    "window_start", "history_from", "is_break", "knowledge",
    "notes",
)  # fmt: skip


def records(readings: Readings, language: str) -> list[dict[str, Any]]:
    """One record per reading, in order; see `record`."""
    return [record(reading, readings, language) for reading in readings.readings]


def record(reading: Reading, readings: Readings, language: str) -> dict[str, Any]:
    """One reading as plain values, by the names of `FIELDS`.

    Returns:
        Days and instants as ISO 8601 text, rates in 0..1, counts as numbers, money as text of
        decimal digits (which loses nothing), null where there is no value, with the reason.
    """
    figure, kpi = reading.figure, reading.kpi
    return {
        "kpi": kpi.id,
        "version": kpi.version,
        "period_start": figure.start.isoformat(),
        "period_end": figure.end.isoformat(),
        "segment": dict(figure.segment),
        "value": plain(reading.value),
        "numerator": plain(figure.numerator),
        "denominator": plain(figure.denominator),
        "n": figure.n,
        "low": reading.low,
        "high": reading.high,
        "unit": kpi.unit,
        "currency": readings.currency if kpi.unit in MONEY_UNITS else None,
        "status": reading.status,
        "reason": say(reading.reason, reading.reason_params, language) if reading.reason else "",
        "partial": figure.partial,
        "as_of": instant(readings.as_of),
        "basis": kpi.basis,
        "maturity": reading.maturity,
        "target": plain(reading.target.value) if reading.target else None,
        "verdict": reading.verdict,
        "change": _change(reading.change),
        "window_start": figure.window.start.isoformat() if figure.window else None,
        "history_from": figure.history_from.isoformat() if figure.history_from else None,
        "is_break": reading.is_break,
        "knowledge": readings.knowledge,
        "notes": [note.text(language) for note in figure.notes],
    }


def plain(value: Number | None) -> int | float | str | None:
    """A number as JSON takes it without loss: decimals as text, without an exponent."""
    return format(value, "f") if isinstance(value, Decimal) else value


def _change(change: Change | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {
        "period_start": change.start.isoformat(),
        "period_end": change.end.isoformat(),
        "value": plain(change.value),
        "delta": plain(change.delta),
        "ratio": change.ratio,
        "is_favourable": change.is_favourable,
        "version": change.version,
    }
