"""What KPIs are believed to drive, looked at, as the API answers it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from cadran.api.caller import Caller, caller
from cadran.insights.hypotheses import Hypothesis  # noqa: TC001 - FastAPI reads the annotations


def hypotheses(
    who: Annotated[Caller, Depends(caller)],
    kpi: Annotated[list[str] | None, Query(description="KPI id; all of which something is believed without it")] = None,
) -> list[Hypothesis]:
    """Do the changes of a KPI come before those of what it is believed to drive? Correlation, not cause."""
    return list(who.view.hypotheses(tuple(kpi or ())))
