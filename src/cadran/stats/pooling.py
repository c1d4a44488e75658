"""Rates and counts of segments, each drawn towards the others as far as its own cases do not tell.

Segments are taken to be drawn from one population (beta for rates, gamma for counts). Its mean and its
spread are not known either: the answers are averaged over a grid of both, weighted by how well they
explain every segment. A plug-in estimate would leave that doubt out and give intervals that are too short.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from cadran.stats.intervals import Interval, normal_quantile

#: Points of the grid over the population's mean, and over its spread.
MEANS, SPREADS = 41, 33
#: Cases that the population is worth to a segment, at least (segments of one company are never strangers)
#: and at most.
LEAST_RATE, LEAST_COUNT, MOST = 4.0, 0.5, 5000.0


@dataclass(frozen=True)
class Pooled:
    """What is believed of one segment, given all of them.

    Attributes:
        value: Mean belief: a share in 0..1, or a number of events per unit of exposure.
        interval: Where the true value lies.
        weight: Share of the segment's own cases in it, in 0..1; the rest comes from the other segments.
        cases: Cases, or exposure, that the belief is worth.
    """

    value: float
    interval: Interval
    weight: float
    cases: float


def pool_rates(successes: np.ndarray, trials: np.ndarray, *, level: float = 0.95) -> list[Pooled]:
    """Rates of segments by a beta-binomial model.

    Args:
        successes: Number won by segment, 0 ≤ successes ≤ trials.
        trials: Number decided by segment; 0 is allowed.
        level: Coverage of the intervals in (0, 1).

    Returns:
        One belief per segment, in order.

    Raises:
        ValueError: A number won is negative or above the number decided.

    References:
        Gelman et al., Bayesian Data Analysis (3rd ed.), section 5.3: prior uniform on the mean and on
        the population's standard deviation, that is on the -1/2 power of the cases that it is worth.
    """
    k, n = np.asarray(successes, dtype=float), np.asarray(trials, dtype=float)
    if (k < 0).any() or (k > n).any():
        raise ValueError("successes must lie between 0 and trials")
    if not k.size:
        return []
    mean, worth = _grid(special.logit((k.sum() + 0.5) / (n.sum() + 1)), n.sum(), LEAST_RATE)
    mean = special.expit(mean)
    a, b = (mean * worth)[:, None], ((1 - mean) * worth)[:, None]
    fit = (special.betaln(k + a, n - k + b) - special.betaln(a, b)).sum(axis=1)
    # uniform in the mean: the grid is uniform in its logit
    weights = _weights(fit + np.log(mean * (1 - mean)))
    centre = (k + a) / (n + a + b)
    value, variance = _moments(weights, centre, centre * (1 - centre) / (n + a + b + 1))
    cases = np.maximum(value * (1 - value) / variance - 1, 1e-6)
    tail = (1 - level) / 2
    low, high = (special.betaincinv(value * cases, (1 - value) * cases, edge) for edge in (tail, 1 - tail))
    own = weights @ (n / (n + a + b))
    return _pooled((value, low, high, own, cases), level)


def pool_counts(events: np.ndarray, exposure: np.ndarray, *, level: float = 0.95) -> list[Pooled]:
    """Events per unit of exposure of segments by a gamma-Poisson model.

    Args:
        events: Number of events by segment, at least 0.
        exposure: What they are counted over, such as weeks or accounts, above 0.
        level: Coverage of the intervals in (0, 1).

    Returns:
        One belief per segment, in order.

    Raises:
        ValueError: A number of events is negative, or an exposure is not above 0.

    References:
        Robbins (1956); Gelman et al., Bayesian Data Analysis (3rd ed.), section 2.6.
    """
    k, e = np.asarray(events, dtype=float), np.asarray(exposure, dtype=float)
    if (k < 0).any() or (e <= 0).any():
        raise ValueError("events must be at least 0 and exposure above 0")
    if not k.size:
        return []
    mean, shape = _grid(math.log((k.sum() + 0.5) / e.sum()), k.sum(), LEAST_COUNT)
    shape, rate = shape[:, None], (shape / np.exp(mean))[:, None]
    log_odds = shape * np.log(rate / (rate + e)) - k * np.log(rate + e)
    weights = _weights((special.gammaln(k + shape) - special.gammaln(shape) + log_odds).sum(axis=1))
    value, variance = _moments(weights, (k + shape) / (e + rate), (k + shape) / (e + rate) ** 2)
    cases = value / variance
    tail = (1 - level) / 2
    low, high = (special.gammaincinv(value * cases, edge) / cases for edge in (tail, 1 - tail))
    return _pooled((value, low, high, weights @ (e / (e + rate)), cases), level)


def more_to_tell(pooled: Pooled, target: float, *, level: float = 0.95) -> int | None:
    """How many more cases it takes before a rate's interval leaves the target out, if the rate stays.

    Args:
        pooled: Belief about a rate.
        target: Rate to tell it from.
        level: Coverage in (0, 1).

    Returns:
        Cases to come, 0 when the interval leaves the target out already; None when the two are equal.
    """
    if pooled.value == target:
        return None
    if not pooled.interval.holds(target):
        return 0
    z = normal_quantile(level)
    needed = z * z * pooled.value * (1 - pooled.value) / (pooled.value - target) ** 2
    return max(1, math.ceil(needed - pooled.cases))


def _grid(centre: float, total: float, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Means around a centre (on the scale of the link), and what the population is worth, flattened."""
    reach = 1.5 + 4 / math.sqrt(max(total, 1.0))
    means = centre + np.linspace(-reach, reach, MEANS)
    # uniform in worth ** -0.5, taken in the middle of each step
    edges = np.linspace(MOST**-0.5, least**-0.5, SPREADS + 1)
    worth = ((edges[1:] + edges[:-1]) / 2) ** -2
    mean, spread = np.meshgrid(means, worth, indexing="ij")
    return mean.ravel(), spread.ravel()


def _weights(log_fit: np.ndarray) -> np.ndarray:
    weights = np.exp(log_fit - log_fit.max())
    return np.asarray(weights / weights.sum())


def _moments(weights: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of a mixture, by segment."""
    value = weights @ mean
    return value, weights @ (variance + (mean - value) ** 2)


def _pooled(columns: tuple[np.ndarray, ...], level: float) -> list[Pooled]:
    return [
        Pooled(value, Interval(low, high, level), weight, cases)
        for value, low, high, weight, cases in zip(*(column.tolist() for column in columns), strict=True)
    ]
