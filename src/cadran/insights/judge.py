"""Figures to readings: an interval, a status, a comparison and a verdict for each.

The order of what is asked of a figure is the order of honesty: has it a value, are there enough
cases, has the cohort had its time, and only then is it on track.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cadran.insights.expected import MATURE as DECIDED
from cadran.insights.expected import conversion_of
from cadran.insights.ranges import at_least, lifetime_range, stated_range
from cadran.insights.reading import Change, Reading, Readings
from cadran.insights.redefinition import restated
from cadran.insights.targets import benchmark_of, edited, target_of, verdict_of
from cadran.stats.intervals import Interval, cases_to_tell, mean_interval, ratio_interval, wilson_interval
from cadran.stats.survival import median_duration

if TYPE_CHECKING:
    from cadran.engine.result import Figure, Key, KpiResult, Number
    from cadran.errors import Issue
    from cadran.insights.reading import ReadingStatus
    from cadran.stats.conversion import Conversion

#: Share of a cohort that must have had its whole window before its rate is a verdict.
MATURE = 0.8
TOO_YOUNG = "Too young: {share} % of the cohort has had its whole window."


def read(result: KpiResult) -> Readings:
    """Every figure of a result, judged, in the same order."""
    breaks = _breaks(result)
    return Readings(
        readings=tuple(_reading(figure, result, is_break=figure.key in breaks) for figure in result.figures),
        currency=result.currency,
        as_of=result.as_of,
        snapshot=result.snapshot,
        issues=result.issues,
        sql=result.sql,
        lineage=result.lineage,
        knowledge=result.knowledge,
    )


def _breaks(result: KpiResult) -> frozenset[Key]:
    """The figures that were measured by another definition than the period before (T-98)."""
    last: dict[tuple[str, tuple[tuple[str, str | None], ...]], tuple[str, ...]] = {}
    found: set[Key] = set()
    for figure in result.figures:
        name, _, segment = figure.key
        if last.setdefault((name, segment), figure.definitions) != figure.definitions:
            found.add(figure.key)
        last[name, segment] = figure.definitions
    return frozenset(found)


@dataclass(frozen=True)
class Valued:
    """A value with its interval, and why it is missing when it is."""

    value: Number | None
    interval: Interval | None = None
    reason: str = ""
    params: dict[str, object] = field(default_factory=dict)
    conversion: Conversion | None = None
    low: float | None = None


def _reading(figure: Figure, result: KpiResult, *, is_break: bool) -> Reading:
    told = [note for note in (edited(figure), restated(figure)) if note is not None]
    if told:
        figure = replace(figure, notes=(*figure.notes, *told))
    found = value_of(figure)
    status, reason, params = _status(figure, found)
    target = target_of(figure)
    verdict = verdict_of(found.value, found.interval, target, figure.kpi.direction)
    if verdict != "none" and (status != "ok" or figure.partial):
        verdict = "cannot_tell"
    return Reading(
        figure=figure,
        value=found.value,
        low=found.interval.low if found.interval else found.low,
        high=found.interval.high if found.interval else None,
        status=status,
        reason=reason,
        reason_params=params,
        verdict=verdict,
        target=target,
        benchmark=benchmark_of(figure),
        change=_change(figure, found.value, result.earlier.get(figure.key)),
        n_needed=_needed(figure, found, float(target.value)) if target and verdict == "cannot_tell" else None,
        maturity=found.conversion.maturity if found.conversion else figure.maturity,
        conversion=found.conversion,
        issues=_touching(figure, result),
        is_break=is_break,
    )


def value_of(figure: Figure) -> Valued:
    """The value of a figure as it is shown, with its interval, or why it has none."""
    if figure.status == "undefined":
        if (bound := at_least(figure)) is not None:
            low, n = bound
            text = "Nobody left among {n}: the value is at least {low}, at 95 % confidence."
            return Valued(None, None, text, {"n": n, "low": float(round(low))}, low=low)
        return Valued(None, None, figure.reason, dict(figure.reason_params))
    if figure.durations is not None:
        return _median(figure)
    if figure.outcomes is not None:
        return _expected(figure)
    return Valued(figure.value, _interval(figure), figure.reason, dict(figure.reason_params))


def _expected(figure: Figure) -> Valued:
    found = conversion_of(figure)
    if found is None or found.expected is None:
        share = round(100 * found.unknown) if found else 100
        reason = "{share} % of the cohort will still be open at an age that no past case has reached."
        return Valued(None, None, reason, {"share": share}, found)
    return Valued(found.expected, found.interval, conversion=found)


def _median(figure: Figure) -> Valued:
    if figure.durations is None or not (times := figure.durations).times:
        return Valued(None, None, "There is no case in this period.")
    median = median_duration(times.times, times.ended, times.censored)
    if median is None or median.value is None:
        params: dict[str, object] = {"ended": sum(times.ended), "n": sum(times.ended) + sum(times.censored)}
        return Valued(None, None, "The median is not reached: {ended} of {n} cases have ended.", params)
    if median.low is None or median.high is None:
        return Valued(median.value, None)
    return Valued(median.value, Interval(median.low, median.high))


def _interval(figure: Figure) -> Interval | None:
    """The interval that the contract names; None where the value is a full count or sum."""
    sums = figure.moments
    match figure.kpi.interval:
        case "wilson" if isinstance(figure.numerator, int) and isinstance(figure.denominator, int):
            return wilson_interval(figure.numerator, figure.denominator)
        case "mean" if sums is not None:
            return mean_interval(sums.n, sums.x, sums.xx)
        case "delta" if sums is not None:
            return ratio_interval(sums.n, sums.x, sums.y, sums.xx, sums.yy, sums.xy)
        case "range":
            return stated_range(figure)
        case "lifetime":
            return lifetime_range(figure)
        case _:
            return None


def _status(figure: Figure, found: Valued) -> tuple[ReadingStatus, str, dict[str, object]]:
    if found.conversion is not None and found.conversion.maturity < DECIDED:
        share = round(100 * found.conversion.maturity)
        young = "Too young: the outcome of {share} % of the cohort is known, the rest is expected from past cases."
        return "too_young", young, {"share": share}
    if found.value is None:
        return "undefined", found.reason, found.params
    if figure.n < figure.kpi.min_n:
        params: dict[str, object] = {"n": figure.n, "needed": figure.kpi.min_n}
        return "too_few", "Only {n} cases: at least {needed} are needed to conclude.", params
    if figure.maturity is not None and figure.maturity < MATURE:
        share = round(100 * figure.maturity)
        return "too_young", TOO_YOUNG, {"share": share}
    if figure.history_from and figure.window:
        days: dict[str, object] = {"day": figure.history_from, "start": figure.window.start}
        reason = "The data starts on {day}, after the window's first day, {start}: the window is not whole."
        return "ok", reason, days
    return "ok", found.reason, found.params


def _change(figure: Figure, value: Number | None, earlier: Figure | None) -> Change | None:
    if earlier is None:
        return None
    before = value_of(earlier).value
    # a window that the data does not fill is no measure of the same thing
    is_whole = not figure.history_from and not earlier.history_from
    delta = value - before if is_whole and value is not None and before is not None else None  # type: ignore[operator]
    is_same = earlier.definitions == figure.definitions
    base = float(before) if before is not None else 0.0
    return Change(
        start=earlier.start,
        end=earlier.end,
        value=before,
        delta=delta,
        # growth from nothing or from less than nothing has no meaning (T-37)
        ratio=float(delta) / base if delta is not None and base > 0 else None,
        is_favourable=_is_favourable(figure, delta) if is_same else None,
        version="" if is_same else earlier.kpi.version,
    )


def _is_favourable(figure: Figure, delta: Number | None) -> bool | None:
    if not delta or figure.kpi.direction not in ("up", "down"):
        return None
    return (delta > 0) == (figure.kpi.direction == "up")


def _needed(figure: Figure, found: Valued, target: float) -> int | None:
    if figure.kpi.interval != "wilson" or found.value is None:
        return None
    needed = cases_to_tell(float(found.value), target)
    return needed if needed is not None and needed > figure.n else None


def _touching(figure: Figure, result: KpiResult) -> tuple[Issue, ...]:
    entities = set(result.lineage.get(figure.kpi.id, ()))
    return tuple(issue for issue in result.issues if not issue.entity or issue.entity in entities)
