"""The dashboard asked of Cadran: the product's own questions, answered by its own engine."""

from __future__ import annotations

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

    from cadran.engine.result import Durations, Figure, KpiResult
    from cadran.store.warehouse import Warehouse

CONTEXT = Context(Calendar(), ZoneInfo(ZONE), CURRENCY, SETTINGS)
OF_KPI = {kpi: series for series, kpi in SERIES.items()}


def questions() -> list[KpiQuery]:
    """The dashboard as questions: the board, and the stages, once for each breakdown."""
    found = []
    for by in ((), *((name,) for name in BREAKDOWNS)):
        found.append(KpiQuery(tuple(SERIES.values()), by=by, grain="month", start=START, end=END))
        found.append(KpiQuery((BY_STAGE,), by=("stage", *by), grain="month", start=START, end=END))
    return found


def ask(warehouse: Warehouse) -> list[KpiResult]:
    """The answers of the engine."""
    catalogue, _ = load_catalogue()
    if hasattr(run, "answers"):
        return list(run.answers(catalogue, questions(), warehouse, CONTEXT))
    return [run.answer(catalogue, each, warehouse, CONTEXT) for each in questions()]


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
