"""What the page of one KPI shows: its course, its segments, its contract and the rows behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cadran.charts import Node
from cadran.engine.query import RowQuery
from cadran.errors import CadranError
from cadran.web.pages import segments, today_of, used_by
from cadran.web.slices import SEGMENT, Slice, course, grain_of, recent
from cadran.web.why import Why, why_of

if TYPE_CHECKING:
    from cadran.catalogue.definition import Board, Dimension, Kpi
    from cadran.charts import Words
    from cadran.engine.result import Rows
    from cadran.errors import Issue
    from cadran.insights.reading import Reading, Readings
    from cadran.period import Grain, Period
    from cadran.view import View

#: Rows on one page.
PAGE = 25


@dataclass(frozen=True)
class Segments:
    """A KPI by one dimension.

    Attributes:
        kpi: The KPI.
        dimension: Dimension that breaks it down, or None when it has none.
        dimensions: Dimensions on offer.
        readings: One per segment of the period.
        error: What kept them from being read, or None.
    """

    kpi: Kpi
    dimension: Dimension | None
    dimensions: tuple[Dimension, ...]
    readings: tuple[Reading, ...] = ()
    error: CadranError | None = None


@dataclass(frozen=True)
class RowsPage:
    """One page of the rows behind a number.

    Attributes:
        kpi: The KPI.
        rows: Rows of this page, or None when they cannot be shown; without columns that say nothing.
        links: For each row, the address of its record in the system it came from, or empty.
        page: Number of this page, from 1.
        pages: How many pages there are.
        error: What kept them from being read, or None.
    """

    kpi: Kpi
    rows: Rows | None
    links: tuple[str, ...] = ()
    page: int = 1
    pages: int = 1
    error: CadranError | None = None


@dataclass(frozen=True)
class KpiPage:
    """The page of one KPI.

    Attributes:
        kpi: Version that counts in the period.
        versions: Every version, newest first.
        grain: Grain in which it is shown.
        period: Period shown.
        periods: Periods on offer, newest first.
        filter_segments: Segments that the filter bar offers.
        current: Readings of the period; several for a KPI that is always broken down.
        course: Readings over time, oldest first, one per period.
        answer: Readings with the statements and tables behind them, or None.
        error: What kept the KPI from being read, or None.
        segments: The KPI by one dimension.
        rows: The rows behind it.
        boards: Boards that show it.
        derived: KPIs that use it.
        issues: Findings about the tables it rests on.
        unfiltered: True when the segment filter does not apply to it.
        why: Why it moved since the period that it is compared with.
    """

    kpi: Kpi
    versions: tuple[Kpi, ...]
    grain: Grain
    period: Period
    periods: tuple[Period, ...]
    filter_segments: tuple[str, ...]
    current: tuple[Reading, ...]
    course: tuple[Reading, ...]
    answer: Readings | None
    error: CadranError | None
    segments: Segments
    rows: RowsPage
    boards: tuple[Board, ...]
    derived: tuple[Kpi, ...]
    issues: tuple[Issue, ...]
    unfiltered: bool
    why: Why

    @property
    def reading(self) -> Reading | None:
        """The only reading of the period, or None when there are none or several."""
        return self.current[0] if len(self.current) == 1 else None


def kpi_page(view: View, name: str, asked: Slice) -> KpiPage:
    """Everything about one KPI in that slice.

    Raises:
        DefinitionError: No KPI has that name.
    """
    asked, unfiltered = _fitting(view.kpi(name), asked)
    grain = grain_of(view.kpi(name), asked.grain)
    calendar, today = view.project.calendar, today_of(view, asked)
    period = _period(view, asked, grain)
    kpi = view.catalogue.kpi(name, on=period.start)
    answer, error = _answer(view, asked, name, course(calendar, period, grain, today), grain)
    readings = answer.readings if answer else ()
    boards, derived = used_by(view.catalogue, name)
    shown = segments_of(view, name, asked)
    return KpiPage(
        kpi=kpi,
        versions=tuple(reversed(view.catalogue.kpis[name])),
        grain=grain,
        period=period,
        periods=tuple(recent(calendar, grain, today)),
        filter_segments=segments(view, asked) if SEGMENT in kpi.dimensions else (),
        current=tuple(reading for reading in readings if reading.figure.start == period.start),
        course=() if kpi.default_by else readings,
        answer=answer,
        error=error,
        segments=shown,
        rows=rows_of(view, name, asked),
        boards=boards,
        derived=derived,
        issues=answer.issues if answer else (),
        unfiltered=unfiltered,
        why=why_of(view, name, asked, period, grain, shown.dimension.id if shown.dimension else ""),
    )


def segments_of(view: View, name: str, asked: Slice) -> Segments:
    """A KPI by the dimension asked for, in that slice.

    Raises:
        DefinitionError: No KPI has that name.
    """
    kpi = view.kpi(name)
    asked, _ = _fitting(kpi, asked)
    offered = tuple(view.catalogue.dimensions[each] for each in kpi.dimensions if each in view.catalogue.dimensions)
    chosen = next((each for each in offered if each.id == asked.by), offered[0] if offered else None)
    if chosen is None:
        return Segments(kpi, None, offered)
    by = tuple(dict.fromkeys([*kpi.default_by, chosen.id]))
    grain = grain_of(kpi, asked.grain)
    try:
        readings = view.ask(asked.query([name], _period(view, asked, grain), grain, by)).readings
    except CadranError as error:
        return Segments(kpi, chosen, offered, error=error)
    return Segments(kpi, chosen, offered, readings)


def rows_of(view: View, name: str, asked: Slice) -> RowsPage:
    """One page of the rows behind a KPI in that slice.

    Raises:
        DefinitionError: No KPI has that name.
    """
    kpi = view.kpi(name)
    asked, _ = _fitting(kpi, asked)
    query = asked.query([name], _period(view, asked, grain_of(kpi, asked.grain)), None)
    try:
        found = view.rows(RowQuery(query, limit=PAGE, offset=(asked.page - 1) * PAGE))
    except CadranError as error:
        return RowsPage(kpi, None, error=error)
    return RowsPage(kpi, _telling(found), _links(found), asked.page, max(1, -(-found.total // PAGE)))


def lineage_stages(view: View, page: KpiPage, words: Words) -> list[list[Node]]:
    """From the tables to what the KPI feeds, stage by stage."""
    tables = page.answer.lineage.get(page.kpi.id, ()) if page.answer else ()
    counts = view.meta.counts
    first = [Node(table, words.say("{n:,} rows", n=counts[table]) if table in counts else "") for table in tables]
    inputs = [
        Node(view.kpi(name).name(words.language), words.say("KPI"))
        for name in dict.fromkeys(page.kpi.inputs.values())
        if name in view.catalogue.kpis
    ]
    value = words.value(page.reading.value, page.kpi.unit) if page.reading else words.say("by segment")
    after = [Node(kpi.name(words.language), words.say("KPI")) for kpi in page.derived]
    after += [Node(board.labels.get(words.language, board.id), words.say("board")) for board in page.boards]
    stages = [first, inputs, [Node(page.kpi.name(words.language), value, "me")], after]
    return [stage[:6] for stage in stages if stage]


def _telling(rows: Rows) -> Rows:
    """The rows without what their id says already and without columns that are empty on this page."""
    kept = [
        index
        for index, name in enumerate(rows.columns)
        if not name.startswith("source_") and any(row[index] is not None for row in rows.rows)
    ]
    columns = tuple(rows.columns[index] for index in kept)
    return replace(rows, columns=columns, rows=tuple(tuple(row[index] for index in kept) for row in rows.rows))


def _links(rows: Rows) -> tuple[str, ...]:
    if "source_url" not in rows.columns:
        return ()
    found = [str(row[rows.columns.index("source_url")] or "") for row in rows.rows]
    return tuple(url if url.startswith(("https://", "http://")) else "" for url in found)


def _fitting(kpi: Kpi, asked: Slice) -> tuple[Slice, bool]:
    """The slice without a segment filter that the KPI cannot answer, and whether one was dropped."""
    if asked.segment and SEGMENT not in kpi.dimensions:
        return replace(asked, segment=""), True
    return asked, False


def _period(view: View, asked: Slice, grain: Grain) -> Period:
    calendar = view.project.calendar
    return calendar.containing(asked.period(calendar, today_of(view, asked)).start, grain)


def _answer(
    view: View, asked: Slice, name: str, span: Period, grain: Grain
) -> tuple[Readings | None, CadranError | None]:
    try:
        return view.ask(asked.query([name], span, grain)), None
    except CadranError as error:
        return None, error
