"""Next best action: which stage is worth working on.

Simulated companies in which one stage's pass rate is 10 % better from a day on, with the same random numbers:
the truth. Regret is what the recommended stage is truly worth less than the best one, relative to it. A few deals of
one company decide which stage turns out best: on many companies, even the stage that is worth most on average leaves
a regret, which no forecast can take away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cadran.stats.bookings import Hazards, expect
from evaluation.line import Line, Way
from evaluation.worlds.pipeline import book_of, shared_simulator

if TYPE_CHECKING:
    from pathlib import Path

#: The published worlds: first seed, how many, new deals a day, day of the change; spans and their targets.
FIRST_SEED, SEEDS, PER_DAY, DAY = 300, 6, 8.0, 821.25
#: Other companies, since six say little.
OTHERS = 24
#: Targets, the regret of any stage at random, and that of the published what-if, run again and not rounded.
SPANS = {91: (0.12, 0.57, 0.1160), 182: (0.02, 0.31, 0.0233)}
LIFT, STAGES = 1.10, 4


def evaluate(seed: int, shared: Path | None) -> list[Line]:
    """Regret of the recommended stage, on the published seeds and on others."""
    if shared is None:
        return []
    simulate = shared_simulator(shared).simulate
    lines = []
    for first, number, where in (
        (FIRST_SEED, SEEDS, "published seeds"),
        (seed % 1000 + 5000, OTHERS, "other seeds"),
    ):
        worlds = [levers(simulate, first + k) for k in range(number)]
        told, came = (np.array([world[side] for world in worlds]) for side in (0, 1))
        for place, span in enumerate(SPANS):
            lines += _lines(told[:, place], came[:, place], span, where, is_published=first == FIRST_SEED)
    return lines


def _lines(said: np.ndarray, true: np.ndarray, span: int, where: str, *, is_published: bool) -> list[Line]:
    """The lines of one span: what was said and what came, of shape (companies, stages)."""
    target, simple, published = SPANS[span]
    number = len(said)
    regrets = _regret(true, said.argmax(axis=1))
    mean = _regret(true, np.full(number, int(true.mean(axis=0).argmax())))
    note = (
        f"{number} companies, standard error {regrets.std(ddof=1) / np.sqrt(number):.3f}; the stage that is worth most "
        f"on average {mean.mean():.3f}; any stage at random {np.mean(1 - true.mean(axis=1) / true.max(axis=1)):.2f}"
    )
    way: Way = "at most" if is_published else "shown"
    note += f"; published way {published:.4f} before it was rounded" if is_published else ""
    name = f"regret of the recommended stage over {span} days, {where}"
    goal = target if is_published else None
    off = float(np.abs(said - true).mean() / np.abs(true).mean())
    bias = float(said.mean() / true.mean() - 1)
    return [
        Line(name, float(regrets.mean()), simple, goal, way, note),
        Line(
            f"bias of the money of a lever over {span} days, {where}",
            bias,
            note=f"{number} companies; money off by {off:.0%} of a lever's on average, mostly the luck of a few deals",
        ),
    ]


def _regret(true: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Shape (companies,), from shape (companies, stages) and the stage chosen in each."""
    return np.asarray(1 - true[np.arange(len(true)), chosen] / true.max(axis=1))


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
