"""The tables that KPIs are computed on: as published, or as they would have been on a past day.

A question about the past runs the same statement on the same names, after a WITH clause that says
what each table was: what was known of each landed entity at that instant, then the derivations.
The clause is made of short pieces, compiled one by one and only those that a statement needs,
because the whole as one expression takes Ibis longer to compile than the database to run.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
from ibis.expr import operations as ops

from cadran.canonical import derive, history
from cadran.canonical.entities import ENTITIES, published_columns
from cadran.canonical.schema import AUXILIARY, schema, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

#: Prefixes: every version of what was landed; what was known then; steps that derivations share.
LANDED, CURRENT, KEPT = "landed_", "current_", "kept_"


@functools.cache
def published(entity: str) -> ir.Table:
    """The published table of an entity, by name.

    Raises:
        QueryError: No entity has that name.
    """
    return ibis.table(schema(published_columns(entity)), name=entity)


def readable() -> tuple[str, ...]:
    """Names of every table that a statement may read: the published ones, and what the past is made of."""
    landed = (LANDED + name for name, entity in ENTITIES.items() if not entity.derived)
    return (*ENTITIES, *landed, *AUXILIARY)


@dataclass(frozen=True)
class Past:
    """What the tables were at a past instant.

    Attributes:
        pieces: Expression of each table by its name; each rests on tables of the snapshot and on
            pieces before it.
    """

    pieces: Mapping[str, ir.Table]

    def needed(self, expression: ir.Table) -> list[str]:
        """The pieces that an expression rests on, in the order in which they can be computed."""
        found: set[str] = set()
        waiting = [expression]
        while waiting:
            names = _names(waiting.pop()) & self.pieces.keys() - found
            found |= names
            waiting += [self.pieces[name] for name in names]
        return [name for name in self.pieces if name in found]

    def statement(self, expression: ir.Table, sql: Callable[[ir.Table], str]) -> str:
        """The statement for an expression on these tables.

        Args:
            expression: Expression over published tables.
            sql: The statement of the engine for one expression.
        """
        main = sql(expression)
        pieces = ",\n".join(f'"{name}" AS (\n{sql(self.pieces[name])}\n)' for name in self.needed(expression))
        return f"WITH {pieces},\n{main[5:]}" if main.startswith("WITH ") else f"WITH {pieces}\n{main}"


@functools.lru_cache(maxsize=8)
def past(settings: Settings) -> Past:
    """What the tables were at ``settings.known_at``."""
    landed = {
        name: ibis.table(schema_of(name), name=LANDED + name) for name, entity in ENTITIES.items() if not entity.derived
    }
    landed |= {name: ibis.table(schema_of(name), name=name) for name in AUXILIARY}
    pieces: dict[str, ir.Table] = {}

    def keep(name: str, table: ir.Table) -> ir.Table:
        pieces[name] = table
        return ibis.table(table.schema(), name=name)

    known = history.current(landed, settings.known_at)
    if settings.without:
        name, ids = settings.without
        known[name] = known[name].filter(known[name].id.notin(ids))
    current = {name: keep(CURRENT + name, table) for name, table in known.items()}
    pieces |= derive.tables(current, settings, lambda name, table: keep(KEPT + name, table))
    return Past(pieces)


@functools.lru_cache(maxsize=256)
def _names(expression: ir.Table) -> frozenset[str]:
    """The unbound tables that an expression reads."""
    return frozenset(table.name for table in expression.op().find(ops.UnboundTable))
