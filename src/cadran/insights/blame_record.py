"""What is to blame as plain values, the form that programs take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadran.i18n import say

if TYPE_CHECKING:
    from cadran.insights.blame import Blame, Blamed

FIELDS = ("segment", "n", "rate", "expected", "effect", "where", "is_cause")


def blame_record(found: Blame, language: str) -> dict[str, Any]:
    """The whole answer: rates in 0..1, days as ISO 8601 text, null where there is no value."""
    return {
        "kpi": found.kpi.id,
        "version": found.kpi.version,
        "period_start": found.start.isoformat(),
        "period_end": found.end.isoformat(),
        "history_start": found.history_start.isoformat(),
        "rate": found.rate,
        "before": found.before,
        "n": found.n,
        "dims": list(found.dims),
        "p": found.p,
        "reason": say(found.reason, found.reason_params, language) if found.reason else "",
        "cause": candidate_record(found.cause, found) if found.cause else None,
        "candidates": [candidate_record(each, found) for each in found.candidates],
    }


def candidate_record(blamed: Blamed, found: Blame) -> dict[str, Any]:
    """One cell, by the names of `FIELDS`."""
    return {
        "segment": dict(blamed.segment),
        "n": blamed.n,
        "rate": blamed.rate,
        "expected": blamed.expected,
        "effect": blamed.effect,
        "where": list(blamed.where),
        "is_cause": blamed is found.cause,
    }
