"""The rows that fail a check of quality, read from a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadran.canonical.quality import Check, checked
from cadran.canonical.schema import schema_of
from cadran.deferred import ibis
from cadran.engine.derivations import LANDED
from cadran.engine.tables import published

if TYPE_CHECKING:
    from cadran.store.warehouse import Warehouse


def checked_rows(check: Check, warehouse: Warehouse) -> tuple[list[dict[str, Any]], list[str]]:
    """How many rows were checked and failed, by team of their owner; and the ids of those that fail, in order.

    Args:
        check: One of `canonical.quality.CHECKS`.
        warehouse: Snapshot that holds the data.

    Returns:
        One mapping per team with ``team`` (None for rows without), ``n_checked`` and ``n_failed``; and ids.

    Raises:
        StoreError: The database refuses a statement.
    """
    names = {check.entity, "owner", "account", "contact"}
    tables = {name: published(name) for name in names}
    landed = LANDED + check.entity
    if check.kind == "uniqueness":
        tables[landed] = ibis.table(schema_of(check.entity), name=landed)
    rows = checked(check, tables, warehouse.meta.known_at)
    counted = rows.group_by("team").agg(n_checked=rows.count(), n_failed=rows.fails.cast("int64").sum())
    failing = rows.filter(rows.fails).select("id").distinct().order_by("id")
    # sums are decimals on some engines
    found = [
        {"team": row["team"], "n_checked": int(row["n_checked"]), "n_failed": int(row["n_failed"] or 0)}
        for row in warehouse.execute(warehouse.sql(counted)).to_pylist()
    ]
    return found, warehouse.execute(warehouse.sql(failing)).column("id").to_pylist()
