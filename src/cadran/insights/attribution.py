"""Won revenue credited to what touched the buyer: every model side by side, summing to the cent.

Models disagree, and none of them is causal: what is shown is the range over them. Wins that nothing
touched are a row of their own, and so is what a fitted model says would have come anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from cadran.catalogue.shapes import DATA_MODELS
from cadran.stats.attribution import Credit, rule_credit, shapley_credit
from cadran.stats.hazard import hazard_credit
from cadran.stats.journeys import NO_TOUCH, Journeys
from cadran.stats.markov import markov_credit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cadran.catalogue.definition import AttributionRules
    from cadran.engine.journeys import JourneyResult

#: Rows that are no label: no touch counted; a fitted model credits no touch; the source gives no label.
UNTOUCHED, ORGANIC, UNLABELLED = "(no known touch)", "(without any touch)", "(not given)"
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Share:
    """What one label gets by one model.

    Attributes:
        value: Won revenue, in the base currency, to the cent.
        wins: Won deals; a fraction where several labels share one.
    """

    value: Decimal
    wins: float


@dataclass(frozen=True)
class AttributionRow:
    """One label, by every model.

    Attributes:
        label: Channel, source or whatever was asked; or one of the rows that are no label.
        shares: By model.
        low: Smallest value over the models.
        high: Largest value.
    """

    label: str
    shares: Mapping[str, Share]
    low: Decimal
    high: Decimal


@dataclass(frozen=True)
class Attribution:
    """Won revenue credited to labels.

    Attributes:
        rows: By value under the default model, largest first; the rows that are no label last.
        models: Models that were computed, in order.
        default: Model that answers when one is needed.
        refused: Models that were not, with the reason as an English template and its values.
        value: Won revenue, to the cent: the sum of every model's column.
        wins: Won deals.
        n_touched: Won deals with a touch that counts.
        n_journeys: Deals with a touch that counts, whatever their end.
        without_amount: Won deals without an amount; they count as wins and add no revenue.
        without_rate: Ids of won deals whose amount could not be converted; their revenue is in no row.
        currency: Base currency.
        as_of: Instant up to which the data was known.
    """

    rows: tuple[AttributionRow, ...]
    models: tuple[str, ...]
    default: str
    refused: Mapping[str, tuple[str, Mapping[str, object]]]
    value: Decimal
    wins: int
    n_touched: int
    n_journeys: int
    without_amount: int
    without_rate: tuple[str, ...]
    currency: str
    as_of: datetime


@dataclass
class _Deals:
    """The deals of a result as arrays, in the order of their ids."""

    ids: list[str]
    won: np.ndarray
    amount: list[Decimal | None]
    place: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.place = {name: place for place, name in enumerate(self.ids)}

    @property
    def value(self) -> np.ndarray:
        return np.asarray(np.array([float(amount or 0) for amount in self.amount]) * self.won)


def attribute(result: JourneyResult, rules: AttributionRules) -> Attribution:
    """The credit of every label by every model of the rules.

    A data-driven model is refused, and said to be, below the fewest wins of the rules (rule T-93).
    """
    deals = _Deals(
        result.deals["deal"].to_pylist(),
        np.array(result.deals["is_won"].to_pylist(), dtype=float),
        result.deals["amount"].to_pylist(),
    )
    journeys, touched = _journeys(result, deals)
    n_touched = int(journeys.won.sum())
    models, refused = _models(rules, n_touched)
    by_model = {model: _credit(model, journeys, rules) for model in models}
    whole = sum((deals.amount[at] or Decimal(0) for at in np.flatnonzero(deals.won)), Decimal(0)).quantize(_CENT)
    reached = sum((deals.amount[at] or Decimal(0) for at in touched if deals.won[at]), Decimal(0)).quantize(_CENT)
    default = rules.default if rules.default in by_model else next(iter(by_model), "")
    has_rate = result.deals["has_rate"].to_pylist()
    won = [at for at in range(len(deals.ids)) if deals.won[at]]
    return Attribution(
        rows=_rows(journeys.channels, by_model, (whole, reached), (len(won), n_touched), default),
        models=tuple(by_model),
        default=default,
        refused=refused,
        value=whole,
        wins=len(won),
        n_touched=n_touched,
        n_journeys=int(journeys.starts.size),
        without_amount=sum(1 for at in won if deals.amount[at] is None and has_rate[at]),
        without_rate=tuple(deals.ids[at] for at in won if not has_rate[at]),
        currency=result.currency,
        as_of=result.as_of,
    )


def _models(rules: AttributionRules, wins: int) -> tuple[list[str], dict[str, tuple[str, Mapping[str, object]]]]:
    few = "Only {wins} wins with a touch: at least {needed} are needed to fit this model."
    fitted = [model for model in rules.models if model in DATA_MODELS]
    if wins >= rules.min_wins:
        return list(rules.models), {}
    refused = dict.fromkeys(fitted, (few, {"wins": wins, "needed": rules.min_wins}))
    return [model for model in rules.models if model not in refused], refused  # type: ignore[return-value]


def _credit(model: str, journeys: Journeys, rules: AttributionRules) -> Credit:
    match model:
        case "shapley":
            return shapley_credit(journeys)
        case "hazard":
            return hazard_credit(journeys)
        case "markov_1" | "markov_2":
            return markov_credit(journeys, order=int(model[-1]))
        case _:
            return rule_credit(journeys, model, half_life=rules.half_life_days)  # type: ignore[arg-type]


def _journeys(result: JourneyResult, deals: _Deals) -> tuple[Journeys, list[int]]:
    """The journeys of deals with a touch, and the place of each deal among all of them."""
    table = result.touches
    labels = [UNLABELLED if label is None else label for label in table["label"].to_pylist()]
    names = sorted(set(labels))
    code = {name: place for place, name in enumerate(names)}
    owner = np.array([deals.place[name] for name in table["deal"].to_pylist()], dtype=np.int64)
    touched, starts = np.unique(owner, return_index=True)
    won, value = deals.won[touched], deals.value[touched]
    found = Journeys(
        tuple(names),
        np.array([code[label] for label in labels], dtype=np.int64),
        np.array(table["age"].to_pylist(), dtype=float),
        starts.astype(np.int64),
        won,
        1 - won,
        value,
        _last_before(table["before_lead"].to_pylist(), starts, len(labels)),
        _last_before(table["before_deal"].to_pylist(), starts, len(labels)),
    )
    return found, touched.tolist()


def _last_before(flags: Sequence[bool | None], starts: np.ndarray, total: int) -> np.ndarray:
    """The last touch of each journey not later than a milestone; `NO_TOUCH` where there is none."""
    if not total:
        return np.zeros(0, dtype=np.int64)
    counts = np.add.reduceat(np.array([bool(flag) for flag in flags], dtype=np.int64), starts)
    # touches are in order of time, so that those before the milestone come first
    return np.where(counts > 0, counts - 1, NO_TOUCH)


def _rows(
    names: Sequence[str],
    by_model: Mapping[str, Credit],
    values: tuple[Decimal, Decimal],
    wins: tuple[int, int],
    default: str,
) -> tuple[AttributionRow, ...]:
    whole, reached = values
    columns: dict[str, dict[str, Share]] = {}
    for model, credit in by_model.items():
        weights = [*credit.value.tolist(), credit.organic_value]
        cents = to_the_cent(reached, weights)
        counts = [*credit.wins.tolist(), credit.organic_wins]
        shares = {name: Share(cent, n) for name, cent, n in zip([*names, ORGANIC], cents, counts, strict=True)}
        columns[model] = shares | {UNTOUCHED: Share(whole - reached, float(wins[0] - wins[1]))}
    found = []
    for name in [*names, ORGANIC, UNTOUCHED]:
        shares = {model: column[name] for model, column in columns.items()}
        spread = [share.value for share in shares.values()]
        if any(share.value or share.wins for share in shares.values()):
            found.append(AttributionRow(name, shares, min(spread), max(spread)))
    special = (ORGANIC, UNTOUCHED)
    return tuple(sorted(found, key=lambda row: (row.label in special, -row.shares[default].value, row.label)))


def to_the_cent(total: Decimal, weights: Sequence[float]) -> list[Decimal]:
    """A sum of money shared by weights so that the shares add up to it, by largest remainders.

    Args:
        total: Sum, in cents, ≥ 0.
        weights: Weights ≥ 0; when all are 0 the last one gets everything.

    References:
        Hamilton's method of apportionment.
    """
    whole = sum(weights)
    if whole <= 0:
        return [*[Decimal(0)] * (len(weights) - 1), total] if weights else []
    cents = int(total / _CENT)
    exact = [cents * weight / whole for weight in weights]
    shares = [int(part) for part in exact]
    order = sorted(range(len(weights)), key=lambda place: (shares[place] - exact[place], place))
    for place in order[: cents - sum(shares)]:
        shares[place] += 1
    return [share * _CENT for share in shares]


def attribution_records(found: Attribution) -> list[dict[str, object]]:
    """One record per label and model: label, model, value (text, to the cent), wins, currency, low and high."""
    return [
        {
            "label": row.label,
            "model": model,
            "value": str(share.value),
            "wins": share.wins,
            "currency": found.currency,
            "low": str(row.low),
            "high": str(row.high),
        }
        for row in found.rows
        for model, share in row.shares.items()
    ]
