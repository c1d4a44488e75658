"""Late changes, as the API answers them."""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Any

from fastapi import Depends, Query

from cadran.api.caller import Caller, caller
from cadran.api.document import Document
from cadran.engine.query import KpiQuery, LateQuery
from cadran.insights.late import document
from cadran.period import parse_grain


class LateChangeOut(Document):
    """A row that adds another amount to one part of a figure than it did; amounts are decimals as text."""

    kpi: str
    period_start: date
    period_end: date
    segment: dict[str, str | None]
    part_of: str
    part: str
    change: str
    entity: str
    id: str
    old: int | float | str | None
    new: int | float | str | None
    delta: int | float | str | None
    learnt_from: datetime | None
    learnt_to: datetime | None


class LateFigureOut(Document):
    """One figure as known on the earlier day and on the later one."""

    period_start: date
    period_end: date
    segment: dict[str, str | None]
    old: dict[str, Any] | None
    new: dict[str, Any] | None


class LateOut(Document):
    """The rows that entered, left or changed a KPI's figures between two days of knowledge."""

    kpi: str
    currency: str
    since: datetime
    until: datetime
    figures: list[LateFigureOut]
    changes: list[LateChangeOut]


def late(  # noqa: PLR0913, PLR0917 - one argument per parameter of a question
    who: Annotated[Caller, Depends(caller)],
    kpi: Annotated[str, Query(description="KPI id")],
    since: Annotated[date, Query(description="day at whose end the figures were told")],
    start: Annotated[date, Query(alias="from", description="first day of the span")],
    end: Annotated[date, Query(alias="to", description="first day after the span")],
    grain: Annotated[str, Query(description="day, week, month, quarter or year")] = "",
    by: Annotated[list[str] | None, Query(description="dimension; may come several times")] = None,
    where: Annotated[list[str] | None, Query(description="predicate; may come several times")] = None,
    as_of: Annotated[date | None, Query(description="later day of knowledge; everything known without it")] = None,
) -> LateOut:
    """The rows that a span's figures owe their change to, since they were told."""
    query = KpiQuery(
        kpis=(kpi,),
        by=tuple(by or ()),
        grain=parse_grain(grain) if grain else None,
        start=start,
        end=end,
        where=tuple(where or ()),
        as_of=as_of,
    )
    return LateOut.model_validate(document(who.view.late(LateQuery(query, since))))
