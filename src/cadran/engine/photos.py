"""Photographs: rows of the last day of a period on which a table has rows of some kind.

Whatever is asked, and by whom, they were taken on the same days, which a build keeps with its snapshot.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from cadran.engine.aggregate import DAY
from cadran.engine.fragments import FRAGMENTS, ROW
from cadran.engine.parts import mode_of, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import date

    from cadran.catalogue.definition import Catalogue
    from cadran.engine.span import Span
    from cadran.period import Period


def photo_days(entity: str, time: str, text: str) -> str:
    """The statement of every day of a table on which it has rows of a predicate; of any rows without one."""
    kept = [f'{ROW}."{time}" IS NOT NULL', *([f"({FRAGMENTS.of(entity, text).sql})"] if text else [])]
    return f'SELECT DISTINCT {ROW}."{time}" AS {DAY}\nFROM "{entity}" AS {ROW}\nWHERE {" AND ".join(kept)}\nORDER BY 1'


def write(run: Callable[[str], Any], catalogue: Catalogue) -> list[dict[str, Any]]:
    """The days of every photograph of a catalogue, as plain values to be kept with a snapshot.

    Args:
        run: Runs one statement on the database that is written.
        catalogue: Definitions.
    """
    every = (part for kpis in catalogue.kpis.values() for kpi in kpis for part in parts_of(kpi).all())
    photos = [part for part in every if mode_of(part) == "photo"]
    asked = [(part.measure.entity, part.time, text) for part in photos for text in ("", part.photo)]
    texts = [photo_days(*each) for each in dict.fromkeys(asked)]
    return [{"sql": sql, "days": [row[0].isoformat() for row in run(sql).fetchall()]} for sql in texts]


def last_days(taken: Sequence[date], span: Span) -> list[date | None]:
    """The last day of each period on which a photograph was taken.

    Args:
        taken: The days on which it was taken, in order.
        span: Periods.
    """
    return [_last(taken, span.counted(period)) for period in span.periods]


def _last(days: Sequence[date], period: Period) -> date | None:
    place = bisect_left(days, period.end)
    return days[place - 1] if place and days[place - 1] >= period.start else None


def some_of(last: Iterable[Sequence[date | None]], every: Sequence[date], span: Span) -> list[date] | None:
    """The days whose rows count; None when the table has no other days in the span.

    Args:
        last: What `last_days` gives of each photograph.
        every: Days with rows, in order.
        span: Periods.
    """
    days = {day for each in last for day in each if day}
    there = every[bisect_left(every, span.start) : bisect_left(every, span.end)]
    return None if days.issuperset(there) else sorted(days)
