"""What share of a cohort will convert, when part of it is still open.

Won over closed flatters a young cohort, won over created belittles it, and so does every estimate
that takes lost for unseen. The cases that are over are counted as they ended; each one that is still
open counts with the chance, given its age, that cases of the recent past had of converting from there:
a pooled Aalen-Johansen curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cadran.stats.incidence import Incidence, cumulative_incidence
from cadran.stats.intervals import Interval, score_interval
from cadran.stats.survival import HALF

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray

#: Share of a cohort that may reach ages of which the past says nothing before nothing is expected of it.
MOST_UNKNOWN = 0.05


@dataclass(frozen=True)
class Ages:
    """Cases by the age, in whole days since entry, at which something happened to them.

    Attributes:
        ages: Distinct ages, ascending, at least 0.
        converted: How many converted at each age.
        ended: How many ended in any other way.
        open: How many were last seen, still open.
        joined: How many began to be watched at that age: 0 for all but the cases that were
            already running when the watch began.
    """

    ages: tuple[int, ...] = ()
    converted: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()
    open: tuple[int, ...] = ()
    joined: tuple[int, ...] = ()

    @property
    def n(self) -> int:
        """Cases in all."""
        return sum(self.converted) + sum(self.ended) + sum(self.open)


@dataclass(frozen=True)
class Conversion:
    """How a cohort converts within a number of days.

    Attributes:
        horizon: Days since entry within which a case must convert.
        n: Cases.
        converted: Those that converted within the horizon.
        ended: Those that ended otherwise within the horizon.
        pending: Those that are open and have not had their whole horizon.
        expected: Share that converts, the open cases by their chance; None when the past says too little.
        interval: Interval of `expected`, or None.
        unknown: Share of the cohort that will reach an age at which no past case was watched.
        curve: Share of the cohort itself that has converted by each age (Aalen-Johansen).
        past: Share of recent cases that converted by each age, of which the chances are taken.
        n_past: Recent cases behind `past`.
        median: Days after which half of the cohort has converted, or None: not reached.
    """

    horizon: int
    n: int
    converted: int
    ended: int
    pending: int
    expected: float | None
    interval: Interval | None
    unknown: float
    curve: Incidence
    past: Incidence
    n_past: int
    median: float | None

    @property
    def maturity(self) -> float:
        """Share of the cohort whose outcome is known, in 0..1."""
        return 1 - self.pending / self.n

    @property
    def of_created(self) -> float:
        """Converted over entered: too low while cases are open."""
        return self.converted / self.n

    @property
    def of_closed(self) -> float | None:
        """Converted over ended: too high while slow cases are open."""
        over = self.converted + self.ended
        return self.converted / over if over else None


def conversion(cohort: Ages, past: Ages, *, horizon: int, level: float = 0.95) -> Conversion | None:
    """The expected conversion of a cohort.

    Args:
        cohort: Cases in question, all watched from age 0.
        past: Recent cases, with late entry where they were already running when the watch began.
        horizon: Days since entry within which a case must convert, at least 1.
        level: Coverage in (0, 1).

    Returns:
        The estimate, or None without any case. Its interval is Wilson's on the number of cases that
        has the same variance: that of as many decided cases plus that of the chances taken from the
        past (delta method), so that it is never narrower than for a cohort that is over.

    References:
        Aalen and Johansen (1978), with left truncation; Andersen, Borgan, Gill and Keiding,
        Statistical Models Based on Counting Processes (1993), section IV.4.
    """
    if not cohort.n:
        return None
    converted, ended, waiting = (
        _by_age(cohort.ages, part, horizon) for part in (cohort.converted, cohort.ended, cohort.open)
    )
    pending = waiting[:horizon]
    hazards = _Hazards.of(past, horizon)
    chance = hazards.chances()
    still_open = _still_open(pending / cohort.n, hazards)
    unknown = float(np.max(still_open[hazards.at_risk == 0], initial=0.0))
    share = float((converted.sum() + pending @ chance[:horizon]) / cohort.n)
    is_known = unknown <= MOST_UNKNOWN
    curve = _own_curve(cohort.n, converted, ended, waiting)
    return Conversion(
        horizon=horizon,
        n=cohort.n,
        converted=int(converted.sum()),
        ended=int(ended.sum()),
        pending=int(pending.sum()),
        expected=share if is_known else None,
        interval=_interval(share, cohort.n, _variance(still_open, chance, hazards), level) if is_known else None,
        unknown=unknown,
        curve=curve,
        past=hazards.curve(),
        n_past=past.n,
        median=_first_half(curve),
    )


@dataclass(frozen=True)
class _Hazards:
    """What happens to a case at each age from 0 to the horizon, given that it got there.

    Attributes:
        at_risk: Cases watched at each age.
        converts: Share of them that converts at that age.
        ends: Share that ends otherwise.
    """

    at_risk: Array
    converts: Array
    ends: Array

    @staticmethod
    def of(past: Ages, horizon: int) -> _Hazards:
        """Hazards of cases that may have been watched late."""
        converted, ended, seen, joined = (
            _by_age(past.ages, part, horizon) for part in (past.converted, past.ended, past.open, past.joined)
        )
        gone = np.concatenate([[0.0], np.cumsum(converted + ended + seen)[:-1]])
        at_risk = np.cumsum(joined) - gone
        some = np.maximum(at_risk, 1)
        return _Hazards(at_risk, converted / some, ended / some)

    def chances(self) -> Array:
        """Chance of converting after each age and by the last one, for a case open at that age."""
        found = np.zeros_like(self.converts)
        for age in range(len(found) - 2, -1, -1):
            stays = 1 - self.converts[age + 1] - self.ends[age + 1]
            found[age] = self.converts[age + 1] + stays * found[age + 1]
        return found

    def curve(self) -> Incidence:
        """Share that converts by each age at which somebody was watched, without a break from 0."""
        reach = int(np.argmin(np.append(self.at_risk, 0) > 0))
        before = np.concatenate([[1.0], np.cumprod(1 - self.converts - self.ends)[:-1]])
        shares = np.cumsum(before * self.converts)[:reach]
        ages = tuple(float(age) for age in range(reach))
        at_risk = tuple(self.at_risk[:reach].astype(int).tolist())
        return Incidence(ages, tuple(shares.tolist()), (0.0,) * reach, at_risk)


def _by_age(ages: Sequence[int], counts: Sequence[int], horizon: int) -> Array:
    """Counts on every age from 0 to the horizon; what lies beyond is left out."""
    found = np.zeros(horizon + 1)
    for age, count in zip(ages, counts, strict=True):
        if age <= horizon:
            found[age] += count
    return found


def _still_open(pending: Array, hazards: _Hazards) -> Array:
    """Share of the cohort that is expected to come, still open, to each age from 0 to the horizon."""
    found = np.zeros(len(hazards.at_risk))
    stays = 1 - hazards.converts - hazards.ends
    for age in range(1, len(found)):
        found[age] = found[age - 1] * stays[age - 1] + pending[age - 1]
    return found


def _variance(still_open: Array, chance: Array, hazards: _Hazards) -> float:
    """Variance of the share expected of the open cases, because the hazards are estimates."""
    h, e, q = hazards.converts, hazards.ends, chance
    each = (1 - q) ** 2 * h * (1 - h) + q**2 * e * (1 - e) + 2 * q * (1 - q) * h * e
    return float(np.sum(still_open**2 * each / np.maximum(hazards.at_risk, 1)))


def _interval(share: float, n: int, variance: float, level: float) -> Interval:
    own = share * (1 - share)
    cases = own / (own / n + variance) if own > 0 else n
    return score_interval(share, cases, level=level)


def _own_curve(n: int, converted: Array, ended: Array, waiting: Array) -> Incidence:
    """The cohort's own curve up to the horizon; what happened later was still open there."""
    waiting = waiting.copy()
    waiting[-1] += n - converted.sum() - ended.sum() - waiting.sum()
    some = np.flatnonzero(converted + ended + waiting)
    parts = [part[some].astype(int).tolist() for part in (converted, ended, waiting)]
    return cumulative_incidence([float(age) for age in some], *parts)


def _first_half(curve: Incidence) -> float | None:
    return next((time for time, share in zip(curve.times, curve.shares, strict=True) if share >= 1 - HALF), None)
