"""The chance of winning a deal by how deals that once stood like it ended: a second opinion.

Deals are looked at once a month as they stood then: stage, days in it, days since the first one, what
describes them. Those that are not over yet count as far as another model says that they will be won;
leaving them out would learn from the quick ones alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from cadran.stats.encoding import Encoding, one_hot
from cadran.stats.logit import DOUBT_OF_CHANCES, Logit, fit_logit
from cadran.stats.stays import OPEN, outcomes

if TYPE_CHECKING:
    from collections.abc import Callable

    from cadran.stats.stays import Array, Stays

#: Days between two looks, and looks at most.
STEP, LOOKS = 30.0, 24
#: Spreads given beforehand: of the level, and of how far it moves in a year.
LEVEL_SPREAD, TREND_SPREAD, YEAR = 1.5, 0.1, 365.0
#: Figures of time: log of the days in the stage, of those since the first one, and the square of the former.
N_TIMES = 3


@dataclass(frozen=True)
class WinSnapshots:
    """What is learnt of how deals stood.

    Attributes:
        n_stages: Stages.
        encoding: What describes a deal.
        centres: Means and standard deviations of the figures of time.
        fit: The regression.
    """

    n_stages: int
    encoding: Encoding
    centres: tuple[Array, Array]
    fit: Logit

    def logit(self, deals: Stays, day: float) -> Array:
        """Shape (n,), log odds of winning deals that last on a day, at the level of the day of learning."""
        return np.asarray(self.design(deals, day, day) @ self.fit.coefficients)

    def design(self, deals: Stays, day: float, learnt: float) -> sparse.csr_matrix:
        """Columns of deals as they stand on a day, for a regression learnt on another."""
        n, size = self.n_stages, deals.deal.size
        times = (_times(deals, day) - self.centres[0]) / self.centres[1]
        stages = one_hot(deals.stage, n)
        by_stage = [sparse.diags(times[:, at]) @ stages for at in range(N_TIMES)]
        beside = np.column_stack([np.ones(size), np.full(size, (day - learnt) / YEAR)])
        parts = [sparse.csr_matrix(beside[:, :1]), stages, *by_stage, sparse.csr_matrix(beside[:, 1:])]
        return sparse.hstack([*parts, self.encoding.columns(deals)], format="csr")

    def drawn(self, rng: np.random.Generator) -> WinSnapshots:
        """The same as it may also be, given the data."""
        return replace(self, fit=replace(self.fit, coefficients=self.fit.drawn(rng)))


def fit_snapshots(stays: Stays, day: float, chance: Callable[[Stays, float], Array]) -> WinSnapshots:
    """The regression on how deals stood.

    Args:
        stays: Stays; what happened after `day` is not looked at.
        day: Day of learning.
        chance: Chance of winning deals that still last on a day, by another model.
    """
    known = stays.known_at(day)
    ends = outcomes(known)
    still = known.chosen(known.to == OPEN)
    ends[still.deal] = chance(still, day)
    first = float(known.entered.min(initial=day))
    looks = [day - STEP * back for back in range(1, LOOKS + 1) if day - STEP * back >= first]
    seen = [_told(known.open_at(at), ends) for at in looks]
    times = np.concatenate([np.zeros((0, N_TIMES)), *(_times(part, at) for part, at in zip(seen, looks, strict=True))])
    centres = (times.mean(axis=0), times.std(axis=0) + 1e-9) if len(times) else (np.zeros(N_TIMES), np.ones(N_TIMES))
    model = WinSnapshots(len(known.stages), Encoding.of(known), centres, Logit(np.zeros(0), np.zeros((0, 0)), {}, 0))
    rows = [model.design(part, at, day) for part, at in zip(seen, looks, strict=True)]
    hits = np.concatenate([np.zeros(0), *(ends[part.deal] for part in seen)])
    sizes = _sizes(model.encoding, model.n_stages)
    columns = 1 + (1 + N_TIMES) * model.n_stages + 1 + sum(model.encoding.sizes.values())
    design = sparse.vstack([sparse.csr_matrix((0, columns)), *rows], format="csr")
    fixed = {"level": LEVEL_SPREAD, "trend": TREND_SPREAD}
    return replace(model, fit=fit_logit(design, hits, np.ones(hits.size), sizes, fixed, doubt=DOUBT_OF_CHANCES))


def _told(deals: Stays, ends: Array) -> Stays:
    return deals.chosen(~np.isnan(ends[deals.deal]))


def _times(deals: Stays, day: float) -> Array:
    here, all_in_all = np.log1p(np.maximum(day - deals.entered, 0)), np.log1p(np.maximum(day - deals.began, 0))
    return np.column_stack([here, all_in_all, here**2])


def _sizes(encoding: Encoding, n: int) -> dict[str, slice]:
    ends = np.cumsum([0, 1, n, *[n] * N_TIMES, 1, *encoding.sizes.values()]).tolist()
    times = [f"time {at}" for at in range(N_TIMES)]
    names = ["level", "stage", *times, "trend", *[f"by {name}" for name in encoding.sizes]]
    return {name: slice(start, end) for name, start, end in zip(names, ends, ends[1:], strict=False)}
