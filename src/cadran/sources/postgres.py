"""A table or view of PostgreSQL as Arrow batches, by a cursor that stays in the server."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa

from cadran.errors import SourceError
from cadran.sources.tables import is_query, name_parts, no_table, quoted, relation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Types that keep their type, by the name of the server; anything else comes as the server writes it.
_TYPES: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "date": pa.date32(),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
}
_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, NULL), a.atttypmod
    FROM pg_attribute a WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_TABLES = """
    SELECT CASE table_schema WHEN 'public' THEN '' ELSE table_schema || '.' END || table_name
    FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""


class Postgres:
    """A table of a PostgreSQL database.

    Args:
        url: Address of the database.
        table: Its name, with its schema where it has one, or a SELECT.
        where: The table as it may be shown.

    Raises:
        SourceError: The server cannot be reached, refuses, or has no such table.
    """

    def __init__(self, url: str, table: str, where: str) -> None:
        scheme, _, rest = url.partition("://")
        self._url = f"{scheme.partition('+')[0]}://{rest}"
        self._table, self._where = table, where

    def headers(self) -> list[str]:
        """Names of the columns."""
        with self._connect() as connection:
            return [name for name, _, _ in self._columns(connection)]

    def batches(self, size: int) -> Iterator[pa.RecordBatch]:
        """The rows as one snapshot sees them."""
        with self._connect() as connection:
            columns = self._columns(connection)
            types = [_arrow(kind, modifier) for _, kind, modifier in columns]
            chosen = ", ".join(_select(name, kind) for (name, _, _), kind in zip(columns, types, strict=True))
            with connection.cursor(name="cadran", binary=True) as cursor:
                cursor.execute(f"SELECT {chosen} FROM {relation(self._table)}".encode())
                while rows := cursor.fetchmany(size):
                    cells = zip(*rows, strict=True)
                    yield pa.record_batch(
                        [_array(values, kind) for values, kind in zip(cells, types, strict=True)],
                        names=[str(at) for at in range(len(types))],
                    )

    @contextmanager
    def _connect(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            with psycopg.connect(self._url, connect_timeout=10) as connection:
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                connection.execute("SET LOCAL TIME ZONE 'UTC'")
                yield connection
        except psycopg.Error as error:
            raise SourceError(
                "The database cannot be read: {problem}",
                hint="Check its address, and that its user may read this table.",
                where=self._where,
                permanent=not isinstance(error, psycopg.OperationalError),
                problem=str(error).strip().splitlines()[0],
            ) from error

    def _columns(self, connection: psycopg.Connection[Any]) -> list[tuple[str, str, int]]:
        if is_query(self._table):
            return _asked(connection, self._table)
        names = name_parts(self._table)
        found = connection.execute(_COLUMNS, [quoted(names)]).fetchall()
        if not found:
            known = [name for (name,) in connection.execute(_TABLES).fetchall()]
            raise no_table(names, known, self._where)
        return [(str(name), str(kind), int(modifier)) for name, kind, modifier in found]


def _asked(connection: psycopg.Connection[Any], query: str) -> list[tuple[str, str, int]]:
    """The columns of a SELECT: name, type and modifier, as `_COLUMNS` gives them of a table."""
    described = connection.execute(f"SELECT * FROM {relation(query)} LIMIT 0".encode()).description or []
    kinds = dict(connection.execute("SELECT oid::bigint, format_type(oid, NULL) FROM pg_type").fetchall())
    return [
        (c.name, str(kinds[c.type_code]), -1 if c.precision is None else (c.precision << 16 | (c.scale or 0)) + 4)
        for c in described
    ]


def _arrow(kind: str, modifier: int) -> pa.DataType:
    """The Arrow type of a column; a numeric without a scale is text, because any scale could lose digits."""
    if kind == "numeric" and modifier >= 0:
        precision, scale = (modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF
        if precision <= 38 and scale <= precision:
            return pa.decimal128(precision, scale)
    return _TYPES.get(kind, pa.string())


def _select(name: str, kind: pa.DataType) -> str:
    column = quoted([name])
    if pa.types.is_string(kind):
        return f"{column}::text"
    if pa.types.is_decimal(kind):
        return f"NULLIF({column}, 'NaN')"  # not a number: no value
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return f"CASE WHEN isfinite({column}) THEN {column} END"  # "infinity" means: never
    return column


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(kind):
        step = Decimal(1).scaleb(-kind.scale)
        values = [None if value is None else value.quantize(step) for value in values]
    return pa.array(values, kind)
