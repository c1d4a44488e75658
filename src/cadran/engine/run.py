"""Answers: runs what `compile` planned and gives figures, or the rows behind one.

The only module of this room that touches a warehouse.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from cadran.engine.constant import remark
from cadran.engine.figures import Block, Figures
from cadran.engine.frame import Frame, Frames, run
from cadran.engine.fused import first_days
from cadran.engine.parts import lineage_of, parts_of
from cadran.engine.question import check_length, question
from cadran.engine.result import KpiResult, Rows
from cadran.engine.rows import COUNTED, ENTITY, INPUT, row_sets, row_table
from cadran.engine.span import Span, earlier_span, span_of
from cadran.engine.tables import statement
from cadran.engine.trailing import windows_of
from cadran.period import Period

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    import ibis.expr.types as ir
    import pyarrow as pa

    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.engine.assemble import Assembler
    from cadran.engine.query import Context, KpiQuery, RowQuery
    from cadran.engine.question import Question
    from cadran.engine.result import Figure, Key
    from cadran.engine.rows import RowSet
    from cadran.store.warehouse import Warehouse

    #: The frame to compare with, and the earlier period of each later one by its first day.
    _Before = tuple[Frame | None, Mapping[date, Period]]


def answer(catalogue: Catalogue, query: KpiQuery, warehouse: Warehouse, context: Context) -> KpiResult:
    """The figures that answer a question.

    Args:
        catalogue: Definitions.
        query: Question.
        warehouse: Snapshot that holds the data.
        context: Calendar, currency, and what the person may see.

    Raises:
        QueryError: The question names something that does not exist or cannot be combined.
        DefinitionError: A KPI's definition cannot be used.
        StoreError: The database refuses a statement.
    """
    return answers(catalogue, [query], warehouse, context)[0]


def answers(
    catalogue: Catalogue,
    queries: Sequence[KpiQuery],
    warehouse: Warehouse,
    context: Context,
    *,
    has_moments: bool = True,
) -> tuple[KpiResult, ...]:
    """The figures that answer several questions, read together: the same as `answer` of each, with fewer scans.

    Args:
        catalogue: Definitions.
        queries: Questions, such as all tiles of a page.
        warehouse: Snapshot that holds the data.
        context: Calendar, currency, and what the person may see.
        has_moments: False for values alone: figures then lack what intervals of means and ratios are made of.

    Raises:
        QueryError: One of the questions names something that does not exist or cannot be combined.
        DefinitionError: A KPI's definition cannot be used.
        StoreError: The database refuses a statement.
    """
    frames = Frames(warehouse)
    known_at = warehouse.meta.known_at
    asked = [question(catalogue, query, context, known_at, has_moments=has_moments) for query in queries]
    # every frame must know all that is asked of it before the first one is read
    planned = [(each, *each.frames(frames)) for each in (_Run(one, warehouse) for one in asked)]
    return tuple(each.result(frame, *before) for each, frame, before in planned)


def rows(catalogue: Catalogue, row_query: RowQuery, warehouse: Warehouse, context: Context) -> Rows:
    """The rows behind a number, in a fixed order: by day, then by id.

    Columns: ``counted`` (``numerator``, or ``denominator`` for a row that counts only below the
    line), ``input`` for a derived KPI, ``entity`` when there are several tables, ``id``, where the
    record comes from, dimensions, day, and what is measured. A value that one table lacks is None.

    Args:
        catalogue: Definitions.
        row_query: Question with one KPI; the version that counts at the start of the span is used.
        warehouse: Snapshot that holds the data.
        context: Calendar, currency, and what the person may see.

    Raises:
        QueryError: The question names something that does not exist or cannot be combined.
        StoreError: The database refuses a statement.
    """
    asked = question(catalogue, row_query.query, context, warehouse.meta.known_at)
    return _Run(asked, warehouse).rows(row_query)


@dataclass
class _Run:
    """One question on one warehouse, and the statements that ran."""

    question: Question
    warehouse: Warehouse
    statements: list[str] = field(default_factory=list)

    @property
    def as_of(self) -> datetime:
        """UTC instant up to which the answer knows."""
        return self.question.known.at.astimezone(UTC)

    def execute(self, expression: ir.Table) -> pa.Table:
        return run(self.question, self.warehouse, expression, self.statements)

    def span(self) -> Span:
        """The periods of the question."""
        query, known = self.question.query, self.question.known
        calendar = self.question.context.calendar
        if query.trailing and query.grain is None:
            end = query.end or known.end
            window = calendar.window(end, query.trailing)
            return Span((window,), None, is_open=query.end is None)
        start = query.start or self._first_day()
        check_length(start, query.end or known.end, query.grain)
        return span_of(start, query.end, query.grain, calendar, known)

    def _first_day(self) -> date:
        """The first day on which any part of the KPIs asked has a row; the last known day when none has."""
        question, span = self.question, Span((_today(self.question),), None)
        leaves = list(question.leaves(question.versions(span)))
        texts = first_days(question.planner, leaves, span) if self.warehouse.fuses and not question.past else None
        if texts is None:
            texts = [statement(each, self.warehouse, question.past) for each in question.planner.first_days(leaves)]
        self.statements += texts
        found = [self.warehouse.execute(each)["first"][0].as_py() for each in texts]
        return min((day for day in found if day is not None), default=span.start)

    def frames(self, frames: Frames) -> tuple[Frame, _Before]:
        """The frame of the question, and that of the periods it compares with."""
        question, span = self.question, self.span()
        now = frames.frame(question, span)
        if question.query.compare == "none":
            return now, (None, {})
        before, pairs = earlier_span(span, question.query.compare, question.context.calendar, question.known)
        return now, (frames.frame(question, before) if before else None, pairs)

    def result(self, frame: Frame, before: Frame | None, pairs: Mapping[date, Period]) -> KpiResult:
        """The answer, from frames that know all that is asked of them."""
        question = self.question
        assembler = frame.assembler(question)
        figures = Figures([block for name in question.query.kpis for block in self.blocks(assembler, name)])
        earlier = self.earlier(before, pairs, figures) if before else {}
        lineage = self.lineage(assembler)
        constant = question.context.settings.constant
        is_past = question.past is not None and (constant is None or question.query.as_of is not None)
        ran = [*self.statements, *frame.statements, *(before.statements if before else ())]
        return KpiResult(
            figures=figures,
            currency=question.context.currency,
            as_of=self.as_of,
            snapshot=self.warehouse.meta.name,
            sql=tuple(ran),
            issues=(
                *([remark(constant)] if constant else []),
                *self.warehouse.issues(frozenset(name for names in lineage.values() for name in names)),
            ),
            lineage=lineage,
            earlier=earlier,
            knowledge="as_known" if is_past else "as_true",
        )

    def blocks(self, assembler: Assembler, name: str) -> list[Block]:
        """Every period of a KPI, in order, with its segments."""
        dims = [self.question.dims(versions[name]) for versions in assembler.versions]
        segments = {each: assembler.segments(name, each) for each in dict.fromkeys(dims)}
        return [Block(assembler, name, place, each, segments[each]) for place, each in enumerate(dims)]

    def earlier(self, before: Frame, pairs: Mapping[date, Period], figures: Sequence[Figure]) -> dict[Key, Figure]:
        """The figure that each figure compares with, by the key of the later one."""
        assembler = before.assembler(self.question)
        places = {period: place for place, period in enumerate(before.span.periods)}
        found: dict[Key, Figure] = {}
        for figure in figures:
            if figure.start in pairs:
                dims, segment = tuple(figure.segment), tuple(figure.segment.values())
                place = places[pairs[figure.start]]
                found[figure.key] = assembler.figure(figure.kpi.id, place, dims, segment)
        return found

    def lineage(self, assembler: Assembler) -> dict[str, tuple[str, ...]]:
        """The canonical entities behind each KPI asked."""
        versions = assembler.versions[-1]
        return {name: _entities(versions[name], versions) for name in self.question.query.kpis}

    def rows(self, row_query: RowQuery) -> Rows:
        """The rows behind one KPI."""
        question, span = self.question, self.span()
        versions = question.versions(span)[0]
        kpi = versions[question.query.kpis[0]]
        sets = row_sets(kpi, versions, question.dims(kpi))
        wide = [self._rows_span(each, span) for each in sets]
        tables = [
            row_table(each, question.planner, over, self._photos(each, over))
            for each, over in zip(sets, wide, strict=True)
        ]
        totals = [self.execute(table.aggregate(n=table.count()))["n"][0].as_py() for table in tables]
        columns = _columns(kpi, sets, tables)
        found: list[tuple[Any, ...]] = []
        skip = row_query.offset
        for each, table, total in zip(sets, tables, totals, strict=True):
            wanted = row_query.limit - len(found)
            if wanted > 0 and skip < total:
                found += self._page(table.limit(wanted, offset=skip), each, columns)
            skip = max(0, skip - total)
        return Rows(columns, tuple(found), sum(totals), self.as_of)

    def _rows_span(self, rows: RowSet, span: Span) -> Span:
        """The span of a set of rows: that of the question, with what its windows look back on."""
        lengths = {part.trailing for part in rows.parts.values() if part.trailing}
        if not lengths:
            return span
        pieces = windows_of(span, lengths, self.question.context.calendar).pieces
        return Span((Period(pieces.start, pieces.end),), None)

    def _page(self, table: ir.Table, rows: RowSet, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        fixed = {INPUT: rows.input, ENTITY: rows.group.entity}
        return [tuple((fixed | row).get(name) for name in columns) for row in self.execute(table).to_pylist()]

    def _photos(self, rows: RowSet, span: Span) -> list[date]:
        if rows.group.mode != "photo":
            return []
        part = next(iter(rows.parts.values()))
        taken = self.execute(self.question.planner.photos(rows.group, {part.photo: "last"}, span))
        return [day for day in taken["last"].to_pylist() if day is not None]


def _today(question: Question) -> Period:
    """The last day of which anything is known, as a period."""
    end = question.known.end
    return Period(end - timedelta(days=1), end)


def _entities(kpi: Kpi, versions: Mapping[str, Kpi]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for each in lineage_of(kpi, versions):
        found |= dict.fromkeys(part.measure.entity for part in parts_of(each).all())
        found |= dict.fromkeys(source.split(".")[0] for source in each.sources)
    return tuple(sorted(found))


def _columns(kpi: Kpi, sets: list[RowSet], tables: list[ir.Table]) -> tuple[str, ...]:
    extra = [INPUT] if kpi.kind == "derived" else []
    extra += [ENTITY] if len({each.group.entity for each in sets}) > 1 else []
    names = [name for table in tables for name in table.columns if name != COUNTED]
    return tuple(dict.fromkeys([COUNTED, *extra, *names]))
