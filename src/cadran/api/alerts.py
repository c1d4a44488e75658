"""Alerts and runs, as the API answers them, and what a person does with an alert."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Any, Literal

from fastapi import Body, Depends, Request
from pydantic import BaseModel, ConfigDict

from cadran.api.caller import Caller, caller
from cadran.insights.alert_record import alert_record
from cadran.jobs import alerts as jobs
from cadran.jobs.run import run_records


class EventOut(BaseModel):
    """Something that happened to an alert, or that a person did with it."""

    model_config = ConfigDict(frozen=True)
    at: str
    what: str
    person: str
    text: str
    until: date | None


class AlertOut(BaseModel):
    """An alert; rates in 0..1, money in the base currency, null where nothing is known."""

    model_config = ConfigDict(frozen=True)
    alert: int
    status: str
    level: str
    kind: str
    kpi: str
    segment: dict[str, str | None]
    value: float | None
    usual: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    since: date
    money: str | None
    currency: str
    is_favourable: bool | None
    owner: str
    assignee: str
    team: str
    raised_at: str
    recovered_at: str | None
    acknowledged_at: str | None
    quiet_until: date | None
    entity: str
    where: list[str]
    with_it: list[dict[str, Any]]
    period_start: date
    period_end: date
    events: list[EventOut]


class RunOut(BaseModel):
    """One run of the rhythm."""

    model_config = ConfigDict(frozen=True)
    run: int
    job: str
    slot: str
    worker: str
    started_at: str
    ended_at: str | None
    seconds: float | None
    outcome: str
    steps: dict[str, Any]


class ActIn(BaseModel):
    """What is done with an alert: `reason` and `until` to acknowledge, `until` to snooze, `text` for the others."""

    model_config = ConfigDict(extra="forbid")
    text: str = ""
    reason: str = ""
    until: date | None = None


def alerts(who: Annotated[Caller, Depends(caller)], every: bool = False) -> list[AlertOut]:
    """Alerts that last, or with ``every`` all of them, newest first."""
    return [_out(row) for row in jobs.alerts(who.view.project, every=every)]


def runs(who: Annotated[Caller, Depends(caller)]) -> list[RunOut]:
    """The newest runs first."""
    return [RunOut.model_validate(record) for record in run_records(who.view.project)]


def act(
    number: int,
    verb: Literal["acknowledge", "snooze", "assign", "comment"],
    request: Request,
    who: Annotated[Caller, Depends(caller)],
    given: Annotated[ActIn, Body()],
) -> list[AlertOut]:
    """Do something with an alert; the alerts that last afterwards.

    Raises:
        QueryError: There is no such alert, or something is missing.
    """
    project, clock = who.view.project, request.app.state.clock
    now = clock() if clock else who.view.meta.known_at
    until = given.until or now.date()
    match verb:
        case "acknowledge":
            jobs.acknowledge(project, number, reason=given.reason, until=until, now=now, person=who.view.person)
        case "snooze":
            jobs.snooze(project, number, until=until, now=now, person=who.view.person)
        case "assign":
            jobs.assign(project, number, to=given.text, now=now, person=who.view.person)
        case "comment":
            jobs.comment(project, number, text=given.text, now=now, person=who.view.person)
    return [_out(row) for row in jobs.alerts(project)]


def _out(row: dict[str, Any]) -> AlertOut:
    events = [{**each, "at": each["at"].isoformat() + "Z"} for each in row["events"]]
    return AlertOut.model_validate({**alert_record(row), "events": events})
