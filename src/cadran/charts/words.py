"""How numbers, dates and sentences are written for one person in one company."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from typing import TYPE_CHECKING

from cadran import i18n
from cadran.period import as_utc

if TYPE_CHECKING:
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from cadran.engine.result import Number
    from cadran.period import Calendar, Grain


@dataclass(frozen=True)
class Words:
    """How numbers, dates and sentences are written for one person in one company.

    Attributes:
        language: ``fr`` or ``en``.
        currency: Base currency.
        calendar: How the company cuts time.
        zone: Zone whose clock is shown.
    """

    language: str
    currency: str
    calendar: Calendar
    zone: ZoneInfo

    def say(self, template: str, /, **params: object) -> str:
        """The sentence in the person's language."""
        return i18n.say(template, params, self.language)

    def value(self, value: Number | None, unit: str, style: i18n.Style = "compact") -> str:
        """A value with its unit."""
        return i18n.format_value(value, unit, self.currency, self.language, style=style)

    def delta(self, value: Number | None, unit: str) -> str:
        """A signed difference with its unit."""
        return i18n.format_delta(value, unit, self.currency, self.language, style="compact")

    def interval(self, low: Number | None, high: Number | None, unit: str, style: i18n.Style = "compact") -> str:
        """Both edges with one unit."""
        return i18n.format_interval(low, high, unit, self.currency, self.language, style=style)

    def number(self, value: Number) -> str:
        """A whole number."""
        return i18n.format_number(value, self.language)

    def day(self, day: date) -> str:
        """A day."""
        return i18n.format_date(day, self.language)

    def moment(self, moment: datetime) -> str:
        """A UTC instant on the company's clock."""
        return i18n.format_moment(moment, self.language, self.zone)

    def known(self, moment: datetime) -> str:
        """Until when something is known: an instant, or the day that a midnight ends."""
        local = as_utc(moment).astimezone(self.zone)
        return self.moment(moment) if local.time() != time() else self.day(local.date() - timedelta(days=1))

    def period(self, start: date, end: date, grain: Grain | None = None, *, short: bool = False) -> str:
        """The name of ``[start, end)``."""
        return i18n.format_period(start, end, self.calendar, self.language, grain=grain, short=short)
