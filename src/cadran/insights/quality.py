"""How good the data is, and what its faults do to figures: asked with and without the rows that fail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cadran.canonical.entities import ENTITIES
from cadran.canonical.quality import CHECKS
from cadran.canonical.shape import known_day
from cadran.engine.query import KpiQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cadran.canonical.quality import Check
    from cadran.engine.query import Context
    from cadran.engine.result import KpiResult

    #: Counts by team and ids of the rows that fail a check; answers to questions in a context.
    RowsOf = Callable[[Check], tuple[Sequence[Mapping[str, Any]], Sequence[str]]]
    Ask = Callable[[Sequence[KpiQuery], Context], Sequence[KpiResult]]

#: Days over which figures are asked with and without rows.
DAYS = 365

#: Rows of a finding that are named; more are counted.
NAMED = 20
#: Rows that can be left out of a question to see what they do.
MOST_LEFT_OUT = 5000


@dataclass(frozen=True)
class Effect:
    """What the rows of one finding do to one figure.

    Attributes:
        kpi: Id of the KPI.
        segment: Its segment; empty for a total.
        unit: Its unit.
        with_rows: The figure as it is shown.
        without: The figure without the rows; for merged duplicates, the figure had they not been merged.
    """

    kpi: str
    segment: str
    unit: str
    with_rows: Any
    without: Any

    @property
    def points(self) -> float | None:
        """Change of a rate in points because of the rows; None for other units or without a figure."""
        if self.unit != "rate" or self.with_rows is None or self.without is None:
            return None
        return 100 * (float(self.with_rows) - float(self.without))


@dataclass(frozen=True)
class Finding:
    """One check, with the rows that fail it.

    Attributes:
        check: The check.
        n: Rows that fail.
        n_checked: Rows that were checked.
        ids: The first of them, in order; at most `NAMED`.
        effects: KPIs whose figure they change; None when it was not asked, or they are too many.
    """

    check: Check
    n: int
    n_checked: int
    ids: tuple[str, ...]
    effects: tuple[Effect, ...] | None = None

    @property
    def share(self) -> float:
        """Share of the checked rows that fail."""
        return self.n / self.n_checked if self.n_checked else 0.0


@dataclass(frozen=True)
class Score:
    """The share of checks that rows pass.

    Attributes:
        team: Team of the owners of the rows; None for rows without one.
        n_checked: Rows checked, each as often as there are checks of it.
        n_passed: How often they passed.
    """

    team: str | None
    n_checked: int
    n_passed: int

    @property
    def value(self) -> float | None:
        """Share in [0, 1], or None when nothing was checked."""
        return self.n_passed / self.n_checked if self.n_checked else None


@dataclass(frozen=True)
class Quality:
    """How good the data of a snapshot is.

    Attributes:
        findings: Checks that some row fails, in the order of `canonical.quality.CHECKS`.
        total: Score of all rows.
        teams: Score of each team, by name; rows without a team last.
    """

    findings: tuple[Finding, ...]
    total: Score
    teams: tuple[Score, ...]


def quality_of(kpis: Sequence[str], asked: Sequence[str], context: Context, rows_of: RowsOf, ask: Ask) -> Quality:
    """The findings and scores, and what each finding does to the last whole year of some KPIs.

    Merged duplicates are judged the other way round: what the figures would be had they not been merged.

    Args:
        kpis: KPIs that are asked again for each finding; none for none.
        asked: Codes of the checks whose effect is asked; empty for all.
        context: What questions mean here.
        rows_of: Gives the counts and ids of a check, as `engine.quality.checked_rows`.
        ask: Answers questions in a context, as `engine.run.answers`.
    """
    queries = [_last_year(name, context) for name in kpis]
    shown = ask(queries, context) if queries else ()
    findings: list[Finding] = []
    counted: list[Mapping[str, Any]] = []
    for check in CHECKS:
        counts, ids = rows_of(check)
        counted += counts
        if ids:
            is_asked = bool(queries) and (not asked or check.code in asked)
            changed = _without(check, ids, context) if is_asked else None
            effects = None if changed is None else _effects(shown, ask(queries, changed))
            n_checked = sum(each["n_checked"] for each in counts)
            findings.append(Finding(check, len(ids), n_checked, tuple(ids[:NAMED]), effects))
    teams = sorted({each["team"] for each in counted}, key=lambda team: (team is None, team or ""))
    return Quality(tuple(findings), _score(None, counted), tuple(_score(team, _of(team, counted)) for team in teams))


def _last_year(name: str, context: Context) -> KpiQuery:
    end = known_day(context.settings)
    return KpiQuery((name,), start=end - timedelta(days=DAYS), end=end)


def _without(check: Check, ids: Sequence[str], context: Context) -> Context | None:
    """The context in which the rows of a finding are not there; None where that cannot be asked."""
    if check.kind == "uniqueness":
        return replace(context, settings=replace(context.settings, merge_duplicates=False))
    if len(ids) > MOST_LEFT_OUT or ENTITIES[check.entity].derived:
        return None
    return replace(context, settings=replace(context.settings, without=(check.entity, tuple(ids))))


def _effects(shown: Sequence[KpiResult], other: Sequence[KpiResult]) -> tuple[Effect, ...]:
    """The figures that are not the same in two answers to the same questions."""
    left_out = {figure.key: figure.value for result in other for figure in result.figures}
    found = []
    for figure in (figure for result in shown for figure in result.figures):
        value = figure.value
        if left_out.get(figure.key) != value:
            segment = " · ".join(name or "" for name in figure.segment.values())
            found.append(Effect(figure.kpi.id, segment, figure.kpi.unit, value, left_out.get(figure.key)))
    return tuple(found)


def _of(team: str | None, counted: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [each for each in counted if each["team"] == team]


def _score(team: str | None, counted: Iterable[Mapping[str, Any]]) -> Score:
    rows = list(counted)
    n_checked = sum(each["n_checked"] for each in rows)
    return Score(team, n_checked, n_checked - sum(each["n_failed"] for each in rows))
