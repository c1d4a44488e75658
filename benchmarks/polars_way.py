"""The dashboard in Polars: lazy scans of Parquet, every group-by collected together by the streaming engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from benchmarks.scale import END, START
from benchmarks.work import ALL, BREAKDOWNS, CELLS, FROM_MONTH, NONE, TO_MONTH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa

    #: The rows of a table, by its canonical name.
    Tables = Callable[[str], pl.LazyFrame]

DIMS = list(BREAKDOWNS)
KEY = ["breakdown", "segment", "m"]
LIVE = ~pl.col("is_test") & pl.col("deleted_at").is_null() & pl.col("merged_into_id").is_null()
MONEY = pl.Decimal(38, 4)
WINDOW = ("mrr_12m_before", "expansion_12m", "contraction_12m", "churn_12m", "retained_12m")


def month_number(day: pl.Expr) -> pl.Expr:
    """The month of a day as one number."""
    return day.dt.year().cast(pl.Int32) * 12 + day.dt.month().cast(pl.Int32) - 1


def rows(tables: Tables, table: str, day: str) -> pl.LazyFrame:
    """The rows of a table up to the end of the span, with their month."""
    return tables(table).filter(pl.col(day) < END).with_columns(m=month_number(pl.col(day)))


def inside(frame: pl.LazyFrame, day: str) -> pl.LazyFrame:
    return frame.filter(pl.col(day) >= START)


def grouped(frame: pl.LazyFrame, sums: list[pl.Expr], *more: str) -> list[pl.LazyFrame]:
    """The sums of every breakdown."""
    found = []
    for name in (ALL, *DIMS):
        by = ["m", *more] if name == ALL else ["m", name, *more]
        segment = pl.lit("") if name == ALL else pl.col(name).fill_null(NONE)
        told = frame.group_by(by).agg(sums).with_columns(breakdown=pl.lit(name), segment=segment)
        found.append(told.select(*KEY, *more, *(each.meta.output_name() for each in sums)))
    return found


def scans(tables: Tables) -> dict[str, list[pl.LazyFrame]]:
    """One list of breakdowns for each table and day; all but recurring revenue."""
    created = inside(rows(tables, "opportunity", "created_on"), "created_on").filter(
        LIVE & (pl.col("opportunity_type").fill_null("new") == "new") & ~pl.col("is_imported").fill_null(value=False)
    )
    closed = inside(rows(tables, "opportunity", "closed_on"), "closed_on").filter(LIVE & pl.col("is_closed"))
    won = pl.col("is_won")
    acv = pl.when(won & (pl.col("acv_base") > 0)).then(pl.col("acv_base"))
    cycle = pl.when(won & pl.col("is_cycle_valid")).then(pl.col("cycle_days"))
    mql = inside(rows(tables, "lead_cycle", "mql_on"), "mql_on").filter(
        (pl.col("mql_on") + pl.duration(days=90) < END) & ~pl.col("is_direct_sql").fill_null(value=False)
    )
    lag = (pl.col("sql_on") - pl.col("mql_on")).dt.total_days()
    answered = inside(rows(tables, "lead_response", "created_on"), "created_on").filter(pl.col("is_valid"))
    hours = pl.col("working_hours")
    known = answered.filter(pl.col("is_answered") | (hours >= 1))
    waited = answered.filter(hours.is_not_null()).with_columns(hours=hours.round(4))
    months = inside(rows(tables, "customer_month", "month_on"), "month_on").filter(
        pl.col("is_final") & (pl.col("mrr_12m_before") > 0)
    )
    passed = inside(rows(tables, "stage_passage", "entered_on"), "entered_on")
    return {
        "created": grouped(created, [pl.len().alias("n")]),
        "closed": grouped(
            closed,
            [
                pl.len().alias("n"),
                won.sum().alias("won"),
                acv.cast(MONEY).sum().alias("acv_sum"),
                acv.count().alias("acv_n"),
                cycle.mean().alias("cycle"),
            ],
        ),
        "mql": grouped(mql, [pl.len().alias("n"), lag.is_between(0, 90).sum().alias("k")]),
        "answered": grouped(known, [pl.len().alias("n"), (pl.col("is_answered") & (hours <= 1)).sum().alias("k")]),
        "waited": grouped(waited, [pl.len().alias("n"), pl.col("is_answered").sum().alias("gone")], "hours"),
        "retained": grouped(months, [pl.col(name).cast(MONEY).sum().alias(name) for name in WINDOW]),
        "passed": grouped(
            passed, [pl.len().alias("n"), (pl.col("advanced_on") >= pl.col("entered_on")).sum().alias("k")], "stage"
        ),
        "qualified": moved(tables, "pipeline_movement", pl.col("qualified_n_delta")),
    }


def moved(tables: Tables, table: str, amount: pl.Expr) -> list[pl.LazyFrame]:
    """What moved in each month, and before the first one."""
    frame = rows(tables, table, "moved_on").with_columns(m=pl.max_horizontal("m", pl.lit(FROM_MONTH - 1)))
    return grouped(frame, [amount.sum().alias("amount")])


def running(changes: pl.DataFrame) -> pl.DataFrame:
    """What stands at the end of every month of the span."""
    months = pl.DataFrame({"m": range(FROM_MONTH - 1, TO_MONTH)}, schema={"m": pl.Int32})
    grid = changes.select("breakdown", "segment").unique().join(months, how="cross")
    found = grid.join(changes, on=KEY, how="left").sort("m")
    total = pl.col("amount").fill_null(0).cum_sum().over("breakdown", "segment").alias("amount")
    return found.with_columns(total).filter(pl.col("m") >= FROM_MONTH)


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

    revenue = moved(tables, "mrr_movement", pl.col("mrr_delta_base").cast(MONEY))
    found = collected(scans(tables) | {"mrr": revenue})
    return cells(found, running(found["mrr"]))


def collected(lazy: dict[str, list[pl.LazyFrame]]) -> dict[str, pl.DataFrame]:
    """The breakdowns of each table and day in one frame."""
    frames = iter(pl.collect_all([each for group in lazy.values() for each in group], engine="streaming"))
    return {name: pl.concat([next(frames) for _ in group], how="vertical_relaxed") for name, group in lazy.items()}


def cells(found: dict[str, pl.DataFrame], revenue: pl.DataFrame) -> pa.Table:
    """The cells of the dashboard, from the sums of `scans` and recurring revenue at every month end."""
    closed, retained, real = found["closed"], found["retained"], pl.Float64
    acv = pl.col("acv_sum").cast(real) / pl.when(pl.col("acv_n") > 0).then(pl.col("acv_n"))
    closed = closed.with_columns(win=pl.col("won") / pl.col("n"), acv=acv)
    open_ = running(found["qualified"]).select(*KEY, open="amount")
    fast = closed.join(open_, on=KEY, how="left").filter(pl.col("cycle") != 0)
    before, share = pl.col("mrr_12m_before").cast(real), pl.col("k") / pl.col("n")
    kept = before + pl.col("expansion_12m").cast(real) - pl.col("contraction_12m").cast(real)
    nrr = (kept - pl.col("churn_12m").cast(real)) / before
    velocity = pl.col("open").fill_null(0) * pl.col("win") * pl.col("acv") / pl.col("cycle")
    series = [
        told("new opportunities", found["created"], pl.col("n")),
        told("win rate", closed, pl.col("win")),
        told("ACV", closed, pl.col("acv")),
        told("sales cycle", closed, pl.col("cycle")),
        told("velocity", fast, velocity),
        told("MQL to SQL", found["mql"], share),
        told("response under 1 h", found["answered"], share),
        told("response median", median(found["waited"]), pl.col("value")),
        told("MRR", revenue, pl.col("amount")),
        told("NRR", retained, nrr),
        told("GRR", retained, pl.col("retained_12m").cast(real) / before),
        told("conversion of " + pl.col("stage"), found["passed"], share),
    ]
    return pl.concat(series).to_arrow().cast(CELLS)


def told(series: str | pl.Expr, frame: pl.DataFrame, value: pl.Expr) -> pl.DataFrame:
    """Values as cells."""
    name = pl.lit(series) if isinstance(series, str) else series
    month = pl.date(pl.col("m") // 12, pl.col("m") % 12 + 1, 1)
    cells = frame.select(
        name.alias("series"), "breakdown", "segment", month.alias("month"), value.cast(pl.Float64).alias("value")
    )
    return cells.filter(pl.col("value").is_not_null() & pl.col("value").is_not_nan())
