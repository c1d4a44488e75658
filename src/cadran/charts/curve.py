"""How a cohort converts as it ages, beside past cases, and what is expected of it in the end."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from cadran.charts.scene import Dot, Hit, Mark, Path, Point, Rule, Scene, Table, Text
from cadran.insights.expected import points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cadran.charts.words import Words
    from cadran.insights.reading import Reading

#: Most horizontal lines, and how often the cases still watched are written.
LINES, TICKS = 4, 6
#: Rows of the table.
MOST_ROWS = 12


def curve(reading: Reading, words: Words, title: str, height: float = 258) -> Scene | None:
    """The share that has converted by each age, with its band; None where a reading has no curve.

    The cohort's own curve ends where nobody of it is watched any more; that of past cases is dashed and
    goes on to the horizon, where a dot marks what is expected of the cohort, with its interval.
    """
    found = reading.conversion
    if found is None:
        return None
    every = points(found)
    top, bottom = 20.0, height - 40
    most = max((edge for p in every for edge in (p["high"], p["past"]) if edge is not None), default=0.0)
    ceiling = min(1.0, max(most, reading.high or 0.0, 0.02) * 1.1)
    horizon = found.horizon

    def at(age: float, share: float) -> Point:
        return age / horizon * 0.97, bottom - (bottom - top) * min(share, ceiling) / ceiling

    marks = _grid(ceiling, at, words)
    band = [p for p in every if p["share"] is not None]
    upper = [at(p["age"], p["high"]) for p in band]
    lower = [at(p["age"], p["low"]) for p in reversed(band)]
    marks += [Path(tuple(upper + lower), "c-ci", closed=True)] if len(band) > 1 else []
    past = [at(p["age"], p["past"]) for p in every if p["past"] is not None]
    marks += [Path(tuple(past), "c-line c-partial")] if len(past) > 1 else []
    own = [at(p["age"], p["share"]) for p in band]
    marks += [Path(tuple(own), "c-line c-main")] if len(own) > 1 else []
    if found.expected is not None:
        place = at(horizon, found.expected)
        if found.interval:
            marks.append(Rule(at(horizon, found.interval.low), at(horizon, found.interval.high), "h-ci"))
        marks.append(Dot(place, 5, "c-dot" if reading.status == "ok" else "c-dot c-open"))
    marks += _ages(every, at, bottom, words)
    marks += _hits(every, at, bottom, words)
    return Scene(height, tuple(marks), "chart", title, "", curve_table(reading, words))


def curve_table(reading: Reading, words: Words, most: int = MOST_ROWS) -> Table:
    """The curve as text: age, share that has converted, its interval, cases still watched, past cases."""
    headings = ("Age", "Converted by then", "95% interval", "Still watched", "Past cases")
    every = points(reading.conversion, most) if reading.conversion else []
    return Table(tuple(words.say(name) for name in headings), tuple(_cells(p, words) for p in every))


def _cells(point: dict[str, Any], words: Words) -> tuple[str, ...]:
    return (
        words.say("day {n}", n=point["age"]),
        words.value(point["share"], "rate"),
        words.interval(point["low"], point["high"], "rate") if point["low"] is not None else "",
        words.number(point["at_risk"]),
        words.value(point["past"], "rate"),
    )


def _grid(ceiling: float, at: Any, words: Words) -> list[Mark]:
    step = next(s for s in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5) if s * LINES >= ceiling or s == 0.5)
    marks: list[Mark] = []
    for place in range(1, ceil(ceiling / step) + 1):
        if place * step <= ceiling:
            y = at(0, place * step)[1]
            label = words.value(place * step, "rate", "round")
            marks += [Rule((0, y), (1, y), "c-grid"), Text((0, y - 4), label, "c-tick")]
    return marks


def _ages(every: Sequence[dict[str, Any]], at: Any, bottom: float, words: Words) -> list[Mark]:
    """Days under the axis, and under them how many cases of the cohort were still watched."""
    marks: list[Mark] = [Rule((0, bottom), (1, bottom), "c-grid")]
    size = max(1, (len(every) - 1) // TICKS)
    for point in every[::size]:
        x = at(point["age"], 0)[0]
        anchor = "start" if x < 0.05 else "middle"
        marks.append(Text((x, bottom + 16), words.say("{n} d", n=point["age"]), "c-tick", anchor))
        marks.append(Text((x, bottom + 33), "n = " + words.number(point["at_risk"]), "c-tick", anchor))
    return marks


def _hits(every: Sequence[dict[str, Any]], at: Any, bottom: float, words: Words) -> list[Mark]:
    marks: list[Mark] = []
    width = 0.97 / max(len(every) - 1, 1)
    for point in every:
        shown = point["share"] if point["share"] is not None else point["past"]
        if shown is None:
            continue
        day, share, interval, watched, past = _cells(point, words)
        lines = [day, share] if point["share"] is not None else [day]
        lines += [words.say("95% interval: {interval}", interval=interval)] if interval else []
        lines += [f"n = {watched}", words.say("Past cases: {share}", share=past)]
        x = at(point["age"], 0)[0]
        left = max(0.0, x - width / 2)
        marks.append(Hit(left, min(width, 1 - left), bottom, tuple(lines), at(point["age"], shown)))
    return marks
