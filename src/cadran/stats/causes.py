"""Which cell of a table is to blame when a rate moved: a scan over cells of one or two dimensions.

What each group of cases was expected to do comes from an additive logistic model of the earlier cases,
so that a shift in the mix explains what it can before any cell is blamed. Each cell is then scored by
how much better the later cases are told if its own rate changed and the rest moved together: the
logarithm of a Bayes factor, the size of the change being unknown. "No cause" is an answer: it is given
when the best cell is no better than those of windows in which nothing happened.

References:
    Kulldorff (1997), A spatial scan statistic; Kass and Raftery (1995), Bayes factors.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

#: Fewest later cases in a cell that can be blamed.
FEWEST = 10
#: How much the log odds of a cell may plausibly change: spread of a half-normal prior.
SPREAD = 0.9
#: Price, in log Bayes factor, of naming a second dimension.
SECOND = 1.0
#: Cells listed of each set of dimensions.
LISTED = 20
#: Changes of log odds, in units of `SPREAD`, and their half-normal weights.
_SHIFTS = np.linspace(0.05, 3.05, 16)
_PRIOR = np.exp(-(_SHIFTS**2) / 2) / np.exp(-(_SHIFTS**2) / 2).sum()
_RIDGE, _ROUNDS, _EDGE = 1.0, 25, 1e-6


@dataclass(frozen=True)
class Cases:
    """Groups of cases that agree on every dimension.

    Attributes:
        codes: Shape (n_groups, n_dims), code of each dimension from 0.
        n: Shape (n_groups,), cases of each group.
        hits: Shape (n_groups,), how many converted.
    """

    codes: NDArray[np.int64]
    n: NDArray[np.float64]
    hits: NDArray[np.float64]


@dataclass(frozen=True)
class Cause:
    """A cell that may be to blame.

    Attributes:
        cell: Code of each dimension that is named, by the place of the dimension.
        score: Log Bayes factor against "no cell changed", less the price of the search.
        n: Later cases in it.
        hits: How many converted.
        expected: How many would have, had the cell moved like the rest.
        p: Share of windows without any cause whose best cell scores as high, in (0, 1]; None where it
            was not asked.
    """

    cell: Mapping[int, int]
    score: float
    n: int
    hits: int
    expected: float
    p: float | None = None


def scan_causes(before: Cases, after: Cases) -> list[Cause]:
    """Every cell that may be to blame for a change of the rate, best first.

    Args:
        before: Earlier cases.
        after: Later cases, with the same dimensions.
    """
    return _Table.of(before, after).candidates()


def find_cause(
    before: Cases, after: Cases, *, rng: np.random.Generator, draws: int = 99, level: float = 0.05
) -> tuple[Cause | None, list[Cause]]:
    """The cell to blame, or None when nothing tells it from chance, and every candidate, best first.

    Chance is measured on `draws` windows in which every group does what was expected of it, the common
    movement included.

    Args:
        before: Earlier cases.
        after: Later cases.
        rng: Source of the draws.
        draws: How many windows without a cause are drawn.
        level: Share of windows without a cause in which one may be named.
    """
    table = _Table.of(before, after)
    found = table.candidates()
    if not found:
        return None, []
    moved = tilted(table.rates, after.n, float(after.hits.sum()))
    cases = after.n.astype(int)
    best = [table.top(rng.binomial(cases, moved).astype(float)) for _ in range(draws)]
    p = (1 + sum(score >= found[0].score for score in best)) / (draws + 1)
    named = replace(found[0], p=p)
    return (named if p <= level else None), [named, *found[1:]]


@dataclass(frozen=True)
class _Cells:
    """The cells of one set of dimensions, as arrays with one axis per dimension."""

    dims: tuple[int, ...]
    n: NDArray[np.float64]
    hits: NDArray[np.float64]
    expected: NDArray[np.float64]
    score: NDArray[np.float64]

    def best(self) -> Iterator[Cause]:
        """The best cells."""
        for place in np.argsort(-self.score, axis=None, kind="stable")[:LISTED]:
            if np.isfinite(self.score.flat[place]):
                values = np.unravel_index(int(place), self.score.shape)
                cell = dict(zip(self.dims, (int(value) for value in values), strict=True))
                counts = int(self.n.flat[place]), int(self.hits.flat[place])
                yield Cause(cell, float(self.score.flat[place]), *counts, float(self.expected.flat[place]))


@dataclass(frozen=True)
class _Table:
    """Later cases with what was expected of each group."""

    after: Cases
    sizes: tuple[int, ...]
    rates: NDArray[np.float64]

    @classmethod
    def of(cls, before: Cases, after: Cases) -> _Table:
        """The table of the later cases, told by the earlier ones."""
        dims = range(after.codes.shape[1])
        sizes = tuple(int(max(c.codes[:, at].max(initial=0) for c in (before, after))) + 1 for at in dims)
        weights = _logistic(_design(before.codes, sizes), before.n, before.hits)
        return cls(after, sizes, np.asarray(special.expit(_design(after.codes, sizes) @ weights)))

    def candidates(self) -> list[Cause]:
        """Every cell that may be to blame, best first."""
        found = [cause for cells in self.cells(self.after.hits) for cause in cells.best()]
        return sorted(found, key=lambda cause: (-cause.score, sorted(cause.cell.items())))

    def top(self, hits: NDArray[np.float64]) -> float:
        """Best score of any cell; minus infinity where none has enough cases."""
        return max((float(cells.score.max()) for cells in self.cells(hits)), default=-np.inf)

    def cells(self, hits: NDArray[np.float64]) -> Iterator[_Cells]:
        """Every set of one or two dimensions, with the hits given."""
        after = self.after
        p = tilted(self.rates, after.n, float(hits.sum()))
        sign = 1.0 if hits.sum() > (self.rates * after.n).sum() else -1.0
        expected, spread = p * after.n, p * (1 - p) * after.n
        for dims in itertools.chain(*(itertools.combinations(range(len(self.sizes)), k) for k in (1, 2))):
            shape = tuple(self.sizes[at] for at in dims)
            where = np.ravel_multi_index(tuple(after.codes[:, at] for at in dims), shape)
            size = int(np.prod(shape))
            n, got, want, width = (np.bincount(where, w, size).astype(float) for w in (after.n, hits, expected, spread))
            price = np.log(max(int((n >= FEWEST).sum()), 1)) + SECOND * (len(dims) - 1)
            score = np.where(n >= FEWEST, _score(n, got, want, width, sign) - price, -np.inf)
            yield _Cells(dims, *(part.reshape(shape) for part in (n, got, want, score)))


def tilted(rates: NDArray[np.float64], n: NDArray[np.float64], total: float) -> NDArray[np.float64]:
    """The rates with one shift of log odds in common, so that they give `total` hits, shape (n_groups,)."""
    cases = float(n.sum())
    wanted = min(max(total, 0.5), cases - 0.5)
    logits = special.logit(np.clip(rates, _EDGE, 1 - _EDGE))
    shift = 0.0
    for _ in range(_ROUNDS):
        p = special.expit(logits + shift)
        step = float(np.clip((wanted - (p * n).sum()) / max(float((p * (1 - p) * n).sum()), 1e-9), -2, 2))
        shift += step
        if abs(step) < 1e-9:
            break
    return np.asarray(special.expit(logits + shift))


def _design(codes: NDArray[np.int64], sizes: Sequence[int]) -> NDArray[np.float64]:
    """One column for all, then one per value of each dimension."""
    columns = [np.ones((codes.shape[0], 1))]
    columns += [np.eye(size)[codes[:, place]] for place, size in enumerate(sizes)]
    return np.hstack(columns)


def _logistic(design: NDArray[np.float64], n: NDArray[np.float64], hits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients of a logistic model by Newton's method, drawn towards zero but for the first."""
    weights = np.zeros(design.shape[1])
    weights[0] = special.logit((hits.sum() + 0.5) / (n.sum() + 1))
    penalty = np.full(weights.size, _RIDGE)
    penalty[0] = _EDGE
    for _ in range(_ROUNDS):
        p = special.expit(design @ weights)
        slope = design.T @ (hits - n * p) - penalty * weights
        curve = (design * (n * p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def _score(
    n: NDArray[np.float64],
    hits: NDArray[np.float64],
    expected: NDArray[np.float64],
    spread: NDArray[np.float64],
    sign: float,
) -> NDArray[np.float64]:
    """Log Bayes factor of a change of a cell's log odds in the direction of the whole, against none.

    The rest of the table moves together by what is left when the cell is taken out, so that a cell is
    neither blamed for the common movement nor excused by it.
    """
    size = np.maximum(n, 1)
    rest = np.maximum(spread.sum() - spread, 1e-9)
    gap = (hits.sum() - hits) - (expected.sum() - expected)
    rate = np.clip(expected / size, _EDGE, 1 - _EDGE)
    common = special.logit(rate) + np.clip(gap / rest, -1, 1)
    moved = np.clip(special.expit(common[:, None] + sign * SPREAD * _SHIFTS), 1e-9, 1 - 1e-9)
    misses = (size - hits)[:, None] * np.log((1 - moved) / (1 - rate)[:, None])
    gain = hits[:, None] * np.log(moved / rate[:, None]) + misses
    own = special.logsumexp(gain, axis=1, b=_PRIOR)
    return np.asarray(own + gap**2 / (2 * rest))
