"""Ranges of what makes accounts and leads convert, on companies whose rules are known.

Companies of 120 to 2,500 decided cases, described by two kinds of labels; each kind tells nothing, little or much. Only
companies in which the model finds something to say count, as only they are told odds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from cadran.stats.encoding import LEAST_CASES
from cadran.stats.propensity import Prospects, fit_propensity
from evaluation.line import Line

if TYPE_CHECKING:
    from pathlib import Path

COMPANIES, CASES, SMALL = 1000, (120, 2500), 400
#: Spreads of the effects of a kind, in log odds.
SPREADS = (0.0, 0.3, 0.6, 1.0)


def evaluate(seed: int, shared: Path | None) -> list[Line]:  # noqa: ARG001 - the companies are drawn here
    """Share of labels whose known odds lie in the range told, as the mean over companies."""
    worlds = [covered(np.random.default_rng([seed, 23, company])) for company in range(COMPANIES)]
    found = np.array([world for world in worlds if world is not None])
    lines = []
    for what, part in (("all", found), (f"fewer than {SMALL} cases", found[found[:, 0] < SMALL])):
        note = f"{len(part)} companies, standard error {part[:, 1].std(ddof=1) / np.sqrt(len(part)):.3f}"
        name = f"coverage of the 95 % range of a label's odds, {what}"
        lines.append(Line(name, float(part[:, 1].mean()), None, (0.93, 0.97), "between", note))
    return lines


def covered(rng: np.random.Generator) -> tuple[float, float] | None:
    """Cases of a company, and share of the labels told whose range holds; None where nothing is told."""
    n = int(np.exp(rng.uniform(*np.log(CASES))))
    logit, labels, known = np.full(n, rng.uniform(-2, 0)), {}, {}
    for kind in ("industry", "channel"):
        size = int(rng.integers(3, 9))
        effects = rng.normal(0, rng.choice(SPREADS), size)
        codes = rng.choice(size, n, p=rng.dirichlet(np.full(size, 3.0)))
        logit += effects[codes]
        labels[kind] = codes.astype(str)
        # a label is set against the mean of those that are told, each counting as often as it comes
        weight = np.bincount(codes, minlength=size).astype(float)
        weight[weight < LEAST_CASES] = 0
        known[kind] = effects - weight @ effects / weight.sum()
    won = (rng.random(n) < special.expit(logit)).astype(float)
    found = fit_propensity(Prospects(labels, {}, n), won, np.arange(float(n)))
    if not found.traits:
        return None
    holds = [each.low <= np.exp(known[each.kind][int(each.label)]) <= each.high for each in found.traits]
    return float(n), float(np.mean(holds))
