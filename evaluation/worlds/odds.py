"""Companies of every size whose rules are known, so that the odds of each open deal are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


#: The shared simulator's rules: log odds of going on and mean days by stage, fall of the log odds over its days, spread
#: of what is hidden; and the laws of the days, as mean and spread of their logarithm.
ONWARD, STAY, FALL, SHARE, HIDDEN = (-0.1, 0.45, 0.25, 0.9), (14.0, 18.0, 22.0, 16.0), 0.25, 0.8, 0.4
GOING, LOSING, LONGER, BY_SIZE = (-0.3, 0.75), (-0.3, 0.9), 2.2, 0.12
#: Share of the wins that wait for the end of a quarter, its days, and the last of them in which they come.
WAITING, QUARTER, LAST_DAYS, DRAWS = 0.35, 91.25, 8.0, 400
SIMULATED_DAYS = 1095.0


def simulated_chances(deals: Any, day: float) -> Array:
    """Known chance of each deal of the shared simulator that is open on a day, NaN for the others: shape (deals,).

    What is known of a deal is told from what is hidden by the fit of its odds on what describes it, which is exact but
    for the hidden part; the stages ahead are taken to come 20 days apart.
    """
    entered = np.column_stack([deals[f"e{stage}"].to_numpy() for stage in range(len(ONWARD))])
    still = ((deals.created <= day) & (deals.end > day)).to_numpy()
    own, entered, size = _known(deals)[still], entered[still], np.exp(BY_SIZE * (deals.logamt.to_numpy()[still] - 9.5))
    stage = (entered <= day).sum(axis=1) - 1
    places, row = np.arange(len(ONWARD)), np.arange(stage.size)
    at = np.where(places <= stage[:, None], np.nan_to_num(entered), day + 20 * (places - stage[:, None]))
    latent = SHARE * (own[:, None] + HIDDEN * _HIDDEN)
    told = special.expit(latent[:, :, None] + (np.array(ONWARD) - FALL * at / SIMULATED_DAYS)[:, None, :])
    days, mean = day - entered[row, stage], np.array(STAY)[stage] * size
    goes, loses = (
        stats.norm.sf((np.log(days / scale) - law[0]) / law[1])
        for scale, law in ((mean, GOING), (LONGER * mean, LOSING))
    )
    last = np.flatnonzero(stage == places[-1])
    goes[last] = (1 - WAITING) * goes[last] + WAITING * _waits(day, days[last], mean[last])
    here = told[row, :, stage]
    weight = _WEIGHTS * np.where(places < stage[:, None, None], told, 1.0).prod(axis=2)
    later = np.where(places > stage[:, None, None], told, 1.0).prod(axis=2)
    won, lost = here * goes[:, None], (1 - here) * loses[:, None]
    found = np.full(len(deals), np.nan)
    found[still] = (weight * won * later).sum(axis=1) / (weight * (won + lost)).sum(axis=1)
    return found


def _known(deals: Any) -> Array:
    columns = [np.eye(int(deals[name].max()) + 1)[deals[name].to_numpy()] for name in ("seg", "src", "rep")]
    numbers = np.column_stack([deals.logamt.to_numpy() - 9.5, np.minimum(deals.multi.to_numpy(), 4)])
    design = np.hstack([*columns, numbers])
    return np.asarray(design @ np.linalg.lstsq(design, deals.lp.to_numpy(), rcond=None)[0])


def _waits(day: float, days: Array, mean: Array) -> Array:
    """Chance that a win which waits for the end of a quarter is still to come."""
    rng = np.random.default_rng(0)
    end = day - days[:, None] + mean[:, None] * rng.lognormal(*GOING, (days.size, DRAWS))
    closing = np.ceil(end / QUARTER) * QUARTER - LAST_DAYS * rng.random(end.shape)
    return np.asarray((np.maximum(closing, day - days[:, None] + 1) > day).mean(axis=1))
