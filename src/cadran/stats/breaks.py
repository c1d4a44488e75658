"""Whether the conversion of a stage broke of late, and by how much chances must move because of it.

Deals that entered a stage since some day, and have left it, are set against what a model that knows
nothing since that day expected of them. Where they differ by more than chance allows, the model is
shifted by as much of the difference as the cases tell; where they do not, nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from cadran.stats.stays import GONE, LOST, WEEK, bucket, part_before
from cadran.stats.win_probability import fit_win

if TYPE_CHECKING:
    from cadran.stats.stays import Array, Stays
    from cadran.stats.win_hazard import WinHazard
    from cadran.stats.win_probability import WinModel

#: Days before today on which a break may have come.
ONSETS = (120.0, 90.0, 75.0, 60.0, 45.0, 30.0)
#: How probable it is beforehand that a stage broke in that time, how probable it must have become, and fewest cases.
BEFOREHAND, ENOUGH, LEAST_CASES = 0.05, 0.5, 8
#: Spread of how far a conversion breaks, on the logit scale: what few cases tell is drawn towards 0 by it.
SPREAD = 1.0


@dataclass(frozen=True)
class Break:
    """A stage from which deals have gone on less or more often since a day.

    Attributes:
        stage: Place of the stage.
        since: Most probable of the days looked at.
        n: Deals that entered the stage since and left it.
        went: Those of them that went on.
        expected: How many were expected to.
        probability: How probable a break is.
        offset: Shift of the logit of going on, shrunk, over all days looked at.
    """

    stage: int
    since: float
    n: int
    went: int
    expected: float
    probability: float
    offset: float


@dataclass(frozen=True)
class _Onset:
    """What the deals since one day say: log Bayes factor against no break, and what `Break` has of them."""

    evidence: float
    offset: float
    since: float
    n: int
    went: int
    expected: float


def fit_adjusted(stays: Stays, day: float) -> tuple[WinModel | None, tuple[Break, ...]]:
    """The model of a company's deals, put right where the conversion of a stage broke of late.

    Args:
        stays: Stays of its deals; what happened after `day` is not looked at.
        day: Day of learning.

    Returns:
        The model, or None when there is nothing to learn from, and the breaks. After a break the model is one that
        knows nothing since the first day looked at, shifted: the months since would have told it a part of the
        break already. Without a break it is `fit_win`.
    """
    known = stays.known_at(day)
    before = fit_win(known, day - ONSETS[0])
    found = _breaks(known, before, day) if before else ()
    if before is None or not found:
        return fit_win(known, day), ()
    offsets = np.zeros(len(known.stages))
    for each in found:
        offsets[each.stage] = each.offset
    return before.with_offsets(offsets), found


def _breaks(known: Stays, before: WinModel, day: float) -> tuple[Break, ...]:
    found = []
    for stage in range(len(known.stages)):
        seen = [_since(known, before.hazard, stage, day - back) for back in ONSETS]
        told = [each for each in seen if each is not None]
        if told:
            found.append(_weighed(stage, told))
    return tuple(each for each in found if each.probability > ENOUGH)


def _weighed(stage: int, told: list[_Onset]) -> Break:
    """A stage over the days on which it may have broken, each as far as its cases speak for it."""
    weights = BEFOREHAND / len(ONSETS) * np.exp([each.evidence for each in told])
    total = float(weights.sum())
    offset = float(weights @ [each.offset for each in told]) / total
    best = told[int(np.argmax(weights))]
    probability = total / (total + 1 - BEFOREHAND)
    return Break(stage, best.since, best.n, best.went, best.expected, probability, offset)


def _since(known: Stays, model: WinHazard, stage: int, since: float) -> _Onset | None:
    """A stage since a day, or None with too few cases."""
    ended = np.isfinite(known.left) & (known.to != GONE)
    own = known.chosen((known.stage == stage) & (known.entered > since) & ended)
    if own.deal.size < LEAST_CASES:
        return None
    went = (own.to != LOST).astype(float)
    logit = _expected(own, model)
    offset = _offset(went, logit)
    share = special.expit(logit + offset)
    gain = _likelihood(went, logit + offset) - _likelihood(went, logit)
    told = float((share * (1 - share)).sum())
    evidence = gain - offset**2 / (2 * SPREAD**2) - 0.5 * np.log1p(SPREAD**2 * told)
    expected = float(special.expit(logit).sum())
    return _Onset(float(evidence), offset, since, own.deal.size, int(went.sum()), expected)


def _likelihood(went: Array, logit: Array) -> float:
    return float(np.sum(went * logit - np.logaddexp(0, logit)))


def _expected(own: Stays, model: WinHazard) -> Array:
    """Log odds of going on of stays that ended, given when they did."""
    weeks = np.floor((own.left - own.entered) / WEEK).astype(np.int64)
    side = model.passage(own, float(own.left.max())).goes_on
    passed = part_before(own.entered, own.entered + WEEK * weeks, model.closings)
    return side.logit(own.stage, bucket(weeks), model.calendar_at(own.left), passed)


def _offset(went: Array, logit: Array) -> float:
    """The shift that is most likely, given how far such shifts go."""
    found = 0.0
    for _ in range(50):
        share = special.expit(logit + found)
        slope = float((went - share).sum()) - found / SPREAD**2
        found += slope / (float((share * (1 - share)).sum()) + SPREAD**-2)
    return found
