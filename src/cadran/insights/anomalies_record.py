"""Anomalies as plain values, the form that programs take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadran.i18n import say
from cadran.period import instant

if TYPE_CHECKING:
    from cadran.insights.anomalies import Anomalies, Anomaly

FIELDS = (
    "group", "kpi", "segment", "shape", "since", "value", "expected", "low", "high", "n", "p", "is_favourable",
    "money", "currency", "where",
)  # fmt: skip


def anomalies_record(found: Anomalies, language: str) -> dict[str, Any]:
    """The whole answer: rates in 0..1, sums and money in the base currency, days as ISO 8601 text."""
    return {
        "week_start": found.start.isoformat(),
        "week_end": found.end.isoformat(),
        "n_series": found.n_series,
        "n_judged": found.n_judged,
        "level": found.level,
        "currency": found.currency,
        "as_of": instant(found.as_of),
        "reason": say(found.reason, found.reason_params, language) if found.reason else "",
        "missing": [
            {"entity": each.entity, "since": each.since.isoformat(), "kpis": list(each.kpis)} for each in found.missing
        ],
        "anomalies": anomaly_records(found),
    }


def anomaly_records(found: Anomalies) -> list[dict[str, Any]]:
    """One record per anomaly, by the names of `FIELDS`; those of a group moved together."""
    return [
        anomaly_record(each, place, found.currency)
        for place, members in enumerate(found.groups, start=1)
        for each in members
    ]


def anomaly_record(each: Anomaly, group: int, currency: str) -> dict[str, Any]:
    """One anomaly."""
    return {
        "group": group,
        "kpi": each.kpi.id,
        "segment": dict(each.segment),
        "shape": each.shape,
        "since": each.since.isoformat(),
        "value": each.value,
        "expected": each.expected,
        "low": each.low,
        "high": each.high,
        "n": each.n,
        "p": each.p,
        "is_favourable": each.is_favourable,
        "money": None if each.money is None else str(each.money),
        "currency": currency,
        "where": list(each.where),
    }
