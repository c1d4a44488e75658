"""Tables and views of a database as typed batches: PostgreSQL, DuckDB and SQLite files.

The database is only read: PostgreSQL in one read-only snapshot, files opened read-only. Numbers,
booleans, dates and timestamps keep their types; anything else comes as text.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NoReturn, Protocol
from urllib.parse import unquote, urlsplit

import duckdb
import pyarrow as pa

from cadran.errors import SourceError
from cadran.sources import tables
from cadran.sources.base import (
    BATCH_ROWS,
    SAMPLE_ROWS,
    Progress,
    Shape,
    Tally,
    as_sample,
    ignore_progress,
    unique_names,
)
from cadran.sources.typed import plain_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

_SCHEMES = "postgresql://, duckdb:/// and sqlite:///"
#: Types of DuckDB that are read as they are; nested ones as JSON, others as text.
_DUCKDB_KEPT = re.compile(
    r"BOOLEAN|U?(?:TINY|SMALL|BIG)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(.*\)|VARCHAR|DATE|TIMESTAMP.*", re.IGNORECASE
)
_DUCKDB_NESTED = re.compile(r".*\[\d*\]|(?:STRUCT|MAP|UNION)\(.*\)", re.IGNORECASE | re.DOTALL)


class _Engine(Protocol):
    """What each kind of database does its own way."""

    def headers(self) -> list[str]:
        """Names of the columns."""

    def batches(self, size: int) -> Iterator[pa.RecordBatch]:
        """The rows, without `ROW`."""


def inspect_table(url: str, table: str) -> Shape:
    """The columns of a table or view, with its first rows.

    Args:
        url: ``postgresql://user@host/database``, ``duckdb:///file`` or ``sqlite:///file``.
        table: Its name, with its schema where it has one: ``public.deals``; or a SELECT.

    Raises:
        SourceError: The database cannot be reached, or has no such table.
    """
    engine = _engine(url, table)
    headers = unique_names(engine.headers())
    rows = _rows(engine, headers, Tally(), SAMPLE_ROWS)
    first = next(rows, None)
    rows.close()  # gives the connection back
    return Shape(headers, kind="table", decimal=".", sample=as_sample(headers, first))


def read_table(
    url: str, table: str, shape: Shape, tally: Tally, progress: Progress = ignore_progress
) -> Iterator[pa.RecordBatch]:
    """The rows of a table or view, in batches.

    Args:
        url: See `inspect_table`.
        table: See `inspect_table`.
        shape: What `inspect_table` found.
        tally: Filled while the batches are taken.
        progress: Told the number of rows read so far, once per batch.

    Yields:
        Batches with the columns of ``shape.headers`` and `ROW`, which counts from 1.

    Raises:
        SourceError: The database cannot be reached, or the table changed since it was inspected.
    """
    engine = _engine(url, table)
    if unique_names(engine.headers()) != shape.headers:
        raise SourceError(
            "The columns of {table} changed while it was read.", where=table, permanent=False, table=table
        )
    for batch in _rows(engine, shape.headers, tally, BATCH_ROWS):
        progress(tally.n_read)
        yield batch


def _rows(engine: _Engine, headers: Sequence[str], tally: Tally, size: int) -> Generator[pa.RecordBatch]:
    for batch in engine.batches(size):
        first = tally.n_read + 1
        tally.n_read += batch.num_rows
        tally.n_landed += batch.num_rows
        yield plain_batch(batch, headers, first)


def _engine(url: str, table: str) -> _Engine:
    scheme = urlsplit(url).scheme.partition("+")[0]
    if scheme in {"postgresql", "postgres"}:
        return _postgres(url, table, tables.place(url, table))
    if scheme in {"duckdb", "sqlite"}:
        path = unquote(urlsplit(url).path.removeprefix("/"))
        return (_DuckDb if scheme == "duckdb" else _Sqlite)(path, table, tables.place(url, table))
    raise SourceError(
        "A database address cannot start with {scheme}.",
        hint="Use {schemes}.",
        where=table,
        scheme=repr(scheme),
        schemes=_SCHEMES,
    )


def _postgres(url: str, table: str, where: str) -> _Engine:
    try:
        from cadran.sources.postgres import Postgres  # noqa: PLC0415 - psycopg comes with an extra
    except ImportError as error:
        raise SourceError(
            "Reading PostgreSQL needs a package that is not installed.",
            hint="Run: pip install cadran[postgres]",
            where=where,
        ) from error
    return Postgres(url, table, where)


class _DuckDb:
    """A table of a DuckDB file."""

    def __init__(self, path: str, table: str, where: str) -> None:
        self._path, self._table, self._where = path, table, where
        self._relation = tables.relation(table)

    def headers(self) -> list[str]:
        with closing(self._connect()) as connection:
            return [name for name, _ in self._columns(connection)]

    def batches(self, size: int) -> Iterator[pa.RecordBatch]:
        with closing(self._connect()) as connection:
            chosen = ", ".join(_duckdb_column(name, kind) for name, kind in self._columns(connection))
            try:
                yield from connection.execute(f"SELECT {chosen} FROM {self._relation}").to_arrow_reader(size)
            except duckdb.Error as error:
                _fail(error, self._where)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        try:
            return duckdb.connect(self._path, read_only=True)
        except duckdb.Error as error:
            _fail(error, self._where)

    def _columns(self, connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
        try:
            found = connection.execute(f"DESCRIBE SELECT * FROM {self._relation}").fetchall()
        except duckdb.CatalogException as error:
            if tables.is_query(self._table):
                _fail(error, self._where)
            known = connection.execute(
                "SELECT table_schema || '.' || table_name FROM information_schema.tables"
            ).fetchall()
            raise tables.no_table(
                tables.name_parts(self._table), [name.removeprefix("main.") for (name,) in known], self._where
            ) from error
        return [(row[0], row[1]) for row in found]


def _duckdb_column(name: str, kind: str) -> str:
    column = tables.quoted([name])
    if _DUCKDB_NESTED.fullmatch(kind):
        return f"CAST(to_json({column}) AS VARCHAR) AS {column}"
    return column if _DUCKDB_KEPT.fullmatch(kind) else f"CAST({column} AS VARCHAR) AS {column}"


class _Sqlite:
    """A table of an SQLite file: whole and decimal numbers where a column holds nothing else, text otherwise."""

    def __init__(self, path: str, table: str, where: str) -> None:
        self._path, self._table, self._where = path, table, where
        self._relation = tables.relation(table)

    def headers(self) -> list[str]:
        with closing(self._connect()) as connection:
            cursor = self._execute(connection, f"SELECT * FROM {self._relation} LIMIT 0")
            return [item[0] for item in cursor.description]

    def batches(self, size: int) -> Iterator[pa.RecordBatch]:
        headers = self.headers()
        with closing(self._connect()) as connection:
            casts = [self._cast(connection, name) for name in headers]
            cursor = self._execute(connection, f"SELECT * FROM {self._relation}")
            while rows := cursor.fetchmany(size):
                columns = [cast(cells) for cast, cells in zip(casts, zip(*rows, strict=True), strict=True)]
                yield pa.record_batch(columns, names=[str(at) for at in range(len(columns))])

    def _cast(self, connection: sqlite3.Connection, name: str) -> Callable[[Sequence[object]], pa.Array]:
        column = tables.quoted([name])
        found = self._execute(connection, f"SELECT DISTINCT typeof({column}) FROM {self._relation}").fetchall()
        kinds = {kind for (kind,) in found} - {"null"}
        if kinds == {"integer"}:
            return lambda cells: pa.array(cells, pa.int64())
        if kinds and kinds <= {"integer", "real"}:
            return lambda cells: pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())  # type: ignore[arg-type]
        return lambda cells: pa.array([_sqlite_text(cell) for cell in cells], pa.string())

    def _connect(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)
        except sqlite3.Error as error:
            _fail(error, self._where)

    def _execute(self, connection: sqlite3.Connection, statement: str) -> sqlite3.Cursor:
        try:
            return connection.execute(statement)
        except sqlite3.Error as error:
            if "no such table" in str(error) and not tables.is_query(self._table):
                known = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
                raise tables.no_table(
                    tables.name_parts(self._table), [name for (name,) in known], self._where
                ) from error
            _fail(error, self._where)


def _sqlite_text(cell: object) -> str | None:
    if isinstance(cell, bytes):
        return cell.hex()
    return None if cell is None else str(cell)


def _fail(error: Exception, where: str) -> NoReturn:
    raise SourceError("The database cannot be read: {problem}", permanent=False, where=where, problem=error) from error
