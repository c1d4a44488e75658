"""How long stays in a stage usually last, those that are not over included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cadran.stats.stays import Array, Stays

#: Stays in a stage that must be over before anything is usual there, and days of the past that count.
LEAST_OVER, WINDOW_DAYS = 10, 730.0


def usual_days(stays: Stays, day: float, share: float = 0.9) -> Array:
    """Days by which a share of the stays in each stage is over, by the Kaplan-Meier estimator.

    Args:
        stays: Stays; what happened after `day` is not looked at.
        day: Today.
        share: Share in (0, 1).

    Returns:
        Shape (n_stages,); NaN where too few stays are over, or fewer than the share have ended at any age.

    References:
        Kaplan and Meier (1958).
    """
    known = stays.known_at(day)
    known = known.chosen(known.entered > day - WINDOW_DAYS)
    return np.array([_quantile(known.chosen(known.stage == stage), day, share) for stage in range(len(stays.stages))])


def _quantile(own: Stays, day: float, share: float) -> float:
    is_over = np.isfinite(own.left)
    if is_over.sum() < LEAST_OVER:
        return float("nan")
    days = np.where(is_over, own.left, day) - own.entered
    order = np.lexsort((~is_over, days))
    at_risk = np.arange(days.size, 0, -1)
    left = np.cumprod(1 - is_over[order] / at_risk)
    reached = np.flatnonzero(left <= 1 - share + 1e-12)
    return float(days[order][reached[0]]) if reached.size else float("nan")
