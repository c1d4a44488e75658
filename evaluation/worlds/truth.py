"""What the shared simulator's companies may sign, told by somebody who knows every chance: nothing can do better.

The laws are those of its `simulate`: in each stage a deal that goes on and one that is lost take log-normal times,
a third of the wins wait for the last days of the quarter, and deals come by a Poisson law. Here they are drawn again
from where each open deal stood, given that it had not left its stage by then.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from evaluation.worlds.pipeline import QUARTER

#: Days over which the simulator lets chances decay.
SPAN = 1300
GOES_ON, STAY = np.array([-0.1, 0.45, 0.25, 0.9]), np.array([14.0, 18.0, 22.0, 16.0])
SOURCES, SHARES = np.array([0.5, 0.2, 0.0, -0.2, -0.5]), np.array([0.1, 0.25, 0.25, 0.2, 0.2])
WEEKDAYS = np.array([1.2, 1.2, 1.2, 1.1, 1.0, 0.15, 0.15])
MOST_TRIES = 400


class Deals(NamedTuple):
    """Deals that stand somewhere, shape (n,) each: what they are, their stage and when they entered it."""

    odds: np.ndarray
    size: np.ndarray
    stage: np.ndarray
    entered: np.ndarray


def may_sign(deals: Any, seed: int, per_day: float, day: float, days: float, draws: int) -> np.ndarray:
    """Amounts that may be signed in the days after a day, shape (draws,).

    Args:
        deals: What `simulate` gave.
        seed: Seed that it was given.
        per_day: New deals a day that it was given.
        day: Today.
        days: Length of the span ahead.
        draws: Futures.
    """
    rng = np.random.default_rng([30, seed])
    entries = deals[[f"e{stage}" for stage in range(STAY.size)]].to_numpy()
    is_open = (deals["created"].to_numpy() <= day) & (deals["end"].to_numpy() > day)
    stage = (np.nan_to_num(entries, nan=np.inf) <= day).sum(axis=1)[is_open] - 1
    now = Deals(
        *(deals[name].to_numpy()[is_open] for name in ("lp", "logamt")),
        stage,
        entries[is_open, :][range(stage.size), stage],
    )
    many = Deals(*(np.tile(each, draws) for each in now))
    which = np.repeat(np.arange(draws), stage.size)
    amount = np.tile(deals["amount"].to_numpy()[is_open], draws)
    new, of_new = _new(rng, seed, per_day, day, days, draws)
    found = np.zeros(draws)
    for each, place, worth in ((many, which, amount), (new, of_new, np.exp(new.size))):
        signed = _signed(rng, each, day) < day + days
        found += np.bincount(place[signed], worth[signed], draws)
    return found


def _new(
    rng: np.random.Generator, seed: int, per_day: float, day: float, days: float, draws: int
) -> tuple[Deals, np.ndarray]:
    """Deals created in the span, by future."""
    company = np.random.default_rng(seed)
    segments, by_segment, by_owner = company.dirichlet([4] * 4), company.normal(0, 0.35, 4), company.normal(0, 0.3, 15)
    dates = np.arange(int(day), int(np.ceil(day + days)))
    season = 1 + 0.15 * np.sin(2 * np.pi * dates / 365)
    number = rng.poisson(np.tile(per_day * (1 + 0.3 * dates / 365) * season * WEEKDAYS[dates % 7], draws))
    created = np.repeat(np.tile(dates, draws), number) + rng.random(number.sum())
    which = np.repeat(np.repeat(np.arange(draws), dates.size), number)
    ahead = (created > day) & (created < day + days)
    created, which = created[ahead], which[ahead]
    n = created.size
    segment = rng.choice(4, n, p=segments)
    size = rng.normal(9.5 + 0.4 * segment, 0.9)
    odds = by_segment[segment] + SOURCES[rng.choice(5, n, p=SHARES)] + by_owner[rng.integers(0, 15, n)]
    odds += 0.25 * np.minimum(rng.poisson(1.5, n), 4) - 0.25 * (size - 9.5) - 0.35 + rng.normal(0, 0.4, n)
    return Deals(odds, size, np.zeros(n, dtype=np.int64), created), which


def _signed(rng: np.random.Generator, deals: Deals, day: float) -> np.ndarray:
    """When each deal is won, after a day on which it was open; infinite for one that is lost."""
    entered, alive = deals.entered.copy(), np.ones(deals.stage.size, dtype=bool)
    for stage in range(STAY.size):
        left = np.flatnonzero(alive & (deals.stage <= stage))
        for _ in range(MOST_TRIES):
            if not left.size:
                break
            goes, until = _leaves(rng, deals, left, entered[left], stage)
            kept = until > day
            alive[left[kept & ~goes]] = False
            done = left[kept & goes]
            entered[done] = until[kept & goes]
            left = left[~kept]
        alive[left] = False
    return np.where(alive, entered, np.inf)


def _leaves(
    rng: np.random.Generator, deals: Deals, rows: np.ndarray, entered: np.ndarray, stage: int
) -> tuple[np.ndarray, np.ndarray]:
    """Whether some deals go on from a stage, and when they leave it."""
    n, logit = rows.size, GOES_ON[stage] + 0.8 * deals.odds[rows] - 0.25 * entered / SPAN
    goes = rng.random(n) < 1 / (1 + np.exp(-logit))
    time = STAY[stage] * np.where(goes, rng.lognormal(-0.3, 0.75, n), 2.2 * rng.lognormal(-0.3, 0.9, n))
    until = entered + time * np.exp(0.12 * (deals.size[rows] - 9.5))
    if stage == STAY.size - 1:
        last = np.ceil(until / QUARTER) * QUARTER - 8 * rng.random(n)
        until = np.where(goes & (rng.random(n) < 0.35), np.maximum(last, entered + 1), until)
    return goes, until
