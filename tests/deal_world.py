"""A small company whose deals go through three stages, with known odds."""

from __future__ import annotations

import numpy as np
from scipy import special

from cadran.stats.stays import LOST, Stays

SEED = 11


def company(seed=SEED, n=900, days=720.0, effect=1.2, shift=0.0, since=np.inf):
    """Deals through three stages, one kind of which goes on more often; losing takes longer than going on."""
    rng = np.random.default_rng(seed)
    began = np.sort(rng.uniform(0, days, n))
    kind = rng.choice(["bad", "good"], n)
    rows, at, alive = [], began.copy(), np.arange(n)
    for stage in range(3):
        goes = rng.random(alive.size) < special.expit(
            np.where(kind[alive] == "good", effect, -effect) / 2 + shift * ((stage == 1) & (at[alive] > since))
        )
        left = at[alive] + rng.exponential(np.where(goes, 14.0, 30.0))
        rows.append((alive, np.full(alive.size, stage), at[alive], left, np.where(goes, stage + 1, LOST)))
        at[alive] = left
        alive = alive[goes]
    deal, stage, entered, left, to = (np.concatenate(part) for part in zip(*rows, strict=True))
    return Stays(("one", "two", "three"), deal, stage, began[deal], entered, left, to, {"kind": kind[deal]})
