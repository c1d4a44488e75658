"""The tables of every file → one table per entity, all versions of all rows.

Of an entity that several files feed with different columns (``merge: true``), each version keeps
what the other files said: a column that the newer file does not map keeps its last known value; a
column that both map takes the value of the newer one, or of the other when the newer one is empty
and both are of the same day. One version is kept per row and day of export.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from cadran.canonical.schema import schema_of
from cadran.canonical.shape import running
from cadran.canonical.taxonomy import FROM
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import ibis.expr.types as ir

    from cadran.canonical.rules import Bound
    from cadran.canonical.schema import Expr

#: Columns of a version that no other file changes.
FIXED = frozenset(
    {"id", "connection_id", "source_system", "source_id", "first_seen_at", "last_seen_at", "valid_from", "is_inferred"}
)


def assembled(parts: Sequence[tuple[Bound, Mapping[str, ir.Table]]]) -> dict[str, ir.Table]:
    """Every version of every row, by entity, with the columns of `schema.schema_of`.

    Args:
        parts: Per file, its mapping and its `landing.Landing.tables`, from the oldest export.
    """
    names = dict.fromkeys(name for _, tables in parts for name in tables)
    return {name: _entity(name, [(bound, tables[name]) for bound, tables in parts if name in tables]) for name in names}


def _entity(name: str, parts: list[tuple[Bound, ir.Table]]) -> ir.Table:
    columns = list(schema_of(name))
    if any(entity.merge and entity.entity == name for bound, _ in parts for entity in bound.entities):
        return _merged(name, parts, columns)
    return reduce(lambda one, other: one.union(other), [table.select(columns) for _, table in parts])


def _merged(name: str, parts: list[tuple[Bound, ir.Table]], columns: list[str]) -> ir.Table:
    """The versions of an entity, each with what the other files said of the row."""
    tagged = [
        table.mutate(_part=ibis.literal(number)).select(*columns, "_part") for number, (_, table) in enumerate(parts)
    ]
    rows = reduce(lambda one, other: one.union(other), tagged)
    order = [rows["valid_from"], rows["_part"]]
    placed = rows.mutate(
        _place=ibis.row_number().over(group_by=rows["id"], order_by=order), _day=rows["valid_from"].date()
    )
    said = {
        column: [number for number, (bound, _) in enumerate(parts) if column in _mapped(name, bound)]
        for column in columns
        if column not in FIXED
    }
    counted = placed.mutate(**_counts(placed, said))
    filled = counted.mutate(**{column: _filled(counted, column, numbers) for column, numbers in said.items()})
    last = ibis.row_number().over(group_by=[filled["id"], filled["_day"]], order_by=ibis.desc(filled["_place"]))
    ranked = filled.mutate(_last=last)
    return ranked.filter(ranked["_last"] == 0).select(columns)


def _own(rows: ir.Table, column: str, parts: list[int]) -> Expr:
    """The column where the file of the row maps it."""
    return ibis.ifelse(rows["_part"].isin(parts), rows[column], ibis.null(rows[column].type()))


def _counts(rows: ir.Table, said: Mapping[str, list[int]]) -> dict[str, Expr]:
    """How often each column was said so far, of the row ever and on the day: rows of one count share a value."""
    found: dict[str, Expr] = {}
    for column, parts in said.items():
        own = _own(rows, column, parts)
        found[f"_ever|{column}"] = own.count().over(running("id", "_place"))
        found[f"_today|{column}"] = own.count().over(running(["id", "_day"], "_place"))
    return found


def _filled(rows: ir.Table, column: str, parts: list[int]) -> Expr:
    """The column with what other files said where this one does not map it."""
    own = _own(rows, column, parts)
    ever = own.max().over(group_by=[rows["id"], rows[f"_ever|{column}"]])
    today = own.max().over(group_by=[rows["id"], rows["_day"], rows[f"_today|{column}"]])
    known = ibis.ifelse(rows["_part"].isin(parts), ibis.coalesce(own, today), ever)
    # the currency of a file without amounts is nobody's word: any word goes before it
    return ibis.coalesce(known, rows[column]) if column == "currency" else known


def _mapped(name: str, bound: Bound) -> set[str]:
    """Columns of an entity that a file fills, the channel when what it is read from is filled."""
    found = {rule.column for entity in bound.entities if entity.entity == name for rule in entity.columns}
    tags, labels = FROM.get(name, (("", "", ""), ()))
    return found | ({"channel"} if found & {*tags, *labels} else set())
