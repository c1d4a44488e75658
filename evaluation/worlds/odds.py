"""Companies of every size whose rules are known, so that the odds of each open deal are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special, stats

from cadran.stats.stays import LOST, Stays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Days of the past, and deals in them: the logarithm is drawn evenly.
DAYS, DEALS = 730.0, (40, 2500)
#: What is hidden of a deal is averaged over at these places of a standard normal law.
_HIDDEN, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


@dataclass(frozen=True)
class Rules:
    """How deals go through a company.

    Attributes:
        onward: Shape (n_stages,), log odds of going on for a usual deal.
        going: Shape (n_stages,), mean days in each stage of deals that go on.
        losing: Shape (n_stages,), of deals that are lost.
        shape: Shape of the gamma law of the days.
        hidden: Spread, in log odds, of what is known of no deal.
    """

    onward: Array
    going: Array
    losing: Array
    shape: float
    hidden: float

    def chance(self, stage: NDArray[np.int64], days: Array, own: Array) -> Array:
        """Chance of winning open deals, shape (n,), for who knows the rules but not what is hidden.

        Args:
            stage: Shape (n,).
            days: Shape (n,), in the stage so far.
            own: Shape (n,), what is known of each deal, in log odds.
        """
        told = special.expit(self.onward + (own[:, None] + self.hidden * _HIDDEN)[:, :, None])
        places = np.arange(self.onward.size)
        here = places == stage[:, None, None]
        still = [stats.gamma.sf(days, self.shape, scale=mean[stage] / self.shape) for mean in (self.going, self.losing)]
        at = (told * here).sum(axis=2)
        lasts = at * still[0][:, None] + (1 - at) * still[1][:, None]
        came = np.where(places < stage[:, None, None], told, 1.0).prod(axis=2)
        weight = _WEIGHTS * came
        later = np.where(places > stage[:, None, None], told, 1.0).prod(axis=2)
        won = at * still[0][:, None] * later
        return np.asarray((weight * won).sum(axis=1) / (weight * lasts).sum(axis=1))


def known_company(rng: np.random.Generator) -> tuple[Stays, Array, float]:
    """A company, the known chance of each deal that is open on the last day of its past (others NaN), and that day."""
    n_stages, n = int(rng.integers(2, 6)), int(np.exp(rng.uniform(*np.log(DEALS))))
    going = rng.uniform(6, 30, n_stages)
    rules = Rules(
        rng.normal(0.4, 0.5, n_stages), going, going * rng.uniform(1, 2.5), rng.uniform(0.8, 2), rng.uniform(0, 0.5)
    )
    began = np.sort(rng.uniform(0, DAYS, n))
    labels, own = {}, np.zeros(n)
    for name, size in (("segment", 3), ("owner", int(rng.integers(2, 9)))):
        codes = rng.integers(0, size, n)
        own += rng.normal(0, 0.35, size)[codes]
        labels[name] = codes.astype(str)
    amount = rng.normal(9.5, 0.9, n)
    own += rng.normal(0, 0.2) * (amount - 9.5)
    hidden = own + rules.hidden * rng.standard_normal(n)
    rows, at, alive = [], began.copy(), np.arange(n)
    for stage in range(n_stages):
        goes = rng.random(alive.size) < special.expit(rules.onward[stage] + hidden[alive])
        mean = np.where(goes, rules.going[stage], rules.losing[stage])
        left = at[alive] + rng.gamma(rules.shape, mean / rules.shape)
        rows.append((alive, np.full(alive.size, stage), at[alive], left, np.where(goes, stage + 1, LOST)))
        at[alive] = left
        alive = alive[goes]
    deal, place, entered, left, to = (np.concatenate(part) for part in zip(*rows, strict=True))
    names = tuple(f"s{stage}" for stage in range(n_stages))
    described = {name: values[deal] for name, values in labels.items()}
    stays = Stays(names, deal, place, began[deal], entered, left, to, described, {"logamt": amount[deal]})
    still = stays.open_at(DAYS)
    chance = np.full(n, np.nan)
    chance[still.deal] = rules.chance(still.stage, DAYS - still.entered, own[still.deal])
    return stays, chance, DAYS
