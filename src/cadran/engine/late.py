"""Late changes: what was learnt between two days about a period that was already told.

The rows behind a figure are read as known on the earlier day and as known on the later one. Rows that
add as much on both days are left out; what the others add differs by exactly what the figure's parts
differ, to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING

from cadran.engine.contributions import Reader
from cadran.engine.learnt import learnt
from cadran.engine.question import question
from cadran.engine.run import answers
from cadran.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, datetime

    from cadran.catalogue.definition import Catalogue
    from cadran.engine.contributions import Cell, Contributions
    from cadran.engine.query import Context, LateQuery
    from cadran.engine.result import Figure, Number
    from cadran.store.warehouse import Warehouse

    #: When anything new was known of a row: first and last instant.
    News = tuple[datetime, datetime]


@dataclass(frozen=True)
class LateChange:
    """A row that adds another amount to one part of a figure than it did.

    Attributes:
        start: First day of the period of the figure.
        end: First day after it.
        segment: Dimension values of the figure.
        kpi: Id of the KPI whose part it is: the one asked, or one that it is derived from.
        part: ``numerator``, also where there is no other, or ``denominator``.
        entity: Table of the row.
        id: What names the row; for a count of distinct values, the value.
        old: What it added as known on the earlier day, or None when it did not count.
        new: What it adds as known on the later day, or None when it does not count.
        learnt_from: First UTC instant between the two days at which anything new was known of the row, or
            None where no version says so.
        learnt_to: Last such instant; the same when there is only one.
    """

    start: date
    end: date
    segment: Mapping[str, str | None]
    kpi: str
    part: str
    entity: str
    id: str
    old: Number | None
    new: Number | None
    learnt_from: datetime | None = None
    learnt_to: datetime | None = None

    @property
    def kind(self) -> str:
        """``entered``, ``left`` or ``changed``."""
        if self.old is None:
            return "entered"
        return "left" if self.new is None else "changed"

    @property
    def delta(self) -> Number:
        """What the part changes by because of this row."""
        return (self.new or 0) - (self.old or 0)  # type: ignore[operator]


@dataclass(frozen=True)
class Late:
    """The late changes behind the figures of one KPI.

    Attributes:
        kpi: Id of the KPI.
        since: UTC instant of the earlier knowledge.
        until: UTC instant of the later one.
        currency: Base currency.
        changes: By period, segment, KPI and part; within, by id.
        figures: Each figure as known on the earlier day and on the later one; None where it has no such segment.
    """

    kpi: str
    since: datetime
    until: datetime
    currency: str
    changes: tuple[LateChange, ...]
    figures: tuple[tuple[Figure | None, Figure | None], ...]


def late(catalogue: Catalogue, asked: LateQuery, warehouse: Warehouse, context: Context) -> Late:
    """The rows that entered, left or changed a KPI's figures between two days of knowledge.

    Args:
        catalogue: Definitions.
        asked: Question with one KPI and both ends of its span.
        warehouse: Snapshot that holds the data and the versions of its rows.
        context: Calendar, currency, and what the person may see.

    Raises:
        QueryError: The question names something that does not exist, has no span, or its days are not in order.
        StoreError: The database refuses a statement.
    """
    _check(asked)
    later = replace(asked.query, compare="none")
    queries = [replace(later, as_of=asked.since), later]
    old, new = (question(catalogue, query, context, warehouse.meta.known_at) for query in queries)
    if old.known.at >= new.known.at:
        raise QueryError(
            "Nothing is known later than {day}.",
            hint="Give an earlier day with --since, or build again with newer exports.",
            where="--since",
            day=asked.since.isoformat(),
        )
    since, until = (each.known.at.astimezone(UTC) for each in (old, new))
    found = list(differences(Reader(old, warehouse).read(), Reader(new, warehouse).read()))
    rows = {(cell.entity, cell.named_by, key) for cell, key, _, _ in found}
    news = learnt(rows, warehouse, since.replace(tzinfo=None), until.replace(tzinfo=None))
    figures = [result.figures for result in answers(catalogue, queries, warehouse, context)]
    return Late(
        kpi=asked.query.kpis[0],
        since=since,
        until=until,
        currency=context.currency,
        changes=tuple(_change(*each, news) for each in found),
        figures=_paired(*figures),
    )


def _check(asked: LateQuery) -> None:
    query = asked.query
    if len(query.kpis) != 1:
        raise QueryError("Late changes are behind one KPI at a time.", hint="Give `kpi` once.", where="kpi")
    if not query.start or not query.end:
        raise QueryError(
            "Late changes are those of a span that was told: it has a first day and an end.",
            hint="Give --from and --to.",
            where="--to" if query.start else "--from",
        )


def differences(old: Contributions, new: Contributions) -> Iterator[tuple[Cell, str, Number | None, Number | None]]:
    """What rows add on both sides, where it is not the same: cell, row, what it added, what it adds."""
    for cell in sorted(old.keys() | new.keys(), key=lambda each: each.order):
        before, after = old.get(cell, {}), new.get(cell, {})
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                yield cell, key, before.get(key), after.get(key)


def _change(
    cell: Cell, key: str, old: Number | None, new: Number | None, news: Mapping[tuple[str, str, str], News]
) -> LateChange:
    first, last = news.get((cell.entity, cell.named_by, key), (None, None))
    period = cell.period
    return LateChange(
        period.start, period.end, dict(cell.segment), cell.kpi, cell.part, cell.entity, key, old, new, first, last
    )


def _paired(old: Sequence[Figure], new: Sequence[Figure]) -> tuple[tuple[Figure | None, Figure | None], ...]:
    before, after = ({figure.key: figure for figure in figures} for figures in (old, new))
    keys = dict.fromkeys([*after, *before])
    return tuple((before.get(key), after.get(key)) for key in keys)
