"""What each page shows, from a `View` and a `Slice`: readings in, plain data for a template out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cadran.engine.query import KpiQuery
from cadran.errors import CadranError
from cadran.period import Period, local_day
from cadran.web.slices import NOT_GIVEN, SEGMENT, Slice, course, grain_of, recent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from cadran.catalogue.definition import Board, Catalogue, Kpi
    from cadran.errors import Issue
    from cadran.insights.reading import Reading, Verdict
    from cadran.period import Grain
    from cadran.view import View


#: Data read at the very end of a day knows the whole day.
TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Tile:
    """A KPI on a board.

    Attributes:
        kpi: The KPI.
        grain: Grain in which it is shown.
        readings: Readings of the period; several for a KPI that is always broken down.
        course: Its readings over time, oldest first; empty for a KPI that is always broken down.
        error: What kept it from being read, or None.
        unfiltered: True when the segment filter does not apply to it.
    """

    kpi: Kpi
    grain: Grain
    readings: tuple[Reading, ...] = ()
    course: tuple[Reading, ...] = ()
    error: CadranError | None = None
    unfiltered: bool = False

    @property
    def reading(self) -> Reading | None:
        """The only reading of the period, or None when there are none or several."""
        return self.readings[0] if len(self.readings) == 1 else None


@dataclass(frozen=True)
class Filters:
    """What the filter bar offers.

    Attributes:
        period: Period shown.
        periods: Periods on offer, newest first.
        segments: Segments on offer; `NOT_GIVEN` for rows without one.
        boards: Boards on offer.
    """

    period: Period
    periods: tuple[Period, ...]
    segments: tuple[str, ...]
    boards: tuple[Board, ...]


@dataclass(frozen=True)
class Home:
    """The cockpit.

    Attributes:
        filters: The filter bar.
        north: The North Star, or None when the catalogue has none.
        boards: Each board with its tiles.
        readings: Every reading on the boards, each KPI once.
        attention: Readings off target, then those to watch.
        unsure: Readings of which the data cannot tell whether they are on target.
        issues: Findings that touch the figures, the gravest first.
    """

    filters: Filters
    north: Tile | None
    boards: tuple[tuple[Board, tuple[Tile, ...]], ...]
    readings: tuple[Reading, ...]
    attention: tuple[Reading, ...]
    unsure: tuple[Reading, ...]
    issues: tuple[Issue, ...]


def home(view: View, asked: Slice) -> Home:
    """The cockpit for that slice.

    Raises:
        CadranError: The question cannot be answered at all; what fails for one KPI is on its tile.
    """
    filters = _filters(view, asked)
    boards = [board for board in view.catalogue.boards if board.id == asked.team] or team_boards(view.catalogue)
    names = [name for board in boards for name in view.catalogue.steered(board)]
    tiles = _tiles(view, asked, [view.catalogue.north_star, *names])
    readings = tuple(reading for name in dict.fromkeys(names) if name in tiles for reading in tiles[name].readings)
    return Home(
        filters=filters,
        north=tiles.get(view.catalogue.north_star),
        boards=tuple(
            (board, tuple(tiles[name] for name in view.catalogue.steered(board) if name in tiles)) for board in boards
        ),
        readings=readings,
        attention=_judged(readings, "off_track") + _judged(readings, "watch"),
        unsure=_judged(readings, "cannot_tell"),
        issues=worst_first(view.issues),
    )


def team_boards(catalogue: Catalogue) -> list[Board]:
    """The boards of the teams that KPIs belong to; the others show the same KPIs to another public."""
    teams = {kpis[-1].team for kpis in catalogue.kpis.values()}
    return [board for board in catalogue.boards if board.id in teams] or list(catalogue.boards)


def today_of(view: View, asked: Slice) -> date:
    """The first day that is not wholly known in this slice."""
    today = local_day(view.meta.known_at + TICK, view.project.zone)
    return min(today, asked.as_of + timedelta(days=1)) if asked.as_of else today


def worst_first(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """Errors, then warnings, then the rest; within each, those that touch the most rows first."""
    levels = ("error", "warning", "info")
    return tuple(sorted(issues, key=lambda issue: (levels.index(issue.level), -issue.n_rows)))


def _judged(readings: Sequence[Reading], verdict: Verdict) -> tuple[Reading, ...]:
    return tuple(r for r in readings if r.verdict == verdict and r.status == "ok" and not r.figure.partial)


def _filters(view: View, asked: Slice) -> Filters:
    today = today_of(view, asked)
    return Filters(
        period=asked.period(view.project.calendar, today),
        periods=tuple(recent(view.project.calendar, asked.grain, today)),
        segments=segments(view, asked),
        boards=view.catalogue.boards,
    )


def segments(view: View, asked: Slice) -> tuple[str, ...]:
    """The segments that the filter offers: those of the North Star, or of the first KPI that has them."""
    kpi = next((kpi for kpi in _by_preference(view.catalogue) if SEGMENT in kpi.dimensions), None)
    if kpi is None:
        return ()
    calendar, today = view.project.calendar, today_of(view, asked)
    span = course(calendar, asked.period(calendar, today), asked.grain, today)
    query = KpiQuery(kpis=(kpi.id,), by=(SEGMENT,), start=span.start, end=span.end, as_of=asked.as_of)
    try:
        found = [reading.figure.segment.get(SEGMENT) for reading in view.ask(query).readings]
    except CadranError:
        return (asked.segment,) if asked.segment else ()
    names = [*(NOT_GIVEN if name is None else name for name in found), asked.segment]
    return tuple(name for name in dict.fromkeys(names) if name)


def _by_preference(catalogue: Catalogue) -> list[Kpi]:
    """The North Star, then the other KPIs that are always one number."""
    names = [catalogue.north_star, *catalogue.kpis]
    newest = [catalogue.kpis[name][-1] for name in dict.fromkeys(names) if name in catalogue.kpis]
    return [kpi for kpi in newest if not kpi.default_by]


def _tiles(view: View, asked: Slice, names: Sequence[str]) -> dict[str, Tile]:
    """A tile for each KPI that the catalogue has; KPIs that can be asked together are asked at once."""
    known = [view.kpi(name) for name in dict.fromkeys(names) if name in view.catalogue.kpis]
    groups: dict[tuple[Grain, bool, bool], list[Kpi]] = {}
    for kpi in known:
        fits = not asked.segment or SEGMENT in kpi.dimensions
        groups.setdefault((grain_of(kpi, asked.grain), fits, bool(kpi.default_by)), []).append(kpi)
    apart = [(kpi, grain) for (grain, fits, _), kpis in groups.items() if not fits for kpi in kpis]
    tiles = {kpi.id: Tile(kpi, grain, unfiltered=True) for kpi, grain in apart}
    return tiles | _asked(view, asked, [(kpis, grain) for (grain, fits, _), kpis in groups.items() if fits])


def _asked(view: View, asked: Slice, groups: Sequence[tuple[Sequence[Kpi], Grain]]) -> dict[str, Tile]:
    """Tiles of KPIs that are asked together; one by one when one of them cannot be answered."""
    calendar, today = view.project.calendar, today_of(view, asked)
    periods = [calendar.containing(asked.period(calendar, today).start, grain) for _, grain in groups]
    queries = [
        asked.query([kpi.id for kpi in kpis], course(calendar, period, grain, today), grain)
        for (kpis, grain), period in zip(groups, periods, strict=True)
    ]
    try:
        answers = view.ask_all(queries)
    except CadranError as error:
        each = [([kpi], grain) for kpis, grain in groups for kpi in kpis]
        if len(each) == 1:
            [([kpi], grain)] = each
            return {kpi.id: Tile(kpi, grain, error=error)}
        return {name: tile for one in each for name, tile in _asked(view, asked, [one]).items()}
    tiles: dict[str, Tile] = {}
    for (kpis, grain), period, answer in zip(groups, periods, answers, strict=True):
        found: dict[str, list[Reading]] = {}
        for reading in answer.readings:
            found.setdefault(reading.kpi.id, []).append(reading)
        tiles |= {kpi.id: _tile(kpi, grain, found.get(kpi.id, []), period) for kpi in kpis}
    return tiles


def _tile(kpi: Kpi, grain: Grain, readings: Sequence[Reading], period: Period) -> Tile:
    shown = tuple(reading for reading in readings if reading.figure.start == period.start)
    return Tile(kpi, grain, shown, () if kpi.default_by else tuple(readings))


def used_by(catalogue: Catalogue, name: str) -> tuple[tuple[Board, ...], tuple[Kpi, ...]]:
    """The boards that show a KPI and the KPIs that are derived from it."""
    boards = tuple(board for board in catalogue.boards if name in board.kpis)
    derived = tuple(kpis[-1] for kpis in catalogue.kpis.values() if name in kpis[-1].inputs.values())
    return boards, derived


def by_team(catalogue: Catalogue) -> tuple[tuple[str, Board | None, tuple[Kpi, ...]], ...]:
    """Each team with its board, if it has one, and the newest version of its KPIs; in the order of the boards."""
    boards = {board.id: board for board in catalogue.boards}
    newest = [kpis[-1] for kpis in catalogue.kpis.values()]
    teams = [*boards, *(kpi.team for kpi in newest)]
    found = [(team, tuple(kpi for kpi in newest if kpi.team == team)) for team in dict.fromkeys(teams)]
    return tuple((team, boards.get(team), kpis) for team, kpis in found if kpis)
