"""From what a KPI was to what it is, one step per driver."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.charts.scene import Box, Dot, Mark, Rule, Scene, Table, Text
from cadran.i18n import segment_name
from cadran.insights.change import REST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cadran.charts.words import Words
    from cadran.insights.change import Driver, Drivers

#: Height of a row, and most drivers drawn; the smallest ones beyond are one row.
ROW, MOST = 40, 10
#: What a part of a KPI is called.
PARTS = {"numerator": "Above the line", "denominator": "Below the line", REST: "Not told by the formula"}


def driver_name(driver: Driver, names: Mapping[str, str], words: Words) -> str:
    """The name of a driver: a KPI's, a part's, or that of a segment."""
    if driver.segment:
        return " · ".join(segment_name(value, words.language) for value in driver.segment.values())
    return words.say(PARTS[driver.name]) if driver.name in PARTS else names.get(driver.name, driver.name)


def bridge(found: Drivers, names: Mapping[str, str], words: Words, title: str) -> Scene | None:
    """The steps between two values; None where nothing can be said.

    Args:
        found: The change.
        names: Name of each KPI in the person's language.
        words: How numbers and sentences are written.
        title: What the drawing shows.
    """
    if found.method == "none" or found.before is None or found.now is None:
        return None
    steps = _steps(found, names, words)
    levels = [found.before]
    for _, step in steps:
        levels.append(levels[-1] + step)
    low, high = float(min(levels)), float(max(levels))
    # both values are dots and not bars, since an axis from zero would hide the steps
    air = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    first, size = low - air, (high - low) + 2 * air

    def at(level: Decimal) -> float:
        return (float(level) - first) / size

    marks: list[Mark] = []
    marks += _row(0, words.period(found.earlier_start, found.earlier_end), words.value(found.before, found.kpi.unit))
    marks.append(Dot((at(found.before), 25), 5, "c-dot c-open"))
    for place, (name, step) in enumerate(steps, start=1):
        marks += _row(place, name, words.delta(step, found.kpi.unit))
        start, end = sorted((at(levels[place - 1]), at(levels[place])))
        marks.append(
            Rule((at(levels[place - 1]), place * ROW - 9), (at(levels[place - 1]), place * ROW + 31), "c-grid")
        )
        marks.append(Box(start, max(end - start, 0.002), place * ROW + 19, 12, _css(found, step), 1))
    last = len(steps) + 1
    marks += _row(last, words.period(found.start, found.end), words.value(found.now, found.kpi.unit))
    marks.append(Dot((at(found.now), last * ROW + 25), 5, "c-dot"))
    return Scene(ROW * (last + 1), tuple(marks), "chart bars", title, "", drivers_table(found, names, words))


def drivers_table(found: Drivers, names: Mapping[str, str], words: Words) -> Table:
    """Every driver as text: then, now, its contribution, and of that mix and rate where it is a rate."""
    is_mixed = found.method == "mix_rate"
    heads = ("Driver", "Then", "Now", "Contribution", *(("Mix", "Rate") if is_mixed else ()))
    rows = tuple(_cells(driver, found, names, words) for driver in found.drivers)
    total = (words.say("Total"), *(words.value(v, found.kpi.unit) for v in (found.before, found.now)))
    total += (words.delta(found.change, found.kpi.unit),)
    total += (words.delta(found.mix, found.kpi.unit), words.delta(found.rate, found.kpi.unit)) if is_mixed else ()
    return Table(tuple(words.say(head) for head in heads), (*rows, total))


def _cells(driver: Driver, found: Drivers, names: Mapping[str, str], words: Words) -> tuple[str, ...]:
    values = (words.value(driver.before, driver.unit or "count"), words.value(driver.now, driver.unit or "count"))
    cells = (driver_name(driver, names, words), *values, words.delta(driver.contribution, found.kpi.unit))
    if found.method != "mix_rate":
        return cells
    return (*cells, words.delta(driver.mix, found.kpi.unit), words.delta(driver.rate, found.kpi.unit))


def _steps(found: Drivers, names: Mapping[str, str], words: Words) -> list[tuple[str, Decimal]]:
    known = [(driver_name(d, names, words), d.contribution or Decimal(0)) for d in found.drivers]
    if len(known) <= MOST:
        return known
    rest = sum((step for _, step in known[MOST - 1 :]), Decimal(0))
    return [*known[: MOST - 1], (words.say("{n} others", n=len(known) - MOST + 1), rest)]


def _row(place: int, name: str, value: str) -> Sequence[Mark]:
    y = place * ROW + 13
    return Text((0, y), name, "c-lab"), Text((1, y), value, "c-lab c-val", "end")


def _css(found: Drivers, step: Decimal) -> str:
    if not step or found.kpi.direction not in ("up", "down"):
        return "h-val h-none"
    return "h-val w-good" if (step > 0) == (found.kpi.direction == "up") else "h-val w-bad"
