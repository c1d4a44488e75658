"""Win probabilities after the conversion of a stage broke.

The pass rate of the third stage falls (logit −1) 75 days before the day of telling, in the worlds of the published
comparison and with other seeds, and the same worlds without any break. The targets are for 6 new deals a day;
with 2 the error in money is mostly that of a few large deals, and a break is rarely found: some thirty deals have left
the stage since, which seldom tell it from chance, and what is not told from chance moves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cadran.stats.breaks import fit_adjusted
from cadran.stats.win_probability import fit_win
from evaluation.line import Line
from evaluation.worlds.pipeline import book_of, shared_simulator

if TYPE_CHECKING:
    from pathlib import Path

DAY, BROKE, STAGE, SHIFT, WORLDS = 820.0, 75.0, 2, -1.0, 8
FIRST_SEED = 900


def evaluate(seed: int, shared: Path | None) -> list[Line]:
    """Log-loss and bias in money after a break, and what the adjustment costs where nothing broke."""
    if shared is None:
        return []
    simulate = shared_simulator(shared).simulate
    lines = []
    for where, first in (("published worlds", FIRST_SEED), ("other seeds", seed)):
        for per_day in (6.0, 2.0):
            broken, quiet = (_scores(simulate, first, per_day, is_broken=each) for each in (True, False))
            lines += _lines(where, per_day, broken, quiet, has_target=where == "published worlds" and per_day == 6.0)
    return lines


def _scores(simulate: Any, first: int, per_day: float, *, is_broken: bool) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for each in range(first, first + WORLDS):
        shock = {"t": DAY - BROKE, "s": STAGE, "d": SHIFT} if is_broken else None
        book = book_of(simulate(each, per_day=per_day, drift=False, shock=shock))
        deals = book.stays.open_at(DAY)
        won, amount = book.won[deals.deal].astype(float), book.amount[deals.deal]
        model, breaks = fit_adjusted(book.stays, DAY)
        blind = fit_win(book.stays, DAY)
        assert model is not None
        assert blind is not None
        for name, chance in (("ours", model.ever(deals, DAY)), ("blind", blind.ever(deals, DAY))):
            loss = -won * np.log(chance) - (1 - won) * np.log(1 - chance)
            found.setdefault(f"{name} loss", []).append(float(loss.mean()))
            bias = float(chance @ amount) / max(float(won @ amount), 1.0) - 1
            found.setdefault(f"{name} bias", []).append(bias)
        stays = book.stays
        since = (stays.stage == STAGE) & (stays.entered > DAY - BROKE) & (stays.left <= DAY)
        found.setdefault("cases", []).append(float(since.sum()))
        found.setdefault("found", []).append(float(any(one.stage == STAGE for one in breaks)))
        found.setdefault("false", []).append(float(any(one.stage != STAGE or not is_broken for one in breaks)))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _lines(
    where: str, per_day: float, broken: dict[str, float], quiet: dict[str, float], *, has_target: bool
) -> list[Line]:
    about = f"{where}, {per_day:.0f} new deals a day"
    note = f"{WORLDS} worlds; break found in {broken['found']:.2f}, another stage called in {broken['false']:.2f}"
    harm = f"{WORLDS} worlds without a break; one called in {quiet['false']:.2f} of them; baseline: without adjustment"
    power = (
        f"power, not accuracy: {WORLDS} worlds, in which {broken['cases']:.0f} deals on average had come to the stage "
    )
    power += "and left it since it broke"
    way: Any = "at most" if has_target else "shown"
    loss, bias = (0.252, 0.21) if has_target else (None, None)
    same = round(quiet["blind loss"] + 0.0005, 5)
    return [
        Line(f"share of breaks that are found, {about}", broken["found"], note=power),
        Line(f"log-loss after a break, {about}", broken["ours loss"], broken["blind loss"], loss, way, note),
        Line(f"bias in money after a break, {about}", broken["ours bias"], broken["blind bias"], bias, way, note),
        Line(f"log-loss where nothing broke, {about}", quiet["ours loss"], quiet["blind loss"], same, "at most", harm),
    ]
