"""One DuckDB statement per table and day for every KPI and breakdown that is asked of it.

`compile` makes one Ibis expression per set of dimensions, for any engine. Where the engine is
DuckDB, the same scans are read here in one pass: row expressions compiled by Ibis (`fragments`), put
together as text, and every set of dimensions in one GROUPING SETS. The tests hold both to the same
answers.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cadran.canonical.entities import published_columns
from cadran.catalogue.measures import missing_of
from cadran.engine.aggregate import ADDITIVE, DAY, EXACT_SQUARE, UNITS
from cadran.engine.compile import CURVES, DURATION_DIGITS, ENDED, PERIOD, VALUE, N, Scan, dim_names
from cadran.engine.fragments import FRAGMENTS, ROW
from cadran.engine.parts import group_of, no_dimension, parts_of
from cadran.engine.periods import period_text
from cadran.engine.predicate import columns_of, predicate
from cadran.engine.prepare import Shape
from cadran.engine.sheet import indices, numbers

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    import pyarrow as pa

    from cadran.catalogue.definition import Kpi
    from cadran.catalogue.syntax import Tree
    from cadran.engine.aggregate import Slot
    from cadran.engine.compile import Leaf, Planner
    from cadran.engine.parts import Group, Part
    from cadran.engine.span import Span

#: What exact numbers are before they are multiplied by each other.
FACTOR = "DECIMAL(19, 4)"
#: Rows that a cell of several dimensions must stand for at least, to be worth a step of its own; and how many
#: breakdowns must be made of such cells.
ROWS_OF_CELL, LEAST_TOGETHER = 8, 3
#: Components that say how values scatter: no figure needs more of them than a double holds.
MOMENTS = ("squares", "xx", "yy", "xy")
#: Column that tells the set of dimensions of a row: a bit is set for each one that it lacks.
SET = "p_set"


@dataclass(frozen=True)
class Fused:
    """The groups of one table, day column and mode, which differ in their dimensions only.

    Attributes:
        planner: Knows the question.
        groups: What each group needs.
        kpi: One of the KPIs, for messages.
        span: Periods.
        shape: What is known of the table.
    """

    planner: Planner
    groups: Mapping[Group, Sequence[Slot]]
    kpi: Kpi
    span: Span
    shape: Shape = field(default_factory=Shape)

    @property
    def first(self) -> Group:
        """One of the groups."""
        return next(iter(self.groups))

    @property
    def dims(self) -> list[str]:
        """Every dimension of some group."""
        return list(dict.fromkeys(name for group in self.groups for name in group.dims))

    @property
    def curved(self) -> list[Part]:
        """The parts of which durations are needed."""
        found = (slot[0] for slots in self.groups.values() for slot in slots if slot[2] == "survival")
        return list(dict.fromkeys(found))

    def without(self, slots: Container[Slot]) -> Fused:
        """The same without some components, and without the groups that need nothing else."""
        kept = {group: tuple(slot for slot in each if slot not in slots) for group, each in self.groups.items()}
        return replace(self, groups={group: each for group, each in kept.items() if each})

    def mask(self, group: Group) -> int:
        """The value of `SET` in the rows of a group."""
        return mask_of(self.dims, group.dims)

    def scan(self, photos: Sequence[date] | None = None) -> tuple[str, dict[Slot, str]]:
        """The statement of all sums and counts, and the column of each.

        Args:
            photos: For photographs, the days on which some were taken: no other row is needed.
        """
        found = dict.fromkeys(slot for slots in self.groups.values() for slot in slots if slot[2] not in CURVES)
        names = {slot: f"c{place}" for place, slot in enumerate(found)}
        row = Row(self)
        sums = {slot: row.component(slot) for slot in names}
        more = [DAY] if self.first.mode == "photo" else []
        where = self._photo_days(photos)
        if together := self._together(found):
            return self._in_two_steps(self._rows(row, where), names, sums, more, together), names
        shown = {name: shown_sum(slot, sums[slot]) for slot, name in names.items()}
        return self._grouped(row, shown, more, where), names

    def curve(self, part: Part) -> str:
        """The statement of the durations of a ``survival`` part: of every case by itself where `is_coded`."""
        measure, row = part.measure, Row(self)
        value = FRAGMENTS.of(measure.entity, measure.expr).sql
        ended = FRAGMENTS.of(measure.entity, measure.event).sql if measure.event else "TRUE"
        row.columns |= {
            VALUE: f"ROUND(CAST({value} AS DOUBLE), {DURATION_DIGITS})",
            ENDED: f"COALESCE({ended}, FALSE)",
        }
        where = [row.of(part) or "TRUE", f"{VALUE} IS NOT NULL"]
        if self.is_coded:
            # hardly two durations are the same: grouping by them would give each row once for each breakdown
            head = [PERIOD, VALUE, ENDED, *(f"g{place} AS p_d{place}" for place in range(len(self.dims)))]
            return f"SELECT {', '.join(head)}\nFROM (\n{self._rows(row, where)}\n)\nORDER BY {VALUE}"
        return self._grouped(row, {N: "COUNT(*)"}, [VALUE, ENDED], where)

    def first_day(self) -> str:
        """The statement of the first day on which a part has a row."""
        row = Row(self, is_inline=True)
        parts = dict.fromkeys(slot[0] for slots in self.groups.values() for slot in slots)
        counts = " OR ".join(f"COALESCE({row.of(part) or 'TRUE'}, FALSE)" for part in parts)
        kept = [*self._predicates(), f"{self.day} < {day(self.planner.known.end)}", f"({counts})"]
        return f'SELECT MIN({self.day}) AS "first"\nFROM "{self.first.entity}" AS {ROW}\nWHERE {" AND ".join(kept)}'

    @property
    def is_coded(self) -> bool:
        """True when the table has a code for each value of every dimension that is asked for."""
        known = self.planner.catalogue.dimensions
        columns = (known[name].columns.get(self.first.entity) for name in self.dims if name in known)
        return bool(self.shape.rows) and all(column in self.shape.values for column in columns)

    @property
    def day(self) -> str:
        """The day column."""
        return f'{ROW}."{self.first.time}"'

    @property
    def key(self) -> str:
        """The period of `DAY`."""
        return period_text(DAY, self.span, self.planner.context.calendar)

    def inside(self) -> list[str]:
        """What keeps the rows of the span, see `compile`."""
        span = self.span
        if self.first.mode == "balance":
            found = [f"{DAY} < {day(min(span.end, self.planner.known.end))}"]
        else:
            found = [f"{DAY} >= {day(span.start)}", f"{DAY} < {day(span.end)}"]
        for period in span.periods:
            if period.start in span.cut:
                found.append(f"({DAY} < {day(span.cut[period.start])} OR {DAY} >= {day(period.end)})")
        return found

    @staticmethod
    def _photo_days(photos: Sequence[date] | None) -> list[str]:
        if photos is None:
            return []
        return [f"{DAY} IN ({', '.join(day(each) for each in photos)})"] if photos else ["FALSE"]

    def _grouped(self, row: Row, sums: Mapping[str, str], more: Sequence[str], where: Sequence[str]) -> str:
        codes = self._codes()
        sets = [[PERIOD, *more, *(codes[name] for name in group.dims)] for group in self.groups]
        head = [PERIOD, *more, *(f"{text} AS p_d{place}" for place, text in enumerate(self._labels()))]
        head += [f"GROUPING_ID({', '.join(codes.values())}) AS {SET}"] if codes else []
        head += [f"{text} AS {name}" for name, text in sums.items()]
        return f"SELECT {', '.join(head)}\nFROM (\n{self._rows(row, where)}\n)\nGROUP BY {_sets(sets)}"

    def _together(self, slots: Iterable[Slot]) -> tuple[str, ...]:
        """Dimensions to be grouped by all at once first, as that leaves few cells for many rows; empty for none.

        Each breakdown by one of them is then made of those cells rather than of the rows.
        """
        if any(name not in ADDITIVE for _, _, name in slots):
            return ()
        columns = {name: self.planner.catalogue.dimensions[name].columns[self.first.entity] for name in self._columns()}
        sizes = {name: self.shape.values[column] for name, column in columns.items() if column in self.shape.values}
        cells, found = len(self.span.periods), []
        for name in sorted(sizes, key=lambda each: sizes[each]):
            cells *= sizes[name] + 1
            if cells * ROWS_OF_CELL > self.shape.rows:
                break
            found.append(name)
        inside = [group for group in self.groups if {*group.dims} <= {*found}]
        return tuple(name for name in self.dims if name in found) if len(inside) >= LEAST_TOGETHER else ()

    def _in_two_steps(
        self,
        rows: str,
        names: Mapping[Slot, str],
        sums: Mapping[Slot, str],
        more: Sequence[str],
        together: Sequence[str],
    ) -> str:
        codes, keys = self._codes(), [PERIOD, *more]
        inside = [group for group in self.groups if {*group.dims} <= {*together}]
        apart = [group for group in self.groups if group not in inside]
        fine = [codes[name] for name in together]
        sets = [[*keys, *fine], *([*keys, *(codes[name] for name in group.dims)] for group in apart)]
        head = [*keys, *codes.values(), f"GROUPING_ID({', '.join(codes.values())}) AS {SET}"]
        head += [f"{sums[slot]} AS {name}" for slot, name in names.items()]
        first = f"SELECT {', '.join(head)}\nFROM (\n{rows}\n)\nGROUP BY {_sets(sets)}"
        whole, labels = mask_of(self.dims, together), list(enumerate(self._labels()))
        own = " ".join(f"WHEN {mask_of(together, group.dims)} THEN {self.mask(group)}" for group in inside)
        second = [*keys, *(f"{text if f'g{place}' in fine else 'NULL'} AS p_d{place}" for place, text in labels)]
        second += [f"CASE GROUPING_ID({', '.join(fine)}) {own} END AS {SET}"]
        second += [f"{shown_sum(slot, f'SUM({name})')} AS {name}" for slot, name in names.items()]
        inner = [[*keys, *(codes[name] for name in group.dims)] for group in inside]
        text = f"SELECT {', '.join(second)}\nFROM p_fine WHERE {SET} = {whole}\nGROUP BY {_sets(inner)}"
        if apart:
            rest = [*keys, *(f"{label} AS p_d{place}" for place, label in labels), SET]
            rest += [f"{shown_sum(slot, name)} AS {name}" for slot, name in names.items()]
            text += f"\nUNION ALL BY NAME\nSELECT {', '.join(rest)}\nFROM p_fine WHERE {SET} <> {whole}"
        return f"WITH p_fine AS MATERIALIZED (\n{first}\n)\n{text}"

    def _codes(self) -> dict[str, str]:
        """The short name of each dimension's column."""
        return {name: f"g{place}" for place, name in enumerate(self._columns())}

    def _labels(self) -> list[str]:
        """What is read of each dimension: texts, or the codes that the database has for them."""
        types = {column.name: column.type for column in published_columns(self.first.entity)}
        known = self.planner.catalogue.dimensions
        are_texts = [types[known[name].columns[self.first.entity]] == "text" for name in self.dims]
        return [f"g{n}" if is_text else f"CAST(g{n} AS VARCHAR)" for n, is_text in enumerate(are_texts)]

    def _rows(self, row: Row, where: Sequence[str]) -> str:
        """The rows that count, with their period, dimensions and what components need of them."""
        inner = [f"{text} AS g{place}" for place, text in enumerate(self._columns().values())]
        inner += [f"{text} AS {name}" for name, text in row.columns.items()]
        kept = [*self._predicates(), *self.inside(), *where]
        return (
            f"  SELECT {', '.join([f'{self.day} AS {DAY}', f'{self.key} AS {PERIOD}', *inner])}\n"
            f'  FROM "{self.first.entity}" AS {ROW}\n'
            f"  WHERE {' AND '.join(kept)}"
        )

    def by_day(self, row: Row, sums: Mapping[str, str], unit: str = "day") -> str:
        """The statement of components by day or first day of the month and each set of dimensions, over all days."""
        when = self.day if unit == "day" else f"CAST(DATE_TRUNC('{unit}', {self.day}) AS DATE)"
        columns = self._columns().values()
        codes = [f"g{place}" for place in range(len(columns))]
        inner = [f"{when} AS {DAY}", *(f"{text} AS {code}" for code, text in zip(codes, columns, strict=True))]
        inner += [f"{text} AS {name}" for name, text in row.columns.items()]
        sets = [
            ", ".join([DAY, *(c for c, n in zip(codes, self.dims, strict=True) if n in g.dims)]) for g in self.groups
        ]
        told = f"GROUPING_ID({', '.join(codes)})" if codes else "0"
        # a rollup outlives the lists of values that its rows were made with
        head = [DAY, *(f"CAST({code} AS VARCHAR) AS {code}" for code in codes), f"{told} AS {SET}"]
        head += [f"{text} AS {name}" for name, text in sums.items()]
        return (
            f"SELECT {', '.join(head)} FROM (SELECT {', '.join(inner)} "
            f'FROM "{self.first.entity}" AS {ROW} WHERE {self.day} IS NOT NULL) '
            f"GROUP BY GROUPING SETS ({', '.join(f'({each})' for each in sets)})"
        )

    def _columns(self) -> dict[str, str]:
        """The column of each dimension."""
        known = {name: each.columns for name, each in self.planner.catalogue.dimensions.items()}
        entity = self.first.entity
        for name in self.dims:
            if entity not in known.get(name, {}):
                raise no_dimension(self.kpi, name)
        return {name: f'{ROW}."{known[name][entity]}"' for name in self.dims}

    @functools.cached_property
    def filters(self) -> list[Tree]:
        """What the question and the person's scope keep, in the names of dimensions and columns."""
        planner = self.planner
        texts = (*planner.query.where, *planner.context.scope)
        return [predicate(text, planner.catalogue, self.first.entity, self.kpi.id) for text in texts]

    def _predicates(self) -> list[str]:
        names = columns_of(self.planner.catalogue, self.first.entity)
        return [f"({FRAGMENTS.of_tree(self.first.entity, tree, names).sql})" for tree in self.filters]


@dataclass
class Row:
    """The columns that components need of each row, each computed once; see `aggregate.Prepared`.

    Attributes:
        fused: The groups.
        columns: Text of each column by its short name.
        is_ripe: False to count cases of whatever age, for sums whose days are looked at later.
        is_inline: True to write columns out where they are used, so that a text says all that it computes.
    """

    fused: Fused
    columns: dict[str, str] = field(default_factory=dict)
    is_ripe: bool = True
    is_inline: bool = False
    _names: dict[str, str] = field(default_factory=dict)

    def _column(self, text: str) -> str:
        if self.is_inline:
            return f"({text})"
        if text not in self._names:
            self._names[text] = f"p_x{len(self._names)}"
            self.columns[self._names[text]] = text
        return self._names[text]

    def of(self, part: Part, *, ripe: bool = True) -> str:
        """True for the rows that a part counts, of whatever age unless `ripe`; empty when it counts all."""
        measure = part.measure
        found = [f"({FRAGMENTS.of(measure.entity, measure.where).sql})"] if measure.where else []
        if part.event_on:
            lag = f"DATE_DIFF('DAY', {self.fused.day}, {ROW}.\"{part.event_on}\")"
            found += [f"{lag} >= 0"] + ([f"{lag} <= {part.window}"] if part.window is not None else [])
        if part.window is not None and ripe and self.is_ripe:
            found.append(f"{self.fused.day} + INTERVAL {part.window} DAY < {day(self.fused.planner.known.whole_until)}")
        return " AND ".join(found)

    def missing(self, part: Part) -> str:
        """True for the rows of a part whose amount has no rate (rule G-14)."""
        found = f"({FRAGMENTS.of(part.measure.entity, missing_of(part.measure)).sql})"
        of = "" if part.measure.missing else self.of(part)
        return f"{found} AND {of}" if of else found

    def _factor(self, part: Part) -> str:
        """What one row adds to a part that counts it: empty for one, for a count."""
        if part.measure.agg == "count":
            return ""
        value = FRAGMENTS.of(part.measure.entity, part.measure.expr)
        # the product of two such decimals is exact, and cheaper than a cast from doubles
        return self._column(f"CAST({value.sql} AS {FACTOR if value.kind == 'exact' else 'DOUBLE'})")

    def component(self, slot: Slot) -> str:
        """How a component is aggregated."""
        part, other, name = slot
        if other is not None:
            return self._moment(part, other, name)
        if name in ("matched", "cohort", "missing"):
            texts = {"matched": self.of, "cohort": lambda p: self.of(p, ripe=False), "missing": self.missing}
            return f"COUNT(*){self._filter(texts[name](part))}"
        if name == "squares":
            return self._product(part, part)
        value = FRAGMENTS.of(part.measure.entity, part.measure.expr)
        column, counts = self._column(value.sql), self._filter(self.of(part))
        double = f"CAST({column} AS DOUBLE)"
        if name == "sum" and value.kind == "double":
            # whole numbers of the last digit, as in `aggregate`, are summed faster than decimals
            whole = self._column(f"CAST(FLOOR(({value.sql}) * {UNITS} + 0.5) AS BIGINT)")
            return f"CAST(SUM({whole}){counts} AS DECIMAL(32, 0)) * CAST(0.000001 AS DECIMAL(6, 6))"
        return {
            "sum": f"SUM({column})",
            "known": f"COUNT({column})",
            "distinct": f"COUNT(DISTINCT {column})",
            "median": f"QUANTILE_CONT({double}, 0.5)",
            "min": f"MIN({column})",
            "max": f"MAX({column})",
        }[name] + counts

    def _moment(self, top: Part, low: Part, name: str) -> str:
        if name == "both":
            first, second = self.of(top), self.of(low)
            either = f"COALESCE({first}, FALSE) OR COALESCE({second}, FALSE)" if first and second else ""
            return f"COUNT(*){self._filter(either)}"
        return self._product(*{"xx": (top, top), "yy": (low, low), "xy": (top, low)}[name])

    def _product(self, one: Part, other: Part) -> str:
        """The sum, over rows that both parts count, of what they add to one times what they add to the other."""
        counts = self._filter(" AND ".join(dict.fromkeys(text for part in (one, other) if (text := self.of(part)))))
        factors = [text for part in (one, other) if (text := self._factor(part))]
        if not factors:
            return f"COUNT(*){counts}"
        kinds = {FRAGMENTS.of(p.measure.entity, p.measure.expr).kind for p in (one, other) if p.measure.agg != "count"}
        product = " * ".join(factors)
        return f"SUM({product if kinds == {'exact'} else f'CAST({product} AS {EXACT_SQUARE})'}){counts}"

    def _filter(self, text: str) -> str:
        return f" FILTER (WHERE {self._column(text)})" if text else ""


def mask_of(names: Sequence[str], kept: Container[str]) -> int:
    """What ``GROUPING_ID`` of these names gives in the rows grouped by some: a bit is set for each that is not kept."""
    return sum(1 << (len(names) - 1 - place) for place, name in enumerate(names) if name not in kept)


def shown_sum(slot: Slot, text: str) -> str:
    """The sum of a component as it is read: moments as doubles, everything else with all its digits."""
    return f"CAST({text} AS DOUBLE)" if slot[2] in MOMENTS else text


def _sets(sets: Iterable[Iterable[str]]) -> str:
    return f"GROUPING SETS ({', '.join('(' + ', '.join(names) + ')' for names in sets)})"


def day(value: date) -> str:
    """A calendar day."""
    return f"DATE '{value.isoformat()}'"


def split(fused: Fused, table: pa.Table, names: Mapping[Slot, str]) -> Iterator[tuple[Scan, pa.Table]]:
    """The rows of each group, or all where none are told apart, with the columns that a scan of its own has."""
    dims = fused.dims
    for group, slots in fused.groups.items():
        rows = table
        if len(fused.groups) > 1 and SET in table.column_names:
            rows = table.take(indices(numbers(table[SET])[0] == fused.mask(group)))
        columns = {f"p_d{dims.index(name)}": new for name, new in zip(group.dims, dim_names(group), strict=True)}
        if columns:
            rows = rows.rename_columns([columns.get(name, name) for name in rows.column_names])
        yield Scan(group, None, {slot: names[slot] for slot in slots if slot in names}), rows


def first_days(planner: Planner, leaves: Iterable[Leaf], span: Span) -> list[str] | None:
    """What `Planner.first_days` gives, as statements; None where a part is counted in a zone of its own."""
    alike: dict[Group, tuple[Kpi, list[Slot]]] = {}
    for kpi, _ in leaves:
        for part in parts_of(kpi).all():
            group = group_of(part, kpi, ())
            if group.zone:
                return None
            alike.setdefault(replace(group, mode="flow"), (kpi, []))[1].append((part, None, "matched"))
    return [Fused(planner, {group: slots}, kpi, span).first_day() for group, (kpi, slots) in alike.items()]
