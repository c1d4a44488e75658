"""Tables of outreach and of target accounts in Polars, from what a connector lands."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

import polars as pl

from benchmarks.polars_sources import local_day
from benchmarks.polars_way import OF_ACCOUNT, month_number
from benchmarks.scale import START
from benchmarks.work import FROM_MONTH, TO_MONTH

if TYPE_CHECKING:
    from benchmarks.polars_sources import Landed

#: From when on touches count for the first month of the dashboard, which looks back over a quarter.
SINCE = datetime.combine(START, time()) - timedelta(days=92)


def outreach_run(landed: Landed) -> pl.LazyFrame:
    """What a person got of a sequence without ninety days of silence."""
    columns = ("contact_id", "sequence", "account_id", "owner_id", "sent_at", "delivered_at", "replied_at")
    sent = landed.rows("outreach_message", *columns, "is_auto_reply", "deleted_at", "bounced_at").filter(
        pl.col("deleted_at").is_null() & pl.col("bounced_at").is_null()
    )
    is_reply = ~pl.col("is_auto_reply").fill_null(value=False) & (pl.col("replied_at") >= pl.col("sent_at"))
    sent = sent.select(
        *("contact_id", "sequence", "account_id", "owner_id"),
        happened=pl.coalesce("delivered_at", "sent_at"),
        replied_at=pl.when(is_reply).then("replied_at"),
    ).sort("contact_id", "sequence", "happened")
    starts = pl.any_horizontal(
        pl.col("contact_id", "sequence").ne_missing(pl.col("contact_id", "sequence").shift()),
        pl.col("happened") - pl.col("happened").shift() >= pl.duration(days=90),
    )
    return (
        sent.with_columns(run=starts.cast(pl.Int32).cum_sum())
        .group_by("run")
        .agg(
            pl.col("contact_id", "account_id", "owner_id").first(),
            started_at=pl.col("happened").first(),
            replied_at=pl.col("replied_at").min(),
        )
    )


def outreach_delivery(landed: Landed, runs: pl.LazyFrame) -> pl.LazyFrame:
    """The first message of each run, and when it was answered."""
    return landed.described(runs).select(
        *OF_ACCOUNT,
        is_first=pl.lit(value=True),
        started_on=local_day("started_at"),
        run_replied_on=local_day("replied_at"),
    )


def target_account(landed: Landed, runs: pl.LazyFrame) -> pl.LazyFrame:
    """How many people of each target account did something in the three months up to each one, and how often.

    Two persons are told by the least and the greatest: distinct ones are not counted.
    """
    targets = landed.accounts().filter("is_target_abm")
    happened = pl.col("happened")
    done = reactions(landed, runs).filter(happened >= SINCE).join(targets.select("account_id"), on="account_id")
    monthly = done.group_by("account_id", m=month_number(local_day("happened"))).agg(
        n=pl.len(), one=pl.col("who").min(), other=pl.col("who").max()
    )
    quarter = (
        pl.concat([monthly.with_columns(m=pl.col("m") + later) for later in range(3)])
        .group_by("account_id", "m")
        .agg(n_touches=pl.col("n").sum(), one=pl.col("one").min(), other=pl.col("other").max())
    )
    months = pl.LazyFrame({"m": range(FROM_MONTH, TO_MONTH)}, schema={"m": pl.Int32})
    grid = targets.join(landed.owners(), on="owner_id", how="left").join(months, how="cross")
    return grid.join(quarter, on=["account_id", "m"], how="left").select(
        *OF_ACCOUNT,
        "n_touches",
        n_people=pl.when(pl.col("one") < pl.col("other")).then(2).otherwise(1),
        month_on=pl.date(pl.col("m") // 12, pl.col("m") % 12 + 1, 1),
    )


def reactions(landed: Landed, runs: pl.LazyFrame) -> pl.LazyFrame:
    """What people of an account did: visits, meetings and what came in, replies."""
    done = landed.rows("activity", "account_id", "occurred_at", "direction", "type", "is_automated").filter(
        ((pl.col("direction") == "inbound") | (pl.col("type") == "meeting")) & ~pl.col("is_automated")
    )
    touches = landed.rows("marketing_touch", "account_id", "occurred_at", "contact_id")
    replies = runs.filter(pl.col("replied_at").is_not_null())
    return pl.concat(
        [
            touches.select("account_id", happened="occurred_at", who="contact_id"),
            done.select("account_id", happened="occurred_at", who="account_id"),
            replies.select("account_id", happened="replied_at", who="contact_id"),
        ]
    )
