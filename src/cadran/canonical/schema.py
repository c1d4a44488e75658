"""Column types of the canonical tables in Ibis, and tables without rows for what no source gives.

Types are the same on every engine: timestamps are naive UTC, money has four decimals, rates and
quantities have nine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from cadran.canonical.entities import COMMON, entity
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Iterable

    import ibis.expr.types as ir

    from cadran.canonical.entities import Column

#: An expression over columns. Ibis types them loosely: what fits is decided when the expression is made.
Expr: TypeAlias = Any

#: Ibis type of each logical type of `canonical.entities`.
TYPES: dict[str, str] = {
    "text": "string",
    "int": "int64",
    "float": "float64",
    "bool": "boolean",
    "date": "date",
    "timestamp": "timestamp(6)",
    "money": "decimal(18, 4)",
    "decimal": "decimal(18, 9)",
}

MONEY = TYPES["money"]

#: Tables that are made rather than landed: business hours laid out over UTC days (`canonical.calendars`).
AUXILIARY: dict[str, dict[str, str]] = {
    "working_minutes": {
        "calendar": "string",
        "utc_on": "date",
        "valid_from": "date",
        "minutes_before": "float64",
        "first_from": "float64",
        "first_to": "float64",
        "second_from": "float64",
        "second_to": "float64",
    }
}


def schema(columns: Iterable[Column]) -> ibis.Schema:
    """The Ibis schema of a list of canonical columns, in their order."""
    return ibis.schema({column.name: TYPES[column.type] for column in columns})


def schema_of(name: str) -> ibis.Schema:
    """The schema of one entity as it is landed: common and own columns, without the ``_on`` days.

    Derived entities have their own columns only. The names in `AUXILIARY` serve too.

    Raises:
        QueryError: No entity has that name.
    """
    if name in AUXILIARY:
        return ibis.schema(AUXILIARY[name])
    found = entity(name)
    return schema(found.columns if found.derived else (*COMMON, *found.columns))


def empty(name: str) -> ir.Table:
    """The landed table of that entity without any row.

    It is plain SQL and not data in memory, so that the statement runs on any connection.

    Raises:
        QueryError: No entity has that name.
    """
    types = schema_of(name)
    one = ibis.literal(0, "int64").name("nothing").as_table()
    return one.select(**{column: ibis.null(kind) for column, kind in types.items()}).filter(ibis.literal(False))


def conform(table: ir.Table, types: ibis.Schema) -> ir.Table:
    """The table with exactly these columns, in this order and of these types; what it lacks is NULL."""
    have = set(table.columns)
    return table.select(
        **{
            name: (table[name] if table[name].type() == kind else table[name].cast(kind))
            if name in have
            else ibis.null(kind)
            for name, kind in types.items()
        }
    )


def as_int(condition: Expr) -> Expr:
    """1 where a condition holds, else 0; a cast of a boolean is not the same on every engine."""
    return ibis.ifelse(condition, 1, 0)
