"""What a KPI is believed to drive, looked at: do its changes come before changes of the other one?

The answer is a correlation with its interval, and says whether the figures agree with the hypothesis, contradict it
or cannot tell. It proves no cause: that takes a decision whose effect is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from cadran.catalogue.driving import edges
from cadran.engine.query import KpiQuery
from cadran.errors import CadranError
from cadran.stats.leadlag import FEWEST, lead_lag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from cadran.catalogue.definition import Catalogue
    from cadran.insights.reading import Readings
    from cadran.period import Calendar

    Ask = Callable[[Sequence[KpiQuery]], Sequence[Readings]]

#: Months that are looked at.
MONTHS = 48
#: ``agrees``: they move the way that is believed; ``contradicts``: the other way; ``moves``: together, where no
#: direction is better; ``cannot_tell``: the interval holds 0; ``too_few``: too few months.
Verdict = Literal["agrees", "contradicts", "moves", "cannot_tell", "too_few"]


@dataclass(frozen=True)
class Hypothesis:
    """One belief and what the figures say of it.

    Attributes:
        kpi: KPI that is believed to drive the other.
        drives: The other.
        verdict: What the figures say.
        lag: Months by which its changes come before, or None.
        correlation: Of the changes, as they are, in [-1, 1], or None.
        low: Lower edge of its 95 % interval, all lags together, or None.
        high: Upper edge, or None.
        n: Pairs of changes.
        sign: 1 when both are believed to rise together, -1 when one rises as the other falls, 0 when unknown.
    """

    kpi: str
    drives: str
    verdict: Verdict
    lag: int | None = None
    correlation: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    sign: int = 0


def beliefs(catalogue: Catalogue, names: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """Pairs of a KPI and what it is believed to drive.

    Args:
        catalogue: Definitions; ``drivers`` says what is believed.
        names: KPIs, or none for all of which something is believed. One of which nothing is written is believed
            to drive the North Star, as every hypothesis says.
    """
    found: dict[tuple[str, str], None] = {}
    for upper in catalogue.kpis:
        for lower, relation in edges(upper, catalogue).items():
            if relation == "hypothesis" and (not names or lower in names):
                found[lower, upper] = None
    told = {lower for lower, _ in found}
    star = catalogue.north_star
    found |= {(name, star): None for name in names if name not in told and name != star and star in catalogue.kpis}
    return tuple(found)


def hypotheses(
    catalogue: Catalogue, pairs: Sequence[tuple[str, str]], ask: Ask, calendar: Calendar, today: date
) -> tuple[Hypothesis, ...]:
    """What the figures of the last months say of each belief.

    Args:
        catalogue: Definitions.
        pairs: A KPI and what it is believed to drive.
        ask: What answers questions.
        calendar: Calendar of the company.
        today: First day that is not wholly known.
    """
    end = calendar.containing(today, "month").start
    period = calendar.containing(end, "month")
    starts = []
    for _ in range(MONTHS):
        period = calendar.previous(period, "month")
        starts.append(period.start)
    starts.reverse()
    series = _series(catalogue, dict.fromkeys(name for pair in pairs for name in pair), ask, starts, end)
    return tuple(_tested(catalogue, kpi, drives, series) for kpi, drives in pairs)


def _series(
    catalogue: Catalogue, names: Mapping[str, None], ask: Ask, starts: Sequence[date], end: date
) -> dict[str, np.ndarray]:
    """Monthly values of each KPI; NaN where there is none that can be relied on."""
    usable = [name for name in names if _is_monthly(catalogue, name)]
    queries = [KpiQuery((name,), grain="month", start=starts[0], end=end) for name in usable]
    try:
        answers = dict(zip(usable, ask(queries), strict=True))
    except CadranError:
        answers = {name: told for name, query in zip(usable, queries, strict=True) if (told := _alone(ask, query))}
    place = {start: at for at, start in enumerate(starts)}
    found = {}
    for name, answer in answers.items():
        values = np.full(len(starts), np.nan)
        for reading in answer.readings:
            if reading.value is not None and reading.status in ("ok", "too_few") and not reading.figure.partial:
                values[place[reading.figure.start]] = float(reading.value)
        found[name] = values
    return found


def _is_monthly(catalogue: Catalogue, name: str) -> bool:
    kpi = catalogue.kpis[name][-1]
    return "month" in kpi.grains and not kpi.default_by


def _alone(ask: Ask, query: KpiQuery) -> Readings | None:
    try:
        return ask([query])[0]
    except CadranError:
        return None


def _tested(catalogue: Catalogue, kpi: str, drives: str, series: Mapping[str, np.ndarray]) -> Hypothesis:
    ways = [{"up": 1, "down": -1}.get(catalogue.kpis[name][-1].direction, 0) for name in (kpi, drives)]
    bare = Hypothesis(kpi, drives, "too_few", sign=ways[0] * ways[1])
    if kpi not in series or drives not in series:
        return bare
    found = lead_lag(series[kpi], series[drives])
    if found is None:
        known = np.isfinite(series[kpi]) & np.isfinite(series[drives])
        return replace(bare, n=min(int(known.sum()), FEWEST - 1))
    edges_ = found.interval.low, found.interval.high
    verdict: Verdict = "cannot_tell"
    if not found.interval.holds(0):
        verdict = "moves" if not bare.sign else "agrees" if found.correlation * bare.sign > 0 else "contradicts"
    return replace(
        bare, verdict=verdict, lag=found.lag, correlation=found.correlation, low=edges_[0], high=edges_[1], n=found.n
    )
