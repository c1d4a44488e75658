"""How strongly the last weeks of a series speak for a change, against what was expected of them.

Two limbs in one number. The Shewhart limb asks whether the last week alone is out of its range; the
memory limb, as an exponentially weighted average would, whether the last two to eight weeks together are.
Both are likelihood ratios of a negative binomial (counts, sums) or beta-binomial (rates) prediction, with
the level moved by a factor or left; the evidence is their mean over factors and onsets, so that a series on
which nothing can be told gives none. The doubt about the level itself is averaged out on both sides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from cadran.stats.weekly import Expectation, Outlook, Weekly, in_units

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Weeks back from which a change may have started.
LOOK = 8
#: Factors by which a level may have changed.
FACTORS = np.array([0.25, 0.42, 0.55, 0.68, 0.8, 1.25, 1.5, 1.9, 2.6])
#: Three-point Gauss-Hermite rule: standard deviations and weights.
_NODES = ((-(3**0.5), 1 / 6), (0.0, 2 / 3), (3**0.5, 1 / 6))
_LOW, _HIGH = 0.002, 0.98


class Watch:
    """Series of one kind, watched week after week.

    Args:
        series: The series.
        until: Weeks before this one teach what is common to them.
    """

    def __init__(self, series: Weekly, until: int) -> None:
        self.series = series
        self._models = [_Model(in_units(series, until), until)]
        if series.kind == "sum" and series.cases is not None:
            self._models.append(_Model(replace(series, kind="count", values=series.cases, cases=None), until))

    def evidence(self, week: int) -> np.ndarray:
        """Log evidence, by series, for a change in the eight weeks that end with this one.

        Sums are looked at twice, as sums and as numbers of cases, since what changes is mostly one of the two.
        """
        each = [model.evidence(week) for model in self._models]
        return np.asarray(special.logsumexp(each, axis=0) - np.log(len(each)))

    def path(self, weeks: Sequence[int]) -> np.ndarray:
        """The evidence of some weeks, ascending, by series and week."""
        return np.column_stack([self.evidence(week) for week in weeks])

    def outlook(self, at: int, weeks: int) -> Outlook:
        """What was expected of some weeks from before them; of sums, in units."""
        return self._models[0].expectation.outlook(at, weeks)

    def gains(self, week: int) -> tuple[np.ndarray, np.ndarray]:
        """Log likelihood of the last eight weeks without a change, and with each factor."""
        return self._models[0].gains(week)

    @property
    def scaled(self) -> Weekly:
        """The series; sums divided by their units."""
        return self._models[0].expectation.series

    @property
    def units(self) -> np.ndarray:
        """What the sums of each series were divided by; ones for other kinds."""
        scaled, own = self.scaled.values.sum(axis=1), self.series.values.sum(axis=1)
        return np.asarray(np.divide(own, scaled, out=np.ones_like(own, dtype=float), where=scaled > 0))


class _Model:
    """One view of the series: as they are, or as numbers of cases."""

    def __init__(self, series: Weekly, until: int) -> None:
        self.expectation = Expectation(series, until)

    def evidence(self, week: int) -> np.ndarray:
        outlook, start = self._ahead(week)
        without, within = [], []
        for node, weight in _NODES:
            usual, moved = self._likelihood(outlook, start, week, node * np.sqrt(outlook.spread))
            whole = np.log(weight) + usual.sum(axis=1)
            # summed from the last week back: one entry per onset
            since = np.cumsum((moved - usual[..., None])[:, ::-1], axis=1)
            without.append(whole)
            within.append(whole[:, None, None] + since)
        ratio = special.logsumexp(within, axis=0) - special.logsumexp(without, axis=0)[:, None, None]
        return np.asarray(special.logsumexp(ratio, axis=(1, 2)) - np.log(ratio.shape[1] * ratio.shape[2]))

    def gains(self, week: int) -> tuple[np.ndarray, np.ndarray]:
        outlook, start = self._ahead(week)
        return self._likelihood(outlook, start, week, np.zeros(outlook.mean.shape[0]))

    def _ahead(self, week: int) -> tuple[Outlook, int]:
        start = week - LOOK + 1
        return self.expectation.outlook(start, LOOK), start

    def _likelihood(self, outlook: Outlook, start: int, week: int, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log likelihood of each week with the level shifted: as expected, and with each factor."""
        series = self.expectation.series
        y = series.values[:, start : week + 1, None]
        if series.kind == "rate" and series.cases is not None:
            usual, moved = _hits(y, series.cases[:, start : week + 1, None], outlook, shift)
        else:
            usual, moved = _numbers(y, outlook, shift)
        known = series.known[:, start : week + 1]
        return np.where(known, usual, 0.0), np.where(known[..., None], moved, 0.0)


def _numbers(y: np.ndarray, outlook: Outlook, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Negative binomial, up to what does not depend on the level."""
    mean = outlook.mean[..., None] * np.exp(shift)[:, None, None]
    size = 1 / outlook.noise[..., None]
    usual = y * np.log(mean) - (y + size) * np.log(size + mean)
    moved = y * np.log(mean * FACTORS) - (y + size) * np.log(size + mean * FACTORS)
    return usual[..., 0], moved


def _hits(y: np.ndarray, cases: np.ndarray, outlook: Outlook, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Beta-binomial by its first two moments: a binomial of as many cases as the spread leaves."""
    rate = special.expit(special.logit(outlook.mean[..., None]) + shift[:, None, None])
    worth = 1 / (1 + np.maximum(cases - 1, 0) * outlook.noise[..., None])
    usual, moved = np.clip(rate, _LOW, _HIGH), np.clip(rate * FACTORS, _LOW, _HIGH)
    as_usual = (y * np.log(usual) + (cases - y) * np.log1p(-usual)) * worth
    return as_usual[..., 0], (y * np.log(moved) + (cases - y) * np.log1p(-moved)) * worth
