"""How long cases took to end, and how they ended: what the conversion of a cohort is estimated from.

One statement gives the cases of each period and, beside them, every case that was open at some time
of the last year that is known, whenever it began: cases that were already running when that year began
join it at the age that they had. Ages are whole days, up to the last day that is wholly known.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cadran.canonical.days import days_between
from cadran.deferred import ibis
from cadran.engine.aggregate import DAY
from cadran.engine.expression import day_literal
from cadran.engine.result import Outcomes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import ibis.expr.types as ir
    import pyarrow as pa

    from cadran.engine.aggregate import Condition
    from cadran.engine.parts import Part

#: Days before the last known one whose cases tell what becomes of open ones.
PAST_DAYS = 365
AGE, STATE, COUNT, PAST = "p_age", "p_state", "p_count", "p_past"
OPEN, CONVERTED, ENDED, JOINED = range(4)
_JOIN, _INSIDE = "p_join", "p_inside"


def outcome_table(condition: Condition, part: Part, keys: Sequence[str], inside: Any) -> ir.Table:
    """Counts by period, dimensions, age and state; for the past, without period.

    Args:
        condition: The rows, with `DAY`, the period and the dimensions, whatever their day.
        part: Part whose rows are watched.
        keys: Columns of the period and of the dimensions, the period first.
        inside: True for the rows whose day lies in the span.
    """
    rows, measure = condition.rows, part.measure
    last = day_literal(condition.whole_until - timedelta(days=1))
    first = day_literal(condition.whole_until - timedelta(days=PAST_DAYS))
    watched = days_between(rows[DAY], last).cast("int64")
    lag = condition.expr(part).cast("float64").floor().cast("int64")
    is_over = (lag <= watched).fill_null(False)
    is_wanted = condition.sql(measure.event, measure.entity).fill_null(False)
    before = days_between(rows[DAY], first).cast("int64")
    narrow = rows.filter(condition.of(part), watched >= 0, (lag >= 0).fill_null(True)).select(
        *keys,
        **{
            AGE: ibis.ifelse(is_over, lag, watched),
            STATE: ibis.ifelse(is_over, ibis.ifelse(is_wanted, CONVERTED, ENDED), OPEN).cast("int64"),
            _JOIN: ibis.ifelse(before > 0, before, 0).cast("int64"),
            _INSIDE: inside,
        },
    )
    return ibis.union(_of_periods(narrow, keys), *_of_past(narrow, keys))


def _of_periods(narrow: ir.Table, keys: Sequence[str]) -> ir.Table:
    chosen = narrow.filter(narrow[_INSIDE])
    counts = chosen.group_by([*keys, AGE, STATE]).aggregate(**{COUNT: chosen.count()})
    return counts.mutate(**{PAST: ibis.literal(value=False)})


def _of_past(narrow: ir.Table, keys: Sequence[str]) -> tuple[ir.Table, ir.Table]:
    recent = narrow.filter(narrow[AGE] >= narrow[_JOIN])
    period, *dims = keys
    exits = recent.group_by([*dims, AGE, STATE]).aggregate(**{COUNT: recent.count()})
    joins = recent.group_by([*dims, _JOIN]).aggregate(**{COUNT: recent.count()}).rename({AGE: _JOIN})
    joins = joins.mutate(**{STATE: ibis.literal(JOINED, "int64")})
    none = ibis.null(narrow[period].type())
    whole = [t.mutate(**{period: none, PAST: ibis.literal(value=True)}) for t in (exits, joins)]
    first, second = (table.select(*keys, AGE, STATE, COUNT, PAST) for table in whole)
    return first, second


@dataclass
class Watched:
    """The outcomes of one part, by period and segment, and of the past by segment."""

    _periods: dict[tuple[int, Any], dict[int, list[int]]] = field(default_factory=lambda: defaultdict(_counts))
    _past: dict[Any, dict[int, list[int]]] = field(default_factory=lambda: defaultdict(_counts))

    def add(self, table: pa.Table, places: Sequence[int | None], segments: Sequence[Any]) -> None:
        """Take in the rows of a statement, with the place of the period of each and its segment."""
        columns = (table[name].to_pylist() for name in (AGE, STATE, COUNT, PAST))
        for place, segment, age, state, n, is_past in zip(places, segments, *columns, strict=True):
            if is_past:
                self._past[segment][age][state] += n
            elif place is not None:
                cell = self._periods[place, segment]
                cell[age][state] += n
                cell[0][JOINED] += n

    def outcomes(self, place: int, segment: Any) -> Outcomes | None:
        """The cases of a period and segment, or None when there is none."""
        return _outcomes(self._periods.get((place, segment), {}))

    def over(self, windows: Sequence[range]) -> Watched:
        """The same cases by window, each made of the periods at some places; the past stays as it is."""
        found = Watched(_past=self._past)
        wanted: dict[int, list[int]] = defaultdict(list)
        for window, places in enumerate(windows):
            for place in places:
                wanted[place].append(window)
        for (place, segment), cell in self._periods.items():
            for window in wanted[place]:
                for age, counts in cell.items():
                    kept = found._periods[window, segment][age]
                    kept[:] = [old + new for old, new in zip(kept, counts, strict=True)]
        return found

    def past(self, segment: Any) -> Outcomes | None:
        """The cases of the past in a segment, or None when there is none."""
        return _outcomes(self._past.get(segment, {}))

    def segments(self) -> set[Any]:
        """The segments that have a case in some period."""
        return {segment for _, segment in self._periods}


def _counts() -> dict[int, list[int]]:
    return defaultdict(lambda: [0, 0, 0, 0])


def _outcomes(found: Mapping[int, list[int]]) -> Outcomes | None:
    if not found:
        return None
    ages = tuple(sorted(found))
    by_state = [tuple(found[age][state] for age in ages) for state in (CONVERTED, ENDED, OPEN, JOINED)]
    return Outcomes(ages, *by_state)
