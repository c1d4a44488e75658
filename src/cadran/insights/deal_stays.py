"""The ways of deals through the stages, as statistics take them: one set of stays per pipeline.

Where the stages that closed deals were in are not recorded, a deal has one stay, from its creation to its
end: what can be learnt then is how age and description tell wins from losses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cadran.engine.deals import LABELS
from cadran.stats.stays import GONE, LOST, OPEN, Stays

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from numpy.typing import NDArray

    from cadran.engine.deals import DealResult

    Array = NDArray[np.float64]
    Whole = NDArray[np.int64]

#: Stage of deals whose stages are not recorded.
WHOLE_WAY = ""
SECONDS_IN_DAY = 86400
#: Share of the closed deals whose stages must be recorded.
LEAST_RECORDED = 0.5


@dataclass(frozen=True)
class Pipelines:
    """Stays by pipeline; `Stays.deal` is the row of `DealResult.deals`.

    Attributes:
        stays: Stays by pipeline; the pipeline is empty where none is given.
        day: Day on which they are known.
        is_recorded: False where stages of closed deals are not recorded, so that a deal has one stay.
    """

    stays: Mapping[str, Stays]
    day: float
    is_recorded: bool


def pipelines_of(result: DealResult, closings: tuple[datetime, ...] = ()) -> Pipelines:
    """The stays of deals by pipeline.

    Args:
        result: Deals and stays.
        closings: Ends of quarters, ascending.
    """
    deals = result.deals
    touched = (_row_of(deals, result.touches["deal"]), days_since_1970(result.touches["at"]))
    ends = np.array([_day(end) for end in closings])
    staying = _row_of(deals, result.stays["deal"])
    closed = np.flatnonzero(flags_of(deals["is_closed"]))
    is_recorded = not closed.size or bool(np.isin(closed, staying).mean() >= LEAST_RECORDED)
    table = result.stays if is_recorded else _whole(deals)
    rows = staying if is_recorded else np.arange(deals.num_rows)
    to = _next(table, rows)
    entered = days_since_1970(table["entered_at"])
    left = np.where(to == OPEN_NEXT, np.inf, np.maximum(days_since_1970(table["exited_at"]), entered))
    pipeline = _texts(table["pipeline"])
    amount = {"amount": _amounts(result, rows, entered)} if result.amounts.num_rows and is_recorded else {}
    labels = {name: _texts(table[name]) for name in LABELS}
    found = {}
    for name in np.unique(pipeline).tolist():
        own = np.flatnonzero((pipeline == name) & np.isfinite(entered))
        stages, place = _ordered(table, own)
        found[name] = Stays(
            stages,
            rows[own],
            place,
            _first(rows[own], entered[own]),
            entered[own],
            left[own],
            _places(to[own], own, place, len(stages)),
            {label: values[own] for label, values in labels.items()},
            {number: values[own] for number, values in amount.items()},
            touched,
            ends,
        )
    return Pipelines(found, _day(result.as_of), is_recorded)


#: What `_next` says beside the row of the next stay: won, and still open.
WON_NEXT, OPEN_NEXT = -10, OPEN


def _next(table: pa.Table, rows: Whole) -> Whole:
    """Row of the stay that follows in the same pipeline, or `WON_NEXT`, `LOST`, `GONE`, `OPEN_NEXT`."""
    n = rows.size
    exits = _texts(table["exit_to"])
    found = np.full(n, GONE)
    found[exits == "won"] = WON_NEXT
    found[exits == "lost"] = LOST
    found[exits == ""] = OPEN_NEXT
    if n:
        pipeline = _texts(table["pipeline"])
        follows = np.append(rows[1:] == rows[:-1], False)
        same = np.append(pipeline[1:] == pipeline[:-1], False)
        place = np.arange(n) + 1
        # a deal that was lost and opened again was not lost there
        found = np.where(follows, np.where(same, place, GONE), found)
    return found


def _places(to: Whole, own: Whole, place: Whole, n_stages: int) -> Whole:
    """`_next` with the stage of the next stay in place of its row."""
    row = np.minimum(np.searchsorted(own, np.maximum(to, 0)), max(own.size - 1, 0))
    stage = np.where(own[row] == to, place[row], GONE) if own.size else to
    return np.where(to >= 0, stage, np.where(to == WON_NEXT, n_stages, to))


def _ordered(table: pa.Table, own: Whole) -> tuple[tuple[str, ...], Whole]:
    """Stages of a pipeline in their order, and the place of each stay's stage."""
    stage = _texts(table["stage"])[own]
    position = np.nan_to_num(floats_of(table["position"])[own], nan=np.inf)
    names, code = np.unique(stage, return_inverse=True)
    first = np.full(names.size, np.inf)
    np.minimum.at(first, code, position)
    order = np.lexsort((names, first))
    rank = np.empty(names.size, dtype=np.int64)
    rank[order] = np.arange(names.size)
    return tuple(names[order].tolist()), rank[code]


def _first(rows: Whole, entered: Array) -> Array:
    """Day on which each stay's deal entered the pipeline."""
    found = np.full(int(rows.max(initial=-1)) + 1, np.inf)
    np.minimum.at(found, rows, entered)
    return np.asarray(found[rows])


def _whole(deals: pa.Table) -> pa.Table:
    """One stay per deal."""
    exits = pc.if_else(deals["is_closed"], pc.if_else(deals["is_won"], "won", "lost"), pa.scalar(None, pa.string()))
    names = pa.array([WHOLE_WAY] * deals.num_rows, pa.string())
    columns = {name: deals[name] for name in (*LABELS, "pipeline")}
    beside = {"entered_at": deals["created_at"], "exited_at": deals["closed_at"], "exit_to": exits, "stage": names}
    return pa.table({**columns, **beside, "position": pa.array([0] * deals.num_rows, pa.int64())})


def _amounts(result: DealResult, rows: Whole, entered: Array) -> Array:
    """Log of the amount of each stay's deal as it was at the entry; NaN where not known."""
    now = floats_of(result.deals["amount"])[rows]
    rate = floats_of(result.deals["rate"])[rows]
    deal, at = _row_of(result.deals, result.amounts["deal"]), days_since_1970(result.amounts["at"])
    old = np.array([_number(text) for text in result.amounts["old"].to_pylist()])
    scale = 1e7
    key = deal * scale + at
    place = np.minimum(np.searchsorted(key, rows * scale + entered, "right"), key.size - 1)
    changes_later = (deal[place] == rows) & (at[place] > entered)
    then = np.where(changes_later, old[place] * rate, now)
    return np.asarray(np.log(np.where(then > 0, then, np.nan)))


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _row_of(deals: pa.Table, ids: pa.ChunkedArray) -> Whole:
    order = np.asarray(deals["deal"].to_numpy(zero_copy_only=False), dtype=str)
    return np.searchsorted(order, np.asarray(ids.to_numpy(zero_copy_only=False), dtype=str)).astype(np.int64)


def _texts(column: pa.ChunkedArray) -> NDArray[np.str_]:
    return np.asarray(pc.fill_null(column.cast(pa.string()), "").to_numpy(zero_copy_only=False), dtype=str)


def floats_of(column: pa.ChunkedArray) -> Array:
    """Numbers; NaN where null."""
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=float)


def flags_of(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Flags, without null."""
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)


def days_since_1970(column: pa.ChunkedArray) -> Array:
    """Days since 1970 of UTC instants; NaN where null."""
    micros = column.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.float64())
    return np.asarray(micros.to_numpy(zero_copy_only=False), dtype=float) / 1e6 / SECONDS_IN_DAY


def day_of(days: float) -> date:
    """The UTC day of a number of days since 1970."""
    return date(1970, 1, 1) + timedelta(days=math.floor(days))


def _day(moment: datetime) -> float:
    """Days since 1970 of an instant, naive ones being UTC."""
    return float(np.datetime64(_naive(moment), "us").astype(np.int64)) / 1e6 / SECONDS_IN_DAY


def _naive(moment: datetime) -> datetime:
    offset = moment.utcoffset()
    return moment.replace(tzinfo=None) - offset if offset else moment.replace(tzinfo=None)
