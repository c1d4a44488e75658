"""How likely accounts or leads are to convert, by what describes them, and what that says of the ideal customer.

One regression on labels and figures, each group of effects drawn towards none as far as the past does not tell.
It is checked on the newest cases, which it has not seen, and refused where it tells nothing there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import sparse, special

from cadran.stats.encoding import Encoding
from cadran.stats.intervals import normal_quantile
from cadran.stats.logit import Logit, fit_logit
from cadran.stats.win_skill import learns, ranking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Decided cases, and of each outcome, below which nothing is learnt.
LEAST, LEAST_OF_EACH = 60, 10
#: Share of the cases, the newest ones, that a model is checked on and that its level is set by.
NEWEST = 0.3
#: Spreads given beforehand: of the level, and of how far the newest cases may move it.
LEVEL_SPREAD, SHIFT_SPREAD = 3.0, 0.5

Basis = Literal["model", "nothing", "too_few"]


@dataclass(frozen=True)
class Prospects:
    """What describes accounts or leads.

    Attributes:
        labels: By name, shape (n,), text, empty where unknown.
        numbers: By name, shape (n,), NaN where unknown.
        size: How many.
    """

    labels: Mapping[str, NDArray[np.str_]]
    numbers: Mapping[str, Array]
    size: int

    def chosen(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Prospects:
        """Some of them."""
        labels = {name: values[keep] for name, values in self.labels.items()}
        numbers = {name: values[keep] for name, values in self.numbers.items()}
        return Prospects(labels, numbers, int(np.arange(self.size)[keep].size))


@dataclass(frozen=True)
class Trait:
    """What one label says of conversion, all others being equal.

    Attributes:
        kind: Dimension.
        label: Its value.
        n: Decided cases with it.
        converted: Those that converted.
        odds: Odds of converting, relative to those of the average label of its kind.
        low: Lower edge at 95 %.
        high: Upper edge.
    """

    kind: str
    label: str
    n: int
    converted: int
    odds: float
    low: float
    high: float


@dataclass(frozen=True)
class Propensity:
    """What is learnt of conversion.

    Attributes:
        basis: ``model``, ``nothing`` (description tells nothing of the newest cases), or ``too_few``.
        n: Decided cases.
        converted: Those that converted.
        overall: Share that converts, of the newest cases.
        n_checked: Newest cases that the model was checked on.
        brier: Its mean squared error on them; NaN with too few.
        brier_share: That of the share of all.
        auc: Chance that a case that converted was told above one that did not.
        encoding: What describes a case.
        fit: The regression, or None where there is none to rely on.
        shift: Added to its level, by the newest cases.
        traits: Labels, the most telling first; empty without a model.
    """

    basis: Basis
    n: int
    converted: int
    overall: float
    n_checked: int
    brier: float
    brier_share: float
    auc: float
    encoding: Encoding | None
    fit: Logit | None
    shift: float
    traits: tuple[Trait, ...]

    def chance(self, prospects: Prospects) -> Array:
        """Chance that each converts, shape (n,): the share of all where nothing was learnt."""
        if self.fit is None or self.encoding is None:
            return np.full(prospects.size, self.overall)
        return np.asarray(special.expit(_logit(prospects, self.encoding, self.fit) + self.shift))

    def effects(self, prospects: Prospects) -> dict[str, Array]:
        """What each kind adds to the log odds of each, shape (n,); nothing where nothing was learnt."""
        if self.fit is None or self.encoding is None:
            return {}
        return self.encoding.effects(prospects, self.fit.coefficients[1:])


def fit_propensity(prospects: Prospects, converted: Array, order: Array) -> Propensity:
    """What description tells of conversion.

    Args:
        prospects: Decided cases.
        converted: Shape (n,), 1 for converted and 0 for not.
        order: Shape (n,), when each came up; the newest are what the model is checked on.
    """
    n, hits = prospects.size, int(converted.sum())
    overall = (hits + 0.5) / (n + 1)
    nothing = Propensity("too_few", n, hits, overall, 0, float("nan"), float("nan"), float("nan"), None, None, 0.0, ())
    if n < LEAST or min(hits, n - hits) < LEAST_OF_EACH:
        return nothing
    place = np.argsort(order, kind="stable")
    older, newest = place[: round(n * (1 - NEWEST))], place[round(n * (1 - NEWEST)) :]
    before = _fitted(prospects.chosen(older), converted[older])
    told, won = special.expit(_logit(prospects.chosen(newest), *before)), converted[newest]
    share = np.full(won.size, float(converted[older].mean()))
    beats = learns(told, share, won, newest)
    encoding, fit = _fitted(prospects, converted)
    shift = _shift(won, _logit(prospects.chosen(newest), encoding, fit))
    return Propensity(
        "model" if beats else "nothing",
        n,
        hits,
        float((won.sum() + 0.5) / (won.size + 1)),
        won.size,
        float(np.mean((told - won) ** 2)),
        float(np.mean((share - won) ** 2)),
        ranking(told, won),
        encoding if beats else None,
        fit if beats else None,
        shift,
        _traits(prospects, converted, encoding, fit) if beats else (),
    )


def _fitted(prospects: Prospects, converted: Array) -> tuple[Encoding, Logit]:
    encoding = Encoding.of(prospects)
    ones = sparse.csr_matrix(np.ones((prospects.size, 1)))
    design = sparse.hstack([ones, encoding.columns(prospects)], format="csr")
    groups, start = {"level": slice(0, 1)}, 1
    for name, size in encoding.sizes.items():
        groups[name] = slice(start, start + size)
        start += size
    return encoding, fit_logit(design, converted, np.ones(prospects.size), groups, {"level": LEVEL_SPREAD})


def _logit(prospects: Prospects, encoding: Encoding, fit: Logit) -> Array:
    effects = encoding.effects(prospects, fit.coefficients[1:])
    return np.asarray(fit.coefficients[0] + sum(effects.values(), np.zeros(prospects.size)))


def _shift(won: Array, logit: Array) -> float:
    """How far the newest cases move the level, drawn towards not at all."""
    found = 0.0
    for _ in range(30):
        share = special.expit(logit + found)
        slope = float((won - share).sum()) - found / SHIFT_SPREAD**2
        found += slope / (float((share * (1 - share)).sum()) + SHIFT_SPREAD**-2)
    return found


def _traits(prospects: Prospects, converted: Array, encoding: Encoding, fit: Logit) -> tuple[Trait, ...]:
    """Every label set against the mean of its kind, each label counting as often as it comes."""
    found, start = [], 1
    reach = normal_quantile(0.95)
    for kind, names in encoding.labels.items():
        part = slice(start, start + len(names))
        own = [prospects.labels[kind] == label for label in names]
        n = np.array([each.sum() for each in own], dtype=float)
        against = np.eye(n.size) - n / n.sum()
        effects = against @ fit.coefficients[part]
        half = reach * np.sqrt(((against @ fit.root[part]) ** 2).sum(axis=1))
        for place, label in enumerate(names):
            odds, low, high = np.exp(effects[place] + half[place] * np.array([0.0, -1.0, 1.0])).tolist()
            found.append(Trait(kind, label, int(n[place]), int(converted[own[place]].sum()), odds, low, high))
        start += len(names)
    return tuple(sorted(found, key=lambda trait: (-abs(np.log(trait.odds)), trait.kind, trait.label)))
