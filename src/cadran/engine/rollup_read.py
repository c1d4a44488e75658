"""Which rollup answers a question, and the statement that reads it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cadran.canonical.entities import published_columns
from cadran.catalogue.expression import column_names
from cadran.engine.aggregate import DAY
from cadran.engine.compile import PERIOD
from cadran.engine.fragments import ROW, bound_tree, plain_text
from cadran.engine.fused import SET, Fused, Row, day, shown_sum
from cadran.engine.rollup import described, is_additive
from cadran.period import Period

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from cadran.engine.aggregate import Slot
    from cadran.engine.parts import Group
    from cadran.engine.rollup import Rollup
    from cadran.engine.span import Span

#: Most months that are read by day beside those that are read whole, and about how many there are.
_MOST_BROKEN, _MONTHS = 12, 36


def rolled(fused: Fused, found: Iterable[Mapping[str, Any]]) -> tuple[str, dict[Slot, str]] | None:
    """The statement that reads what a rollup covers of some groups, and the column of each component; or None.

    Its rows are those of `Fused.scan` for these components. The rollup is smaller than the table that
    it stands for; of those that would do, the smallest is read.

    Args:
        fused: The groups.
        found: What describes the rollups of the snapshot.
    """
    first = fused.first
    key = (first.entity, first.time, first.mode)
    alike = [described(each) for each in found if (each["entity"], each["time"], each["mode"]) == key]
    if not alike:
        return None
    months, texts = _broken(fused), _texts(fused)
    ways = [way for each in alike if (way := _way(fused, each, alike, months, texts))]
    best = min(ways, key=lambda way: way.size, default=None)
    return _read(fused, best) if best and best.size < best.rollup.rows else None


@dataclass(frozen=True)
class _Way:
    """One rollup as it would be read.

    Attributes:
        rollup: Rollup.
        masks: Value of `SET` of the rows of each group.
        columns: Column of each component that it has.
        source: Text of what is read.
        where: What keeps the rows that the question asks for.
        size: About how many rows are read.
    """

    rollup: Rollup
    masks: Mapping[Group, int]
    columns: Mapping[Slot, str]
    source: str
    where: Sequence[str]
    size: float


def broken(span: Span, moments: Iterable[date]) -> list[Period]:
    """The months of the plain calendar that some bound divides; all others lie in one period as a whole.

    Args:
        span: Periods.
        moments: Other days on which what counts changes.
    """
    bounds = {day for period in span.periods for day in (period.start, period.end)}
    bounds |= {*span.cut.values(), *moments}
    firsts = sorted({day.replace(day=1) for day in bounds if day.day > 1})
    return [Period(first, (first + timedelta(days=31)).replace(day=1)) for first in firsts]


def _broken(fused: Fused) -> list[Period]:
    """The months that must be read by day, of those that are read at all."""
    span, is_balance = fused.span, fused.first.mode == "balance"
    found = broken(span, _moments(fused))
    return [month for month in found if month.start < span.end and (is_balance or month.end > span.start)]


def _moments(fused: Fused) -> list[date]:
    """The days from which cases are too young, and the end of what is known."""
    known = fused.planner.known
    windows = {slot[0].window for slots in fused.groups.values() for slot in slots}
    ripe = [known.whole_until - timedelta(days=window) for window in windows if window is not None]
    return [*ripe, min(fused.span.end, known.end)]


def _way(
    fused: Fused, rollup: Rollup, alike: Sequence[Rollup], months: Sequence[Period], components: Mapping[Slot, str]
) -> _Way | None:
    filters = _filters(fused, rollup) if _is_of_today(fused, rollup) else None
    if filters is None:
        return None
    asked, texts = filters
    masks = {group: rollup.mask({*group.dims, *asked}, exact=len(fused.groups) > 1) for group in fused.groups}
    # a filter can bring a total and a breakdown to the same rows, which the value of `SET` then cannot tell apart
    if None in masks.values() or len({*masks.values()}) < len(masks):
        return None
    columns = {slot: rollup.columns[text] for slot, text in components.items() if text in rollup.columns}
    if not columns:
        return None
    own = {group: mask or 0 for group, mask in masks.items()}
    size = sum(rollup.size(mask) for mask in own.values())
    if rollup.unit == "day" or not months:
        return _Way(rollup, own, columns, f'"{rollup.name}"', texts, size)
    days = next((each for each in alike if each.unit == "day" and each.sets == rollup.sets), None)
    if (days is None and not rollup.by_day) or len(months) > _MOST_BROKEN:
        return None
    inside = " OR ".join(f"({DAY} >= {day(each.start)} AND {DAY} < {day(each.end)})" for each in months)
    by_day = f'"{days.name}"' if days else f"({rollup.by_day})"
    both = f'(SELECT * FROM "{rollup.name}" WHERE NOT ({inside}) UNION ALL SELECT * FROM {by_day} WHERE {inside})'
    more = sum(days.size(mask) for mask in own.values()) if days else rollup.rows
    return _Way(rollup, own, columns, both, texts, size + more * min(1.0, len(months) / _MONTHS))


def _filters(fused: Fused, rollup: Rollup) -> tuple[set[str], list[str]] | None:
    """The dimensions that a question filters by, and its predicates on a rollup; None when they need rows."""
    planner, entity = fused.planner, fused.first.entity
    if not fused.filters:
        return set(), []
    texts = _text_columns(entity)
    codes: dict[str, str] = {}
    dims: dict[str, str] = {}
    for place, name in enumerate(rollup.dims):
        column = planner.catalogue.dimensions[name].columns.get(entity, "")
        if column in texts:
            for each in (name, column):
                codes[each], dims[each] = f"g{place}", name
    found, asked = [], set()
    for tree in fused.filters:
        names = set(column_names(tree))
        plain = plain_text(bound_tree(tree, codes)) if names <= codes.keys() else ""
        if not plain:
            return None
        found.append(plain)
        asked |= {dims[name] for name in names}
    return asked, found


@functools.cache
def _text_columns(entity: str) -> frozenset[str]:
    return frozenset(column.name for column in published_columns(entity) if column.type == "text")


def _is_of_today(fused: Fused, rollup: Rollup) -> bool:
    """True while the dimensions of a rollup are still the columns that it was written by."""
    known = fused.planner.catalogue.dimensions
    return list(rollup.sources) == [known[n].columns.get(rollup.entity) if n in known else None for n in rollup.dims]


def _texts(fused: Fused) -> dict[Slot, str]:
    """The text that computes each additive component."""
    row = Row(fused, is_ripe=False, is_inline=True)
    slots = dict.fromkeys(slot for slots in fused.groups.values() for slot in slots if is_additive(slot))
    return {slot: row.component(slot) for slot in slots}


def _read(fused: Fused, way: _Way) -> tuple[str, dict[Slot, str]]:
    rollup, masks = way.rollup, way.masks
    names = {slot: f"c{place}" for place, slot in enumerate(way.columns)}
    codes = {name: f"g{rollup.dims.index(name)}" for name in fused.dims}
    keys = [f"{fused.key} AS {PERIOD}", *([DAY] if rollup.mode == "photo" else [])]
    keys += [f"{code} AS p_d{place}" for place, code in enumerate(codes.values())]
    columns = way.columns.items()
    sums = [f"{shown_sum(s, f'SUM({column}){_ripe(fused, s)}')} AS {names[s]}" for s, column in columns]
    where = [f"{SET} IN ({', '.join(str(mask) for mask in masks.values())})", *fused.inside(), *way.where]
    rows = f"FROM {way.source} AS {ROW}\nWHERE {' AND '.join(where)}\nGROUP BY ALL"
    if len(masks) == 1:
        # nothing is to be told apart
        return f"SELECT {', '.join([*keys, *sums])}\n{rows}", names
    own = " ".join(f"WHEN {mask} THEN {fused.mask(group)}" for group, mask in masks.items())
    sql = f"SELECT {', '.join([*keys, f'CASE {SET} {own} END AS p_own', *sums])}\n{rows}"
    return f"SELECT * EXCLUDE (p_own), p_own AS {SET}\nFROM ({sql})", names


def _ripe(fused: Fused, slot: Slot) -> str:
    """What leaves out the days of cases whose window is not over."""
    part, _, name = slot
    if part.window is None or name == "cohort" or (name == "missing" and part.measure.missing):
        return ""
    return f" FILTER (WHERE {DAY} + INTERVAL {part.window} DAY < {day(fused.planner.known.whole_until)})"
