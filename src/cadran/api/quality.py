"""How good the data is, as the API answers it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query, Request

from cadran.api.caller import Caller, caller
from cadran.api.document import Document
from cadran.jobs.connections import freshness
from cadran.jobs.quality import finding_record, remembered


class EffectOut(Document):
    """What the rows of a finding do to one figure; amounts are decimals as text, points those of a rate."""

    kpi: str
    segment: str
    unit: str
    shown: int | float | str | None
    without: int | float | str | None
    points: float | None


class FindingOut(Document):
    """One check that rows fail, with the first of them."""

    code: str
    kind: str
    entity: str
    message: str
    n: int
    n_checked: int
    share: float
    ids: list[str]
    effects: list[EffectOut] | None


class EarlierOut(Document):
    """The score of an earlier snapshot."""

    known_at: datetime
    value: float | None


class ScoreOut(Document):
    """The share of checks that the rows of a team pass, and what it was; the team is null for rows without one."""

    team: str | None
    n_checked: int
    value: float | None
    earlier: list[EarlierOut]


class FreshOut(Document):
    """What the last read of a stream of a live connection took, and how old what it gave is."""

    connection: str
    stream: str
    outcome: str
    known_until: str
    hours: float | None
    pages: int
    rows: int
    landed: int
    gone: int
    first: str
    last: str
    requests: float


class QualityOut(Document):
    """What is wrong with the data, and how each team fares."""

    score: float | None
    teams: list[ScoreOut]
    findings: list[FindingOut]


def quality(
    who: Annotated[Caller, Depends(caller)],
    kpi: Annotated[list[str] | None, Query(description="KPI asked again without the rows of each finding")] = None,
) -> QualityOut:
    """What is wrong with the data, with its effect on the last year of the KPIs named."""
    found, past = who.view.quality(kpi or ()), remembered(who.view)
    return QualityOut(
        score=found.total.value,
        teams=[
            ScoreOut(
                team=each.team,
                n_checked=each.n_checked,
                value=each.value,
                earlier=[
                    EarlierOut(known_at=datetime.fromisoformat(one.known_at), value=one.teams.get(each.team or ""))
                    for one in past
                ],
            )
            for each in found.teams
        ],
        findings=[FindingOut.model_validate(finding_record(each, who.language)) for each in found.findings],
    )


def fresh(who: Annotated[Caller, Depends(caller)], request: Request) -> list[FreshOut]:
    """How fresh each stream of each live connection is, by the manifest of its last read."""
    clock = request.app.state.clock
    now = clock() if clock else who.view.meta.known_at
    return [FreshOut.model_validate({"requests": 0, **told}) for told in freshness(who.view.project, now)]
