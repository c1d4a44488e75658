"""Recurring revenue by customer: movements, and month ends.

MRR is a balance at a date, held per customer and not per subscription or item: what a customer
swaps, upgrades or partly cancels on one day of the company's zone is one movement. Money appears
three ways: in the currency of the subscription, in the base currency at the rate of the day
(``_base``), and in the base currency at one rate for all time, the last one known (``_constant``).
Differences between the last two are movements of type ``fx``, dated month ends and the last
known day, so that the base balance is always the sum of its movements.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.canonical.customers import with_customer
from cadran.canonical.days import SECONDS_IN_DAY, local_day, local_to_utc
from cadran.canonical.money import converted, rated, with_base
from cadran.canonical.months import month_end, month_of, open_month, spine
from cadran.canonical.retention import customer_months
from cadran.canonical.schema import MONEY, TYPES
from cadran.canonical.shape import known_day, money, pick, publish, running, stacked, window
from cadran.canonical.subscriptions import spans
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

#: Seconds by which a span may end before the next starts without a gap: many systems end a day at 23:59:59.
SEAM_SECONDS = 60
ZERO = Decimal(0)
INSTANT = TYPES["timestamp"]


def mrr_movement(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per customer, currency and day on which its MRR changed, and per revaluation.

    Types: ``new``, ``expansion``, ``contraction``, ``churn``, ``reactivation``, ``fx``. For every
    customer and currency the sum of ``mrr_delta`` is its MRR, and the sum of ``mrr_delta_base``
    its MRR at the rate of the month end. ``n_delta`` is +1 when a company becomes a customer,
    -1 when it ceases to be one. ``mrr_delta_base`` is NULL when the rate of the day is missing.
    Order is not defined.
    """
    moves = _movements(t, settings)
    every = stacked(moves, _revaluations(moves, t, settings))
    rows = with_customer(every, t, at="moved_at")
    rows = rows.mutate(margin_delta_base=converted(rows.mrr_delta_base, rows.margin_share))
    return publish(rows, "mrr_movement", settings)


def customer_month(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per customer and month end on which it pays, is a customer, or did either a year before.

    Amounts are at the constant rate, so that currencies do not make churn; ``mrr_end_base`` alone
    is at the rate of the day. Movements are *net over the window*, by cohort: what a customer
    that paid at its start pays more (``expansion``) or less (``contraction``, ``churn``) at its
    end; ``new`` and ``reactivation`` are revenue of customers that did not pay at its start, or
    that left and came back within it. Hence before + new + expansion + reactivation
    - contraction - churn = end, and ``retained`` = before - contraction - churn never exceeds
    either before or before + expansion. The running month is dated the last known day and is not
    final. Without a rate for one of its movements the amounts of a customer are NULL from then on.
    Order is not defined.

    Args:
        t: Tables of `history.current`; with ``mrr_movement`` among them, movements are not derived again.
        settings: See `Settings`.
    """
    moves = t["mrr_movement"].filter(t["mrr_movement"].type != "fx") if "mrr_movement" in t else _movements(t, settings)
    kept = _months(moves, t, settings)
    # A month is described as it was on its last day; noon is that day in nearly every zone.
    dated = kept.mutate(month_at=kept.month_on.cast(INSTANT) + ibis.interval(hours=12))
    rows = with_customer(dated, t, at="month_at")
    rows = rows.mutate(margin_end_base=converted(rows.mrr_end_base, rows.margin_share))
    return publish(rows, "customer_month", settings)


def _movements(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """Movements without dimensions and revaluations."""
    daily = _balances(_daily(spans(t, settings), settings), t, settings)
    lasting = _unpaused(_customer_days(daily), settings)
    joined = daily.drop("moved_at").join(lasting, ["customer_id", "moved_on"])
    moved = _netted(joined.drop("moved_on").rename(moved_on="lasting_on", moved_at="lasting_at"))
    settled = _balances(moved, t, settings)
    typed = _typed(_customer_days(settled))
    return _rows(settled.join(typed, ["customer_id", "moved_on"]), t, settings)


def _daily(served: ir.Table, settings: Settings) -> ir.Table:
    """What changed per customer, currency and local day: starts and ends of spans, netted."""
    none = money(ZERO)
    starts = served.select(
        "customer_id",
        "account_id",
        "currency",
        moved_at=served.from_at.cast(INSTANT),
        delta=served.mrr,
        n=served.n,
        escalated=pick(served.is_escalator, served.mrr, none),
        ended=none,
        cancel_requested_at=ibis.null(INSTANT),
    )
    ends = served.filter(served.to_at.notnull()).select(
        "customer_id",
        "account_id",
        "currency",
        moved_at=served.to_at.cast(INSTANT),
        delta=(-served.mrr).cast(MONEY),
        n=-served.n,
        escalated=none,
        ended=served.mrr,
        cancel_requested_at=served.cancel_requested_at,
    )
    both = stacked(starts, ends)
    return _netted(both.mutate(moved_on=local_day(both.moved_at, settings.zone), last_at=both.moved_at))


def _netted(events: ir.Table) -> ir.Table:
    """One row per customer, currency and day, with the sum of what happened on it."""
    return events.group_by("customer_id", "currency", "moved_on").agg(
        account_id=events.account_id.max(),
        moved_at=events.moved_at.min(),
        last_at=events.last_at.max(),
        delta=money(events.delta.sum()),
        n=events.n.sum(),
        escalated=money(events.escalated.sum()),
        ended=money(events.ended.sum()),
        cancel_requested_at=events.cancel_requested_at.max(),
    )


def _balances(daily: ir.Table, t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """The same rows with the balance before and after, and both in the base currency at the constant rate.

    Balances are converted, not deltas: rounded deltas would leave a ten-thousandth behind. The
    level orders the amounts of one customer; without a rate it is the amount as it is.
    """
    so_far = running(["customer_id", "currency"], "moved_on")
    summed = daily.mutate(after=money(daily.delta.sum().over(so_far)))
    summed = summed.mutate(before=money(summed.after - summed.delta))
    found = _at_constant_rate(summed, t["fx_rate"], settings, ["before", "after"])
    level = found.constant_after.coalesce(found.after) - found.constant_before.coalesce(found.before)
    return found.mutate(level_delta=money(level))


def _at_constant_rate(table: ir.Table, fx: ir.Table, settings: Settings, amounts: list[str]) -> ir.Table:
    """The table with ``constant_x`` for each amount x: base currency at the last known rate, whatever the day."""
    known = fx.filter(fx.day_on <= ibis.literal(known_day(settings), "date"))
    found = rated(table, known, settings)
    is_base = found.currency == settings.currency
    added = {f"constant_{name}": pick(is_base, found[name], converted(found[name], found.fx_rate)) for name in amounts}
    return found.mutate(**added).drop("fx_rate")


def _customer_days(daily: ir.Table) -> ir.Table:
    """One row per customer and day: the change over all its currencies, and where that leaves it."""
    days = daily.group_by("customer_id", "moved_on").agg(
        lasting_at=daily.moved_at.min(),
        last_at=daily.last_at.max(),
        level_delta=money(daily.level_delta.sum()),
        customers=daily.n.sum(),
    )
    so_far = running("customer_id", "moved_on")
    return days.mutate(
        level=money(days.level_delta.sum().over(so_far)),
        held=days.customers.sum().over(so_far),
    )


def _unpaused(days: ir.Table, settings: Settings) -> ir.Table:
    """For every day of a customer, the day on which what happened lasts.

    A fall to nothing that is made good within the grace is a pause: it has no date of its own, and
    joins the day on which revenue is back.
    """
    order = window("customer_id", "moved_on")
    gap = days.lasting_at.lead().over(order).epoch_seconds() - days.last_at.epoch_seconds()
    grace = settings.grace_days * SECONDS_IN_DAY + SEAM_SECONDS
    fell = (days.level <= money(ZERO)) & (days.level_delta < money(ZERO))
    flagged = days.mutate(is_pause=(fell & (gap <= grace)).fill_null(False))
    onwards = window("customer_id", "moved_on", preceding=0, following=None)
    lasts = ~flagged.is_pause
    return flagged.select(
        "customer_id",
        "moved_on",
        lasting_on=pick(lasts, flagged.moved_on, ibis.null("date")).min().over(onwards),
        lasting_at=pick(lasts, flagged.lasting_at, ibis.null(INSTANT)).min().over(onwards),
    )


def _typed(days: ir.Table) -> ir.Table:
    """The type of what happened to a customer on a day, and the change of the number of customers."""
    earlier = window("customer_id", "moved_on", preceding=(None, 1))
    none = money(ZERO)
    is_customer = pick(days.held > 0, 1, 0)
    days = days.mutate(
        paid=(days.level.max().over(earlier) > none).fill_null(False),
        was=(days.held.max().over(earlier) > 0).fill_null(False),
        n_after=is_customer,
        n_before=pick(days.held - days.customers > 0, 1, 0),
    )
    before = days.level - days.level_delta
    rise, fall = days.level_delta > none, days.level_delta < none
    kind = ibis.cases(
        (rise & (before <= none) & ~days.paid, "new"),
        (rise & (before <= none), "reactivation"),
        (fall & (days.level <= none), "churn"),
        (rise, "expansion"),
        (fall, "contraction"),
        ((days.n_after > days.n_before) & ~days.was, "new"),
        (days.n_after > days.n_before, "reactivation"),
        (days.n_after < days.n_before, "churn"),
        else_="expansion",
    )
    return days.select("customer_id", "moved_on", type=kind, n_delta=days.n_after - days.n_before)


def _rows(typed: ir.Table, t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """Movements as they are published: one customer counted once a day, money in three ways."""
    place = ibis.row_number().over(window(["customer_id", "moved_on"], "currency"))
    rows = typed.mutate(place=place)
    rows = rows.mutate(n_delta=pick(rows.place == 0, rows.n_delta, 0)).drop("place")
    rows = rows.filter((rows.delta != money(ZERO)) | (rows.n_delta != 0))
    rows = rows.mutate(risen=money(rows.escalated - rows.ended))
    rows = _at_constant_rate(rows, t["fx_rate"], settings, ["risen"])
    rated = with_base(rows, t["fx_rate"], settings, amounts={"booked": "delta"}, day="moved_on")
    constant = money(rated.constant_after - rated.constant_before)
    bounded = ibis.greatest(ibis.least(rated.constant_risen, constant), money(ZERO))
    return rated.select(
        "customer_id",
        "account_id",
        "moved_at",
        "moved_on",
        "type",
        "currency",
        mrr_delta=rated.delta,
        mrr_before=rated.before,
        mrr_after=rated.after,
        mrr_delta_base=rated.booked,
        mrr_delta_constant=constant,
        # What a clause of the contract raised, apart from what was sold (T-78).
        escalator_delta_constant=pick(
            (rated.type == "expansion") & (rated.escalated > money(ZERO)), bounded, money(ZERO)
        ),
        n_delta=rated.n_delta.cast("int64"),
        cancel_requested_at=rated.cancel_requested_at,
    )


def _worths(moves: ir.Table, t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per customer, foreign currency and month end: the balance and its worth in the base currency.

    ``worth`` is NULL where the rate of the day is missing; ``booked`` sums what movements brought so far.
    """
    keys = ["customer_id", "currency"]
    foreign = moves.filter(moves.currency != settings.currency)
    monthly = foreign.group_by(*keys, month=month_of(foreign.moved_on)).agg(
        account_id=foreign.account_id.max(),
        delta=money(foreign.mrr_delta.sum()),
        booked=money(foreign.mrr_delta_base.sum()),
    )
    grid = spine(monthly, keys, settings)
    so_far = running(keys, "month")
    held = grid.mutate(
        after=money(grid.delta.sum().over(so_far)),
        booked=money(grid.booked.fill_null(money(ZERO)).sum().over(so_far)),
        moved_on=month_end(grid.month, settings),
    )
    return with_base(held, t["fx_rate"], settings, amounts={"worth": "after"}, day="moved_on")


def _revaluations(moves: ir.Table, t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per customer, foreign currency and month end at which its MRR is worth more or less.

    What the worth exceeds the movements by, less what it did at the last month end with a rate.
    """
    worths = _worths(moves, t, settings)
    known = worths.filter(worths.worth.notnull())
    order = window(["customer_id", "currency"], "month")
    ahead = known.mutate(ahead=money(known.worth - known.booked))
    before = ahead.ahead.lag().over(order).fill_null(money(ZERO))
    valued = ahead.mutate(gain=money(ahead.ahead - before))
    gained = valued.filter(valued.gain != money(ZERO))
    none = money(ZERO)
    return gained.select(
        "customer_id",
        "account_id",
        moved_at=local_to_utc(gained.moved_on.cast(INSTANT), settings.zone),
        moved_on=gained.moved_on,
        type=ibis.literal("fx"),
        currency=gained.currency,
        mrr_delta=none,
        mrr_before=gained.after,
        mrr_after=gained.after,
        mrr_delta_base=gained.gain,
        mrr_delta_constant=none,
        escalator_delta_constant=none,
        n_delta=ibis.literal(0, "int64"),
        cancel_requested_at=ibis.null(INSTANT),
    )


def _months(moves: ir.Table, t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per customer and month with anything to say: what it pays, and what it paid before."""
    none = money(ZERO)
    at_home = moves.currency == settings.currency
    monthly = moves.group_by("customer_id", month=month_of(moves.moved_on)).agg(
        account_id=moves.account_id.max(),
        delta=money(moves.mrr_delta_constant.sum().fill_null(none)),
        home=money(pick(at_home, moves.mrr_delta, none).sum()),
        n=moves.n_delta.sum(),
        escalated=money(moves.escalator_delta_constant.sum().fill_null(none)),
        churned=pick(moves.type == "churn", 1, 0).sum(),
        unknown=pick(moves.mrr_delta_constant.isnull(), 1, 0).sum(),
    )
    months = customer_months(monthly, settings)
    worths = _worths(moves, t, settings)
    abroad = worths.group_by(abroad_id="customer_id", abroad_month="month").agg(
        worth=money(worths.worth.sum()),
        is_unknown=pick(worths.worth.isnull() & (worths.after != none), 1, 0).sum() > 0,
    )
    found = months.left_join(abroad, [months.customer_id == abroad.abroad_id, months.month == abroad.abroad_month])
    base = money(found.home + found.worth.fill_null(none))
    return found.mutate(
        mrr_end_base=pick(found.is_unknown.fill_null(False), ibis.null(MONEY), base),
        month_on=month_end(found.month, settings),
        is_final=found.month < open_month(settings),
    )
