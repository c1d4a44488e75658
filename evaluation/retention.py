"""Lifetime of customers, from few of them.

Customers with churn of their own, seen for two years with staggered starts; error of the expected
lifetime over five years, discounted at 10 %, relative to the truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from cadran.stats.retention import fit_retention
from evaluation.line import Line

if TYPE_CHECKING:
    from pathlib import Path

ALPHA, BETA, WATCHED, HORIZON, DISCOUNT = 0.8, 25.0, 24, 60, 0.1
WORLDS = 400
BASELINES = {30: 0.16, 100: 0.09}
TARGETS = {30: 0.156, 100: 0.091}


def evaluate(seed: int, shared: Path | None) -> list[Line]:  # noqa: ARG001 - the worlds are drawn here
    """Error of the lifetime and coverage of its interval, by number of customers, and published references."""
    ages = np.arange(HORIZON)
    left = np.exp(special.betaln(ALPHA, BETA + ages) - special.betaln(ALPHA, BETA))
    truth = float(left @ (1 + DISCOUNT) ** (-ages / 12))
    lines = []
    for n, target in TARGETS.items():
        errors, inside, naive = [], 0, []
        for world in range(WORLDS):
            gone, alive = customers(np.random.default_rng([seed, n, world]), n)
            belief = fit_retention(gone, alive)
            if belief is None:
                continue
            found = belief.lifetime(HORIZON, discount=DISCOUNT)
            errors.append((found.value or 0) / truth - 1)
            inside += found.interval.holds(truth)
            churn = max(gone.sum(), 0.5) / (gone @ np.arange(1, gone.size + 1) + alive @ np.arange(alive.size))
            naive.append(float((1 - churn) ** ages @ (1 + DISCOUNT) ** (-ages / 12)) / truth - 1)
        error, simple = (float(np.sqrt(np.mean(np.square(each)))) for each in (errors, naive))
        note = f"{WORLDS} worlds; relative root mean square error; 1/churn {simple:.3f}, bias {np.mean(errors):+.3f}"
        lines.append(Line(f"lifetime, {n} customers", error, BASELINES[n], target, "at most", note))
        lines.append(
            Line(f"coverage of the 95 % interval, {n} customers", inside / WORLDS, None, (0.93, 1.0), "between", "")
        )
    lines += _published()
    return lines


def customers(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """How many left after 1, 2, … months, and how many are still there after 0, 1, 2, … months."""
    churn = np.clip(rng.beta(ALPHA, BETA, n), 1e-6, 1)
    life = rng.geometric(churn)
    watched = WATCHED - rng.integers(0, WATCHED, n)
    gone = np.bincount(life[life <= watched], minlength=WATCHED + 1)[1:]
    return gone.astype(float), np.bincount(watched[life > watched], minlength=WATCHED + 1).astype(float)


def _published() -> list[Line]:
    """Fader and Hardie's high-end customers: share left after twelve years, told by the first seven."""
    kept = np.array([1000, 869, 743, 653, 593, 551, 517, 491], dtype=float)
    alive = np.zeros(8)
    alive[-1] = kept[-1]
    belief = fit_retention(-np.diff(kept), alive, is_weak=False)
    if belief is None:
        return []
    share = float(belief.survival(12)[12])
    note = "published data: 0.394 were left; a constant churn says 0.291"
    return [Line("share left after 12 years, high-end customers", share, 0.291, (0.364, 0.424), "between", note)]
