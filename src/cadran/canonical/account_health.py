"""How each customer stands at each month end: when it was last spoken to, what is being sold to it, where its MRR goes.

Touches and pipeline are booked on their month and summed up from there, so that nothing is looked up
month by month.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.canonical.days import days_between, local_day
from cadran.canonical.months import month_of
from cadran.canonical.response import TOUCH, by_people
from cadran.canonical.shape import money, publish, running, stacked
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

#: Months over which the trend of MRR is taken.
TREND = 3


def account_health(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per customer that pays at a month end.

    ``days_since_touch`` counts from the last mail, call, meeting or message by a person with the account,
    NULL when there never was one. ``open_pipeline`` is what is being sold to the account, in the base
    currency. ``mrr_end`` and ``mrr_3m_before`` are at the constant rate, so that currencies make no
    trend. ``observed_months`` is how long any customer has been watched. Order is not defined.

    Args:
        t: Tables of `history.current`, with ``customer_month`` and ``pipeline_movement`` as published.
        settings: See `Settings`.
    """
    months = t["customer_month"]
    months = months.mutate(month=month_of(months.month_on))
    first = months.aggregate(first_month=months.month.min())
    before = months.select(before_customer="customer_id", mrr_3m_before="mrr_end", before_month=months.month + TREND)
    paying = months.filter((months.mrr_end > money(Decimal(0))).fill_null(True), months.is_customer)
    rows = paying.left_join(before.view(), [("customer_id", "before_customer"), ("month", "before_month")])
    rows = rows.cross_join(first)
    rows = _with(rows, _last_touches(t, settings), "last_touch_on")
    rows = _with(rows, _open_pipeline(t), "open_pipeline")
    none = money(Decimal(0))
    rows = rows.mutate(
        mrr_3m_before=rows.mrr_3m_before.fill_null(none),
        open_pipeline=rows.open_pipeline.fill_null(none),
        days_since_touch=days_between(rows.last_touch_on, rows.month_on),
        observed_months=rows.month - rows.first_month + 1,
    )
    return publish(rows, "account_health", settings)


def _last_touches(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """Last day of each account and month on which a person was in touch."""
    activity = by_people(t, settings)
    lead = t["lead"].select(of_lead="id", lead_account="account_id")
    contact = t["contact"].select(of_contact="id", contact_account="account_id")
    kept = activity.filter(activity.type.lower().re_search(TOUCH))
    kept = kept.left_join(lead, kept.lead_id == lead.of_lead)
    kept = kept.left_join(contact, kept.contact_id == contact.of_contact)
    kept = kept.select(
        account_id=kept.account_id.coalesce(kept.contact_account, kept.lead_account),
        day=local_day(kept.occurred_at, settings.zone),
    )
    kept = kept.filter(kept.account_id.notnull())
    return kept.group_by("account_id", month=month_of(kept.day)).agg(last_touch_on=kept.day.max())


def _open_pipeline(t: Mapping[str, ir.Table]) -> ir.Table:
    """Change of the open pipeline of each account and month."""
    moves = t["pipeline_movement"]
    moves = moves.filter(moves.account_id.notnull())
    return moves.group_by("account_id", month=month_of(moves.moved_on)).agg(
        open_pipeline=money(moves.amount_delta.sum().fill_null(money(Decimal(0))))
    )


def _with(rows: ir.Table, monthly: ir.Table, name: str) -> ir.Table:
    """The rows with what a monthly series had come to: the latest day, or the sum of amounts."""
    kind = str(monthly[name].type())
    asked = rows.filter(rows.account_id.notnull()).select("account_id", "month").distinct()
    marks = stacked(monthly.select("account_id", "month", name), asked.mutate(**{name: ibis.null(kind)}))
    monthly = marks.group_by("account_id", "month").agg(
        **{name: marks[name].max() if kind == "date" else marks[name].sum()}
    )
    so_far = running("account_id", "month")
    value = monthly[name].max() if kind == "date" else money(monthly[name].sum())
    found = monthly.select(held_account="account_id", held_month="month", **{name: value.over(so_far)})
    joined = rows.left_join(found, [rows.account_id == found.held_account, rows.month == found.held_month])
    return joined.drop("held_account", "held_month")
