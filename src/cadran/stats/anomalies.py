"""Which weekly series of a run are out of their range, with the share of false finds under control.

The evidence of the last week is compared with that of earlier weeks of every series of the run, each seen
with what was known then: the share of them that speak as loudly is the p-value, so that no distribution has
to be believed. Benjamini and Hochberg's rule then bounds the share of false finds over all series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cadran.stats.evidence import FACTORS, LOOK, Watch
from cadran.stats.weekly import YEAR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cadran.stats.weekly import Outlook, Weekly

Shape = Literal["level_shift", "drift", "spike", "silence"]
#: Weeks that a series needs before the first one that it is judged by; and in all.
WARM_UP, FEWEST = 26, 52
#: Share of false finds that is allowed, over all series of a run.
LEVEL = 0.10
#: The weeks that say what is usual overlap, so that p-values are known less well than if they did not: the rule runs
#: at this share of the level asked, which keeps false finds under it in worlds where nothing changes.
GUARD = 0.5
#: How many usual weeks, of all series together, the evidence is compared with; and how many of each, at least.
USUAL, REPLAYS = 6000, 20
#: Expected events in the eight weeks below which nothing can be told of a series.
SPARSE = 3.0


@dataclass(frozen=True)
class Change:
    """What one series did.

    Attributes:
        series: Place in the series given.
        p: Share of usual weeks that speak as loudly for a change, in (0, 1].
        is_raised: True when it is out of its range by the rule over the whole run.
        shape: What the change looks like.
        since: First week of the change, by place.
        value: Sum (or share, for rates) seen from then on.
        expected: Sum (or share) that was expected.
        low: Lower edge of the 95 % range of what was expected.
        high: Upper edge.
        factor: Value ÷ expected, or 1 when nothing was expected.
    """

    series: int
    p: float
    is_raised: bool
    shape: Shape
    since: int
    value: float
    expected: float
    low: float
    high: float
    factor: float


def scan(groups: Sequence[Weekly], week: int, *, level: float = LEVEL) -> list[list[Change]]:
    """Judge a week of every series of a run, all kinds together.

    Args:
        groups: Series of one kind each, over the same weeks.
        week: Week that is judged, by place; at least `FEWEST` weeks must lie before it.
        level: Share of false finds that is allowed, in (0, 1).

    Returns:
        By group, one change for each series that can be judged, in order. A series cannot when its week is
        not known or when too little was expected.

    Raises:
        ValueError: There are too few weeks before the one judged.
    """
    if week < FEWEST:
        raise ValueError("too few weeks")
    watched = [_Watched(group, week) if len(group.values) else None for group in groups]
    judged = [
        (place, at, float(each.p[at]))
        for place, each in enumerate(watched)
        if each is not None
        for at in np.flatnonzero(each.can_tell).tolist()
    ]
    raised = benjamini_hochberg(np.array([p for _, _, p in judged]), GUARD * level)
    found: list[list[Change]] = [[] for _ in groups]
    for (place, at, p), is_raised in zip(judged, raised.tolist(), strict=True):
        each = watched[place]
        if each is not None:
            found[place].append(each.change(at, p, is_raised))
    return found


def replays(week: int, n: int) -> list[int]:
    """The weeks whose evidence says what is usual: none that share a week with those judged.

    Args:
        week: Week that is judged.
        n: How many series there are; of many, fewer weeks each do.
    """
    last, seasoned = week - LOOK, YEAR + LOOK
    # a week of the first year could not know its season: it says what is usual only where there is little else
    first = seasoned if last - seasoned >= REPLAYS else WARM_UP + LOOK - 1
    weeks = range(last, first, -1)
    wanted = max(REPLAYS, USUAL // max(n, 1))
    return sorted(weeks[:: max(1, len(weeks) // wanted)])


def judgeable(series: Weekly, outlook: Outlook, week: int) -> np.ndarray:
    """The series of which something can be told in a week, as booleans.

    Args:
        series: The series.
        outlook: What was expected of the eight weeks that end with it; of sums, in units.
        week: The week.
    """
    window = slice(week - LOOK + 1, week + 1)
    known, expected = series.known[:, window], outlook.mean
    if series.kind == "rate" and series.cases is not None:
        expected = np.minimum(expected, 1 - expected) * series.cases[:, window]
    return np.asarray(known[:, -1] & ((expected * known).sum(axis=1) >= SPARSE))


def pooled_p(now: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Share of usual weeks, of all series together, whose evidence is at least as strong.

    Args:
        now: Evidence that is judged.
        null: Evidence of usual weeks, in any shape.

    References:
        Vovk, Gammerman and Shafer (2005): conformal p-values.
    """
    usual = np.sort(null, axis=None)
    return np.asarray((1 + usual.size - np.searchsorted(usual, now)) / (1 + usual.size))


def benjamini_hochberg(p: np.ndarray, level: float) -> np.ndarray:
    """Which p-values are finds, so that the expected share of false ones is at most the level.

    References:
        Benjamini and Hochberg (1995).
    """
    order = np.argsort(p, kind="stable")
    passed = np.flatnonzero(p[order] <= level * np.arange(1, p.size + 1) / max(p.size, 1))
    found = np.zeros(p.size, dtype=bool)
    if passed.size:
        found[order[: passed[-1] + 1]] = True
    return found


def expected_total(
    series: Weekly, outlook: Outlook, at: int, weeks: np.ndarray, start: int, *, level: float = 0.95
) -> tuple[float, float, float, float]:
    """What some weeks of one series gave together, and where that was expected to lie.

    Args:
        series: The series; sums in units.
        outlook: What was expected of them.
        at: The series that is meant, by place.
        weeks: The weeks, by place.
        start: First week of the outlook.
        level: Coverage in (0, 1).

    Returns:
        Sum, expected sum, and the lower and upper edge of its range; shares of the cases for rates.
    """
    mean, noise = outlook.mean[at, weeks - start], outlook.noise[at, weeks - start]
    value, doubt = float(series.values[at, weeks].sum()), float(outlook.spread[at])
    if series.kind == "rate" and series.cases is not None:
        cases = series.cases[at, weeks]
        n = max(float(cases.sum()), 1.0)
        share = float(np.clip((mean * cases).sum() / n, 1e-6, 1 - 1e-6))
        variance = float((cases * mean * (1 - mean) * (1 + np.maximum(cases - 1, 0) * noise)).sum())
        variance += doubt * (n * share * (1 - share)) ** 2
        # the beta-binomial of that mean and variance
        alike = (variance / (n * share * (1 - share)) - 1) / max(n - 1, 1)
        size = 1 / min(max(alike, 1e-6), 0.9) - 1
        low, high = _edges(_law("betabinom", round(n), share * size, (1 - share) * size), level)
        return value / n, share, low / n, high / n
    expected = max(float(mean.sum()), 1e-6)
    variance = float((mean + noise * mean**2).sum()) + doubt * expected**2
    # the negative binomial of that mean and variance
    size = expected**2 / max(variance - expected, 1e-6)
    return value, expected, *_edges(_law("nbinom", size, size / (size + expected)), level)


def _law(name: str, *parameters: float) -> Any:
    """A distribution; its library takes half a second to load, which only what tells changes needs."""
    from scipy import stats  # noqa: PLC0415

    return getattr(stats, name)(*parameters)


def _edges(law: Any, level: float) -> tuple[float, float]:
    """Mid-probability edges, since counts are whole: one belongs to the range when half of its probability does."""
    tail = (1 - level) / 2
    low, high = float(law.ppf(tail)), float(law.ppf(1 - tail))
    low += law.cdf(low) - law.pmf(low) / 2 < tail
    high -= law.cdf(high) - law.pmf(high) / 2 > 1 - tail
    return low, max(high, low)


class _Watched:
    """One group of series in the week that is judged: p-values, and what each series did."""

    def __init__(self, series: Weekly, week: int) -> None:
        self.series, self.week = series, week
        watch, usual_weeks = Watch(series, week), replays(week, len(series.values))
        null = watch.path(usual_weeks)
        now = watch.evidence(week)
        self._outlook = watch.outlook(week - LOOK + 1, LOOK)
        self._units, self._scaled = watch.units, watch.scaled
        self.can_tell = judgeable(series, self._outlook, week)
        kept = null[self.can_tell][series.known[self.can_tell][:, usual_weeks]]
        self.p = pooled_p(now, kept)
        self._back, self._is_slow = _onsets(*watch.gains(week))

    def change(self, at: int, p: float, is_raised: bool) -> Change:
        """What a series did since its change began."""
        back = int(self._back[at])
        since = self.week - back + 1
        kept = np.flatnonzero(self.series.known[at, since : self.week + 1])
        told = expected_total(self._scaled, self._outlook, at, since + kept, self.week - LOOK + 1)
        value, expected, low, high = (float(self._units[at]) * each for each in told)
        seen = self.series.values[at, since + kept]
        shape = _shape(seen, is_slow=bool(self._is_slow[at]))
        return Change(at, p, is_raised, shape, since, value, expected, low, high, value / expected if expected else 1.0)


def _onsets(usual: np.ndarray, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best onset (weeks back, from 1) and whether a slow change fits better, by series."""
    best_step = np.cumsum((moved - usual[..., None])[:, ::-1], axis=1).max(axis=2)
    ramp = np.stack([_ramp(usual, moved, back) for back in range(4, LOOK + 1)], axis=1)
    is_slow = ramp.max(axis=1) > best_step.max(axis=1) + 0.5
    return np.where(is_slow, ramp.argmax(axis=1) + 4, best_step.argmax(axis=1) + 1), is_slow


def _ramp(usual: np.ndarray, moved: np.ndarray, back: int) -> np.ndarray:
    """Best log likelihood ratio of a change that grows week by week over the last weeks."""
    best = np.full(usual.shape[0], -np.inf)
    factors = np.log(FACTORS)
    for final in np.flatnonzero(np.abs(factors) > 0.3):
        total = np.zeros(usual.shape[0])
        for place in range(back):
            # the factor of that week lies between two of the grid: the nearer one stands for it
            wanted = factors[final] * (place + 1) / back
            near = int(np.argmin(np.abs(np.append(factors, 0.0) - wanted)))
            at = LOOK - back + place
            total += (moved[:, at, near] if near < factors.size else usual[:, at]) - usual[:, at]
        best = np.maximum(best, total)
    return best


def _shape(seen: np.ndarray, *, is_slow: bool) -> Shape:
    if seen.size and not seen.any():
        return "silence"
    if is_slow:
        return "drift"
    return "spike" if seen.size == 1 else "level_shift"
