"""Weekly business series with faults: seasons, free weeks, quarter ends, wandering levels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cadran.stats.weekly import Kind, Weekly


@dataclass(frozen=True)
class World:
    """Series and what was done to them.

    Attributes:
        kind: Kind of series.
        values: By series and week.
        cases: Denominators, or deals behind sums; None for counts.
        fault: ``none``, ``step``, ``ramp`` or ``spike``, by series.
        onset: Week of the fault, -1 without one.
        history: Weeks before the ones that are watched.
        calendar: Regressors by week.
    """

    kind: Kind
    values: np.ndarray
    cases: np.ndarray | None
    fault: np.ndarray
    onset: np.ndarray
    history: int
    calendar: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))


def as_series(world: World) -> Weekly:
    """The series as Cadran takes them."""
    weeks = world.values.shape[1]
    calendar = world.calendar if world.calendar.size else np.zeros((weeks, 0))
    return Weekly(world.kind, world.values, world.cases, np.ones(world.values.shape, dtype=bool), calendar)


def draw(
    rng: np.random.Generator,
    n: int,
    kind: Kind,
    faulty: float,
    *,
    history: int = 104,
    watched: int = 26,
    wander: float = 0.01,
) -> World:
    """Series of a company: a common calendar, seasons of their own, levels that wander a little every week."""
    weeks = history + watched
    week = np.arange(weeks)
    free = np.where(np.isin(week % 52, (0, 17, 18, 28, 51)), rng.choice([0.2, 0.4], weeks), 0.0)
    quarter_end = (week % 13 == 12).astype(float)
    angle = 2 * np.pi * week / 52
    level = np.exp(rng.uniform(np.log(3), np.log(80), n))
    shape = rng.normal(0, 0.1, (n, 2)) @ np.array([np.sin(angle), np.cos(angle)])
    shape += rng.normal(0, 0.04, (n, 2)) @ np.array([np.sin(2 * angle), np.cos(2 * angle)])
    shape += np.cumsum(rng.normal(0, wander, (n, weeks)), axis=1)
    shape -= np.outer(rng.uniform(0.5, 1.5, n), free)
    shape += np.outer(np.maximum(rng.normal(0.1, 0.1, n), 0), quarter_end)
    # a slump of two to four weeks every year, at the same time, that no calendar knows
    slump = rng.integers(0, 52, n)[:, None]
    shape += np.where(
        (week - slump) % 52 < rng.integers(2, 5, n)[:, None], np.log(rng.uniform(0.5, 0.9, n))[:, None], 0
    )
    factor, fault, onset = _faults(rng, (n, history, watched), faulty)
    mean = level[:, None] * np.exp(shape)
    calendar = np.column_stack([free, quarter_end])
    noise = rng.uniform(0.001, 0.06, n)[:, None]
    if kind == "count":
        values = rng.poisson(mean * factor * rng.gamma(1 / noise, noise, mean.shape)).astype(float)
        return World(kind, values, None, fault, onset, history, calendar)
    if kind == "rate":
        cases = np.maximum(1, rng.poisson(mean)).astype(float)
        usual = rng.uniform(0.08, 0.6, n)[:, None] * np.exp(rng.normal(0, 0.05, (n, 1)) * np.sin(angle))
        rate = np.clip(usual * factor, 0.005, 0.98)
        spread = rng.uniform(0.001, 0.02, n)[:, None]
        drawn = rng.beta(rate * (1 / spread - 1), (1 - rate) * (1 / spread - 1))
        values = rng.binomial(cases.astype(int), drawn).astype(float)
        return World(kind, values, cases, fault, onset, history, calendar)
    deals = rng.poisson(mean * factor * rng.gamma(1 / noise, noise, mean.shape))
    sizes = rng.uniform(0.5, 1.1, n)
    values = np.array([[rng.lognormal(9, sizes[at], int(k)).sum() for k in row] for at, row in enumerate(deals)])
    return World(kind, values, deals.astype(float), fault, onset, history, calendar)


def _faults(
    rng: np.random.Generator, size: tuple[int, int, int], faulty: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factor by series and week, kind of fault and its first week."""
    n, history, watched = size
    factor = np.ones((n, history + watched))
    fault, onset = np.full(n, "none", dtype="<U5"), np.full(n, -1)
    for at in np.flatnonzero(rng.random(n) < faulty):
        fault[at] = rng.choice(["step", "ramp", "spike"])
        onset[at] = start = history + rng.integers(2, watched - 10)
        sign, effect = (-1 if rng.random() < 0.7 else 1), rng.uniform(0.25, 0.6)
        after = np.arange(history + watched - start)
        if fault[at] == "step":
            factor[at, start:] = 1 + sign * effect
        elif fault[at] == "ramp":
            factor[at, start:] = 1 + sign * effect * np.minimum((after + 1) / 6, 1)
        else:
            factor[at, start] = 1 - min(0.95, effect + 0.35) if sign < 0 else 1.8 + effect
    return factor, fault, onset
