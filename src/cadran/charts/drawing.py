"""Readings drawn as scenes: sparkline, strip, bars and trend."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby, pairwise
from math import floor, log10
from typing import TYPE_CHECKING

from cadran import i18n
from cadran.charts.scene import Box, Dot, Hit, Mark, Path, Point, Rule, Scene, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cadran.catalogue.definition import Benchmark, Target
    from cadran.charts.words import Words
    from cadran.engine.result import Number
    from cadran.insights.reading import Reading


@dataclass(frozen=True)
class _Axis:
    """Where values lie between two heights or two sides."""

    low: float
    high: float
    at_low: float
    at_high: float

    def at(self, value: Number) -> float:
        """The place of a value, never outside the axis."""
        share = (min(max(float(value), self.low), self.high) - self.low) / (self.high - self.low)
        return self.at_low + share * (self.at_high - self.at_low)


def _axis(values: Iterable[Number | None], places: Point, *, margin: float = 0.14) -> _Axis:
    """An axis on which all the values lie, with some air on both sides."""
    known = [float(value) for value in values if value is not None] or [0.0]
    low, high = min(known), max(known)
    air = (high - low) * margin or abs(high) * margin or 1.0
    floor_ = 0.0 if low >= 0 else low - air
    return _Axis(max(low - air, floor_), high + air, *places)


def _ticks(axis: _Axis, most: int = 5) -> list[float]:
    """Round values on the axis, at most that many."""
    rough = (axis.high - axis.low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough)
    first = floor(axis.low / step) + 1
    return [n * step for n in range(first, first + most + 1) if axis.low < n * step < axis.high]


def sparkline(readings: Sequence[Reading], height: float = 44) -> Scene:
    """The course of a value without words: target dashed, unfinished last period dashed too."""
    targets = _target_edges(readings[-1].target if readings else None)
    axis = _axis([*(r.value for r in readings), *targets], (height - 4, 4))
    places = [(0.96 * index / max(len(readings) - 1, 1), reading) for index, reading in enumerate(readings)]
    marks: list[Mark] = [Rule((0, axis.at(edge)), (1, axis.at(edge)), "c-target") for edge in targets]
    marks += _lines(places, axis, "c-line")
    last = [(x, reading) for x, reading in places if reading.value is not None][-1:]
    marks += [Dot((x, axis.at(r.value or 0)), 3, _dot_css(r)) for x, r in last]
    return Scene(height, tuple(marks), "spark")


def strip(reading: Reading, others: Sequence[Reading] = (), height: float = 20) -> Scene:
    """Where a value lies: dot, interval, benchmark band and target tick.

    A dot and not a bar, since the track does not start at zero.

    Args:
        reading: Reading to draw.
        others: Readings drawn beside it, which must lie on the same track.
        height: Height in pixels.
    """
    axis = _axis([edge for each in [reading, *others] for edge in _edges(each)], (0, 1), margin=0.25)
    marks: list[Mark] = [Box(0, 1, 8, 4, "b-track", 2)]
    if edges := _benchmark_edges(reading.benchmark):
        marks.append(_span_box(axis, edges, (8, 4), "b-bench"))
    if reading.low is not None and reading.high is not None:
        marks.append(_span_box(axis, (reading.low, reading.high), (6, 8), "b-ci"))
    marks += [Rule((axis.at(edge), 1), (axis.at(edge), 19), "b-target") for edge in _target_edges(reading.target)]
    if reading.value is not None:
        marks.append(Dot((axis.at(reading.value), 10), 5, "b-pt"))
    return Scene(height, tuple(marks), f"bullet s-{reading.verdict if reading.status == 'ok' else 'faint'}")


def bars(readings: Sequence[Reading], dimension: str, words: Words, title: str) -> Scene:
    """One bar from zero per segment, with its interval, its number of cases and its value."""
    row = 40
    top = max((float(edge) for r in readings for edge in (r.value, r.high) if edge is not None), default=0.0)
    low = min((float(edge) for r in readings for edge in (r.value, r.low) if edge is not None), default=0.0)
    axis = _Axis(min(low, 0.0), top if top > low else low + 1, 0, 1)
    marks: list[Mark] = []
    rows: list[tuple[str, ...]] = []
    for index, reading in enumerate(readings):
        name = segment_names(reading, words)
        marks += _bar(reading, name, axis, index * row, words)
        rows.append((name, *_cells(reading, words)))
    table = Table((dimension, *_headings(words)), tuple(rows))
    return Scene(row * len(readings), tuple(marks), "chart bars", title, "", table)


def trend(readings: Sequence[Reading], words: Words, title: str, height: float = 258) -> Scene:
    """The course of a value: interval band, target, benchmark, new versions, unfinished period dashed."""
    top, bottom = 34.0, height - 22
    axis = _axis([edge for r in readings for edge in _edges(r)], (bottom, top), margin=0.08)
    width = 1 / max(len(readings), 1)
    places = [((index + 0.5) * width, reading) for index, reading in enumerate(readings)]
    marks: list[Mark] = []
    if readings and (edges := _benchmark_edges(readings[-1].benchmark)):
        high, low = axis.at(edges[1]), axis.at(edges[0])
        marks.append(Box(0, 1, high, low - high, "c-bench"))
    for tick in _ticks(axis):
        y = axis.at(tick)
        label = words.value(Decimal(str(round(tick, 10))), readings[-1].kpi.unit, "round")
        marks += [Rule((0, y), (1, y), "c-grid"), Text((0, y - 4), label, "c-tick")]
    marks += _bands(places, axis) + _lines(places, axis, "c-line c-main") + _targets(places, axis, width, words)
    marks += _versions(places, top, bottom)
    marks += [
        Dot((x, axis.at(r.value)), 4, _dot_css(r)) for x, r in places if r.value is not None and _marked(r, readings)
    ]
    marks += _period_labels(places, height, words)
    marks += [
        Hit(x - width / 2, width, bottom, _tip(r, words), (x, axis.at(r.value or 0)))
        for x, r in places
        if r.value is not None
    ]
    rows = tuple((_period_name(r, words), *_cells(r, words)) for _, r in places)
    return Scene(height, tuple(marks), "chart", title, "", Table((words.say("Period"), *_headings(words)), rows))


def segment_names(reading: Reading, words: Words) -> str:
    """The name of a reading's segment; of several dimensions, joined."""
    return " · ".join(i18n.segment_name(value, words.language) for value in reading.figure.segment.values())


def _edges(reading: Reading) -> list[Number | None]:
    """Every value that a drawing of the reading shows."""
    return [
        reading.value,
        reading.low,
        reading.high,
        *_target_edges(reading.target),
        *(_benchmark_edges(reading.benchmark) or ()),
    ]


def _target_edges(target: Target | None) -> list[Decimal]:
    return [edge for edge in (target.value, target.high) if edge is not None] if target else []


def _target_text(target: Target, unit: str, words: Words) -> str:
    if target.high is None:
        return words.value(target.value, unit, "round")
    return words.interval(target.value, target.high, unit, "round")


def _benchmark_edges(benchmark: Benchmark | None) -> tuple[Decimal, Decimal] | None:
    if benchmark is None or benchmark.low is None or benchmark.high is None:
        return None
    return benchmark.low, benchmark.high


def _span_box(axis: _Axis, edges: tuple[Number, Number], place: Point, css: str) -> Box:
    start, end = axis.at(edges[0]), axis.at(edges[1])
    return Box(start, end - start, *place, css, place[1] / 2)


def _marked(reading: Reading, readings: Sequence[Reading]) -> bool:
    """True for a point that has its own dot: the last, the unfinished, and those not to rely on."""
    return reading is readings[-1] or reading.figure.partial or reading.status != "ok"


def _dot_css(reading: Reading) -> str:
    return "c-dot c-open" if reading.figure.partial or reading.status != "ok" else "c-dot"


def _lines(places: Sequence[tuple[float, Reading]], axis: _Axis, css: str) -> list[Mark]:
    """One piece per pair of neighbours: none across a gap or a new version, dashed to a partial one."""
    marks: list[Mark] = []
    run: list[Point] = []
    for (x1, one), (x2, two) in pairwise(places):
        if one.value is None or two.value is None or one.kpi.version != two.kpi.version:
            continue
        start, end = (x1, axis.at(one.value)), (x2, axis.at(two.value))
        if one.figure.partial or two.figure.partial:
            marks.append(Path((start, end), f"{css} c-partial"))
        elif run and run[-1] == start:
            run.append(end)
        else:
            marks += _path(run, css)
            run = [start, end]
    return marks + _path(run, css)


def _path(run: list[Point], css: str) -> list[Mark]:
    return [Path(tuple(run), css)] if run else []


def _bands(places: Sequence[tuple[float, Reading]], axis: _Axis) -> list[Mark]:
    marks: list[Mark] = []
    for known, group in groupby(
        places, lambda place: (place[1].low is None or place[1].high is None, place[1].kpi.version)
    ):
        run = list(group)
        if not known[0] and len(run) > 1:
            upper = [(x, axis.at(r.high or 0)) for x, r in run]
            lower = [(x, axis.at(r.low or 0)) for x, r in reversed(run)]
            marks.append(Path(tuple(upper + lower), "c-ci", closed=True))
    return marks


def _targets(places: Sequence[tuple[float, Reading]], axis: _Axis, width: float, words: Words) -> list[Mark]:
    marks: list[Mark] = []
    for target, group in groupby(places, lambda place: place[1].target):
        if target is None:
            continue
        run = list(group)
        start, end = run[0][0] - width / 2, run[-1][0] + width / 2
        marks += [Rule((start, axis.at(e)), (end, axis.at(e)), "c-target") for e in _target_edges(target)]
        if run[-1] is places[-1]:
            shown = _target_text(target, run[-1][1].kpi.unit, words)
            label = words.say("Target {value}", value=shown)
            marks.append(Text((1, axis.at(_target_edges(target)[-1]) - 6), label, "c-lab c-lab-t c-halo", "end"))
    return marks


def _versions(places: Sequence[tuple[float, Reading]], top: float, bottom: float) -> list[Mark]:
    marks: list[Mark] = []
    for (x1, one), (x2, two) in pairwise(places):
        if one.kpi.version != two.kpi.version:
            x = (x1 + x2) / 2
            anchor = "start" if x < 0.5 else "end"
            marks += [
                Rule((x, top - 8), (x, bottom), "c-mark"),
                Text((x, top - 14), f"v{two.kpi.version}", "c-lab c-mark-l", anchor),
            ]
    return marks


def _period_labels(places: Sequence[tuple[float, Reading]], height: float, words: Words) -> list[Mark]:
    every = max(1, -(-len(places) // 6))
    shown = [place for index, place in enumerate(reversed(places)) if index % every == 0]
    return [_label(x, height - 5, words.period(r.figure.start, r.figure.end, short=True)) for x, r in shown]


def _label(x: float, y: float, text: str) -> Text:
    """A name under its period; at both ends of the axis, inside the drawing."""
    if x < 0.06:
        return Text((0, y), text, "c-tick")
    return Text((1, y), text, "c-tick", "end") if x > 0.94 else Text((x, y), text, "c-tick", "middle")


def _period_name(reading: Reading, words: Words) -> str:
    name = words.period(reading.figure.start, reading.figure.end)
    return words.say("{period} (provisional)", period=name) if reading.figure.partial else name


def _headings(words: Words) -> tuple[str, ...]:
    return words.say("Value"), words.say("95% interval"), "n"


def _cells(reading: Reading, words: Words) -> tuple[str, str, str]:
    unit = reading.kpi.unit
    value = words.value(reading.value, unit, "normal") if reading.value is not None else _reason(reading, words)
    return value, words.interval(reading.low, reading.high, unit), words.number(reading.figure.n)


def _reason(reading: Reading, words: Words) -> str:
    template = reading.reason or reading.figure.reason
    return words.say(template or "Undefined", **dict(reading.reason_params or reading.figure.reason_params))


def _tip(reading: Reading, words: Words) -> tuple[str, ...]:
    value, interval, n = _cells(reading, words)
    lines = [_period_name(reading, words), value]
    lines += [words.say("95% interval: {interval}", interval=interval)] if reading.low is not None else []
    return (*lines, f"n = {n}")


def _bar(reading: Reading, name: str, axis: _Axis, y: float, words: Words) -> list[Mark]:
    value, _, n = _cells(reading, words)
    marks: list[Mark] = [
        Text((0, y + 13), f"{name} · n = {n}", "c-lab"),
        Text((1, y + 13), value, "c-lab c-val", "end"),
    ]
    if reading.value is None:
        return marks
    zero, end = axis.at(0), axis.at(reading.value)
    css = "h-val" if reading.status == "ok" else "h-val h-none"
    marks.append(Box(min(zero, end), abs(end - zero), y + 19, 12, css, 1))
    if reading.low is not None and reading.high is not None:
        marks.append(Rule((axis.at(reading.low), y + 25), (axis.at(reading.high), y + 25), "h-ci"))
    return marks
