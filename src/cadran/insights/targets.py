"""Which target and benchmark apply to a figure, and what the figure says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.i18n import Said

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from cadran.catalogue.definition import Benchmark, Direction, Kpi, Target, TargetLock
    from cadran.engine.result import Figure, Number
    from cadran.insights.reading import Verdict
    from cadran.stats.intervals import Interval

EDITED = {
    "en": "Judged by the target locked on {day} for {campaign}, {agreed}; it was changed since to {now}.",
    "fr": "Jugé sur la cible verrouillée le {day} pour {campaign}, {agreed} ; elle a été changée depuis en {now}.",
}


def target_of(figure: Figure) -> Target | None:
    """The target that applies to the figure: the one with the closest segment, the latest first.

    A target for a segment says nothing about the total, and the other way round only when no
    target names the segment.
    """
    lock = lock_of(figure)
    return _closest(lock.targets if lock else figure.kpi.targets, figure)


def lock_of(figure: Figure) -> TargetLock | None:
    """The lock under which the figure is judged: that of the campaign in which its period starts (T-97)."""
    return next((lock for lock in figure.kpi.locks if lock.start <= figure.start < lock.end), None)


def edited(figure: Figure) -> Said | None:
    """That the target was changed after it was locked, with both levels; None where it is as it was."""
    lock = lock_of(figure)
    if lock is None:
        return None
    agreed, now = _closest(lock.targets, figure), _closest(figure.kpi.targets, figure)
    if (agreed and (agreed.value, agreed.high)) == (now and (now.value, now.high)):
        return None
    levels = {"agreed": _level(agreed, figure.kpi), "now": _level(now, figure.kpi)}
    return Said(EDITED, {"campaign": lock.campaign, "day": lock.locked_on, **levels})


def _level(target: Target | None, kpi: Kpi) -> str:
    if target is None:
        return "–"
    edges = [target.value] if target.high is None else [target.value, target.high]
    texts = [f"{100 * edge:f}" if kpi.unit == "rate" else f"{edge:f}" for edge in edges]
    texts = [text.rstrip("0").rstrip(".") if "." in text else text for text in texts]
    return "–".join(texts) + (" %" if kpi.unit == "rate" else "")


def _closest(targets: Sequence[Target], figure: Figure) -> Target | None:
    apply = [t for t in targets if _covers(t.segment, figure.segment) and _holds(t, figure.start)]
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
