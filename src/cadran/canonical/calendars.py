"""Working time, counted once in Python so that any engine can look it up with an equal join.

`working_minutes` lays business hours of each zone out over UTC days. A UTC day may hold the end
of one local working day and the start of the next (Auckland, Honolulu), so a row has two pieces.
The working time between two instants is the difference of two look-ups, which
`canonical.response` makes.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

import holidays
import pyarrow as pa

from cadran.errors import ConfigError
from cadran.period import UTC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cadran.config import BusinessHours

MINUTES_IN_DAY = 24 * 60

#: One row per calendar and UTC day. `minutes_before` counts working minutes from the first day of
#: the table to the start of the day; the pieces are half-open, in minutes of the UTC day.
SCHEMA = pa.schema(
    [
        pa.field("calendar", pa.string()),
        pa.field("utc_on", pa.date32()),
        pa.field("valid_from", pa.date32()),
        pa.field("minutes_before", pa.float64()),
        pa.field("first_from", pa.float64()),
        pa.field("first_to", pa.float64()),
        pa.field("second_from", pa.float64()),
        pa.field("second_to", pa.float64()),
    ]
)


@dataclass(frozen=True)
class HoursFrom:
    """Business hours as they are from a day on; later ones leave earlier days as they were.

    Attributes:
        valid_from: First local day on which they hold.
        hours: The hours.
    """

    valid_from: date
    hours: BusinessHours


def known_zones(names: Iterable[str | None]) -> list[str]:
    """The IANA zones among these names, sorted, each once; other text and None are left out."""
    known = available_timezones()
    return sorted({name for name in names if name in known})


def working_minutes(zones: Iterable[str], hours: Sequence[HoursFrom], start: date, end: date) -> pa.Table:
    """One row per zone and UTC day of ``[start, end)``, with the working minutes counted up to it.

    Args:
        zones: IANA zones, one calendar each.
        hours: Business hours, each from its day on; before the first of them the first one holds.
        start: First UTC day.
        end: First UTC day after the table.

    Returns:
        Columns of `SCHEMA`, ordered by calendar and day.

    Raises:
        ConfigError: No country or subdivision of that code has public holidays.
    """
    versions = sorted(hours, key=lambda version: version.valid_from)
    free = _Holidays(start.year - 1, end.year + 1)
    rows: list[tuple[object, ...]] = []
    for zone in sorted(set(zones)):
        rows.extend(_calendar(zone, versions, free, start, end))
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    return pa.table([pa.array(list(c), f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def _calendar(
    zone: str, versions: Sequence[HoursFrom], free: _Holidays, start: date, end: date
) -> Iterator[tuple[object, ...]]:
    """Rows of one zone; pieces of a local day are cut at UTC midnight."""
    pieces: dict[date, list[tuple[float, float]]] = {}
    for offset in range(-1, (end - start).days + 1):
        day = start + timedelta(days=offset)
        for utc_day, piece in _pieces(day, ZoneInfo(zone), _version(versions, day).hours, free):
            pieces.setdefault(utc_day, []).append(piece)
    total = 0.0
    for offset in range((end - start).days):
        day = start + timedelta(days=offset)
        (a, b), (c, d) = [*pieces.get(day, []), (0.0, 0.0), (0.0, 0.0)][:2]
        yield zone, day, _version(versions, day).valid_from, total, a, b, c, d
        total += (b - a) + (d - c)


def _version(versions: Sequence[HoursFrom], day: date) -> HoursFrom:
    return versions[max(bisect_right(versions, day, key=lambda version: version.valid_from) - 1, 0)]


def _pieces(
    day: date, zone: ZoneInfo, hours: BusinessHours, free: _Holidays
) -> Iterator[tuple[date, tuple[float, float]]]:
    """The working time of one local day, as minutes of the one or two UTC days it falls on."""
    if day.weekday() not in hours.days or free.has(day, hours.holiday_country):
        return
    opens = datetime.combine(day, hours.opens, tzinfo=zone).astimezone(UTC)
    closes = datetime.combine(day, hours.closes, tzinfo=zone).astimezone(UTC)
    first, last = _minute(opens), _minute(closes)
    if opens.date() == closes.date():
        yield opens.date(), (first, last)
        return
    yield opens.date(), (first, float(MINUTES_IN_DAY))
    if last > 0:
        yield closes.date(), (0.0, last)


def _minute(moment: datetime) -> float:
    return moment.hour * 60 + moment.minute + moment.second / 60


def public_holidays(code: str, years: Iterable[int]) -> frozenset[date]:
    """Public holidays of a country or of one of its subdivisions.

    Args:
        code: ISO 3166 code such as ``FR`` or ``US-CA``; an empty one has none.
        years: Calendar years to look up.

    Raises:
        ConfigError: No country or subdivision of that code has public holidays.
    """
    if not code:
        return frozenset()
    country, _, subdivision = code.partition("-")
    try:
        return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=years))
    except NotImplementedError as error:
        raise ConfigError(
            "No public holidays are known for {code}.",
            hint="Use an ISO 3166 code such as FR, US or US-CA, or leave it empty.",
            where="hours.holiday_country",
            code=code,
        ) from error


class _Holidays:
    """Public holidays of the countries that are asked for, each worked out once."""

    def __init__(self, first_year: int, last_year: int) -> None:
        self.years = range(first_year, last_year + 1)
        self.found: dict[str, frozenset[date]] = {}

    def has(self, day: date, code: str) -> bool:
        """True when the day is a public holiday there; never without a country."""
        if code not in self.found:
            self.found[code] = public_holidays(code, self.years)
        return day in self.found[code]
