"""What the statements of one span gave: sums and counts by period and segment, looked up by part."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from cadran.engine.aggregate import DAY
from cadran.engine.compile import ENDED, PERIOD, VALUE, N, dim_names
from cadran.engine.curves import Curves, curves_of
from cadran.engine.outcomes import Watched
from cadran.engine.periods import key_of
from cadran.engine.sheet import Column, Sheet, coded, column_of, numbers, placed, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from cadran.engine.aggregate import Slot
    from cadran.engine.compile import Curve, Scan
    from cadran.engine.parts import Group, Part
    from cadran.engine.periods import Key
    from cadran.engine.result import Durations
    from cadran.engine.sheet import Segment
    from cadran.engine.span import Span
    from cadran.period import Calendar

    #: For each photograph by name, the last day of each period on which it was taken.
    LastDays = Mapping[str, Sequence[date | None]]

EPOCH = date(1970, 1, 1)
#: Components that say that a segment has cases.
_PRESENT = ("matched", "missing", "cohort")
#: How many ids a message names.
SHOWN_IDS = 5


@dataclass(frozen=True)
class Found:
    """Where a component is.

    Attributes:
        sheet: Rows of its group.
        column: Its column.
        photo: Predicate of the photographs it is read on, or empty.
    """

    sheet: Sheet
    column: int
    photo: str

    def at(self, place: int, segment: Segment) -> Any:
        """Its value in one period and segment, or None where no row gave it."""
        return self.sheet.get(self.column, self.photo, place, segment)

    def rows(
        self, places: Sequence[int], segments: Sequence[Segment]
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Shape (periods, segments), twice: the row of each, and whether there is one."""
        return self.sheet.chosen(self.photo, places, segments)


@dataclass
class Components:
    """The components of a span.

    Attributes:
        span: Periods.
        calendar: Calendar that cut them.
    """

    span: Span
    calendar: Calendar
    _found: dict[Group, dict[Slot, Found]] = field(default_factory=lambda: defaultdict(dict))
    _present: dict[tuple[Group, Part], set[Segment]] = field(default_factory=dict)
    _curves: dict[tuple[Group, Part], Curves] = field(default_factory=dict)
    _watched: dict[tuple[Group, Part], Watched] = field(default_factory=lambda: defaultdict(Watched))
    _photos: dict[tuple[Group, str], set[int]] = field(default_factory=dict)
    _missing: dict[tuple[Group, Part], list[tuple[Key, Segment, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._keys = [key_of(period, place, self.span, self.calendar) for place, period in enumerate(self.span.periods)]
        self._places = {key: place for place, key in enumerate(self._keys)}

    def last_days(self, scan: Scan, photos: pa.Table) -> LastDays:
        """For each period, the last day on which each photograph was taken, from the rows of `Scan.photos`."""
        places = placed(photos[PERIOD], self._places).tolist()
        found: dict[str, list[date | None]] = {name: [None] * len(self._keys) for name in scan.photo_names.values()}
        for name, last in found.items():
            for place, day in zip(places, photos[name].to_pylist(), strict=True):
                last[place] = day
        return found

    def add_scan(self, scan: Scan, table: pa.Table, photos: LastDays | None = None) -> None:
        """Take in the rows of a scan, and for photographs the last day of each period on which they were taken."""
        columns = [column_of(table[name]) for name in scan.slots.values()]
        codes, segments = coded(table, dim_names(scan.group))
        if scan.group.mode == "balance":
            self._keep(scan, self._running(table[PERIOD], codes, segments, columns))
            return
        shape = (len(self._keys), len(segments))
        places = placed(table[PERIOD], self._places)
        rows = {"": rows_of(places, codes, shape)}
        if photos is not None:
            rows = {}
            days = numbers(table[DAY].cast("int32"))[0].astype(np.int64)
            for text, name in scan.photo_names.items():
                taken = self._taken(scan.group, text, photos[name])
                rows[text] = rows_of(np.where(taken[places] == days, places, -1), codes, shape)
        self._keep(scan, Sheet(segments, columns, rows))

    def _keep(self, scan: Scan, sheet: Sheet) -> None:
        for place, slot in enumerate(scan.slots):
            photo = slot[0].photo if scan.group.mode == "photo" else ""
            self._found[scan.group][slot] = Found(sheet, place, photo)

    def _running(
        self, keys: pa.ChunkedArray, codes: np.ndarray[Any, Any], segments: list[Segment], columns: list[Column]
    ) -> Sheet:
        """For every period, the sum of all rows up to its end: an opening balance and what moved since."""
        # a row counts from the first period whose key is not before its own
        until = {key: bisect_left(self._keys, key) for key in pc.unique(keys).to_pylist()}
        places = placed(keys, {key: place for key, place in until.items() if place < len(self._keys)})
        shape = (len(self._keys), len(segments))
        inside = places >= 0
        cells = places[inside] * shape[1] + codes[inside]
        chosen = [Column(c.values[inside], c.scale, None if c.valid is None else c.valid[inside]) for c in columns]
        first = np.full(shape[1], shape[0])
        np.minimum.at(first, codes[inside], places[inside])
        rows = np.arange(shape[0] * shape[1]).reshape(shape)
        rows = np.where(np.arange(shape[0])[:, None] >= first[None, :], rows, -1)
        return Sheet(segments, [column.running(cells, *shape) for column in chosen], {"": rows})

    def _taken(self, group: Group, text: str, last: Sequence[date | None]) -> np.ndarray[Any, Any]:
        """Shape (periods + 1,): the day of the photograph of each period, or -1; the last is for no period."""
        self._photos[group, text] = {place for place, day in enumerate(last) if day}
        return np.array([-1 if day is None else (day - EPOCH).days for day in (*last, None)], dtype=np.int64)

    def add_curve(self, curve: Curve, table: pa.Table) -> None:
        """Take in the durations or the outcomes of a part."""
        if curve.part.measure.agg == "incidence":
            self._add_outcomes(curve, table)
            return
        codes, segments = coded(table, dim_names(curve.group))
        ended = numbers(table[ENDED].cast("int8"))[0] != 0
        n = numbers(table[N])[0] if N in table.column_names else np.ones(table.num_rows, dtype=np.int64)
        columns = (numbers(table[VALUE])[0], ended, n)
        found = curves_of(placed(table[PERIOD], self._places), codes, segments, columns)
        self._curves[curve.group, curve.part] = found
        self._present[curve.group, curve.part] = found.present()

    def _add_outcomes(self, curve: Curve, table: pa.Table) -> None:
        watched = self._watched[curve.group, curve.part]
        places = [self._places.get(key) for key in table[PERIOD].to_pylist()]
        watched.add(table, places, _segments(curve.group, table))
        self._present[curve.group, curve.part] = watched.segments()

    def add_missing(self, group: Group, part: Part, table: pa.Table) -> None:
        """Take in the ids of rows without a rate."""
        rows = zip(table[PERIOD].to_pylist(), _segments(group, table), table["p_id"].to_pylist(), strict=True)
        self._missing[group, part] = list(rows)

    def find(self, group: Group, slot: Slot) -> Found | None:
        """Where a component is, or None when it was not asked for."""
        return self._found[group].get(slot) if group in self._found else None

    def get(self, group: Group, slot: Slot, place: int, segment: Segment) -> Any:
        """A component, or None where no row gave it; whole numbers are int, whatever the engine calls them."""
        found = self.find(group, slot)
        return found.at(place, segment) if found else None

    def has_photo(self, group: Group, part: Part, place: int) -> bool:
        """True when a photograph was taken in a period."""
        return place in self._photos.get((group, part.photo), set())

    def curves(self, group: Group, part: Part) -> Curves:
        """The durations of a ``survival`` part, in every period and segment."""
        return self._curves[group, part]

    def durations(self, group: Group, part: Part, place: int, segment: Segment) -> Durations:
        """The durations of a ``survival`` part."""
        return self._curves[group, part].of(place, segment)

    def watched(self, group: Group, part: Part) -> Watched:
        """The outcomes of an ``incidence`` part."""
        return self._watched[group, part]

    def segments(self, group: Group, part: Part) -> set[Segment]:
        """The segments in which a part has a case somewhere in the span."""
        key = (group, part)
        if key not in self._present:
            named = [
                place.sheet.present(place.column, place.photo)
                for slot, place in self._found.get(group, {}).items()
                if slot[0] == part and slot[2] in _PRESENT
            ]
            self._present[key] = set().union(*named)
        return self._present[key]

    def without_rate(self) -> list[tuple[Group, Part]]:
        """The parts that have rows without a rate somewhere."""
        return [
            (group, slot[0])
            for group, slots in self._found.items()
            for slot, found in slots.items()
            if slot[2] == "missing" and found.sheet.present(found.column, found.photo)
        ]

    def ids_without_rate(self, group: Group, part: Part, place: int, segment: Segment) -> str:
        """The first ids of the rows of a figure that have no rate, as a text."""
        return first_ids(self.ids(group, part, place, segment))

    def ids(self, group: Group, part: Part, place: int, segment: Segment) -> list[str]:
        """The ids of the rows of a figure that have no rate."""
        last = self._keys[place]
        return [
            name
            for key, where, name in self._missing.get((group, part), [])
            if where == segment and (key <= last if group.mode == "balance" else key == last)  # type: ignore[operator]
        ]

    def by_place(self, group: Group, table: pa.Table) -> list[tuple[int, Segment] | None]:
        """The period and segment of each row of a statement; None outside the span."""
        places = [self._places.get(key) for key in table[PERIOD].to_pylist()]
        return [
            None if place is None else (place, segment)
            for place, segment in zip(places, _segments(group, table), strict=True)
        ]


def first_ids(ids: Sequence[str]) -> str:
    """The first of some ids as a text, with a sign when there are more."""
    shown = ", ".join(str(name) for name in ids[:SHOWN_IDS])
    return shown + ("…" if len(ids) > SHOWN_IDS else "")


def _segments(group: Group, table: pa.Table) -> list[Segment]:
    names = dim_names(group)
    if not names:
        return [()] * table.num_rows
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))
