"""How long customers stay, from few of them: the shifted beta-geometric model with a weak prior.

Each customer leaves at the end of a month with a chance of its own; chances follow a beta law, so that
those who are left are the loyal ones and the curve flattens. The posterior is computed on a grid of the
mean churn and of how alike customers are: with few customers the prior speaks and the interval says so,
with many it does not matter.

References:
    Fader and Hardie (2007), How to project customer retention.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from cadran.stats.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Weak prior: the mean monthly churn is about 2 %, within a factor of 2.7; α + β is about 30, likewise.
CHURN, ALIKE, SPREAD = 0.02, 30.0, 1.0
#: Fewest customers from which a point is told; below it, only bounds.
FEWEST = 30
_STEPS, _WIDTH = 61, 4.0


@dataclass(frozen=True)
class Retention:
    """What is believed about customers' stay, on a grid.

    Attributes:
        alpha: Shape (n,), first parameter of the beta law of each grid point.
        beta: Shape (n,), second one.
        weight: Shape (n,), posterior weight of each; they sum to 1.
        n: Customers seen.
    """

    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    weight: NDArray[np.float64]
    n: int

    def survival(self, months: int) -> NDArray[np.float64]:
        """Share of customers that are left after 0, 1, … `months`, shape (months + 1,), in [0, 1]."""
        return np.asarray(self.weight @ _survival(self.alpha, self.beta, months))

    def lifetime(self, months: int, *, discount: float = 0.0, level: float = 0.95) -> Lifetime:
        """Expected months as a customer within a horizon.

        Args:
            months: Horizon, in months, at least 1.
            discount: Yearly rate at which later months count less, at least 0.
            level: Coverage of the interval, in (0, 1).
        """
        fades = (1 + discount) ** (-np.arange(months) / 12)
        each = _survival(self.alpha, self.beta, months)[:, :-1] @ fades
        value = float(self.weight @ each) if self.n >= FEWEST else None
        return Lifetime(value, self._between(each, level), self.n)

    def kept(self, months: int, *, level: float = 0.95) -> tuple[float, Interval]:
        """Share of customers that are left after some months, in [0, 1], and where it lies."""
        each = _survival(self.alpha, self.beta, months)[:, -1]
        return float(self.weight @ each), self._between(each, level)

    def _between(self, each: NDArray[np.float64], level: float) -> Interval:
        """Where a figure lies that has one value on each grid point."""
        order = np.argsort(each)
        reached = np.cumsum(self.weight[order])
        low, high = (float(each[order][np.searchsorted(reached, edge)]) for edge in ((1 - level) / 2, (1 + level) / 2))
        return Interval(low, high, level)


@dataclass(frozen=True)
class Lifetime:
    """Expected months as a customer.

    Attributes:
        value: Expected months; None below `FEWEST` customers, where only bounds are told.
        interval: Where it lies.
        n: Customers seen.
    """

    value: float | None
    interval: Interval
    n: int


def fit_retention(lost: Sequence[float], alive: Sequence[float], *, is_weak: bool = True) -> Retention | None:
    """What is believed after some customers left and others are still there.

    Args:
        lost: Customers that left after 1, 2, … months, in order.
        alive: Customers last seen, still there, after 0, 1, 2, … months, in order.
        is_weak: Use the weak prior; False takes every grid point as likely, which needs many customers.

    Returns:
        The belief, or None when there is no customer.
    """
    gone, left = np.asarray(lost, dtype=float), np.asarray(alive, dtype=float)
    n = int(gone.sum() + left.sum())
    if n == 0:
        return None
    steps = np.linspace(-_WIDTH, _WIDTH, _STEPS)
    churn, alike = (mid.ravel() for mid in np.meshgrid(np.log(CHURN) + steps, np.log(ALIKE) + steps, indexing="ij"))
    inside = churn < np.log(0.9)
    churn, alike = churn[inside], alike[inside]
    mean, size = np.exp(churn), np.exp(alike)
    alpha, beta = mean * size, (1 - mean) * size
    months = np.arange(1, gone.size + 1)
    ages = np.arange(left.size)
    told = (special.betaln(alpha[:, None] + 1, beta[:, None] + months - 1)) @ gone
    told = told + special.betaln(alpha[:, None], beta[:, None] + ages) @ left
    told = told - n * special.betaln(alpha, beta)
    if is_weak:
        told = told - ((churn - np.log(CHURN)) ** 2 + (alike - np.log(ALIKE)) ** 2) / (2 * SPREAD**2)
    weight = np.exp(told - told.max())
    return Retention(alpha, beta, weight / weight.sum(), n)


def _survival(alpha: NDArray[np.float64], beta: NDArray[np.float64], months: int) -> NDArray[np.float64]:
    """Shape (n, months + 1): share left after each number of months."""
    ages = np.arange(months + 1)
    return np.asarray(
        np.exp(special.betaln(alpha[:, None], beta[:, None] + ages) - special.betaln(alpha, beta)[:, None])
    )
