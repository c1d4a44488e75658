"""Tables of customers and their revenue in Polars, from what a connector lands, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from benchmarks.polars_sources import AMOUNT, SHARE, in_base, local_day, product
from benchmarks.polars_way import DIMS, month_number
from benchmarks.scale import END
from benchmarks.work import FROM_MONTH, TO_MONTH

if TYPE_CHECKING:
    from benchmarks.polars_sources import Landed

#: What a customer pays by the month: now, a month and a year ago; how often it left in between.
HELD, LEFT = ("now", "before_1m", "before_12m"), ("left_1m", "left_12m")


def customers(landed: Landed, deals: pl.LazyFrame) -> pl.LazyFrame:
    """Customers with their margin and attributes: the channel is that of the deal that was won first."""
    won = deals.filter(pl.col("is_won")).group_by("account_id").agg(pl.col("channel").sort_by("closed_at").first())
    own = landed.rows("customer", "id", "account_id", "gross_margin_share")
    found = own.join(landed.accounts(), on="account_id", how="left").join(landed.owners(), on="owner_id", how="left")
    found = found.join(won, on="account_id", how="left")
    return found.select(*DIMS, customer_id="id", margin=pl.col("gross_margin_share").cast(SHARE))


def mrr_day(landed: Landed) -> pl.LazyFrame:
    """Changes of revenue: what starts and ends on one day is one."""
    own = landed.rows("subscription", "customer_id", "currency", "started_at", "ended_at", "mrr")
    starts = own.select("customer_id", "currency", "mrr", day=local_day("started_at"))
    ends = own.filter(pl.col("ended_at").is_not_null()).select(
        "customer_id", "currency", mrr=-pl.col("mrr"), day=local_day("ended_at")
    )
    daily = pl.concat([starts, ends]).group_by("customer_id", "currency", "day").agg(delta=pl.col("mrr").sum())
    return daily.sort("customer_id", "day").with_columns(
        mrr=pl.col("delta").cum_sum().over("customer_id"), is_first=pl.col("customer_id").is_first_distinct()
    )


def mrr_movement(landed: Landed, changes: pl.LazyFrame, customers: pl.LazyFrame) -> pl.LazyFrame:
    """The first revenue of each customer, with what it leaves."""
    first = changes.filter("is_first").rename({"day": "day_on"}).join(customers, on="customer_id")
    found = first.join(landed.rate, on=["currency", "day_on"], how="left")
    amount = in_base(pl.col("delta").cast(AMOUNT))
    return found.select(
        "channel",
        moved_on="day_on",
        type=pl.lit("new"),
        n_delta=pl.lit(1),
        margin_delta_base=product(amount, pl.col("margin")),
    )


def customer_month(landed: Landed, changes: pl.LazyFrame, customers: pl.LazyFrame) -> pl.LazyFrame:
    """Revenue of each customer at every month end, and what is left of that of a month and of a year before.

    Every change is booked again a month and a year later, so that running sums give both look-backs without a join.
    """
    monthly = changes.group_by("customer_id", "currency", m=month_number(pl.col("day"))).agg(
        now=pl.col("delta").sum(), left=(pl.col("mrr") <= 0).sum().cast(pl.Int32)
    )
    of, left = ("customer_id", "currency"), pl.col("left")
    pieces = [
        monthly.select(*of, "m", "now", left_1m=left, left_12m=left),
        monthly.select(*of, pl.col("m") + 1, before_1m="now", left_1m=-left),
        monthly.select(*of, pl.col("m") + 12, before_12m="now", left_12m=-left),
    ]
    booked = pl.concat(pieces, how="diagonal").group_by(*of, "m").agg(pl.col(*HELD, *LEFT).sum())
    stretch = booked.sort("customer_id", "m").with_columns(
        pl.col(*HELD, *LEFT).cum_sum().over("customer_id"),
        until=pl.col("m").shift(-1).over("customer_id").fill_null(TO_MONTH),
    )
    stretch = stretch.filter((pl.col("until") > FROM_MONTH) & (pl.col("m") < TO_MONTH))
    stretch = stretch.filter(pl.any_horizontal(pl.col(*HELD) > 0))
    months = pl.int_ranges(pl.max_horizontal("m", FROM_MONTH), pl.min_horizontal("until", TO_MONTH), dtype=pl.Int32)
    return priced(landed, stretch.join(customers, on="customer_id").with_columns(m=months))


def priced(landed: Landed, stretch: pl.LazyFrame) -> pl.LazyFrame:
    """Stretches laid out over their months, in the base currency at the last rate and at that of each month end."""
    rate = (
        landed.rate.filter(pl.col("day_on") < END)
        .group_by("currency", m=month_number(pl.col("day_on")))
        .agg(pl.col("rate").sort_by("day_on").last())
    )
    last = rate.filter(pl.col("m") == TO_MONTH - 1).select("currency", last_rate="rate")
    known = stretch.join(last, on="currency", how="left").with_columns(
        mrr_end=in_base(pl.col("now"), "last_rate"),
        mrr_1m_before=in_base(pl.col("before_1m"), "last_rate"),
        mrr_12m_before=in_base(pl.col("before_12m"), "last_rate"),
    )
    laid = changed(known).explode("m").join(rate, on=["currency", "m"], how="left")
    return laid.select(
        *("m", "margin", *DIMS, "mrr_end", "mrr_1m_before", "churn_1m", "mrr_12m_before"),
        *("expansion_12m", "contraction_12m", "churn_12m", "retained_12m"),
        month_on=pl.date(pl.col("m") // 12, pl.col("m") % 12 + 1, 1),
        is_final=pl.lit(value=True),
        mrr_end_base=in_base(pl.col("now")),
    ).with_columns(margin_end_base=product(pl.col("mrr_end_base"), pl.col("margin")))


def changed(known: pl.LazyFrame) -> pl.LazyFrame:
    """Stretches with what changed since a month and a year before."""
    none = pl.lit(0, AMOUNT)
    stayed = (pl.col("now") > 0) & (pl.col("before_12m") > 0) & (pl.col("left_12m") == 0)
    gain = pl.col("mrr_end") - pl.col("mrr_12m_before")
    return known.with_columns(
        churn_1m=pl.when((pl.col("now") > 0) & (pl.col("left_1m") == 0)).then(none).otherwise("mrr_1m_before"),
        expansion_12m=pl.when(stayed & (gain > 0)).then(gain).otherwise(none),
        contraction_12m=pl.when(stayed & (gain < 0)).then(-gain).otherwise(none),
        churn_12m=pl.when(stayed).then(none).otherwise("mrr_12m_before"),
        retained_12m=pl.when(stayed).then(pl.min_horizontal("mrr_end", "mrr_12m_before")).otherwise(none),
    )


def cost(landed: Landed) -> pl.LazyFrame:
    """What was spent on each channel and day."""
    own = landed.rows("spend", "day_on", "channel", "amount", "deleted_at").filter(pl.col("deleted_at").is_null())
    return own.select("day_on", "channel", amount_base="amount")
