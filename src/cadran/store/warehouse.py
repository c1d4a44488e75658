"""One published snapshot, read-only: SQL in, Arrow out.

A snapshot is an immutable DuckDB file; `CURRENT` names the one that is served. Readers hold a
snapshot for as long as they like: a build writes another file and moves the pointer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir
    import pyarrow as pa

    from cadran.errors import Issue


@dataclass(frozen=True)
class SnapshotMeta:
    """What a snapshot says of itself.

    Attributes:
        name: Name of the snapshot, which sorts by time.
        known_at: UTC instant up to which its sources were read; the default "as of".
        built_at: UTC instant at which it was built.
        currency: Base currency.
        zone: Zone in which its ``_on`` columns are cut.
        counts: Rows by table.
    """

    name: str
    known_at: datetime
    built_at: datetime
    currency: str
    zone: str
    counts: dict[str, int]


class Warehouse(Protocol):
    """What the engine needs of a database that holds the canonical tables."""

    meta: SnapshotMeta

    def sql(self, expression: ir.Table) -> str:
        """The statement of this engine for an expression over unbound canonical tables; cached."""
        ...

    def execute(self, sql: str) -> pa.Table:
        """The rows of one statement, on a cursor of its own so that threads do not meet."""
        ...

    def issues(self, entities: frozenset[str]) -> tuple[Issue, ...]:
        """Findings of the build about these entities."""
        ...
