"""Companies with a sales pipeline whose every deal is known: the shared simulator's, and others drawn here."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from cadran.stats.bookings import Book
from cadran.stats.stays import LOST, Stays

if TYPE_CHECKING:
    from pathlib import Path

QUARTER = 91.25


def shared_simulator(shared: Path) -> Any:
    """The module that simulates a company's deals, read in place."""
    folder = str(shared / "simulators")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("sim_crm")
    finally:
        sys.path.remove(folder)


def book_of(deals: Any) -> Book:
    """All that ever happens to the deals of the shared simulator; what was known on a day is `Book.known_at`."""
    entered = np.column_stack([deals[f"e{stage}"].to_numpy() for stage in range(4)])
    won, end = deals["won"].to_numpy(dtype=bool), deals["end"].to_numpy(dtype=float)
    labels = {name: deals[name].to_numpy().astype(str) for name in ("seg", "src", "rep")}
    numbers = {name: deals[name].to_numpy(dtype=float) for name in ("logamt", "multi")}
    numbers["multi"] = np.minimum(numbers["multi"], 5)
    amount = deals["amount"].to_numpy(dtype=float)
    return make_book(entered, end, won, deals["created"].to_numpy(dtype=float), amount, labels, numbers)


def make_book(  # noqa: PLR0917 - one argument per kind of fact
    entered: np.ndarray,
    end: np.ndarray,
    won: np.ndarray,
    created: np.ndarray,
    amount: np.ndarray,
    labels: dict[str, np.ndarray],
    numbers: dict[str, np.ndarray],
) -> Book:
    """A book from when each deal entered each stage, shape (deals, stages) with NaN for never, and its end."""
    n, n_stages = entered.shape
    following = np.column_stack([entered[:, 1:], np.full(n, np.nan)])
    goes_on = np.isfinite(following)
    left = np.where(goes_on, following, end[:, None])
    to = np.where(goes_on, np.arange(1, n_stages + 1), np.where(won, n_stages, LOST)[:, None])
    deal, stage = np.nonzero(np.isfinite(entered))
    stays = Stays(
        stages=tuple(f"s{place}" for place in range(n_stages)),
        deal=deal,
        stage=stage,
        entered=entered[deal, stage],
        began=created[deal],
        left=left[deal, stage],
        to=to[deal, stage].astype(np.int64),
        labels={name: values[deal] for name, values in labels.items()},
        numbers={name: values[deal] for name, values in numbers.items()},
        closings=QUARTER * np.arange(1, 60),
    )
    return Book(np.inf, stays, amount, created, end, won)


def draw(seed: int, per_day: float, days: int = 1300, *, n_owners: int = 6) -> Book:
    """A company unlike the shared simulator's: five stages, gamma stays, yearly season, no hurry at quarters' ends.

    Args:
        seed: Seed of the draw.
        per_day: New deals a day.
        days: Days of history.
        n_owners: Sellers.
    """
    rng = np.random.default_rng([20, seed])
    season = 1 + 0.25 * np.cos(2 * np.pi * (np.arange(days) - 60) / 365)
    number = rng.poisson(per_day * season)
    created = np.repeat(np.arange(days), number) + rng.random(number.sum())
    n = created.size
    owner, segment = rng.integers(0, n_owners, n), rng.choice(3, n, p=[0.5, 0.3, 0.2])
    skill = rng.normal(0, 0.3, n_owners)[owner] + np.array([0.2, 0.0, -0.3])[segment] + rng.normal(0, 0.5, n)
    size = rng.normal(9.0 + 0.6 * segment, 0.8)
    chances, stay = (0.62, 0.6, 0.66, 0.7, 0.82), (9.0, 16.0, 20.0, 15.0, 10.0)
    entered = np.full((n, 5), np.nan)
    time, alive, end = created.copy(), np.ones(n, dtype=bool), np.full(n, np.nan)
    for place, (chance, mean) in enumerate(zip(chances, stay, strict=True)):
        entered[alive, place] = time[alive]
        goes = rng.random(n) < 1 / (1 + np.exp(-(np.log(chance / (1 - chance)) + 0.7 * skill)))
        time += np.where(goes, rng.gamma(1.6, mean / 1.6, n), rng.gamma(1.1, 1.7 * mean / 1.1, n))
        lost = alive & ~goes
        end[lost] = time[lost]
        alive &= goes
    end[alive] = time[alive]
    labels = {"seg": segment.astype(str), "rep": owner.astype(str)}
    return make_book(entered, end, alive, created, np.exp(size).round(-2), labels, {"logamt": size})
