"""Ranges of win chances, on companies whose rules are known.

Companies of 40 to 2,500 deals in two years, of two to five stages, with sellers and segments that win more or less
often, and with something hidden of every deal. The known chance of an open deal is that of somebody who knows the
rules, but not what is hidden; where it is further out than any open deal is told (1 in 500), that edge counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cadran.stats.win_probability import EDGE, fit_win
from evaluation.line import Line, Way
from evaluation.worlds.odds import known_company, simulated_chances
from evaluation.worlds.pipeline import book_of, shared_simulator

if TYPE_CHECKING:
    from pathlib import Path

    from cadran.stats.stays import Stays

COMPANIES, SMALL = 550, 200
#: Companies of the shared simulator, new deals a day in them, and the day on which chances are told.
SIMULATED, PER_DAY, DAY = 120, (0.1, 0.3, 1.5), 820.0
LEVELS = {0.95: (0.93, 0.97), 0.80: (0.78, 0.82)}


def evaluate(seed: int, shared: Path | None) -> list[Line]:
    """Share of open deals whose known chance lies in the range told, as the mean over companies."""
    worlds = [covered(np.random.default_rng([seed, 19, company])) for company in range(COMPANIES)]
    found = np.array([world for world in worlds if world is not None])
    parts = [("all", found), (f"fewer than {SMALL} deals", found[found[:, 0] < SMALL])]
    if shared:
        parts.append(("shared simulator", np.array(_simulated(seed, shared))))
    lines = []
    for place, (level, target) in enumerate(LEVELS.items(), start=1):
        for what, part in parts:
            note = f"{len(part)} companies, standard error {part[:, place].std(ddof=1) / np.sqrt(len(part)):.3f}"
            note += f"; range {part[:, place + len(LEVELS)].mean():.2f} wide"
            name = f"coverage of the {100 * level:.0f} % range of a chance, {what}"
            way: Way = "between" if part is found else "shown"
            goal = target if part is found else None
            lines.append(Line(name, float(part[:, place].mean()), None, goal, way, note))
    return lines


def _simulated(seed: int, shared: Path) -> list[tuple[float, ...]]:
    """The same of companies of the shared simulator, with 0.1 to 1.5 new deals a day."""
    simulate = shared_simulator(shared).simulate
    found = []
    for company in range(SIMULATED):
        deals = simulate(seed + company, per_day=float(PER_DAY[company % len(PER_DAY)]))
        found.append(_covered(book_of(deals).stays, simulated_chances(deals, DAY), DAY))
    return [each for each in found if each is not None]


def covered(rng: np.random.Generator) -> tuple[float, ...] | None:
    """Deals of a company, share of its open deals whose range holds, and width of it, by level; None without any."""
    return _covered(*known_company(rng))


def _covered(stays: Stays, chance: np.ndarray, day: float) -> tuple[float, ...] | None:
    model, deals = fit_win(stays, day), stays.open_at(day)
    if model is None or not deals.size:
        return None
    true = np.clip(chance[deals.deal], EDGE, 1 - EDGE)
    ranges = [model.interval(deals, day, seed=19, level=level) for level in LEVELS]
    holds = [float(np.mean((low <= true) & (true <= high))) for low, high in ranges]
    widths = [float(np.mean(high - low)) for low, high in ranges]
    return float(chance.size), *holds, *widths
