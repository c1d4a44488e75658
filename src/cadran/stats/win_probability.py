"""How likely each open deal is to be won, ever and by a day, as far as its company's past tells.

Two opinions, on the logit scale half each: the way through the stages week by week (`win_hazard`), and how
deals that once stood like it ended (`win_snapshots`). Both shrink to the company's own average where
the past says little, and neither is ever sure of an open deal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from cadran.stats.intervals import student_quantile
from cadran.stats.stays import LOST, WEEK
from cadran.stats.win_hazard import fit_hazard
from cadran.stats.win_snapshots import fit_snapshots

if TYPE_CHECKING:
    from collections.abc import Callable

    from cadran.stats.stays import Array, Stays
    from cadran.stats.win_hazard import WinHazard
    from cadran.stats.win_snapshots import WinSnapshots

#: Chances are kept this far from 0 and from 1: an open deal is never sure (rule T-94).
EDGE = 0.002
#: Deals looked at together, which bounds the memory that it takes.
BLOCK = 4096
#: Models drawn for an interval.
DRAWS = 30
#: Doubt about the form of the models themselves, as a share of how far they tell a deal from even odds, beside that
#: about their coefficients; and freedom of the law of all doubt together, which is told by few deals itself.
MISFIT, FREEDOM = 0.05, 6.0
#: Share of the second opinion.
BLEND = 0.5


@dataclass(frozen=True)
class WinModel:
    """What is learnt of a company's deals.

    Attributes:
        hazard: Way through the stages.
        snapshots: How deals that stood alike ended.
        known_at: Day on which it was learnt.
    """

    hazard: WinHazard
    snapshots: WinSnapshots
    known_at: float

    def ever(self, deals: Stays, day: float) -> Array:
        """Chance that each deal is won at all.

        Args:
            deals: Stays that last on `day`, see `Stays.open_at`.
            day: Day on which the chances are told.

        Returns:
            Shape (n,), within `EDGE` of neither 0 nor 1.
        """
        return _in_blocks(deals, lambda part: self.told(part, day))

    def by_week(self, deals: Stays, day: float, weeks: int) -> Array:
        """Chance that each deal is won in each of the weeks after a day.

        Returns:
            Shape (n, weeks): chances that exclude each other, whose sum is the chance by the end of the last
            week and never above `ever`.
        """
        if not deals.deal.size:
            return np.zeros((0, weeks))
        return _in_blocks(deals, lambda part: self._by_week(part, day, weeks))

    def by(self, deals: Stays, day: float, days: float) -> Array:
        """Chance that each deal is won within a number of days, shape (n,)."""
        weeks = max(1, int(np.ceil(days / 7)))
        found = self.by_week(deals, day, weeks)
        share = days / 7 - (weeks - 1)
        return np.asarray(found[:, :-1].sum(axis=1) + share * found[:, -1])

    def interval(self, deals: Stays, day: float, *, seed: int, level: float = 0.95) -> tuple[Array, Array]:
        """Where the chance of each deal lies, given how little the past tells: two arrays of shape (n,).

        It is the doubt about the chance, not about the outcome, which is won or not.

        Args:
            deals: See `ever`.
            day: See there.
            seed: Seed of the models that are drawn.
            level: Coverage in (0, 1).
        """
        rng = np.random.default_rng(seed)
        others = [
            replace(self, hazard=self.hazard.drawn(rng), snapshots=self.snapshots.drawn(rng)) for _ in range(DRAWS)
        ]

        def spread(part: Stays) -> Array:
            # both opinions are learnt from the same deals: what one is wrong by, the other does not make good
            drawn = np.var([other.opinions(part, day) for other in others], axis=0, ddof=1)
            return np.asarray(np.sqrt((1 - BLEND) * drawn[0] + BLEND * drawn[1]))

        centre = special.logit(self.ever(deals, day))
        reach = student_quantile(FREEDOM, level) * np.hypot(_in_blocks(deals, spread), MISFIT * centre)
        return _edged(special.expit(centre - reach)), _edged(special.expit(centre + reach))

    def reasons(self, deals: Stays, day: float) -> dict[str, Array]:
        """What each thing known of a deal adds to its chance, shape (n,) each, in shares.

        By kind of label or figure of the deals; ``touches`` of the last four weeks; and ``time`` spent in the stage.
        It is the chance less the one that the same deal would have if that thing were as usual (for time: if it had
        just entered its stage). They do not add up to the chance.
        """
        kinds = [*self.hazard.encoding.sizes, *(["touches"] if deals.touched[0].size else []), "time"]
        return {kind: _in_blocks(deals, partial(self._less, day=day, kind=kind)) for kind in kinds}

    def _less(self, deals: Stays, *, day: float, kind: str) -> Array:
        chance = self.told(deals, day)
        with_it, without = (
            special.logit(_edged(self.hazard.passage(deals, day, without=name).ever())) for name in ("", kind)
        )
        return np.asarray(chance - _edged(special.expit(special.logit(chance) - with_it + without)))

    def with_offsets(self, offsets: Array) -> WinModel:
        """The same with the conversion of each stage shifted on the logit scale; see `breaks`."""
        return replace(self, hazard=self.hazard.with_offsets(self.hazard.offsets + offsets))

    def told(self, deals: Stays, day: float) -> Array:
        """`ever`, for no more deals than fit in memory at once."""
        way, stood = self.opinions(deals, day)
        return _edged(special.expit((1 - BLEND) * way + BLEND * stood))

    def opinions(self, deals: Stays, day: float) -> tuple[Array, Array]:
        """Log odds of each deal by the way through the stages, and by how deals that stood like it ended."""
        way = special.logit(_edged(self.hazard.passage(deals, day).ever()))
        stood = self.snapshots.logit(deals, day)
        if self.hazard.offsets.any():
            # what broke is not in the second opinion: it moves as far as the first one does
            usual = self.hazard.with_offsets(0 * self.hazard.offsets).passage(deals, day)
            stood = stood + way - special.logit(_edged(usual.ever()))
        return way, stood

    def _by_week(self, deals: Stays, day: float, weeks: int) -> Array:
        passage = self.hazard.passage(deals, day)
        starts = day + WEEK * np.arange(weeks, dtype=np.float64)
        found = passage.by_week(self.hazard.calendar_at(starts), self.hazard.ended(day, starts))
        ever, own = self.told(deals, day), _edged(passage.ever())
        scale = ever / np.maximum(own, found.sum(axis=1))
        return np.asarray(found * scale[:, None])


def fit_win(stays: Stays, day: float) -> WinModel | None:
    """The model of a company's deals.

    Args:
        stays: Stays of its deals; what happened after `day` is not looked at.
        day: Day of learning.

    Returns:
        The model, or None when no deal was won and lost: there is nothing to learn from.
    """
    known = stays.known_at(day)
    if not (known.to == known.won).any() or not (known.to == LOST).any():
        return None
    hazard = fit_hazard(known, day)
    snapshots = fit_snapshots(known, day, lambda deals, at: _edged(hazard.passage(deals, at).ever()))
    return WinModel(hazard, snapshots, day)


def _edged(chance: Array) -> Array:
    return np.asarray(np.clip(chance, EDGE, 1 - EDGE))


def _in_blocks(deals: Stays, tell: Callable[[Stays], Array]) -> Array:
    n = deals.deal.size
    parts = [tell(deals.chosen(np.arange(start, min(start + BLOCK, n)))) for start in range(0, n, BLOCK)]
    return np.concatenate(parts) if parts else np.zeros(0)
