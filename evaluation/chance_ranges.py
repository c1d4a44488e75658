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
from evaluation.worlds.odds import known_company

if TYPE_CHECKING:
    from pathlib import Path

COMPANIES, SMALL = 550, 200
LEVELS = {0.95: (0.93, 0.97), 0.80: (0.78, 0.82)}


def evaluate(seed: int, shared: Path | None) -> list[Line]:  # noqa: ARG001 - the companies are drawn here
    """Share of open deals whose known chance lies in the range told, as the mean over companies."""
    worlds = [covered(np.random.default_rng([seed, 19, company])) for company in range(COMPANIES)]
    found = np.array([world for world in worlds if world is not None])
    lines = []
    for place, (level, target) in enumerate(LEVELS.items(), start=1):
        for what, part in (("all", found), (f"fewer than {SMALL} deals", found[found[:, 0] < SMALL])):
            note = f"{len(part)} companies, standard error {part[:, place].std(ddof=1) / np.sqrt(len(part)):.3f}"
            note += f"; range {part[:, place + len(LEVELS)].mean():.2f} wide"
            name = f"coverage of the {100 * level:.0f} % range of a chance, {what}"
            way: Way = "between" if part is found else "shown"
            goal = target if part is found else None
            lines.append(Line(name, float(part[:, place].mean()), None, goal, way, note))
    return lines


def covered(rng: np.random.Generator) -> tuple[float, ...] | None:
    """Deals of a company, share of its open deals whose range holds, and width of it, by level; None without any."""
    stays, chance, day = known_company(rng)
    model, deals = fit_win(stays, day), stays.open_at(day)
    if model is None or not deals.size:
        return None
    true = np.clip(chance[deals.deal], EDGE, 1 - EDGE)
    ranges = [model.interval(deals, day, seed=19, level=level) for level in LEVELS]
    holds = [float(np.mean((low <= true) & (true <= high))) for low, high in ranges]
    widths = [float(np.mean(high - low)) for low, high in ranges]
    return float(chance.size), *holds, *widths
