"""Open deals as plain values, the form that JSON, CSV and other programs take."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cadran.insights.deal_stays import day_of
from cadran.insights.record import plain
from cadran.period import instant

if TYPE_CHECKING:
    from cadran.insights.open_deals import OpenDeal, OpenDeals, PipelineChances

#: Names of the columns of a deal, in order. Other programs rely on them: names are only added.
FIELDS = (
    "id", "name", "owner", "segment", "pipeline", "stage", "amount", "currency", "chance", "low", "high", "expected",
    "by_hand", "basis", "days_in_stage", "usual_days", "close_on", "silent", "reasons",
)  # fmt: skip


def deal_records(found: OpenDeals) -> list[dict[str, Any]]:
    """One record per deal, by the names of `FIELDS`; money as text of decimal digits, chances in 0..1."""
    bases = {each.pipeline: each.skill.basis for each in found.pipelines}
    return [_record(deal, bases[deal.pipeline], found.currency) for deal in found.deals]


def deals_record(found: OpenDeals) -> dict[str, Any]:
    """The whole answer: sums, what the chances rest on, and every deal."""
    return {
        "as_of": instant(found.as_of),
        "currency": found.currency,
        "n": len(found.deals),
        "amount": plain(found.amount),
        "expected": plain(found.expected),
        "at_risk": plain(found.at_risk),
        "expected_at_risk": plain(found.expected_at_risk),
        "without_amount": found.without_amount,
        "has_stages": found.has_stages,
        "has_touches": found.has_touches,
        "seed": found.seed,
        "pipelines": [_pipeline(each) for each in found.pipelines],
        "deals": deal_records(found),
    }


def _record(deal: OpenDeal, basis: str, currency: str) -> dict[str, Any]:
    return {
        "id": deal.id,
        "name": deal.name,
        "owner": deal.owner,
        "segment": deal.segment,
        "pipeline": deal.pipeline,
        "stage": deal.stage,
        "amount": plain(deal.amount),
        "currency": currency,
        "chance": deal.chance,
        "low": deal.low,
        "high": deal.high,
        "expected": plain(deal.expected),
        "by_hand": deal.by_hand,
        "basis": basis,
        "days_in_stage": round(deal.days, 2),
        "usual_days": None if deal.usual_days is None else round(deal.usual_days, 2),
        "close_on": deal.close_on.isoformat() if deal.close_on else None,
        "silent": list(deal.silent),
        "reasons": [{"kind": each.kind, "label": each.label, "effect": each.effect} for each in deal.reasons],
    }


def _pipeline(each: PipelineChances) -> dict[str, Any]:
    skill = each.skill
    return {
        "pipeline": each.pipeline,
        "basis": skill.basis,
        "n_decided": each.n_decided,
        "n_checked": skill.n,
        "n_still_open": skill.n_open,
        "brier": skill.brier,
        "auc": _number(skill.auc),
        "calibration_error": _number(skill.calibration),
        "beats_hand": skill.beats_hand,
        "reliability": [{"chance": group.chance, "won": group.won, "n": group.n} for group in skill.groups],
        "breaks": [
            {
                "stage": each.stages[found.stage],
                "since": day_of(found.since).isoformat(),
                "n": found.n,
                "went_on": found.went,
                "expected": found.expected,
                "probability": found.probability,
            }
            for found in each.breaks
        ],
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
