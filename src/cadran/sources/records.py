"""JSON lines and Parquet: files whose rows name their own columns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from cadran.errors import SourceError
from cadran.sources.base import BATCH_ROWS, ROW, SHOWN, unique_names
from cadran.sources.text import Broken, Chunk, open_text
from cadran.sources.typed import json_text, plain_batch
from cadran.sources.written import cell, loads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cadran.sources.base import Shape, Tally

_CHUNK_ROWS = 1024
#: A key of the same name as our row number, and the header that it gets.
_RENAMED = {ROW: f"{ROW} (2)"}
_KEY = {header: key for key, header in _RENAMED.items()}
_BAD_JSON = "The line is not a JSON object: {value}"


def json_headers(path: Path, encoding: str) -> tuple[str, ...]:
    """Every key of the objects of a file, in the order in which they first appear."""
    keys: dict[str, None] = {}
    for record in _objects(path, encoding):
        if isinstance(record, dict):
            keys.update(dict.fromkeys(record))
    return tuple(_RENAMED.get(key, key) for key in keys)


def json_chunks(path: Path, shape: Shape) -> Iterator[Chunk]:
    """The objects of a file as rows of text, in the order of the headers; a blank line is a row without cells."""
    keys = [_KEY.get(header, header) for header in shape.headers]
    chunk = Chunk(1, [])
    for record in _objects(path, shape.encoding):
        if isinstance(record, dict):
            chunk.rows.append([cell(record.get(key)) for key in keys])  # type: ignore[misc]
        else:
            if record is not None:
                chunk.broken[len(chunk.rows)] = Broken("bad_json", _BAD_JSON, record.strip()[:SHOWN])
            chunk.rows.append([])
        if len(chunk.rows) == _CHUNK_ROWS:
            yield chunk
            chunk = Chunk(chunk.first + _CHUNK_ROWS, [])
    if chunk.rows:
        yield chunk


def _objects(path: Path, encoding: str) -> Iterator[dict[str, Any] | str | None]:
    """Each object; the text of a line that is none; None for a blank line."""
    with open_text(path, encoding) as file:
        if path.suffix.casefold() == ".json" and _is_array(file.read(64)):
            file.seek(0)
            yield from _array(path, file.read())
            return
        file.seek(0)
        for line in file:
            yield _object(line) if not line.isspace() else None


def _is_array(start: str) -> bool:
    return start.lstrip("\ufeff \t\r\n").startswith("[")


def _array(path: Path, text: str) -> Iterator[dict[str, Any] | str]:
    try:
        records = loads(text)
    except json.JSONDecodeError as error:
        raise SourceError(
            "This is not valid JSON: {problem}.", where=f"{path.name}:{error.lineno}", problem=error.msg
        ) from error
    for record in records:
        yield record if isinstance(record, dict) else json_text(record)


def _object(line: str) -> dict[str, Any] | str:
    try:
        record = loads(line)
    except json.JSONDecodeError:
        return line
    return record if isinstance(record, dict) else line


@dataclass(frozen=True)
class Parquet:
    """A Parquet file.

    Attributes:
        path: The file.

    Raises:
        SourceError: The file is no Parquet, or it is cut.
    """

    path: Path

    def headers(self) -> tuple[str, ...]:
        """Names of the columns, each different."""
        return unique_names([str(name) for name in self._open().schema_arrow.names])

    def batches(self, headers: Sequence[str], tally: Tally, size: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The rows with their types; nested values as JSON text."""
        first = 1
        try:
            for batch in self._open().iter_batches(batch_size=size):
                tally.n_read += batch.num_rows
                tally.n_landed += batch.num_rows
                yield plain_batch(batch, headers, first)
                first += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise self._refuse(error) from error

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path)
        except (pa.ArrowException, OSError) as error:
            raise self._refuse(error) from error

    def _refuse(self, error: Exception) -> SourceError:
        return SourceError(
            "This is not a Parquet file that can be read: {problem}.", where=self.path.name, problem=error
        )
