"""Credit by removal in a Markov chain of channels, solved exactly.

A journey walks from its first touch to its last, then to a win or to nothing. The removal effect of
a channel is the share of the wins that would be lost if every walk that meets it ended there. The
chain is solved as a linear system, so that nothing is simulated and nothing depends on a seed.

References:
    Anderl, Becker, von Wangenheim and Schumann (2016), Mapping the customer journey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from cadran.stats.attribution import Credit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cadran.stats.journeys import Journeys

MOST_ORDER = 2


@dataclass(frozen=True)
class Chain:
    """An absorbing chain; state 0 is where journeys start.

    Attributes:
        members: shape (n_states, n_channels), which channels each state is made of.
        steps: shape (n_states, n_states), probability of each step between states.
        wins: shape (n_states,), probability of a win as the next step.
        worth: shape (n_states,), that probability times the mean value of those wins.
    """

    members: NDArray[np.bool_]
    steps: sparse.csc_matrix
    wins: NDArray[np.float64]
    worth: NDArray[np.float64]


def markov_credit(journeys: Journeys, *, order: int = 1) -> Credit:
    """Credit of every channel in proportion to its removal effect.

    Args:
        journeys: Journeys, those without a win included.
        order: How many touches a state remembers, 1 or 2.

    Raises:
        ValueError: Another order.
    """
    chain = markov_chain(journeys, order=order)
    effect, worth = removal_effects(chain, np.column_stack([chain.wins, chain.worth])).T
    wins = _shares(effect) * float(journeys.won.sum())
    return Credit(f"markov_{order}", wins, _shares(worth) * float(journeys.value.sum()))


def markov_chain(journeys: Journeys, *, order: int = 1) -> Chain:
    """The chain of journeys; repeats of a state that follow each other are one stay.

    Raises:
        ValueError: The order is neither 1 nor 2.
    """
    if order not in range(1, MOST_ORDER + 1):
        raise ValueError(order)
    n = len(journeys.channels)
    codes, starts = _states(journeys, order, n)
    found, state = np.unique(codes, return_inverse=True)
    state = state + 1
    weight = journeys.won + journeys.lost
    lengths = np.diff(np.append(starts, codes.size))
    first, last = state[starts], state[starts + lengths - 1]
    inner = np.ones(codes.size, dtype=bool)
    inner[starts] = False
    source = np.concatenate([np.zeros(starts.size, dtype=np.int64), state[np.flatnonzero(inner) - 1]])
    target = np.concatenate([first, state[inner]])
    counts = np.concatenate([weight, np.repeat(weight, lengths)[inner]])
    moved = source != target
    size = found.size + 1
    steps = sparse.coo_matrix((counts[moved], (source[moved], target[moved])), shape=(size, size)).tocsr()
    won = np.bincount(last, journeys.won, size)
    total = np.asarray(steps.sum(axis=1)).ravel() + won + np.bincount(last, journeys.lost, size)
    scale = np.divide(1.0, total, out=np.zeros(size), where=total > 0)
    worth = np.bincount(last, journeys.value, size) * scale
    return Chain(_members(found, n), (sparse.diags(scale) @ steps).tocsc(), won * scale, worth)


def removal_effects(chain: Chain, gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the expected gain that is lost without each channel, in [0, 1].

    Args:
        chain: The chain.
        gain: shape (n_states,) or (n_states, n_gains), expected gain of the next step out of each state.

    Returns:
        shape (n_channels,) or (n_channels, n_gains); 0 where nothing is gained.
    """
    whole = _from_start(chain.steps, gain)
    effects = np.zeros((chain.members.shape[1], *gain.shape[1:]))
    if not (whole > 0).any():
        return effects
    for channel in range(len(effects)):
        keep = np.flatnonzero(~chain.members[:, channel])
        if keep.size < chain.wins.size:
            left = _from_start(chain.steps[keep][:, keep], gain[keep])
            effects[channel] = np.where(whole > 0, 1 - left / np.where(whole > 0, whole, 1), 0)
    return effects


def _from_start(steps: sparse.csc_matrix, gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected gains of a walk from state 0: solves ``(I − Q) h = r``."""
    size = len(gain)
    if size == 1:
        return np.asarray(gain[0], dtype=np.float64)
    solved = linalg.splu((sparse.identity(size, format="csc") - steps).tocsc()).solve(gain)
    return np.asarray(solved[0], dtype=np.float64)


def _states(journeys: Journeys, order: int, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Code of the state at each step, and where each journey starts in them.

    Of order 2, a state is the last two touches, coded as a pair; a state of one touch has codes above all pairs.
    """
    if order == 1:
        return n * n + journeys.channel, journeys.starts
    lengths, place = journeys.lengths, journeys.place
    alone = np.repeat(lengths == 1, lengths)
    before = np.concatenate([[0], journeys.channel[:-1]])
    codes = np.where(alone, n * n + journeys.channel, before * n + journeys.channel)
    kept = codes[alone | (place > 0)]
    sizes = np.maximum(lengths - 1, 1)
    return kept, np.cumsum(sizes) - sizes


def _members(codes: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    members = np.zeros((codes.size + 1, n), dtype=bool)
    rows = np.arange(1, codes.size + 1)
    pair = codes < n * n
    members[rows, codes % n] = True
    members[rows[pair], codes[pair] // n] = True
    return members


def _shares(effects: NDArray[np.float64]) -> NDArray[np.float64]:
    total = effects.sum()
    return effects / total if total > 0 else effects
