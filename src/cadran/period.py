"""Grains, calendars and half-open periods.

A period is always ``[start, end)`` in calendar days: the start is in it, the end is not.
Days belong to a zone; `utc_bounds` turns a period into the UTC instants between which it lies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from cadran.errors import QueryError, did_you_mean

Grain = Literal["day", "week", "month", "quarter", "year"]
GRAINS: tuple[Grain, ...] = ("day", "week", "month", "quarter", "year")
WeekStart = Literal["monday", "sunday"]
Scheme = Literal["months", "4-4-5", "4-5-4", "5-4-4"]
YearLabel = Literal["start", "end"]
WindowUnit = Literal["m", "w", "d"]

MONTHS_IN_YEAR = 12
MONTHS_IN_QUARTER = 3
DAYS_IN_WEEK = 7
#: Longest trailing window of each unit: ten years.
LONGEST: dict[str, int] = {"m": 120, "w": 522, "d": 3660}
UTC = ZoneInfo("UTC")


@dataclass(frozen=True, order=True)
class Period:
    """A half-open run of days, ``[start, end)``.

    Attributes:
        start: First day in the period.
        end: First day after the period.
    """

    start: date
    end: date

    @property
    def days(self) -> int:
        """Number of days in the period."""
        return (self.end - self.start).days

    def contains(self, day: date) -> bool:
        """True when the day lies in the period."""
        return self.start <= day < self.end

    def utc_bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The UTC instants at which the period starts and ends in that zone."""
        return midnight_utc(self.start, zone), midnight_utc(self.end, zone)


@dataclass(frozen=True)
class Trailing:
    """A window of some months, weeks or days that ends with a period; written ``12m``, ``13w`` or ``90d``.

    Attributes:
        n: How many units, at least 1.
        unit: ``m``, ``w`` or ``d``.
    """

    n: int
    unit: WindowUnit

    def __str__(self) -> str:
        """``12m``."""
        return f"{self.n}{self.unit}"


@dataclass(frozen=True)
class Calendar:
    """How a company cuts time: week start, fiscal year and its scheme.

    Attributes:
        week_start: First day of the week; ``monday`` gives ISO 8601 weeks.
        fiscal_start: Month in which the fiscal year starts, 1 to 12.
        scheme: ``months``, or a retail scheme of 52 or 53 whole weeks.
        year_label: Whether a fiscal year is named after the year it starts or ends in.
    """

    week_start: WeekStart = "monday"
    fiscal_start: int = 1
    scheme: Scheme = "months"
    year_label: YearLabel = "end"
    _weeks: tuple[int, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        """Work out the week pattern of a retail quarter once."""
        pattern = tuple(int(part) for part in self.scheme.split("-")) if self.scheme != "months" else ()
        object.__setattr__(self, "_weeks", pattern)

    def containing(self, day: date, grain: Grain) -> Period:
        """The period of that grain in which the day lies."""
        match grain:
            case "day":
                return Period(day, day + timedelta(days=1))
            case "week":
                return self._week(day)
            case _:
                return self._retail(day, grain) if self._weeks else self._months(day, grain)

    def periods(self, grain: Grain, start: date, end: date) -> list[Period]:
        """Whole periods of that grain that together cover ``[start, end)``, in order.

        Returns:
            Periods without gap or overlap; the first may start before `start` and the last may
            end after `end`. Empty when `start` is not before `end`.
        """
        found: list[Period] = []
        day = start
        while day < end:
            period = self.containing(day, grain)
            found.append(period)
            day = period.end
        return found

    def previous(self, period: Period, grain: Grain) -> Period:
        """The period of that grain just before."""
        return self.containing(period.start - timedelta(days=1), grain)

    def window(self, end: date, trailing: Trailing) -> Period:
        """The window of that length that ends just before a day.

        Months are those of the calendar: with a retail scheme, whole retail months.

        Raises:
            QueryError: Months of a retail calendar are counted from a day on which none of them ends.
        """
        if trailing.unit == "d":
            return Period(end - timedelta(days=trailing.n), end)
        if trailing.unit == "w":
            return Period(end - timedelta(weeks=trailing.n), end)
        if not self._weeks:
            return Period(shift_months(end, -trailing.n), end)
        if self.containing(end, "month").start != end:
            raise QueryError(
                "No month of the {scheme} calendar ends before {day}, so months cannot be counted back from it.",
                hint="Use weeks or days, such as 52w, or ask by month, quarter or year.",
                where="--trailing",
                scheme=self.scheme,
                day=end.isoformat(),
            )
        start = end
        for _ in range(trailing.n):
            start = self.containing(start - timedelta(days=1), "month").start
        return Period(start, end)

    def first_unit(self, window: Period, trailing: Trailing) -> Period:
        """The first month, week or day of a window."""
        if trailing.unit == "m":
            end = self.containing(window.start, "month").end if self._weeks else shift_months(window.start, 1)
            return Period(window.start, end)
        return Period(window.start, window.start + timedelta(days=DAYS_IN_WEEK if trailing.unit == "w" else 1))

    def fiscal_year(self, day: date) -> int:
        """The name of the fiscal year in which the day lies, by `year_label`."""
        year = self.containing(day, "year")
        last = year.end - timedelta(days=1)
        if self._weeks:
            return self._retail_name(year.start)
        return year.start.year if self.year_label == "start" else last.year

    def year_before(self, period: Period, grain: Grain) -> Period | None:
        """The same period one year before, or None when the earlier year has no such period.

        Weeks compare with the week of the same number, so that holidays of a season meet; the 53rd week
        of a year has no counterpart in a year of 52 weeks, nor has a retail month, quarter or year that
        holds one: five weeks are not compared with six. 29 February has no counterpart either.
        """
        if grain == "day":
            before = shift_months(period.start, -12)
            return Period(before, before + timedelta(days=1)) if before.day == period.start.day else None
        if grain == "week":
            return self._week_before(period)
        if self._weeks:
            return self._retail_before(period, grain)
        return self._months(shift_months(period.start, -12), grain)

    def _week(self, day: date) -> Period:
        lead = day.weekday() if self.week_start == "monday" else (day.weekday() + 1) % DAYS_IN_WEEK
        start = day - timedelta(days=lead)
        return Period(start, start + timedelta(days=DAYS_IN_WEEK))

    def week_number(self, day: date) -> tuple[int, int]:
        """Year and number of the week in which the day lies.

        Returns:
            ISO 8601 year and week for weeks that start on Monday; for weeks that start on Sunday,
            the week in which 1 January lies is week 1 of that year (the usual US rule). With a retail
            scheme, the fiscal year and the week in it.
        """
        if self._weeks:
            retail = self._retail_year(day)
            return self._retail_name(retail.start), (day - retail.start).days // DAYS_IN_WEEK + 1
        if self.week_start == "monday":
            iso = day.isocalendar()
            return iso.year, iso.week
        week = self._week(day)
        year = (week.end - timedelta(days=1)).year
        first = self._week(date(year, 1, 1))
        return year, (week.start - first.start).days // DAYS_IN_WEEK + 1

    def _week_before(self, period: Period) -> Period | None:
        if self._weeks:
            return self._retail_before(period, "week")
        year, number = self.week_number(period.start)
        first = self._week(date(year - 1, 1, 4) if self.week_start == "monday" else date(year - 1, 1, 1))
        earlier = self._week(first.start + timedelta(weeks=number - 1))
        return earlier if self.week_number(earlier.start) == (year - 1, number) else None

    def _months(self, day: date, grain: Grain) -> Period:
        size = {"month": 1, "quarter": MONTHS_IN_QUARTER, "year": MONTHS_IN_YEAR}[grain]
        since = (day.month - self.fiscal_start) % MONTHS_IN_YEAR
        start = shift_months(day.replace(day=1), -(since % size))
        return Period(start, shift_months(start, size))

    def _retail_start(self, year: int) -> date:
        """First day of the retail year that starts nearest to the first of `fiscal_start`."""
        anchor = date(year, self.fiscal_start, 1)
        week = self._week(anchor)
        near = (anchor - week.start).days <= DAYS_IN_WEEK // 2
        return week.start if near else week.end

    def _retail_year(self, day: date) -> Period:
        year = day.year + 1
        while self._retail_start(year) > day:
            year -= 1
        return Period(self._retail_start(year), self._retail_start(year + 1))

    def _retail_name(self, start: date) -> int:
        middle = start + timedelta(days=3)
        ends = middle.year if self.fiscal_start == 1 else middle.year + 1
        return middle.year if self.year_label == "start" else ends

    def _retail_cuts(self, year: Period, grain: Grain) -> list[Period]:
        if grain == "year":
            return [year]
        sizes = [sum(self._weeks)] * 4 if grain == "quarter" else list(self._weeks) * 4
        sizes[-1] += year.days // DAYS_IN_WEEK - sum(sizes)
        cuts: list[Period] = []
        start = year.start
        for size in sizes:
            cuts.append(Period(start, start + timedelta(weeks=size)))
            start = cuts[-1].end
        return cuts

    def _retail(self, day: date, grain: Grain) -> Period:
        return next(p for p in self._retail_cuts(self._retail_year(day), grain) if p.contains(day))

    def _retail_before(self, period: Period, grain: Grain) -> Period | None:
        year = self._retail_year(period.start)
        before = self._retail_year(year.start - timedelta(days=1))
        if grain == "week":
            earlier = self._week(before.start + (period.start - year.start))
            return earlier if before.contains(earlier.start) else None
        place = self._retail_cuts(year, grain).index(period)
        found = self._retail_cuts(before, grain)[place]
        return found if found.days == period.days else None


def shift_months(day: date, months: int) -> date:
    """The same day of the month, that many months away; the last day where that day does not exist."""
    index = day.year * MONTHS_IN_YEAR + day.month - 1 + months
    year, month = divmod(index, MONTHS_IN_YEAR)
    following = date(year + (month + 1) // MONTHS_IN_YEAR, (month + 1) % MONTHS_IN_YEAR + 1, 1)
    last = (following - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))


def midnight_utc(day: date, zone: ZoneInfo) -> datetime:
    """The UTC instant at which the day starts in that zone."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def local_day(moment: datetime, zone: ZoneInfo) -> date:
    """The day on which a UTC instant falls in that zone.

    Args:
        moment: An aware datetime; a naive one is read as UTC.
        zone: Zone of the company or of the contract.
    """
    return as_utc(moment).astimezone(zone).date()


def as_utc(moment: datetime) -> datetime:
    """The instant in UTC; without a zone it is in UTC already."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def instant(moment: datetime) -> str:
    """A UTC instant as documents write it, such as ``2026-01-31T08:00:00Z``."""
    return as_utc(moment).isoformat().replace("+00:00", "Z")


def parse_grain(text: str) -> Grain:
    """The grain of that name.

    Raises:
        QueryError: No grain has that name.
    """
    for grain in GRAINS:
        if grain == text:
            return grain
    near = did_you_mean(text, GRAINS)
    hint = "Did you mean {near}?" if near else "Use day, week, month, quarter or year."
    raise QueryError("No grain is named {text}.", hint=hint, where="--grain", text=text, near=near)


def parse_trailing(text: str) -> Trailing:
    """The window that a text such as ``12m``, ``13w`` or ``90d`` describes.

    Raises:
        QueryError: The text is not one, or the window is longer than ten years.
    """
    found = re.fullmatch(r"([1-9]\d{0,4})([mwd])", text.strip().lower())
    if not found or int(found[1]) > LONGEST[found[2]]:
        raise QueryError(
            "{text} is not a trailing window.",
            hint="Write a number of months, weeks or days of at most ten years: 12m, 13w or 90d.",
            where="--trailing",
            text=text,
        )
    return Trailing(int(found[1]), found[2])  # type: ignore[arg-type]
