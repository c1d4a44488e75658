"""The components of one group as columns: which row holds a period and segment, and exact values.

Nothing is turned into Python objects before somebody asks for it: a page reads a few hundred figures,
a whole dashboard hundreds of thousands. Decimals are kept as whole numbers with a scale.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cadran.engine.arithmetic import EXACT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Segment = tuple[str | None, ...]


@dataclass(frozen=True)
class Column:
    """One component of every row.

    Attributes:
        values: Shape (rows,): int64 for whole numbers and decimals, float64, or objects where int64 is too small.
        scale: Digits after the point of a decimal; 0 for a whole number; None for values that are as they are.
        valid: Shape (rows,), False where there is no value; None when there is one everywhere.
    """

    values: np.ndarray[Any, Any]
    scale: int | None
    valid: np.ndarray[Any, Any] | None = None

    def at(self, row: int) -> Any:
        """One value: int, decimal, float, or None."""
        if self.valid is not None and not self.valid[row]:
            return None
        value = self.values[row]
        if self.scale is None:
            return value.item() if isinstance(value, np.generic) else value
        return Decimal(int(value)).scaleb(-self.scale, EXACT) if self.scale else int(value)

    def present(self) -> np.ndarray[Any, Any]:
        """Shape (rows,), True where there is a value other than 0."""
        found = np.asarray(self.values != 0, dtype=bool)
        return found if self.valid is None else found & self.valid

    def running(self, cells: np.ndarray[Any, Any], n_periods: int, n_segments: int) -> Column:
        """The sum of all rows up to each period, by period and segment, one after the other.

        Args:
            cells: Shape (rows,), place of the period times `n_segments` plus that of the segment.
            n_periods: Periods.
            n_segments: Segments.
        """
        values = self.values if self.valid is None else np.where(self.valid, self.values, 0)
        sums = np.zeros(n_periods * n_segments, dtype=values.dtype)
        np.add.at(sums, cells, values)
        return Column(sums.reshape(n_periods, n_segments).cumsum(axis=0).reshape(-1), self.scale)


@dataclass(frozen=True)
class Sheet:
    """The components of one group.

    Attributes:
        segments: Segments, each once.
        columns: One column per slot, in their order.
        rows: For each photograph (empty where there is none), shape (periods, segments): the row, or -1.
    """

    segments: Sequence[Segment]
    columns: Sequence[Column]
    rows: Mapping[str, np.ndarray[Any, Any]]
    _places: dict[Segment, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._places.update({segment: place for place, segment in enumerate(self.segments)})

    def get(self, column: int, photo: str, place: int, segment: Segment) -> Any:
        """A component, or None where no row gives it."""
        of_segment = self._places.get(segment)
        row = -1 if of_segment is None else self.rows[photo][place, of_segment]
        return None if row < 0 else self.columns[column].at(row)

    def chosen(
        self, photo: str, places: Sequence[int], segments: Sequence[Segment]
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Shape (periods, segments), twice: the row of each (0 where there is none), and whether there is one."""
        codes = np.array([self._places.get(segment, -1) for segment in segments], dtype=np.int64)
        if not self.segments:
            nothing = np.zeros((len(places), len(segments)), dtype=np.int64)
            return nothing, nothing.astype(bool)
        rows = self.rows[photo][np.asarray(places, dtype=np.int64)][:, codes]
        is_there = (rows >= 0) & (codes >= 0)[None, :]
        return np.where(is_there, rows, 0), is_there

    def present(self, column: int, photo: str) -> set[Segment]:
        """The segments in which a component is not 0 in some period."""
        rows = self.rows[photo]
        found = (rows >= 0) & self.columns[column].present()[rows] if len(self.columns[column].values) else rows >= 0
        return {self.segments[place] for place in np.flatnonzero(found.any(axis=0)).tolist()}


def column_of(array: pa.ChunkedArray) -> Column:
    """A column of the database as exact numbers."""
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values, valid = numbers(array)
        is_whole = pa.types.is_integer(kind)
        return Column(values.astype(np.int64 if is_whole else np.float64), 0 if is_whole else None, valid)
    valid = None if not array.null_count else _valid(_one(array))
    if pa.types.is_decimal128(kind):
        words = _words(array)
        if np.array_equal(words[:, 1], words[:, 0] >> 63):
            values = words[:, 0] if valid is None else np.where(valid, words[:, 0], 0)
            return Column(values, kind.scale, valid)
        whole = [None if v is None else int(v.scaleb(kind.scale, EXACT)) for v in array.to_pylist()]
        return Column(np.array([v or 0 for v in whole], dtype=object), kind.scale, valid)
    return Column(np.array(array.to_pylist(), dtype=object), None, valid)


def numbers(array: pa.ChunkedArray) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """Whole numbers or doubles, 0 where there is none, and whether there is one; None when there is everywhere.

    Read from the buffers: Arrow's own way to NumPy takes a third of a second to load pandas first.
    """
    one = _one(array)
    if not len(one):
        return np.zeros(0, dtype=one.type.to_pandas_dtype()), None
    values = np.frombuffer(one.buffers()[1], dtype=one.type.to_pandas_dtype())[one.offset : one.offset + len(one)]
    if not one.null_count:
        return values, None
    valid = _valid(one)
    return np.where(valid, values, values.dtype.type(0)), valid


def indices(chosen: np.ndarray[Any, Any]) -> pa.Array:
    """The places of rows that are True, for `pyarrow.Table.take`."""
    return arrow_of(np.flatnonzero(chosen).astype(np.int64), pa.int64())


def arrow_of(values: np.ndarray[Any, Any], kind: pa.DataType) -> pa.Array:
    """Numbers as an Arrow array without a copy; NaN is null. Arrow's own way loads pandas, as above.

    Args:
        values: Shape (n,): numbers as wide as those of `kind`.
        kind: Type of the array.
    """
    valid = None
    if pa.types.is_floating(kind) and np.isnan(values).any():
        valid = pa.py_buffer(np.packbits(~np.isnan(values), bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(np.ascontiguousarray(values))])


def arrow_texts(texts: Sequence[str | None]) -> pa.Array:
    """Texts as an Arrow array; None is null. For pandas, see `arrow_of`."""
    encoded = [(text or "").encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)]).astype(np.int32)
    valid = np.packbits([text is not None for text in texts], bitorder="little")
    buffers = [pa.py_buffer(valid), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)


def _one(array: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(array, pa.ChunkedArray) and not array.num_chunks:
        # to combine nothing loads pandas, as above
        return pa.nulls(0, array.type)
    one = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return pa.concat_arrays(one.chunks) if isinstance(one, pa.ChunkedArray) else one


def _valid(array: pa.Array) -> np.ndarray[Any, Any]:
    """Shape (rows,), False for a null."""
    if not array.null_count:
        return np.ones(len(array), dtype=bool)
    bits = np.frombuffer(array.buffers()[0], dtype=np.uint8)
    return np.unpackbits(bits, bitorder="little")[array.offset : array.offset + len(array)].astype(bool)


def _words(array: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Shape (rows, 2): lower and upper half of each decimal."""
    if not len(array):
        return np.zeros((0, 2), dtype=np.int64)
    one = _one(array)
    found = np.frombuffer(one.buffers()[1], dtype="<i8").reshape(-1, 2)[one.offset : one.offset + len(one)]
    return found if not one.null_count else np.where(_valid(one)[:, None], found, 0)


def coded(table: pa.Table, names: Sequence[str]) -> tuple[np.ndarray[Any, Any], list[Segment]]:
    """The segment of each row as a place in the list of segments.

    Args:
        table: Rows.
        names: Columns of the dimensions.
    """
    if not names:
        return np.zeros(table.num_rows, dtype=np.int64), [()]
    whole = np.zeros(table.num_rows, dtype=np.int64)
    words: list[list[str | None]] = []
    for name in names:
        found, labels = _labelled(table[name])
        words.append(labels)
        whole = whole * len(labels) + found
    found, codes = np.unique(whole, return_inverse=True)
    segments: list[Segment] = []
    for code in found.tolist():
        rest, segment = code, []
        for each in reversed(words):
            rest, place = divmod(rest, len(each))
            segment.append(each[place])
        segments.append(tuple(reversed(segment)))
    return codes.reshape(-1), segments


def _labelled(column: pa.ChunkedArray) -> tuple[np.ndarray[Any, Any], list[str | None]]:
    """The place of each row's text in a list of texts, None among them where one is missing."""
    if pa.types.is_dictionary(column.type):
        # the database's own codes; a missing text has none
        one = _one(column.unify_dictionaries())
        found, valid = numbers(one.indices)
        labels = one.dictionary.to_pylist()
        if valid is None:
            return found.astype(np.int64), labels
        return np.where(valid, found.astype(np.int64), len(labels)), [*labels, None]
    one = _one(pc.dictionary_encode(column, null_encoding="encode"))
    return numbers(one.indices)[0], one.dictionary.to_pylist()


def placed(keys: pa.ChunkedArray, places: Mapping[Any, int]) -> np.ndarray[Any, Any]:
    """The place of the period of each row; -1 for a key that has none."""
    if not len(keys):
        return np.zeros(0, dtype=np.int64)
    one = _one(pc.dictionary_encode(keys))
    of_key = np.array([places.get(key, -1) for key in one.dictionary.to_pylist()], dtype=np.int64)
    found, valid = numbers(one.indices)
    if not len(of_key):
        return np.full(len(keys), -1)
    return of_key[found] if valid is None else np.where(valid, of_key[found], -1)


def rows_of(places: np.ndarray[Any, Any], codes: np.ndarray[Any, Any], shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Shape (periods, segments): the row of each, or -1; rows without a place are left out."""
    found = np.full(shape, -1, dtype=np.int64)
    inside = np.flatnonzero(places >= 0)
    found[places[inside], codes[inside]] = inside
    return found
