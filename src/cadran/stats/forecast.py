"""Where an amount lands: several forecasts combined by how they did before, with a band whose coverage is known.

Every forecast comes with a law, from the mean and the standard deviation that its own model gives it. Past
forecasts, made with what was known then, say how large errors really are in units of that law: the band
reaches as far as their quantile (split-conformal prediction, normalised). With n past forecasts a
band that holds a share p of them holds the next one with a chance of at least p n / (n + 1).

References:
    Bates and Granger (1969), The combination of forecasts; Lei et al. (2018), Distribution-free predictive
    inference for regression; Hyndman et al. (2011), Optimal combination forecasts for hierarchical time series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import special

from cadran.stats.intervals import Interval, normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

#: Past forecasts that the mean of all methods counts for, beside each method's own errors.
SHRUNK = 12
#: Past errors that a normal law counts for, beside the errors themselves.
ASSUMED = 4
#: Fewest past forecasts of which a band may be said to have been checked.
FEWEST = 8


class Law(Protocol):
    """What an amount may be, as its model says: a score is how far an amount lies from the middle, 1 a usual way."""

    @property
    def mean(self) -> float:
        """Expected amount."""
        ...

    @property
    def spread(self) -> float:
        """Standard deviation, at least 0."""
        ...

    def score(self, amount: float) -> float:
        """How far an amount lies from the middle; the spread must be above 0."""
        ...

    def amount(self, score: float) -> float:
        """The amount that lies so far from the middle."""
        ...


@dataclass(frozen=True)
class Normal:
    """An amount that falls short as easily as it exceeds; see `Law`."""

    mean: float
    spread: float

    def score(self, amount: float) -> float:
        """See `Law`."""
        return (amount - self.mean) / self.spread

    def amount(self, score: float) -> float:
        """See `Law`."""
        return self.mean + score * self.spread


@dataclass(frozen=True)
class Gamma:
    """An amount of at least 0 that a few large cases may lift: a gamma law, whose cube root is nearly normal.

    References:
        Wilson and Hilferty (1931), The distribution of chi-square.
    """

    mean: float
    spread: float

    def score(self, amount: float) -> float:
        """See `Law`."""
        if self.mean <= 0:
            return Normal(self.mean, self.spread).score(amount)
        unit = self.spread / self.mean / 3
        return (float(np.cbrt(max(amount, 0.0) / self.mean)) - 1 + unit**2) / unit

    def amount(self, score: float) -> float:
        """See `Law`."""
        if self.mean <= 0:
            return Normal(self.mean, self.spread).amount(score)
        unit = self.spread / self.mean / 3
        return float(self.mean * max(1 - unit**2 + score * unit, 0.0) ** 3)


@dataclass(frozen=True)
class Landing:
    """Where an amount lands.

    Attributes:
        value: The amount that is told.
        band: Where it lies, with its level.
        law: What it may be, as its model says.
        errors: Scores of past amounts in the laws of their forecasts, ascending; what the band was made from.
    """

    value: float
    band: Interval
    law: Law
    errors: tuple[float, ...]

    @property
    def is_checked(self) -> bool:
        """True when enough past forecasts say how wide the band must be."""
        return len(self.errors) >= FEWEST

    def chance(self, target: float) -> float:
        """Chance that the amount reaches a target, in (0, 1): past errors, smoothed by a normal law.

        Args:
            target: Amount to reach.
        """
        if self.law.spread <= 0:
            return float(self.value >= target)
        needed = self.law.score(target)
        scale = scale_of(self.errors)
        law = float(special.ndtr(-needed / scale))
        return (sum(error >= needed for error in self.errors) + ASSUMED * law) / (len(self.errors) + ASSUMED)


@dataclass(frozen=True)
class Accuracy:
    """How right past forecasts were.

    Attributes:
        n: Forecasts with an amount that came true.
        accuracy: Mean of 1 − |F − A| / A over those with A above 0, signed (rule T-79); None without any.
        wape: Sum of |F − A| over sum of A, those with A = 0 included (T-80); None when nothing came true.
        bias: Mean of (F − A) / A over those with A above 0; None without any.
        added: Value added over the naive forecast: 1 − WAPE / its WAPE; None when unknown.
    """

    n: int
    accuracy: float | None
    wape: float | None
    bias: float | None
    added: float | None


def accuracy_of(forecast: ArrayLike, actual: ArrayLike, naive: ArrayLike | None = None) -> Accuracy:
    """How right forecasts were; the error is relative to what came true, never to the forecast (T-83).

    Args:
        forecast: Shape (n,).
        actual: Shape (n,), what came true.
        naive: Shape (n,), what a forecast that costs nothing said, or None.
    """
    said, true = np.asarray(forecast, dtype=float), np.asarray(actual, dtype=float)
    some = true > 0
    relative = (said[some] - true[some]) / true[some]
    wape = _wape(said, true)
    simple = None if naive is None else _wape(np.asarray(naive, dtype=float), true)
    return Accuracy(
        n=said.size,
        accuracy=float(np.mean(1 - np.abs(relative))) if some.any() else None,
        wape=wape,
        bias=float(np.mean(relative)) if some.any() else None,
        added=1 - wape / simple if wape is not None and simple else None,
    )


def weights_of(past: NDArray[np.float64], actual: NDArray[np.float64], prior: ArrayLike) -> NDArray[np.float64]:
    """Weight of each method, by its squared errors so far: with few of them, close to the prior.

    Args:
        past: Shape (n, methods), forecasts made in the past with what was known then; NaN where a method had none.
        actual: Shape (n,), what came true.
        prior: Shape (methods,), weight of each method before anything is known of its errors; 0 leaves it out.

    Returns:
        Shape (methods,), at least 0, summing to 1.
    """
    before = np.asarray(prior, dtype=float)
    usable = np.isfinite(past[:, before > 0]).all(axis=1)
    n = int(usable.sum())
    if n:
        errors = ((np.nan_to_num(past[usable]) - actual[usable, None]) ** 2).mean(axis=0)
        usual = float(errors[before > 0].mean())
        if usual > 0:
            before = before / ((n * errors + SHRUNK * usual) / (n + SHRUNK))
    return np.asarray(before / before.sum())


def land(
    law: Law, errors: Sequence[float], *, value: float | None = None, floor: float = 0.0, level: float = 0.8
) -> Landing:
    """A forecast with its band.

    Args:
        law: What the amount may be, as its model says.
        errors: Scores of past amounts in the laws of their forecasts, in any order; empty when there are none.
        value: The amount that is told; the mean of the law without it.
        floor: Amount under which it cannot land, such as what is booked already.
        level: Coverage of the band, in (0, 1).
    """
    ordered = tuple(sorted(float(each) for each in errors))
    told = law.mean if value is None else value
    if law.spread <= 0:
        return Landing(told, Interval(told, told, level), law, ordered)
    width = width_of(ordered, level)
    low, high = (law.amount(score) for score in (-width, width))
    return Landing(told, Interval(min(max(low, floor), told), max(high, told), level), law, ordered)


def least_relative(mean: float, spread: float, done: float = 0.0) -> float:
    """The amount still to come whose error, relative to all that comes true, is nil on average.

    An error counts for more where little comes true, so that a forecast judged by 1 − |F − A| / A does best under
    the mean. It is the harmonic mean of a log-normal law with that mean and spread:
    ``1 / E[1 / A] = E[A] / (1 + (spread / E[A])²)``, close to where the mean of |F − A| / A is least.

    Args:
        mean: Expected amount still to come.
        spread: Its standard deviation, at least 0.
        done: Amount that has come already, at least 0; the error is relative to both.

    Returns:
        Within 0 and the mean; the mean itself where it is not above 0.
    """
    whole = done + mean
    if mean <= 0 or whole <= 0:
        return mean
    return max(whole / (1 + (spread / whole) ** 2) - done, 0.0)


def scale_of(errors: Sequence[float]) -> float:
    """Root mean square of past scores, drawn towards 1, what a model that knows its spread has."""
    return float(np.sqrt((np.sum(np.square(errors)) + ASSUMED) / (len(errors) + ASSUMED)))


def width_of(errors: Sequence[float], level: float) -> float:
    """Half of a band's width in units of the spread, from past errors in the same units.

    The (n + 1)-level quantile of their sizes, between the two nearest: a new error of the same law falls
    within it with that chance. Where n is too small for it, and in part for any n, a normal law
    with the scale of the errors stands in.

    Args:
        errors: Past errors, in any order.
        level: Coverage, in (0, 1).
    """
    law = normal_quantile(level) * scale_of(errors)
    sizes = np.sort(np.abs(np.asarray(errors, dtype=float)))
    place = level * (sizes.size + 1) - 1
    if sizes.size < FEWEST or place > sizes.size - 1:
        return law
    below = int(np.floor(place))
    above = min(below + 1, sizes.size - 1)
    found = sizes[below] + (sizes[above] - sizes[below]) * (place - below)
    return float((sizes.size * found + ASSUMED * law) / (sizes.size + ASSUMED))


def reconciled(total: float, parts: NDArray[np.float64], variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Parts that sum to the total: what is missing goes where the forecast is least sure.

    Weighted least squares with the variances as weights; a part never falls under 0, and what that
    leaves is spread over the others in proportion.

    Args:
        total: What they must sum to, at least 0.
        parts: Shape (n,), forecasts of the parts, at least 0.
        variances: Shape (n,), at least 0; their ratios matter only.

    Returns:
        Shape (n,), summing to `total`; sums over any grouping of the parts sum to it too.
    """
    share = variances / variances.sum() if variances.sum() > 0 else np.full(parts.size, 1 / max(parts.size, 1))
    moved = np.maximum(parts + (total - parts.sum()) * share, 0)
    if moved.sum() > 0:
        return np.asarray(moved * (total / moved.sum()))
    return np.asarray(share * total)


def _wape(said: NDArray[np.float64], true: NDArray[np.float64]) -> float | None:
    total = float(true.sum())
    return float(np.abs(said - true).sum()) / total if total > 0 else None
