"""One published snapshot, read-only: SQL in, Arrow out.

A snapshot is an immutable DuckDB file; `CURRENT` names the one that is served. Readers hold a
snapshot for as long as they like: a build writes another file and moves the pointer.
"""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol

import duckdb

from cadran.errors import Issue, StoreError
from cadran.store.dialect import DUCKDB, statement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import ibis.expr.types as ir
    import pyarrow as pa

#: Tables of a snapshot that describe it, beside the canonical ones.
META, ISSUES, FILES = "_meta", "_issues", "_files"
#: Table that describes sums kept with a snapshot, beside the canonical tables; a snapshot may have none.
ROLLUPS = "_rollups"
#: Table of what larger tables hold, by which statements are planned; likewise.
SHAPES = "_shapes"
#: Table of what the engine compiled of the catalogue at the build; likewise.
FRAGMENTS = "_fragments"
#: Table of the days of each photograph, by the statement that finds them; likewise.
PHOTOS = "_photos"
#: Statements whose days are kept in memory: those that many questions share.
MOST_REMEMBERED = 256


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
    dialect: str
    fuses: bool
    rollups: tuple[dict[str, Any], ...]
    shapes: tuple[dict[str, Any], ...]

    def sql(self, expression: ir.Table) -> str:
        """The statement of this engine for an expression over unbound canonical tables; cached."""
        ...

    def execute(self, sql: str) -> pa.Table:
        """The rows of one statement, on a cursor of its own so that threads do not meet."""
        ...

    def days(self, sql: str) -> Sequence[date]:
        """The days that a statement gives, in order, which is asked over and over."""
        ...

    def kept(self, name: str) -> tuple[dict[str, Any], ...]:
        """The plain values that a build kept with the snapshot under that name."""
        ...

    def issues(self, entities: frozenset[str]) -> tuple[Issue, ...]:
        """Findings of the build about these entities, and those about none in particular."""
        ...


class RowsOnly(ABC):
    """A warehouse beside whose rows nothing is kept, and that is asked by the statements of Ibis alone.

    Attributes:
        fuses: See `DuckDBWarehouse`, as for the others.
        rollups: None.
        shapes: None.
    """

    fuses: bool = False
    rollups: tuple[dict[str, Any], ...] = ()
    shapes: tuple[dict[str, Any], ...] = ()

    @abstractmethod
    def execute(self, sql: str) -> pa.Table:
        """The rows of one statement."""

    def days(self, sql: str) -> Sequence[date]:
        """The days of a statement, which is run again."""
        return _days(self.execute(sql))

    def kept(self, _name: str) -> tuple[dict[str, Any], ...]:
        """Nothing."""
        return ()


class Snapshot(Warehouse, Protocol):
    """A published snapshot, open for reading by any number of threads."""

    files: tuple[dict[str, Any], ...]

    def issues(self, entities: frozenset[str] = frozenset()) -> tuple[Issue, ...]:
        """Findings of the build about these entities, or all findings when none is named."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class DuckDBWarehouse:
    """A snapshot in a DuckDB file, open for reading.

    Args:
        path: File of the snapshot.

    Attributes:
        meta: What the snapshot says of itself.
        dialect: Name of the engine, as `store.dialect` has it.
        files: What was read, one mapping of plain values per file.
        fuses: Statements may be written in the SQL of DuckDB, which reads many breakdowns in one pass.
        rollups: What describes the sums that are kept with the snapshot, as plain values.
        shapes: What its larger tables hold, as plain values.
    """

    dialect = DUCKDB
    fuses = True

    def __init__(self, path: Path) -> None:
        try:
            self._connection = duckdb.connect(str(path), read_only=True)
            self._meta_text = self._text(META)
        except duckdb.Error as error:
            raise StoreError(
                "The snapshot {name} cannot be read: {problem}.",
                hint="Run `cadran build` to make a new one.",
                where=path.name,
                name=path.stem,
                problem=str(error).splitlines()[0],
            ) from error
        self.meta = described_meta(json.loads(self._meta_text[0]))
        self.files: tuple[dict[str, Any], ...] = tuple(json.loads(text) for text in self._text(FILES))
        self._issues = tuple(Issue(**json.loads(text)) for text in self._text(ISSUES))
        self.rollups: tuple[dict[str, Any], ...] = self.kept(ROLLUPS)
        self.shapes: tuple[dict[str, Any], ...] = self.kept(SHAPES)
        self._statements: dict[object, str] = {}
        self._days: OrderedDict[str, Sequence[date]] = OrderedDict(
            (each["sql"], [date.fromisoformat(day) for day in each["days"]]) for each in self.kept(PHOTOS)
        )
        self._lock = threading.Lock()

    def sql(self, expression: ir.Table) -> str:
        """The DuckDB statement for an expression; compiled once."""
        key = expression.op()
        with self._lock:
            if key not in self._statements:
                self._statements[key] = statement(expression, self.dialect)
            return self._statements[key]

    def execute(self, sql: str) -> pa.Table:
        """The rows of one statement, on a cursor of its own.

        Raises:
            StoreError: The database refuses the statement.
        """
        cursor = self._connection.cursor()
        try:
            return cursor.execute(sql).to_arrow_table()
        except duckdb.Error as error:
            raise StoreError(
                "The database refused a statement: {problem}.", where=self.meta.name, problem=str(error).splitlines()[0]
            ) from error
        finally:
            cursor.close()

    def days(self, sql: str) -> Sequence[date]:
        """The days that a statement gives, asked over and over: nothing of a snapshot ever changes."""
        with self._lock:
            found = self._days.get(sql)
        if found is None:
            found = _days(self.execute(sql))
            with self._lock:
                self._days[sql] = found
                while len(self._days) > MOST_REMEMBERED:
                    self._days.popitem(last=False)
        return found

    def issues(self, entities: frozenset[str] = frozenset()) -> tuple[Issue, ...]:
        """Findings of the build about these entities, or all findings when none is named."""
        return tuple(i for i in self._issues if not entities or not i.entity or i.entity in entities)

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    def kept(self, name: str) -> tuple[dict[str, Any], ...]:
        """The plain values that a build kept with the snapshot under that name; none for a snapshot without."""
        try:
            return tuple(json.loads(text) for text in self._text(name))
        except duckdb.CatalogException:
            return ()

    def _text(self, table: str) -> list[str]:
        rows = self._connection.cursor().execute(f'SELECT content FROM "{table}" ORDER BY position').fetchall()
        return [row[0] for row in rows]


def _days(rows: pa.Table) -> list[date]:
    return [day for day in rows.column(0).to_pylist() if day]


def described_meta(values: dict[str, Any]) -> SnapshotMeta:
    """What a snapshot says of itself, from the plain values that it was written as."""
    times = {name: datetime.fromisoformat(values[name]) for name in ("known_at", "built_at")}
    return SnapshotMeta(**(values | times))
