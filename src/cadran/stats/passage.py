"""The way of deals through the stages, from where each one stands to its end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
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
        own: Shape (n, n_buckets), what describes the deal, by weeks spent in the stage.
        closing: Shape (n_stages, n_buckets), the end of a quarter.
        passed: Shape (2, n_stages, n_buckets), a quarter that ended during the stay, and then the end of the next one,
            by the part of the stay that lies before.
        usual: Shape (n_stages, n_buckets), that part on average: `base` is told at it.
        touch: Shape (n,), the touches of the last four weeks; holds for the next four.
    """

    base: Array
    own: Array
    closing: Array
    passed: Array
    usual: Array
    touch: Array

    def shares(self) -> Array:
        """Shape (n, n_stages, n_buckets), without recent touches and on average over the ends of quarters."""
        return np.asarray(special.expit(self.base[None, :, :] + self.own[:, None, :]))

    def weekly(self, closing: float, passed: Array) -> Array:
        """Shape (n, n_stages, n_weeks), by weeks since the entry, without recent touches.

        Args:
            closing: How far the week is at the end of a quarter.
            passed: Shape (n_weeks,), the part of the stay that lies before the last end of a quarter, in 0..1.
        """
        places = bucket(np.arange(passed.size))
        base = (self.base + closing * self.closing)[:, places]
        base = base + (passed - self.usual[:, places]) * (self.passed[0] + closing * self.passed[1])[:, places]
        return np.asarray(special.expit(base[None, :, :] + self.own[:, None, places]))

    def logit(self, stage: Whole, place: Whole, closing: Array | float, passed: Array) -> Array:
        """Shape (n,), in the stage in which each deal is, in the bucket that it has come to, without recent touches.

        Args:
            stage: Shape (n,).
            place: Shape (n,).
            closing: How far the week is at the end of a quarter.
            passed: Shape (n,), the part of the stay that lies before the last end of a quarter, in 0..1.
        """
        more = (passed - self.usual[stage, place]) * (
            self.passed[0, stage, place] + closing * self.passed[1, stage, place]
        )
        return np.asarray(self._usual(stage, place) + closing * self.closing[stage, place] + more)

    def now(self, stage: Whole, place: Whole, closing: float, passed: Array, *, touched: bool) -> Array:
        """See `logit`; the share, with the touches of late where they still count."""
        logit = self.logit(stage, place, closing, passed)
        return np.asarray(special.expit(logit + self.touch if touched else logit))

    def usually(self, stage: Whole, place: Whole, *, touched: bool) -> Array:
        """See `now`; on average over quarters' ends."""
        logit = self._usual(stage, place)
        return np.asarray(special.expit(logit + self.touch if touched else logit))

    def _usual(self, stage: Whole, place: Whole) -> Array:
        return np.asarray(self.base[stage, place] + self.own[np.arange(stage.size), place])


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
        before: Shape (n,), weeks of the stay that lie before the last end of a quarter.
        leaves: Whether it leaves.
        goes_on: Whether it then goes on.
        onward: Shape (n_stages, n_stages + 1), where to.
        early: Shape (n_stages,), in 0..1: of the deals that come in a week, at any time of it, and leave in the first
            one of their stay, half leave before that week is over where all times are alike; here, this part of them.
    """

    stage: Whole
    clock: Whole
    before: Array
    leaves: Side
    goes_on: Side
    onward: Array
    early: Array

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
            leaving = alive * self.leaves.usually(self.stage, place, touched=True)
            found += leaving * self.goes_on.usually(self.stage, place, touched=True)
            alive -= leaving
        clock = self.clock + TOUCH_WEEKS
        place = bucket(clock)
        row = np.arange(self.stage.size)
        following = np.append(BUCKETS[1:], LAST)[place]
        leave = self.leaves.usually(self.stage, place, touched=False)
        on = self.goes_on.usually(self.stage, place, touched=False)
        stays = np.where(place == BUCKETS.size - 1, 0.0, (1 - leave) ** np.maximum(following - clock, 0))
        later = passes[row, self.stage, np.minimum(place + 1, BUCKETS.size - 1)]
        return np.asarray(found + alive * (on * (1 - stays) + stays * later))

    def by_week(self, calendar: Array, ended: Whole | None = None, lift: Lift | None = None) -> Array:
        """Shape (n, n_weeks), chance of being won in each week.

        Args:
            calendar: Shape (n_weeks,), how far each week is at the end of a quarter.
            ended: Shape (n_weeks,), quarters that ended from the first day to the start of each week; None for none.
            lift: A stage that lets more through, or less; None for none.
        """
        n, n_weeks = self.stage.size, calendar.size
        ended = np.zeros(n_weeks, dtype=np.int64) if ended is None else ended
        alive, found = np.ones(n), np.zeros((n, n_weeks))
        # deals that came to a stage after the first day, by weeks since
        inside = np.zeros((n, self.onward.shape[0], n_weeks + 2))
        later = np.zeros((n, self.onward.shape[0]))
        ever = self._ever_by_week(lift.stage, n_weeks) if lift else np.zeros(0)
        calm = cache(partial(self._weekly, passed=np.zeros(n_weeks), lift=lift, ever=ever))
        for week, flag in enumerate(calendar.tolist()):
            before = self.before
            if ended[week]:
                # the last quarter ended in the middle of the week before this one, on average
                last = np.searchsorted(ended, ended[week], "left") - 0.5
                before, spent = self.clock + last, np.arange(week + 1)
                part = np.clip((last - week + spent) / np.maximum(spent, 1), 0, 1)
                leaves, goes_on = self._weekly(flag, part, lift, ever)
            else:
                leaves, goes_on = (side[:, :, : week + 1] for side in calm(flag))
            gone = inside[:, :, : week + 1] * leaves
            on = (gone * goes_on).sum(axis=2) + later
            inside[:, :, 1 : week + 2] = inside[:, :, : week + 1] - gone
            passed = before / np.maximum(self.clock + week, 1)
            leave, go = self._from_here(week, flag, passed, lift, ever)
            leaving = alive * leave
            alive = alive - leaving
            on[np.arange(n), self.stage] += leaving * go
            found[:, week], inside[:, :, 0], stays, later = self._enter(on, leaves[:, :, 0], goes_on[:, :, 0])
            inside[:, :, 1] += stays
        return found

    def _weekly(self, flag: float, passed: Array, lift: Lift | None, ever: Array) -> tuple[Array, Array]:
        """Chances of leaving and of going on by weeks since the entry, shape (n, n_stages, n_weeks) each."""
        leaves, goes_on = (side.weekly(flag, passed) for side in (self.leaves, self.goes_on))
        if lift is not None:
            at = lift.stage
            leaves[:, at], goes_on[:, at] = lift.put(leaves[:, at], goes_on[:, at], ever[:, : passed.size])
        return leaves, goes_on

    def _from_here(self, week: int, flag: float, passed: Array, lift: Lift | None, ever: Array) -> tuple[Array, Array]:
        """Chances of leaving, in a week, the stage in which each deal is on the first day, and then of going on."""
        place, touched = bucket(self.clock + week), week < TOUCH_WEEKS
        leave, go = (side.now(self.stage, place, flag, passed, touched=touched) for side in (self.leaves, self.goes_on))
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

    def _enter(self, on: Array, leaves: Array, goes_on: Array) -> tuple[Array, Array, Array, Array]:
        """Where deals that go on in a week come to.

        Half of those that come to a stage come early enough to leave it again in the same week, so that on average
        none is half a week late. Some of those that would wait for the next week: more of them the later in their
        first week deals leave. Who has gone through a stage within the week comes late to the next one: in a third
        of the cases, not half, is there time left.

        Returns:
            Won, shape (n,); and by stage, shape (n, n_stages): those in it since the second half of the week, those
            since the first half, and those that will leave it upwards in the next week as a part of their first.
        """
        n, n_stages = on.shape
        came, again = np.zeros((n, n_stages + 1)), np.zeros((n, n_stages + 1))
        first, stays, later = np.zeros_like(on), np.zeros_like(on), np.zeros_like(on)
        for stage in range(n_stages):
            first[:, stage] = came[:, stage] / 2 + again[:, stage] / 3
            gone = first[:, stage] * leaves[:, stage]
            stays[:, stage] = first[:, stage] - gone
            up = gone * goes_on[:, stage]
            later[:, stage] = (1 - self.early[stage]) * up
            came += on[:, stage, None] * self.onward[stage]
            again += self.early[stage] * up[:, None] * self.onward[stage]
        whole = came + again
        return whole[:, -1], whole[:, :-1] - first, stays, later


def _from_entry(leaves: Array, goes_on: Array) -> Array:
    """Chance of going on from a stage for a deal that comes to the start of each bucket."""
    found = goes_on.copy()
    for place in range(BUCKETS.size - 2, -1, -1):
        stays = (1 - leaves[:, :, place]) ** (BUCKETS[place + 1] - BUCKETS[place])
        found[:, :, place] = goes_on[:, :, place] * (1 - stays) + stays * found[:, :, place + 1]
    return found
