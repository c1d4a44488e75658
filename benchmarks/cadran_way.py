"""The dashboard asked of Cadran: the product's own questions, answered by its own engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa

from benchmarks.scale import CURRENCY, END, START, ZONE
from benchmarks.snapshot import SETTINGS
from benchmarks.work import ALL, BREAKDOWNS, BY_STAGE, CELLS, NONE, SERIES, stage_series
from cadran.catalogue.load import load_catalogue
from cadran.engine import run
from cadran.engine.query import Context, KpiQuery
from cadran.period import Calendar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cadran.catalogue.definition import Catalogue
    from cadran.engine.result import Durations, Figure, KpiResult
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


def ask(warehouse: Warehouse) -> list[KpiResult]:
    """The answers of the engine."""
    catalogue, _ = load_catalogue()
    if hasattr(run, "answers"):
        return list(run.answers(catalogue, questions(catalogue), warehouse, CONTEXT))
    return [run.answer(catalogue, each, warehouse, CONTEXT) for each in questions(catalogue)]


def cells(results: Iterable[KpiResult]) -> pa.Table:
    """What the answers say, as cells, to be compared."""
    rows = [_cell(figure) for result in results for figure in result.figures]
    return pa.table({field.name: [row[i] for row in rows] for i, field in enumerate(CELLS)}, schema=CELLS)


def _cell(figure: Figure) -> tuple:
    segment = dict(figure.segment)
    stage = segment.pop("stage", None)
    series = stage_series(stage) if figure.kpi.id == BY_STAGE else OF_KPI[figure.kpi.id]
    value = half(figure.durations) if figure.durations else figure.value
    name = next(iter(segment), ALL)
    label = (segment[name] or NONE) if segment else ""
    return series, name, label, figure.start, None if value is None else float(value)


def half(durations: Durations) -> float | None:
    """The Kaplan-Meier median of durations: the first at which at most half are still waiting."""
    left, surviving = sum(durations.ended) + sum(durations.censored), 1.0
    for time, gone, unseen in zip(durations.times, durations.ended, durations.censored, strict=True):
        surviving *= 1 - gone / left
        if surviving <= 0.5 + 1e-12:
            return time
        left -= gone + unseen
    return None
