"""Who paid what and when: spans of constant monthly recurring revenue.

A span is half-open, ``[from_at, to_at)`` in naive UTC; ``to_at`` is NULL while it runs. MRR is a
balance at a date: a yearly amount paid in January is a twelfth of it on every day of its year,
whenever the cash came in. Amounts are decimal(18,4), in the currency of the subscription.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.canonical.changes import as_type
from cadran.canonical.schema import TYPES, Expr
from cadran.canonical.shape import earliest, latest, money, pick, window
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

#: Billing intervals as systems name them, and their months; a month is a twelfth of 365 days.
MONTHS: tuple[tuple[tuple[str, ...], float], ...] = (
    (("month", "monthly", "months", "m"), 1.0),
    (("year", "yearly", "years", "annual", "annually", "y"), 12.0),
    (("quarter", "quarterly", "quarters", "q"), 3.0),
    (("semester", "half_year", "semiannual"), 6.0),
    (("week", "weekly", "weeks", "w"), 12 * 7 / 365),
    (("day", "daily", "days", "d"), 12 / 365),
)

#: Statuses after which nothing is billed, for sources that give no end of service.
ENDED_STATUSES = ("canceled", "cancelled", "ended", "expired", "churned", "terminated")

#: Unpaid statuses in which the company is a customer all the same, at no revenue.
KEPT_STATUSES = ("paused", "past_due", "unpaid")

#: Statuses of a trial, which count only where the source does not say when the trial ended.
TRIAL_STATUSES = ("trial", "trialing", "trialling", "in_trial")

#: Fields whose changes cut a span; `canonical.history` takes them from recorded changes and from versions.
CHANGING = ("mrr", "amount", "quantity", "discount_share", "status")

INSTANT = TYPES["timestamp"]


def spans(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per subscription and stretch of time in which it brings the same MRR.

    Columns: subscription_id, customer_id (the account where no customer is given), account_id,
    currency, from_at, to_at, mrr, n (1 when its holder counts as a customer), is_escalator,
    cancel_requested_at. A trial is not in it; an unpaid or fully discounted stretch is, at 0.
    Rows that start after `Settings.known_at`, or end before they start, are left out.
    Order is not defined.
    """
    base = _served(t["subscription"], settings)
    pieces = _pieces(base, t["field_history"], settings)
    in_trial = pieces.status.isin(TRIAL_STATUSES) & pieces.trial_ended_at.notnull()
    is_over = pieces.status.isin(ENDED_STATUSES) & ~pieces.has_end & pieces.ended_at.isnull()
    unpaid = (pieces.status.isin(settings.unpaid_statuses) & ~in_trial) | is_over
    priced = pieces.mutate(
        unpaid=unpaid.fill_null(False), kept=pieces.status.isin(KEPT_STATUSES).fill_null(False), priced=_monthly(pieces)
    )
    open_pieces = priced.filter(priced.to_at.isnull() | (priced.to_at > priced.from_at))
    return open_pieces.select(
        "subscription_id",
        "customer_id",
        "account_id",
        "currency",
        "from_at",
        "to_at",
        "cancel_requested_at",
        mrr=pick(open_pieces.unpaid, money(Decimal(0)), open_pieces.priced),
        n=pick(open_pieces.unpaid & ~open_pieces.kept, 0, 1).cast("int64"),
        is_escalator=open_pieces.is_escalator.fill_null(False) & (open_pieces.from_at == open_pieces.started_at),
    )


def _served(subscription: ir.Table, settings: Settings) -> ir.Table:
    """One row per subscription with the start and the end of what is paid for, as far as known."""
    known = ibis.literal(settings.known_at, INSTANT)
    s = subscription.mutate(status=subscription.status.lower().strip())
    silent = (s.status.isin(ENDED_STATUSES) & s.ended_at.isnull()).fill_null(False)
    stopped = pick(silent, s.cancel_requested_at.coalesce(s.updated_at), s.ended_at)
    s = s.mutate(
        has_end=s.ended_at.notnull(),
        # A deleted subscription is churn, not a correction (G-13).
        ended_at=earliest(stopped, s.deleted_at),
        started_at=latest(s.started_at, s.trial_ended_at),
    )
    if settings.churn_dating == "request":
        s = s.mutate(ended_at=earliest(s.ended_at, s.cancel_requested_at))
    return s.filter(s.started_at <= known).select(
        *CHANGING,
        "interval",
        "interval_count",
        "is_escalator",
        "updated_at",
        "account_id",
        "started_at",
        "trial_ended_at",
        "cancel_requested_at",
        "has_end",
        subscription_id=s.id,
        customer_id=s.customer_id.coalesce(s.account_id, s.id),
        currency=s.currency.upper().coalesce(settings.currency),
        ended_at=pick(s.ended_at <= known, s.ended_at, ibis.null(INSTANT)),
    )


def _pieces(base: ir.Table, history: ir.Table, settings: Settings) -> ir.Table:
    """Subscriptions cut wherever a field that MRR depends on changed, with its value in each piece."""
    known = ibis.literal(settings.known_at, INSTANT)
    changes = history.filter(
        history.entity_type == "subscription", history.field.isin(CHANGING), history.changed_at <= known
    ).select("field", "old_value", "changed_at", subscription_id=history.entity_id)
    cuts = _cuts(base, changes)
    onwards = window("subscription_id", "from_at")
    cuts = cuts.mutate(next_at=cuts.from_at.lead().over(onwards))
    found = cuts.join(base, "subscription_id").left_join(_before(cuts, changes), ["subscription_id", "from_at"])
    # An unpaid status whose change was not recorded holds since the last update, not before.
    silent = found.status.isin(KEPT_STATUSES) & (found.from_at < found.updated_at) & found.has_status.isnull()
    recorded = found.was_status.lower().strip()
    status = pick(silent.fill_null(False), "active", recorded.coalesce(found.status))
    was = {
        name: pick(found[f"has_{name}"].notnull(), as_type(found[f"was_{name}"], base[name].type()), found[name])
        for name in CHANGING
        if name != "status"
    }
    return found.mutate(to_at=found.next_at.coalesce(found.ended_at), status=status, **was)


def _before(cuts: ir.Table, changes: ir.Table) -> ir.Table:
    """One row per piece and the old value of the next change of each field; none where nothing changed later."""
    later = cuts.select("subscription_id", "from_at").join(changes, "subscription_id")
    later = later.filter(later.changed_at > later.from_at)
    place = ibis.row_number().over(group_by=["subscription_id", "from_at", "field"], order_by="changed_at")
    following = later.mutate(place=place).filter(lambda r: r.place == 0)
    return following.group_by("subscription_id", "from_at").agg(
        **{f"was_{name}": following.old_value.max(where=following.field == name) for name in CHANGING},
        **{f"has_{name}": following.field.max(where=following.field == name) for name in CHANGING},
    )


def _cuts(base: ir.Table, changes: ir.Table) -> ir.Table:
    """One row per subscription and instant at which a piece starts.

    A subscription that is unpaid now, by a status whose change was not recorded, was paid until
    its last known update: its past is not rewritten.
    """
    recorded = changes.filter(changes.field == "status").select("subscription_id").distinct()
    silent = base.anti_join(recorded, "subscription_id")
    silent = silent.filter(silent.status.isin(KEPT_STATUSES))
    marks = ibis.union(
        changes.select("subscription_id", "changed_at"),
        silent.select("subscription_id", changed_at=silent.updated_at),
    )
    inside = marks.join(base.select("subscription_id", "started_at", "ended_at"), "subscription_id")
    inside = inside.filter(
        inside.changed_at > inside.started_at, inside.ended_at.isnull() | (inside.changed_at < inside.ended_at)
    )
    return ibis.union(
        base.select("subscription_id", from_at=base.started_at),
        inside.select("subscription_id", from_at=inside.changed_at),
        distinct=True,
    )


def _monthly(s: ir.Table) -> Expr:
    """MRR of a piece: as given, else the amount of one interval spread over its months, less the discount.

    The division is made on doubles, which hold any amount below a hundred billion to the
    ten-thousandth, and rounded once; an amount in an unknown interval gives NULL.
    """
    name = s.interval.lower().strip().fill_null("month")
    months = ibis.cases(*[(name.isin(words), value) for words, value in MONTHS], else_=ibis.null("float64"))
    every = (months * s.interval_count.cast("float64").fill_null(1.0)).nullif(0.0)
    kept = 1.0 - s.discount_share.fill_null(0.0)
    whole = s.amount.cast("float64") * s.quantity.cast("float64").fill_null(1.0)
    return s.mrr.coalesce(money((whole * kept / every).round(4)))
