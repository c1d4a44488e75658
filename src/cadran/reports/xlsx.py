"""A report as a workbook: real numbers with formats, so that they can be added up, and the course of each KPI."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cadran.catalogue.words import DATED
from cadran.charts.verdict import badge
from cadran.errors import NotSupported
from cadran.reports.content import name_of

if TYPE_CHECKING:
    from cadran.charts import Words
    from cadran.engine.result import Number
    from cadran.insights.reading import Reading
    from cadran.reports.content import Report

#: Formats of Excel by unit; a spreadsheet writes separators as its own language does.
FORMATS = {
    "rate": "0.0%",
    "count": "#,##0",
    "days": "0.0",
    "hours": "0.0",
    "months": "0.0",
    "multiple": '0.0"×"',
}
#: Signs of currencies that are no letters; others are written by their code.
SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}


def format_of(unit: str, currency: str) -> str:
    """The number format of a unit."""
    if unit in ("money", "money_per_day"):
        return f'#,##0.00 "{SIGNS.get(currency, currency)}"'
    return FORMATS[unit]


def as_xlsx(report: Report, words: Words) -> bytes:
    """The report as a workbook of three sheets: read me, KPIs, course.

    Raises:
        NotSupported: The package that writes workbooks is not installed.
    """
    try:
        import xlsxwriter  # noqa: PLC0415 - only workbooks need it
    except ModuleNotFoundError as error:
        raise NotSupported(
            "A workbook needs a package that is not installed: {package}.",
            hint="Install it: pip install 'cadran[reports]'.",
            where="xlsx",
            package="xlsxwriter",
        ) from error
    target = io.BytesIO()
    # a text that starts with = is a text: a name from a CRM must not become a formula
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(target, options)
    made = report.made_at.astimezone(UTC).replace(tzinfo=None) if report.made_at.tzinfo else report.made_at
    book.set_properties({"title": report.title(words), "company": report.company, "created": made})
    _Book(book, report, words).write()
    book.close()
    return target.getvalue()


class _Book:
    """A workbook while it is written."""

    def __init__(self, book: Any, report: Report, words: Words) -> None:
        self.book, self.report, self.words = book, report, words
        self.head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self.wrap = book.add_format({"text_wrap": True, "valign": "top"})
        self.day = book.add_format({"num_format": "yyyy-mm-dd", "align": "left"})
        self._formats: dict[str, Any] = {}

    def write(self) -> None:
        readme, kpis, course = (self.book.add_worksheet(self.words.say(name)) for name in ("Read me", "KPIs", "Course"))
        self._readme(readme)
        places = self._course(course)
        self._kpis(kpis, course.get_name(), places)
        kpis.activate()

    def _readme(self, sheet: Any) -> None:
        say = self.words.say
        sheet.set_column(0, 0, 32)
        sheet.set_column(1, 1, 90, self.wrap)
        sheet.write(0, 0, self.report.title(self.words), self.head)
        row = 2
        for name, text in self.report.slice(self.words):
            sheet.write_row(row, 0, (name, text))
            row += 1
        sheet.write_row(row + 1, 0, (say("KPI"), say("Definition"), say("Version"), say("Owner")), self.head)
        for line in self.report.lines:
            kpi, language = line.kpi, self.words.language
            told = kpi.formula.get(language, "") or kpi.descriptions.get(language, "")
            notes = [note.text(language) for r in line.readings for note in r.figure.notes]
            text = " ".join([told, say(DATED[kpi.basis]), *dict.fromkeys(notes)])
            sheet.write_row(row + 2, 0, (kpi.name(language), text, kpi.version, kpi.owner))
            row += 1

    def _kpis(self, sheet: Any, course: str, places: dict[str, tuple[int, int]]) -> None:
        say = self.words.say
        names = ("Board", "KPI", "Id", "From", "To", "Value", "Low, 95%", "High, 95%", "n", "Numerator", "Denominator",
                 "Target", "Change", "Verdict", "Note", "Course")  # fmt: skip
        sheet.write_row(0, 0, [say(name) for name in names], self.head)
        sheet.freeze_panes(1, 2)
        sheet.set_column(0, 0, 16)
        sheet.set_column(1, 1, 38)
        sheet.set_column(2, 15, 14)
        row = 1
        for section in self.report.sections:
            for line in section.lines:
                for reading in line.readings:
                    self._reading(sheet, row, section.title, name_of(line, reading, self.words), reading)
                    if line.kpi.id in places:
                        at, n = places[line.kpi.id]
                        options = {"range": f"'{course}'!{_cell(at, 2)}:{_cell(at, 1 + n)}", "markers": True}
                        sheet.add_sparkline(row, 15, options)
                    row += 1
                if not line.readings:
                    sheet.write_row(row, 0, (section.title, line.kpi.name(self.words.language), line.kpi.id))
                    sheet.write(row, 14, say(line.problem or "There is no data in this period.", **dict(line.params)))
                    row += 1
        sheet.autofilter(0, 0, max(row - 1, 1), 14)

    def _reading(self, sheet: Any, row: int, board: str, name: str, reading: Reading) -> None:
        figure, kpi = reading.figure, reading.kpi
        sheet.write_row(row, 0, (board, name, kpi.id))
        for column, day in ((3, figure.start), (4, figure.end)):
            sheet.write_datetime(row, column, datetime(day.year, day.month, day.day), self.day)  # noqa: DTZ001 - a day
        target = reading.target.value if reading.target else None
        change = reading.change.delta if reading.change else None
        for column, value in ((5, reading.value), (6, reading.low), (7, reading.high), (11, target), (12, change)):
            self._number(sheet, row, column, value, kpi.unit)
        sheet.write_number(row, 8, figure.n, self._format("count"))
        for column, value in ((9, figure.numerator), (10, figure.denominator)):
            if value is not None:
                sheet.write_number(row, column, float(value), self._plain())
        sheet.write(row, 13, badge(reading, self.words).label)
        template = reading.reason or figure.reason
        if template:
            sheet.write(row, 14, self.words.say(template, **dict(reading.reason_params or figure.reason_params)))

    def _course(self, sheet: Any) -> dict[str, tuple[int, int]]:
        """Write one row per KPI and one column per period; where each KPI's row is, and how long."""
        sheet.write_row(0, 0, [self.words.say(name) for name in ("KPI", "Id")], self.head)
        sheet.set_column(0, 0, 38)
        sheet.set_column(1, 40, 14)
        sheet.freeze_panes(0, 2)
        places: dict[str, tuple[int, int]] = {}
        row = 0
        for line in self.report.lines:
            if not line.course:
                continue
            # periods differ from KPI to KPI by their grain, so that each has its own heads
            heads = [self.words.period(r.figure.start, r.figure.end, short=True) for r in line.course]
            sheet.write_row(row, 2, heads, self.head)
            sheet.write_row(row + 1, 0, (line.kpi.name(self.words.language), line.kpi.id))
            for place, reading in enumerate(line.course):
                self._number(sheet, row + 1, place + 2, reading.value, reading.kpi.unit)
            places[line.kpi.id] = (row + 1, len(line.course))
            row += 2
        return places

    def _number(self, sheet: Any, row: int, column: int, value: Number | None, unit: str) -> None:
        if value is not None:
            sheet.write_number(row, column, float(value), self._format(unit))

    def _format(self, unit: str) -> Any:
        text = format_of(unit, self.report.currency)
        return self._formats.setdefault(text, self.book.add_format({"num_format": text}))

    def _plain(self) -> Any:
        return self._formats.setdefault("#,##0.##", self.book.add_format({"num_format": "#,##0.##"}))


def _cell(row: int, column: int) -> str:
    """The absolute name of a cell, from 0; a course never has more columns than one letter."""
    return f"${chr(ord('A') + column)}${row + 1}"
