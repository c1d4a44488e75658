"""Journeys: the touches of one buyer in order, and how each journey ended.

Kept as flat arrays so that ten million touches fit in memory and every model is a few passes. Touch
arrays are ordered by journey, then by time; `starts` says where each journey begins in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A milestone that a journey does not have.
NO_TOUCH = -1


@dataclass(frozen=True)
class Journeys:
    """Journeys with at least one touch each.

    Attributes:
        channels: Channel of each code, in order.
        channel: shape (n_touches,), code of the channel of each touch.
        age: shape (n_touches,), days from each touch to the end of its journey, ≥ 0.
        starts: shape (n_journeys,), position of the first touch of each journey, ascending from 0.
        won: shape (n_journeys,), how often the journey ended in a win: 1 or 0 for one account, a
            count where equal journeys are put together.
        lost: shape (n_journeys,), how often it ended, or was last seen, without one.
        value: shape (n_journeys,), what the wins are worth.
        lead: shape (n_journeys,), position within the journey of the touch that made the lead, or
            `NO_TOUCH`; None where no journey has one.
        deal: The same for the touch that made the opportunity.
    """

    channels: tuple[str, ...]
    channel: NDArray[np.int64]
    age: NDArray[np.float64]
    starts: NDArray[np.int64]
    won: NDArray[np.float64]
    lost: NDArray[np.float64]
    value: NDArray[np.float64]
    lead: NDArray[np.int64] | None = None
    deal: NDArray[np.int64] | None = None

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Shape (n_journeys,), touches of each journey."""
        return np.diff(np.append(self.starts, self.channel.size))

    @cached_property
    def journey(self) -> NDArray[np.int64]:
        """Shape (n_touches,), which journey each touch belongs to."""
        return np.repeat(np.arange(self.starts.size), self.lengths)

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """Shape (n_touches,), position of each touch within its journey, from 0."""
        return np.arange(self.channel.size) - np.repeat(self.starts, self.lengths)

    def chosen(self, keep: NDArray[np.bool_]) -> Journeys:
        """Only some of the journeys; shape of `keep` (n_journeys,)."""
        touches = np.repeat(keep, self.lengths)
        lengths = self.lengths[keep]
        return Journeys(
            self.channels,
            self.channel[touches],
            self.age[touches],
            np.cumsum(lengths) - lengths,
            self.won[keep],
            self.lost[keep],
            self.value[keep],
            None if self.lead is None else self.lead[keep],
            None if self.deal is None else self.deal[keep],
        )
