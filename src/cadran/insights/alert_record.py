"""Alerts as plain values: what is kept of a signal, and what programs take of an alert."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cadran.insights.alerts import Lasting, Signal
from cadran.period import instant

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names of the columns of an alert in records, in order; names are only added.
FIELDS = (
    "alert", "status", "level", "kind", "kpi", "segment", "value", "usual", "low", "high", "n", "unit", "since",
    "money", "currency", "is_favourable", "owner", "assignee", "team", "raised_at", "recovered_at",
    "acknowledged_at", "quiet_until", "entity", "where", "with_it", "period_start", "period_end",
)  # fmt: skip


def signal_row(signal: Signal) -> dict[str, Any]:
    """A signal as JSON keeps it: days as ISO 8601 text, money as decimal digits."""
    return {each.name: _plain(getattr(signal, each.name)) for each in fields(Signal)}


def signal_of(row: Mapping[str, Any]) -> Signal:
    """The signal that was kept; the inverse of `signal_row`."""
    days = {name: date.fromisoformat(row[name]) for name in ("start", "end", "since")}
    money = None if row["money"] is None else Decimal(row["money"])
    with_it = tuple((name, dict(segment)) for name, segment in row["with_it"])
    known = {each.name: row[each.name] for each in fields(Signal) if each.name in row}
    return Signal(**{**known, **days, "money": money, "where": tuple(row["where"]), "with_it": with_it})


def lasting_of(row: Mapping[str, Any]) -> Lasting:
    """How an alert of the archive stands."""
    calm = tuple(date.fromisoformat(day) for day in row["calm"])
    return Lasting(row["key"], row["level"], row["told_on"], calm, row["quiet_until"])


def alert_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """An alert of the archive by the names of `FIELDS`."""
    kept = row["document"]
    signal = kept["signal"]
    same = ("level", "kind", "kpi", "owner", "assignee", "team")
    told = ("segment", "value", "usual", "low", "high", "n", "since", "money", "is_favourable", "entity", "where")
    record = {
        "alert": row["id"],
        "status": status(row),
        **{name: row[name] for name in same},
        **{name: signal[name] for name in told},
        "with_it": [{"kpi": name, "segment": segment} for name, segment in signal["with_it"]],
        "unit": kept["unit"],
        "currency": kept["currency"],
        "raised_at": instant(row["raised_at"]),
        "recovered_at": instant(row["recovered_at"]) if row["recovered_at"] else None,
        "acknowledged_at": instant(row["acknowledged_at"]) if row["acknowledged_at"] else None,
        "quiet_until": row["quiet_until"].isoformat() if row["quiet_until"] else None,
        "period_start": signal["start"],
        "period_end": signal["end"],
    }
    return {name: record[name] for name in FIELDS}


def status(row: Mapping[str, Any]) -> str:
    """``recovered``, ``acknowledged``, ``snoozed`` or ``open``."""
    if row["recovered_at"]:
        return "recovered"
    if row["quiet_until"]:
        return "acknowledged" if row["acknowledged_at"] else "snoozed"
    return "open"


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
