"""Root cause of a drop in conversion.

Lead tables with five dimensions, a fault of 35 to 70 % in one cell of one or two of them, and a shift of
the mix in another dimension as a decoy; the same windows without a fault for "no cause".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cadran.stats.causes import Cases, find_cause, scan_causes
from evaluation.line import Line

if TYPE_CHECKING:
    from pathlib import Path

SIZES = (4, 5, 15, 6, 3)
HISTORY = 6.5
#: Leads in the window: how many worlds, and the baseline's share of right cells first (likelihood-ratio scan).
WINDOWS = {500: (400, 0.56), 2000: (400, 0.81), 8000: (300, 0.97)}
CLEAN = 400


def evaluate(seed: int, shared: Path | None) -> list[Line]:  # noqa: ARG001 - the worlds are drawn here
    """How often the right cell comes first, and how often nothing is named when nothing happened."""
    lines = []
    for leads, (worlds, baseline) in WINDOWS.items():
        first = third = 0
        for world in range(worlds):
            before, after, cell = leads_with_a_fault(np.random.default_rng([seed, leads, world]), leads, faulty=True)
            found = [dict(cause.cell) for cause in scan_causes(before, after)[:3]]
            first += found[:1] == [cell]
            third += cell in found
        note = f"{worlds} worlds, standard error {_error(first / worlds, worlds):.3f}; in the first three "
        note += f"{third / worlds:.2f}; baseline: likelihood-ratio scan"
        lines.append(Line(f"right cell first, {leads} leads", first / worlds, baseline, baseline, "at least", note))
    for leads in WINDOWS:
        named = 0
        for world in range(CLEAN):
            rng = np.random.default_rng([seed, leads, world, 1])
            before, after, _ = leads_with_a_fault(rng, leads, faulty=False)
            named += find_cause(before, after, rng=rng)[0] is not None
        clean = 1 - named / CLEAN
        note = f"{CLEAN} windows with a mix shift and no fault; level 5 %; standard error {_error(clean, CLEAN):.3f}"
        lines.append(Line(f'"no cause", {leads} leads', clean, None, 0.9, "at least", note))
    return lines


def _error(share: float, n: int) -> float:
    return float(np.sqrt(share * (1 - share) / n))


def leads_with_a_fault(rng: np.random.Generator, leads: int, *, faulty: bool) -> tuple[Cases, Cases, dict[int, int]]:
    """Earlier and later leads, and the cell that is to blame."""
    mix = [rng.dirichlet(np.full(size, 3.0)) for size in SIZES]
    effect = [rng.normal(0, 0.3, size) for size in SIZES]
    early = _codes(rng, mix, int(leads * HISTORY))
    decoy = int(rng.integers(len(SIZES)))
    mix[decoy] = 0.5 * mix[decoy] + 0.5 * rng.dirichlet(np.full(SIZES[decoy], 3.0))
    late = _codes(rng, mix, leads)
    chance = [
        1 / (1 + np.exp(1.2 - sum(effect[at][codes[:, at]] for at in range(len(SIZES))))) for codes in (early, late)
    ]
    cell = _cell(rng, late)
    if faulty:
        inside = np.logical_and.reduce([late[:, at] == value for at, value in cell.items()])
        chance[1] = np.where(inside, chance[1] * (1 - rng.uniform(0.35, 0.7)), chance[1])
    tables = [
        Cases(codes, np.ones(len(codes)), (rng.random(len(codes)) < p).astype(float))
        for codes, p in zip((early, late), chance, strict=True)
    ]
    return tables[0], tables[1], cell


def _codes(rng: np.random.Generator, mix: list[np.ndarray], n: int) -> np.ndarray:
    return np.column_stack([rng.choice(len(weights), n, p=weights) for weights in mix])


def _cell(rng: np.random.Generator, late: np.ndarray) -> dict[int, int]:
    """A cell with at least 25 leads and 3 % of them; of two dimensions in four cases of ten, unless it is too small."""
    named = 1 if rng.random() < 0.6 else 2
    for _ in range(1000):
        dims = rng.choice(len(SIZES), named, replace=False)
        cell = {int(at): int(rng.integers(SIZES[at])) for at in sorted(dims)}
        inside = np.logical_and.reduce([late[:, at] == value for at, value in cell.items()])
        if inside.sum() >= max(25, 0.03 * len(late)):
            return cell
        named = 1
    raise RuntimeError
