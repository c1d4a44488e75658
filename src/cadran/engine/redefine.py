"""What another definition of a KPI counts otherwise: the rows that come in, go out or weigh differently.

What these rows add differs by exactly what the parts of the figures differ, to the last digit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.engine.contributions import Reader
from cadran.engine.late import LateChange, differences
from cadran.engine.question import question

if TYPE_CHECKING:
    from cadran.catalogue.definition import Catalogue
    from cadran.engine.query import Context, KpiQuery
    from cadran.store.warehouse import Warehouse


def redefined(
    before: Catalogue, after: Catalogue, query: KpiQuery, warehouse: Warehouse, context: Context
) -> tuple[LateChange, ...]:
    """The rows that count otherwise by the definitions `after`: by period, segment, KPI and part; within, by id.

    Args:
        before: Definitions of which one is to change.
        after: The same with the change.
        query: Question with one KPI, a first day and an end.
        warehouse: Snapshot that holds the data.
        context: Calendar, currency, and what the person may see.

    Raises:
        QueryError: The question names something that does not exist.
        StoreError: The database refuses a statement.
    """
    asked = (question(each, query, context, warehouse.meta.known_at) for each in (before, after))
    old, new = (Reader(each, warehouse).read() for each in asked)
    return tuple(
        LateChange(
            cell.period.start, cell.period.end, dict(cell.segment), cell.kpi, cell.part, cell.entity, key, was, now
        )
        for cell, key, was, now in differences(old, new)
    )
