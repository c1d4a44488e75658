"""Reports: the boards of a team in a period and a slice, written in the formats that people open."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from cadran.charts import Words
from cadran.engine.query import KpiQuery
from cadran.errors import CadranError, ConfigError, QueryError
from cadran.insights.course import course, grain_of
from cadran.jobs.review import board_of
from cadran.period import local_day
from cadran.reports import Line, Report, Section, as_html, as_pdf, as_png, as_xlsx

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from pathlib import Path

    from cadran.catalogue.definition import Board, Kpi
    from cadran.period import Grain
    from cadran.view import View

FORMATS = ("html", "pdf", "xlsx", "png")


def report_of(  # noqa: PLR0913 - what a report is about
    view: View,
    teams: Sequence[str],
    language: str,
    *,
    now: datetime,
    grain: Grain = "month",
    start: date | None = None,
    where: Sequence[str] = (),
) -> Report:
    """What a report says.

    Args:
        view: What the person may read.
        teams: Boards, in order.
        language: Language of the titles.
        now: A naive UTC instant.
        grain: Length of the period.
        start: A day of the period; the last whole one by default.
        where: Predicates that every row fulfils.

    Raises:
        QueryError: No board has that name.
    """
    boards = [board_of(view.catalogue, team) for team in dict.fromkeys(teams)]
    if not boards:
        raise QueryError("No board was asked for.", hint="Name one, such as sales.", where="team")
    calendar = view.project.calendar
    today = local_day(view.meta.known_at, view.project.zone)
    period = calendar.containing(start or today, grain)
    if start is None and period.end > today:
        period = calendar.previous(period, grain)
    shown = [name for board in boards for name in view.catalogue.steered(board)]
    names = dict.fromkeys(name for name in shown if name in view.catalogue.kpis)
    lines = {name: _line(view, view.kpi(name), grain, period.start, today, tuple(where)) for name in names}
    return Report(
        company=view.project.company,
        sections=tuple(_section(board, lines, language) for board in boards),
        period=period,
        grain=grain,
        where=tuple(where),
        known_at=view.meta.known_at,
        made_at=now,
        snapshot=view.meta.name,
        currency=view.meta.currency,
    )


def write_report(view: View, report: Report, formats: Sequence[str], folder: Path, language: str) -> list[Path]:
    """Write a report in some formats; the files that were written.

    Args:
        view: What the person may read.
        report: What it says.
        formats: Among `FORMATS`; ``png`` writes one image per KPI.
        folder: Where; made when it does not exist.
        language: ``fr`` or ``en``.

    Raises:
        ConfigError: The folder cannot be written.
        NotSupported: A package that a format needs is not installed.
    """
    words = Words(language, report.currency, view.project.calendar, view.project.zone)
    boards = "-".join(section.title for section in report.sections)
    stem = _slug(f"{report.company} {boards} {report.period.start.isoformat()}")
    found: dict[str, bytes] = {}
    for name in formats:
        match name:
            case "html":
                found[f"{stem}.html"] = as_html(report, words).encode()
            case "pdf":
                found[f"{stem}.pdf"] = as_pdf(report, words)
            case "xlsx":
                found[f"{stem}.xlsx"] = as_xlsx(report, words)
            case _:
                found |= {f"{stem}-{_slug(kpi)}.png": image for kpi, image in as_png(report, words).items()}
    return [_written(folder / name, data) for name, data in found.items()]


def _written(path: Path, data: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise ConfigError(
            "{folder} cannot be written: {problem}.",
            hint="Name a folder that you may write to.",
            where=str(path.parent),
            folder=str(path.parent),
            problem=error.strerror or "",
        ) from error
    return path


def _line(view: View, kpi: Kpi, wanted: Grain, start: date, today: date, where: tuple[str, ...]) -> Line:
    calendar, grain = view.project.calendar, grain_of(kpi, wanted)
    period = calendar.containing(start, grain)
    span = course(calendar, period, grain, today)
    counted = view.catalogue.kpi(kpi.id, on=period.start)
    query = KpiQuery((kpi.id,), grain=grain, start=span.start, end=span.end, where=where, compare="previous")
    try:
        readings = view.ask(query).readings
    except CadranError as error:
        return Line(counted, problem=error.message, params=tuple(error.params.items()))
    shown = tuple(r for r in readings if r.figure.start == period.start)
    return Line(counted, shown, () if kpi.default_by else tuple(readings))


def _section(board: Board, lines: dict[str, Line], language: str) -> Section:
    title = board.labels.get(language) or board.id
    return Section(title, board.questions.get(language, ""), tuple(lines[name] for name in board.kpis if name in lines))


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_-]+", "-", plain).strip("-")
