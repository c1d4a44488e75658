"""Which cell of a table is to blame when a rate moved: a scan over cells of one or two dimensions.

What each group of cases was expected to do comes from an additive logistic model of the earlier cases,
so that a shift in the mix explains what it can before any cell is blamed. Each cell is then scored by
how much better the later cases are told if its own rate changed and the rest moved together: the
logarithm of a Bayes factor, the size of the change being unknown, and its direction as far as the whole
does not tell it. "No cause" is an answer: it is given when the best cell is no better than those of
windows in which nothing happened.

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
#: Least probability that a cell went up, or down, whatever the whole did.
EITHER = 1e-3
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

    def merged(self, sizes: tuple[int, ...]) -> Cases:
        """The same cases with one row per group, in the order of the codes, which `sizes` are above."""
        if not self.n.size or not sizes:
            return self
        groups, where = np.unique(np.ravel_multi_index(tuple(self.codes.T), sizes), return_inverse=True)
        n, hits = (np.bincount(where, weights).astype(float) for weights in (self.n, self.hits))
        return Cases(np.column_stack(np.unravel_index(groups, sizes)), n, hits)


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

    Chance is measured on `draws` windows in which every group does what may have been expected of it: the common
    movement is included, and so is how little the earlier cases tell.

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
    best = [float(table.scores(table.drawn(rng)).max()) for _ in range(draws)]
    p = (1 + sum(score >= found[0].score for score in best)) / (draws + 1)
    named = replace(found[0], p=p)
    return (named if p <= level else None), [named, *found[1:]]


@dataclass(frozen=True)
class _Cells:
    """Every cell of one or two dimensions, one set of dimensions after another.

    Attributes:
        sets: Dimensions of each set.
        shapes: Values of each of them.
        starts: Shape (n_sets + 1,), first cell of each set, and how many cells there are.
        where: Shape (n_sets, n_groups), cell of each group.
        n: Shape (n_cells,), cases.
        price: Shape (n_cells,), of the search; infinite for a cell with too few cases to be blamed.
    """

    sets: tuple[tuple[int, ...], ...]
    shapes: tuple[tuple[int, ...], ...]
    starts: NDArray[np.int64]
    where: NDArray[np.int64]
    n: NDArray[np.float64]
    price: NDArray[np.float64]

    @classmethod
    def of(cls, cases: Cases, sizes: tuple[int, ...]) -> _Cells:
        """The cells of some cases."""
        places = range(len(sizes))
        sets = tuple(itertools.chain(*(itertools.combinations(places, k) for k in (1, 2))))
        shapes = tuple(tuple(sizes[at] for at in dims) for dims in sets)
        starts = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
        where = np.empty((len(sets), cases.n.size), dtype=np.int64)
        for row, dims in enumerate(sets):
            own = tuple(cases.codes[:, at] for at in dims)
            where[row] = starts[row] + np.ravel_multi_index(own, shapes[row])
        found = cls(sets, shapes, starts, where, np.zeros(0), np.zeros(0))
        n = found.sums(cases.n)
        searched = np.maximum(np.add.reduceat(n >= FEWEST, starts[:-1], dtype=np.int64), 1)
        price = np.log(searched) + SECOND * np.array([len(dims) - 1 for dims in sets])
        return replace(found, n=n, price=np.where(n >= FEWEST, np.repeat(price, np.diff(starts)), np.inf))

    def sums(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of the weights of the groups of each cell, shape (n_cells,)."""
        every = np.broadcast_to(weights, self.where.shape)
        return np.bincount(self.where.ravel(), every.ravel(), self.starts[-1]).astype(float)

    def best(self, score: NDArray[np.float64]) -> Iterator[tuple[int, dict[int, int]]]:
        """The best cells of each set: their place, and the value of each dimension."""
        for dims, shape, start in zip(self.sets, self.shapes, self.starts.tolist(), strict=False):
            own = score[start : start + int(np.prod(shape))]
            for place in np.argsort(-own, kind="stable")[:LISTED].tolist():
                if np.isfinite(own[place]):
                    yield start + place, dict(zip(dims, map(int, np.unravel_index(place, shape)), strict=True))


@dataclass(frozen=True)
class _Table:
    """Later cases with what was expected of each group.

    Attributes:
        after: Later cases, one row per group.
        cells: Cells that may be to blame.
        design: Shape (n_groups, n_columns).
        weights: Shape (n_columns,), what the earlier cases tell.
        root: Shape (n_columns, n_columns), ``root @ root.T`` is the covariance of the weights.
        rates: Shape (n_groups,), what is expected.
    """

    after: Cases
    cells: _Cells
    design: NDArray[np.float64]
    weights: NDArray[np.float64]
    root: NDArray[np.float64]
    rates: NDArray[np.float64]

    @classmethod
    def of(cls, before: Cases, after: Cases) -> _Table:
        """The table of the later cases, told by the earlier ones."""
        dims = range(after.codes.shape[1])
        sizes = tuple(int(max(c.codes[:, at].max(initial=0) for c in (before, after))) + 1 for at in dims)
        before, after = before.merged(sizes), after.merged(sizes)
        weights, root = _logistic(_design(before.codes, sizes), before.n, before.hits)
        design = _design(after.codes, sizes)
        cells = _Cells.of(after, sizes)
        return cls(after, cells, design, weights, root, np.asarray(special.expit(design @ weights)))

    def candidates(self) -> list[Cause]:
        """Every cell that may be to blame, best first."""
        hits = self.after.hits
        p = tilted(self.rates, self.after.n, float(hits.sum()))
        n, got, want = self.cells.n, self.cells.sums(hits), self.cells.sums(p * self.after.n)
        score = self.scores(hits)
        found = [
            Cause(cell, float(score[at]), int(n[at]), int(got[at]), float(want[at]))
            for at, cell in self.cells.best(score)
        ]
        return sorted(found, key=lambda cause: (-cause.score, sorted(cause.cell.items())))

    def scores(self, hits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Score of each cell with the hits given, shape (n_cells,); minus infinity where it has too few cases."""
        p = tilted(self.rates, self.after.n, float(hits.sum()))
        expected, spread = p * self.after.n, p * (1 - p) * self.after.n
        each = _Sums(self.cells.n, *(self.cells.sums(part) for part in (hits, expected, spread)))
        whole = float(hits.sum()), float(expected.sum()), float(spread.sum())
        return np.asarray(_score(each, whole, self.falls(hits)) - self.cells.price)

    def drawn(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Hits of each group in a window in which no cell is to blame, given what the earlier cases tell."""
        weights = self.weights + self.root @ rng.standard_normal(self.weights.size)
        moved = tilted(special.expit(self.design @ weights), self.after.n, float(self.after.hits.sum()))
        return rng.binomial(self.after.n.astype(int), moved).astype(float)

    def falls(self, hits: NDArray[np.float64]) -> float:
        """Probability that the whole fell, given its hits and how far chance and the earlier cases leave it open."""
        width = self.rates * (1 - self.rates) * self.after.n
        doubt = (width @ self.design) @ self.root
        spread = np.sqrt(max(float(width.sum() + doubt @ doubt), 1e-9))
        gap = float(hits.sum() - (self.rates * self.after.n).sum())
        return float(np.clip(special.ndtr(-gap / spread), EITHER, 1 - EITHER))


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


def _logistic(
    design: NDArray[np.float64], n: NDArray[np.float64], hits: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients of a logistic model by Newton's method, drawn towards zero but for the first.

    Returns:
        The coefficients, and a root of their covariance (Laplace's approximation).
    """
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
    # curve = lower @ lower.T, so that the inverse of the lower root, transposed, is a root of the covariance
    return weights, np.linalg.inv(np.linalg.cholesky(curve)).T


@dataclass(frozen=True)
class _Sums:
    """Cases, hits, expected hits and their variance of each cell, shape (n_cells,) each."""

    n: NDArray[np.float64]
    hits: NDArray[np.float64]
    expected: NDArray[np.float64]
    spread: NDArray[np.float64]


def _score(cells: _Sums, whole: tuple[float, float, float], falls: float) -> NDArray[np.float64]:
    """Log Bayes factor of a change of a cell's log odds, down as probably as the whole fell, against none.

    The rest of the table moves together by what is left when the cell is taken out, so that a cell is
    neither blamed for the common movement nor excused by it.

    Args:
        cells: What is known of each cell.
        whole: Hits, expected hits and their variance of the whole table.
        falls: Probability that the whole fell.
    """
    hits, expected, spread = whole
    size = np.maximum(cells.n, 1)
    rest = np.maximum(spread - cells.spread, 1e-9)
    gap = (hits - cells.hits) - (expected - cells.expected)
    rate = np.clip(cells.expected / size, _EDGE, 1 - _EDGE)
    common = special.logit(rate) + np.clip(gap / rest, -1, 1)
    shifts, weights = SPREAD * np.append(-_SHIFTS, _SHIFTS), np.append(falls * _PRIOR, (1 - falls) * _PRIOR)
    moved = np.clip(special.expit(common[:, None] + shifts), 1e-9, 1 - 1e-9)
    misses = (size - cells.hits)[:, None] * np.log((1 - moved) / (1 - rate)[:, None])
    gain = cells.hits[:, None] * np.log(moved / rate[:, None]) + misses
    most = gain.max(axis=1, keepdims=True)
    own = most[:, 0] + np.log(np.exp(gain - most) @ weights)
    return np.asarray(own + gap**2 / (2 * rest))
