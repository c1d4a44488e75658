"""Next best action: which stage is worth working on.

Simulated companies in which one stage's pass rate is 10 % better from a day on, with the same random numbers:
the truth. Regret is what the recommended stage is truly worth less than the best one, relative to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cadran.stats.bookings import Hazards, expect
from evaluation.line import Line
from evaluation.worlds.pipeline import book_of, shared_simulator

if TYPE_CHECKING:
    from pathlib import Path

#: The published worlds: first seed, how many, new deals a day, day of the change; spans and their targets.
FIRST_SEED, SEEDS, PER_DAY, DAY = 300, 6, 8.0, 821.25
SPANS = {91: (0.12, 0.57), 182: (0.02, 0.31)}
LIFT, STAGES = 1.10, 4


def evaluate(seed: int, shared: Path | None) -> list[Line]:
    """Regret of the recommended stage, on the published seeds and on others."""
    if shared is None:
        return []
    simulate = shared_simulator(shared).simulate
    lines = []
    for first, where in ((FIRST_SEED, "published seeds"), (seed % 1000 + 5000, "other seeds")):
        worlds = [levers(simulate, first + k) for k in range(SEEDS)]
        for place, (span, (target, simple)) in enumerate(SPANS.items()):
            told = [(world[0][place], world[1][place]) for world in worlds]
            regret = float(np.mean([1 - true[np.argmax(said)] / true.max() for said, true in told]))
            any_stage = float(np.mean([1 - true.mean() / true.max() for _, true in told]))
            error = float(np.mean([np.abs(said - true).mean() for said, true in told]))
            size = float(np.mean([np.abs(true).mean() for _, true in told]))
            note = (
                f"{SEEDS} companies; money off by {error / size:.0%} of a lever's; any stage at random {any_stage:.2f}"
            )
            is_published = first == FIRST_SEED
            goal = target if is_published else None
            name = f"regret of the recommended stage over {span} days, {where}"
            lines.append(Line(name, regret, simple, goal, "at most" if is_published else "shown", note))
    return lines


def levers(simulate: Any, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What each stage is said to be worth and what it is, each of shape (spans, stages)."""
    full = book_of(simulate(seed, days=1300, per_day=PER_DAY))
    book = full.known_at(DAY)
    model = Hazards.of(book.stays, DAY)
    assert model is not None
    said, true = np.zeros((len(SPANS), STAGES)), np.zeros((len(SPANS), STAGES))
    usual = [expect(model, book, float(span)).total for span in SPANS]
    stays = full.stays
    for stage in range(STAGES):
        recent = (stays.stage == stage) & (stays.entered > DAY - 365) & (stays.entered < DAY)
        rate = float((stays.to[recent] == stage + 1).mean())
        shift = float(np.log(LIFT * rate / (1 - LIFT * rate)) - np.log(rate / (1 - rate)))
        other = book_of(simulate(seed, days=1300, per_day=PER_DAY, shock={"t": DAY, "s": stage, "d": shift}))
        better = model.what_if(stage, shift)
        for place, span in enumerate(SPANS):
            said[place, stage] = expect(better, book, float(span)).total - usual[place]
            true[place, stage] = other.signed(DAY, DAY + span) - full.signed(DAY, DAY + span)
    return said, true
