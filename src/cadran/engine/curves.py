"""Durations of cases by period and segment, one after the other, for Kaplan-Meier curves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cadran.engine.result import Durations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cadran.engine.sheet import Segment

_NONE = Durations((), (), ())


@dataclass(frozen=True)
class Curves:
    """The durations of one part, those of a cell together and ascending.

    Attributes:
        segments: Segments, each once.
        cells: Shape (n,): place of the period times the number of segments plus that of the segment, ascending.
        times: Shape (n,): durations in the KPI's unit.
        ended: Shape (n,): cases that ended then.
        censored: Shape (n,): cases that were last seen then, still open.
    """

    segments: Sequence[Segment]
    cells: np.ndarray[Any, Any]
    times: np.ndarray[Any, Any]
    ended: np.ndarray[Any, Any]
    censored: np.ndarray[Any, Any]
    _places: dict[Segment, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._places.update({segment: place for place, segment in enumerate(self.segments)})

    def of(self, place: int, segment: Segment) -> Durations:
        """The durations of one period and segment."""
        code = self._places.get(segment)
        if code is None:
            return _NONE
        cell = place * len(self.segments) + code
        first, last = np.searchsorted(self.cells, [cell, cell + 1])
        columns = (self.times, self.ended, self.censored)
        times, ended, censored = (tuple(column[first:last].tolist()) for column in columns)
        return Durations(times, ended, censored)

    def cells_of(self, places: Sequence[int], segments: Sequence[Segment]) -> np.ndarray[Any, Any]:
        """Shape (periods, segments): the cell of each, or -1 for a segment without any case."""
        codes = np.array([self._places.get(segment, -1) for segment in segments], dtype=np.int64)
        found = np.asarray(places, dtype=np.int64)[:, None] * len(self.segments) + codes[None, :]
        return np.where(codes[None, :] < 0, -1, found)

    def present(self) -> set[Segment]:
        """The segments that have a case in some period."""
        return {self.segments[code] for code in np.unique(self.cells % len(self.segments)).tolist()}


def curves_of(
    places: np.ndarray[Any, Any],
    codes: np.ndarray[Any, Any],
    segments: Sequence[Segment],
    columns: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]],
) -> Curves:
    """Curves from rows in any order.

    Args:
        places: Shape (rows,): place of the period, or -1 for a row that is left out.
        codes: Shape (rows,): place of the segment.
        segments: Segments, each once.
        columns: Duration, whether it has ended, and how many cases; each of shape (rows,).
    """
    inside = places >= 0
    times, has_ended, n = (column[inside] for column in columns)
    cells = places[inside] * len(segments) + codes[inside]
    order = _order(times, cells)
    cells, times, has_ended, n = cells[order], times[order], has_ended[order], n[order]
    is_new = np.ones(len(cells), dtype=bool)
    is_new[1:] = (cells[1:] != cells[:-1]) | (times[1:] != times[:-1])
    starts = np.flatnonzero(is_new)
    ended, censored = (
        np.add.reduceat(np.where(mask, n, 0), starts) if len(starts) else n for mask in (has_ended, ~has_ended)
    )
    return Curves(segments, cells[starts], times[starts], ended, censored)


def _order(times: np.ndarray[Any, Any], cells: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The order by cell, then by time; rows that come by time need to be told apart by their cells only."""
    if not len(times) or np.any(times[1:] < times[:-1]):
        return np.lexsort((times, cells))
    # NumPy sorts numbers of two bytes without comparing them
    small = cells.astype(np.uint16) if cells.max(initial=0) < 2**16 else cells
    return np.argsort(small, kind="stable")
