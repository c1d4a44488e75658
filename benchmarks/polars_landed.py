"""The dashboard in Polars from what a connector lands: the tables of `polars_way` made first, then asked as there.

The rules and what is known of the company are those of `landed`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from benchmarks import polars_reach, polars_revenue, polars_way
from benchmarks.polars_sources import AMOUNT, Landed, in_base, local_day
from benchmarks.scale import END, KNOWN_AT
from benchmarks.work import STAGES

if TYPE_CHECKING:
    import pyarrow as pa

    from benchmarks.scale import Scale

DIMS = polars_way.DIMS
ENTERED = [f"entered_{i}" for i in range(1, len(STAGES) + 2)]
DEAL = (
    *("id", "account_id", "owner_id", "channel", "type", "amount", "term_months", "currency", "created_at"),
    *("closed_at", "expected_close_on", "is_closed", "is_won", "is_test", "is_imported", "deleted_at"),
    "merged_into_id",
)


def walked(landed: Landed) -> pl.LazyFrame:
    """The first day on which each deal was in each stage or beyond it."""
    names = [*STAGES, "Won"]
    changes = landed.rows("field_history", "entity_type", "field", "entity_id", "new_value", "changed_at").filter(
        (pl.col("entity_type") == "opportunity") & (pl.col("field") == "stage")
    )
    first = changes.group_by(id="entity_id").agg(
        pl.col("changed_at").filter(pl.col("new_value") == name).min().alias(f"t{i}") for i, name in enumerate(names)
    )
    reached = first.with_columns(
        pl.min_horizontal(f"t{j}" for j in range(i, len(names))).alias(f"t{i}") for i in range(len(names))
    )
    return reached.select("id", *(local_day(f"t{i}").alias(name) for i, name in enumerate(ENTERED)))


def touched(landed: Landed) -> pl.LazyFrame:
    """What sellers did for each deal until it was closed."""
    deals = landed.rows("opportunity", "id", "is_closed", "closed_at").filter("is_closed").drop("is_closed")
    done = landed.rows("activity", "opportunity_id", "occurred_at", "direction", "is_automated").filter(
        (pl.col("direction") == "outbound") & ~pl.col("is_automated") & pl.col("opportunity_id").is_not_null()
    )
    found = done.join(deals, left_on="opportunity_id", right_on="id")
    return (
        found.filter(pl.col("occurred_at") <= pl.col("closed_at"))
        .group_by(id="opportunity_id")
        .agg(n_touches=pl.len().cast(pl.Int64))
    )


def opportunity(landed: Landed) -> pl.LazyFrame:
    """Deals with their amounts, stages and attributes."""
    deals = landed.rows("opportunity", *DEAL).filter(
        pl.col("deleted_at").is_null() & pl.col("merged_into_id").is_null()
    )
    amount, months = pl.col("amount").cast(pl.Float64), pl.col("term_months").cast(pl.Float64)
    yearly = (amount * 12 / months).round(4).cast(AMOUNT)
    deals = deals.with_columns(
        created_on=local_day("created_at"),
        closed_on=local_day("closed_at"),
        acv=pl.when(months > 12).then(yearly).otherwise(pl.col("amount")),
    ).with_columns(day_on=pl.coalesce("closed_on", "created_on"))
    then = landed.rate.rename({"day_on": "created_on", "rate": "rate_then"})
    rated = deals.join(landed.rate, on=["currency", "day_on"], how="left").join(
        then, on=["currency", "created_on"], how="left"
    )
    cycle = (pl.col("closed_on") - pl.col("created_on")).dt.total_days()
    found = landed.described(rated).join(walked(landed), on="id", how="left")
    return found.join(touched(landed), on="id", how="left").select(
        *("is_closed", "is_won", "is_test", "is_imported", "deleted_at", "merged_into_id", "account_id", "closed_at"),
        *("owner_id", "created_on", "closed_on", *DIMS, *ENTERED),
        pl.col("n_touches").fill_null(0),
        opportunity_type="type",
        origin="channel",
        due_from=pl.col("expected_close_on").dt.truncate("1q"),
        amount_base=in_base(pl.col("amount")),
        acv_base=in_base(pl.col("acv")),
        worth=in_base(pl.col("amount"), "rate_then"),
        cycle_days=cycle.cast(pl.Float64),
        is_cycle_valid=cycle >= 0,
    )


def leads(landed: Landed) -> pl.LazyFrame:
    """Leads with their attributes."""
    columns = ("id", "account_id", "owner_id", "channel", "created_at", "first_response_at", "is_test", "deleted_at")
    own = landed.rows("lead", *columns).filter(~pl.col("is_test") & pl.col("deleted_at").is_null())
    return landed.described(own).select("id", "created_at", "first_response_at", *DIMS)


def lead_cycle(landed: Landed, leads: pl.LazyFrame) -> pl.LazyFrame:
    """When each lead was qualified by marketing and by sales."""
    event = landed.rows("lifecycle_event", "lead_id", "to_stage", "occurred_at")
    reached = event.group_by("lead_id").agg(
        pl.col("occurred_at").filter(pl.col("to_stage") == step).min().alias(f"{step}_at") for step in ("mql", "sql")
    )
    found = reached.filter(pl.col("mql_at").is_not_null()).join(leads, left_on="lead_id", right_on="id")
    return found.select(
        *DIMS,
        mql_on=local_day("mql_at"),
        sql_on=local_day("sql_at"),
        is_direct_sql=pl.col("sql_at") < pl.col("mql_at"),
    )


def lead_response(landed: Landed, leads: pl.LazyFrame) -> pl.LazyFrame:
    """How long each lead waited for an answer, in working time."""
    days = pl.scan_parquet(landed.scale.minutes).drop("calendar", "valid_from")
    found = leads.with_columns(ended_at=pl.col("first_response_at").fill_null(KNOWN_AT))
    for name in ("created", "ended"):
        at = pl.col(f"{name}_at")
        second = at.dt.epoch("s") % 86_400
        passed = [
            (pl.min_horizontal(second, 60 * pl.col(f"{piece}_to")) - 60 * pl.col(f"{piece}_from")).clip(lower_bound=0)
            for piece in ("first", "second")
        ]
        found = found.with_columns(utc_on=at.dt.date()).join(days, on="utc_on", how="left")
        found = found.with_columns((60 * pl.col("minutes_before") + passed[0] + passed[1]).alias(name)).drop(
            "utc_on", "minutes_before", "first_from", "first_to", "second_from", "second_to"
        )
    return found.select(
        *DIMS,
        created_on=local_day("created_at"),
        is_answered=pl.col("first_response_at").is_not_null(),
        is_valid=pl.col("ended_at") >= pl.col("created_at"),
        working_hours=(pl.col("ended") - pl.col("created")) / 3600,
    )


def stage_passage(deals: pl.LazyFrame) -> pl.LazyFrame:
    """Deals of each stage, with the day from which they were beyond it."""
    real = deals.filter(~pl.col("is_test"))
    return pl.concat(
        real.filter(pl.col(ENTERED[i]).is_not_null()).select(
            *DIMS, stage=pl.lit(stage), entered_on=ENTERED[i], advanced_on=ENTERED[i + 1]
        )
        for i, stage in enumerate(STAGES)
    )


def pipeline_movement(deals: pl.LazyFrame) -> pl.LazyFrame:
    """A deal of the second stage on is qualified until it is closed."""
    real = deals.filter(~pl.col("is_test") & pl.col(ENTERED[1]).is_not_null())
    came = real.select(*DIMS, moved_on=ENTERED[1], qualified_n_delta=pl.lit(1))
    left = real.filter(pl.col("is_closed")).select(*DIMS, moved_on="closed_on", qualified_n_delta=pl.lit(-1))
    return pl.concat([came, left])


def coverage_movement(landed: Landed, deals: pl.LazyFrame) -> pl.LazyFrame:
    """A qualified deal covers the quarter in which it is due, from when it is both until it is neither."""
    real = deals.filter(~pl.col("is_test") & pl.col(ENTERED[1]).is_not_null())
    due = real.select(
        *polars_way.OF_QUOTA,
        amount_delta="worth",
        since=pl.max_horizontal(ENTERED[1], "due_from"),
        until=pl.min_horizontal("closed_on", pl.col("due_from").dt.offset_by("3mo")),
    ).filter(pl.col("since") < pl.col("until"))
    own = landed.rows("quota", "owner_id", "start_on", "end_on", "amount")
    quota = own.join(landed.owners(), on="owner_id", how="left")
    amount = pl.col("amount_delta")
    pieces = [
        due.select(*polars_way.OF_QUOTA, amount, moved_on="since", movement=pl.lit("deal")),
        due.select(*polars_way.OF_QUOTA, -amount, moved_on="until", movement=pl.lit("deal")),
        quota.select("owner", quota_delta="amount", moved_on="start_on", movement=pl.lit("quota")),
        quota.select("owner", quota_delta=-pl.col("amount"), moved_on="end_on", movement=pl.lit("quota")),
    ]
    return pl.concat(pieces, how="diagonal").with_columns(horizon=pl.lit("current"), unrated_delta=pl.lit(0))


def forecast_outcome(landed: Landed, deals: pl.LazyFrame) -> pl.LazyFrame:
    """What each seller committed to before a quarter began, and what was won in it."""
    columns = ("start_on", "end_on", "owner_id", "category", "amount", "submitted_at")
    said = landed.rows("forecast_submission", *columns).filter(
        (pl.col("category") == "commit") & (pl.col("end_on") <= END) & (local_day("submitted_at") <= pl.col("start_on"))
    )
    last = said.group_by("start_on", "end_on", "owner_id").agg(forecast=pl.col("amount").sort_by("submitted_at").last())
    signed = (
        deals.filter(pl.col("is_won") & ~pl.col("is_test"))
        .group_by("owner_id", start_on=pl.col("closed_on").dt.truncate("1q"))
        .agg(actual=pl.col("amount_base").sum())
    )
    found = last.join(signed, on=["owner_id", "start_on"], how="left").join(landed.owners(), on="owner_id", how="left")
    return found.select(
        "owner",
        "forecast",
        pl.col("actual").fill_null(0),
        last_on=pl.col("end_on").dt.offset_by("-1d"),
        horizon=pl.lit("start"),
        forecast_type=pl.lit("commit"),
        is_final=pl.lit(value=True),
        is_submitted=pl.lit(value=True),
    )


def made(*lazy: pl.LazyFrame) -> list[pl.LazyFrame]:
    """Tables that several others read, in memory."""
    return [frame.lazy() for frame in pl.collect_all(lazy, engine="streaming")]


def answer(scale: Scale) -> pa.Table:
    """The cells of the dashboard, from landed Parquet."""
    landed = Landed(scale)
    deals, asked, runs, changes = made(
        opportunity(landed), leads(landed), polars_reach.outreach_run(landed), polars_revenue.mrr_day(landed)
    )
    customers = polars_revenue.customers(landed, deals)
    tables = {
        "opportunity": deals,
        "lead_cycle": lead_cycle(landed, asked),
        "lead_response": lead_response(landed, asked),
        "stage_passage": stage_passage(deals),
        "pipeline_movement": pipeline_movement(deals),
        "coverage_movement": coverage_movement(landed, deals),
        "forecast_outcome": forecast_outcome(landed, deals),
        "mrr_movement": polars_revenue.mrr_movement(landed, changes, customers),
        "customer_month": polars_revenue.customer_month(landed, changes, customers),
        "outreach_delivery": polars_reach.outreach_delivery(landed, runs),
        "target_account": polars_reach.target_account(landed, runs),
        "cost": polars_revenue.cost(landed),
    }
    frames = dict(zip(tables, made(*tables.values()), strict=True))
    # the balance of revenue is that of the months of customers, which are there: no movements are summed
    found = polars_way.collected(polars_way.scans(frames.__getitem__, polars_way.total("amount", "mrr_end_base")))
    return polars_way.cells(found, found["months"])
