"""When anything new was known of a record: its versions, its recorded changes, its own instants.

A version is known when it was exported. A record that was exported only later counts as known since it
was created, and what happened to it since the moment that it happened: these instants count too.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from cadran.canonical.entities import ENTITIES, published_columns
from cadran.canonical.schema import schema_of
from cadran.deferred import ibis
from cadran.engine.derivations import LANDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    import ibis.expr.types as ir

    from cadran.store.warehouse import Warehouse

    #: Table, column that names its rows, and id.
    Row = tuple[str, str, str]

#: Ids asked about in one statement.
MOST_IDS = 1000
#: Instants of a record at which something new is known of it.
INSTANTS = ("valid_from", "created_at", "deleted_at", "merged_at")


def learnt(
    rows: Iterable[Row], warehouse: Warehouse, since: datetime, until: datetime
) -> dict[Row, tuple[datetime, datetime]]:
    """The first and the last instant between two, at which anything new was known of each row.

    Args:
        rows: Rows, each by table, column that names it, and id.
        warehouse: Snapshot that holds the versions.
        since: Naive UTC instant, left out.
        until: Naive UTC instant, included.

    Returns:
        Instants by row; a row of which nothing is dated in between is absent.
    """
    found: dict[Row, tuple[datetime, datetime]] = {}
    by_table: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entity, named_by, key in rows:
        by_table[entity, named_by].append(key)
    for (entity, named_by), keys in by_table.items():
        for start in range(0, len(keys), MOST_IDS):
            some = sorted(keys)[start : start + MOST_IDS]
            for statement in _statements(entity, named_by, some, since, until):
                for row in warehouse.execute(warehouse.sql(statement)).to_pylist():
                    _widen(found, (entity, named_by, row["id"]), row["first"], row["last"])
    return found


def _widen(found: dict[Row, tuple[datetime, datetime]], row: Row, first: datetime, last: datetime) -> None:
    before = found.get(row, (first, last))
    found[row] = (min(first, before[0]), max(last, before[1]))


def _statements(
    entity: str, named_by: str, keys: Iterable[str], since: datetime, until: datetime
) -> Iterator[ir.Table]:
    """One statement per landed table that tells of the records: ``id``, ``first``, ``last``."""
    about = _record_of(entity, named_by)
    if not about:
        return
    for table, column in _tellers(about):
        landed = ibis.table(schema_of(table), name=LANDED + table)
        names = (*INSTANTS, "changed_at") if table == "field_history" else INSTANTS
        rows = landed.filter(landed[column].isin(list(keys)))
        each = [rows.select(id=rows[column], at=rows[name]) for name in names]
        told = ibis.union(*each)
        low, high = (ibis.literal(moment, "timestamp(6)") for moment in (since, until))
        told = told.filter(told["at"] > low, told["at"] <= high)
        yield told.group_by("id").aggregate(first=told["at"].min(), last=told["at"].max())


def _record_of(entity: str, named_by: str) -> str:
    """The landed entity whose records are named, or empty when none is."""
    if named_by == "id" and not ENTITIES[entity].derived:
        return entity
    refs: dict[str, Any] = {column.name: column.ref for column in published_columns(entity)}
    return str(refs.get(named_by, ""))


def _tellers(about: str) -> list[tuple[str, str]]:
    """The landed tables that tell what a figure made of a record: its own, its changes, what belongs to it."""
    found = [(about, "id"), ("field_history", "entity_id")]
    belongs = {"customer": ("subscription", "invoice"), "lead": ("lifecycle_event", "activity")}
    return found + [(table, f"{about}_id") for table in belongs.get(about, ())]
