"""Alerts of a company judged week by week over two years, from one build that is asked once.

Each week is judged on the weeks before it, its events dated by the day on which they fell, so that nothing of later
weeks is seen. Rules of what later weeks still change (answers that are still awaited) cannot be judged so and are
left out. In the weeks of `LATE` the export of the CRM did not come: nothing is known of what happened since.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from cadran.engine.query import KpiQuery
from cadran.engine.run import answers
from cadran.insights.alert_rules import questions
from cadran.insights.alerts import changes
from cadran.insights.anomalies import READ, RECENT, Company, anomalies_of
from cadran.jobs.alerts import day_signals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cadran.insights.alert_rules import Asked
    from cadran.insights.alerts import Signal
    from cadran.insights.reading import Reading, Readings
    from cadran.view import View

WEEKS = 104
#: What is watched for anomalies in the replay: steps of the funnel. All that is watched takes six seconds a week.
WATCHED = ("stage_conversion_decided", "new_opportunities", "win_rate", "bookings")
#: Rules that a replay can judge on one build: what is dated by the day on which it fell, or waits for its window.
RULED = (
    "stage_conversion_decided", "pipeline_coverage", "win_rate", "win_rate_qualified", "mql_to_sql", "reply_rate",
    "reply_rate_by_message", "outreach_bounce_rate", "cac_payback_months", "ltv_to_cac", "nrr", "grr",
)  # fmt: skip
#: Syncs that did not come: weeks before the last Monday, and how many Mondays later the data was there.
LATE = {70: 2, 40: 1, 30: 2, 6: 1}
#: What comes from the export that is late.
FROM_CRM = frozenset({"opportunity"})


@dataclass(frozen=True)
class Told:
    """One change of an alert in the replay.

    Attributes:
        day: Day on which it was told.
        what: What happened.
        signal: The signal.
        is_late: True where the last sync had not come.
    """

    day: date
    what: str
    signal: Signal
    is_late: bool = False


@dataclass(frozen=True)
class Replayed:
    """What a replay told.

    Attributes:
        told: What was told, in order.
        answers: Rules with the readings of all weeks.
        days: Days on which it was judged.
        late: Of them, those on which the last sync had not come, with the first day of which nothing was known.
    """

    told: tuple[Told, ...]
    answers: tuple[tuple[Asked, Readings], ...]
    days: tuple[date, ...]
    late: Mapping[date, date]


def replay(view: View, *, weeks: int = WEEKS, watched: Sequence[str] = WATCHED) -> Replayed:
    """What would have been told on each Monday, and on the Thursdays of every eighth week, whose week is not over.

    Args:
        view: The company.
        weeks: How many weeks back.
        watched: KPIs watched for anomalies; with none, rules are judged alone, and every sync comes.
    """
    calendar = view.project.calendar
    last = calendar.containing(view.whole_until, "week").start
    late = dict(_late(last)) if watched else {}
    mondays = [last - timedelta(weeks=back) for back in range(weeks - 1, -1, -1)]
    days = sorted([*mondays, *(each + timedelta(days=3) for each in mondays[:-1:8] if each not in late)])
    kpis = [view.kpi(name) for name in RULED]
    asked = questions(kpis, calendar, last + timedelta(weeks=1), start=mondays[0])
    found = tuple(zip(asked, view.ask_all([each.query for each in asked]), strict=True))
    past, standing = _Past(view, watched, mondays), Standing()
    told: list[Told] = []
    for day in days:
        since = late.get(day)
        known = [(each, _known(answer, since)) for each, answer in found]
        unusual = past.anomalies(day, since) if watched else None
        signals = day_signals(view, known, unusual, day, standing.kept)
        told += [Told(day, what, signal, since is not None) for what, signal in standing.step(signals, day)]
    return Replayed(tuple(told), found, tuple(days), late)


def _late(last: date) -> Iterator[tuple[date, date]]:
    """Mondays on which the last sync had not come, and the first day of which nothing was known."""
    for back, mondays in LATE.items():
        since = last - timedelta(weeks=back + 1)
        for each in range(mondays):
            yield since + timedelta(weeks=each + 1), since


class Standing:
    """The alerts that last, from one day to the next."""

    def __init__(self) -> None:
        self._lasting: dict[str, Any] = {}
        self._kept: dict[str, Signal] = {}

    @property
    def kept(self) -> list[Signal]:
        """Signals by which they were raised."""
        return list(self._kept.values())

    def step(self, signals: Sequence[Signal], day: date) -> Iterator[tuple[str, Signal]]:
        """What is told on a day."""
        for change in changes(signals, self._lasting, day):
            key = change.signal.key
            if change.lasting is None:
                self._lasting.pop(key, None)
                self._kept.pop(key, None)
            else:
                self._lasting[key] = change.lasting
                self._kept.setdefault(key, change.signal)
            if change.what:
                yield change.what, change.signal


class _Past:
    """Answers the questions of every week from one answer over all of them."""

    def __init__(self, view: View, watched: Sequence[str], mondays: Sequence[date]) -> None:
        self._view, self._watched = view, tuple(watched)
        self._company = Company(view.project.calendar, view.project.hours, view.whole_until)
        self._span = (mondays[0] - timedelta(weeks=max(READ, RECENT)), mondays[-1])
        self._kept: dict[tuple[Any, ...], Any] = {}

    def anomalies(self, day: date, since: date | None) -> Any:
        """What is out of its range in the last week that is over on a day; from `since` on nothing is known."""
        company = replace(self._company, whole_until=day)
        asked = KpiQuery(self._watched, end=day)
        return anomalies_of(self._view.catalogue, asked, lambda each: [self._cut(q, since) for q in each], company)

    def _cut(self, query: KpiQuery, since: date | None) -> Any:
        key = (query.kpis, query.by, query.grain)
        if key not in self._kept:
            view = self._view
            wide = replace(query, start=self._span[0], end=self._span[1])
            (result,) = answers(view.catalogue, [wide], view._warehouse, view._context())  # noqa: SLF001
            self._kept[key] = replace(result, figures=tuple(result.figures))
        result = self._kept[key]
        end = query.end if since is None else min(query.end, since)
        return replace(result, figures=tuple(f for f in result.figures if query.start <= f.start < end))


def _known(answer: Readings, since: date | None) -> Readings:
    """An answer as it was while the export of the CRM was late: what happened counts as nothing, balances stay."""
    rests: Mapping[str, Sequence[str]] = answer.lineage
    if since is None or not any(FROM_CRM & set(names) for names in rests.values()):
        return answer
    found: list[Reading] = []
    for series in answer.by_segment():
        stale = next((each for each in reversed(series) if each.figure.end <= since), None)
        found += [each if each.figure.end <= since else _stopped(each, stale) for each in series]
    return replace(answer, readings=tuple(found))


def _stopped(reading: Reading, stale: Reading | None) -> Reading:
    figure = reading.figure
    if reading.kpi.basis == "balance" and stale is not None:
        return replace(stale, figure=replace(stale.figure, start=figure.start, end=figure.end))
    nothing = replace(figure, value=None, numerator=0, denominator=0, n=0, status="undefined")
    return replace(reading, figure=nothing, value=None, low=None, high=None, status="undefined")
