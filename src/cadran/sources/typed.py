"""Typed columns as every later room can take them: plain types kept, nested values as JSON text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cadran.sources.base import ROW

if TYPE_CHECKING:
    from collections.abc import Sequence


def plain_batch(batch: pa.RecordBatch, headers: Sequence[str], first_row: int) -> pa.RecordBatch:
    """A batch with plain columns named by the headers, and `ROW` counting from `first_row`."""
    columns = [plain_column(column) for column in batch.columns]
    rows = pa.array(range(first_row, first_row + batch.num_rows), pa.int64())
    return pa.record_batch([*columns, rows], names=[*headers, ROW])


def plain_column(column: pa.Array) -> pa.Array:
    """A column without dictionaries, nested values, nanoseconds or large offsets."""
    if pa.types.is_dictionary(column.type):
        return plain_column(column.dictionary_decode())
    if pa.types.is_nested(column.type):
        return pa.array([None if value is None else json_text(value) for value in column.to_pylist()], pa.string())
    if _is_bytes(column.type):
        return _bytes_text(column)
    target = plain_type(column.type)
    return column if target == column.type else column.cast(target, safe=False)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type that a column of that type gets."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if pa.types.is_date(kind):
        return pa.date32()
    if pa.types.is_decimal256(kind):
        return pa.string()
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return kind if is_number or pa.types.is_boolean(kind) else pa.string()


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _bytes_text(column: pa.Array) -> pa.Array:
    """Bytes as text where they are text, which is how some writers store it, and as hexadecimal otherwise."""
    try:
        return column.cast(pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([None if value is None else value.hex() for value in column.to_pylist()], pa.string())


def json_text(value: Any) -> str:
    """A nested value as JSON; what JSON has no form for is written as text."""
    return json.dumps(value, ensure_ascii=False, default=str)
