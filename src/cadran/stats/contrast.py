"""Differences, and differences of differences, between values that each have an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from cadran.stats.intervals import normal_quantile, student_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Fewest values of a series whose mean gets an interval.
SHORTEST = 4


@dataclass(frozen=True)
class Estimate:
    """A value and its interval, in the same unit.

    Attributes:
        value: Point estimate.
        low: Lower edge, at most the value.
        high: Upper edge, at least the value.
    """

    value: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """True when the value lies in the interval, its edges included."""
        return self.low <= value <= self.high


def contrast(estimates: Sequence[Estimate], weights: Sequence[float]) -> Estimate:
    """A weighted sum of independent values, with an interval of the coverage that theirs have.

    With weights 1 and −1 it is a difference (for two rates with Wilson's intervals, Newcombe's tenth
    method); with 1, −1, −1 and 1 a difference of differences. Intervals may be lopsided.

    Args:
        estimates: Values from disjoint cases, each with its interval.
        weights: Weight of each; same length.

    References:
        Newcombe (1998), method 10; Zou and Donner (2008), the method of variance estimates recovery.
    """
    pairs = list(zip(estimates, weights, strict=True))
    value = math.fsum(weight * each.value for each, weight in pairs)
    # a value with a negative weight lowers the sum by its upper edge
    down = math.fsum((w * (e.value - (e.low if w > 0 else e.high))) ** 2 for e, w in pairs)
    up = math.fsum((w * ((e.high if w > 0 else e.low) - e.value)) ** 2 for e, w in pairs)
    return Estimate(value, value - math.sqrt(down), value + math.sqrt(up))


def certainty(estimate: Estimate, *, level: float = 0.95) -> float:
    """How sure it is that a value is not 0, in 0..1: one less the two-sided p of a normal error.

    Args:
        estimate: Value and interval; the side towards 0 tells its error.
        level: Coverage of the interval.
    """
    side = estimate.value - estimate.low if estimate.value > 0 else estimate.high - estimate.value
    if side <= 0:
        return 1.0 if estimate.value else 0.0
    z = abs(estimate.value) / side * normal_quantile(level)
    return math.erf(z / math.sqrt(2))


def rank_certainty(change: float, past: Sequence[float]) -> float:
    """How sure it is that a change is larger than usual, in 0..1, by its rank among past changes.

    Args:
        change: The newest change.
        past: Changes before it, of the same kind.

    Returns:
        One less the share of changes, the newest included, that are at least as large: with 12 past changes
        at most 12/13. It assumes no shape, and that changes come in any order.
    """
    larger = sum(abs(each) >= abs(change) for each in past)
    return 1 - (1 + larger) / (1 + len(past))


def series_mean(values: Sequence[float], *, level: float = 0.95) -> Estimate | None:
    """Mean of a series whose neighbours may resemble each other, with Student's interval on its effective length.

    Args:
        values: The series in order, such as one value per week.
        level: Coverage in (0, 1).

    Returns:
        The mean and its interval; None with fewer than four values. A correlation with the value before that
        is above 0, once corrected for the bias of short series, leaves fewer values than there are.

    References:
        Bayley and Hammersley (1946), the effective number of observations; Marriott and Pope (1954), the bias.
    """
    n = len(values)
    if n < SHORTEST:
        return None
    mean = math.fsum(values) / n
    apart = [value - mean for value in values]
    squares = math.fsum(each * each for each in apart)
    if not squares:
        return Estimate(mean, mean, mean)
    raw = math.fsum(a * b for a, b in pairwise(apart)) / squares
    likeness = min(max(raw + (1 + 4 * raw) / n, 0.0), 0.9)
    effective = max(n * (1 - likeness) / (1 + likeness), 2.0)
    # the spread of values that resemble each other is too small as well
    variance = squares / n * effective / (effective - 1)
    half = student_quantile(effective - 1, level) * math.sqrt(variance / effective)
    return Estimate(mean, mean - half, mean + half)
