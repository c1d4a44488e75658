"""Questions asked together: what they have in common is read once for all of them.

Questions with the same filter, day of knowledge and periods make one frame: their KPIs are planned
as one list, so that parts on the same table and day share a scan whoever asks for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cadran.engine.assemble import Assembler
from cadran.engine.components import Components

if TYPE_CHECKING:
    from collections.abc import Hashable

    import ibis.expr.types as ir
    import pyarrow as pa

    from cadran.engine.compile import Leaf
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
    _components: Components | None = None

    def add(self, question: Question) -> None:
        """Take in what a question needs; before `components` is called."""
        for kpi, dims in question.leaves(question.versions(self.span)):
            self._leaves.setdefault((id(kpi), dims), (kpi, dims))

    def assembler(self, question: Question) -> Assembler:
        """Makes the figures of one of the questions."""
        return Assembler(
            self.components(), question.versions(self.span), question.context.currency, self.question.known
        )

    def components(self) -> Components:
        """What the statements give; they run once."""
        if self._components is None:
            self._components = self._read()
        return self._components

    def _read(self) -> Components:
        planner = self.question.planner
        leaves = list(self._leaves.values())
        plan = planner.plan(leaves, self.span)
        components = Components(self.span, self.question.context.calendar)
        for scan in plan.scans:
            photos = self.execute(scan.photos) if scan.photos is not None else None
            components.add_scan(scan, self.execute(scan.expression), photos)
        for curve in plan.curves:
            components.add_curve(curve, self.execute(curve.expression))
        owner = leaves[0][0]
        for group, part in components.without_rate():
            ids = planner.missing_ids(group, part, owner, self.span)
            components.add_missing(group, part, self.execute(ids))
        return components

    def execute(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression, on the tables as they are or were."""
        return run(self.question, self.warehouse, expression, self.statements)


@dataclass
class Frames:
    """The frames of questions that are asked together.

    Attributes:
        warehouse: Snapshot that holds the data.
    """

    warehouse: Warehouse
    _found: dict[Hashable, Frame] = field(default_factory=dict)

    def frame(self, question: Question, span: Span) -> Frame:
        """The frame of a question over a span, which now knows what the question needs."""
        key: Any = (question.query.where, question.query.as_of, span.periods, span.grain, span.is_open)
        key = (*key, tuple(sorted(span.cut.items())))
        frame = self._found.setdefault(key, Frame(question, span, self.warehouse))
        frame.add(question)
        return frame


def run(question: Question, warehouse: Warehouse, expression: ir.Table, statements: list[str]) -> pa.Table:
    """The rows of one expression of a question; its statement joins those that ran.

    Raises:
        StoreError: The database refuses the statement.
    """
    before = question.past
    sql = before.statement(expression, warehouse.sql) if before else warehouse.sql(expression)
    statements.append(sql)
    return warehouse.execute(sql)
