"""What derivations need to know beside the tables, and how a build may hold on to what they share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Literal

from cadran.config import refusal
from cadran.errors import did_you_mean

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

#: Settings of ``[money]``, and where reference rates may come from, the default first.
MONEY_KEYS, REFERENCE_RATES = ("reference_rates", "plan_rates"), ("ecb", "none")


@dataclass(frozen=True)
class Constant:
    """The rates at which every amount is told, whatever its day.

    Attributes:
        on: Day whose rates they are; None where they are those of a plan.
        plan: Units of the base currency for one unit of each currency of the plan.
    """

    on: date | None = None
    plan: tuple[tuple[str, Decimal], ...] = ()


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
        constant: Rates at which all amounts are told, or None for the rate of each amount's own day.
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
    constant: Constant | None = None
    without: tuple[str, tuple[str, ...]] | None = None


@dataclass(frozen=True)
class MoneySettings:
    """The section ``[money]`` of cadran.toml.

    Attributes:
        reference_rates: Whether the ECB's rates serve where no other is known.
        plan_rates: Units of the base currency for one unit of each currency, as the company's plan has them.
    """

    reference_rates: bool = True
    plan_rates: tuple[tuple[str, Decimal], ...] = ()


def money_settings(project: Project) -> MoneySettings:
    """What a project says of its exchange rates.

    Raises:
        ConfigError: A setting does not exist or cannot have its value.
    """
    given = project.extra.get("money", {})
    for key in given:
        if key not in MONEY_KEYS:
            raise refusal(project.places, "money", key, ", ".join(MONEY_KEYS), did_you_mean(key, MONEY_KEYS))
    source = given.get("reference_rates", REFERENCE_RATES[0])
    if source not in REFERENCE_RATES:
        raise refusal(project.places, "money.reference_rates", source, ", ".join(REFERENCE_RATES))
    plan = given.get("plan_rates", {})
    if not isinstance(plan, dict):
        raise refusal(project.places, "money.plan_rates", plan, "{USD = 0.92, GBP = 1.15}")
    return MoneySettings(source == REFERENCE_RATES[0], tuple((name, _rate(project, name, plan[name])) for name in plan))


def _rate(project: Project, name: str, value: object) -> Decimal:
    try:
        rate = Decimal(str(value))
    except InvalidOperation:
        rate = Decimal(0)
    if not (rate.is_finite() and rate > 0 and re.fullmatch("[A-Z]{3}", name)):
        raise refusal(project.places, "money.plan_rates", f"{name} = {value}", "{USD = 0.92, GBP = 1.15}")
    return rate


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
