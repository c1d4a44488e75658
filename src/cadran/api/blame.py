"""Which segment is to blame for a change of a rate, as a document."""

from __future__ import annotations

from cadran.api.document import Document


class BlamedOut(Document):
    """One cell that may be to blame; `where` keeps its rows."""

    segment: dict[str, str | None]
    n: int
    rate: float
    expected: float
    effect: float
    where: list[str]
    is_cause: bool


class BlameOut(Document):
    """What explains a change of a rate; `cause` is null where nothing tells, and `reason` says so."""

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
