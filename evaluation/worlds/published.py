"""The published forecast of `methods.md`, run in place on the same deals: a weekly hazard and deals still to come."""

from __future__ import annotations

import importlib.util
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from cadran.stats.stays import WEEK
from evaluation.worlds.pipeline import shared_simulator

if TYPE_CHECKING:
    from pathlib import Path

#: Days of creations that tell which deals are still to come, and profiles taken of them, as published.
RECENT, PROFILES = 182, 300


def published_model(shared: Path) -> Any:
    """The module of the published hazard; it finds the simulator by its name, which is loaded first."""
    shared_simulator(shared)
    spec = importlib.util.spec_from_file_location("published_hazard", shared / "simulators" / "forecast" / "hazard.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def published_forecast(module: Any, deals: Any, day: float, days: float) -> float:
    """What it expects to be signed in the whole weeks, rounded, after a day.

    Args:
        module: See `published_model`.
        deals: What the shared simulator gave.
        day: Today.
        days: Length of the span ahead.
    """
    weeks = round(days / WEEK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = module.Hazard().fit(deals, day)
    now = module.snapshot(deals, day)
    clock = np.floor(now["sage"].to_numpy() / WEEK).astype(int)
    chance = model.run(module.oppX(now), now["stage"].to_numpy(), clock, day, weeks)
    recent = deals[(deals["created"] > day - RECENT) & (deals["created"] <= day)]
    like = recent.sample(min(PROFILES, len(recent)), random_state=0)
    described, none, a_week = module.oppX(like), np.zeros(len(like), dtype=int), len(recent) / (RECENT / WEEK)
    later = [
        model.run(described, none, none, day + WEEK * (week + 0.5), weeks - week).sum(axis=1) for week in range(weeks)
    ]
    to_come = sum(float((each * like["amount"].to_numpy()).mean()) for each in later) * a_week
    return float(chance.sum(axis=1) @ now["amount"].to_numpy()) + to_come
