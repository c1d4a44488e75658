"""Where a flow lands at the end of its period, from how far it has come and from how past periods ended.

A period is cut at the same elapsed share: what is done, and the rest. The rest is told by the mean of the
last four, by what it was in proportion to what was done, and by the same period of the year before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cadran.stats.forecast import Normal, land, weights_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cadran.stats.forecast import Landing

    Array = NDArray[np.float64]

#: Past periods that a method takes the mean of, and fewest from which anything is told.
RECENT = 4
METHODS, PRIOR = ("mean", "proportion", "year_before"), (0.5, 0.35, 0.15)


def pace(done: Array, rest: Array, a_year: int) -> tuple[Landing, dict[str, float]] | None:
    """The rest of the newest period.

    Args:
        done: Shape (n + 1,), what each period had at the same elapsed share, oldest first, the newest last.
        rest: Shape (n,), what came after that in every period but the newest.
        a_year: Periods in a year.

    Returns:
        The landing of the rest, and the weight of each method; None with fewer than `RECENT` past periods.
    """
    n = rest.size
    if n < RECENT:
        return None
    told = np.array([_told(done[: at + 1], rest[:at], a_year) for at in range(RECENT, n + 1)])
    spreads = np.array([_spread(rest[:at]) for at in range(RECENT, n + 1)])
    past, now = told[:-1], told[-1]
    prior = np.where(np.isfinite(now), PRIOR, 0.0)
    weights = weights_of(past, rest[RECENT:], prior)
    said = np.array([_combined(each, weights) for each in past])
    usable = spreads[:-1] > 0
    errors = (rest[RECENT:] - said)[usable] / spreads[:-1][usable]
    landing = land(Normal(_combined(now, weights), float(spreads[-1])), errors.tolist())
    return landing, dict(zip(METHODS, weights.tolist(), strict=True))


def _told(done: Array, rest: Array, a_year: int) -> tuple[float, float, float]:
    recent, before = rest[-RECENT:], done[:-1][-RECENT:]
    ratio = done[-1] * recent.sum() / before.sum() if before.sum() > 0 else float("nan")
    return float(recent.mean()), float(ratio), float(rest[-a_year]) if rest.size >= a_year else float("nan")


def _combined(told: Array, weights: Array) -> float:
    """The mean of the methods that say something, by their weights."""
    known = np.isfinite(told) & (weights > 0)
    return float(told[known] @ weights[known] / weights[known].sum()) if known.any() else 0.0


def _spread(rest: Array) -> float:
    """Standard deviation of the last rests; of a number that came by chance where they were all alike."""
    recent = rest[-2 * RECENT :]
    return max(float(recent.std(ddof=1)), float(np.sqrt(max(recent.mean(), 0.0))) if recent.mean() < 30 else 0.0)
