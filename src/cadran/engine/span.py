"""The periods of a question, which of them are unfinished, and the earlier ones they compare with.

What is known ends at an instant. The local day in which it falls counts as unfinished, unless the
instant is the very end of that day: a period is partial when it reaches past the last wholly known
day (rule G-5). A span that nobody gave an end, asked as one period, ends where knowledge ends and
is therefore not partial.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cadran.period import Period, local_day, midnight_utc, shift_months

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from zoneinfo import ZoneInfo

    from cadran.engine.query import Comparison
    from cadran.period import Calendar, Grain

#: Periods of the same length that tell what is usual.
HISTORY = 6
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Known:
    """Until when the data is known, in days of a zone.

    Attributes:
        at: UTC instant, aware.
        zone: Zone in which days are cut.
    """

    at: datetime
    zone: ZoneInfo

    @property
    def whole_until(self) -> date:
        """First day that is not wholly known."""
        return local_day(self.at + _TICK, self.zone)

    @property
    def end(self) -> date:
        """Day after the last one of which anything is known."""
        return local_day(self.at - _TICK, self.zone) + timedelta(days=1)

    def share(self, period: Period) -> float:
        """Share of a period that had elapsed, in 0..1."""
        start, end = period.utc_bounds(self.zone)
        return min(1.0, max(0.0, (self.at - start) / (end - start)))


@dataclass(frozen=True)
class Span:
    """Periods without overlap, in order, cut by one grain.

    Attributes:
        periods: The periods.
        grain: Grain that cuts them, or None for one period of any length.
        is_open: True when nobody said where the span ends.
        cut: First day that no longer counts in a period, by the first day of that period, where an
            earlier period is compared with an unfinished one.
    """

    periods: tuple[Period, ...]
    grain: Grain | None
    is_open: bool = False
    cut: Mapping[date, date] = field(default_factory=dict)

    @property
    def start(self) -> date:
        """First day of the first period."""
        return self.periods[0].start

    @property
    def end(self) -> date:
        """First day after the last period."""
        return self.periods[-1].end

    def counted(self, period: Period) -> Period:
        """The part of a period that counts."""
        return Period(period.start, self.cut.get(period.start, period.end))

    def is_partial(self, period: Period, known: Known) -> bool:
        """True when the period was not over when the data was read."""
        is_open = self.is_open and self.grain is None
        return not is_open and self.counted(period).end > known.whole_until


def known_at(moment: datetime, as_of: date | None, zone: ZoneInfo) -> Known:
    """Until when a question may know: the snapshot's instant, or the end of an earlier day.

    Args:
        moment: Instant up to which the snapshot is known; naive is UTC.
        as_of: Day asked for, or None.
        zone: Zone of the company.
    """
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if as_of is None:
        return Known(aware, zone)
    return Known(min(aware, midnight_utc(as_of + timedelta(days=1), zone)), zone)


def span_of(start: date, end: date | None, grain: Grain | None, calendar: Calendar, known: Known) -> Span:
    """The periods of a question.

    Args:
        start: First day; with a grain, the first period is the whole one in which it lies.
        end: First day after, or None for the end of what is known.
        grain: Grain, or None for one period.
        calendar: Calendar of the company.
        known: Until when the data is known.
    """
    last = max(end or known.end, start + timedelta(days=1))
    periods = (Period(start, last),) if grain is None else tuple(calendar.periods(grain, start, last))
    return Span(periods, grain, is_open=end is None)


def earlier_span(
    span: Span, compare: Comparison, calendar: Calendar, known: Known
) -> tuple[Span | None, dict[date, Period]]:
    """The earlier periods to compare with, and which one each later period compares with.

    Returns:
        The earlier span, or None when there is nothing to compare with, and by the first day of
        each later period its earlier one; a period without counterpart (week 53) is absent.
    """
    pairs: dict[date, Period] = {}
    cut: dict[date, date] = {}
    for period in span.periods:
        earlier = _earlier(period, span.grain, compare, calendar)
        share = known.share(period)
        if earlier is None or not share:
            continue
        pairs[period.start] = earlier
        if span.is_partial(period, known):
            days = round(share * earlier.days)
            cut[earlier.start] = earlier.start + timedelta(days=days)
    found = tuple(sorted(set(pairs.values())))
    return (Span(found, span.grain, cut=cut) if found else None), pairs


def _earlier(period: Period, grain: Grain | None, compare: Comparison, calendar: Calendar) -> Period | None:
    if grain is not None:
        return calendar.previous(period, grain) if compare == "previous" else calendar.year_before(period, grain)
    if compare == "year":
        return Period(shift_months(period.start, -12), shift_months(period.end, -12))
    return Period(before_span(period.start, period.end, 1), period.start)


def before_span(start: date, end: date, periods: int) -> date:
    """The first day of that many periods of the same length before a period; whole months count as months."""
    if start.day == end.day == 1:
        months = (end.year - start.year) * 12 + end.month - start.month
        return shift_months(start, -months * periods)
    return start - timedelta(days=(end - start).days * periods)
