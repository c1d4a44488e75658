"""Which period a day belongs to, as a value that any engine can group by.

Days, weeks, months, quarters and years are cut by arithmetic on the day; weeks of retail calendars
too, but their months, quarters and years by a list of bounds, since they follow no rule that SQL
knows. `key_of` gives in Python what `period_key` gives in the database.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from cadran.deferred import ibis
from cadran.engine.expression import day_literal
from cadran.period import DAYS_IN_WEEK, MONTHS_IN_QUARTER, MONTHS_IN_YEAR

if TYPE_CHECKING:
    from collections.abc import Callable

    from cadran.engine.span import Span
    from cadran.period import Calendar, Period

    Key = date | int

_MONTHS = {"month": 1, "quarter": MONTHS_IN_QUARTER, "year": MONTHS_IN_YEAR}


def period_key(day: Any, span: Span, calendar: Calendar) -> Any:
    """The key of the period in which each day lies.

    Args:
        day: Ibis date value, inside the span.
        span: Periods.
        calendar: Calendar of the company.
    """
    if span.grain in _MONTHS and calendar.scheme == "months":
        return _months(day, span.grain, calendar)
    cuts: dict[str, Callable[[], Any]] = {"day": lambda: day, "week": lambda: _week(day, calendar)}
    cut = cuts.get(span.grain or "")
    return cut() if cut else _bounds(day, span)


def period_text(day: str, span: Span, calendar: Calendar) -> str:
    """What `period_key` compiles to on DuckDB, without Ibis: its statements are made for every page.

    Args:
        day: Column of the day.
        span: Periods.
        calendar: Calendar of the company.
    """
    if span.grain in _MONTHS and calendar.scheme == "months":
        index, size = f"YEAR({day}) * {MONTHS_IN_YEAR} + MONTH({day}) - {calendar.fiscal_start}", _MONTHS[span.grain]
        return index if size == 1 else f"CAST(FLOOR(({index}) / {size}) AS BIGINT)"
    if span.grain == "week":
        days = f"DATE_DIFF('DAY', DATE '{_first_week(calendar)}', {day})"
        return f"CAST(FLOOR({days} / {DAYS_IN_WEEK}) AS BIGINT)"
    if span.grain == "day":
        return day
    *some, _ = span.periods
    branches = "".join(f" WHEN {day} < DATE '{period.end}' THEN {place}" for place, period in enumerate(some))
    return f"CASE{branches} ELSE {len(some)} END" if some else "CAST(0 AS INTEGER)"


def key_of(period: Period, place: int, span: Span, calendar: Calendar) -> Key:
    """The key that `period_key` gives for the days of that period, the one at `place` in the span."""
    if span.grain in _MONTHS and calendar.scheme == "months":
        size, first = _MONTHS[span.grain], calendar.fiscal_start - 1
        return (period.start.year * MONTHS_IN_YEAR + period.start.month - 1 - first) // size
    if span.grain == "week":
        return (period.start - _first_week(calendar)).days // DAYS_IN_WEEK
    return period.start if span.grain == "day" else place


def _months(day: Any, grain: str, calendar: Calendar) -> Any:
    """Months, quarters or fiscal years counted from the start of the calendar."""
    index = day.year() * MONTHS_IN_YEAR + day.month() - calendar.fiscal_start
    return index if _MONTHS[grain] == 1 else index // _MONTHS[grain]


def _first_week(calendar: Calendar) -> date:
    """A day on which a week starts, from which weeks are counted."""
    return date(1970, 1, 5) if calendar.week_start == "monday" else date(1970, 1, 4)


def _week(day: Any, calendar: Calendar) -> Any:
    return day.delta(day_literal(_first_week(calendar)), unit="day") // DAYS_IN_WEEK


def _bounds(day: Any, span: Span) -> Any:
    if len(span.periods) == 1:
        return ibis.literal(0)
    # each bound is tested in turn, so that only the end of each period needs to be compared
    branches = [(day < day_literal(period.end), ibis.literal(place)) for place, period in enumerate(span.periods)]
    return ibis.cases(*branches[:-1], else_=ibis.literal(len(branches) - 1))
