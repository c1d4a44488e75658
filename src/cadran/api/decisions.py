"""Decisions, as the API answers them."""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated

from fastapi import Depends, Request
from pydantic import ConfigDict

from cadran.api.caller import Caller, caller
from cadran.api.document import Document
from cadran.insights.decision import track_record
from cadran.insights.decision_record import decision_record
from cadran.jobs.decisions import decisions as recorded
from cadran.period import local_day


class DecisionOut(Document):
    """A decision with what it was measured to have changed; rates in 0..1, null where nothing was measured."""

    id: int
    title: str
    owner: str
    person: str
    kpi: str
    version: str
    where: list[str]
    control: list[str]
    decided_on: date
    before_start: date
    before_end: date
    after_start: date
    after_end: date
    due_on: date
    status: str
    expected: str
    per: str | None
    outcome: str | None
    effect: float | None
    low: float | None
    high: float | None
    is_held: bool | None
    method: str
    has_drifted: bool | None
    is_late: bool
    reason: str
    measured_at: datetime | None
    known_at: datetime | None
    snapshot: str | None


class TrackRecordOut(Document):
    """How well expectations turned out."""

    model_config = ConfigDict(from_attributes=True)
    n_measured: int
    n_effect: int
    n_opposite: int
    n_none: int
    n_held: int
    n_unclear: int
    n_overdue: int
    median_ratio: float | None


class DecisionsOut(Document):
    """Every decision, oldest first, and how well the team predicts."""

    decisions: list[DecisionOut]
    record: TrackRecordOut


def decisions(request: Request, who: Annotated[Caller, Depends(caller)]) -> DecisionsOut:
    """Every decision, with what it was measured to have changed."""
    project = who.view.project
    clock = request.app.state.clock
    now = clock() if clock else who.view.meta.known_at
    today = local_day(now, project.zone)
    found = recorded(project)
    return DecisionsOut(
        decisions=[DecisionOut.model_validate(decision_record(each, today, who.language)) for each in found],
        record=TrackRecordOut.model_validate(track_record(found, today)),
    )
