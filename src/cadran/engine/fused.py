"""One DuckDB statement per table and day for every KPI and breakdown that is asked of it.

`compile` makes one Ibis expression per set of dimensions, for any engine. Where the engine is
DuckDB, the same scans are read here in one pass: row expressions compiled by Ibis (`fragments`), put
together as text, and every set of dimensions in one GROUPING SETS. The tests hold both to the same
answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cadran.canonical.entities import published_columns
from cadran.catalogue.measures import missing_of
from cadran.engine.aggregate import DAY, EXACT_SQUARE, UNITS
from cadran.engine.compile import CURVES, DURATION_DIGITS, ENDED, PERIOD, VALUE, N, Scan, dim_names
from cadran.engine.fragments import FRAGMENTS, ROW
from cadran.engine.parts import no_dimension
from cadran.engine.periods import period_text
from cadran.engine.predicate import columns_of, predicate
from cadran.engine.sheet import indices, numbers

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence
    from datetime import date

    import pyarrow as pa

    from cadran.catalogue.definition import Kpi
    from cadran.engine.aggregate import Slot
    from cadran.engine.compile import Planner
    from cadran.engine.parts import Group, Part
    from cadran.engine.span import Span

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
    """

    planner: Planner
    groups: Mapping[Group, Sequence[Slot]]
    kpi: Kpi
    span: Span

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
        names = self.dims
        return sum(1 << (len(names) - 1 - place) for place, name in enumerate(names) if name not in group.dims)

    def scan(self, photos: Sequence[date] | None = None) -> tuple[str, dict[Slot, str]]:
        """The statement of all sums and counts, and the column of each.

        Args:
            photos: For photographs, the days on which some were taken: no other row is needed.
        """
        found = dict.fromkeys(slot for slots in self.groups.values() for slot in slots if slot[2] not in CURVES)
        names = {slot: f"c{place}" for place, slot in enumerate(found)}
        row = Row(self)
        sums = {name: row.component(slot) for slot, name in names.items()}
        more = [DAY] if self.first.mode == "photo" else []
        return self._grouped(row, sums, more, self._photo_days(photos)), names

    def curve(self, part: Part) -> str:
        """The statement of the durations of a ``survival`` part."""
        measure, row = part.measure, Row(self)
        value = FRAGMENTS.of(measure.entity, measure.expr).sql
        ended = FRAGMENTS.of(measure.entity, measure.event).sql if measure.event else "TRUE"
        row.columns |= {
            VALUE: f"ROUND(CAST({value} AS DOUBLE), {DURATION_DIGITS})",
            ENDED: f"COALESCE({ended}, FALSE)",
        }
        where = [row.of(part) or "TRUE", f"{VALUE} IS NOT NULL"]
        return self._grouped(row, {N: "COUNT(*)"}, [VALUE, ENDED], where)

    def photos(self, names: Mapping[str, str]) -> str:
        """The statement of the last day of each period with rows, whoever asks."""
        last = [
            f"MAX({DAY})"
            + (f" FILTER (WHERE {FRAGMENTS.of(self.first.entity, text).sql})" if text else "")
            + f" AS {name}"
            for text, name in names.items()
        ]
        return (
            f"SELECT {self.key} AS {PERIOD}, {', '.join(last)}\n"
            f'FROM (SELECT *, {self.day} AS {DAY} FROM "{self.first.entity}" AS {ROW}) AS {ROW}\n'
            f"WHERE {' AND '.join(self.inside())}\nGROUP BY {PERIOD}"
        )

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
        dims = self._columns()
        inner = [f"{text} AS g{place}" for place, (text, _) in enumerate(dims.values())]
        inner += [f"{text} AS {name}" for name, text in row.columns.items()]
        codes = {name: f"g{place}" for place, name in enumerate(dims)}
        sets = [[PERIOD, *more, *(code for name, code in codes.items() if name in g.dims)] for g in self.groups]
        head = [PERIOD, *more]
        head += [
            f"g{place} AS p_d{place}" if is_text else f"CAST(g{place} AS VARCHAR) AS p_d{place}"
            for place, (_, is_text) in enumerate(dims.values())
        ]
        head += [f"GROUPING_ID({', '.join(codes.values())}) AS {SET}"] if dims else []
        head += [f"{text} AS {name}" for name, text in sums.items()]
        kept = [*self._predicates(), *self.inside(), *where]
        return (
            f"SELECT {', '.join(head)}\nFROM (\n"
            f"  SELECT {', '.join([f'{self.day} AS {DAY}', f'{self.key} AS {PERIOD}', *inner])}\n"
            f'  FROM "{self.first.entity}" AS {ROW}\n'
            f"  WHERE {' AND '.join(kept)}\n)\n"
            f"GROUP BY GROUPING SETS ({', '.join('(' + ', '.join(names) + ')' for names in sets)})"
        )

    def by_day(self, row: Row, sums: Mapping[str, str], unit: str = "day") -> str:
        """The statement of components by day or first day of the month and each set of dimensions, over all days."""
        when = self.day if unit == "day" else f"CAST(DATE_TRUNC('{unit}', {self.day}) AS DATE)"
        columns = self._columns().values()
        codes = [f"g{place}" for place in range(len(columns))]
        inner = [f"{when} AS {DAY}"]
        inner += [
            f"{text if is_text else f'CAST({text} AS VARCHAR)'} AS {code}"
            for code, (text, is_text) in zip(codes, columns, strict=True)
        ]
        inner += [f"{text} AS {name}" for name, text in row.columns.items()]
        sets = [
            ", ".join([DAY, *(c for c, n in zip(codes, self.dims, strict=True) if n in g.dims)]) for g in self.groups
        ]
        told = f"GROUPING_ID({', '.join(codes)})" if codes else "0"
        head = [DAY, *codes, f"{told} AS {SET}", *(f"{text} AS {name}" for name, text in sums.items())]
        return (
            f"SELECT {', '.join(head)} FROM (SELECT {', '.join(inner)} "
            f'FROM "{self.first.entity}" AS {ROW} WHERE {self.day} IS NOT NULL) '
            f"GROUP BY GROUPING SETS ({', '.join(f'({each})' for each in sets)})"
        )

    def _columns(self) -> dict[str, tuple[str, bool]]:
        """The column of each dimension, and whether it is a text."""
        types = {column.name: column.type for column in published_columns(self.first.entity)}
        found = {}
        for name in self.dims:
            dimension = self.planner.catalogue.dimensions.get(name)
            if dimension is None or self.first.entity not in dimension.columns:
                raise no_dimension(self.kpi, name)
            column = dimension.columns[self.first.entity]
            found[name] = (f'{ROW}."{column}"', types[column] == "text")
        return found

    def _predicates(self) -> list[str]:
        planner, entity = self.planner, self.first.entity
        names = columns_of(planner.catalogue, entity)
        texts = (*planner.query.where, *planner.context.scope)
        trees = [predicate(text, planner.catalogue, entity, self.kpi.id) for text in texts]
        return [f"({FRAGMENTS.of_tree(entity, tree, names).sql})" for tree in trees]


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

    def share(self, part: Part) -> str:
        """What one row adds to a part: its amount, or one for a count; nothing where it does not count."""
        measure, of = part.measure, self.of(part)
        value = "CAST(1.0 AS DOUBLE)"
        if measure.agg != "count":
            value = f"COALESCE(CAST({FRAGMENTS.of(measure.entity, measure.expr).sql} AS DOUBLE), 0.0)"
        return self._column(f"CASE WHEN {of} THEN {value} ELSE CAST(0.0 AS DOUBLE) END" if of else value)

    def component(self, slot: Slot) -> str:
        """How a component is aggregated."""
        part, other, name = slot
        if other is not None:
            return self._moment(part, other, name)
        if name in ("matched", "cohort", "missing"):
            texts = {"matched": self.of, "cohort": lambda p: self.of(p, ripe=False), "missing": self.missing}
            return f"COUNT(*){self._filter(texts[name](part))}"
        value = FRAGMENTS.of(part.measure.entity, part.measure.expr)
        column, counts = self._column(value.sql), self._filter(self.of(part))
        double = f"CAST({column} AS DOUBLE)"
        if name == "sum" and value.is_double:
            # whole numbers of the last digit, as in `aggregate`, are summed faster than decimals
            whole = self._column(f"CAST(FLOOR(({value.sql}) * {UNITS} + 0.5) AS BIGINT)")
            return f"CAST(SUM({whole}){counts} AS DECIMAL(32, 0)) * CAST(0.000001 AS DECIMAL(6, 6))"
        return {
            "sum": f"SUM({column})",
            "known": f"COUNT({column})",
            "distinct": f"COUNT(DISTINCT {column})",
            "squares": f"SUM(CAST({double} * {double} AS {EXACT_SQUARE}))",
            "median": f"QUANTILE_CONT({double}, 0.5)",
            "min": f"MIN({column})",
            "max": f"MAX({column})",
        }[name] + counts

    def _moment(self, top: Part, low: Part, name: str) -> str:
        if name == "both":
            first, second = self.of(top), self.of(low)
            either = f"COALESCE({first}, FALSE) OR COALESCE({second}, FALSE)" if first and second else ""
            return f"COUNT(*){self._filter(either)}"
        x, y = self.share(top), self.share(low)
        left, right = {"xx": (x, x), "yy": (y, y), "xy": (x, y)}[name]
        return f"SUM(CAST({left} * {right} AS {EXACT_SQUARE}))"

    def _filter(self, text: str) -> str:
        return f" FILTER (WHERE {self._column(text)})" if text else ""


def day(value: date) -> str:
    """A calendar day."""
    return f"DATE '{value.isoformat()}'"


def split(fused: Fused, table: pa.Table, names: Mapping[Slot, str]) -> Iterator[tuple[Scan, pa.Table]]:
    """The rows of each group, with the columns that a scan of its own would have."""
    dims = fused.dims
    for group, slots in fused.groups.items():
        rows = table
        if len(fused.groups) > 1:
            rows = table.take(indices(numbers(table[SET])[0] == fused.mask(group)))
        columns = {f"p_d{dims.index(name)}": new for name, new in zip(group.dims, dim_names(group), strict=True)}
        rows = rows.rename_columns([columns.get(name, name) for name in rows.column_names])
        yield Scan(group, None, {slot: names[slot] for slot in slots if slot in names}), rows
