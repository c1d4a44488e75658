"""What each row adds to each part of a KPI's figures, as known on one day.

A row is named by its id. It adds one to a count and its amount to a sum; to a mean, its amount above
the line and one below; to a count of distinct values, the value is what is named, and adds one. Where
nothing adds up (medians, survival), each case adds one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cadran.deferred import ibis
from cadran.engine.aggregate import DAY, exact
from cadran.engine.compile import PERIOD, dim_names, identity
from cadran.engine.frame import run
from cadran.engine.periods import key_of
from cadran.engine.rows import row_sets
from cadran.engine.span import Span, span_of
from cadran.engine.trailing import windows_of
from cadran.period import Period

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir
    import pyarrow as pa

    from cadran.engine.parts import Part
    from cadran.engine.question import Question
    from cadran.engine.result import Number
    from cadran.engine.rows import RowSet
    from cadran.store.warehouse import Warehouse

_ID, _ADDS, _CASES = "p_id", "p_adds", "p_cases"
NUMERATOR, DENOMINATOR = "numerator", "denominator"


@dataclass(frozen=True)
class Cell:
    """One part of one figure, or of a figure behind it.

    Attributes:
        period: Period of the figure.
        segment: Dimension and value, in the order of the answer.
        kpi: Id of the KPI whose part it is: the one asked, or one that it is derived from.
        part: ``numerator``, also where there is no other, or ``denominator``.
        entity: Table whose rows count.
        named_by: Column that names its rows.
    """

    period: Period
    segment: tuple[tuple[str, str | None], ...]
    kpi: str
    part: str
    entity: str
    named_by: str

    @property
    def order(self) -> tuple[Any, ...]:
        """What sorts cells: period, segment with "not given" last, KPI, numerators first."""
        segment = tuple((value is None, value or "") for _, value in self.segment)
        return self.period, segment, self.kpi, self.part != NUMERATOR, self.entity


#: What each row adds, by cell and id.
Contributions = dict[Cell, dict[str, "Number"]]


@dataclass
class Reader:
    """Reads what each row adds.

    Attributes:
        question: Question with one KPI and both ends of its span.
        warehouse: Snapshot that holds the data.
        statements: Every statement that ran.
    """

    question: Question
    warehouse: Warehouse
    statements: list[str] = field(default_factory=list)

    def read(self) -> Contributions:
        """What each row adds to each part of each figure.

        Raises:
            StoreError: The database refuses a statement.
        """
        question, query = self.question, self.question.query
        assert query.start is not None  # noqa: S101 - asked for by whoever reads
        span = span_of(query.start, query.end, query.grain, question.context.calendar, question.known)
        each = question.versions(span)
        found: Contributions = defaultdict(dict)
        for versions in {id(one): one for one in each}.values():
            places = [place for place, one in enumerate(each) if one is versions]
            kpi = versions[query.kpis[0]]
            sets = {(rows.kpi.id, rows.group): rows for rows in row_sets(kpi, versions, question.dims(kpi))}
            for rows in sets.values():
                for name, part in rows.parts.items():
                    self._part(rows, name, part, Span(tuple(span.periods[p] for p in places), span.grain), found)
        return found

    def _part(self, rows: RowSet, name: str, part: Part, span: Span, found: Contributions) -> None:
        """Add what the rows of one part of one table add in some periods."""
        lengths = {part.trailing} if part.trailing else set()
        windows = windows_of(span, lengths, self.question.context.calendar).by_length[part.trailing]
        whole = Span((Period(min(w.start for w in windows), max(w.end for w in windows)),), None)
        table = self._execute(self._expression(rows, part, whole))
        dims = [table[column].to_pylist() for column in dim_names(rows.group)]
        named = [tuple(zip(rows.group.dims, values, strict=True)) for values in zip(*dims, strict=True)]
        segments = named or [()] * table.num_rows
        columns = [table[column].to_pylist() for column in (DAY, _ID, _ADDS, _CASES)]
        for period, days in zip(span.periods, self._days(rows, part, span, windows), strict=True):
            cell = Cell(period, (), rows.kpi.id, name, rows.group.entity, _named_by(part))
            for segment, day, key, adds, n in zip(segments, *columns, strict=True):
                if days.contains(day):
                    for role, value in _roles(part, name, adds, n):
                        own = found[replace(cell, segment=segment, part=role)]
                        own[key] = 1 if part.measure.agg == "count_distinct" else own.get(key, 0) + value  # type: ignore[operator]

    def _expression(self, rows: RowSet, part: Part, span: Span) -> ir.Table:
        """By day, segment and id, what rows add up to and how many they are."""
        planner, measure = self.question.planner, part.measure
        table = planner.keyed(rows.group, rows.kpi, span)
        kept = table.filter(planner.condition(table).of(part))
        value = planner.condition(kept).expr(part) if measure.expr else ibis.literal(1)
        is_sum = measure.agg in ("sum", "mean")
        amount = exact(value) if is_sum else ibis.literal(0)
        key = value if measure.agg == "count_distinct" else kept[_named_by(part)]
        keys = [DAY, *dim_names(rows.group)]
        columns = {_ID: key.cast("string").fill_null(ibis.literal("")), _ADDS: amount, _CASES: value.notnull()}
        narrow = kept.select(*[kept[name] for name in keys], **columns)
        # a sum counts its rows without a value too, which add nothing; the others leave them out
        counted = narrow if measure.agg == "sum" else narrow.filter(narrow[_CASES])
        grouped = counted.group_by([*keys, _ID])
        return grouped.aggregate(**{_ADDS: counted[_ADDS].sum(), _CASES: counted.count()})

    def _days(self, rows: RowSet, part: Part, span: Span, windows: Sequence[Period]) -> list[Period]:
        """For each period, the days whose rows count: for a balance, all up to its end."""
        if rows.group.mode == "balance":
            return [Period(date.min, window.end) for window in windows]
        return self._photos(rows, part, span) if rows.group.mode == "photo" else list(windows)

    def _photos(self, rows: RowSet, part: Part, span: Span) -> list[Period]:
        """For each period, the day of its photograph, or no day."""
        calendar = self.question.context.calendar
        taken = self._execute(self.question.planner.photos(rows.group, {part.photo: "last"}, span))
        last = dict(zip(taken[PERIOD].to_pylist(), taken["last"].to_pylist(), strict=True))
        days = [last.get(key_of(own, place, span, calendar)) for place, own in enumerate(span.periods)]
        none = (Period(own.start, own.start) for own in span.periods)
        return [calendar.containing(day, "day") if day else empty for day, empty in zip(days, none, strict=True)]

    def _execute(self, expression: ir.Table) -> pa.Table:
        return run(self.question, self.warehouse, expression, self.statements)


def _named_by(part: Part) -> str:
    """The column that names the rows of a part; the expression whose distinct values count."""
    measure = part.measure
    return measure.expr if measure.agg == "count_distinct" else identity(measure.entity)


def _roles(part: Part, name: str, adds: Any, n: int) -> list[tuple[str, Number]]:
    """What a row adds, by part of the figure."""
    amount = int(adds) if isinstance(adds, Decimal) and adds.as_tuple().exponent == 0 else adds or 0
    match part.measure.agg:
        case "mean":
            return [(NUMERATOR, amount), (DENOMINATOR, n)]
        case "sum":
            return [(name, amount)]
        case _:
            return [(name, n)]
