"""Credit by an additive hazard: each touch raises the chance of a win for a while, and wins also come by themselves.

The hazard of a win at time t is ``b₀ + Σ b[c,k] · exp(−a/τₖ)/τₖ`` over the touches made so far, a being
the age of each touch, c its channel and τₖ a few time scales. Coefficients are not negative and are
fitted by expectation and maximisation; the credit of a touch is the probability that it is what the
win came from. Unlike rules it knows when touches came, and unlike removal it does not credit a
channel for being busy. It still is correlation: a channel that only meets buyers who were ready to
buy gets credit that it did not earn.

References:
    Lewis and Mohler (2011), A nonparametric EM algorithm for multiscale Hawkes processes; Xu, Duan and
    Whinston (2014), Path to purchase: a mutually exciting point process model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cadran.stats.attribution import Credit, by_channel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cadran.stats.journeys import Journeys

#: Days over which the effect of a touch fades, from a click to a long memory.
SCALES = (1.0, 2.5, 6.0, 14.0, 35.0, 90.0)
MOST_ROUNDS, TOLERANCE = 400, 1e-6


def hazard_credit(journeys: Journeys, *, scales: tuple[float, ...] = SCALES) -> Credit:
    """Credit of every channel by an additive hazard, the wins that come by themselves apart.

    Args:
        journeys: Journeys, those without a win included; each is watched from its first touch on.
        scales: Days over which effects fade.

    Returns:
        Credits that sum, with the organic ones, to the wins and their value.
    """
    n = len(journeys.channels)
    exposure = _exposure(journeys, scales)
    watched = float(journeys.age[journeys.starts] @ (journeys.won + journeys.lost)) if journeys.starts.size else 0.0
    found = journeys.chosen(journeys.won > 0)
    if not found.starts.size:
        return Credit("hazard", np.zeros(n), np.zeros(n))
    kernels = np.exp(-found.age[:, None] / np.asarray(scales)) / np.asarray(scales)
    share, organic = _fit(found, kernels, exposure, max(watched, 1e-9))
    by_touch = share * np.repeat(found.won, found.lengths)
    worth = share * np.repeat(found.value, found.lengths)
    return Credit(
        "hazard",
        by_channel(found.channel, by_touch, found),
        by_channel(found.channel, worth, found),
        float(organic @ found.won),
        float(organic @ found.value),
    )


def _exposure(journeys: Journeys, scales: tuple[float, ...]) -> NDArray[np.float64]:
    """Shape (n_channels, n_scales): how much of its effect each channel had time to show, over all journeys."""
    weight = np.repeat(journeys.won + journeys.lost, journeys.lengths)
    columns = [by_channel(journeys.channel, weight * -np.expm1(-journeys.age / scale), journeys) for scale in scales]
    return np.stack(columns, axis=1)


def _fit(
    found: Journeys, kernels: NDArray[np.float64], exposure: NDArray[np.float64], watched: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of its journey's win of each touch, shape (n_touches,), and of no touch, shape (n_journeys,)."""
    channel, lengths, starts = found.channel, found.lengths, found.starts
    wins = found.won
    weight = np.repeat(wins, lengths)
    n_channels, n_scales = exposure.shape
    base = 0.3 * float(wins.sum()) / watched
    rates = np.full((n_channels, n_scales), 0.7 * float(wins.sum()) / max(float(exposure.sum()), 1e-9))
    cells = channel[:, None] * n_scales + np.arange(n_scales)
    before = -np.inf
    for _ in range(MOST_ROUNDS):
        parts = rates[channel] * kernels
        hazard = base + np.add.reduceat(parts.sum(axis=1), starts)
        likelihood = float(wins @ np.log(hazard)) - base * watched - float((rates * exposure).sum())
        if abs(likelihood - before) <= TOLERANCE * abs(likelihood):
            break
        before = likelihood
        shares = parts * (weight / np.repeat(hazard, lengths))[:, None]
        gained = np.bincount(cells.ravel(), shares.ravel(), n_channels * n_scales).reshape(exposure.shape)
        rates = np.divide(gained, exposure, out=np.zeros_like(gained), where=exposure > 0)
        base = float(wins @ (base / hazard)) / watched
    parts = rates[channel] * kernels
    hazard = base + np.add.reduceat(parts.sum(axis=1), starts)
    return parts.sum(axis=1) / np.repeat(hazard, lengths), base / hazard
