"""Exported files as batches of text: CSV, TSV, workbooks, JSON lines and Parquet.

`inspect` finds out how a file is laid out, `read` gives its rows. What a file is follows from its
first bytes, because an "Excel .csv" may hold UTF-16 with tabs and an ``.xls`` may hold plain text.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa

from cadran.errors import Issue, SourceError
from cadran.sources import records, stamps, text
from cadran.sources.base import (
    BATCH_BYTES,
    BATCH_ROWS,
    ROW,
    SAMPLE_ROWS,
    Kind,
    Knows,
    Progress,
    ReadOptions,
    Shape,
    Tally,
    as_sample,
    ignore_progress,
    printable,
    unique_names,
)
from cadran.sources.layout import HEAD_ROWS, Sieve, Style, find_header, is_blank, is_commented, other_tables, trimmed
from cadran.sources.text import Chunk
from cadran.sources.workbook import Sheet, Workbook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"PK\x03\x04", "workbook"),
    (b"\xd0\xcf\x11\xe0", "workbook"),
    (b"PAR1", "parquet"),
)
_JSON_SUFFIXES = {".json", ".jsonl", ".ndjson"}
_DEFAULTS = ReadOptions()


def inspect(path: Path, options: ReadOptions = _DEFAULTS, knows: Knows | None = None) -> Shape:
    """How a file is laid out, with its first rows.

    Args:
        path: The file.
        options: What its mapping says of it.
        knows: Says whether a row looks like the header of a known export; such a row is the header.

    Raises:
        SourceError: The file is missing, empty or damaged, or an option does not fit it.
    """
    with _told(path):
        kind = _kind(path)
        if kind == "parquet":
            shape = Shape(records.Parquet(path).headers(), kind=kind)
        elif kind == "json":
            encoding, issues = text.find_encoding(path, options.encoding)
            headers = records.json_headers(path, encoding)
            shape = Shape(headers, encoding=encoding, kind=kind, decimal=".", issues=issues)
        elif kind == "workbook":
            return _inspect_workbook(path, options, knows)
        else:
            shape = _inspect_text(path, options, knows)
        first = next(_batches(path, shape, Tally(), SAMPLE_ROWS), None)
    stamp = stamps.from_name(path.name) or stamps.from_preamble(shape.preamble)
    return replace(shape, exported_at=stamp, sample=as_sample(shape.headers, first))


def read(path: Path, shape: Shape, tally: Tally, progress: Progress = ignore_progress) -> Iterator[pa.RecordBatch]:
    """The rows of a file, in batches of at most about 65 000 rows.

    Args:
        path: The file.
        shape: What `inspect` found.
        tally: Filled while the batches are taken; complete after the last one.
        progress: Told the number of rows read so far, once per batch.

    Yields:
        Batches with the columns of ``shape.headers`` and `ROW`.

    Raises:
        SourceError: The file cannot be read to its end.
    """
    tally.issues.extend(shape.issues)
    with _told(path):
        for batch in _batches(path, shape, tally, BATCH_ROWS):
            progress(tally.n_read)
            yield batch


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Failures of the machine, told as the fault of the file that they are."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError("There is no file {file}.", where=path.name, file=path.name) from error
    except UnicodeDecodeError as error:
        raise SourceError(
            "The file is not {encoding} text: its bytes from {start} on cannot be read.",
            hint="Export it again, or give its encoding in the mapping: options: {{encoding: …}}.",
            where=path.name,
            encoding=error.encoding,
            start=error.start,
        ) from error
    except OSError as error:
        raise SourceError(
            "The file cannot be read: {problem}.", permanent=False, where=path.name, problem=error.strerror or error
        ) from error


def _kind(path: Path) -> Kind:
    with path.open("rb") as file:
        head = file.read(256)
    if not head.strip():
        raise SourceError("The file is empty.", where=path.name)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<html", b"<!doctype", b"<table", b"<?xml")):
        raise SourceError(
            "This is a web page, not a table.",
            hint="Open it in a spreadsheet and save it as CSV or xlsx.",
            where=path.name,
        )
    return "json" if path.suffix.casefold() in _JSON_SUFFIXES else "text"


def _inspect_text(path: Path, options: ReadOptions, knows: Knows | None) -> Shape:
    encoding, issues = text.find_encoding(path, options.encoding)
    with text.open_text(path, encoding) as file:
        delimiter = text.find_delimiter(file.read(1 << 18), options, path.name)
    with text.open_text(path, encoding) as file:
        chunks = text.Reader(delimiter).chunks(file)
        head = list(islice((row for chunk in chunks for row in chunk.rows), max(HEAD_ROWS, options.header_row)))
    shape = _with_header(path, head, options, knows)
    return replace(shape, encoding=encoding, delimiter=delimiter, issues=issues + shape.issues)


def _with_header(path: Path, head: Sequence[Sequence[str]], options: ReadOptions, knows: Knows | None) -> Shape:
    at = options.header_row - 1 if options.header_row else find_header(head, knows)
    if at is None or at >= len(head) or is_blank(head[at]):
        raise SourceError(
            "There is no header in row {row}." if options.header_row else "The file holds no row with a value.",
            where=path.name,
            row=options.header_row,
        )
    above = [row for row in head[:at] if not is_blank(row)]
    lines = tuple(printable(" ".join(cell for cell in row if cell)) for row in above)
    issues: tuple[Issue, ...] = ()
    if is_commented(head[: at + 1]):
        earlier = [
            number for number, row in enumerate(head[:at], start=1) if len(row) > 1 and not row[0].startswith("#")
        ]
        issues = (other_tables(path.name, len(earlier), earlier[0]),) if earlier else ()
        lines = tuple(line for line, row in zip(lines, above, strict=True) if row[0].startswith("#"))
    return Shape(unique_names(list(head[at])), header_row=at + 1, preamble=lines, issues=issues)


def _inspect_workbook(path: Path, options: ReadOptions, knows: Knows | None) -> Shape:
    book = Workbook(path)
    sheet, others = _choose_sheet(book, options, knows, path)
    shape = _with_header(path, sheet.rows[: max(HEAD_ROWS, options.header_row)], options, knows)
    stamp = stamps.from_name(path.name) or stamps.from_preamble(shape.preamble)
    shape = replace(shape, kind="workbook", sheet=sheet.name, decimal=".", exported_at=stamp)
    if others and not options.sheet:
        shape = replace(shape, issues=(*shape.issues, _other_sheets(path, sheet.name, others)))
    first = next(_pack(sheet.chunks(), shape, _sieve(path, shape, Tally()), SAMPLE_ROWS), None)
    return replace(shape, sample=as_sample(shape.headers, first))


def _choose_sheet(book: Workbook, options: ReadOptions, knows: Knows | None, path: Path) -> tuple[Sheet, list[str]]:
    """The sheet to read, and the names of the others that hold something."""
    if options.sheet:
        return book.sheet(options.sheet), []
    sheets = [sheet for sheet in map(book.sheet, book.names) if sheet.rows]
    if not sheets:
        raise SourceError("The file is empty.", where=path.name)
    known = (
        sheet for sheet in sheets if knows and any(knows(unique_names(trimmed(row))) for row in sheet.rows[:HEAD_ROWS])
    )
    chosen = next(known, sheets[0])
    return chosen, [sheet.name for sheet in sheets if sheet is not chosen]


def _other_sheets(path: Path, name: str, others: list[str]) -> Issue:
    return Issue(
        "other_sheets",
        "info",
        "The sheet {sheet} is read, and these are not: {others}.",
        where=path.name,
        hint="Choose another one in the mapping: options: {{sheet: …}}.",
        params={"sheet": name, "others": ", ".join(others)},
    )


def _batches(path: Path, shape: Shape, tally: Tally, size: int) -> Iterator[pa.RecordBatch]:
    if shape.kind == "parquet":
        yield from records.Parquet(path).batches(shape.headers, tally, size)
        return
    sieve = _sieve(path, shape, tally)
    if shape.kind == "json":
        yield from _pack(records.json_chunks(path, shape), shape, sieve, size)
    elif shape.kind == "workbook":
        sheet = Workbook(path).sheet(shape.sheet)
        tally.issues.extend(_imprecise(path, shape, sheet))
        yield from _pack(sheet.chunks(), shape, sieve, size)
    else:
        with text.open_text(path, shape.encoding) as file:
            yield from _pack(text.Reader(shape.delimiter, len(shape.headers)).chunks(file), shape, sieve, size)


def _imprecise(path: Path, shape: Shape, sheet: Sheet) -> Iterator[Issue]:
    numbers = [number for number in sheet.imprecise if number > shape.header_row]
    if numbers:
        yield Issue(
            "imprecise_number",
            "warning",
            "{n} rows hold a number of more than 15 digits, whose last digits a workbook does not keep.",
            where=f"{shape.file or path.name}:{numbers[0]}",
            hint="Format such identifiers as text before the export, or export as CSV.",
            params={"n": len(numbers)},
            n_rows=len(numbers),
        )


def _sieve(path: Path, shape: Shape, tally: Tally) -> Sieve:
    style: Style = {"workbook": "padded", "json": "plain"}.get(shape.kind, "text")  # type: ignore[assignment]
    if any(line.startswith("#") for line in shape.preamble):
        style = "commented"
    return Sieve(shape.file or path.name, len(shape.headers), tally, style)


def _pack(chunks: Iterable[Chunk], shape: Shape, sieve: Sieve, size: int) -> Iterator[pa.RecordBatch]:
    """Rows after the header as batches."""
    pile = _Pile(shape.headers, sieve)
    for chunk in chunks:
        below = _below(chunk, shape.header_row)
        if below.rows:
            pile.add(*sieve.sift(below))
        if pile.n_rows >= size or pile.n_bytes >= BATCH_BYTES:
            yield pile.take()
    pile.add(*sieve.finish())
    if pile.n_rows:
        yield pile.take()


def _below(chunk: Chunk, header_row: int) -> Chunk:
    """The part of a chunk that lies below the header."""
    skip = header_row + 1 - chunk.first
    if skip <= 0:
        return chunk
    broken = {at - skip: fault for at, fault in chunk.broken.items() if at >= skip}
    return Chunk(header_row + 1, chunk.rows[skip:], broken)


@dataclass
class _Pile:
    """Rows that wait to become one batch."""

    headers: tuple[str, ...]
    sieve: Sieve
    n_rows: int = 0
    n_bytes: int = 0
    _parts: list[list[pa.Array]] = field(default_factory=list)

    def add(self, numbers: Sequence[int], rows: list[list[str]]) -> None:
        """Put rows on the pile; those with bytes that stand for no character are set aside."""
        if not rows:
            return
        try:
            columns = [pa.array(cells, pa.string()) for cells in zip(*rows, strict=True)]
        except UnicodeEncodeError:
            good = [at for at, row in enumerate(rows) if self._is_text(numbers[at], row)]
            self.add([numbers[at] for at in good], [rows[at] for at in good])
            return
        self._parts.append([*columns, pa.array(numbers, pa.int64())])
        self.n_rows += len(rows)
        self.n_bytes += sum(column.nbytes for column in columns)
        self.sieve.tally.n_landed += len(rows)

    def take(self) -> pa.RecordBatch:
        """The pile as one batch; the pile is empty again."""
        columns = [pa.concat_arrays(parts) for parts in zip(*self._parts, strict=True)]
        self._parts, self.n_rows, self.n_bytes = [], 0, 0
        return pa.record_batch(columns, names=[*self.headers, ROW])

    def _is_text(self, number: int, row: list[str]) -> bool:
        for header, cell in zip(self.headers, row, strict=True):
            if cell and printable(cell) != cell:
                self.sieve.tally.put_aside(
                    "bad_encoding",
                    "Column {column} holds bytes that stand for no character: {value}",
                    where=f"{self.sieve.file}:{number}",
                    hint="Give the encoding of the file in the mapping: options: {{encoding: …}}.",
                    column=header,
                    value=cell,
                )
                return False
        return True
