"""What the statements of one span gave: sums and counts by period and segment, looked up by part."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cadran.engine.aggregate import DAY
from cadran.engine.compile import ENDED, PERIOD, VALUE, N, dim_names
from cadran.engine.outcomes import Watched
from cadran.engine.periods import key_of
from cadran.engine.result import Durations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import pyarrow as pa

    from cadran.engine.aggregate import Slot
    from cadran.engine.compile import Curve, Scan
    from cadran.engine.parts import Group, Part
    from cadran.engine.periods import Key
    from cadran.engine.span import Span
    from cadran.period import Calendar

Segment = tuple[str | None, ...]
#: Components that say that a segment has cases.
_PRESENT = ("matched", "missing", "cohort")
#: How many ids a message names.
SHOWN_IDS = 5


@dataclass
class Components:
    """The components of a span.

    Attributes:
        span: Periods.
        calendar: Calendar that cut them.
    """

    span: Span
    calendar: Calendar
    _slots: dict[Group, dict[Slot, int]] = field(default_factory=dict)
    _rows: dict[Group, dict[tuple[int, Segment], list[Any]]] = field(default_factory=dict)
    _present: dict[tuple[Group, Part], set[Segment]] = field(default_factory=lambda: defaultdict(set))
    _curves: dict[tuple[Group, Part], dict[tuple[int, Segment], dict[float, list[int]]]] = field(default_factory=dict)
    _watched: dict[tuple[Group, Part], Watched] = field(default_factory=lambda: defaultdict(Watched))
    _photos: dict[tuple[Group, str], set[int]] = field(default_factory=dict)
    _missing: dict[tuple[Group, Part], list[tuple[Key, Segment, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._keys = [key_of(period, place, self.span, self.calendar) for place, period in enumerate(self.span.periods)]
        self._places = {key: place for place, key in enumerate(self._keys)}

    def add_scan(self, scan: Scan, table: pa.Table, photos: pa.Table | None = None) -> None:
        """Take in the rows of a scan, and for photographs the days on which they were taken."""
        self._slots[scan.group] = {slot: place for place, slot in enumerate(scan.slots)}
        columns = [table[name].to_pylist() for name in scan.slots.values()]
        rows = list(zip(*columns, strict=True)) if columns else []
        keys, segments = table[PERIOD].to_pylist(), _segments(scan.group, table)
        if scan.group.mode == "balance":
            found = self._running(keys, segments, rows)
        elif photos is not None:
            found = self._on_photo(scan, keys, segments, rows, table[DAY].to_pylist(), photos)
        else:
            found = {
                (self._places[key], segment): list(row)
                for key, segment, row in zip(keys, segments, rows, strict=True)
                if key in self._places
            }
        self._rows[scan.group] = found
        self._note_present(scan, found)

    def _running(
        self, keys: list[Key], segments: list[Segment], rows: list[tuple[Any, ...]]
    ) -> dict[tuple[int, Segment], list[Any]]:
        """For every period, the sum of all rows up to its end: an opening balance and what moved since."""
        by_key: dict[Any, list[tuple[Segment, tuple[Any, ...]]]] = defaultdict(list)
        for key, segment, row in zip(keys, segments, rows, strict=True):
            by_key[key].append((segment, row))
        sums: dict[Segment, list[Any]] = {}
        waiting = sorted(by_key, reverse=True)
        found: dict[tuple[int, Segment], list[Any]] = {}
        for place, last in enumerate(self._keys):
            while waiting and waiting[-1] <= last:
                for segment, row in by_key[waiting.pop()]:
                    before = sums.get(segment, [0] * len(row))
                    sums[segment] = [old + (new or 0) for old, new in zip(before, row, strict=True)]
            found |= {(place, segment): values for segment, values in sums.items()}
        return found

    def _on_photo(
        self,
        scan: Scan,
        keys: list[Key],
        segments: list[Segment],
        rows: list[tuple[Any, ...]],
        days: list[date],
        photos: pa.Table,
    ) -> dict[tuple[int, Segment], list[Any]]:
        """The rows of the last photograph of each period; each part on its own last day."""
        taken: dict[tuple[Any, str], date] = {}
        for text, name in scan.photo_names.items():
            by_key = dict(zip(photos[PERIOD].to_pylist(), photos[name].to_pylist(), strict=True))
            taken |= {(key, text): day for key, day in by_key.items() if day is not None}
            self._photos[scan.group, text] = {self._places[key] for key, _ in by_key.items() if (key, text) in taken}
        texts = [slot[0].photo for slot in scan.slots]
        found: dict[tuple[int, Segment], list[Any]] = {}
        for key, segment, row, day in zip(keys, segments, rows, days, strict=True):
            wanted = [taken.get((key, text)) == day for text in texts]
            if any(wanted):
                values = found.setdefault((self._places[key], segment), [None] * len(texts))
                for place, is_wanted in enumerate(wanted):
                    values[place] = row[place] if is_wanted else values[place]
        return found

    def _note_present(self, scan: Scan, found: dict[tuple[int, Segment], list[Any]]) -> None:
        for place, (part, _, name) in enumerate(scan.slots):
            if name in _PRESENT:
                self._present[scan.group, part] |= {segment for (_, segment), row in found.items() if row[place]}

    def add_curve(self, curve: Curve, table: pa.Table) -> None:
        """Take in the durations or the outcomes of a part."""
        if curve.part.measure.agg == "incidence":
            self._add_outcomes(curve, table)
            return
        found: dict[tuple[int, Segment], dict[float, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
        columns = (table[name].to_pylist() for name in (PERIOD, VALUE, ENDED, N))
        for segment, key, value, ended, n in zip(_segments(curve.group, table), *columns, strict=True):
            if key in self._places:
                found[self._places[key], segment][value][0 if ended else 1] += n
        self._curves[curve.group, curve.part] = found
        self._present[curve.group, curve.part] |= {segment for _, segment in found}

    def _add_outcomes(self, curve: Curve, table: pa.Table) -> None:
        watched = self._watched[curve.group, curve.part]
        places = [self._places.get(key) for key in table[PERIOD].to_pylist()]
        watched.add(table, places, _segments(curve.group, table))
        self._present[curve.group, curve.part] |= watched.segments()

    def add_missing(self, group: Group, part: Part, table: pa.Table) -> None:
        """Take in the ids of rows without a rate."""
        rows = zip(table[PERIOD].to_pylist(), _segments(group, table), table["p_id"].to_pylist(), strict=True)
        self._missing[group, part] = list(rows)

    def get(self, group: Group, slot: Slot, place: int, segment: Segment) -> Any:
        """A component, or None where no row gave it; whole numbers are int, whatever the engine calls them."""
        row = self._rows[group].get((place, segment))
        value = None if row is None else row[self._slots[group][slot]]
        return int(value) if isinstance(value, Decimal) and value.as_tuple().exponent == 0 else value

    def has(self, group: Group, slot: Slot) -> bool:
        """True when a component was asked for."""
        return slot in self._slots.get(group, {})

    def has_photo(self, group: Group, part: Part, place: int) -> bool:
        """True when a photograph was taken in a period."""
        return place in self._photos.get((group, part.photo), set())

    def durations(self, group: Group, part: Part, place: int, segment: Segment) -> Durations:
        """The durations of a ``survival`` part."""
        found = self._curves[group, part].get((place, segment), {})
        times = sorted(found)
        return Durations(tuple(times), tuple(found[time][0] for time in times), tuple(found[time][1] for time in times))

    def watched(self, group: Group, part: Part) -> Watched:
        """The outcomes of an ``incidence`` part."""
        return self._watched[group, part]

    def segments(self, group: Group, part: Part) -> set[Segment]:
        """The segments in which a part has a case somewhere in the span."""
        return self._present.get((group, part), set())

    def without_rate(self) -> list[tuple[Group, Part]]:
        """The parts that have rows without a rate somewhere."""
        return [
            (group, part)
            for group, slots in self._slots.items()
            for (part, _, name), place in slots.items()
            if name == "missing" and any(row[place] for row in self._rows[group].values())
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
