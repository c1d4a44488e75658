"""Which accounts or leads are most likely to convert, as the API answers it."""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003 - FastAPI and pydantic read the annotations
from typing import Annotated, Literal

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict

from cadran.api.caller import Caller, caller
from cadran.engine.prospects import ProspectQuery
from cadran.insights.propensity import propensity_record


class OddsOut(BaseModel):
    """A label and the factor that it puts on the odds."""

    model_config = ConfigDict(frozen=True)
    kind: str
    label: str
    odds: float


class TraitOut(OddsOut):
    """A label, its cases, and the range of the factor at 95 %."""

    n: int
    converted: int
    low: float
    high: float


class ProspectOut(BaseModel):
    """One account or lead that has not converted."""

    model_config = ConfigDict(frozen=True)
    id: str
    name: str
    owner: str | None
    chance: float
    lift: float
    reasons: list[OddsOut]


class PropensityOut(BaseModel):
    """Prospects, the most likely first, and what that rests on: model, nothing or too_few."""

    model_config = ConfigDict(frozen=True)
    subject: str
    as_of: datetime
    basis: str
    n: int
    converted: int
    overall: float
    n_checked: int
    brier: float | None
    brier_share: float | None
    auc: float | None
    traits: list[TraitOut]
    prospects: list[ProspectOut]


def propensity(
    who: Annotated[Caller, Depends(caller)],
    of: Annotated[Literal["accounts", "leads"], Query(description="accounts or leads")] = "accounts",
    where: Annotated[list[str] | None, Query(description="predicate on them; may come several times")] = None,
    as_of: Annotated[date | None, Query(description="as known at the end of this day")] = None,
) -> PropensityOut:
    """How likely accounts or leads are to convert, and what those that did have in common."""
    answer = who.view.propensity(ProspectQuery(of, tuple(where or ()), as_of))
    return PropensityOut.model_validate(propensity_record(answer))
