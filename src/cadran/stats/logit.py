"""Logistic regression whose groups of coefficients are each drawn towards zero as far as the data do not tell.

Every group (the stages, the owners, the segments…) has a spread of its own, learnt from the data: a group
that says nothing shrinks to nothing, and one case of a label moves little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg, sparse, special

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Spreads that a group may have, on the logit scale, and the one it starts with.
LEAST_SPREAD, MOST_SPREAD, FIRST_SPREAD = 0.02, 1.5, 0.5
#: Spread that a group may have had all the same, where few cases tell of a smaller one: for the doubt about effects.
DOUBT = 0.5
#: The same for chances of winning, whose ranges are checked on companies of 40 to 2,500 deals.
DOUBT_OF_CHANCES = 0.75
#: Newton steps, each followed by new spreads; the last ones keep them.
ROUNDS, LAST_ROUNDS = 14, 4
#: Largest change of a coefficient in one step.
MOST_STEP = 2.0


@dataclass(frozen=True)
class Logit:
    """A fitted regression.

    Attributes:
        coefficients: Shape (n_columns,).
        root: Shape (n_columns, n_columns); `root @ root.T` is their covariance (Laplace's approximation).
        spreads: Standard deviation of the coefficients of each group around zero.
        n: Cases.
    """

    coefficients: Array
    root: Array
    spreads: Mapping[str, float]
    n: float

    def drawn(self, rng: np.random.Generator) -> Array:
        """Coefficients as they may also be, given the data."""
        return np.asarray(self.coefficients + self.root @ rng.standard_normal(self.coefficients.size))


def fit_logit(
    design: sparse.csr_matrix,
    hits: Array,
    trials: Array,
    groups: Mapping[str, slice],
    fixed: Mapping[str, float],
    *,
    doubt: float = DOUBT,
) -> Logit:
    """The regression of a share on the columns of a design.

    Args:
        design: Shape (n_rows, n_columns), sparse.
        hits: Shape (n_rows,), how many of the cases of each row are hits.
        trials: Shape (n_rows,), cases of each row.
        groups: Columns of each group; together all columns.
        fixed: Spread of the groups whose spread is given rather than learnt.
        doubt: See `DOUBT`.

    References:
        Gelman and Hill, Data Analysis Using Regression and Multilevel Models (2007), chapter 12; MacKay (1992),
        Bayesian interpolation, for the update of the spreads; Laplace's approximation of the posterior.
    """
    n_columns = design.shape[1]
    spreads = {name: fixed.get(name, FIRST_SPREAD) for name in groups}
    beta = np.zeros(n_columns)
    transposed = design.T.tocsr()
    inverse = np.eye(n_columns)
    for step in range(ROUNDS + LAST_ROUNDS):
        penalty = _penalty(groups, spreads, n_columns)
        fitted = special.expit(design @ beta)
        gradient = transposed @ (hits - trials * fitted) - penalty * beta
        weights = trials * fitted * (1 - fitted)
        inner = transposed @ sparse.diags(weights) @ design
        hessian = np.asarray(inner.todense()) + np.diag(penalty)
        inverse = linalg.inv(hessian)
        beta = beta + np.clip(inverse @ gradient, -MOST_STEP, MOST_STEP)
        if step < ROUNDS:
            told = {name: _spread(beta, inverse, part, spreads[name]) for name, part in groups.items()}
            spreads = told | dict(fixed)
    wide = {name: max(spread, 0.0 if name in fixed else doubt) for name, spread in spreads.items()}
    inverse = linalg.inv(np.asarray(inner.todense()) + np.diag(_penalty(groups, wide, n_columns)))
    root = np.asarray(linalg.cholesky((inverse + inverse.T) / 2, lower=True))
    return Logit(beta, root, spreads, float(trials.sum()))


def _penalty(groups: Mapping[str, slice], spreads: Mapping[str, float], size: int) -> Array:
    found = np.empty(size)
    for name, part in groups.items():
        found[part] = spreads[name] ** -2
    return found


def _spread(beta: Array, covariance: Array, part: slice, before: float) -> float:
    """The spread under which the coefficients of a group are most likely, their own doubt included."""
    own = beta[part]
    if not own.size:
        return before
    told = own.size - float(np.trace(covariance[part, part])) / before**2
    found = np.sqrt(float(own @ own) / max(told, 1e-6)) if told > 1e-3 else LEAST_SPREAD
    # half a step: the fixed point is reached without swinging around it
    return float(np.clip(np.sqrt(found * before), LEAST_SPREAD, MOST_SPREAD))
