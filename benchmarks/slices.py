"""A page of eighteen KPIs under two filters, over and over, each time another slice."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from benchmarks.cadran_way import CONTEXT
from benchmarks.report import Measure
from benchmarks.scale import END, START
from cadran.catalogue.load import load_catalogue
from cadran.engine.query import KpiQuery
from cadran.engine.run import answers
from cadran.period import shift_months
from cadran.store.warehouse import DuckDBWarehouse

if TYPE_CHECKING:
    from benchmarks.report import Report
    from benchmarks.scale import Scale

KPIS = (
    *("new_opportunities", "win_rate", "win_rate_by_value", "acv", "sales_cycle_days", "sales_velocity"),
    *("open_pipeline", "open_pipeline_count", "qualified_pipeline", "mql_to_sql", "direct_sql"),
    *("lead_response_within_1h", "lead_never_answered_share", "mrr", "customers", "nrr", "grr", "logo_churn_rate"),
)
INDUSTRIES = ("Software", "Manufacturing", "Retail", "Health", "Finance", "Logistics", "Energy", "Media", "Education")
SEGMENTS = ("SMB", "Mid-market", "Enterprise")
#: Slices asked; the first ones, which compile the statements, are not counted.
ASKED, FIRST = 100, 5


def slices(scale: Scale, report: Report, *, repeats: int) -> None:  # noqa: ARG001 - each slice is a repetition
    """Time slices one after the other, no two alike."""
    warehouse = DuckDBWarehouse(scale.snapshot)
    catalogue, _ = load_catalogue()
    every = itertools.product(SEGMENTS, INDUSTRIES, range(12))
    took, filled = [], 0
    for segment, industry, back in itertools.islice(every, FIRST + ASKED):
        start, end = shift_months(END, -12 - back), shift_months(END, -back)
        where = (f"segment = '{segment}'", f"industry = '{industry}'")
        query = KpiQuery(KPIS, grain="month", start=max(start, START), end=end, where=where)
        started = time.perf_counter()
        found = answers(catalogue, [query], warehouse, CONTEXT)[0]
        took.append(time.perf_counter() - started)
        filled += sum(figure.n > 0 for figure in found.figures)
    counted = sorted(took[FIRST:])
    report.add(
        Measure("slice of 18 KPIs, 12 months, two filters: figures with cases in each", filled / len(took), ""),
        Measure("slice: the first one, compiled", took[0] * 1000, "ms"),
        Measure("slice: p50", counted[len(counted) // 2] * 1000, "ms"),
        Measure("slice: p95", counted[int(0.95 * len(counted))] * 1000, "ms", most=35),
    )
