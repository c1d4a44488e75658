"""Exports as the vendors write them: encodings, preambles, totals, dates and decimals of each."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING

from cadran.sources.demo_chance import utc_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from decimal import Decimal
    from pathlib import Path

#: One row of cells, as text.
Row = list[str]


@dataclass(frozen=True)
class Export:
    """One file to write.

    Attributes:
        name: File name, with the day of the export.
        headers: Header row.
        rows: Data rows, those that cannot be used included.
        entity: What the rows are, as a canonical entity.
        before: Lines above the header.
        after: Rows under the data, such as totals.
        delimiter: Character between cells.
        encoding: Encoding of the text.
        n_malformed: How many of the rows are broken on purpose.
        exported_on: Day of the export.
    """

    name: str
    headers: Sequence[str]
    rows: list[Row]
    entity: str
    exported_on: date
    before: tuple[str, ...] = ()
    after: tuple[Row, ...] = ()
    delimiter: str = ","
    encoding: str = "utf-8"
    n_malformed: int = 0

    def write(self, folder: Path) -> None:
        """Write the file, dated to the evening of its export."""
        text = io.StringIO()
        text.writelines(f"{line}\r\n" for line in self.before)
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator="\r\n")
        writer.writerow(self.headers)
        writer.writerows(self.rows)
        writer.writerows(self.after)
        path = folder / self.name
        mark = "\ufeff" if self.encoding == "utf-16-le" else ""
        path.write_bytes((mark + text.getvalue()).encode(self.encoding))
        stamp = (utc_at(self.exported_on, time(23, 59), "FR") - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001
        os.utime(path, (stamp, stamp))


def comma(amount: Decimal) -> str:
    """An amount as a French spreadsheet writes it: ``12345,60``."""
    return f"{amount:.2f}".replace(".", ",")


def plain(amount: Decimal | None) -> str:
    """An amount with a decimal point, or an empty text."""
    return "" if amount is None else f"{amount:.2f}"


def words(text: str) -> list[str]:
    """The words of a text, for headers."""
    return text.split()
