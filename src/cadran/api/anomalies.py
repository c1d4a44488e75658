"""What is out of its usual range, as a document."""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003 - pydantic reads the annotations
from decimal import Decimal  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Any

from fastapi import Depends, Query

from cadran.api.caller import Caller, caller
from cadran.api.document import Document
from cadran.engine.query import from_params
from cadran.insights.anomalies_record import anomalies_record


class AnomalyOut(Document):
    """One KPI in one segment; those of a `group` moved together; `where` keeps the rows."""

    group: int
    kpi: str
    segment: dict[str, str | None]
    shape: str
    since: date
    value: float
    expected: float
    low: float
    high: float
    n: int
    p: float
    is_favourable: bool | None
    money: Decimal | None
    currency: str
    where: list[str]


class MissingOut(Document):
    """A table of which the last days have not come; its KPIs are not judged."""

    entity: str
    since: date
    kpis: list[str]


class AnomaliesOut(Document):
    """What is out of its range in one week; of what is raised at most the share `level` is chance."""

    week_start: date
    week_end: date
    n_series: int
    n_judged: int
    level: float
    currency: str
    as_of: datetime
    reason: str
    missing: list[MissingOut]
    anomalies: list[AnomalyOut]


def anomalies(
    who: Annotated[Caller, Depends(caller)],
    kpi: Annotated[list[str] | None, Query(description="KPI id; all that are watched without one")] = None,
    by: Annotated[list[str] | None, Query(description="dimension; segment, channel, stage and owner without")] = None,
    end: Annotated[str, Query(alias="to", description="the week that ends on this day or before")] = "",
    where: Annotated[list[str] | None, Query(description="predicate; may come several times")] = None,
    as_of: Annotated[str, Query(description="as known at the end of this day")] = "",
) -> AnomaliesOut:
    """What is out of its usual range in the last whole week."""
    several = [("kpi", name) for name in kpi or []] + [("by", name) for name in by or []]
    several += [("where", text) for text in where or []]
    found: dict[str, Any] = anomalies_record(
        who.view.anomalies(from_params([*several, ("to", end), ("as_of", as_of)])), who.language
    )
    return AnomaliesOut.model_validate(found)
