"""Won revenue credited to touches, as the API answers it."""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003 - FastAPI reads the annotations
from decimal import Decimal  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated

from fastapi import Depends, Query

from cadran.api.caller import Caller, caller
from cadran.api.document import Document
from cadran.engine.journeys import JourneyQuery
from cadran.i18n import say


class ShareOut(Document):
    """What one label gets by one model."""

    value: Decimal
    wins: float


class CreditOut(Document):
    """One label by every model, with the range over them."""

    label: str
    shares: dict[str, ShareOut]
    low: Decimal
    high: Decimal


class AttributionOut(Document):
    """Credited revenue: the column of every model sums to `value`."""

    rows: list[CreditOut]
    models: list[str]
    default: str
    refused: dict[str, str]
    value: Decimal
    wins: int
    n_touched: int
    n_journeys: int
    without_amount: int
    without_rate: list[str]
    currency: str
    as_of: datetime


def attribution(
    who: Annotated[Caller, Depends(caller)],
    by: Annotated[
        str, Query(description="channel, source, medium, campaign, content, landing_page or touch_type")
    ] = "channel",
    start: Annotated[date | None, Query(alias="from", description="first day of closing")] = None,
    end: Annotated[date | None, Query(alias="to", description="first day after")] = None,
    where: Annotated[list[str] | None, Query(description="predicate on deals; may come several times")] = None,
    as_of: Annotated[date | None, Query(description="as known at the end of this day")] = None,
) -> AttributionOut:
    """Won revenue credited to what touched the buyers, by every model."""
    found = who.view.attribution(JourneyQuery(by, start, end, tuple(where or ()), as_of))
    return AttributionOut(
        rows=[
            CreditOut(
                label=row.label,
                shares={name: ShareOut(value=share.value, wins=share.wins) for name, share in row.shares.items()},
                low=row.low,
                high=row.high,
            )
            for row in found.rows
        ],
        models=list(found.models),
        default=found.default,
        refused={model: say(reason, params, who.language) for model, (reason, params) in found.refused.items()},
        value=found.value,
        wins=found.wins,
        n_touched=found.n_touched,
        n_journeys=found.n_journeys,
        without_amount=found.without_amount,
        without_rate=list(found.without_rate),
        currency=found.currency,
        as_of=found.as_of,
    )
