"""Workbooks as records of text: dates in ISO, numbers without artefacts, errors as they are shown."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import python_calamine as calamine

from cadran.errors import SourceError, did_you_mean
from cadran.sources.text import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: From here on a workbook no longer holds every digit of a number.
IMPRECISE = 10**15
_CHUNK_ROWS = 1024
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_ERROR_CELL = re.compile(rb'<c\b(?=[^>]*\bt="e")[^>]*\br="([A-Z]+)(\d+)"[^>]*>(?:(?!</c>).)*?<v>([^<]*)</v>', re.DOTALL)


@dataclass
class Sheet:
    """The cells of one sheet as text.

    Attributes:
        name: Name of the sheet.
        rows: Rows from the first row of the sheet, all of the same width.
        imprecise: Numbers of the rows that hold a number of more than 15 digits.
    """

    name: str
    rows: list[list[str]]
    imprecise: list[int]

    def chunks(self, start: int = 1) -> Iterator[Chunk]:
        """The rows from a row number on."""
        for at in range(start - 1, len(self.rows), _CHUNK_ROWS):
            yield Chunk(at + 1, self.rows[at : at + _CHUNK_ROWS])


class Workbook:
    """The sheets of a workbook (xlsx, xls, xlsb or ods).

    Raises:
        SourceError: The file is protected by a password, or is no workbook.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._book = calamine.CalamineWorkbook.from_path(str(path))
        except calamine.PasswordError as error:
            raise SourceError(
                "The workbook is protected by a password.", hint="Save it without one.", where=path.name
            ) from error
        except (calamine.CalamineError, OSError) as error:
            raise SourceError(
                "This is not a workbook that can be read: {problem}.", where=path.name, problem=error
            ) from error

    @property
    def names(self) -> list[str]:
        """Names of the sheets, the visible ones first."""
        hidden = {
            sheet.name for sheet in self._book.sheets_metadata if sheet.visible != calamine.SheetVisibleEnum.Visible
        }
        return sorted(self._book.sheet_names, key=hidden.__contains__)

    def sheet(self, name: str) -> Sheet:
        """A sheet as text.

        Raises:
            SourceError: The workbook has no such sheet, or it cannot be read.
        """
        if name not in self._book.sheet_names:
            raise SourceError(
                "The workbook has no sheet named {sheet}.",
                hint="Did you mean {near}?" if did_you_mean(name, self.names) else "Its sheets are: {sheets}.",
                where=self._path.name,
                sheet=name,
                near=did_you_mean(name, self.names),
                sheets=", ".join(self.names),
            )
        try:
            cells = self._book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        except calamine.CalamineError as error:
            raise SourceError(
                "The sheet {sheet} cannot be read: {problem}.", where=self._path.name, sheet=name, problem=error
            ) from error
        imprecise = [at for at, row in enumerate(cells, start=1) if any(map(_is_imprecise, row))]
        rows = [[cell if type(cell) is str else cell_text(cell) for cell in row] for row in cells]
        for (row, column), text in error_cells(self._path, name).items():
            if row < len(rows) and column < len(rows[row]) and not rows[row][column]:
                rows[row][column] = text
        width = max((_filled(row) for row in rows), default=0)
        return Sheet(name, [row[:width] for row in rows], imprecise)


def _is_imprecise(cell: Any) -> bool:
    return isinstance(cell, int | float) and abs(cell) >= IMPRECISE


def _filled(row: list[str]) -> int:
    """Cells up to the last one that holds something."""
    return next((len(row) - at for at, cell in enumerate(reversed(row)) if cell), 0)


def cell_text(cell: Any) -> str:
    """A cell as text: ``2026-01-31 10:15:00``, ``100000``, ``0.3``, ``true``."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return number_text(cell)
    if isinstance(cell, datetime):
        # a workbook stores a time as a fraction of a day, exact to about a millisecond
        rounded = cell + timedelta(microseconds=500)
        rounded = rounded.replace(microsecond=rounded.microsecond // 1000 * 1000)
        return rounded.isoformat(sep=" ", timespec="milliseconds" if rounded.microsecond else "seconds")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        seconds = round(cell.total_seconds())
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return "" if cell is None else str(cell)


def number_text(number: float) -> str:
    """A number with the 15 digits that a workbook keeps, never with an exponent, a whole one without ``.0``."""
    if number == int(number):
        return str(int(number))
    return f"{Decimal(f'{number:.15g}'):f}"


def error_cells(path: Path, sheet: str) -> dict[tuple[int, int], str]:
    """Cells that hold an error such as ``#REF!``, by row and column from 0.

    The workbook reader gives them as empty, which would turn a broken formula into "no amount".
    Only xlsx files say it in a way that is read here; others give no cell.
    """
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        part = _sheet_part(archive, sheet)
        if not part:
            return {}
        text = archive.read(part)
    found = _ERROR_CELL.findall(text)
    return {(int(row) - 1, _column(letters.decode())): value.decode() for letters, row, value in found}


def _sheet_part(archive: zipfile.ZipFile, sheet: str) -> str:
    names = set(archive.namelist())
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
        return ""
    book = ET.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314 - the workbook reader has parsed it before
    targets = ET.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    wanted = next((item.get(_RELATION) for item in book.iter(f"{_MAIN}sheet") if item.get("name") == sheet), None)
    target = next((str(item.get("Target")) for item in targets if item.get("Id") == wanted), "")
    part = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
    return part if part in names else ""


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
