"""The rules of contracts, judged segment by segment: a threshold, a target, or what is usual.

A rule holds where the whole interval lies past its edge, for as many periods in a row as it asks; it is over at
its own edge of recovery, so that a value that hovers is told once. Unfinished periods, cohorts that have not
had their time, and too few cases say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from cadran.engine.query import KpiQuery, where_is
from cadran.insights.alerts import Kind, Signal, State
from cadran.insights.review import GRAINS
from cadran.stats.intervals import exact_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from cadran.catalogue.definition import AlertRule, Kpi
    from cadran.insights.reading import Reading, Readings
    from cadran.period import Calendar, Grain

KINDS: dict[str, Kind] = {"level": "threshold", "target": "target", "usual": "usual"}
#: Weeks before the window that tell what is usual, and fewest cases in them.
USUAL, FEWEST_USUAL = 52, 50
#: A segment of which nothing came for that many days says nothing of today.
SILENT = 100


@dataclass(frozen=True)
class Asked:
    """One rule with the question that it needs.

    Attributes:
        kpi: The KPI.
        rule: The rule.
        query: Question whose readings say whether it holds.
    """

    kpi: Kpi
    rule: AlertRule
    query: KpiQuery


def questions(kpis: Iterable[Kpi], calendar: Calendar, end: date, *, start: date | None = None) -> list[Asked]:
    """What to ask for every rule of some KPIs.

    Args:
        kpis: KPIs, in their newest version.
        calendar: The company's.
        end: Day before which the newest period ends.
        start: First day, to judge many days by one answer; by default what the newest day needs.
    """
    found = []
    for kpi in kpis:
        for rule in kpi.alerts:
            grain = grain_of(kpi)
            last = calendar.containing(end, grain).start
            first = last if start is None else calendar.containing(start, grain).start
            days = max((last - calendar.containing(last - timedelta(days=1), grain).start).days, 1)
            back = rule.for_periods + 1 + -(-(kpi.window_days or 0) // days)
            back += USUAL + rule.window if rule.against == "usual" else 0
            asked = KpiQuery((kpi.id,), by=rule.by, grain=grain, start=first - timedelta(days=days * back), end=last)
            found.append(Asked(kpi, rule, asked))
    return found


def grain_of(kpi: Kpi) -> Grain:
    """The periods by which a KPI is watched: those of its cadence where it can be cut so."""
    wanted = GRAINS.get(kpi.cadence, "month")
    return wanted if wanted in kpi.grains else kpi.grains[-1]  # type: ignore[return-value]


def rule_signals(asked: Sequence[tuple[Asked, Readings]], calendar: Calendar, end: date) -> tuple[Signal, ...]:
    """The signals of rules on a day; of several rules on one side, the gravest that holds.

    Args:
        asked: Rules with the readings that answer them, which may go beyond the day.
        calendar: The company's.
        end: First day that is not wholly known.
    """
    found: dict[str, Signal] = {}
    for each, answer in asked:
        for series in _by_segment(answer.readings, each.kpi, end):
            signal = _judged(each, series, calendar, end)
            if signal is not None:
                before = found.get(signal.key)
                found[signal.key] = signal if before is None else _graver(before, signal)
    return tuple(found.values())


def _by_segment(readings: Iterable[Reading], kpi: Kpi, end: date) -> list[list[Reading]]:
    """Readings of periods that are over and whose cases had their time by then, by segment, oldest first."""
    wait = timedelta(days=kpi.window_days or 0)
    found: dict[tuple[tuple[str, str | None], ...], list[Reading]] = {}
    for reading in readings:
        if reading.figure.end + wait <= end and not reading.figure.partial:
            found.setdefault(reading.figure.key[2], []).append(reading)
    return [sorted(each, key=lambda r: r.figure.start) for each in found.values()]


def _judged(asked: Asked, series: Sequence[Reading], calendar: Calendar, end: date) -> Signal | None:
    kpi, rule = asked.kpi, asked.rule
    newest = series[-1]
    # a segment that fell silent long ago says nothing of today
    if (end - newest.figure.end).days > (kpi.window_days or 0) + SILENT:
        return None
    points = _usual_points(series, rule) if rule.against == "usual" else [_point(r, rule) for r in series]
    side = _side(rule, kpi)
    beyond = [_beyond(point, side) for point in points]
    run = _run(beyond)
    point, since = points[-1], series[-max(run, 1)].figure.start
    figure = newest.figure
    kind = KINDS[rule.against]
    parts = "&".join(f"{name}={value}" for name, value in sorted(figure.segment.items()))
    is_bad = {"down": "below", "up": "above"}.get("down" if kpi.direction == "up" else "up") == side
    return Signal(
        key=f"{kpi.id}|{kind}|{side}|{parts}",
        cause=kpi.id,
        kind=kind,
        level=rule.level,
        kpi=kpi.id,
        owner=kpi.owner,
        team=kpi.team,
        segment=dict(figure.segment),
        state=_state(beyond, point, rule, side, is_late=_is_late(rule, figure.end, calendar)),
        start=figure.start,
        end=figure.end,
        since=since,
        value=point.value,
        usual=point.edge,
        low=point.low,
        high=point.high,
        n=point.n,
        money=_money(kpi, point),
        is_favourable=None if kpi.direction not in ("up", "down") else not is_bad,
        where=tuple(where_is(name, value) for name, value in figure.segment.items()),
    )


@dataclass(frozen=True)
class _Point:
    """One period as a rule sees it; no value where it cannot be told."""

    value: float | None
    low: float | None = None
    high: float | None = None
    edge: float | None = None
    n: int = 0
    edges: tuple[float | None, float | None] = field(default=(None, None))


def _point(reading: Reading, rule: AlertRule) -> _Point:
    if rule.against == "target":
        target = reading.target
        below = None if target is None else float(target.value)
        above = None if target is None else float(target.high if target.high is not None else target.value)
    else:
        below = None if rule.below is None else float(rule.below)
        above = None if rule.above is None else float(rule.above)
    edge = below if _side(rule, reading.kpi) == "below" else above
    n = reading.figure.n
    if reading.status != "ok" or reading.value is None or n < rule.min_n or edge is None:
        return _Point(None, n=n, edge=edge)
    return _Point(float(reading.value), reading.low, reading.high, edge, n)


def _usual_points(series: Sequence[Reading], rule: AlertRule) -> list[_Point]:
    """The share of each window of weeks beside that of the 52 weeks before it, from their counts."""
    upper = [int(r.figure.numerator or 0) for r in series]
    lower = [int(r.figure.denominator or 0) for r in series]
    found = []
    for at in range(len(series)):
        first = at + 1 - rule.window
        before = slice(max(first - USUAL, 0), max(first, 0))
        n, past = sum(lower[max(first, 0) : at + 1]), sum(lower[before])
        if first <= 0 or n < max(rule.min_n, 1) or past < FEWEST_USUAL:
            found.append(_Point(None, n=n))
            continue
        hits, usual = sum(upper[first : at + 1]), sum(upper[before]) / past
        interval = exact_interval(hits, n, level=float(rule.certainty or 0.95))
        low, high = (interval.low, interval.high) if interval else (None, None)
        found.append(_Point(hits / n, low, high, usual, n))
    return found


def _side(rule: AlertRule, kpi: Kpi) -> Literal["below", "above"]:
    if rule.against == "level":
        return "below" if rule.below is not None else "above"
    return "above" if kpi.direction == "down" else "below"


def _beyond(point: _Point, side: str) -> bool | None:
    """True when the whole interval lies past the edge; a value without interval is its own; None when unknown."""
    if point.value is None or point.edge is None:
        return None
    if side == "below":
        return (point.value if point.high is None else point.high) < point.edge
    return (point.value if point.low is None else point.low) > point.edge


def _run(beyond: Sequence[bool | None]) -> int:
    """How many of the newest periods in a row hold."""
    run = 0
    for each in reversed(beyond):
        if not each:
            break
        run += 1
    return run


def _state(beyond: Sequence[bool | None], point: _Point, rule: AlertRule, side: str, *, is_late: bool) -> State:
    if beyond[-1] is None or is_late:
        return "unknown"
    if beyond[-1]:
        return "raised" if _run(beyond) >= rule.for_periods else "unknown"
    edge = point.edge if rule.recover is None else float(rule.recover)
    value = point.value
    if value is None or edge is None:
        return "unknown"
    # between the edge that raises and the one that ends nothing changes: a value that hovers is told once
    return "clear" if (value >= edge if side == "below" else value <= edge) else "unknown"


def _is_late(rule: AlertRule, day: date, calendar: Calendar) -> bool:
    """True in the part of a quarter that a rule does not judge: what is signed has left the pipeline by then."""
    if rule.until_share is None:
        return False
    last = day - timedelta(days=1)
    quarter = calendar.containing(last, "quarter")
    return (last - quarter.start).days + 1 > float(rule.until_share) * quarter.days


def _graver(one: Signal, other: Signal) -> Signal:
    """Of two rules on the same side, the one that says more: the gravest raised, then the one that hovers.

    One that has too few cases says nothing, and keeps no alert that the other rule ends.
    """
    order = {"raised": 3, "unknown": 2, "clear": 1}

    def rank(signal: Signal) -> tuple[int, bool]:
        return 0 if signal.value is None else order[signal.state], signal.level == "alert"

    return max(one, other, key=rank)


def _money(kpi: Kpi, point: _Point) -> Decimal | None:
    """For sums of money, what is missing or in excess; a rate or a count has no price of its own."""
    if kpi.unit != "money" or point.value is None or point.edge is None:
        return None
    return Decimal(round(point.value - point.edge))
