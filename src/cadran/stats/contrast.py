"""Differences, and differences of differences, between values that each have an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


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
