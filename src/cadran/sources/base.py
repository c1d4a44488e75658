"""What a reader is told, what it finds out about a source, and how it accounts for every row.

Conventions of the room: cells of a file are text exactly as written (NULL only where the format
has one), columns of a database keep their types, and column `ROW` numbers the rows as a person
who opens the file in a spreadsheet sees them, header included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pyarrow as pa

from cadran.errors import Issue

if TYPE_CHECKING:
    from datetime import datetime

#: Version of the readers: a landing made by another one is read again.
READER = 1
#: Column that numbers the rows of the source.
ROW = "_row"
#: Rows of one record batch.
BATCH_ROWS = 65_536
#: Bytes after which a batch is closed although it has fewer rows, so that memory stays bounded.
BATCH_BYTES = 64 << 20
#: Rows kept in `Shape.sample`.
SAMPLE_ROWS = 1_000
#: Issues kept one by one; later ones are counted in a last one, so that memory stays bounded.
MAX_ISSUES = 1_000
#: Characters of a faulty row that are shown.
SHOWN = 200

Kind = Literal["text", "workbook", "json", "parquet", "table"]
#: Receives the number of rows read so far.
Progress: TypeAlias = Callable[[int], None]
#: Says whether a row looks like the header of a known export.
Knows: TypeAlias = Callable[[tuple[str, ...]], bool]

#: What exports leave around a header: byte order mark, the required mark, odd spaces.
_HEADER_EDGES = "\ufeff\u200b\u00a0\u202f* \t\r\n"


@dataclass(frozen=True)
class ReadOptions:
    """What a mapping says of its files; empty or 0 means: find out.

    Attributes:
        encoding: Name of the text encoding.
        delimiter: The character between cells, or ``tab``.
        header_row: Number of the header's row, from 1.
        sheet: Name of the sheet of a workbook.
        decimal: Decimal separator; for the mapping, reading does not use it.
        dates: Order of the parts of a date; for the mapping, reading does not use it.
    """

    encoding: str = ""
    delimiter: str = ""
    header_row: int = 0
    sheet: str = ""
    decimal: str = ""
    dates: str = ""


@dataclass(frozen=True)
class Shape:
    """How a source is laid out, and all that is needed to read it.

    Attributes:
        headers: Names of the columns, each different.
        encoding: Text encoding, or empty.
        delimiter: The character between cells; empty when there is one column.
        header_row: Number of the header's row, 0 where the format has none.
        sheet: Sheet of a workbook, or empty.
        preamble: What the rows above the header say.
        exported_at: When the source says it was exported: naive when it is the wall clock of the
            company, aware when the source gives a zone, the last second of the day when it gives
            a day only; None when the source does not say.
        sample: The first rows, at most `SAMPLE_ROWS`, with column `ROW`.
        kind: What holds the rows.
        decimal: Decimal separator of the numbers that the reader itself wrote as text (workbooks
            and JSON hold numbers, not their spelling), or empty when cells are as written.
        issues: Findings about the source as a whole.
        file: The file as findings about its rows name it; its bare name when empty.
    """

    headers: tuple[str, ...]
    encoding: str = ""
    delimiter: str = ""
    header_row: int = 0
    sheet: str = ""
    preamble: tuple[str, ...] = ()
    exported_at: datetime | None = None
    sample: pa.Table = field(default_factory=lambda: pa.table({}), compare=False)
    kind: Kind = "text"
    decimal: str = ""
    issues: tuple[Issue, ...] = ()
    file: str = ""

    def read_options(self) -> dict[str, Any]:
        """What decides how the source is read, as JSON values: part of the identity of a landing."""
        return {
            "reader": READER,
            "kind": self.kind,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "header_row": self.header_row,
            "sheet": self.sheet,
            "decimal": self.decimal,
            "headers": list(self.headers),
        }


@dataclass
class Tally:
    """Where every row of a source went, filled while it is read.

    ``n_read = n_landed + n_set_aside + n_blank + n_totals + n_footers + n_other``.

    Attributes:
        n_read: Rows after the header.
        n_landed: Rows given to the caller.
        n_blank: Rows without a value.
        n_totals: Rows of totals, which would count everything twice.
        n_footers: Lines of a report's footer.
        n_other: Rows of other tables in the same file.
        set_aside: Rows that are broken, with the reason; `n_rows` of each says how many.
        issues: Findings that set no row aside, those of the shape included.
    """

    n_read: int = 0
    n_landed: int = 0
    n_blank: int = 0
    n_totals: int = 0
    n_footers: int = 0
    n_other: int = 0
    set_aside: list[Issue] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)

    @property
    def n_set_aside(self) -> int:
        """Rows set aside."""
        return sum(issue.n_rows for issue in self.set_aside)

    @property
    def balance(self) -> int:
        """Rows that are not accounted for; anything but 0 is a fault of the reader."""
        return self.n_read - (
            self.n_landed + self.n_set_aside + self.n_blank + self.n_totals + self.n_footers + self.n_other
        )

    def put_aside(self, code: str, message: str, *, where: str, hint: str = "", **params: object) -> None:
        """Count one broken row and say why it is broken."""
        params = {name: printable(value) if isinstance(value, str) else value for name, value in params.items()}
        if len(self.set_aside) < MAX_ISSUES:
            self.set_aside.append(Issue(code, "error", message, where=where, hint=hint, params=params, n_rows=1))
            return
        more = 1 if len(self.set_aside) == MAX_ISSUES else self.set_aside.pop().n_rows + 1
        self.set_aside.append(
            Issue(
                "more_set_aside",
                "error",
                "{n} more rows were set aside.",
                where=where.rpartition(":")[0],
                params={"n": more},
                n_rows=more,
            )
        )


def ignore_progress(n_rows: int) -> None:
    """Take no notice of how far reading is."""


def printable(text: str) -> str:
    """Text in which bytes that stand for no character are question marks, so that it can be written."""
    return text.encode("utf-8", "replace").decode("utf-8")


def clean_header(text: str) -> str:
    """A header without what exports leave around it."""
    return printable(text).strip(_HEADER_EDGES)


def unique_names(cells: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Headers that are each different: a second ``Name`` is ``Name (2)``, an empty third one ``Column 3``."""
    names: list[str] = []
    taken = {ROW}
    wanted = {clean_header(cell) for cell in cells}
    for number, cell in enumerate(cells, start=1):
        base = clean_header(cell) or f"Column {number}"
        name, copy = base, 1
        while name in taken or (copy > 1 and name in wanted):
            copy += 1
            name = f"{base} ({copy})"
        taken.add(name)
        names.append(name)
    return tuple(names)


def as_sample(headers: tuple[str, ...], batch: pa.RecordBatch | None) -> pa.Table:
    """The first rows of a source as a table; without a row, text columns and `ROW`."""
    if batch is None:
        names = [*headers, ROW]
        return pa.table([pa.array([], pa.string()) for _ in headers] + [pa.array([], pa.int64())], names=names)
    return pa.table(batch.slice(0, SAMPLE_ROWS))
