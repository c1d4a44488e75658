"""The dashboard asked of Cadran: the product's own questions, answered by its own engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa

from benchmarks.scale import CURRENCY, END, SETTINGS, START, ZONE
from benchmarks.work import ALL, BREAKDOWNS, BY_STAGE, CELLS, NONE, SERIES, stage_series
from cadran.engine.query import Context, KpiQuery
from cadran.engine.run import answers
from cadran.insights.columns import values
from cadran.period import Calendar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cadran.catalogue.definition import Catalogue
    from cadran.store.warehouse import Warehouse

CONTEXT = Context(Calendar(), ZoneInfo(ZONE), CURRENCY, SETTINGS)
#: Series that are not asked, to be compared with a way that does not know them.
LEFT_OUT = frozenset(filter(None, os.environ.get("CADRAN_BENCH_WITHOUT", "").split(",")))
OF_KPI = {kpi: series for series, kpi in SERIES.items()}


def questions(catalogue: Catalogue) -> list[KpiQuery]:
    """The dashboard as questions: the board, and the stages, once for each breakdown that a KPI has."""
    found = []
    wanted = [kpi for series, kpi in SERIES.items() if series not in LEFT_OUT]
    for by in ((), *((name,) for name in BREAKDOWNS)):
        kpis = tuple(kpi for kpi in wanted if {*by} <= {*catalogue.kpi(kpi).dimensions})
        found.append(KpiQuery(kpis, by=by, grain="month", start=START, end=END))
        found.append(KpiQuery((BY_STAGE,), by=("stage", *by), grain="month", start=START, end=END))
    return found


def ask(warehouse: Warehouse, catalogue: Catalogue) -> list[pa.Table]:
    """The value of every figure, as one table for each question."""
    found = answers(catalogue, questions(catalogue), warehouse, CONTEXT, has_moments=False)
    return [values(each) for each in found]


def cells(tables: Iterable[pa.Table]) -> pa.Table:
    """What the answers say in the words of all ways, to be compared."""
    rows = [_cell(row) for table in tables for row in table.to_pylist()]
    return pa.table({field.name: [row[i] for row in rows] for i, field in enumerate(CELLS)}, schema=CELLS)


def _cell(row: dict) -> tuple:
    kpi, start, stage, value = row.pop("kpi"), row.pop("start"), row.pop("stage", None), row.pop("value")
    series = stage_series(stage) if kpi == BY_STAGE else OF_KPI[kpi]
    name = next(iter(row), ALL)
    label = (row[name] or NONE) if row else ""
    return series, name, label, start, value
