"""The dashboard in Polars: lazy scans of Parquet, every group-by collected together by the streaming engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from benchmarks.scale import END, START
from benchmarks.work import ALL, BREAKDOWNS, CELLS, FROM_MONTH, NONE, TO_MONTH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pyarrow as pa

    #: The rows of a table, by its canonical name.
    Tables = Callable[[str], pl.LazyFrame]

DIMS = list(BREAKDOWNS)
#: Breakdowns of the series that have not all of them.
OF_ACCOUNT, OF_QUOTA = ("segment", "industry", "region", "owner"), ("segment", "owner", "channel")
KEY = ["breakdown", "segment", "m"]
LIVE = ~pl.col("is_test") & pl.col("deleted_at").is_null() & pl.col("merged_into_id").is_null()
MONEY = pl.Decimal(38, 4)
ORGANIC = ("organic_search", "organic_social", "direct", "referral")


def month_number(day: pl.Expr) -> pl.Expr:
    """The month of a day as one number."""
    return day.dt.year().cast(pl.Int32) * 12 + day.dt.month().cast(pl.Int32) - 1


def rows(tables: Tables, table: str, day: str) -> pl.LazyFrame:
    """The rows of a table up to the end of the span, with their month."""
    return tables(table).filter(pl.col(day) < END).with_columns(m=month_number(pl.col(day)))


def inside(tables: Tables, table: str, day: str) -> pl.LazyFrame:
    """The rows of a table within the span, with their month."""
    return rows(tables, table, day).filter(pl.col(day) >= START)


def grouped(frame: pl.LazyFrame, sums: Sequence[pl.Expr], *more: str, dims: Sequence[str] = DIMS) -> list[pl.LazyFrame]:
    """The sums of every breakdown."""
    found = []
    for name in (ALL, *dims):
        by = ["m", *more] if name == ALL else ["m", name, *more]
        segment = pl.lit("") if name == ALL else pl.col(name).cast(pl.String).fill_null(NONE)
        told = frame.group_by(by).agg(sums).with_columns(breakdown=pl.lit(name), segment=segment)
        found.append(told.select(*KEY, *more, *(each.meta.output_name() for each in sums)))
    return found


def total(name: str, amount: str | pl.Expr | None = None, when: pl.Expr | None = None) -> pl.Expr:
    """The exact sum of an amount, of the column of its name unless it is given; of some rows only, if told which."""
    exact = (pl.col(name) if amount is None else pl.col(amount) if isinstance(amount, str) else amount).cast(MONEY)
    return (exact if when is None else pl.when(when).then(exact)).sum().alias(name)


def scans(tables: Tables, *of_month: pl.Expr) -> dict[str, list[pl.LazyFrame]]:
    """One list of breakdowns for each table and day; recurring revenue only if its sum ``of_month`` is asked for."""
    return _deals(tables) | _leads(tables) | _reached(tables) | _revenue(tables, of_month)


def _deals(tables: Tables) -> dict[str, list[pl.LazyFrame]]:
    created = inside(tables, "opportunity", "created_on").filter(
        LIVE & (pl.col("opportunity_type").fill_null("new") == "new") & ~pl.col("is_imported").fill_null(value=False)
    )
    closed = inside(tables, "opportunity", "closed_on").filter(LIVE & pl.col("is_closed"))
    won, touches, amount = pl.col("is_won"), pl.col("n_touches"), pl.col("amount_base")
    acv = pl.when(won & (pl.col("acv_base") > 0)).then(pl.col("acv_base"))
    cycle = pl.when(won & pl.col("is_cycle_valid")).then(pl.col("cycle_days"))
    further = pl.col("advanced_on") >= pl.col("entered_on")
    forecasts = inside(tables, "forecast_outcome", "last_on").filter(
        (pl.col("horizon") == "start")
        & (pl.col("forecast_type") == "commit")
        & pl.col("is_final")
        & pl.col("is_submitted")
    )
    return {
        "created": grouped(
            created,
            [
                pl.len().alias("n"),
                total("amount", amount, amount > 0),
                total("organic", amount, (amount > 0) & pl.col("origin").is_in(ORGANIC)),
            ],
        ),
        "closed": grouped(
            closed,
            [
                pl.len().alias("n"),
                won.sum().alias("won"),
                total("acv_sum", acv),
                acv.count().alias("acv_n"),
                cycle.mean().alias("cycle"),
                touches.sum().alias("touches"),
                touches.count().alias("touched"),
            ],
        ),
        "passed": grouped(
            inside(tables, "stage_passage", "entered_on"), [pl.len().alias("n"), further.sum().alias("k")], "stage"
        ),
        "qualified": grouped(moved(tables, "pipeline_movement"), [pl.col("qualified_n_delta").sum().alias("amount")]),
        "covered": grouped(
            moved(tables, "coverage_movement").filter(pl.col("horizon") == "current"),
            [
                total("amount", "amount_delta"),
                total("quota", "quota_delta", pl.col("movement") == "quota"),
                pl.col("unrated_delta").sum().alias("unrated"),
            ],
            dims=OF_QUOTA,
        ),
        "forecasts": grouped(forecasts, [total("forecast"), total("actual")], dims=("owner",)),
    }


def _leads(tables: Tables) -> dict[str, list[pl.LazyFrame]]:
    mql = inside(tables, "lead_cycle", "mql_on").filter(
        (pl.col("mql_on") + pl.duration(days=90) < END) & ~pl.col("is_direct_sql").fill_null(value=False)
    )
    lag = (pl.col("sql_on") - pl.col("mql_on")).dt.total_days()
    answered = inside(tables, "lead_response", "created_on").filter(pl.col("is_valid"))
    hours = pl.col("working_hours")
    known = answered.filter(pl.col("is_answered") | (hours >= 1))
    waited = answered.filter(hours.is_not_null()).with_columns(hours=hours.round(4))
    return {
        "mql": grouped(mql, [pl.len().alias("n"), lag.is_between(0, 90).sum().alias("k")]),
        "answered": grouped(known, [pl.len().alias("n"), (pl.col("is_answered") & (hours <= 1)).sum().alias("k")]),
        "waited": grouped(waited, [pl.len().alias("n"), pl.col("is_answered").sum().alias("gone")], "hours"),
    }


def _reached(tables: Tables) -> dict[str, list[pl.LazyFrame]]:
    """Accounts that were approached, and people who were written to."""
    started = pl.col("started_on")
    runs = inside(tables, "outreach_delivery", "started_on").filter(
        pl.col("is_first") & (started + pl.duration(days=30) < END)
    )
    lag = (pl.col("run_replied_on") - started).dt.total_days()
    engaged = (pl.col("n_people") >= 2) | (pl.col("n_touches") >= 3)
    return {
        "targets": grouped(
            inside(tables, "target_account", "month_on"),
            [pl.len().alias("n"), engaged.sum().alias("k")],
            dims=OF_ACCOUNT,
        ),
        "replies": grouped(runs, [pl.len().alias("n"), lag.is_between(0, 30).sum().alias("k")], dims=OF_ACCOUNT),
    }


def _revenue(tables: Tables, of_month: Sequence[pl.Expr]) -> dict[str, list[pl.LazyFrame]]:
    """Months of customers, what they cost and what the new ones bring."""
    year = pl.col("is_final") & (pl.col("mrr_12m_before") > 0)
    had = pl.col("is_final") & (pl.col("mrr_1m_before") > 0)
    change = pl.col("expansion_12m") - pl.col("contraction_12m") - pl.col("churn_12m")
    months = [
        total("before", "mrr_12m_before", year),
        total("change", change, year),
        total("kept", "retained_12m", year),
        had.sum().alias("had"),
        (had & (pl.col("churn_1m") > 0)).sum().alias("lost"),
        total("margin", "margin_end_base"),
        (pl.col("mrr_end") > 0).sum().alias("pays"),
        *of_month,
    ]
    won = inside(tables, "mrr_movement", "moved_on").filter(pl.col("type") == "new")
    return {
        "months": grouped(inside(tables, "customer_month", "month_on"), months),
        "costs": grouped(inside(tables, "cost", "day_on"), [total("amount", "amount_base")], dims=("channel",)),
        "new": grouped(
            won, [(pl.col("n_delta") > 0).sum().alias("n"), total("margin", "margin_delta_base")], dims=("channel",)
        ),
    }


def moved(tables: Tables, table: str) -> pl.LazyFrame:
    """What moved, with the month before the first one for all that is earlier."""
    return rows(tables, table, "moved_on").with_columns(m=pl.max_horizontal("m", pl.lit(FROM_MONTH - 1)))


def running(changes: pl.DataFrame, *amounts: str) -> pl.DataFrame:
    """What stands at the end of every month of the span."""
    months = pl.DataFrame({"m": range(FROM_MONTH - 1, TO_MONTH)}, schema={"m": pl.Int32})
    grid = changes.select("breakdown", "segment").unique().join(months, how="cross")
    found = grid.join(changes, on=KEY, how="left").sort("m")
    stands = pl.col(amounts).fill_null(0).cum_sum().over("breakdown", "segment")
    return found.with_columns(stands).filter(pl.col("m") >= FROM_MONTH)


def median(waited: pl.DataFrame) -> pl.DataFrame:
    """The Kaplan-Meier median of each breakdown and month."""
    frame = waited.sort("hours")
    at_risk = pl.col("n").cum_sum(reverse=True).over(KEY)
    frame = frame.with_columns(stays=1 - pl.col("gone") / at_risk)
    frame = frame.with_columns(surviving=pl.col("stays").cum_prod().over(KEY))
    return frame.filter(pl.col("surviving") <= 0.5 + 1e-12).group_by(KEY).agg(pl.col("hours").min().alias("value"))


def answer(folder: Path) -> pa.Table:
    """The cells of the dashboard, from the product's derived tables as Parquet."""

    def tables(name: str) -> pl.LazyFrame:
        return pl.scan_parquet(folder / f"{name}.parquet")

    revenue = grouped(moved(tables, "mrr_movement"), [total("amount", "mrr_delta_base")])
    found = collected(scans(tables) | {"mrr": revenue})
    return cells(found, running(found["mrr"], "amount"))


def collected(lazy: dict[str, list[pl.LazyFrame]]) -> dict[str, pl.DataFrame]:
    """The breakdowns of each table and day in one frame."""
    frames = iter(pl.collect_all([each for group in lazy.values() for each in group], engine="streaming"))
    return {name: pl.concat([next(frames) for _ in group], how="vertical_relaxed") for name, group in lazy.items()}


def share(part: str | pl.Expr, whole: str | pl.Expr) -> pl.Expr:
    """A quotient; nothing where the whole is nought."""
    above, below = ((pl.col(each) if isinstance(each, str) else each).cast(pl.Float64) for each in (part, whole))
    return above / pl.when(below != 0).then(below)


def cells(found: dict[str, pl.DataFrame], revenue: pl.DataFrame) -> pa.Table:
    """The cells of the dashboard, from the sums of `scans` and recurring revenue at every month end."""
    covered = running(found["covered"], "amount", "quota", "unrated")
    missed = (pl.col("forecast") - pl.col("actual")).abs()
    series = [
        told("new opportunities", found["created"], pl.col("n")),
        told("organic share", found["created"], share("organic", "amount")),
        *of_closed(found["closed"], running(found["qualified"], "amount")),
        told("coverage", covered.filter((pl.col("quota") > 0) & (pl.col("unrated") == 0)), share("amount", "quota")),
        told("forecast accuracy", found["forecasts"], 1 - share(missed, "actual")),
        told("MQL to SQL", found["mql"], share("k", "n")),
        told("response under 1 h", found["answered"], share("k", "n")),
        told("response median", median(found["waited"]), pl.col("value")),
        told("ABM rate", found["targets"], share("k", "n")),
        told("reply rate", found["replies"], share("k", "n")),
        told("conversion of " + pl.col("stage"), found["passed"], share("k", "n")),
        told("MRR", revenue, pl.col("amount")),
        *of_customers(found["months"], found["new"].join(found["costs"], on=KEY)),
    ]
    return pl.concat(series).to_arrow().cast(CELLS)


def of_closed(closed: pl.DataFrame, open_: pl.DataFrame) -> list[pl.DataFrame]:
    """The cells of closed deals, and of how fast those that are open bring money."""
    closed = closed.with_columns(win=share("won", "n"), acv=share("acv_sum", "acv_n"))
    fast = closed.join(open_.select(*KEY, open="amount"), on=KEY, how="left")
    velocity = share(pl.col("open").fill_null(0) * pl.col("win") * pl.col("acv"), "cycle")
    return [
        told("win rate", closed, pl.col("win")),
        told("ACV", closed, pl.col("acv")),
        told("sales cycle", closed, pl.col("cycle")),
        told("activities per deal", closed, share("touches", "touched")),
        told("velocity", fast, velocity),
    ]


def of_customers(months: pl.DataFrame, new: pl.DataFrame) -> list[pl.DataFrame]:
    """The cells of what customers bring, and of what new ones cost."""
    lasts = pl.min_horizontal(share("had", "lost"), pl.when(pl.col("lost") > 0).then(pl.lit(60.0)))
    months = months.with_columns(ltv=share("margin", "pays") * lasts)
    new = new.with_columns(cac=share("amount", "n"), brings=share("margin", "n"))
    kept = pl.col("before") + pl.col("change")
    return [
        told("NRR", months, share(kept, "before")),
        told("GRR", months, share("kept", "before")),
        told("LTV", months, pl.col("ltv")),
        told("CAC", new, pl.col("cac")),
        told("LTV/CAC", new.join(months.select(*KEY, "ltv"), on=KEY), share("ltv", "cac")),
        told("CAC payback", new, share("cac", "brings")),
    ]


def told(series: str | pl.Expr, frame: pl.DataFrame, value: pl.Expr) -> pl.DataFrame:
    """Values as cells."""
    name = pl.lit(series) if isinstance(series, str) else series
    month = pl.date(pl.col("m") // 12, pl.col("m") % 12 + 1, 1)
    cells = frame.select(
        name.alias("series"), "breakdown", "segment", month.alias("month"), value.cast(pl.Float64).alias("value")
    )
    return cells.filter(pl.col("value").is_not_null() & pl.col("value").is_not_nan())
