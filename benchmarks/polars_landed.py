"""The dashboard in Polars from what a connector lands: the tables of `polars_way` made first, then asked as there.

The rules and what is known of the company are those of `landed`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from benchmarks import polars_way
from benchmarks.polars_way import MONEY, month_number
from benchmarks.scale import CURRENCY, END, KNOWN_AT, SUMMERS
from benchmarks.work import FROM_MONTH, STAGES, TO_MONTH

if TYPE_CHECKING:
    import pyarrow as pa

    from benchmarks.scale import Scale

DIMS = polars_way.DIMS
AMOUNT = pl.Decimal(18, 4)
ENTERED = [f"entered_{i}" for i in range(1, len(STAGES) + 2)]


def local_day(column: str) -> pl.Expr:
    """The day in Paris of a UTC instant: time zones take six times as long as a choice of hours."""
    at = pl.col(column)
    summer = pl.any_horizontal(
        at.is_between(datetime.fromisoformat(f"{a} 01:00"), datetime.fromisoformat(f"{b} 01:00"), closed="left")
        for a, b in SUMMERS
    )
    return (at + pl.when(summer).then(pl.duration(hours=2)).otherwise(pl.duration(hours=1))).dt.date()


def in_base(amount: pl.Expr, rate: str = "rate") -> pl.Expr:
    """An amount in the base currency, to the hundredth of a cent."""
    turned = (amount * pl.col(rate)).round(4, mode="half_away_from_zero").cast(AMOUNT)
    return pl.when(pl.col("currency") == CURRENCY).then(amount).otherwise(turned)


class Landed:
    """The landed tables of a scale, and what is made of them.

    Attributes:
        scale: Whose data was landed.
        rate: Rate of each currency and day.
    """

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self.rate = (
            self.rows("fx_rate", "day_on", "from_currency", "to_currency", "rate")
            .filter(pl.col("to_currency") == CURRENCY)
            .select("day_on", "rate", currency="from_currency")
        )

    def rows(self, name: str, *columns: str) -> pl.LazyFrame:
        """Some columns of a landed table."""
        return pl.scan_parquet(self.scale.folder / "landed" / name / "*.parquet").select(columns)

    def owners(self) -> pl.LazyFrame:
        return self.rows("owner", "id", "name").select(owner_id="id", owner="name")

    def accounts(self) -> pl.LazyFrame:
        """Accounts with what describes them."""
        return self.rows("account", "id", "segment", "industry", "region", "owner_id").rename({"id": "account_id"})

    def described(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Rows of an account and an owner with what describes them."""
        accounts = self.accounts().drop("owner_id")
        return frame.join(accounts, on="account_id", how="left").join(self.owners(), on="owner_id", how="left")

    def walked(self) -> pl.LazyFrame:
        """The first day on which each deal was in each stage or beyond it."""
        names = [*STAGES, "Won"]
        changes = self.rows("field_history", "entity_type", "field", "entity_id", "new_value", "changed_at").filter(
            (pl.col("entity_type") == "opportunity") & (pl.col("field") == "stage")
        )
        first = changes.group_by(id="entity_id").agg(
            pl.col("changed_at").filter(pl.col("new_value") == name).min().alias(f"t{i}")
            for i, name in enumerate(names)
        )
        reached = first.with_columns(
            pl.min_horizontal(f"t{j}" for j in range(i, len(names))).alias(f"t{i}") for i in range(len(names))
        )
        return reached.select("id", *(local_day(f"t{i}").alias(name) for i, name in enumerate(ENTERED)))

    def opportunity(self) -> pl.LazyFrame:
        """Deals with their amounts, stages and attributes."""
        deals = self.rows(
            "opportunity",
            *("id", "account_id", "owner_id", "channel", "type", "amount", "term_months", "currency", "created_at"),
            *("closed_at", "is_closed", "is_won", "is_test", "is_imported", "deleted_at", "merged_into_id"),
        ).filter(pl.col("deleted_at").is_null() & pl.col("merged_into_id").is_null())
        amount, months = pl.col("amount").cast(pl.Float64), pl.col("term_months").cast(pl.Float64)
        yearly = (amount * 12 / months).round(4).cast(AMOUNT)
        deals = deals.with_columns(
            created_on=local_day("created_at"),
            closed_on=local_day("closed_at"),
            acv=pl.when(months > 12).then(yearly).otherwise(pl.col("amount")),
        ).with_columns(day_on=pl.coalesce("closed_on", "created_on"))
        found = self.described(deals.join(self.rate, on=["currency", "day_on"], how="left"))
        cycle = (pl.col("closed_on") - pl.col("created_on")).dt.total_days()
        return found.join(self.walked(), on="id", how="left").select(
            *(
                "is_closed",
                "is_won",
                "is_test",
                "is_imported",
                "deleted_at",
                "merged_into_id",
                "account_id",
                "closed_at",
            ),
            *("created_on", "closed_on", *DIMS, *ENTERED),
            opportunity_type="type",
            acv_base=in_base(pl.col("acv")),
            cycle_days=cycle.cast(pl.Float64),
            is_cycle_valid=cycle >= 0,
        )

    def leads(self) -> pl.LazyFrame:
        """Leads with their attributes."""
        columns = (
            "id",
            "account_id",
            "owner_id",
            "channel",
            "created_at",
            "first_response_at",
            "is_test",
            "deleted_at",
        )
        own = self.rows("lead", *columns).filter(~pl.col("is_test") & pl.col("deleted_at").is_null())
        return self.described(own).select("id", "created_at", "first_response_at", *DIMS)

    def lead_cycle(self, leads: pl.LazyFrame) -> pl.LazyFrame:
        """When each lead was qualified by marketing and by sales."""
        event = self.rows("lifecycle_event", "lead_id", "to_stage", "occurred_at")
        reached = event.group_by("lead_id").agg(
            pl.col("occurred_at").filter(pl.col("to_stage") == step).min().alias(f"{step}_at")
            for step in ("mql", "sql")
        )
        found = reached.filter(pl.col("mql_at").is_not_null()).join(leads, left_on="lead_id", right_on="id")
        return found.select(
            *DIMS,
            mql_on=local_day("mql_at"),
            sql_on=local_day("sql_at"),
            is_direct_sql=pl.col("sql_at") < pl.col("mql_at"),
        )

    def lead_response(self, leads: pl.LazyFrame) -> pl.LazyFrame:
        """How long each lead waited for an answer, in working time."""
        days = pl.scan_parquet(self.scale.minutes).drop("calendar", "valid_from")
        found = leads.with_columns(ended_at=pl.col("first_response_at").fill_null(KNOWN_AT))
        for name in ("created", "ended"):
            at = pl.col(f"{name}_at")
            second = at.dt.epoch("s") % 86_400
            passed = [
                (pl.min_horizontal(second, 60 * pl.col(f"{piece}_to")) - 60 * pl.col(f"{piece}_from")).clip(
                    lower_bound=0
                )
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

    def customers(self, deals: pl.LazyFrame) -> pl.LazyFrame:
        """Customers with their attributes: the channel is that of the deal that was won first."""
        won = deals.filter(pl.col("is_won")).group_by("account_id").agg(pl.col("channel").sort_by("closed_at").first())
        own = self.rows("customer", "id", "account_id").join(self.accounts(), on="account_id", how="left")
        found = own.join(self.owners(), on="owner_id", how="left").join(won, on="account_id", how="left")
        return found.select("id", *DIMS)

    def customer_month(self, customers: pl.LazyFrame) -> pl.LazyFrame:
        """Revenue of each customer at every month end, and what is left of that of the year before.

        Every change is booked again a year later, so that running sums give the look-back without a join.
        """
        own = self.rows("subscription", "customer_id", "currency", "started_at", "ended_at", "mrr")
        starts = own.select("customer_id", "currency", "mrr", day=local_day("started_at"))
        ends = own.filter(pl.col("ended_at").is_not_null()).select(
            "customer_id", "currency", mrr=-pl.col("mrr"), day=local_day("ended_at")
        )
        daily = pl.concat([starts, ends]).group_by("customer_id", "currency", "day").agg(delta=pl.col("mrr").sum())
        daily = daily.sort("customer_id", "day").with_columns(mrr=pl.col("delta").cum_sum().over("customer_id"))
        monthly = daily.group_by("customer_id", "currency", m=month_number(pl.col("day"))).agg(
            now=pl.col("delta").sum(), left=(pl.col("mrr") <= 0).sum().cast(pl.Int32)
        )
        later = monthly.select("customer_id", "currency", pl.col("m") + 12, before="now", left=-pl.col("left"))
        booked = (
            pl.concat([monthly, later], how="diagonal")
            .group_by("customer_id", "currency", "m")
            .agg(pl.col("now", "before", "left").sum())
        )
        of_customer = {"partition_by": "customer_id"}
        stretch = booked.sort("customer_id", "m").with_columns(
            pl.col("now", "before", "left").cum_sum().over(**of_customer),
            until=pl.col("m").shift(-1).over(**of_customer).fill_null(TO_MONTH),
        )
        stretch = stretch.filter((pl.col("until") > FROM_MONTH) & (pl.col("m") < TO_MONTH))
        stretch = stretch.filter((pl.col("now") > 0) | (pl.col("before") > 0))
        months = pl.int_ranges(pl.max_horizontal("m", FROM_MONTH), pl.min_horizontal("until", TO_MONTH), dtype=pl.Int32)
        return self._priced(stretch.join(customers, left_on="customer_id", right_on="id").with_columns(m=months))

    def _priced(self, stretch: pl.LazyFrame) -> pl.LazyFrame:
        """Stretches laid out over their months, in the base currency at the last rate and at that of each month end."""
        rate = (
            self.rate.filter(pl.col("day_on") < END)
            .group_by("currency", m=month_number(pl.col("day_on")))
            .agg(pl.col("rate").sort_by("day_on").last())
        )
        last = rate.filter(pl.col("m") == TO_MONTH - 1).select("currency", last_rate="rate")
        known = stretch.join(last, on="currency", how="left").with_columns(
            end=in_base(pl.col("now"), "last_rate"), mrr_12m_before=in_base(pl.col("before"), "last_rate")
        )
        none = pl.lit(0, AMOUNT)
        stayed = (pl.col("now") > 0) & (pl.col("before") > 0) & (pl.col("left") == 0)
        gain = pl.col("end") - pl.col("mrr_12m_before")
        known = known.with_columns(
            expansion_12m=pl.when(stayed & (gain > 0)).then(gain).otherwise(none),
            contraction_12m=pl.when(stayed & (gain < 0)).then(-gain).otherwise(none),
            churn_12m=pl.when(stayed).then(none).otherwise("mrr_12m_before"),
            retained_12m=pl.when(stayed).then(pl.min_horizontal("end", "mrr_12m_before")).otherwise(none),
        )
        laid = known.explode("m").join(rate, on=["currency", "m"], how="left")
        return laid.select(
            "m",
            *DIMS,
            *polars_way.WINDOW,
            month_on=pl.date(pl.col("m") // 12, pl.col("m") % 12 + 1, 1),
            is_final=pl.lit(value=True),
            mrr_end_base=in_base(pl.col("now")),
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


def answer(scale: Scale) -> pa.Table:
    """The cells of the dashboard, from landed Parquet."""
    landed = Landed(scale)
    deals, leads = (each.lazy() for each in pl.collect_all([landed.opportunity(), landed.leads()], engine="streaming"))
    tables = {
        "opportunity": deals,
        "lead_cycle": landed.lead_cycle(leads),
        "lead_response": landed.lead_response(leads),
        "customer_month": landed.customer_month(landed.customers(deals)),
        "stage_passage": stage_passage(deals),
        "pipeline_movement": pipeline_movement(deals),
    }
    made = pl.collect_all(list(tables.values()), engine="streaming")
    frames = {name: frame.lazy() for name, frame in zip(tables, made, strict=True)}
    revenue = polars_way.grouped(frames["customer_month"], [pl.col("mrr_end_base").cast(MONEY).sum().alias("amount")])
    found = polars_way.collected(polars_way.scans(frames.__getitem__) | {"mrr": revenue})
    return polars_way.cells(found, found["mrr"])
