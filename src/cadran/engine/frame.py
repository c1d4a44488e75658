"""Questions asked together: what they have in common is read once for all of them.

Questions with the same filter, day of knowledge and periods make one frame: their KPIs are planned
as one list, so that parts on the same table and day share a scan whoever asks for them.
"""

from __future__ import annotations

import functools
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cadran.engine.assemble import Assembler
from cadran.engine.compile import Curve
from cadran.engine.components import Components
from cadran.engine.fragments import FRAGMENTS, texts_of_part
from cadran.engine.fused import Fused, split
from cadran.engine.photos import last_days, photo_days, some_of
from cadran.engine.prepare import Shape, shapes
from cadran.engine.rollup_read import rolled
from cadran.engine.tables import statement
from cadran.engine.trailing import (
    History,
    WindowedComponents,
    is_of_values,
    parts_of_values,
    trailing_lengths,
    trailing_sources,
    windows_of,
)
from cadran.store.warehouse import FRAGMENTS as KEPT

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from concurrent.futures import Future
    from datetime import date

    import ibis.expr.types as ir
    import pyarrow as pa

    from cadran.catalogue.definition import Kpi
    from cadran.engine.aggregate import Slot
    from cadran.engine.compile import Leaf, Needs
    from cadran.engine.components import LastDays
    from cadran.engine.parts import Group, Part
    from cadran.engine.question import Question
    from cadran.engine.span import Span
    from cadran.store.warehouse import Warehouse


@dataclass
class Frame:
    """The rows and periods that some questions share.

    Attributes:
        question: One of the questions: filter, day of knowledge and calendar are the same for all.
        span: Periods.
        warehouse: Snapshot that holds the data.
        statements: Every statement that ran.
    """

    question: Question
    span: Span
    warehouse: Warehouse
    statements: list[str] = field(default_factory=list)
    _leaves: dict[tuple[int, tuple[str, ...]], Leaf] = field(default_factory=dict)
    _components: Components | WindowedComponents | None = None
    _history: History | None = None

    def add(self, question: Question) -> None:
        """Take in what a question needs; before `components` is called."""
        for kpi, dims in question.leaves(question.versions(self.span)):
            self._leaves.setdefault((id(kpi), dims), (kpi, dims))

    def assembler(self, question: Question) -> Assembler:
        """Makes the figures of one of the questions."""
        components = self.components()
        versions, currency = question.versions(self.span), question.context.currency
        return Assembler(components, versions, currency, self.question.known, self._history)

    def components(self) -> Components | WindowedComponents:
        """What the statements give; they run once."""
        if self._components is None:
            self._components = self._read()
        return self._components

    def _read(self) -> Components | WindowedComponents:
        calendar, leaves = self.question.context.calendar, list(self._leaves.values())
        needs = self.question.planner.needs(leaves)
        lengths = trailing_lengths(leaves)
        if not lengths:
            return self._counted(needs, self.span)
        windows = windows_of(self.span, lengths, calendar)
        # values that do not add up are counted one by one below: pieces need not give them too
        summed = {
            group: (kpi, tuple(slot for slot in slots if not is_of_values(group, slot)))
            for group, (kpi, slots) in needs.items()
        }
        found = WindowedComponents(windows, self._counted(summed, windows.pieces))
        for group, (kpi, slots) in needs.items():
            for part in parts_of_values(group, slots):
                values = self.question.planner.values(group, part, kpi, windows.pieces)
                found.add_values(group, part, self.execute(values))
        first = {each: self.execute(self.question.planner.first_of(*each)) for each in trailing_sources(leaves)}
        self._history = History(windows, calendar, {name: table["first"][0].as_py() for name, table in first.items()})
        return found

    def _counted(self, needs: Needs, span: Span) -> Components:
        """Runs every statement that gives what groups need."""
        planner, owner = self.question.planner, next(iter(self._leaves.values()))[0]
        components = Components(span, self.question.context.calendar)
        rest = self._read_at_once(needs, components) if self.warehouse.fuses and not self.question.past else needs
        plan = planner.plan(rest, span)
        for scan in plan.scans:
            last = components.last_days(scan, self.execute(scan.photos)) if scan.photos is not None else None
            components.add_scan(scan, self.execute(scan.expression), last)
        for curve in plan.curves:
            components.add_curve(curve, self.execute(curve.expression))
        for group, part in components.without_rate():
            ids = planner.missing_ids(group, part, owner, span)
            components.add_missing(group, part, self.execute(ids))
        return components

    def _read_at_once(self, needs: Needs, components: Components) -> Needs:
        """Read what can be read in one statement per table and day, some of them beside each other; what cannot."""
        waiting: list[_Waiting] = []
        try:
            rest = self._read_fused(needs, components, waiting)
            # rows are added while later statements still run
            for one in waiting:
                one.add(one.rows.result())
        except BaseException:
            for one in waiting:
                one.rows.cancel()
            raise
        return rest

    def _read_fused(self, needs: Needs, components: Components, waiting: list[_Waiting]) -> Needs:
        """Start to read what can be read in one statement per table and day; what cannot."""
        alike: dict[tuple[str, str, str], dict[Group, tuple[Kpi, tuple[Slot, ...]]]] = {}
        for group, need in needs.items():
            if not group.zone:
                alike.setdefault((group.entity, group.time, group.mode), {})[group] = need
        for groups in alike.values():
            kpi = next(iter(groups.values()))[0]
            slots = {group: slots for group, (_, slots) in groups.items()}
            parts = {part for each in slots.values() for *pair, _ in each for part in pair if part}
            FRAGMENTS.prepare(next(iter(groups)).entity, {text for part in parts for text in texts_of_part(part)})
            shape = self._shapes.get(next(iter(groups)).entity, Shape())
            self._read_groups(Fused(self.question.planner, slots, kpi, components.span, shape), components, waiting)
        apart = {group: tuple(slot for slot in slots if slot[2] == "incidence") for group, (_, slots) in needs.items()}
        return {group: (kpi, slots if group.zone else apart[group]) for group, (kpi, slots) in needs.items()}

    @functools.cached_property
    def _shapes(self) -> dict[str, Shape]:
        return shapes(self.warehouse.shapes)

    def _read_groups(self, fused: Fused, components: Components, waiting: list[_Waiting]) -> None:
        names, last, days = self._photos(fused) if fused.first.mode == "photo" else ({}, None, None)
        rest = fused
        if covered := rolled(fused, self.warehouse.rollups):
            rest = fused.without(covered[1])
            self._start(
                waiting, covered[0], functools.partial(_add_scans, components, fused, covered[1], (names, last))
            )
        if rest.groups and (scanned := rest.scan(days))[1]:
            self._start(waiting, scanned[0], functools.partial(_add_scans, components, rest, scanned[1], (names, last)))
        for part in fused.curved:
            self._start(waiting, fused.curve(part), functools.partial(_add_curves, components, fused, part))

    def _start(self, waiting: list[_Waiting], sql: str, add: Callable[[pa.Table], None]) -> None:
        """Run a statement while the next ones are written; its rows are added in the order of the statements."""
        self.statements.append(sql)
        waiting.append(_Waiting(_pool().submit(self.warehouse.execute, sql), add))
        # lets the statement begin: this thread would hold the interpreter for some milliseconds yet
        time.sleep(0)

    def _photos(self, fused: Fused) -> tuple[dict[str, str], LastDays, list[date] | None]:
        """The name of each photograph, the days on which they were taken, and which days alone need to be read."""
        texts = dict.fromkeys(slot[0].photo for slots in fused.groups.values() for slot in slots)
        names = {text: f"d{place}" for place, text in enumerate(texts)}
        last = {name: last_days(self._days(fused.first, text), fused.span) for text, name in names.items()}
        return names, last, some_of(last.values(), self._days(fused.first, ""), fused.span)

    def _days(self, group: Group, text: str) -> Sequence[date]:
        sql = photo_days(group.entity, group.time, text)
        if sql not in self.statements:
            self.statements.append(sql)
        return self.warehouse.days(sql)

    def execute(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression, on the tables as they are or were."""
        return run(self.question, self.warehouse, expression, self.statements)


@dataclass(frozen=True)
class _Waiting:
    """Rows that are being read, and what takes them in."""

    rows: Future[pa.Table]
    add: Callable[[pa.Table], None]


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """Runs statements of all questions: as many at once as there are processors, and two at least.

    One is written, sorted out or planned while another is read.
    """
    return ThreadPoolExecutor(max(2, os.cpu_count() or 1), thread_name_prefix="statement")


if hasattr(os, "register_at_fork"):
    # threads do not outlive a fork, which not every system has
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _add_scans(
    components: Components,
    fused: Fused,
    columns: dict[Slot, str],
    photos: tuple[dict[str, str], LastDays | None],
    rows: pa.Table,
) -> None:
    for scan, part in split(fused, rows, columns):
        components.add_scan(replace(scan, photo_names=photos[0]), part, photos[1])


def _add_curves(components: Components, fused: Fused, part: Part, rows: pa.Table) -> None:
    for scan, own in split(fused, rows, {}):
        if (part, None, "survival") in fused.groups[scan.group]:
            components.add_curve(Curve(scan.group, part, None), own)


@dataclass
class Frames:
    """The frames of questions that are asked together.

    Attributes:
        warehouse: Snapshot that holds the data.
    """

    warehouse: Warehouse
    _found: dict[Hashable, Frame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.warehouse.fuses:
            FRAGMENTS.adopt(self.warehouse.meta.name, functools.partial(self.warehouse.kept, KEPT))

    def frame(self, question: Question, span: Span) -> Frame:
        """The frame of a question over a span, which now knows what the question needs."""
        key: Any = (question.query.where, question.query.as_of, span.periods, span.grain, span.is_open)
        key = (*key, tuple(sorted(span.cut.items())), question.query.trailing)
        frame = self._found.setdefault(key, Frame(question, span, self.warehouse))
        frame.add(question)
        return frame


def run(question: Question, warehouse: Warehouse, expression: ir.Table, statements: list[str]) -> pa.Table:
    """The rows of one expression of a question; its statement joins those that ran.

    Raises:
        StoreError: The database refuses the statement.
    """
    before = question.past
    sql = statement(expression, warehouse, before)
    statements.append(sql)
    return warehouse.execute(sql)
