"""Alerts, week by week over 24 months of the sample company: what is raised, when, and how much of it is false.

One build is asked once; each week is judged on the weeks before it, its events dated by the day on which they
fell, so that nothing of later weeks is seen. Anomalies need a year of history: they are judged in the second one.
An alert is true where a threshold was really passed or where the planted fall explains it; all others are false.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cadran.engine.query import KpiQuery
from cadran.engine.run import answers
from cadran.insights.alert_rules import questions
from cadran.insights.alerts import changes
from cadran.insights.anomalies import READ, RECENT, Company, anomalies_of
from cadran.jobs.alerts import day_signals
from cadran.jobs.build import build_project
from cadran.jobs.demo import write_demo
from cadran.jobs.progress import silent
from cadran.jobs.sync import sync_project
from cadran.workspace import open_workspace
from evaluation.line import Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cadran.insights.alerts import Signal
    from cadran.workspace import View

WEEKS = 104
#: What is watched for anomalies in the replay: steps of the funnel. All that is watched takes six seconds a week.
WATCHED = ("stage_conversion_decided", "new_opportunities", "win_rate", "bookings")
#: Rules that a replay can judge on one build: what is dated by the day on which it fell.
RULED = ("stage_conversion_decided", "pipeline_coverage", "win_rate", "win_rate_qualified")


@dataclass(frozen=True)
class Told:
    """One change of an alert in the replay.

    Attributes:
        day: Monday on which it was told.
        what: What happened.
        signal: The signal.
    """

    day: date
    what: str
    signal: Signal


def replay(view: View, *, weeks: int = WEEKS, watched: Sequence[str] = WATCHED, late: date | None = None) -> list[Told]:
    """What would have been told on each Monday.

    Args:
        view: The sample company.
        weeks: How many weeks back.
        watched: KPIs watched for anomalies.
        late: From this day on nothing is known of what is watched, as if a sync had not come; None for never.
    """
    calendar = view.project.calendar
    last = calendar.containing(view.whole_until, "week").start
    mondays = [last - timedelta(weeks=back) for back in range(weeks - 1, -1, -1)]
    kpis = [view.kpi(name) for name in RULED]
    asked = questions(kpis, calendar, last, start=mondays[0])
    answers = list(zip(asked, view.ask_all([each.query for each in asked]), strict=True))
    past = _Past(view, watched, mondays, late)
    lasting: dict[str, Any] = {}
    kept: dict[str, Signal] = {}
    told = []
    for monday in mondays:
        found = past.anomalies(monday)
        for change in changes(day_signals(view, answers, found, monday, list(kept.values())), lasting, monday):
            key = change.signal.key
            if change.lasting is None:
                lasting.pop(key, None)
                kept.pop(key, None)
            else:
                lasting[key] = change.lasting
                kept.setdefault(key, change.signal)
            if change.what:
                told.append(Told(monday, change.what, change.signal))
    return told


class _Past:
    """Answers the questions of every week from one answer over all of them."""

    def __init__(self, view: View, watched: Sequence[str], mondays: Sequence[date], late: date | None) -> None:
        self._view, self._watched, self._late = view, tuple(watched), late
        self._company = Company(view.project.calendar, view.project.hours, view.whole_until)
        self._span = (mondays[0] - timedelta(weeks=READ), mondays[-1])
        self._kept: dict[tuple[Any, ...], Any] = {}

    def anomalies(self, monday: date) -> Any:
        """What is out of its range in the week that ends on a Monday."""
        company = replace(self._company, whole_until=monday)
        return anomalies_of(self._view.catalogue, KpiQuery(self._watched, end=monday), self._ask, company)

    def _ask(self, queries: Sequence[KpiQuery]) -> list[Any]:
        return [self._cut(query) for query in queries]

    def _cut(self, query: KpiQuery) -> Any:
        key = (query.kpis, query.by, query.grain)
        if key not in self._kept:
            start = self._span[0] if query.grain == "week" else self._span[1] - timedelta(weeks=WEEKS + RECENT)
            wide = replace(query, start=start, end=self._span[1])
            view = self._view
            (result,) = answers(view.catalogue, [wide], view._warehouse, view._context())  # noqa: SLF001
            self._kept[key] = replace(result, figures=tuple(result.figures))
        result = self._kept[key]
        chosen = (f for f in result.figures if query.start <= f.start < query.end)
        return replace(result, figures=tuple(f for f in chosen if self._late is None or f.start < self._late))


def is_false(told: Told, drop: Any) -> bool:
    """True for an alert that nothing planted and no figure explains."""
    signal = told.signal
    if told.what != "raised" or signal.kind == "threshold":
        # a threshold that was passed is a fact, which the figure says
        return False
    if signal.kind == "missing":
        # nothing is missing in the sample company
        return True
    after = told.day >= drop.day
    everything = [(signal.kpi, signal.segment), *signal.with_it]
    near = any(
        segment.get("segment", drop.segment) == drop.segment and segment.get("stage", drop.stage) == drop.stage
        for _, segment in everything
    )
    return not (after and near)


def is_drop(told: Told, drop: Any) -> bool:
    """True where an alert tells the planted fall."""
    return told.what == "raised" and told.day >= drop.day and any(
        segment.get("segment") == drop.segment and segment.get("stage") == drop.stage and name.startswith("stage_conv")
        for name, segment in [(told.signal.kpi, told.signal.segment), *told.signal.with_it]
    )  # fmt: skip


def tellable(view: View, drop: Any) -> date | None:
    """First Monday on which somebody who knows where to look, and both rates, could be sure of the fall: 20 to 1."""
    before = drop.before.numerator / drop.before.denominator
    after = drop.after.numerator / drop.after.denominator
    where = (f"segment = '{drop.segment}'", f"stage = '{drop.stage}'")
    query = KpiQuery(("stage_conversion_decided",), grain="week", start=drop.day, end=view.whole_until, where=where)
    odds = 0.0
    for reading in view.ask(query).readings:
        hits, n = int(reading.figure.numerator or 0), int(reading.figure.denominator or 0)
        odds += hits * math.log(after / before) + (n - hits) * math.log((1 - after) / (1 - before))
        if odds >= math.log(20):
            return reading.figure.end
    return None


def evaluate(seed: int, shared: Path | None) -> list[Line]:
    """Replay the sample company."""
    del seed, shared
    with tempfile.TemporaryDirectory() as folder:
        settings, planted = _company(Path(folder))
        view = open_workspace(settings.root).view()
        return lines(view, planted.drop, replay(view))


def lines(view: View, drop: Any, told: Sequence[Told]) -> list[Line]:
    """The lines of the report."""
    false = [each for each in told if is_false(each, drop)]
    quarters = WEEKS / 13
    found = next((each.day for each in told if is_drop(each, drop)), None)
    knowable = tellable(view, drop)
    per_quarter = f"{len(false)} in {WEEKS} weeks of the sample company (seed 7)"
    gap = next((each for each in told if _is_gap(each)), None)
    started = gap.signal.since if gap else None
    return [
        Line("false alerts per quarter", len(false) / quarters, None, 2.0, "at most", per_quarter),
        Line(
            "days from the first day on which the figures tell the planted fall, 20 to 1, to its alert",
            float("inf") if found is None else (found - (knowable or view.whole_until)).days,
            None,
            14.0,
            "at most",
            f"raised {found}, tellable {knowable or 'not before the data ends'}, begun {drop.day}: four cases a week",
        ),
        Line(
            "days from the planted fall itself to its alert",
            float("inf") if found is None else (found - drop.day).days,
            note="two weeks bring about eight decisions, which tell 0.55 from 0.33 to nobody",
        ),
        Line(
            "days from the first week of coverage under 2.5x in a segment to its alert",
            float("inf") if gap is None or started is None else (gap.day - started).days,
            None,
            14.0,
            "at most",
            f"{dict(gap.signal.segment) if gap else 'none'}, raised {gap.day if gap else None}",
        ),
    ]


def _is_gap(told: Told) -> bool:
    signal = told.signal
    is_raised = told.what in ("raised", "escalated") and signal.level == "alert"
    return is_raised and signal.kpi == "pipeline_coverage" and bool(signal.segment)


def _company(folder: Path) -> tuple[Any, Any]:
    from cadran.sources.demo import write_company  # noqa: PLC0415

    settings = write_demo(folder, seed=7, progress=silent)
    now = datetime(2026, 7, 2, 9)  # noqa: DTZ001 - instants are naive UTC inside
    build_project(settings, now=now, progress=silent, found=sync_project(settings, now=now, progress=silent).issues)
    with tempfile.TemporaryDirectory() as again:
        return settings, write_company(Path(again), seed=7)
