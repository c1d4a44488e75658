"""Where bookings and KPIs land, as the API answers it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal  # noqa: TC003 - FastAPI reads the annotations
from typing import Annotated, Literal

from fastapi import Depends, Query

from cadran.api.caller import Caller, caller
from cadran.engine.deals import DealQuery
from cadran.engine.query import KpiQuery
from cadran.insights.landing import Outlook  # noqa: TC001 - FastAPI reads the annotations
from cadran.insights.pace import Pace  # noqa: TC001 - FastAPI reads the annotations

Where = Annotated[list[str] | None, Query(description="predicate; may come several times")]
AsOf = Annotated[date | None, Query(description="as known at the end of this day")]


def forecast(
    who: Annotated[Caller, Depends(caller)],
    grain: Annotated[Literal["month", "quarter"], Query(description="month or quarter")] = "quarter",
    goal: Annotated[Decimal | None, Query(description="amount to reach")] = None,
    where: Where = None,
    as_of: AsOf = None,
) -> Outlook:
    """Where the bookings of the running period land, with a band, by segment and by owner."""
    return who.view.forecast(DealQuery(tuple(where or ()), as_of), grain=grain, goal=goal)


def landings(
    who: Annotated[Caller, Depends(caller)],
    kpi: Annotated[list[str], Query(description="KPI id; may come several times")],
    grain: Annotated[Literal["week", "month", "quarter"], Query(description="week, month or quarter")] = "month",
    where: Where = None,
    as_of: AsOf = None,
) -> list[Pace]:
    """Where each KPI lands at the end of its running period."""
    query = KpiQuery(tuple(kpi), grain=grain, where=tuple(where or ()), as_of=as_of)
    return list(who.view.paces(query))
