"""The way of deals through the stages, from where each one stands to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from cadran.stats.stays import BUCKETS, TOUCH_WEEKS, bucket

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cadran.stats.stays import Array, Whole

#: Weeks in a stage after which the chances no longer change.
LAST = int(BUCKETS[-1])


@dataclass(frozen=True)
class Side:
    """Logits of one thing that may happen in a week.

    Attributes:
        base: Shape (n_stages, n_buckets), by stage and weeks spent in it.
        own: Shape (n,), what describes the deal.
        closing: Shape (n_stages,), the end of a quarter.
        touch: Shape (n,), the touches of the last four weeks; holds for the next four.
    """

    base: Array
    own: Array
    closing: Array
    touch: Array

    def shares(self, closing: float = 0.0) -> Array:
        """Shape (n, n_stages, n_buckets), without recent touches."""
        base = self.base + closing * self.closing[:, None]
        return np.asarray(special.expit(base[None, :, :] + self.own[:, None, None]))

    def now(self, stage: Whole, place: Whole, closing: float, *, touched: bool) -> Array:
        """Shape (n,), in the stage in which each deal is, in the bucket that it has come to."""
        logit = self.base[stage, place] + self.own + closing * self.closing[stage]
        return np.asarray(special.expit(logit + self.touch if touched else logit))


@dataclass(frozen=True)
class Lift:
    """Odds of going on from a stage, ever, that are multiplied for the deals that enter it from a day on.

    The deals that go on because of it take as long as those that go on anyway: were only the odds of each week
    multiplied, they would take as long as those that are lost, which is longer. The chance of leaving in a week
    follows (the transform of Doob that gives every week of a stay the same odds in the end).

    Attributes:
        stage: Place of the stage.
        log_odds: Logarithm of what the odds are multiplied by.
        fresh: Shape (n,), true for deals whose own stay begins on the first day.
    """

    stage: int
    log_odds: float
    fresh: NDArray[np.bool_]

    def put(self, leaves: Array, goes_on: Array, ever: Array) -> tuple[Array, Array]:
        """Chances in a week of leaving, and then of going on, from those without it and the one of ever going on."""
        more = np.expm1(self.log_odds)
        odds = 1 + more * goes_on
        return np.minimum(leaves * odds / (1 + more * ever), 1.0), goes_on * (1 + more) / odds


@dataclass(frozen=True)
class Passage:
    """Deals and what may happen to them.

    Attributes:
        stage: Shape (n,), where each deal is.
        clock: Shape (n,), whole weeks that it has been there.
        leaves: Whether it leaves.
        goes_on: Whether it then goes on.
        onward: Shape (n_stages, n_stages + 1), where to.
    """

    stage: Whole
    clock: Whole
    leaves: Side
    goes_on: Side
    onward: Array

    def ever(self) -> Array:
        """Shape (n,), chance of being won at all."""
        leaves, goes_on = self.leaves.shares(), self.goes_on.shares()
        passes = _from_entry(leaves, goes_on)
        after = self._after(passes[:, :, 0])
        return np.asarray(self._from_now(passes) * after[np.arange(self.stage.size), self.stage])

    def _after(self, passes: Array) -> Array:
        """Chance of being won once a deal has gone on from each stage: shape (n, n_stages)."""
        between, won = self.onward[:, :-1], self.onward[:, -1]
        system = np.eye(won.size) - passes[:, :, None] * between
        entered = np.linalg.solve(system, (passes * won)[:, :, None])[:, :, 0]
        return np.asarray(entered @ between.T + won)

    def _from_now(self, passes: Array) -> Array:
        """Chance of going on from the stage in which each deal is: the next four weeks, then the usual."""
        alive, found = np.ones(self.stage.size), np.zeros(self.stage.size)
        for week in range(TOUCH_WEEKS):
            place = bucket(self.clock + week)
            leaving = alive * self.leaves.now(self.stage, place, 0.0, touched=True)
            found += leaving * self.goes_on.now(self.stage, place, 0.0, touched=True)
            alive -= leaving
        clock = self.clock + TOUCH_WEEKS
        place = bucket(clock)
        row = np.arange(self.stage.size)
        following = np.append(BUCKETS[1:], LAST)[place]
        leave = self.leaves.now(self.stage, place, 0.0, touched=False)
        on = self.goes_on.now(self.stage, place, 0.0, touched=False)
        stays = np.where(place == BUCKETS.size - 1, 0.0, (1 - leave) ** np.maximum(following - clock, 0))
        later = passes[row, self.stage, np.minimum(place + 1, BUCKETS.size - 1)]
        return np.asarray(found + alive * (on * (1 - stays) + stays * later))

    def by_week(self, calendar: Array, lift: Lift | None = None) -> Array:
        """Shape (n, n_weeks), chance of being won in each week.

        Args:
            calendar: Shape (n_weeks,), how far each week is at the end of a quarter.
            lift: A stage that lets more through, or less; None for none.
        """
        n, n_weeks = self.stage.size, calendar.size
        alive, found = np.ones(n), np.zeros((n, n_weeks))
        # deals that came to a stage after the first day, by weeks since
        inside = np.zeros((n, self.onward.shape[0], n_weeks + 2))
        ever = self._ever_by_week(lift.stage, n_weeks) if lift else np.zeros(0)
        shares = {flag: self._weekly(flag, n_weeks, lift, ever) for flag in set(calendar.tolist())}
        for week, flag in enumerate(calendar.tolist()):
            leaves, goes_on = (side[:, :, : week + 1] for side in shares[flag])
            gone = inside[:, :, : week + 1] * leaves
            on = (gone * goes_on).sum(axis=2)
            inside[:, :, 1 : week + 2] = inside[:, :, : week + 1] - gone
            leave, go = self._from_here(week, flag, lift, ever)
            leaving = alive * leave
            alive = alive - leaving
            on[np.arange(n), self.stage] += leaving * go
            found[:, week], inside[:, :, 0], early = self._enter(on, leaves[:, :, 0], goes_on[:, :, 0])
            inside[:, :, 1] += early
        return found

    def _weekly(self, flag: float, n_weeks: int, lift: Lift | None, ever: Array) -> tuple[Array, Array]:
        """Chances of leaving and of going on by weeks since the entry, shape (n, n_stages, n_weeks) each."""
        places = bucket(np.arange(n_weeks))
        leaves, goes_on = (side.shares(flag)[:, :, places] for side in (self.leaves, self.goes_on))
        if lift is not None:
            at = lift.stage
            leaves[:, at], goes_on[:, at] = lift.put(leaves[:, at], goes_on[:, at], ever)
        return leaves, goes_on

    def _from_here(self, week: int, flag: float, lift: Lift | None, ever: Array) -> tuple[Array, Array]:
        """Chances of leaving, in a week, the stage in which each deal is on the first day, and then of going on."""
        place, touched = bucket(self.clock + week), week < TOUCH_WEEKS
        leave, go = (side.now(self.stage, place, flag, touched=touched) for side in (self.leaves, self.goes_on))
        if lift is None:
            return leave, go
        own = lift.fresh & (self.stage == lift.stage)
        more, better = lift.put(leave, go, ever[:, week])
        return np.where(own, more, leave), np.where(own, better, go)

    def _ever_by_week(self, stage: int, n_weeks: int) -> Array:
        """Shape (n, n_weeks), chance of ever going on from a stage for a deal that has been there for some weeks."""
        leaves, goes_on = (side.shares()[:, [stage]] for side in (self.leaves, self.goes_on))
        passes = np.append(_from_entry(leaves, goes_on), goes_on[:, :, -1:], axis=2)[:, 0]
        weeks = np.arange(n_weeks)
        places = bucket(weeks)
        rest = np.append(BUCKETS[1:], LAST)[places] - weeks
        stays = (1 - leaves[:, 0][:, places]) ** np.maximum(rest, 0)
        return np.asarray(goes_on[:, 0][:, places] * (1 - stays) + stays * passes[:, places + 1])

    def _enter(self, on: Array, leaves: Array, goes_on: Array) -> tuple[Array, Array, Array]:
        """Where deals that go on in a week come to: won, and each stage in its second and in its first half.

        Half of those that come to a stage come early enough to leave it again in the same week, so that on
        average none is half a week late.
        """
        n_stages = self.onward.shape[0]
        entered, first = np.zeros((on.shape[0], n_stages + 1)), np.zeros_like(on)
        stays = np.zeros_like(on)
        for stage in range(n_stages):
            first[:, stage] = entered[:, stage] / 2
            gone = first[:, stage] * leaves[:, stage]
            stays[:, stage] = first[:, stage] - gone
            entered += (on[:, stage] + gone * goes_on[:, stage])[:, None] * self.onward[stage]
        return entered[:, -1], entered[:, :-1] - first, stays


def _from_entry(leaves: Array, goes_on: Array) -> Array:
    """Chance of going on from a stage for a deal that comes to the start of each bucket."""
    found = goes_on.copy()
    for place in range(BUCKETS.size - 2, -1, -1):
        stays = (1 - leaves[:, :, place]) ** (BUCKETS[place + 1] - BUCKETS[place])
        found[:, :, place] = goes_on[:, :, place] * (1 - stays) + stays * found[:, :, place + 1]
    return found
