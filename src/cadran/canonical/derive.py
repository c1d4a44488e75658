"""Derived tables from landed ones: the same functions for "now" and for any past date.

`tables` takes the landed entities as Ibis tables (published, or cut to what was known on a day)
and gives the wide and derived tables that KPIs are computed on. Nothing is executed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import ibis.expr.types as ir

#: Statuses that bill nothing, as billing systems write them; a trial ends by its own date.
UNPAID_STATUSES = (
    "trial",
    "trialing",
    "trialling",
    "in_trial",
    "paused",
    "past_due",
    "unpaid",
    "incomplete",
    "incomplete_expired",
    "future",
)


@dataclass(frozen=True)
class Settings:
    """What derivations need to know beside the tables.

    Attributes:
        known_at: Naive UTC instant up to which the tables are known; nothing later exists.
        currency: Base currency.
        zone: Zone in which ``_on`` days are cut.
        grace_days: Longest gap without revenue that is a pause and not a churn.
        recycle_days: Shortest gap after which a person starts another cycle.
        churn_dating: Whether churn is dated at the end of service or at the request to cancel.
        unpaid_statuses: Statuses in which a subscription brings no recurring revenue, in lower case.
        import_batch: Opportunities created in one minute from which it is a bulk import.
    """

    known_at: datetime
    currency: str
    zone: str
    grace_days: int = 0
    recycle_days: int = 90
    import_batch: int = 50
    churn_dating: Literal["service_end", "request"] = "service_end"
    unpaid_statuses: tuple[str, ...] = UNPAID_STATUSES


def tables(landed: Mapping[str, ir.Table], settings: Settings) -> dict[str, ir.Table]:
    """Every table that KPIs read, by entity name.

    Args:
        landed: Landed entities and the auxiliary ``working_minutes`` table, one current row per id.
        settings: See `Settings`.

    Returns:
        Each landed entity as it is published (``opportunity`` widened by the dimensions as of the
        event, money also in the base currency) and each derived entity of `canonical.entities`.
    """
    raise NotImplementedError
