"""What became, over one month and over twelve, of the revenue that each customer brought.

Between two changes everything about a customer stays as it is: the balance, the balance a month and
a year before, what was lost in between. So nothing is looked up month by month. Every movement is
booked at once on the month in which it happened and on the months in which it enters a look-back
(`WINDOWS` later), running sums give all balances at those months, and only then is each stretch
laid out over its months.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.canonical.months import known_month
from cadran.canonical.shape import money, pick, running, stacked, window
from cadran.deferred import ibis

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cadran.canonical.schema import Expr
    from cadran.canonical.settings import Settings

#: Months of each look-back.
WINDOWS = (1, 12)
ZERO = Decimal(0)


def customer_months(monthly: ir.Table, settings: Settings) -> ir.Table:
    """One row per customer and month with anything to say, up to the known one.

    Args:
        monthly: Per customer_id and month (its number): account_id, delta and home (MRR at the constant
            rate, and its part in the base currency), n (customers), escalated, churned (how often
            revenue fell to nothing), unknown (movements without a rate).
        settings: See `derive.Settings`.

    Returns:
        customer_id, account_id, month, mrr_end, home, is_customer, and for each window the columns of
        ``customer_month``. Amounts are NULL from a movement without a rate on.
    """
    stretches = _running(_booked(monthly))
    for size in WINDOWS:
        stretches = _compared(stretches, size)
    none = money(ZERO)
    told = stretches.mrr_end.isnull() | (stretches.mrr_end != none) | stretches.is_customer
    for size in WINDOWS:
        told = told | (stretches[f"mrr_{size}m_before"] != none).fill_null(True)
    end = known_month(settings) + 1
    kept = stretches.filter(told, stretches.month < end)
    until = ibis.least(kept.next_month.coalesce(end), end)
    return kept.mutate(month=ibis.range(kept.month, until, 1).unnest()).drop("next_month")


def _booked(monthly: ir.Table) -> ir.Table:
    """The movements, each on its month and again on the months in which a look-back reaches it."""
    none, nothing = money(ZERO), ibis.literal(0, "int64")
    parts = []
    for shift in (0, *WINDOWS):
        now = shift == 0
        columns: dict[str, Expr] = {
            "delta_0": monthly.delta if now else none,
            "home": monthly.home if now else none,
            "n": monthly.n if now else nothing,
            "unknown_0": monthly.unknown if now else nothing,
        }
        for size in WINDOWS:
            ends = size == shift
            columns[f"delta_{size}"] = monthly.delta if ends else none
            columns[f"unknown_{size}"] = monthly.unknown if ends else nothing
            columns[f"left_{size}"] = monthly.churned if now else (-monthly.churned if ends else nothing)
            columns[f"raised_{size}"] = monthly.escalated if now else (money(-monthly.escalated) if ends else none)
        parts.append(monthly.select("customer_id", "account_id", month=monthly.month + shift, **columns))
    every = stacked(parts[0], *parts[1:])
    sums = {name: every[name].sum() for name in columns}
    return every.group_by("customer_id", "month").agg(account_id=every.account_id.max(), **sums)


def _running(booked: ir.Table) -> ir.Table:
    """The balances from each month on, until ``next_month``; NULL once a movement has no rate."""
    so_far = running("customer_id", "month")
    amounts = [name for name in booked.columns if name.startswith(("delta_", "raised_", "home"))]
    counts = [name for name in booked.columns if name.startswith(("unknown_", "left_")) or name == "n"]
    found = booked.mutate(
        next_month=booked.month.lead().over(window("customer_id", "month")),
        **{name: money(booked[name].sum().over(so_far)) for name in amounts},
        **{name: booked[name].sum().over(so_far) for name in counts},
    )
    known = {
        f"balance_{shift}": pick(found[f"unknown_{shift}"] > 0, ibis.null("decimal(18, 4)"), found[f"delta_{shift}"])
        for shift in (0, *WINDOWS)
    }
    found = found.mutate(**known)
    earlier = {f"paid_{size}": found[f"balance_{size}"].max().over(so_far) for size in WINDOWS}
    return found.mutate(mrr_end=found.balance_0, is_customer=found.n > 0, **earlier).drop(
        "n", *(name for name in booked.columns if name.startswith(("unknown_", "delta_"))), "balance_0"
    )


def _compared(stretches: ir.Table, size: int) -> ir.Table:
    """The stretches with the balance of a look-back and what became of it, by the net of the window."""
    none = money(ZERO)
    s = stretches
    end, before = s.mrr_end, s[f"balance_{size}"]
    had, has = before > none, end > none
    stayed = had & has & (s[f"left_{size}"] == 0)
    paid = (s[f"paid_{size}"] > none).fill_null(False)
    expansion = pick(stayed & (end > before), money(end - before), none)
    named = {
        f"mrr_{size}m_before": before,
        f"expansion_{size}m": expansion,
        f"contraction_{size}m": pick(stayed & (end < before), money(before - end), none),
        f"churn_{size}m": pick(had & ~stayed, before, none),
        f"reactivation_{size}m": pick(has & ~stayed & (had | paid), end, none),
        f"new_{size}m": pick(has & ~had & ~paid, end, none),
        f"retained_{size}m": pick(stayed, ibis.least(end, before), none),
        f"escalator_{size}m": ibis.least(expansion, s[f"raised_{size}"]),
    }
    return s.mutate(**named).drop(*(f"{name}_{size}" for name in ("balance", "left", "paid", "raised")))
