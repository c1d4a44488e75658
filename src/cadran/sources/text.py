"""Delimited text as records: its encoding, its delimiter, and quotes that are not closed.

A broken quote may swallow thousands of rows into one cell. The quote is noticed, the row where it
opened is set aside, and reading goes on with the next line.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TextIO

from cadran.errors import Issue, SourceError
from cadran.sources.base import SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cadran.sources.base import ReadOptions

DELIMITERS = ",;\t|"
#: Stands for the delimiter of a file with one column: a character that no export holds.
_NONE = "\x1f"
#: Characters of one record at most: beyond, its quote was never closed.
MAX_RECORD = 8 << 20
#: Characters taken at a time; small chunks stay in the processor's cache, which is 3 times faster.
_CHUNK = 1 << 18
_BLOCK = 1 << 22
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Bytes that stand for no character are kept as lone surrogates, and their rows are set aside.
_ERRORS = "surrogateescape"
_QUOTED = re.compile(r'(?:(?<=[,;\t|\r\n])|\A)"(?:[^"]|"")*"(?=[,;\t|\r\n]|\Z)')
#: Lines that titles and footers may take.
_MARGIN = 20
_SEP_LINE = re.compile(r"\A\ufeff?\"?sep=(.)\"?\s*[\r\n]", re.IGNORECASE)


@dataclass
class Chunk:
    """Some records in a row.

    Attributes:
        first: Number of the first record.
        rows: Cells of each record; no cells where the record is broken.
        broken: Why a record is broken, by its place in `rows`.
    """

    first: int
    rows: list[list[str]]
    broken: dict[int, Broken] = field(default_factory=dict)


@dataclass(frozen=True)
class Broken:
    """A record that cannot be read: the kind of fault, and the text that shows it."""

    code: str
    message: str
    value: str


_BAD_QUOTE = "A quote opens in this row and is not closed as it should be: {value}"


def find_encoding(path: Path, wanted: str = "") -> tuple[str, tuple[Issue, ...]]:
    """The encoding of a text file, and what is doubtful about it.

    The whole file is tried, because the only accent may be in the last row.

    Args:
        path: The file.
        wanted: Encoding that a mapping asks for, or empty.

    Raises:
        SourceError: The wanted encoding does not exist, or the file is UTF-16 cut in the middle.
    """
    if wanted:
        return _known_codec(wanted, path), ()
    with path.open("rb") as file:
        head = file.read(4096)
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name, ()
    if wide := _without_mark(head):
        return wide, ()
    good, bad = _utf8_census(path)
    if not bad:
        return "utf-8", ()
    if good > bad:
        return "utf-8", ()  # UTF-8 with some broken bytes: their rows are set aside while reading
    return "cp1252", (_mixed(path, good),) if good else ()


def _known_codec(name: str, path: Path) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise SourceError(
            "There is no text encoding named {name}.",
            hint="Use utf-8, cp1252, iso-8859-15, utf-16 or mac-roman.",
            where=path.name,
            name=name,
        ) from error


def _without_mark(head: bytes) -> str:
    """UTF-16 that does not say so: nearly every second byte is NUL."""
    half = len(head) // 2
    if half < 4:
        return ""
    if head[1::2].count(0) > 0.8 * half and not head[0::2].count(0):
        return "utf-16-le"
    return "utf-16-be" if head[0::2].count(0) > 0.8 * half and not head[1::2].count(0) else ""


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _utf8_census(path: Path) -> tuple[int, int]:
    """Characters beyond ASCII, and bytes that no UTF-8 character explains; not counted in good UTF-8."""
    if _is_utf8(path):
        return 0, 0
    decoder = codecs.getincrementaldecoder("utf-8")(_ERRORS)
    good = bad = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            text = decoder.decode(block)
            broken = len(re.findall("[\udc80-\udcff]", text))
            bad += broken
            good += len(re.findall("[^\x00-\x7f]", text)) - broken
    return good, bad + len(decoder.decode(b"", final=True))


def _mixed(path: Path, good: int) -> Issue:
    return Issue(
        "mixed_encoding",
        "warning",
        "The file is read as cp1252, but {n} of its characters look like UTF-8.",
        where=path.name,
        hint="If accents look wrong, give the encoding in the mapping: options: {{encoding: utf-8}}.",
        params={"n": good},
    )


def open_text(path: Path, encoding: str) -> TextIO:
    """The file as text, line ends as written; bytes that stand for no character become lone surrogates."""
    errors = "strict" if encoding.startswith("utf-16") else _ERRORS
    return path.open(encoding=encoding, errors=errors, newline="")


def find_delimiter(text: str, options: ReadOptions, where: str) -> str:
    """The character that cuts most lines of a text into the same number of cells, outside quotes; empty if none does.

    Args:
        text: Start of the file.
        options: May say what the delimiter is.
        where: File, for messages.

    Raises:
        SourceError: The wanted delimiter is not one character.
    """
    wanted = "\t" if options.delimiter.casefold() in {"tab", "\\t"} else options.delimiter
    if len(wanted) > 1:
        raise SourceError(
            "The delimiter {value} is not one character.",
            hint="Use one of , ; | or tab.",
            where=where,
            value=repr(wanted),
        )
    if wanted:
        return wanted
    if said := _SEP_LINE.match(text):
        return said[1]
    lines = [line for line in _QUOTED.sub("Q", text).replace("\r", "\n").split("\n") if line.strip()]
    lines = [line for line in lines if not line.startswith("#")] or lines
    best = max(DELIMITERS, key=lambda mark: _consistency(lines, mark))
    return best if _consistency(lines, best)[0] else ""


def _consistency(lines: list[str], mark: str) -> tuple[float, int, int]:
    """How well a mark cuts lines: the share that agrees, from which line on, into how many cells.

    The share counts from the first line that agrees to the last one that anything cuts, so that
    titles and footers do not matter. It is rounded: a few ragged rows are no reason to prefer the decimal commas of the
    other rows, which only start below the header.
    """
    counts = [line.count(mark) for line in lines]
    usual = Counter(count for count in counts if count)
    if not usual:
        return 0.0, 0, 0
    number = max(usual, key=lambda count: (usual[count], count))
    start = counts.index(number)
    end = max(at for at, line in enumerate(lines, start=1) if any(mark in line for mark in DELIMITERS))
    between = counts[start:end]
    agreeing, without = between.count(number), counts.count(0)
    few = agreeing == 1 and number == 1 and start > 0
    if few or 2 * between.count(0) > len(between) or without > max(agreeing, _MARGIN):
        return 0.0, 0, 0  # prose with a comma here and there
    return round(agreeing / len(between), 1), -start, number


@dataclass
class Reader:
    """The records of a delimited text.

    Attributes:
        delimiter: The character between cells; empty when there is one column.
        width: Number of cells of the header, or 0 while it is unknown.
    """

    delimiter: str
    width: int = 0

    def chunks(self, file: TextIO, number: int = 1) -> Iterator[Chunk]:
        """The records of an open file from where it stands, the first one with that number."""
        csv.field_size_limit(MAX_RECORD)
        lines: list[str] = []
        size = _CHUNK
        while True:
            more = file.readlines(size)
            lines += more
            rows, broken, used = self._records(lines, final=not more)
            if rows:
                yield Chunk(number, rows, broken)
                number += len(rows)
            if not more:
                return
            lines = lines[used:]
            # a record longer than what was read: read twice as much, so that work stays linear
            size = max(_CHUNK, 2 * sum(map(len, lines)))

    def _records(self, lines: list[str], *, final: bool) -> tuple[list[list[str]], dict[int, Broken], int]:
        """Records of some lines, the broken ones, and how many lines they took; an open record is left."""
        rows: list[list[str]] = []
        broken: dict[int, Broken] = {}
        start = 0
        while start < len(lines):
            start, end, fault = self._run(lines, start, rows)
            if not fault:
                break
            if fault == "open" and not final and sum(map(len, lines[start:])) < MAX_RECORD:
                break
            swallowed = fault == "swallowed" or self._are_rows(lines[start + 1 : end])
            broken[len(rows)] = Broken("bad_quote", _BAD_QUOTE, lines[start].strip()[:SHOWN])
            rows.append([])
            start = start + 1 if swallowed else end
        return rows, broken, start

    def _run(self, lines: list[str], start: int, rows: list[list[str]]) -> tuple[int, int, str]:
        """Add records to `rows` up to the first fault: the lines of the faulty record, and the fault."""
        reader = csv.reader(islice(lines, start, None), delimiter=self.delimiter or _NONE, strict=True)
        at = start
        try:
            for row in reader:
                end = start + reader.line_num
                if end - at > 1 and self._swallowed(row, lines[at:end]):
                    return at, end, "swallowed"
                rows.append(row)
                at = end
        except csv.Error as error:
            return at, start + reader.line_num, "open" if "end of data" in str(error) else "bad"
        return at, at, ""

    def _swallowed(self, row: list[str], lines: list[str]) -> bool:
        """Whether a record over several lines is in truth several records that a stray quote joined.

        With the right number of cells, each of its lines must look like a record of its own, on
        enough lines and cells that a pasted address or note cannot be taken for one.
        """
        if len(row) != self.width:
            return self._are_rows(lines[1:])
        marks = self.width - 1
        return marks * (len(lines) - 1) >= 12 and all(line.count(self.delimiter or _NONE) == marks for line in lines)

    def _are_rows(self, lines: list[str]) -> bool:
        """Whether lines, read on their own, are mostly records of the width of the header."""
        reader = csv.reader(lines, delimiter=self.delimiter or _NONE, strict=True)
        good = 0
        try:
            for row in reader:
                good += len(row) == self.width
        except csv.Error:
            pass
        return (self.width - 1) * good >= 6 and 2 * good >= min(len(lines), reader.line_num)
