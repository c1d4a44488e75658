"""Every value of an answer as columns, medians of durations among them: for exports and whole dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cadran.engine import columns
from cadran.stats.survival import median_durations

if TYPE_CHECKING:
    import pyarrow as pa

    from cadran.engine.result import KpiResult


def values(result: KpiResult) -> pa.Table:
    """One row per figure, in order: ``kpi``, ``start``, a text column per dimension, ``value`` (double or null).

    The values are those that `judge.read` shows, without their intervals.
    """
    return columns.columns(result, _estimates)


def _estimates(cells: columns.Cells) -> np.ndarray[Any, Any] | None:
    top = cells.kpi.numerator
    if top is None or top.agg not in ("survival", "incidence"):
        return None
    curves = cells.curves()
    if curves is None:
        from cadran.insights.judge import value_of  # noqa: PLC0415 - slow to import, and seldom of use here

        shown = (value_of(figure).value for figure in cells.figures())
        return np.array([np.nan if v is None else float(v) for v in shown], dtype=np.float64).reshape(cells.shape)
    wanted = curves.cells_of(cells.places, cells.segments)
    found, starts = np.unique(curves.cells, return_index=True)
    medians = median_durations([*starts.tolist(), len(curves.cells)], curves.times, curves.ended, curves.censored)
    if not len(found):
        return np.full(wanted.shape, np.nan)
    place = np.minimum(np.searchsorted(found, wanted), len(found) - 1)
    return np.where(found[place] == wanted, medians[place], np.nan)
