"""The dashboard in Ibis, one query for each KPI and breakdown, as a semantic layer on it would ask."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa
from ibis import _

from benchmarks.scale import END, START
from benchmarks.work import ALL, BREAKDOWNS, CELLS, FROM_MONTH, NONE, TO_MONTH

if TYPE_CHECKING:
    from pathlib import Path

    import ibis.expr.types as ir


def live() -> ibis.Deferred:
    return ~_.is_test & _.deleted_at.isnull() & _.merged_into_id.isnull()


def kpis(t: dict[str, ir.Table]) -> dict[str, tuple[ir.Table, str, ibis.Deferred]]:
    """Series, its rows, its day and its value."""
    deal, month = t["opportunity"], t["customer_month"]
    closed = deal.filter(live(), _.is_closed)
    won = closed.filter(_.is_won)
    created = deal.filter(live(), _.opportunity_type.fill_null("new") == "new", ~_.is_imported.fill_null(False))
    mql = t["lead_cycle"].filter(_.mql_on + ibis.interval(days=90) < END, ~_.is_direct_sql.fill_null(False))
    known = t["lead_response"].filter(_.is_valid, _.is_answered | (_.working_hours >= 1))
    paid = month.filter(_.is_final, _.mrr_12m_before > 0)
    net = _.mrr_12m_before + _.expansion_12m - _.contraction_12m - _.churn_12m
    before = _.mrr_12m_before.sum().cast("float64")
    found = {
        "new opportunities": (created, "created_on", _.count()),
        "win rate": (closed, "closed_on", _.is_won.mean()),
        "ACV": (won.filter(_.acv_base > 0), "closed_on", _.acv_base.sum().cast("float64") / _.count()),
        "sales cycle": (won.filter(_.is_cycle_valid), "closed_on", _.cycle_days.mean()),
        "MQL to SQL": (
            mql,
            "mql_on",
            _.count(where=_.sql_on.delta(_.mql_on, unit="day").between(0, 90)) / _.count(),
        ),
        "response under 1 h": (known, "created_on", _.count(where=_.is_answered & (_.working_hours <= 1)) / _.count()),
        "NRR": (paid, "month_on", net.sum().cast("float64") / before),
        "GRR": (paid, "month_on", _.retained_12m.sum().cast("float64") / before),
    }
    passed = t["stage_passage"]
    for stage in ("Discovery", "Qualification", "Demo", "Proposal", "Negotiation"):
        further = _.count(where=_.advanced_on >= _.entered_on) / _.count()
        found[f"conversion of {stage}"] = (passed.filter(_.stage == stage), "entered_on", further)
    return found


def by_month(rows: ir.Table, day: str, value: ibis.Deferred, breakdown: str) -> ir.Table:
    """A KPI of the rows of each month."""
    rows = rows.filter(rows[day] >= START, rows[day] < END)
    keyed = rows.mutate(month=rows[day].truncate("M").cast("date"), segment_=segment(rows, breakdown))
    return keyed.group_by("month", "segment_").agg(value=value)


def segment(rows: ir.Table, breakdown: str) -> ir.Value:
    return ibis.literal("") if breakdown == ALL else rows[breakdown].fill_null(NONE)


def balance(rows: ir.Table, amount: str, breakdown: str) -> ir.Table:
    """A KPI that runs: everything that moved up to the end of each month."""
    rows = rows.filter(rows.moved_on < END)
    moved = rows.select(
        month=rows.moved_on.truncate("M").cast("date"), segment_=segment(rows, breakdown), amount=rows[amount]
    )
    months = ibis.memtable({"month": [date(m // 12, m % 12 + 1, 1) for m in range(FROM_MONTH, TO_MONTH)]})
    grid = moved.select("segment_").distinct().cross_join(months)
    padded = moved.union(grid.select("month", "segment_", amount=ibis.literal(0).cast(moved.amount.type())))
    sums = padded.group_by("month", "segment_").agg(change=padded.amount.sum())
    so_far = ibis.cumulative_window(group_by="segment_", order_by="month")
    found = sums.mutate(value=sums.change.sum().over(so_far)).drop("change")
    return found.filter(found.month >= START)


def velocity(t: dict[str, ir.Table], found: dict[str, tuple], breakdown: str) -> ir.Table:
    """Qualified deals × win rate × ACV ÷ cycle."""
    keys = ["month", "segment_"]
    parts = {
        new: by_month(*found[old], breakdown).rename({new: "value"})
        for new, old in (("win", "win rate"), ("acv", "ACV"), ("cycle", "sales cycle"))
    }
    open_ = balance(t["pipeline_movement"], "qualified_n_delta", breakdown).rename(open="value")
    joined = parts["win"].join(parts["acv"], keys).join(parts["cycle"], keys).left_join(open_, keys)
    value = joined.open.fill_null(0) * joined.win * joined.acv / joined.cycle.nullif(0)
    return joined.select("month", "segment_", value=value)


def median(rows: ir.Table, breakdown: str) -> ir.Table:
    """The Kaplan-Meier median of the time to an answer."""
    rows = rows.filter(rows.created_on >= START, rows.created_on < END, rows.is_valid, rows.working_hours.notnull())
    keyed = rows.select(
        "is_answered",
        month=rows.created_on.truncate("M").cast("date"),
        segment_=segment(rows, breakdown),
        hours=rows.working_hours.round(4),
    )
    counts = keyed.group_by("month", "segment_", "hours").agg(
        gone=keyed.count(where=keyed.is_answered), n=keyed.count()
    )
    by = ["month", "segment_"]
    risk = counts.mutate(at_risk=counts.n.sum().over(ibis.cumulative_window(group_by=by, order_by=counts.hours.desc())))
    stays = (1 - risk.gone / risk.at_risk).nullif(0).ln().fill_null(-1e9)
    curve = risk.mutate(stays=stays)
    curve = curve.mutate(left_=curve.stays.sum().over(ibis.cumulative_window(group_by=by, order_by="hours")))
    half = curve.filter(curve.left_.exp() <= 0.5 + 1e-12)
    return half.group_by(by).agg(value=half.hours.min())


def answer(folder: Path) -> pa.Table:
    """The cells of the dashboard, from Parquet."""
    connection = ibis.duckdb.connect()
    names = [
        *("opportunity", "lead_cycle", "lead_response", "customer_month"),
        *("stage_passage", "pipeline_movement", "mrr_movement"),
    ]
    t = {name: connection.read_parquet(folder / f"{name}.parquet", table_name=name) for name in names}
    found = kpis(t)
    cells = []
    for breakdown in (ALL, *BREAKDOWNS):
        asked = {series: by_month(*parts, breakdown) for series, parts in found.items()}
        asked["MRR"] = balance(t["mrr_movement"], "mrr_delta_base", breakdown)
        asked["velocity"] = velocity(t, found, breakdown)
        asked["response median"] = median(t["lead_response"], breakdown)
        for series, table in asked.items():
            told = table.select(
                series=ibis.literal(series),
                breakdown=ibis.literal(breakdown),
                segment=table.segment_,
                month=table.month,
                value=table.value.cast("float64"),
            )
            cells.append(told.filter(told.value.notnull()).to_pyarrow().cast(CELLS))
    return pa.concat_tables(cells)
