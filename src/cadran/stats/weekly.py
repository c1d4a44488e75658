"""What is to be expected of weekly business series: level, trend, season, calendar and the same week before.

Every series of a run is fitted by a log-linear (counts, sums) or logit-linear (rates) model, and all of
them together say how far trends and seasons usually go: what one series alone cannot tell is drawn
towards nothing. Series are counts; rates of known denominators; or sums of money, which are counts of a
random size: a sum divided by the size that its cases weigh has the dispersion of a count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import special

Kind = Literal["count", "rate", "sum"]
#: Weeks in a year, and after how many weeks a week weighs half as much.
YEAR, HALF_LIFE = 52, 104.0
#: Standard deviation that coefficients have before the run is seen: trend a year, season, calendar.
TREND, SEASON, CALENDAR = 0.15, 0.15, 0.3
#: How many series what was believed before is worth.
BELIEVED = 5.0
#: Residuals beyond so many standard deviations do not pull the fit further.
ROBUST = 3.0
#: Effects, on the log scale, that a week of the year may have every year.
SAME_WEEK = np.array([-1.6, -1.1, -0.8, -0.6, -0.45, -0.3, -0.15, 0.0, 0.15, 0.3, 0.5, 0.8])
_ROUNDS, _AGAIN = 8, 2
_TINY = 1e-9


@dataclass(frozen=True)
class Weekly:
    """Series of one kind, week by week.

    Attributes:
        kind: What they are.
        values: Counts, hits of rates or sums, ≥ 0, by series and week.
        cases: Denominators of rates; deals behind sums; of the same shape. None for counts.
        known: False where a week is unfinished, not loaded, or otherwise tells nothing.
        calendar: What the calendar says of each week, by week and regressor, such as the share of its
            working days that are free; zero for a usual week.
    """

    kind: Kind
    values: np.ndarray
    cases: np.ndarray | None
    known: np.ndarray
    calendar: np.ndarray

    @property
    def n_weeks(self) -> int:
        """How many weeks there are."""
        return int(self.values.shape[1])


@dataclass(frozen=True)
class Outlook:
    """What is expected of some weeks, seen from before them.

    Attributes:
        mean: Expected count, sum (in units) or share, by series and week.
        spread: Variance of the log (of the logit for rates) of the level, common to the weeks of a series.
        noise: Over-dispersion: the variance is mean + noise × mean² for counts and sums, and
            d × p × (1 − p) × (1 + (d − 1) × noise) for hits of rates; by series and week.
    """

    mean: np.ndarray
    spread: np.ndarray
    noise: np.ndarray


@dataclass(frozen=True)
class _Habits:
    """What all series of a run have in common: variances of coefficients, weights of same-week effects."""

    variance: np.ndarray
    same_week: np.ndarray


class Expectation:
    """Fits series again and again, each time only on the weeks before an instant.

    Args:
        series: The series; sums must be in units already (see `in_units`).
        until: Weeks before this one teach what is common to the series.
    """

    def __init__(self, series: Weekly, until: int) -> None:
        self.series = series
        week = np.arange(series.n_weeks)
        angle = 2 * np.pi * week / YEAR
        self._fixed = np.column_stack([np.ones(week.size), week / YEAR, np.sin(angle), np.cos(angle), series.calendar])
        self._hits = series.kind == "rate"
        n, p = series.values.shape[0], self._fixed.shape[1]
        self._beta = np.zeros((n, p))
        self._beta[:, 0] = self._start(until)
        believed = np.array([100.0, TREND, SEASON, SEASON, *[CALENDAR] * series.calendar.shape[1]]) ** 2
        weights = np.where(SAME_WEEK == 0, 0.9, 0.1 / (SAME_WEEK.size - 1))
        self._habits = _Habits(believed, weights)
        self._noise = np.full(n, 0.02)
        self._offset = np.zeros(series.values.shape)
        self._learn(until, believed)

    def outlook(self, at: int, weeks: int) -> Outlook:
        """What is expected of the weeks from one on, when only those before it are known.

        Args:
            at: First week that is not known.
            weeks: How many to look ahead.
        """
        design, inverse = self._fit(at, _AGAIN)
        # what is yet to come must not say how noisy the series is: it would make its own surprises usual
        self._noise = self._dispersion(at)
        ahead = design[at : at + weeks]
        linear = self._beta @ ahead.T
        spread = np.einsum("wp,npq,wq->nw", ahead, inverse, ahead).mean(axis=1)
        shift, doubt = self._same_week(at, linear)
        if self._hits:
            mean = special.expit(linear)
            return Outlook(mean, spread, np.broadcast_to(self._noise[:, None], mean.shape))
        return Outlook(np.exp(linear) * shift, spread, self._noise[:, None] + doubt)

    def _learn(self, until: int, believed: np.ndarray) -> None:
        """Variances of coefficients, dispersion and same-week effects from the weeks before one."""
        n = self._beta.shape[0]
        for round_ in range(3):
            _, inverse = self._fit(until, _ROUNDS if not round_ else _AGAIN)
            seen = (self._beta**2 + np.einsum("npp->np", inverse)).sum(axis=0)
            variance = np.clip((BELIEVED * believed + seen) / (BELIEVED + n), 1e-5, None)
            variance[0] = believed[0]
            self._habits = replace(self._habits, variance=variance)
            self._noise = self._dispersion(until)
            if not self._hits and until > YEAR + 8:
                self._habits = replace(self._habits, same_week=self._common(until))
                self._offset = self._lasting(until)

    def _start(self, until: int) -> np.ndarray:
        series = self.series
        known = series.known[:, :until]
        total = (series.values[:, :until] * known).sum(axis=1)
        if series.cases is not None and self._hits:
            return np.asarray(special.logit((total + 0.5) / ((series.cases[:, :until] * known).sum(axis=1) + 1)))
        return np.asarray(np.log((total + 0.5) / np.maximum(known.sum(axis=1), 1)))

    def _design(self, at: int) -> np.ndarray:
        """Regressors, with the trend counted from the last known week so that the level is that of then."""
        design = self._fixed.copy()
        design[:, 1] -= at / YEAR
        return design

    def _fit(self, at: int, rounds: int) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients by Newton's method, started at the last ones; the regressors and the inverse Hessians."""
        design = self._design(at)
        x = design[:at]
        weight = self.series.known[:, :at] * 0.5 ** ((at - 1 - np.arange(at)) / HALF_LIFE)
        prior = 1 / self._habits.variance
        for round_ in range(rounds):
            residual, curvature = self._pull(x, at)
            slope = (residual * weight) @ x - prior * self._beta
            hessian = np.einsum("wp,nw,wq->npq", x, curvature * weight, x) + np.diag(prior)
            step = np.linalg.solve(hessian, slope[..., None])[..., 0]
            self._beta = self._beta + np.clip(step, -1.5, 1.5)
            if round_ and np.abs(step).max() < 1e-3:
                break
        return design, np.linalg.inv(hessian)

    def _pull(self, x: np.ndarray, at: int) -> tuple[np.ndarray, np.ndarray]:
        """Score and curvature of each week on the scale of the link; far residuals are cut."""
        y = self.series.values[:, :at]
        linear = np.clip(self._beta @ x.T + self._offset[:, :at], -12, 25)
        mean, variance = self._moments(linear, at)
        far = ROBUST * np.sqrt(variance)
        factor = self._slope(mean, at) / variance
        return np.clip(y - mean, -far, far) * factor, self._slope(mean, at) * factor

    def _moments(self, linear: np.ndarray, at: int) -> tuple[np.ndarray, np.ndarray]:
        noise = self._noise[:, None]
        if self._hits and self.series.cases is not None:
            d = self.series.cases[:, :at]
            p = special.expit(linear)
            return d * p, np.maximum(d * p * (1 - p) * (1 + np.maximum(d - 1, 0) * noise), _TINY)
        mean = np.exp(linear)
        return mean, mean + noise * mean**2 + _TINY

    def _slope(self, mean: np.ndarray, at: int) -> np.ndarray:
        """How fast the mean grows with the linear predictor."""
        if self._hits and self.series.cases is not None:
            return np.asarray(mean * (1 - mean / np.maximum(self.series.cases[:, :at], 1)))
        return mean

    def _dispersion(self, until: int) -> np.ndarray:
        """Over-dispersion of each series by moments, drawn to that of all."""
        linear = np.clip(self._beta @ self._design(until)[:until].T + self._offset[:, :until], -12, 25)
        mean, variance = self._moments(linear, until)
        if self._hits and self.series.cases is not None:
            d = self.series.cases[:, :until]
            usual = mean * (1 - mean / np.maximum(d, 1))
            extra = usual * np.maximum(d - 1, 0)
        else:
            usual, extra = mean, mean**2
        far = ROBUST * np.sqrt(variance)
        square = np.clip(self.series.values[:, :until] - mean, -far, far) ** 2 * (until / max(until - 4, 1))
        trust = self.series.known[:, :until] * extra / variance**2
        above, below = ((square - usual) * trust).sum(axis=1), (extra * trust).sum(axis=1)
        everyone = max(above.sum() / max(below.sum(), _TINY), 1e-4)
        usual_worth = max(float(np.median(below)), _TINY)
        return np.asarray(np.clip((above + usual_worth * everyone) / (below + usual_worth), 1e-4, 1.0))

    def _effects(self, at: int, weeks: np.ndarray) -> np.ndarray:
        """Log likelihood of every same-week effect at some known weeks, by series, week and effect."""
        linear = np.clip(self._beta @ self._design(at)[weeks].T, -12, 25)
        y, noise = self.series.values[:, weeks, None], self._noise[:, None, None]
        mean = np.exp(linear)[:, :, None] * np.exp(SAME_WEEK)
        fit = y * (linear[:, :, None] + SAME_WEEK) - (y + 1 / noise) * np.log1p(noise * mean)
        return np.where(self.series.known[:, weeks, None], fit, 0.0)

    def _common(self, until: int) -> np.ndarray:
        """How common each effect is, from pairs of weeks a year apart, by expectation and maximisation."""
        fit = self._effects(until, np.arange(until))
        both = (fit[:, YEAR:] + fit[:, :-YEAR]).reshape(-1, SAME_WEEK.size)
        both = np.exp(both - both.max(axis=1, keepdims=True))
        weights = self._habits.same_week
        for _ in range(15):
            share = both * weights
            weights = (share / share.sum(axis=1, keepdims=True)).mean(axis=0) + 1e-5
            weights = weights / weights.sum()
        return np.asarray(weights)

    def _posterior(self, fit: np.ndarray) -> np.ndarray:
        weights = np.log(self._habits.same_week) + fit
        weights = np.exp(weights - weights.max(axis=-1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=-1, keepdims=True))

    def _lasting(self, until: int) -> np.ndarray:
        """Log of the same-week effect that is believed of each week, all its years seen together."""
        fit = self._effects(until, np.arange(until))
        found = np.zeros(self.series.values.shape)
        for first in range(min(YEAR, until)):
            together = self._posterior(fit[:, first::YEAR].sum(axis=1))
            found[:, first::YEAR] = (together @ SAME_WEEK)[:, None]
        return found

    def _same_week(self, at: int, linear: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Factor and squared doubt of the weeks ahead, from the same weeks of earlier years."""
        shift, doubt = np.ones_like(linear), np.zeros_like(linear)
        if self._hits or at <= YEAR + 8:
            return shift, doubt
        for ahead in range(linear.shape[1]):
            fit = self._effects(at, np.arange((at + ahead) % YEAR, at, YEAR))
            share = self._posterior(fit.sum(axis=1))
            shift[:, ahead] = share @ np.exp(SAME_WEEK)
            doubt[:, ahead] = share @ np.exp(2 * SAME_WEEK) / shift[:, ahead] ** 2 - 1
        return shift, doubt


def in_units(series: Weekly, until: int) -> Weekly:
    """Sums divided by the size that makes their dispersion that of a count; other series as they are.

    The variance of a sum of n cases of size x is n × E[x²], so that sum ÷ (E[x²] ÷ E[x]) has its variance
    equal to its mean.

    Args:
        series: Sums with the number of cases behind them.
        until: Only weeks before this one are used.
    """
    if series.kind != "sum" or series.cases is None:
        return series
    known = series.known[:, :until] & (series.cases[:, :until] > 0)
    n = np.where(known, series.cases[:, :until], 0.0)
    value = np.where(known, series.values[:, :until], 0.0)
    mean = value.sum(axis=1) / np.maximum(n.sum(axis=1), 1)
    rest = (value - n * mean[:, None]) ** 2 / np.maximum(n, 1)
    spread = rest.sum(axis=1) / np.maximum(known.sum(axis=1) - 1, 1)
    unit = np.maximum(mean + spread / np.maximum(mean, _TINY), _TINY)
    return replace(series, values=series.values / unit[:, None])
