"""Whether one series moves before another: correlation of their changes at several lags, with an interval.

Two series that both grow, or both remember their past, look alike without having to do with each other. So
changes are compared rather than levels, the one's own memory is taken out of both, and the interval
allows for what memory is left and for having looked at several lags. It remains a correlation.

References:
    Box, Jenkins and Reinsel, Time Series Analysis, section 12.2 on prewhitening; Bartlett (1935) on the number of
    independent pairs of two series with memory; Fisher (1915) for the interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cadran.stats.intervals import Interval, normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Fewest pairs of changes on which anything is told, and periods by which the one may lead.
FEWEST, MOST_LAG = 16, 6


@dataclass(frozen=True)
class LeadLag:
    """The lag at which two series move together most.

    Attributes:
        lag: Periods by which the first leads.
        correlation: Of their changes, in [-1, 1].
        interval: Where it lies, all lags looked at together.
        n: Pairs of changes at that lag.
    """

    lag: int
    correlation: float
    interval: Interval
    n: int


def lead_lag(first: Array, second: Array, *, most: int = MOST_LAG, level: float = 0.95) -> LeadLag | None:
    """How the changes of one series go with later changes of another.

    Args:
        first: Shape (n,), the series that is believed to lead; NaN where unknown.
        second: Shape (n,), the other, for the same periods.
        most: Largest lag looked at, at least 0.
        level: Coverage of the interval, in (0, 1).

    Returns:
        The lag with the largest correlation, in size; None with fewer than `FEWEST` pairs, or where one of the
        two never changes.
    """
    led, lead = np.diff(second), np.diff(first)
    memory = _memory(lead)
    lead, led = (_without(each, memory) for each in (lead, led))
    found = [each for lag in range(most + 1) if (each := _at(lead, led, lag)) is not None]
    if not found:
        return None
    lag, r, n, effective = max(found, key=lambda each: abs(each[1]))
    # as many chances to be struck as there are lags: each gets its share of the error
    reach = normal_quantile(1 - (1 - level) / len(found)) / np.sqrt(max(effective - 3, 1))
    centre = np.arctanh(np.clip(r, -0.9999, 0.9999))
    return LeadLag(lag, r, Interval(float(np.tanh(centre - reach)), float(np.tanh(centre + reach)), level), n)


def _at(lead: Array, led: Array, lag: int) -> tuple[int, float, int, float] | None:
    one, other = lead[: lead.size - lag], led[lag:]
    known = np.isfinite(one) & np.isfinite(other)
    n = int(known.sum())
    if n < FEWEST:
        return None
    x, y = one[known] - one[known].mean(), other[known] - other[known].mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    if size <= 1e-12 * max(float(np.abs(one[known]).max()), 1.0):
        return None
    shared = sum(_auto(x, k) * _auto(y, k) * (1 - k / n) for k in range(1, n // 4 + 1))
    return lag, float(x @ y) / size, n, n / max(1 + 2 * shared, 1.0)


def _auto(centred: Array, lag: int) -> float:
    whole = float(centred @ centred)
    return float(centred[lag:] @ centred[:-lag]) / whole if whole > 0 else 0.0


def _memory(series: Array) -> float:
    """Correlation of a series with itself one period earlier."""
    before, after = series[:-1], series[1:]
    known = np.isfinite(before) & np.isfinite(after)
    if known.sum() < FEWEST:
        return 0.0
    x, y = before[known] - before[known].mean(), after[known] - after[known].mean()
    return float(np.clip((x @ y) / max(float(x @ x), 1e-300), -0.95, 0.95))


def _without(series: Array, memory: float) -> Array:
    return np.asarray(series[1:] - memory * series[:-1])
