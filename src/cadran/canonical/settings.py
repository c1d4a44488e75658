"""What derivations need to know beside the tables, and how a build may hold on to what they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date, datetime

    import ibis.expr.types as ir

    from cadran.config import Project

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
        merge_duplicates: Whether rows with the same mail address, or the same domain and name, are one.
        import_batch: Opportunities created in one minute from which it is a bulk import.
        baseline_from: First day of the year of wins that sales cycles are compared with, or None for
            the first win.
        without: Rows that are left out, as if they were not there: a landed table, and ids of it.
    """

    known_at: datetime
    currency: str
    zone: str
    grace_days: int = 0
    recycle_days: int = 90
    import_batch: int = 50
    churn_dating: Literal["service_end", "request"] = "service_end"
    unpaid_statuses: tuple[str, ...] = UNPAID_STATUSES
    merge_duplicates: bool = True
    baseline_from: date | None = None
    without: tuple[str, tuple[str, ...]] | None = None


#: How to hold on to a table that several others rest on: its name and expression to what stands for it.
Keep = Callable[[str, "ir.Table"], "ir.Table"]


def recomputed(_name: str, table: ir.Table) -> ir.Table:
    """The table itself, which every statement that rests on it computes again."""
    return table


def settings_of(project: Project, known_at: datetime) -> Settings:
    """What derivations need to know of a project.

    Args:
        project: Settings of the company.
        known_at: Naive UTC instant up to which its tables are known.
    """
    return Settings(
        known_at=known_at,
        currency=project.currency,
        zone=project.zone.key,
        grace_days=project.policy.grace_days,
        recycle_days=project.policy.recycle_days,
        churn_dating=project.policy.churn_dating,
        import_batch=project.policy.import_batch,
        baseline_from=project.policy.baseline_from,
    )
