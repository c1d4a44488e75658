"""Stays of deals in stages, and the weeks that they are made of: what win probabilities are learnt from.

Time is in days since any fixed day. A stay is cut into weeks since its entry; in each week the deal
either stays, or leaves: upwards, back, or lost. Only what was known on the day of learning counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Whole = NDArray[np.int64]

WEEK = 7.0
#: What a stay ends with when it is no stage: lost; gone without an outcome (another pipeline); not over.
LOST, GONE, OPEN = -1, -2, -3
#: First week of each span of weeks over which the chance of leaving a stage is taken to be the same.
BUCKETS = np.array([0, 1, 2, 3, 4, 6, 8, 12, 18, 27])
#: Weeks of one stay that are learnt from, at most, and weeks over which touches are counted.
MOST_WEEKS, TOUCH_WEEKS = 104, 4
#: Last days of a quarter in which deals are pushed to close.
CLOSING_DAYS = 12.0


@dataclass(frozen=True)
class Stays:
    """One row per stay of a deal in a stage, in any order.

    Attributes:
        stages: Names, in the order of the pipeline; a won deal goes to ``len(stages)``.
        deal: Shape (n,), which deal.
        stage: Shape (n,), place of the stage in `stages`.
        began: Shape (n,), days: when the deal entered its first stage.
        entered: Shape (n,), days.
        left: Shape (n,), days; infinite while the stay lasts.
        to: Shape (n,), place of the stage that came next, ``len(stages)`` for won, or `LOST`, `GONE`, `OPEN`.
        labels: By name, shape (n,), what describes the deal at its entry: text, empty where unknown.
        numbers: By name, shape (n,), figures at its entry; NaN where unknown.
        touched: Deal and day of every touch, shape (n_touches,) each; empty where touches are not recorded.
        closings: Days on which a quarter ends, ascending; empty when they do not matter.
    """

    stages: tuple[str, ...]
    deal: Whole
    stage: Whole
    began: Array
    entered: Array
    left: Array
    to: Whole
    labels: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    numbers: Mapping[str, Array] = field(default_factory=dict)
    touched: tuple[Whole, Array] = field(default_factory=lambda: (np.zeros(0, dtype=np.int64), np.zeros(0)))
    closings: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def size(self) -> int:
        """How many stays."""
        return int(self.deal.size)

    @property
    def won(self) -> int:
        """What `to` is for a won deal."""
        return len(self.stages)

    def known_at(self, day: float) -> Stays:
        """What was known on a day: no later entry, no later end, no later touch."""
        found = self.chosen(self.entered <= day)
        is_over = found.left <= day
        is_known = self.touched[1] <= day
        return replace(
            found,
            left=np.where(is_over, found.left, np.inf),
            to=np.where(is_over, found.to, OPEN),
            touched=(self.touched[0][is_known], self.touched[1][is_known]),
        )

    def open_at(self, day: float) -> Stays:
        """The stays that last on a day, as known then: one per open deal."""
        known = self.known_at(day)
        return known.chosen(known.to == OPEN)

    def chosen(self, keep: NDArray[np.bool_] | Whole) -> Stays:
        """Some of the stays."""
        return replace(
            self,
            deal=self.deal[keep],
            stage=self.stage[keep],
            began=self.began[keep],
            entered=self.entered[keep],
            left=self.left[keep],
            to=self.to[keep],
            labels={name: values[keep] for name, values in self.labels.items()},
            numbers={name: values[keep] for name, values in self.numbers.items()},
        )

    def as_new(self, day: float) -> Stays:
        """The same deals as if each had just entered its stage, as its first one, on a day."""
        n = self.deal.size
        fresh = np.full(n, float(day))
        return replace(self, began=fresh, entered=fresh, left=np.full(n, np.inf), to=np.full(n, OPEN))

    def touches(self, rows: Whole, days: Array) -> Array:
        """Touches of the deals of some stays in the four weeks before some days, as log(1 + number)."""
        deals, at = self.touched
        if not deals.size:
            return np.zeros(rows.size)
        scale = 1e7
        keys = np.sort(deals * scale + at + scale / 2)
        base = self.deal[rows] * scale + scale / 2 + days
        n = np.searchsorted(keys, base, "left") - np.searchsorted(keys, base - TOUCH_WEEKS * WEEK, "left")
        return np.asarray(np.log1p(n))


def outcomes(known: Stays) -> Array:
    """Shape (largest deal + 1,): 1 for a deal that was won, 0 for lost, NaN for one that is not over."""
    found = np.full(int(known.deal.max(initial=-1)) + 1, np.nan)
    found[known.deal[known.to == LOST]] = 0.0
    found[known.deal[known.to == known.won]] = 1.0
    return found


@dataclass(frozen=True)
class Weeks:
    """One row per week of a stay.

    Attributes:
        row: Shape (n,), which stay.
        clock: Shape (n,), whole weeks since its entry.
        day: Shape (n,), first day of the week.
        leaves: Shape (n,), true in the week in which the stay ends with an outcome.
    """

    row: Whole
    clock: Whole
    day: Array
    leaves: NDArray[np.bool_]


def weeks_of(stays: Stays, day: float, since: float) -> Weeks:
    """The weeks of stays that were wholly seen, or in which they ended, from one day to another.

    Args:
        stays: As known on `day`.
        day: Until when they are known.
        since: Weeks that begin earlier are left out.
    """
    is_over = np.isfinite(stays.left)
    length = np.where(is_over, stays.left, day) - stays.entered
    n = np.floor(np.maximum(length, 0) / WEEK).astype(np.int64)
    ends = is_over & (stays.to != GONE) & (n < MOST_WEEKS)
    n = np.minimum(n + is_over * (stays.to != GONE), MOST_WEEKS)
    row = np.repeat(np.arange(n.size), n)
    clock = np.arange(row.size) - np.repeat(np.cumsum(n) - n, n)
    leaves = ends[row] & (clock == n[row] - 1)
    start = stays.entered[row] + clock * WEEK
    keep = start >= since
    return Weeks(row[keep], clock[keep], start[keep], leaves[keep])


def bucket(clock: Whole) -> Whole:
    """Place in `BUCKETS` of whole weeks since the entry."""
    return np.searchsorted(BUCKETS, clock, "right") - 1


def part_before(entered: Array, days: Array, closings: Array) -> Array:
    """The part of stays that lies before the last end of a quarter, shape (n,), in 0..1; 0 where none has ended since.

    Who was held for that end has left by then: in that part of a stay nobody has begun to wait for the next one.

    Args:
        entered: Shape (n,), when each stay began.
        days: Shape (n,), today, for each.
        closings: Days on which a quarter ends, ascending.
    """
    if not closings.size:
        return np.zeros(entered.shape)
    place = np.searchsorted(closings, days, "right")
    before = np.where(place > 0, closings[np.maximum(place - 1, 0)] - entered, 0.0)
    return np.asarray(np.clip(before / np.maximum(days - entered, 1e-9), 0.0, 1.0))


def closing_share(days: Array, closings: Array, length: Array | float = WEEK) -> Array:
    """Share, in 0..1, of the week (or of another length above 0) that begins on each day in a quarter's last days."""
    if not closings.size:
        return np.zeros(days.shape)
    end = closings[np.minimum(np.searchsorted(closings, days, "left"), closings.size - 1)]
    return np.asarray(np.maximum(np.minimum(days + length, end) - np.maximum(days, end - CLOSING_DAYS), 0) / length)
