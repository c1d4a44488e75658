"""What a company agreed on, as the API answers it, read-only: actions, changes of contracts, goals and their pace."""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003 - pydantic reads the annotations
from decimal import Decimal  # noqa: TC003 - as above
from typing import Annotated

from fastapi import Depends, Query, Request

from cadran.api.caller import Caller, caller
from cadran.api.document import Document
from cadran.jobs.contracts import change_record, history
from cadran.jobs.goals import goal_records, pace_of_target, pace_record, spread_goal
from cadran.jobs.review import action_record, item_records, last_review
from cadran.jobs.review import actions as kept
from cadran.period import local_day, parse_grain


class ActionOut(Document):
    """What somebody does about a KPI by a day."""

    action: int
    team: str
    kpi: str
    text: str
    owner: str
    due_on: date
    created_at: datetime
    done_at: datetime | None
    is_overdue: bool


class ItemOut(Document):
    """One item of a review, and how it ended; amounts are decimals as text."""

    review: int
    item: int
    rank: int
    team: str
    kpi: str
    period_start: date
    period_end: date
    segment: dict[str, str | None]
    value: int | float | str | None
    before: int | float | str | None
    change: int | float | str | None
    money: str | None
    currency: str
    through: str | None
    certainty: float
    why: str
    action: str | None
    owner: str | None
    due_on: date | None
    no_action_reason: str | None


class ChangeOut(Document):
    """One change of a contract that was proposed, and what became of it."""

    change: int
    kpi: str
    base: str
    version: str
    effective_from: date
    restated_until: date | None
    reason: str
    person: str
    proposed_on: date
    status: str
    decided_by: str | None
    decided_on: date | None
    answer: str | None
    n_in: int
    n_out: int


class PortionOut(Document):
    """What a goal asks of one KPI in one quarter, or one segment of it, as a decimal in text."""

    kpi: str
    period_start: date
    period_end: date
    segment: dict[str, str | None]
    value: str
    weight: float
    n_years: int


class PaceOut(Document):
    """Where the running period stands on the way to its target, by how past periods filled up."""

    kpi: str
    period_start: date
    period_end: date
    until: date
    target: str | None
    so_far: str | None
    due: str | None
    low: str | None
    high: str | None
    straight: str | None
    verdict: str
    n_past: int


def actions(
    request: Request,
    who: Annotated[Caller, Depends(caller)],
    every: Annotated[bool, Query(alias="all", description="those that are done too")] = False,
) -> list[ActionOut]:
    """Actions by deadline."""
    clock, project = request.app.state.clock, who.view.project
    today = local_day(clock() if clock else who.view.meta.known_at, project.zone)
    return [ActionOut.model_validate(action_record(row, today)) for row in kept(project, is_open=not every)]


def review(who: Annotated[Caller, Depends(caller)], team: Annotated[str, Query(description="board")]) -> list[ItemOut]:
    """The items of a team's last review; none where none was prepared."""
    found = last_review(who.view.project, team)
    return [ItemOut.model_validate(record) for record in (item_records(found) if found else ())]


def contracts(
    who: Annotated[Caller, Depends(caller)],
    kpi: Annotated[str, Query(description="KPI id; all without it")] = "",
) -> list[ChangeOut]:
    """Changes of contracts, oldest first."""
    return [ChangeOut.model_validate(change_record(row)) for row in history(who.view.project, kpi)]


def cascade(
    who: Annotated[Caller, Depends(caller)],
    kpi: Annotated[str, Query(description="KPI id")],
    goal: Annotated[Decimal, Query(gt=0, description="what the year brings, or where it ends")],
    by: Annotated[list[str] | None, Query(description="dimension; may come several times")] = None,
    year: Annotated[date | None, Query(description="a day of the year; the next one by default")] = None,
) -> list[PortionOut]:
    """A goal spread over the KPIs of teams, quarters and segments; nothing is written."""
    found = spread_goal(who.view, who.kpi(kpi).id, goal, day=year, by=tuple(by or ()))
    return [PortionOut.model_validate(record) for record in goal_records(found)]


def pace(
    who: Annotated[Caller, Depends(caller)],
    kpi: Annotated[str, Query(description="KPI id")],
    grain: Annotated[str, Query(description="month, quarter or year")] = "quarter",
    where: Annotated[list[str] | None, Query(description="predicate; may come several times")] = None,
) -> PaceOut:
    """Whether the running period of a KPI is on the way to its target."""
    found = pace_of_target(who.view, who.kpi(kpi).id, grain=parse_grain(grain), where=tuple(where or ()))
    return PaceOut.model_validate(pace_record(kpi, found))
