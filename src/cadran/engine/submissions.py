"""What people forecast of periods that are not over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.engine.question import knowledge
from cadran.engine.tables import published, statement

if TYPE_CHECKING:
    from datetime import date

    import pyarrow as pa

    from cadran.engine.query import Context
    from cadran.store.warehouse import Warehouse


def submissions(as_of: date | None, warehouse: Warehouse, context: Context) -> pa.Table:
    """The sum of what everybody forecast, by period, horizon and kind.

    Args:
        as_of: Answer as it was known at the end of this day, or None.
        warehouse: Snapshot that holds the data.
        context: What the person may see: one who sees a part of the rows is told nothing of everybody.

    Returns:
        ``start_on``, ``end_on``, ``horizon``, ``forecast_type``, ``amount`` (decimal, base currency), ``n``
        submissions.

    Raises:
        StoreError: The database refuses a statement.
    """
    _, before = knowledge(as_of, context, warehouse.meta.known_at)
    every = published("forecast_outcome")
    rows = every.filter(every.is_submitted.fill_null(False), ~every.is_final.fill_null(False), not context.scope)
    told = rows.group_by("start_on", "end_on", "horizon", "forecast_type").agg(
        amount=rows.forecast.sum(), n=rows.count()
    )
    table = told.order_by("start_on", "end_on", "horizon", "forecast_type")
    return warehouse.execute(statement(table, warehouse, before))
