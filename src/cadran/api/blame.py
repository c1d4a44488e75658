"""Which segment is to blame for a change of a rate, as a document."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class BlamedOut(BaseModel):
    """One cell that may be to blame; `where` keeps its rows."""

    model_config = ConfigDict(frozen=True)
    segment: dict[str, str | None]
    n: int
    rate: float
    expected: float
    effect: float
    where: list[str]
    is_cause: bool


class BlameOut(BaseModel):
    """What explains a change of a rate; `cause` is null where nothing tells, and `reason` says so."""

    model_config = ConfigDict(frozen=True)
    kpi: str
    version: str
    period_start: str
    period_end: str
    history_start: str
    rate: float | None
    before: float | None
    n: int
    dims: list[str]
    p: float | None
    reason: str
    cause: BlamedOut | None
    candidates: list[BlamedOut]
