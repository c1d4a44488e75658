"""Snapshots in PostgreSQL: one schema each, and a table that says which one is served.

A build is one transaction: it makes the schema of the new snapshot, fills it and moves the pointer,
so that a build that is killed at any moment leaves nothing behind. Readers keep the schema that
they opened; old schemas are dropped later, and only when nobody is reading them.
"""

from __future__ import annotations

import contextlib
import queue
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
from psycopg import sql as pgsql

from cadran.errors import StoreError
from cadran.store.dialect import ENGINES, POSTGRES
from cadran.store.postgres_types import array, copy_rows, create_columns
from cadran.store.remote import DESCRIPTIONS, Remote, described, refused
from cadran.store.settings import PASSWORD, password, shown
from cadran.store.shelf import no_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cadran.errors import Issue
    from cadran.store.settings import StoreSettings
    from cadran.store.snapshot import SnapshotWriter
    from cadran.store.warehouse import SnapshotMeta

ENGINE = ENGINES[POSTGRES]
#: Most connections that one process opens to one snapshot.
MOST_CONNECTIONS = 8
SNAPSHOTS = "snapshots"
#: Rows of one message while a table is copied.
_BATCH = 50_000
#: Milliseconds to wait for the readers of an old snapshot before it is left to the next build.
_PATIENCE = 500
#: Compiling a short statement to machine code takes longer than running it.
_OPTIONS = "-c timezone=UTC -c jit=off -c client_min_messages=warning -c standard_conforming_strings=on"


class PostgresWarehouse(Remote):
    """One snapshot in PostgreSQL, read-only. Safe for several threads, each on a connection of its own.

    Args:
        url: Address of the database.
        schema: Schema of the snapshot.
    """

    def __init__(self, url: str, schema: str) -> None:
        self._url, self._schema = url, schema
        # places for connections, each opened when it is first needed; the last one used is used again
        self._pool: queue.LifoQueue[psycopg.Connection[Any] | None] = queue.LifoQueue()
        for _ in range(MOST_CONNECTIONS):
            self._pool.put(None)
        texts = {name: self._texts(name) for name in DESCRIPTIONS}
        super().__init__(POSTGRES, texts)

    def execute(self, sql: str) -> pa.Table:
        """The rows of one statement.

        Raises:
            StoreError: The database refuses the statement, or went away.
        """
        with self._connection() as connection, connection.cursor(binary=True) as cursor:
            cursor.execute(sql.encode())
            columns, rows = cursor.description or [], cursor.fetchall()
        cells: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
        arrays = [array(column.type_code, values) for column, values in zip(columns, cells, strict=True)]
        return pa.table(arrays, names=[column.name for column in columns])

    def close(self) -> None:
        """Close every connection that is not in use."""
        with contextlib.suppress(queue.Empty):
            while True:
                if connection := self._pool.get_nowait():
                    connection.close()

    def __del__(self) -> None:
        # an older snapshot is left to those who still hold a view of it, and ends with the last of them
        self.close()

    def _texts(self, table: str) -> list[str]:
        with self._connection() as connection:
            found = connection.execute(
                pgsql.SQL("SELECT content FROM {} ORDER BY position").format(pgsql.Identifier(table))
            )
            return [content for (content,) in found.fetchall()]

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        connection = self._pool.get()
        try:
            if connection is None or connection.closed:
                path = f"-c search_path={self._schema} -c default_transaction_read_only=on"
                connection = _connect(self._url, path, autocommit=True)
            yield connection
        except psycopg.Error as error:
            raise refused(ENGINE, self._schema, error) from error
        finally:
            self._pool.put(connection)


class PostgresShelf:
    """The snapshots of a project in a PostgreSQL database.

    Args:
        settings: Address, and what the names of the schemas start with.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._url, self._prefix = settings.url, settings.schema
        self._open: psycopg.Connection[Any] | None = None

    def newest(self) -> str:
        """Name of the snapshot that is served; empty before the first build."""
        with _told(self._url):
            if self._open is None or self._open.closed:
                self._open = _connect(self._url, autocommit=True)
            return _served(self._open, self._prefix)

    def __del__(self) -> None:
        if self._open is not None:
            self._open.close()

    def open(self) -> PostgresWarehouse:
        """The snapshot that is served, open for reading.

        Raises:
            StoreError: There is none yet, or the database cannot be reached.
        """
        name = self.newest()
        if not name:
            raise no_snapshot(shown(self._url))
        return PostgresWarehouse(self._url, self._schema(name))

    def publish(
        self,
        writer: SnapshotWriter,
        meta: SnapshotMeta,
        *,
        issues: Sequence[Issue],
        files: Sequence[dict[str, Any]],
        keep: int,
        tables: Sequence[str],
    ) -> None:
        """Copy a finished snapshot into a schema of its own and serve it.

        Args:
            writer: Snapshot whose tables are all written.
            meta: What it says of itself.
            issues: Findings of the build.
            files: What was read, as plain values.
            keep: How many past snapshots stay beside the new one.
            tables: Tables that are copied.

        Raises:
            StoreError: The database cannot be reached or refuses, or another build is running.
        """
        with _told(self._url), _connect(self._url) as connection:
            self._alone(connection)
            _run(connection, "CREATE SCHEMA IF NOT EXISTS {}", self._prefix)
            kinds = "position BIGSERIAL PRIMARY KEY, name TEXT NOT NULL UNIQUE"
            _run(connection, "CREATE TABLE IF NOT EXISTS {}.{} (" + kinds + ")", self._prefix, SNAPSHOTS)
            schema = self._schema(meta.name)
            _run(connection, "CREATE SCHEMA {}", schema)
            for name in tables:
                self._copy(
                    connection, schema, name, writer.backend.con.execute(f'FROM "{name}"').to_arrow_reader(_BATCH)
                )
            for name, table in described(meta, issues, files).items():
                self._copy(connection, schema, name, table.to_reader())
            _run(connection, "INSERT INTO {}.{} (name) VALUES (%s)", self._prefix, SNAPSHOTS, values=[meta.name])
        self._prune(keep)

    def _schema(self, name: str) -> str:
        return f"{self._prefix}_{name.lower()}"

    def _alone(self, connection: psycopg.Connection[Any]) -> None:
        (is_free,) = connection.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"cadran build {self._prefix}"]
        ).fetchone() or (False,)
        if not is_free:
            raise StoreError(
                "Another build of this project is running.",
                hint="Wait until it ends, then try again.",
                where=shown(self._url),
            )

    @staticmethod
    def _copy(connection: psycopg.Connection[Any], schema: str, name: str, rows: pa.RecordBatchReader) -> None:
        columns = create_columns(rows.schema)
        _run(connection, "CREATE TABLE {}.{} (" + columns + ")", schema, name)
        statement = pgsql.SQL("COPY {}.{} FROM STDIN (FORMAT csv)").format(
            pgsql.Identifier(schema), pgsql.Identifier(name)
        )
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy_rows(copy, rows)
        _run(connection, "ANALYZE {}.{}", schema, name)

    def _prune(self, keep: int) -> None:
        """Drop the oldest snapshots so that `keep` past ones stay; one that is being read waits for the next build."""
        with _told(self._url), _connect(self._url, autocommit=True) as connection:
            found = connection.execute(
                pgsql.SQL("SELECT name FROM {}.{} ORDER BY position DESC OFFSET %s").format(
                    pgsql.Identifier(self._prefix), pgsql.Identifier(SNAPSHOTS)
                ),
                [keep + 1],
            ).fetchall()
            connection.execute(f"SET lock_timeout = {_PATIENCE}")
            for (name,) in found:
                with contextlib.suppress(psycopg.errors.LockNotAvailable), connection.transaction():
                    _run(connection, "DROP SCHEMA IF EXISTS {} CASCADE", self._schema(name))
                    _run(connection, "DELETE FROM {}.{} WHERE name = %s", self._prefix, SNAPSHOTS, values=[name])


def _served(connection: psycopg.Connection[Any], prefix: str) -> str:
    known = connection.execute("SELECT to_regclass(%s)", [f'"{prefix}".{SNAPSHOTS}']).fetchone()
    if known is None or known[0] is None:
        return ""
    found = connection.execute(
        pgsql.SQL("SELECT name FROM {}.{} ORDER BY position DESC LIMIT 1").format(
            pgsql.Identifier(prefix), pgsql.Identifier(SNAPSHOTS)
        )
    ).fetchone()
    return str(found[0]) if found else ""


def _connect(url: str, options: str = "", *, autocommit: bool = False) -> psycopg.Connection[Any]:
    about: dict[str, Any] = {"application_name": "cadran", "options": f"{_OPTIONS} {options}", "connect_timeout": 10}
    if secret := password():
        about["password"] = secret
    return psycopg.connect(url, autocommit=autocommit, **about)


def _run(connection: psycopg.Connection[Any], text: str, *names: str, values: Sequence[Any] = ()) -> None:
    """Run a statement whose names are quoted."""
    statement = pgsql.SQL(text).format(*(pgsql.Identifier(name) for name in names))
    connection.execute(statement, list(values) or None)


@contextmanager
def _told(url: str) -> Iterator[None]:
    """What the database says, in the words of who runs it."""
    try:
        yield
    except psycopg.Error as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise StoreError(
            "The database of snapshots cannot be used: {problem}.",
            hint="Check that it runs, that its user may create schemas, and the password in {variable}.",
            where=shown(url),
            problem=lines[0],
            variable=PASSWORD,
        ) from error
