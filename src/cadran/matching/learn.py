"""A logistic model of few examples, held back towards what is believed beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def learn(features: Floats, same: NDArray[np.bool_], prior: Floats, *, weight: float = 1.0) -> Floats:
    """The coefficients, intercept first, that examples and belief together make likeliest.

    Args:
        features: Shape (n, k).
        same: Shape (n,): whether each example is a match.
        prior: Shape (k + 1,): coefficients believed beforehand, the answer when there is no example.
        weight: Precision of the belief: each coefficient is normal around it with variance 1 / weight.

    Returns:
        Shape (k + 1,).

    References:
        Ridge-penalised logistic regression; le Cessie and van Houwelingen (1992).
    """
    if not len(features):
        return prior.copy()
    design = np.column_stack([np.ones(len(features)), features])
    sign = np.where(same, 1.0, -1.0)

    def loss(beta: Floats) -> tuple[float, Floats]:
        margin = sign * (design @ beta)
        off = beta - prior
        value = float(np.logaddexp(0.0, -margin).sum() + 0.5 * weight * (off @ off))
        return value, weight * off - design.T @ (sign * expit(-margin))

    return np.asarray(minimize(loss, prior, jac=True, method="L-BFGS-B").x)


def chance(features: Floats, beta: Floats) -> Floats:
    """Probability of a match, shape (n,), by the coefficients of `learn`."""
    return np.asarray(expit(beta[0] + features @ beta[1:]))
