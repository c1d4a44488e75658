"""The records of a read as batches of text: each record once, as it was read last.

A page may come twice, out of order, or after the record changed again. Of several readings of one
record the one with the greatest cursor counts, and of equal ones the later.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cadran.sources.base import BATCH_ROWS, ROW
from cadran.sources.live.stream import GONE
from cadran.sources.written import Written, cell, dumps, loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cadran.sources.base import Tally
    from cadran.sources.live.stream import Record, Stream


def comparable(value: Any) -> tuple[int, float, str]:
    """A cursor that can be compared: numbers as numbers, times and other texts as they are written."""
    if value is None or value == "":
        return (0, 0.0, "")
    if isinstance(value, Written | int | float):
        return (1, float(value), "")
    return (2, 0.0, str(value))


class Newest:
    """The records of some pages, each once.

    Args:
        pages: Gives the pages as JSON arrays, the same ones each time.
        stream: Says what tells records apart and which reading counts.
    """

    def __init__(self, pages: Callable[[], Iterable[str]], stream: Stream) -> None:
        self._pages, self._stream = pages, stream
        self._best: dict[str, int] = {}
        headers: dict[str, None] = {}
        cursors: dict[str, tuple[int, float, str]] = {}
        for at, record in enumerate(self._records()):
            headers.update(dict.fromkeys(record))
            key, cursor = key_of(record, stream), comparable(record.get(stream.cursor))
            if key not in self._best or cursor >= cursors[key]:
                self._best[key] = at
                cursors[key] = cursor
        known = [cursor for cursor in cursors.values() if cursor[0]]
        self.cursors = (_told(min(known)), _told(max(known))) if known else ("", "")
        self._headers = tuple(header for header in headers if header != ROW)

    @property
    def keys(self) -> set[str]:
        """The keys of the records, each as a JSON array."""
        return set(self._best)

    def headers(self, gone: Mapping[str, Record] | None = None) -> tuple[str, ...]:
        """The fields of the records, in the order in which they first appear."""
        told = (name for record in (gone or {}).values() for name in record)
        more = [*self._stream.key, *told, GONE] if gone else []
        return tuple(dict.fromkeys((*self._headers, *more)))

    def batches(
        self, tally: Tally, gone: Mapping[str, Record] | None = None, gone_at: str = ""
    ) -> Iterator[pa.RecordBatch]:
        """The records as text, with `ROW`, in the order in which they were read.

        Args:
            tally: Counts them.
            gone: Records that are no longer there by key, as they were known last; each gets a row of its own.
            gone_at: When they were found to be gone.
        """
        headers = self.headers(gone)
        wanted = set(self._best.values())
        kept = (record for at, record in enumerate(self._records()) if at in wanted)
        last = sorted((gone or {}).items())
        missing = ({**record, **_fields(key, self._stream), GONE: gone_at} for key, record in last)
        for found in (kept, missing):
            while rows := list(islice(found, BATCH_ROWS)):
                first = tally.n_read + 1
                tally.n_read += len(rows)
                tally.n_landed += len(rows)
                columns = [pa.array([cell(row.get(header)) for row in rows], pa.string()) for header in headers]
                numbers = pa.array(range(first, first + len(rows)), pa.int64())
                yield pa.record_batch([*columns, numbers], names=[*headers, ROW])

    def _records(self) -> Iterator[Record]:
        for page in self._pages():
            yield from loads(page)


def key_of(record: Record, stream: Stream) -> str:
    """What tells a record from others, as a JSON array of texts."""
    return dumps([cell(record.get(name)) or "" for name in stream.key])


def _fields(key: str, stream: Stream) -> dict[str, str]:
    return dict(zip(stream.key, loads(key), strict=True))


def _told(cursor: tuple[int, float, str]) -> str:
    return cursor[2] or f"{cursor[1]:.0f}"
