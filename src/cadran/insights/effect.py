"""What a decision changed: after less before, less the same of a control segment.

A KPI with an interval of its own (a rate, a mean, a ratio of sums, a median) is compared as it is. A flow
that is a full count or sum has none: its whole weeks are then the cases, and the effect is per week.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cadran.engine.query import KpiQuery
from cadran.errors import QueryError
from cadran.insights.decision import Cell, Effect
from cadran.period import Period
from cadran.stats.contrast import Estimate, contrast, series_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime

    from cadran.catalogue.definition import Kpi
    from cadran.insights.decision import Outcome, Plan
    from cadran.insights.reading import Reading, Readings

    Ask = Callable[[Sequence[KpiQuery]], Sequence[Readings]]

#: Intervals that say how a KPI would vary from one set of cases to another.
OWN_INTERVAL = ("wilson", "mean", "delta", "median", "survival")
#: Fewest whole weeks of a window on which a mean per week is compared.
FEWEST_WEEKS = 4
_WEIGHTS = {("treated", "after"): 1, ("treated", "before"): -1, ("control", "after"): -1, ("control", "before"): 1}
_DRIFT = {("treated", "before"): 1, ("treated", "earlier"): -1, ("control", "before"): -1, ("control", "earlier"): 1}


@dataclass(frozen=True)
class _Asked:
    """A cell with the readings that it is made of."""

    cell: Cell
    readings: tuple[Reading, ...]


@dataclass(frozen=True)
class _Verdict:
    """What stands in the way of an effect."""

    outcome: Outcome
    reason: str
    params: Mapping[str, object]


def is_weekly(kpi: Kpi) -> bool:
    """True when the effect on a KPI is measured on its weeks.

    Raises:
        QueryError: The KPI has no interval and is no flow, or counts over windows that overlap, so that no
            effect on it can be told from chance.
    """
    if kpi.trailing is not None:
        raise QueryError(
            "No effect on {kpi} can be told from chance: its windows of {window} share most of their cases.",
            hint="Name the KPI that counts each period by itself.",
            where="kpi",
            kpi=kpi.id,
            window=str(kpi.trailing),
        )
    if kpi.interval in OWN_INTERVAL and not kpi.default_by:
        return False
    agg = kpi.numerator.agg if kpi.numerator else ""
    if kpi.kind == "simple" and kpi.basis == "period" and agg in ("count", "sum") and not kpi.default_by:
        return True
    raise QueryError(
        "No effect on {kpi} can be told from chance: it is neither a rate, a mean nor a flow.",
        hint="Name a KPI that drives it; `cadran drivers {kpi}` shows them.",
        where="kpi",
        kpi=kpi.id,
    )


def check_plan(plan: Plan, kpi: Kpi, ask: Ask) -> None:
    """Refuse a plan whose effect could not be measured.

    Raises:
        QueryError: The KPI has no effect to tell from chance, the two segments share cases, the data does not
            reach back, or nothing is expected.
    """
    is_weekly(kpi)
    if not plan.expected:
        raise QueryError(
            "An effect of 0 is no expectation.", hint="Say what should change, such as +3pt.", where="--expect"
        )
    start = _data_start(plan, ask)
    if start > plan.before.start:
        raise QueryError(
            "The data of {kpi} starts on {start}, after the window before, which starts on {day}.",
            hint="Shorten the window with --days.",
            where="--days",
            kpi=kpi.id,
            start=start,
            day=plan.before.start,
        )
    shared = _shared(plan, plan.before, ask)
    if shared:
        raise QueryError(
            "The segment and its control share {n} cases.",
            hint="Name a control that the decision does not touch.",
            where="--control",
            n=shared,
        )


def measure(plan: Plan, kpi: Kpi, ask: Ask, at: datetime) -> Effect:
    """What a decision changed, on what was declared and on nothing else.

    Args:
        plan: What was declared.
        kpi: The KPI, for how it is measured.
        ask: What answers questions.
        at: Now, a naive UTC instant.
    """
    weekly = is_weekly(kpi)
    asked, answers = _cells(plan, ask, weekly=weekly)
    known, snapshot = answers[0].as_of.replace(tzinfo=None), answers[0].snapshot
    effect = Effect(
        "not_yet", plan.method, at, known, snapshot, is_weekly=weekly, cells=tuple(each.cell for each in asked)
    )
    counted = [each for each in asked if each.cell.window != "earlier"]
    stop = _obstacle(counted, weekly=weekly) or _overlap(plan, ask)
    if stop:
        effect = replace(effect, outcome=stop.outcome, reason=stop.reason, params=stop.params)
        if stop.outcome != "too_few":
            return effect
    found = _contrast(counted, _WEIGHTS)
    if found is None:
        return effect
    outcome: Outcome = "no_effect" if found.holds(0) else "effect"
    drift = _contrast([each for each in asked if each.cell.window != "after"], _DRIFT) if plan.control else None
    return replace(
        effect,
        outcome=stop.outcome if stop else outcome,
        value=found.value,
        low=found.low,
        high=found.high,
        drift=(drift.value, drift.low, drift.high) if drift else None,
    )


def _cells(plan: Plan, ask: Ask, *, weekly: bool) -> tuple[list[_Asked], Sequence[Readings]]:
    earlier = Period(plan.before.start - timedelta(days=plan.before.days), plan.before.start)
    windows = [("before", plan.before), ("after", plan.after)]
    roles = [("treated", plan.predicates)]
    if plan.control:
        windows, roles = [("earlier", earlier), *windows], [*roles, ("control", plan.control)]
    places = [(role, name, period, where) for role, where in roles for name, period in windows]
    queries = [
        KpiQuery((plan.kpi,), grain="week" if weekly else None, start=period.start, end=period.end, where=where)
        for _, _, period, where in places
    ]
    answers = ask(queries)
    cells = []
    for (role, name, period, _), answer in zip(places, answers, strict=True):
        whole = [r for r in answer.readings if r.figure.start >= period.start and r.figure.end <= period.end]
        found = _estimate(whole, weekly=weekly)
        value, low, high = (found.value, found.low, found.high) if found else (None, None, None)
        if whole:
            period = Period(whole[0].figure.start, whole[-1].figure.end)  # noqa: PLW2901 - the days that count
        n = sum(r.figure.n for r in whole)
        cells.append(_Asked(Cell(role, name, period, value, low, high, n), tuple(whole)))  # type: ignore[arg-type]
    return cells, answers


def _estimate(readings: Sequence[Reading], *, weekly: bool) -> Estimate | None:
    if not weekly:
        (reading,) = readings
        return reading.estimate
    values = [float(r.value) for r in readings if r.value is not None]
    if len(values) < max(FEWEST_WEEKS, len(readings)):
        return None
    return series_mean(values)


def _contrast(asked: Sequence[_Asked], weights: Mapping[tuple[str, str], int]) -> Estimate | None:
    pairs = []
    for each in asked:
        cell = each.cell
        if cell.value is None or cell.low is None or cell.high is None:
            return None
        pairs.append((Estimate(cell.value, cell.low, cell.high), weights[cell.role, cell.window]))
    return contrast([estimate for estimate, _ in pairs], [weight for _, weight in pairs])


def _obstacle(asked: Sequence[_Asked], *, weekly: bool) -> _Verdict | None:
    """The first thing that stands in the way, those that time mends first."""
    readings = [reading for each in asked for reading in each.readings]
    if any(r.figure.partial for r in readings):
        return _Verdict("not_yet", "The window after is not wholly in the data yet.", {})
    young = next((r for r in readings if r.status == "too_young"), None)
    if young:
        return _Verdict("not_yet", young.reason, young.reason_params)
    if len({r.figure.definitions for r in readings}) > 1:
        return _Verdict("cannot_tell", "The KPI was defined anew between the two windows.", {})
    if weekly and any(len(each.readings) < FEWEST_WEEKS for each in asked):
        return _Verdict(
            "cannot_tell", "A window has fewer than {n} whole weeks: nothing to tell chance by.", {"n": FEWEST_WEEKS}
        )
    lost = next((each for each in asked if each.cell.value is None), None)
    if lost:
        why = next((r for r in lost.readings if r.reason), None)
        reason = why.reason if why else "There is no case in this period."
        return _Verdict("cannot_tell", reason, why.reason_params if why else {})
    few = next((r for r in readings if r.status == "too_few"), None)
    return _Verdict("too_few", few.reason, few.reason_params) if few and not weekly else None


def _overlap(plan: Plan, ask: Ask) -> _Verdict | None:
    shared = _shared(plan, Period(plan.before.start, plan.after.end), ask)
    return _Verdict("cannot_tell", "The segment and its control share {n} cases.", {"n": shared}) if shared else None


def _shared(plan: Plan, period: Period, ask: Ask) -> int:
    """Cases that are in the segment and in its control."""
    if not plan.control:
        return 0
    both = (*plan.predicates, *plan.control)
    (answer,) = ask([KpiQuery((plan.kpi,), start=period.start, end=period.end, where=both)])
    return sum(reading.figure.n for reading in answer.readings)


def _data_start(plan: Plan, ask: Ask) -> date:
    """The first day of which the KPI has data, whatever the segment."""
    (answer,) = ask([KpiQuery((plan.kpi,), end=plan.before.end)])
    return min((reading.figure.start for reading in answer.readings), default=plan.before.end)
