"""Whether a running period is on the way to its target, by how the company's own past periods filled up.

Nobody sells a quarter in equal days: half of it may be signed in its last month. What should be there by a
day is the target times the share that past periods had by the same part of their days.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from cadran.period import Period

#: Fewest past periods that say how one fills up.
FEWEST = 4
#: Share of past periods between the edges of what is usual.
LOW, HIGH = 0.1, 0.9


@dataclass(frozen=True)
class Pacing:
    """Where a running period stands on the way to its target.

    Attributes:
        period: The running period.
        until: First day that is not known.
        target: Level to reach by its end.
        so_far: What is there.
        due: What should be there by the company's own season, or None.
        low: What was there in a slow past period, one in ten, or None.
        high: What was there in a fast one, or None.
        straight: What a straight line would ask for.
        n_past: Past periods that it rests on.
    """

    period: Period
    until: date
    target: Decimal
    so_far: Decimal
    due: Decimal | None
    low: Decimal | None
    high: Decimal | None
    straight: Decimal
    n_past: int

    @property
    def verdict(self) -> Literal["ahead", "on_pace", "behind", "cannot_tell"]:
        """``behind`` where even a slow past period had more by then; ``cannot_tell`` on too few past periods."""
        if self.low is None or self.high is None:
            return "cannot_tell"
        if self.so_far < self.low:
            return "behind"
        return "ahead" if self.so_far > self.high else "on_pace"


def pacing(
    period: Period, until: date, target: Decimal, days: Mapping[date, Decimal], past: Sequence[Period]
) -> Pacing:
    """Where a running period stands.

    Args:
        period: The running period.
        until: First day that is not known; in the period.
        target: Level to reach by its end.
        days: What each day brought, for a KPI that adds up; days without a row brought nothing.
        past: Whole past periods of the same length, with data from their first day on.
    """
    elapsed = (until - period.start).days / period.days
    shares = [share for each in past if (share := _share(each, elapsed, days)) is not None]
    due = low = high = None
    if len(shares) >= FEWEST:
        levels = (target * Decimal(str(round(float(each), 6))) for each in np.quantile(shares, [0.5, LOW, HIGH]))
        due, low, high = levels
    so_far = sum((value for day, value in days.items() if period.start <= day < until), Decimal(0))
    straight = target * Decimal(str(elapsed))
    return Pacing(period, until, target, so_far, due, low, high, straight, len(shares))


def _share(period: Period, elapsed: float, days: Mapping[date, Decimal]) -> float | None:
    """The share of a past period that was there by a part of its days; None where it brought nothing."""
    whole = sum((value for day, value in days.items() if period.contains(day)), Decimal(0))
    if whole <= 0:
        return None
    part = sum(
        (v for day, v in days.items() if period.contains(day) and (day - period.start).days < elapsed * period.days),
        Decimal(0),
    )
    return float(part / whole)
