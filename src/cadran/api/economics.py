"""Unit economics, as the API answers them."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - FastAPI reads the annotations
from typing import Annotated

from fastapi import Depends, Query

from cadran.api.caller import Caller, caller
from cadran.engine.customers import CustomerQuery
from cadran.insights.economics import Economics  # noqa: TC001 - FastAPI reads the annotations


def economics(
    who: Annotated[Caller, Depends(caller)],
    where: Annotated[list[str] | None, Query(description="predicate on customers; may come several times")] = None,
    as_of: Annotated[date | None, Query(description="as known at the end of this day")] = None,
) -> Economics:
    """What customers are worth and what they cost; `null` where there is no value, with its reason."""
    return who.view.economics(CustomerQuery(tuple(where or ()), as_of))
