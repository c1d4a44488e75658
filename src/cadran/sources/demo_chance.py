"""Chance and calendar of the sample company: seeded draws, working days, seasons, office hours.

Every instant of the sample company is naive UTC and falls on a whole minute, which is as fine as a
CRM export writes it, so that what is planted is what a reader can find.
"""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from random import Random  # noqa: TID251 - the one seeded generator of the sample company
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

import holidays

from cadran.period import UTC, local_day

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

PARIS = ZoneInfo("Europe/Paris")
#: Zone of the people of each market.
ZONES: dict[str, ZoneInfo] = {"FR": PARIS, "US": ZoneInfo("America/New_York")}
OPENS, CLOSES = time(9), time(17)
SATURDAY = 5


class Chance(Random):
    """A seeded stream of draws; each part of the company has its own, so parts do not disturb each other."""

    def hits(self, share: float) -> bool:
        """True in that share of draws."""
        return self.random() < share

    def pick(self, weights: Mapping[T, float]) -> T:
        """One of the keys, in proportion to its weight."""
        return self.choices(list(weights), list(weights.values()))[0]

    def near(self, median: float, spread: float = 0.5) -> float:
        """A positive number around a median, skewed to the right as durations and sizes are."""
        return self.lognormvariate(math.log(median), spread)

    def times(self, mean: float) -> int:
        """How many of something that happens that often on average (Poisson)."""
        floor, product, count = math.exp(-mean), self.random(), 0
        while product > floor:
            product *= self.random()
            count += 1
        return count


def stream(seed: int, name: str) -> Chance:
    """The stream of draws of one part of the company."""
    return Chance(f"{seed}/{name}")


def paris_day(moment: datetime) -> date:
    """The day on which an instant falls in Paris."""
    return local_day(moment, PARIS)


def paris_clock(moment: datetime) -> str:
    """An instant as HubSpot writes it for a user in Paris: ``YYYY-MM-DD HH:MM``."""
    return moment.replace(tzinfo=UTC).astimezone(PARIS).strftime("%Y-%m-%d %H:%M")


def utc_clock(moment: datetime | None) -> str:
    """An instant as ISO 8601 in UTC, or an empty text."""
    return "" if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_at(day: date, clock: time, market: str) -> datetime:
    """The instant at which a clock of that market shows that time on that day."""
    return datetime.combine(day, clock, tzinfo=ZONES[market]).astimezone(UTC).replace(tzinfo=None)


def unambiguous(moment: datetime) -> datetime:
    """The same instant, moved out of the hour that Paris lives twice in October.

    A CRM writes local times without their offset, so nobody could say which of the two it was.
    """
    in_autumn = moment.month == 10 and moment.day >= 25 and moment.weekday() == 6
    return moment + timedelta(hours=3) if in_autumn and moment.hour < 2 else moment


class Seasons:
    """Which days are worked, and how busy they are, in each market.

    Args:
        first: First day that may be asked for.
        last: Last day that may be asked for.
    """

    def __init__(self, first: date, last: date) -> None:
        years = range(first.year - 1, last.year + 2)
        self._off: dict[str, set[date]] = {
            market: set(holidays.country_holidays(market, years=years)) for market in ZONES
        }

    def is_working(self, day: date, market: str) -> bool:
        """True on weekdays that are no public holiday in that market."""
        return day.weekday() < SATURDAY and day not in self._off[market]

    def weight(self, day: date, market: str) -> float:
        """How much business a day brings, 1 for an ordinary working day."""
        if day.weekday() >= SATURDAY:
            return 0.06
        if day in self._off[market]:
            return 0.1
        return self._season(day, market)

    def _season(self, day: date, market: str) -> float:
        if (day.month, day.day) >= (12, 22) or (day.month, day.day) <= (1, 2):
            return 0.3
        if market == "FR":
            return {7: 0.85, 8: 0.4, 5: 0.88}.get(day.month, 1.05)
        thanksgiving = day.month == 11 and 22 <= day.day <= 29
        return 0.45 if thanksgiving else {7: 0.92, 8: 0.95}.get(day.month, 1.0)

    def working_day(self, day: date, market: str) -> date:
        """That day, or the next one that is worked."""
        while not self.is_working(day, market):
            day += timedelta(days=1)
        return day

    def office(self, chance: Chance, day: date, market: str) -> datetime:
        """An instant in office hours on that day, or on the next one that is worked."""
        clock = time(chance.randint(9, 17), chance.randint(0, 59))
        return utc_at(self.working_day(day, market), clock, market)

    def later(self, chance: Chance, moment: datetime, days: float, market: str) -> datetime:
        """An instant in office hours about that many days later, pushed out of the slack seasons half of the time."""
        target = local_day(moment, ZONES[market]) + timedelta(days=max(0, round(days)))
        if self._season(target, market) < 0.5 and chance.hits(0.55):
            target += timedelta(days=chance.randint(8, 24))
        found = self.office(chance, target, market)
        return found if found > moment else moment + timedelta(minutes=chance.randint(15, 95))


class WorkingTime:
    """Minutes of the company's business hours between two instants.

    The hours are those of the company's settings, Monday to Friday, 9:00 to 17:00, French holidays off, on the
    clocks of the people who answer.

    Args:
        first: First day that may be asked for.
        last: Last day that may be asked for.
        seasons: Which days are worked.
    """

    def __init__(self, first: date, last: date, seasons: Seasons) -> None:
        self._before: dict[date, int] = {}
        self._open: dict[date, bool] = {}
        total, day = 0, first
        while day <= last:
            self._before[day], self._open[day] = total, seasons.is_working(day, "FR")
            total += 480 if self._open[day] else 0
            day += timedelta(days=1)

    def _until(self, moment: datetime, market: str) -> int:
        local = moment.replace(tzinfo=UTC).astimezone(ZONES[market])
        inside = min(480, max(0, (local.hour - OPENS.hour) * 60 + local.minute))
        return self._before[local.date()] + (inside if self._open[local.date()] else 0)

    def minutes(self, start: datetime, end: datetime, market: str) -> int:
        """Working minutes from one instant to a later one, on the clocks of that market."""
        return self._until(end, market) - self._until(start, market)

    def after(self, moment: datetime, minutes: float, market: str, seasons: Seasons) -> datetime:
        """The instant after that many minutes of the market's own office hours."""
        local = moment.replace(tzinfo=UTC).astimezone(ZONES[market])
        day, since = local.date(), (local.hour - OPENS.hour) * 60 + local.minute
        since = max(0, since)
        while True:
            if seasons.is_working(day, market) and since < 480:
                if minutes < 480 - since:
                    clock = (datetime.combine(day, OPENS) + timedelta(minutes=int(since + minutes))).time()
                    return utc_at(day, clock, market)
                minutes -= 480 - since
            day, since = day + timedelta(days=1), 0
