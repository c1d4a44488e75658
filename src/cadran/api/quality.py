"""How good the data is, as the API answers it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from cadran.api.caller import Caller, caller
from cadran.api.document import Document
from cadran.jobs.quality import finding_record


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


class ScoreOut(Document):
    """The share of checks that the rows of a team pass; the team is null for rows without one."""

    team: str | None
    n_checked: int
    value: float | None


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
    found = who.view.quality(kpi or ())
    return QualityOut(
        score=found.total.value,
        teams=[ScoreOut(team=each.team, n_checked=each.n_checked, value=each.value) for each in found.teams],
        findings=[FindingOut.model_validate(finding_record(each, who.language)) for each in found.findings],
    )
