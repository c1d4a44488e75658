"""The tables that KPIs are computed on: as published, or as they would have been on a past day.

A question about the past runs the same statement on the same names, after a WITH clause that says
what each table was: what was known of each landed entity at that instant, then the derivations.
The clause is made of the pieces of `derivations` that the statement needs.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cadran.canonical.entities import ENTITIES, published_columns
from cadran.canonical.schema import AUXILIARY, schema
from cadran.deferred import ibis
from cadran.store.dialect import statement as statement_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings
    from cadran.engine.derivations import Piece
    from cadran.store.warehouse import Warehouse


@functools.cache
def published(entity: str) -> ir.Table:
    """The published table of an entity, by name.

    Raises:
        QueryError: No entity has that name.
    """
    return ibis.table(schema(published_columns(entity)), name=entity)


def readable() -> tuple[str, ...]:
    """Names of every table that a statement may read: the published ones, and what the past is made of."""
    from cadran.engine.derivations import LANDED  # noqa: PLC0415 - of no use to questions about today

    landed = (LANDED + name for name, entity in ENTITIES.items() if not entity.derived)
    return (*ENTITIES, *landed, *AUXILIARY)


@dataclass(frozen=True)
class Past:
    """What the tables were at a past instant.

    Attributes:
        settings: See there; ``known_at`` is that instant.
    """

    settings: Settings

    def statement(self, expression: ir.Table, warehouse: Warehouse) -> str:
        """The statement for an expression on these tables.

        Args:
            expression: Expression over published tables.
            warehouse: Whose engine will run it.
        """
        every = self._pieces(warehouse.dialect)
        main = warehouse.sql(expression)
        needed = _needed(every, _names(expression))
        pieces = ",\n".join(f'"{name}" AS (\n{every[name].sql}\n)' for name in needed)
        return f"WITH {pieces},\n{main[5:]}" if main.startswith("WITH ") else f"WITH {pieces}\n{main}"

    def _pieces(self, dialect: str) -> dict[str, Piece]:
        from cadran.engine.derivations import CURRENT, derivations  # noqa: PLC0415 - of no use to questions about today

        every = derivations(self.settings, dialect)
        if not self.settings.without:
            return every
        name, ids = self.settings.without
        whole, left = f"whole_{name}", every[CURRENT + name]
        rows = ibis.table(left.types, name=whole)
        fewer = replace(left, reads=(whole,), sql=statement_of(rows.filter(rows.id.notin(ids)), dialect))
        return {whole: replace(left, name=whole), **every, CURRENT + name: fewer}


def statement(expression: ir.Table, warehouse: Warehouse, past: Past | None) -> str:
    """The statement for an expression over published tables, as they are or as they were."""
    return past.statement(expression, warehouse) if past else warehouse.sql(expression)


def _needed(pieces: Mapping[str, Piece], names: Iterable[str]) -> list[str]:
    """The pieces that those tables rest on, in the order in which they can be computed."""
    found: set[str] = set()
    waiting = [name for name in names if name in pieces]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [read for read in pieces[name].reads if read in pieces]
    return [name for name in pieces if name in found]


@functools.lru_cache(maxsize=256)
def _names(expression: ir.Table) -> frozenset[str]:
    """The unbound tables that an expression reads."""
    return frozenset(table.name for table in expression.op().find(ibis.expr.operations.UnboundTable))
