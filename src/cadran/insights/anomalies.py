"""What is out of its usual range this week: every KPI by segment, channel, stage and owner, judged together.

One planned question gives the weekly series of every KPI that can be watched; `stats.anomalies` judges the
last whole week of all of them at once, so that of what is raised at most the declared share is chance. What
moved together is told as one. A table of which the last days have not come gives "no data", never a drop.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from cadran.engine.query import where_is
from cadran.errors import QueryError
from cadran.insights.series import Series, Weeks, can_be_judged, group, kind_of, last_day_with_data, series_of
from cadran.stats.anomalies import FEWEST, LEVEL, Change, Shape, scan
from cadran.stats.weekly import YEAR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.config import BusinessHours
    from cadran.engine.query import KpiQuery
    from cadran.engine.result import Figure, KpiResult
    from cadran.period import Calendar, Period

    AskAll = Callable[[Sequence[KpiQuery]], Sequence[KpiResult]]

#: Dimensions that are watched unless others are asked, as far as a KPI has them.
WATCHED = ("segment", "channel", "stage", "owner")
#: Weeks that are read, the judged one included; and of them, those in which a late table is looked for.
READ, RECENT = 157, 8
#: Cases to be expected of the days without any, from which data is said to be missing: chance gives 1 in 3,000.
MISSED = 8.0
#: What a unit of a KPI is worth is told by the year's won revenue, if the catalogue has this sum of it.
REVENUE = "bookings"
#: Fewest units, over the year, from which their worth is told.
FEWEST_UNITS = 20
_FUNNELS = ("acquisition", "activation", "conversion")


@dataclass(frozen=True)
class Company:
    """What the company's time is.

    Attributes:
        calendar: Weeks and quarters.
        hours: Working days and holidays.
        whole_until: First day that is not wholly known.
    """

    calendar: Calendar
    hours: BusinessHours
    whole_until: date


@dataclass(frozen=True)
class Anomaly:
    """One KPI in one segment that is out of its usual range.

    Attributes:
        kpi: The KPI.
        segment: Dimension values; empty for all.
        shape: ``level_shift``, ``drift``, ``spike`` or ``silence``.
        since: First day of the week in which it began.
        value: What came since then: count, share or sum of money.
        expected: What was expected.
        low: Lower edge of the 95 % range of what was expected.
        high: Upper edge.
        n: Cases since then.
        p: Share of usual weeks that look as striking.
        is_favourable: True or False by the KPI's direction, or None.
        money: Money at stake since then, in the base currency: more (or less, below 0) than expected;
            None where a unit's worth is not known.
        where: Predicates that keep its rows.
    """

    kpi: Kpi
    segment: Mapping[str, str | None]
    shape: Shape
    since: date
    value: float
    expected: float
    low: float
    high: float
    n: int
    p: float
    is_favourable: bool | None
    money: Decimal | None
    where: tuple[str, ...]


@dataclass(frozen=True)
class Missing:
    """A table of which the last days have not come.

    Attributes:
        entity: Canonical table.
        since: First day without data.
        kpis: KPIs that are not judged for it.
    """

    entity: str
    since: date
    kpis: tuple[str, ...]


@dataclass(frozen=True)
class Anomalies:
    """What is out of its range in one week.

    Attributes:
        start: First day of the week.
        end: First day after it.
        groups: What moved together, the most telling first in each; the largest stake first.
        missing: Tables whose data has not come.
        n_series: Series that there are.
        n_judged: Series of which the week can be judged.
        level: Share of what is raised that may be chance.
        currency: Base currency.
        as_of: Instant up to which the data was known.
        reason: Why nothing can be judged, as an English template; empty when something can.
        reason_params: Values of its fields.
    """

    start: date
    end: date
    groups: tuple[tuple[Anomaly, ...], ...]
    missing: tuple[Missing, ...]
    n_series: int
    n_judged: int
    level: float
    currency: str
    as_of: datetime
    reason: str = ""
    reason_params: Mapping[str, object] = field(default_factory=dict)


def anomalies_of(
    catalogue: Catalogue, query: KpiQuery, ask: AskAll, company: Company, *, level: float = LEVEL
) -> Anomalies:
    """What is out of its range in the last whole week of a question.

    Args:
        catalogue: Definitions.
        query: KPIs, or none for every one that is watched; `by` are the dimensions, `end` the day before
            which the week ends, `where` and `as_of` as ever.
        ask: What answers several questions, read together.
        company: Calendar, and until when data is known.
        level: Share of false finds that is allowed, in (0, 1).

    Raises:
        QueryError: A KPI named has no weekly counts, rates or sums.
    """
    kpis = _kpis(catalogue, query)
    end = company.calendar.containing(min(query.end or company.whole_until, company.whole_until), "week").start
    weeks = Weeks(company.calendar.periods("week", end - timedelta(weeks=READ), end))
    results = ask(_questions(catalogue, kpis, query, weeks.periods))
    by_week, by_day = results[:-1], results[-1]
    missing = _missing(by_day.figures, kpis, company, end)
    asked = {kpi.id for kpi in kpis}
    series = series_of((figure for result in by_week for figure in result.figures if figure.kpi.id in asked), weeks)
    series = [_without(each, missing, weeks) for each in series]
    empty = Anomalies(
        *(weeks.periods[-1].start, end), (), missing, len(series), 0, level, by_day.currency, by_day.as_of
    )
    first = min((int(np.argmax(each.known)) for each in series if each.known.any()), default=READ)
    if READ - first <= FEWEST:
        few = "Only {n} whole weeks of data: at least {needed} are needed to tell what is usual."
        return replace(empty, reason=few, reason_params={"n": max(READ - first, 0), "needed": FEWEST + 1})
    changes, n_judged = _judge(series, first, (weeks, company), level)
    worth = _worth(series, by_week)
    found = [_anomaly(each, change, first, weeks, worth) for each, change in changes]
    return replace(empty, groups=_together(found), n_judged=n_judged)


def _kpis(catalogue: Catalogue, query: KpiQuery) -> tuple[Kpi, ...]:
    if not query.kpis:
        steered = {name for board in catalogue.boards for name in board.kpis}
        watched = [kpi for kpi in catalogue.newest() if kind_of(kpi) and not kpi.is_vanity]
        on_boards = tuple(kpi for kpi in watched if kpi.id in steered or kpi.cadence in ("daily", "weekly"))
        return on_boards or tuple(watched)
    found = tuple(catalogue.kpi(name) for name in query.kpis)
    for kpi in found:
        if kind_of(kpi) is None:
            raise QueryError(
                "{kpi} has no weekly counts, rates or sums of their own: it is not watched for anomalies.",
                hint="Name a KPI that counts or sums what happened in each week, or a rate of it.",
                where="kpi",
                kpi=kpi.id,
            )
    return found


def _questions(catalogue: Catalogue, kpis: Sequence[Kpi], query: KpiQuery, periods: Sequence[Period]) -> list[KpiQuery]:
    """All by week, by each dimension and week, and all by day for the last weeks; the last one is by day."""
    ids = tuple(kpi.id for kpi in kpis)
    revenue = (REVENUE,) if REVENUE in catalogue.kpis and REVENUE not in ids else ()
    base = replace(
        query, kpis=(*ids, *revenue), by=(), grain="week", start=periods[0].start, end=periods[-1].end, compare="none"
    )
    asked = [base]
    for name in query.by or WATCHED:
        having = tuple(kpi.id for kpi in kpis if name in (kpi.dimensions or tuple(catalogue.dimensions)))
        if having and name in catalogue.dimensions:
            asked.append(replace(base, kpis=having, by=(name,)))
    daily = replace(base, kpis=ids, grain="day", start=periods[-RECENT].start)
    return [*asked, daily]


def _missing(figures: Iterable[Figure], kpis: Sequence[Kpi], company: Company, end: date) -> tuple[Missing, ...]:
    """Tables without a case in the last days although many were to be expected (rule T-86)."""
    start = end - timedelta(weeks=RECENT)
    tables: dict[tuple[str, str], list[Figure]] = {}
    for figure in figures:
        tables.setdefault(_table(figure.kpi), []).append(figure)
    found = []
    for table, each in tables.items():
        seen = last_day_with_data(each, start, end, company.hours)
        if seen is not None and seen[1] >= MISSED:
            names = tuple(kpi.id for kpi in kpis if _table(kpi) == table)
            found.append(Missing(table[0], seen[0] + timedelta(days=1), names))
    return tuple(found)


def _table(kpi: Kpi) -> tuple[str, str]:
    """Table and day column of a KPI's cases."""
    measure = kpi.denominator or kpi.numerator
    return (measure.entity, measure.time) if measure else ("", "")


def _without(series: Series, missing: Iterable[Missing], weeks: Weeks) -> Series:
    """The series with the weeks of which data is missing unknown."""
    known = series.known.copy()
    for each in missing:
        if series.kpi.id in each.kpis:
            known &= np.array([period.end <= each.since for period in weeks.periods])
    return replace(series, known=known)


def _judge(
    series: Sequence[Series], first: int, time: tuple[Weeks, Company], level: float
) -> tuple[list[tuple[Series, Change]], int]:
    """The changes that are raised, and how many series were judged; weeks before the first one are left out."""
    weeks, company = time
    calendar = weeks.regressors(company.calendar, company.hours)[first:]
    cut = [
        replace(each, values=each.values[first:], cases=each.cases[first:], known=each.known[first:])
        for each in series
        if can_be_judged(each)
    ]
    kinds = [[each for each in cut if each.kind == kind] for kind in ("count", "rate", "sum")]
    kinds = [each for each in kinds if each]
    if not kinds:
        return [], 0
    found = scan([group(each, calendar) for each in kinds], len(calendar) - 1, level=level)
    pairs = [(each[change.series], change) for each, changes in zip(kinds, found, strict=True) for change in changes]
    return [(each, change) for each, change in pairs if change.is_raised], len(pairs)


def _worth(series: Sequence[Series], results: Sequence[KpiResult]) -> dict[str, float]:
    """Won revenue per unit of each KPI over the last year; only of KPIs of the funnel that should rise."""
    won = [figure for figure in results[0].figures if figure.kpi.id == REVENUE and not figure.segment]
    revenue = sum(float(figure.value or 0) for figure in won[-YEAR:])
    found = {}
    for each in series:
        units = float(each.values[-YEAR:].sum())
        is_step = each.kpi.funnel in _FUNNELS and each.kpi.direction == "up" and each.kind != "sum"
        if not each.segment and is_step and units >= FEWEST_UNITS and revenue > 0:
            found[each.kpi.id] = revenue / units
    return found


def _anomaly(series: Series, change: Change, first: int, weeks: Weeks, worth: Mapping[str, float]) -> Anomaly:
    since = change.since
    cases = float(series.cases[since:][series.known[since:]].sum())
    gap = change.value - change.expected
    units = gap * cases if series.kind == "rate" else gap
    each = 1.0 if series.kind == "sum" else worth.get(series.kpi.id)
    is_up = change.value > change.expected
    return Anomaly(
        kpi=series.kpi,
        segment=series.segment,
        shape=change.shape,
        since=weeks.periods[first + since].start,
        value=change.value,
        expected=change.expected,
        low=change.low,
        high=change.high,
        n=int(cases),
        p=change.p,
        is_favourable=is_up == (series.kpi.direction == "up") if series.kpi.direction in ("up", "down") else None,
        money=None if each is None else Decimal(round(units * each)),
        where=tuple(where_is(name, value) for name, value in series.segment.items()),
    )


def _together(found: Sequence[Anomaly]) -> tuple[tuple[Anomaly, ...], ...]:
    """What moved together: the same way, on the same table, in segments that may hold the same rows."""
    groups: list[list[Anomaly]] = []
    for each in sorted(found, key=lambda anomaly: (anomaly.p, -len(anomaly.segment), anomaly.kpi.id)):
        near = [members for members in groups if any(_related(each, member) for member in members)]
        joined = [member for members in near for member in members]
        groups = [members for members in groups if members not in near]
        groups.append([*joined, each])
    ranked = sorted(groups, key=lambda members: (-max(abs(float(each.money or 0)) for each in members), members[0].p))
    return tuple(tuple(members) for members in ranked)


def _related(one: Anomaly, other: Anomaly) -> bool:
    same_way = (one.value > one.expected) == (other.value > other.expected)
    compatible = all(other.segment.get(name, value) == value for name, value in one.segment.items())
    return same_way and compatible and _table(one.kpi)[0] == _table(other.kpi)[0]
