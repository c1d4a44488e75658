"""How often each end comes, by time since entry, when some cases are not over yet.

A deal ends won or lost, and each end keeps the other from coming: counting lost deals as merely
unseen would overstate the wins to come. Cases come grouped: distinct times with how many ended in
each way and how many were last seen, still open, at each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cadran.stats.intervals import Interval, normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Incidence:
    """Share of the cases that have ended in one way, by time since entry.

    Attributes:
        times: Distinct times, ascending.
        shares: Share that has ended that way by each time, in [0, 1].
        errors: Standard error of each share.
        at_risk: Cases still watched just before each time.
    """

    times: tuple[float, ...]
    shares: tuple[float, ...]
    errors: tuple[float, ...]
    at_risk: tuple[int, ...]

    def at(self, time: float) -> tuple[float, float] | None:
        """Share and its standard error by a time; None after the last case was watched."""
        if not self.times or time > self.times[-1]:
            return None
        place = int(np.searchsorted(self.times, time, side="right")) - 1
        return (self.shares[place], self.errors[place]) if place >= 0 else (0.0, 0.0)

    def watched(self, time: float) -> int:
        """Cases still watched just before a time."""
        place = int(np.searchsorted(self.times, time, side="left"))
        return self.at_risk[place] if place < len(self.at_risk) else 0

    def interval(self, time: float, *, level: float = 0.95) -> Interval | None:
        """Interval of the share by a time, on the log-log scale so that it stays in [0, 1]."""
        found = self.at(time)
        if found is None:
            return None
        share, error = found
        if not 0 < share < 1 or error == 0:
            return Interval(share, share, level)
        spread = normal_quantile(level) * error / (share * abs(math.log(share)))
        return Interval(share ** math.exp(spread), share ** math.exp(-spread), level)


def cumulative_incidence(
    times: Sequence[float], ended: Sequence[int], other: Sequence[int], censored: Sequence[int]
) -> Incidence:
    """Cumulative incidence of one end among competing ones, by the Aalen-Johansen estimator.

    Args:
        times: Distinct times since entry, ascending.
        ended: How many cases ended the way in question at each time.
        other: How many ended in any other way.
        censored: How many were last seen, still open.

    Returns:
        The curve, with the variance of Marubini and Valsecchi.

    References:
        Aalen and Johansen (1978); Marubini and Valsecchi, Analysing Survival Data (1995), section 10.2.
    """
    grid = np.asarray(times, dtype=float)
    d, o, c = (np.asarray(part, dtype=float) for part in (ended, other, censored))
    gone = d + o
    at_risk = np.cumsum((gone + c)[::-1])[::-1]
    if grid.size == 0:
        return Incidence((), (), (), ())
    surviving = np.cumprod(1 - gone / at_risk)
    before = np.concatenate([[1.0], surviving[:-1]])
    shares = np.cumsum(before * d / at_risk)
    return Incidence(
        tuple(grid.tolist()),
        tuple(shares.tolist()),
        tuple(np.sqrt(np.maximum(_variance(shares, before, at_risk, d, gone), 0)).tolist()),
        tuple(at_risk.astype(int).tolist()),
    )


def _variance(
    shares: np.ndarray, before: np.ndarray, at_risk: np.ndarray, d: np.ndarray, gone: np.ndarray
) -> np.ndarray:
    """Variance of each share: the sum over earlier times j of three terms in ``shares[t] - shares[j]``.

    Each sum is opened into powers of ``shares[t]``, so that it costs one pass and not one per time.
    """
    left = at_risk - gone
    with np.errstate(divide="ignore", invalid="ignore"):
        a = np.where(left > 0, gone / (at_risk * left), 0.0)
    b = before**2 * (at_risk - d) * d / at_risk**3
    c = before * d / at_risk**2
    first = shares**2 * np.cumsum(a) - 2 * shares * np.cumsum(a * shares) + np.cumsum(a * shares**2)
    third = shares * np.cumsum(c) - np.cumsum(c * shares)
    return first + np.cumsum(b) - 2 * third  # type: ignore[no-any-return]
