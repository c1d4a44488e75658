"""How long things take when some are not over yet.

Durations come grouped: distinct times with how many cases ended and how many were last seen,
still open, at each. A case open at time t tells that its duration is longer than t, no more.
"""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A half, with room for the last digits of a product.
HALF = 0.5 + 1e-12


@dataclass(frozen=True)
class Median:
    """The time by which half of the cases have ended.

    Attributes:
        value: The median, or None where fewer than half have ended: "not reached".
        low: Lower edge of its interval, or None when there is none.
        high: Upper edge of its interval, or None where it is not reached.
        n: Cases, ended or not.
        n_ended: Cases that ended.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    n_ended: int


def median_duration(
    times: Sequence[float], ended: Sequence[int], censored: Sequence[int], *, level: float = 0.95
) -> Median | None:
    """Median duration by the Kaplan-Meier estimator.

    Args:
        times: Distinct durations, ascending, at least 0.
        ended: How many cases ended at each.
        censored: How many were last seen, still open, at each.
        level: Coverage in (0, 1).

    Returns:
        The median with the interval of Brookmeyer and Crowley on the log-log scale, or None
        without any case.

    References:
        Kaplan and Meier (1958); Brookmeyer and Crowley (1982).
    """
    n, n_ended = sum(ended) + sum(censored), sum(ended)
    if n == 0:
        return None
    if n_ended == 0:
        return Median(None, None, None, n, 0)
    # half a second to load, which only what measures times needs
    from scipy import stats  # noqa: PLC0415

    over = np.repeat(np.asarray(times, dtype=float), np.asarray(ended, dtype=int))
    open_ = np.repeat(np.asarray(times, dtype=float), np.asarray(censored, dtype=int))
    survival = stats.ecdf(stats.CensoredData(uncensored=over, right=open_)).sf
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the edges are undefined before the first end, where no median lies
        band = survival.confidence_interval(confidence_level=level, method="log-log")
    grid = survival.quantiles
    return Median(
        value=_first_half(grid, survival.probabilities),
        low=_first_half(grid, band.low.probabilities),
        high=_first_half(grid, band.high.probabilities),
        n=n,
        n_ended=n_ended,
    )


def median_durations(bounds: Sequence[int], times: np.ndarray, ended: np.ndarray, censored: np.ndarray) -> np.ndarray:
    """Medians of several groups by the Kaplan-Meier estimator, the same as `median_duration` of each.

    Args:
        bounds: Where each group starts in the arrays, and where the last one ends.
        times: Shape (n,): distinct durations, ascending in each group.
        ended: Shape (n,): how many cases ended at each.
        censored: Shape (n,): how many were last seen, still open, at each.

    Returns:
        Shape (groups,): the medians, NaN where they are not reached.
    """
    found = np.full(max(len(bounds) - 1, 0), np.nan)
    for place, (first, last) in enumerate(itertools.pairwise(bounds)):
        gone = ended[first:last]
        left = (gone + censored[first:last])[::-1].cumsum()[::-1]
        below = np.flatnonzero(np.cumprod(1 - gone / left) <= HALF)
        if below.size:
            found[place] = times[first + below[0]]
    return found


def share_ended_by(times: Sequence[float], ended: Sequence[int], censored: Sequence[int], *, at: float) -> float | None:
    """Share of the cases that end within a duration, by the Kaplan-Meier estimator.

    Args:
        times: Distinct durations, ascending.
        ended: How many cases ended at each.
        censored: How many were last seen, still open, at each.
        at: Duration in question.

    Returns:
        A share in [0, 1], or None when no case was watched that long.
    """
    left, surviving = sum(ended) + sum(censored), 1.0
    if left == 0 or (times[-1] < at and left > 0 and sum(ended) < left):
        return None
    for time, gone, unseen in zip(times, ended, censored, strict=True):
        if time > at:
            break
        surviving *= 1 - gone / left
        left -= gone + unseen
    return 1 - surviving


def _first_half(grid: np.ndarray, surviving: np.ndarray) -> float | None:
    """First time at which at most half survive; NaN bands count as not reached."""
    below = np.flatnonzero(surviving <= HALF)
    return float(grid[below[0]]) if below.size else None
