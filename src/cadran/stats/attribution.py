"""Credit of won revenue over touches, by rule: which touch of a journey gets which share.

Every rule gives each touch of a journey a weight; the weights of one journey sum to one, so that
credits sum to what was won. A rule that asks for touches that a journey does not have falls back on
those that it has: one touch gets everything, two share equally (rule T-90).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cadran.stats.journeys import Journeys

Rule = Literal["first", "last", "linear", "u_shaped", "w_shaped", "time_decay", "full_path"]
RULES: tuple[Rule, ...] = get_args(Rule)
#: Days in which a touch loses half of its weight under ``time_decay``.
HALF_LIFE = 7.0
#: Share of each milestone; what is left is spread evenly over the other touches.
_U, _W, _FULL = 0.4, 0.3, 0.225


@dataclass(frozen=True)
class Credit:
    """What one model gives each channel.

    Attributes:
        model: Name of the model.
        wins: shape (n_channels,), share of the wins of each channel, in wins.
        value: shape (n_channels,), the same of what they are worth.
        organic_wins: Wins that the model gives to no touch: those that would have come anyway.
        organic_value: The same of what they are worth.
    """

    model: str
    wins: NDArray[np.float64]
    value: NDArray[np.float64]
    organic_wins: float = 0.0
    organic_value: float = 0.0


def rule_credit(journeys: Journeys, rule: Rule, *, half_life: float = HALF_LIFE) -> Credit:
    """Credit of every channel by a rule.

    Args:
        journeys: Journeys; those without a win count for nothing.
        rule: ``first``, ``last``, ``linear``; ``u_shaped`` 40/20/40; ``w_shaped`` 30/30/30/10 with
            the touches that made the lead and the opportunity; ``full_path`` 22.5 % for each of these
            four milestones and the closing touch; ``time_decay`` by half-life.
        half_life: Days in which a touch loses half of its weight, above 0.
    """
    found = journeys.chosen(journeys.won > 0)
    weights = rule_weights(found, rule, half_life=half_life)
    won, value = np.repeat(found.won, found.lengths), np.repeat(found.value, found.lengths)
    return Credit(
        rule, by_channel(found.channel, weights * won, found), by_channel(found.channel, weights * value, found)
    )


def by_channel(channel: NDArray[np.int64], amounts: NDArray[np.float64], journeys: Journeys) -> NDArray[np.float64]:
    """Sum of amounts per channel, shape (n_channels,); `channel` is the channel of each amount."""
    return np.bincount(channel, amounts, len(journeys.channels)).astype(float)


def rule_weights(journeys: Journeys, rule: Rule, *, half_life: float = HALF_LIFE) -> NDArray[np.float64]:
    """Weight of every touch in its journey, shape (n_touches,); those of one journey sum to 1."""
    lengths, place = journeys.lengths, journeys.place
    last = np.repeat(lengths, lengths) - 1
    match rule:
        case "first" | "last":
            chosen = place == 0 if rule == "first" else place == last
            return np.asarray(chosen, dtype=float)
        case "linear":
            return np.asarray(1.0 / (last + 1))
        case "time_decay":
            return _decayed(journeys, half_life)
        case "u_shaped":
            marks, share = [place == 0, place == last], _U
        case "w_shaped":
            marks, share = [place == 0, *_made(journeys, place)], _W
        case "full_path":
            marks, share = [place == 0, *_made(journeys, place), place == last], _FULL
    return _milestones(journeys, marks, share)


def _made(journeys: Journeys, place: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
    """Where the touches are that made the lead and the opportunity; the middle and last one where nobody knows."""
    lengths = journeys.lengths
    lead = (lengths // 2) if journeys.lead is None else journeys.lead
    deal = (lengths - 1) if journeys.deal is None else journeys.deal
    return [place == np.repeat(made, lengths) for made in (lead, deal)]


def _decayed(journeys: Journeys, half_life: float) -> NDArray[np.float64]:
    # ages are taken from the newest touch, so that old journeys do not sink below the smallest double
    newest = np.minimum.reduceat(journeys.age, journeys.starts) if journeys.starts.size else journeys.age
    weights = 0.5 ** ((journeys.age - np.repeat(newest, journeys.lengths)) / half_life)
    return _normalised(journeys, weights)


def _milestones(journeys: Journeys, marks: list[NDArray[np.bool_]], share: float) -> NDArray[np.float64]:
    """Each milestone gets its share, the other touches share the rest; a touch that is two milestones gets both."""
    weights = share * np.sum(marks, axis=0, dtype=float)
    others = ~np.any(marks, axis=0)
    n_others = np.add.reduceat(others.astype(float), journeys.starts) if journeys.starts.size else np.zeros(0)
    spread = np.repeat(n_others, journeys.lengths)
    rest = 1.0 - share * len(marks)
    weights = weights + np.where(others, rest / np.maximum(spread, 1), 0.0)
    return _normalised(journeys, weights)


def _normalised(journeys: Journeys, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    if not journeys.starts.size:
        return weights
    sums = np.add.reduceat(weights, journeys.starts)
    return np.asarray(weights / np.repeat(sums, journeys.lengths))


def shapley_credit(journeys: Journeys) -> Credit:
    """Shapley value of every channel in the game in which a coalition wins the journeys that only it touched.

    Each win is shared equally among the different channels of its journey, whatever their number of
    touches: that is the exact Shapley value of this game, since each journey is a unanimity game.

    References:
        Shapley (1953); Zhao, Mahboobi and Bagheri (2018), Shapley value methods for attribution modeling.
    """
    found = journeys.chosen(journeys.won > 0)
    n = len(found.channels)
    pairs = np.unique(found.journey * n + found.channel)
    journey, channel = pairs // n, pairs % n
    share = 1.0 / np.bincount(journey, minlength=found.starts.size)[journey]
    wins = by_channel(channel, share * found.won[journey], found)
    return Credit("shapley", wins, by_channel(channel, share * found.value[journey], found))
