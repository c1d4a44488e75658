"""The outside as an argument: network, clock, waiting and chance."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cadran.period import as_utc

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import httpx


@dataclass(frozen=True)
class Wire:
    """What a client reaches the outside with.

    Attributes:
        now: Aware UTC instant of the moment.
        sleep: Waits that many seconds.
        chance: A number in [0, 1), by which waits differ a little so that clients do not all come back at once.
        transport: What carries requests; the network when None.
    """

    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    chance: Callable[[], float]
    transport: httpx.BaseTransport | None = None


def network(now: Callable[[], datetime], *, seed: int = 0) -> Wire:
    """The real network.

    Args:
        now: The clock: naive instants are in UTC.
        seed: Of the small differences between waits, which no figure depends on.
    """
    return Wire(lambda: as_utc(now()), time.sleep, np.random.default_rng(seed).random)
