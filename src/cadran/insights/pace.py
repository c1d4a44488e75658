"""Where a KPI lands at the end of its period: counts, sums, and rates of counts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from cadran.insights.series import kind_of
from cadran.stats.intervals import normal_quantile
from cadran.stats.pace import pace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cadran.catalogue.definition import Kpi
    from cadran.engine.query import KpiQuery
    from cadran.engine.result import Figure, KpiResult
    from cadran.period import Calendar, Grain, Period

    Ask = Callable[[KpiQuery], KpiResult]

#: Past periods that are looked at.
PAST = 12
NO_FLOW = "{kpi} has no landing: it is neither a count nor a sum over a period, nor a rate of counts."
A_YEAR: Mapping[str, int] = {"week": 52, "month": 12, "quarter": 4}


@dataclass(frozen=True)
class Pace:
    """Where a KPI lands.

    Attributes:
        kpi: KPI id.
        start: First day of the period.
        end: First day after it.
        until: First day that is not wholly known.
        so_far: Value so far, or None.
        value: Value expected at the end, or None.
        low: Lower edge of the band.
        high: Upper edge.
        level: Coverage of the band.
        n_past: Past forecasts that say how wide it must be.
        weights: Weight of each method; of the numerator, for a rate.
        reason: Why there is none, as an English template; empty when there is one.
        params: Values of its fields.
    """

    kpi: str
    start: date
    end: date
    until: date
    so_far: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = 0.8
    n_past: int = 0
    weights: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    params: dict[str, Any] = field(default_factory=dict)


def pace_of(kpi: Kpi, query: KpiQuery, ask: Ask, calendar: Calendar, until: date) -> Pace:
    """Where a KPI lands in the running period.

    Args:
        kpi: The KPI.
        query: Its question; ``grain`` is that of the period, a month without one.
        ask: What answers questions.
        calendar: Calendar of the company.
        until: First day that is not wholly known.
    """
    grain: Grain = query.grain or "month"
    running = calendar.containing(until, grain)
    bare = Pace(kpi.id, running.start, running.end, until)
    if kind_of(kpi) is None or grain not in A_YEAR or "day" not in kpi.grains:
        reason = (
            "{kpi} has no landing: it is neither a count nor a sum of what happens in a period, nor a rate of them."
        )
        return replace(bare, reason=reason, params={"kpi": kpi.id})
    periods = [running]
    while len(periods) <= PAST:
        periods.append(calendar.previous(periods[-1], grain))
    periods.reverse()
    asked = replace(query, kpis=(kpi.id,), grain="day", start=periods[0].start, end=until, by=(), compare="none")
    figures = ask(asked).figures if until > periods[0].start else ()
    return _landed(bare, kpi, _Cut(figures, periods, until), A_YEAR[grain])


@dataclass(frozen=True)
class _Cut:
    """Daily figures by period, cut at the elapsed share of the running one."""

    figures: Sequence[Figure]
    periods: Sequence[Period]
    until: date

    def split(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """What every period had at the cut, and what came after it in every period but the last."""
        daily = {f.start: float(getattr(f, name) or 0) for f in self.figures}
        first = next((day for day in sorted(daily) if daily[day]), self.until)
        # periods from before the first case say nothing of how periods end
        kept = [period for period in self.periods[:-1] if period.start >= first] + [self.periods[-1]]
        share = (self.until - self.periods[-1].start).days / self.periods[-1].days
        done, rest = [], []
        for period in kept:
            cut = round(share * period.days)
            values = [daily.get(date.fromordinal(period.start.toordinal() + day), 0.0) for day in range(period.days)]
            done.append(sum(values[:cut]))
            rest.append(sum(values[cut:]))
        return np.array(done), np.array(rest[:-1])


def _landed(bare: Pace, kpi: Kpi, cut: _Cut, a_year: int) -> Pace:
    if kpi.kind == "ratio":
        return _rate(bare, cut, a_year)
    done, rest = cut.split("value")
    found = pace(done, rest, a_year)
    if found is None:
        return _too_few(bare, rest.size)
    landing, weights = found
    so_far = float(done[-1])
    low, high = so_far + max(landing.band.low, 0.0), so_far + landing.band.high
    return replace(
        bare,
        so_far=so_far,
        value=so_far + landing.value,
        low=low,
        high=high,
        level=landing.band.level,
        n_past=len(landing.errors),
        weights=weights,
    )


def _rate(bare: Pace, cut: _Cut, a_year: int) -> Pace:
    """A rate lands where its two parts do; its band is that of the numerator given the cases."""
    hits, later_hits = cut.split("numerator")
    cases, later_cases = cut.split("denominator")
    n = min(later_hits.size, later_cases.size)
    found = pace(hits[-n - 1 :], later_hits[-n:] if n else later_hits[:0], a_year)
    more = pace(cases[-n - 1 :], later_cases[-n:] if n else later_cases[:0], a_year)
    if found is None or more is None:
        return _too_few(bare, n)
    total = cases[-1] + more[0].value
    if total <= 0:
        return replace(bare, reason="No case is expected in this period.")
    # given how many cases come, the hits among them vary as their past rate did
    shares = later_hits[-n:].sum() / max(later_cases[-n:].sum(), 1.0)
    expected = hits[-1] + shares * more[0].value
    spread = np.sqrt(max(shares * (1 - shares), 0.0) * max(more[0].value, 0.0))
    half = normal_quantile(bare.level) * max(spread, 0.5) / total
    value = expected / total
    return replace(
        bare,
        so_far=float(hits[-1] / cases[-1]) if cases[-1] else None,
        value=float(value),
        low=float(max(value - half, 0.0)),
        high=float(min(value + half, 1.0)),
        n_past=len(more[0].errors),
        weights=more[1],
    )


def _too_few(bare: Pace, n: int) -> Pace:
    return replace(
        bare, reason="Only {n} whole past periods: at least {needed} are needed.", params={"n": n, "needed": 4}
    )
