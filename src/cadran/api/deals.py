"""Open deals and their chances, as the API answers them."""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003 - FastAPI and pydantic read the annotations
from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict

from cadran.api.caller import Caller, caller
from cadran.engine.deals import DealQuery
from cadran.insights.deals_record import deals_record


class ReasonOut(BaseModel):
    """Something known of a deal, and the difference that it makes in the chance, as a share."""

    model_config = ConfigDict(frozen=True)
    kind: str
    label: str
    effect: float


class DealOut(BaseModel):
    """One open deal; money is decimals as text, chances are in 0..1."""

    model_config = ConfigDict(frozen=True)
    id: str
    name: str
    owner: str | None
    segment: str | None
    pipeline: str
    stage: str
    amount: str | None
    currency: str
    chance: float | None
    low: float | None
    high: float | None
    expected: str | None
    by_hand: float | None
    basis: str
    days_in_stage: float
    usual_days: float | None
    close_on: date | None
    silent: list[str]
    reasons: list[ReasonOut]


class ReliabilityOut(BaseModel):
    """Past deals with about the same chance."""

    model_config = ConfigDict(frozen=True)
    chance: float
    won: float
    n: int


class BreakOut(BaseModel):
    """A stage whose conversion broke of late."""

    model_config = ConfigDict(frozen=True)
    stage: str
    since: date
    n: int
    went_on: int
    expected: float
    probability: float


class PipelineOut(BaseModel):
    """What the chances of one pipeline rest on: model, stages, hand, nothing or too_few."""

    model_config = ConfigDict(frozen=True)
    pipeline: str
    basis: str
    n_decided: int
    n_checked: int
    n_still_open: int
    brier: dict[str, float]
    auc: float | None
    calibration_error: float | None
    beats_hand: bool
    reliability: list[ReliabilityOut]
    breaks: list[BreakOut]


class DealsOut(BaseModel):
    """Open deals, those worth most first, and their sums."""

    model_config = ConfigDict(frozen=True)
    as_of: datetime
    currency: str
    n: int
    amount: str
    expected: str
    at_risk: str
    expected_at_risk: str
    without_amount: int
    has_stages: bool
    has_touches: bool
    seed: int
    pipelines: list[PipelineOut]
    deals: list[DealOut]


def deals(
    who: Annotated[Caller, Depends(caller)],
    silent: Annotated[bool, Query(description="only deals that have gone silent")] = False,
    where: Annotated[list[str] | None, Query(description="predicate on deals; may come several times")] = None,
    as_of: Annotated[date | None, Query(description="as known at the end of this day")] = None,
) -> DealsOut:
    """How likely each open deal is to be won, why, and what it is worth."""
    return DealsOut.model_validate(deals_record(who.view.deals(DealQuery(tuple(where or ()), as_of), silent=silent)))
