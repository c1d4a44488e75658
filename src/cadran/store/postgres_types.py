"""Types between Arrow and PostgreSQL, and rows on their way in and out."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from psycopg import sql as pgsql
from pyarrow import csv

from cadran.errors import NotSupported

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

#: Arrow type of each type of PostgreSQL that a statement may give, by its number in the catalogue.
_GIVEN: dict[int, pa.DataType] = {
    16: pa.bool_(),
    20: pa.int64(),
    21: pa.int16(),
    23: pa.int32(),
    25: pa.string(),
    700: pa.float32(),
    701: pa.float64(),
    1043: pa.string(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", "UTC"),
}
_NUMERIC = 1700
#: What a numeric without any value is: its precision is nowhere told.
_NO_DECIMAL = pa.decimal128(38, 9)
#: PostgreSQL type of each Arrow type of a snapshot. Texts sort by code point, as everywhere else.
_TAKEN: dict[pa.DataType, str] = {
    pa.bool_(): "BOOLEAN",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE PRECISION",
    pa.string(): 'TEXT COLLATE "C"',
    pa.date32(): "DATE",
    pa.timestamp("us"): "TIMESTAMP(6)",
}


def array(code: int, values: Sequence[Any]) -> pa.Array:
    """The values of one column of a statement.

    Args:
        code: Number of its type in the catalogue of PostgreSQL.
        values: Plain values; decimals keep their digits.

    Raises:
        NotSupported: The statement gives a type that figures have no use for.
    """
    if code == _NUMERIC:
        return pa.array(values) if any(value is not None for value in values) else pa.nulls(len(values), _NO_DECIMAL)
    if code not in _GIVEN:
        raise NotSupported("{engine} gives a type that is not read: {feature}.", engine="PostgreSQL", feature=code)
    return pa.array(values, _GIVEN[code])


def create_columns(schema: pa.Schema) -> str:
    """The columns of a table, as CREATE TABLE takes them.

    Raises:
        NotSupported: A column has a type that PostgreSQL has none for.
    """
    return ", ".join(f"{_quoted(field.name)} {_taken(field)}" for field in schema)


def copy_rows(copy: psycopg.Copy, rows: pa.RecordBatchReader) -> None:
    """Send rows to COPY as CSV: a text is quoted, a missing value is not."""
    for batch in rows:
        text = io.BytesIO()
        csv.write_csv(batch, text, csv.WriteOptions(include_header=False, quoting_style="needed"))
        copy.write(text.getvalue())


def _quoted(name: str) -> str:
    return pgsql.Identifier(name).as_string(None).replace("{", "{{").replace("}", "}}")


def _taken(field: pa.Field) -> str:
    if pa.types.is_decimal(field.type):
        return f"NUMERIC({field.type.precision}, {field.type.scale})"
    if field.type not in _TAKEN:
        raise NotSupported(
            "{engine} has no type for the column {feature}.",
            engine="PostgreSQL",
            feature=f"{field.name} ({field.type})",
        )
    return _TAKEN[field.type]
