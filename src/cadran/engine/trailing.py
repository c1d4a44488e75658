"""Windows that end with each period: twelve months, thirteen weeks, ninety days.

Windows overlap, so the periods of a question are cut into pieces that do not: the statements of the
engine count each piece once, whatever the number of windows, and a window is the difference of two
running sums. Sums are exact, so the difference is too. What cannot be subtracted (distinct values,
medians, lowest, highest) is put together from the values of the pieces.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cadran.engine.compile import VALUE, N
from cadran.engine.components import first_ids
from cadran.engine.parts import lineage_of, parts_of
from cadran.engine.result import Durations
from cadran.engine.span import Span
from cadran.period import GRAINS, Period

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    import pyarrow as pa

    from cadran.catalogue.definition import Kpi
    from cadran.engine.aggregate import Slot
    from cadran.engine.compile import Leaf
    from cadran.engine.components import Components
    from cadran.engine.outcomes import Watched
    from cadran.engine.parts import Group, Part
    from cadran.engine.sheet import Segment
    from cadran.period import Calendar, Grain, Trailing

    #: Table and day column.
    Source = tuple[str, str]

#: Components that are put together from values and not from sums.
OF_VALUES = ("distinct", "median")
#: Most bounds that are tested one by one; beyond, pieces are days.
MOST_BOUNDS = 60


@dataclass(frozen=True)
class Windows:
    """The windows of a question, and the pieces that they are made of.

    Attributes:
        span: Periods of the question.
        pieces: Periods without gap or overlap, which every window is made of.
        by_length: Windows of each length, one per period of `span`; None for the periods themselves.
    """

    span: Span
    pieces: Span
    by_length: Mapping[Trailing | None, Sequence[Period]]

    def places(self, trailing: Trailing | None, place: int) -> range:
        """The places of the pieces of one window."""
        window = self.by_length[trailing][place]
        starts = self._starts
        return range(starts[window.start], starts[window.end])

    @functools.cached_property
    def _starts(self) -> dict[date, int]:
        found = {period.start: place for place, period in enumerate(self.pieces.periods)}
        return found | {self.pieces.end: len(self.pieces.periods)}


def windows_of(span: Span, lengths: Iterable[Trailing], calendar: Calendar) -> Windows:
    """The windows of these lengths that end with each period of a span.

    Args:
        span: Periods of the question. Where one is cut short, its window is cut on the same day.
        lengths: Lengths asked for.
        calendar: Calendar of the company.

    Raises:
        QueryError: Months of a retail calendar do not end where a period ends.
    """
    counted = [span.counted(period) for period in span.periods]
    by_length: dict[Trailing | None, list[Period]] = {None: counted}
    for length in lengths:
        found = (calendar.window(period.end, length) for period in span.periods)
        by_length[length] = [Period(window.start, own.end) for window, own in zip(found, counted, strict=True)]
    edges = sorted({day for each in by_length.values() for window in each for day in (window.start, window.end)})
    return Windows(span, _pieces(edges, calendar), by_length)


def _pieces(edges: list[date], calendar: Calendar) -> Span:
    grain = _common_grain(edges, calendar)
    if grain == "day" and len(edges) <= MOST_BOUNDS:
        return Span(tuple(itertools.starmap(Period, itertools.pairwise(edges))), None)
    return Span(tuple(calendar.periods(grain, edges[0], edges[-1])), grain)


def _common_grain(edges: list[date], calendar: Calendar) -> Grain:
    """The longest grain of which a period starts on every edge."""
    for grain in reversed(GRAINS):
        if all(calendar.containing(day, grain).start == day for day in edges):
            return grain
    return "day"


@dataclass(frozen=True)
class History:
    """How far back the data of trailing figures reaches.

    Attributes:
        windows: The windows.
        calendar: Calendar of the company.
        first: First day of each table and day column that the person may see; None without any row.
    """

    windows: Windows
    calendar: Calendar
    first: Mapping[Source, date | None]

    def reach(self, kpi: Kpi, versions: Mapping[str, Kpi], place: int) -> tuple[Period | None, date | None]:
        """The widest window behind a figure, and the first day with data when the window starts before it.

        A window reaches back when its first month, week or day has a row, or something before it has.
        """
        found = [(part, part.trailing) for each in lineage_of(kpi, versions) for part in parts_of(each).all()]
        long = [(part, length) for part, length in found if length]
        if not long:
            return None, None
        window = min((self.windows.by_length[length][place] for _, length in long), key=lambda each: each.start)
        starts = [day for part, length in long if (day := self._late(part, length, place))]
        return window, max(starts, default=None)

    def _late(self, part: Part, length: Trailing, place: int) -> date | None:
        window = self.windows.by_length[length][place]
        first = self.first.get(source_of(part)) or window.end
        return first if first >= self.calendar.first_unit(window, length).end else None


@dataclass
class WindowedComponents:
    """The components of windows, made from those of their pieces; asked like `Components`.

    Attributes:
        windows: The windows.
        pieces: Components of `Windows.pieces`.
    """

    windows: Windows
    pieces: Components
    _sums: dict[tuple[Group, Slot, Segment], list[Any]] = field(default_factory=dict)
    _watched: dict[tuple[Group, Part], Watched] = field(default_factory=dict)
    _values: dict[tuple[Group, Part], dict[tuple[int, Segment], list[tuple[Any, int]]]] = field(default_factory=dict)

    @property
    def span(self) -> Span:
        """Periods of the question."""
        return self.windows.span

    def add_values(self, group: Group, part: Part, table: pa.Table) -> None:
        """Take in how often each value of a part occurs in each piece."""
        found = self.pieces.by_place(group, table)
        kept = self._values.setdefault((group, part), {})
        for cell, value, n in zip(found, table[VALUE].to_pylist(), table[N].to_pylist(), strict=True):
            if cell is not None:
                kept.setdefault(cell, []).append((value, n))

    def get(self, group: Group, slot: Slot, place: int, segment: Segment) -> Any:
        """A component, or None where no row gave it."""
        part, _, name = slot
        if group.mode != "flow":
            return self.pieces.get(group, slot, self._last(group, part, place), segment)
        places = self.windows.places(part.trailing, place)
        if name in OF_VALUES:
            return _of_values(name, self._counts(group, part, places, segment))
        if name in ("min", "max"):
            found = (self.pieces.get(group, slot, each, segment) for each in places)
            known = [value for value in found if value is not None]
            return (min if name == "min" else max)(known, default=None)
        sums = self._running(group, slot, segment)
        return sums[places.stop] - sums[places.start]

    def _running(self, group: Group, slot: Slot, segment: Segment) -> list[Any]:
        key = (group, slot, segment)
        if key not in self._sums:
            each = (self.pieces.get(group, slot, place, segment) or 0 for place in range(len(self.pieces.span.periods)))
            self._sums[key] = list(itertools.accumulate(each, initial=0))
        return self._sums[key]

    def _counts(self, group: Group, part: Part, places: range, segment: Segment) -> dict[Any, int]:
        found: dict[Any, int] = {}
        kept = self._values.get((group, part), {})
        for place in places:
            for value, n in kept.get((place, segment), ()):
                found[value] = found.get(value, 0) + n
        return found

    def _last(self, group: Group, part: Part, place: int) -> int:
        """The piece on which a balance is read, or of the last photograph in the period."""
        places = self.windows.places(None, place)
        if group.mode == "photo":
            taken = (each for each in reversed(places) if self.pieces.has_photo(group, part, each))
            return next(taken, places.stop - 1)
        return places.stop - 1

    def find(self, group: Group, slot: Slot) -> FoundOverWindows | None:
        """Where a component is, or None when it was not asked for."""
        is_there = (group, slot[0]) in self._values if is_of_values(group, slot) else self.pieces.find(group, slot)
        return FoundOverWindows(self, group, slot) if is_there else None

    def has_photo(self, group: Group, part: Part, place: int) -> bool:
        """True when a photograph was taken in a period."""
        return any(self.pieces.has_photo(group, part, each) for each in self.windows.places(None, place))

    def durations(self, group: Group, part: Part, place: int, segment: Segment) -> Durations:
        """The durations of a ``survival`` part."""
        ended: dict[float, int] = {}
        censored: dict[float, int] = {}
        for each in self.windows.places(part.trailing, place):
            found = self.pieces.durations(group, part, each, segment)
            for time, gone, left in zip(found.times, found.ended, found.censored, strict=True):
                ended[time] = ended.get(time, 0) + gone
                censored[time] = censored.get(time, 0) + left
        times = sorted(ended)
        return Durations(tuple(times), tuple(ended[t] for t in times), tuple(censored[t] for t in times))

    def watched(self, group: Group, part: Part) -> Watched:
        """The outcomes of an ``incidence`` part."""
        if (group, part) not in self._watched:
            places = [self.windows.places(part.trailing, place) for place in range(len(self.span.periods))]
            self._watched[group, part] = self.pieces.watched(group, part).over(places)
        return self._watched[group, part]

    def segments(self, group: Group, part: Part) -> set[Segment]:
        """The segments in which a part has a case somewhere in the windows."""
        return self.pieces.segments(group, part)

    def ids_without_rate(self, group: Group, part: Part, place: int, segment: Segment) -> str:
        """The first ids of the rows of a figure that have no rate, as a text."""
        if group.mode != "flow":
            return self.pieces.ids_without_rate(group, part, self._last(group, part, place), segment)
        places = self.windows.places(part.trailing, place)
        return first_ids([name for each in places for name in self.pieces.ids(group, part, each, segment)])


@dataclass(frozen=True)
class FoundOverWindows:
    """Where a component is, see `components.Found`.

    Attributes:
        components: Where it is looked up.
        group: Its group.
        slot: Its part and what is aggregated of it.
    """

    components: WindowedComponents
    group: Group
    slot: Slot

    def at(self, place: int, segment: Segment) -> Any:
        """Its value in one period and segment, or None where no row gave it."""
        return self.components.get(self.group, self.slot, place, segment)


def trailing_lengths(leaves: Iterable[Leaf]) -> set[Trailing]:
    """The lengths of every window behind some KPIs."""
    return {part.trailing for kpi, _ in leaves for part in parts_of(kpi).all() if part.trailing}


def trailing_sources(leaves: Iterable[Leaf]) -> list[tuple[str, str]]:
    """The table and day column of every part that has a window."""
    return sorted({source_of(part) for kpi, _ in leaves for part in parts_of(kpi).all() if part.trailing})


def parts_of_values(group: Group, slots: Iterable[Slot]) -> list[Part]:
    """The parts of a scan of which a component is put together from values."""
    return list(dict.fromkeys(slot[0] for slot in slots if is_of_values(group, slot)))


def is_of_values(group: Group, slot: Slot) -> bool:
    """True for a component that windows put together from values, and that their pieces need not give."""
    return group.mode == "flow" and slot[2] in OF_VALUES


def source_of(part: Part) -> tuple[str, str]:
    """The table and day column of a part."""
    return part.measure.entity, part.time


def _of_values(name: str, counts: Mapping[Any, int]) -> Any:
    """Distinct values, or their median: the mean of the two in the middle when there are two."""
    if name == "distinct" or not counts:
        return len(counts) if name == "distinct" else None
    values = sorted(counts)
    upto = list(itertools.accumulate(counts[value] for value in values))
    low, high = (next(v for v, n in zip(values, upto, strict=True) if n > at) for at in _middle(upto[-1]))
    return low + (high - low) / 2


def _middle(n: int) -> tuple[int, int]:
    """The places of the values in the middle of n, from 0."""
    return (n - 1) // 2, n // 2
