"""Which target and benchmark apply to a figure, and what the figure says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from cadran.catalogue.definition import Benchmark, Direction, Target
    from cadran.engine.result import Figure, Number
    from cadran.insights.reading import Verdict
    from cadran.stats.intervals import Interval


def target_of(figure: Figure) -> Target | None:
    """The target that applies to the figure: the one with the closest segment, the latest first.

    A target for a segment says nothing about the total, and the other way round only when no
    target names the segment.
    """
    apply = [t for t in figure.kpi.targets if _covers(t.segment, figure.segment) and _holds(t, figure.start)]
    return max(apply, key=lambda t: (len(t.segment), t.start is not None, t.start or figure.start), default=None)


def benchmark_of(figure: Figure) -> Benchmark | None:
    """The benchmark that applies to the figure: the closest segment, then the best evidence, then the newest.

    What is known of one market says nothing of the figure of another.
    """
    apply = [b for b in figure.kpi.benchmarks if _covers(b.segment, figure.segment) and _in_market(b, figure)]
    return max(apply, key=lambda b: (len(b.segment), -"ABC".index(b.grade), b.year or 0), default=None)


def _in_market(benchmark: Benchmark, figure: Figure) -> bool:
    market = figure.segment.get("market", benchmark.market)
    return benchmark.market in ("", market)


def verdict_of(value: Number | None, interval: Interval | None, target: Target | None, direction: Direction) -> Verdict:
    """What a value and its interval say about a target.

    Args:
        value: The value, in the KPI's unit.
        interval: Its interval, or None for a value that is known exactly.
        target: Target, or None.
        direction: Which way is good; ``band`` needs both edges of the target.

    Returns:
        ``cannot_tell`` when the interval contains an edge of the target (rule G-4), ``none``
        without a target or a direction.
    """
    if target is None or value is None or direction == "none":
        return "none"
    low, high = (interval.low, interval.high) if interval else (float(value), float(value))
    edges = _edges(target, direction)
    if interval and any(low < edge < high for edge in edges):
        return "cannot_tell"
    return "on_track" if _is_good(low, high, edges, direction) else "off_track"


def _edges(target: Target, direction: Direction) -> list[float]:
    """The edges of a target that count: passing the far edge of a range in the good direction is no fault."""
    low, high = float(target.value), float(target.high if target.high is not None else target.value)
    return {"up": [low], "down": [high]}.get(direction, [low, high])


def _is_good(low: float, high: float, edges: list[float], direction: Direction) -> bool:
    match direction:
        case "up":
            return low >= edges[0]
        case "down":
            # "under 12 months" is strict: exactly 12 does not reach it (T-58)
            return high < edges[-1]
        case _:
            return edges[0] <= low and high <= edges[-1]


def _covers(scope: Mapping[str, str], segment: Mapping[str, str | None]) -> bool:
    return all(segment.get(name) == value for name, value in scope.items())


def _holds(target: Target, day: date) -> bool:
    return (target.start is None or target.start <= day) and (target.end is None or day < target.end)
