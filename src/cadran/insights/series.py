"""Figures of many KPIs and segments as weekly series that can be judged together.

What tells nothing of a week is set aside: unfinished and undefined weeks, weeks before a segment's first
case, weeks measured by another definition, and weeks of which the data has not come.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from cadran.canonical.calendars import public_holidays
from cadran.stats.anomalies import SPARSE, WARM_UP
from cadran.stats.evidence import LOOK
from cadran.stats.weekly import YEAR, Kind, Weekly

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cadran.catalogue.definition import Kpi
    from cadran.config import BusinessHours
    from cadran.engine.result import Figure
    from cadran.period import Calendar, Period

#: Days at the end of a quarter in which deals are hurried.
HURRY = 7
#: Month and day from which a year ends for most companies: days without a case say nothing of their data.
CLOSED = (12, 24)


@dataclass(frozen=True)
class Series:
    """One KPI in one segment, by week.

    Attributes:
        kpi: The KPI, in its newest version.
        segment: Dimension values; empty for all.
        values: Counts, hits or sums.
        cases: Denominators, or cases behind sums.
        known: Which weeks tell something.
    """

    kpi: Kpi
    segment: Mapping[str, str | None]
    values: np.ndarray
    cases: np.ndarray
    known: np.ndarray

    @property
    def kind(self) -> Kind:
        """What the series is."""
        return kind_of(self.kpi) or "count"


def kind_of(kpi: Kpi) -> Kind | None:
    """What the weekly series of a KPI is, or None when its weeks are no separate counts, rates or sums.

    Balances and trailing windows share their cases with the week before; rates of cohorts are not decided
    in the last weeks; means, medians and derived figures are of other KPIs.
    """
    measures = [measure for measure in (kpi.numerator, kpi.denominator) if measure]
    is_flow = kpi.basis != "balance" and kpi.trailing is None and kpi.window_days is None and not kpi.expression
    if not measures or not is_flow or "week" not in kpi.grains or any(each.balance or each.at_end for each in measures):
        return None
    agg = measures[0].agg
    if kpi.kind == "ratio" and kpi.interval == "wilson":
        # young cohorts have not had the time that old ones had: their last weeks are not comparable
        return "rate" if kpi.basis == "period" else None
    if kpi.kind != "simple":
        return None
    if kpi.unit == "count" and agg in ("count", "count_distinct"):
        return "count"
    return "sum" if kpi.unit == "money" and agg == "sum" else None


@dataclass
class Weeks:
    """The weeks that are looked at, and what the calendar says of them.

    Attributes:
        periods: Whole weeks, in order; the last one is judged.
        place: Place of each week by its first day.
    """

    periods: Sequence[Period]
    place: dict[date, int] = field(init=False)

    def __post_init__(self) -> None:
        """Number the weeks once."""
        self.place = {period.start: at for at, period in enumerate(self.periods)}

    def regressors(self, calendar: Calendar, hours: BusinessHours) -> np.ndarray:
        """Share of each week's working days that are free, and that lie in the last days of a quarter."""
        years = range(self.periods[0].start.year, self.periods[-1].end.year + 1)
        free = public_holidays(hours.holiday_country, years)
        found = np.zeros((len(self.periods), 2))
        for at, period in enumerate(self.periods):
            days = [period.start + timedelta(days=place) for place in range(period.days)]
            worked = [day for day in days if day.weekday() in hours.days]
            late = [day for day in worked if (calendar.containing(day, "quarter").end - day).days <= HURRY]
            found[at] = sum(day in free for day in worked), len(late)
            found[at] /= max(len(worked), 1)
        return found


def series_of(figures: Iterable[Figure], weeks: Weeks) -> list[Series]:
    """One series per KPI and segment; segments that are all of a KPI are left out."""
    found: dict[tuple[str, tuple[tuple[str, str | None], ...]], list[Figure]] = {}
    for figure in figures:
        if figure.start in weeks.place:
            name, _, segment = figure.key
            found.setdefault((name, segment), []).append(figure)
    every = [_series(each, weeks) for each in found.values()]
    whole = {each.kpi.id: each for each in every if not each.segment}
    return [
        each
        for each in every
        if each is whole.get(each.kpi.id) or each.kpi.id not in whole or _differs(each, whole[each.kpi.id])
    ]


def _series(figures: Sequence[Figure], weeks: Weeks) -> Series:
    size = len(weeks.periods)
    values, cases, known = np.zeros(size), np.zeros(size), np.ones(size, dtype=bool)
    last = max(figures, key=lambda figure: figure.start)
    kind = kind_of(last.kpi)
    for figure in figures:
        at = weeks.place[figure.start]
        upper = figure.numerator if kind == "rate" else figure.value
        values[at] = float(upper or 0)
        cases[at] = float((figure.denominator if kind == "rate" else figure.n) or 0)
        is_missing = figure.value is None and figure.n > 0
        known[at] = not (figure.partial or is_missing or values[at] < 0 or figure.definitions != last.definitions)
    seen = np.flatnonzero(cases > 0)
    # before its first case a segment, such as a seller, was not there
    known[: seen[0] if seen.size else size] = False
    return Series(last.kpi, last.segment, values, cases, known)


def _differs(part: Series, whole: Series) -> bool:
    return not (np.array_equal(part.values, whole.values) and np.array_equal(part.cases, whole.cases))


def can_be_judged(series: Series) -> bool:
    """True when the series has a history with enough in it, and as many last cases as the contract asks (G-3)."""
    recent = series.cases[-LOOK:][series.known[-LOOK:]].sum()
    enough = series.kind != "rate" or recent >= series.kpi.min_n
    year = slice(-YEAR - LOOK, -LOOK)
    usual = (series.cases if series.kind == "sum" else series.values)[year][series.known[year]]
    busy = usual.size > 0 and usual.mean() * LOOK >= SPARSE / 2
    return bool(series.known[:-1].sum() >= WARM_UP + LOOK and enough and busy)


def group(series: Sequence[Series], calendar: np.ndarray) -> Weekly:
    """Series of one kind as arrays."""
    kind = series[0].kind
    cases = None if kind == "count" else np.stack([each.cases for each in series])
    values, known = (np.stack([getattr(each, name) for each in series]) for name in ("values", "known"))
    return Weekly(kind, values, cases, known, calendar)


def last_day_with_data(
    figures: Iterable[Figure], start: date, end: date, hours: BusinessHours
) -> tuple[date, float] | None:
    """The last day with a case, and how many cases were to be expected of the working days since then.

    Args:
        figures: Figures by day, of every KPI that rests on the same table.
        start: First day that is looked at.
        end: Day after the last one.
        hours: Working days and holidays.

    Returns:
        None when there is no case at all.
    """
    by_day: dict[date, int] = {}
    for figure in figures:
        by_day[figure.start] = max(by_day.get(figure.start, 0), figure.n)
    seen = [day for day, n in by_day.items() if n and start <= day < end]
    if not seen:
        return None
    last = max(seen)
    free = public_holidays(hours.holiday_country, range(start.year, end.year + 1))

    def worked(first: date, until: date) -> int:
        days = (first + timedelta(days=place) for place in range((until - first).days))
        return sum(_is_worked(day, hours) and day not in free for day in days)

    before = worked(start, last + timedelta(days=1))
    # the median day, so that an import of thousands on one day does not set the pace
    counts = sorted(by_day.get(start + timedelta(days=place), 0) for place in range((last - start).days + 1))
    counts = counts[-before:] if before else [0]
    pace = counts[len(counts) // 2]
    return last, float(pace * worked(last + timedelta(days=1), end))


def _is_worked(day: date, hours: BusinessHours) -> bool:
    """True for a working day; between Christmas and New Year, when many close, nothing is to be expected."""
    return day.weekday() in hours.days and (day.month, day.day) < CLOSED
