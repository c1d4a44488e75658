"""Bookings of the coming quarter, at its start and in its middle.

Companies whose every deal is known, read as they stood on the day: the shared simulator's at four sizes, on the
quarters of the published baselines, and small ones drawn otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cadran.stats.bookings import Hazards, forecast
from cadran.stats.forecast import FEWEST
from cadran.stats.pace import pace
from evaluation.line import Line
from evaluation.worlds.pipeline import QUARTER, book_of, draw, shared_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cadran.stats.bookings import Book, Chances
    from cadran.stats.stays import Stays

#: New deals a day; won deals a quarter, seeds and past days that are looked at; target at the start and in the middle.
SIZES = {
    1.0: (14, 5, 9, 0.72, 0.81),
    3.0: (40, 5, 9, 0.80, 0.86),
    8.0: (108, 5, 2, 0.87, 0.91),
    20.0: (274, 2, 2, 0.92, 0.97),
}
FIRST_SEED, STARTS, MONTH = 100, np.arange(730, 1096, QUARTER), QUARTER / 3
DAYS, MIDDLE = 91.0, 45.0
COMPANIES, MONTHS = 600, 25


@dataclass
class Told:
    """Forecasts of quarters beside what came true."""

    said: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)
    actual: list[float] = field(default_factory=list)
    inside: list[bool] = field(default_factory=list)

    def add(self, full: Book, world: World, day: float, days: float, booked: float, n_past: int) -> None:
        """Forecast one span on one day."""
        earlier = [day - days - MONTH * place for place in range(n_past)]
        found = forecast(
            world.known(day), [world.known(each) for each in earlier if each > 270], world.fit, days, QUARTER
        )
        left = full.signed(day, day + days)
        self.said.append(booked + found.landing.value)
        self.naive.append(booked + found.methods["past_mean"])
        self.actual.append(booked + left)
        if n_past >= FEWEST:
            self.inside.append(found.landing.band.holds(left))

    def accuracy(self, said: list[float]) -> float:
        """Mean of 1 − |F − A| / A, none under 0 as in the published baselines."""
        error = np.abs(np.array(said) - self.actual) / np.array(self.actual)
        return float(np.maximum(0, 1 - error).mean())

    def bias(self) -> float:
        """Sum of the errors over the sum of what came true."""
        return float(np.sum(self.said) / np.sum(self.actual) - 1)

    def mean_bias(self) -> float:
        """Mean of (F − A) / A."""
        return float(np.mean(np.array(self.said) / self.actual - 1))


@dataclass
class World:
    """A company on many days; what was learnt on a day is learnt once."""

    full: Book
    models: dict[float, Chances] = field(default_factory=dict)

    def known(self, day: float) -> Book:
        """What was known on a day."""
        return self.full.known_at(day)

    def fit(self, stays: Stays, day: float) -> Chances | None:
        """What could be learnt on a day."""
        if day not in self.models:
            self.models[day] = Hazards.of(stays, day)
        return self.models[day]


def evaluate(seed: int, shared: Path | None) -> list[Line]:
    """Accuracy, bias and coverage by size, then on companies drawn here."""
    lines = []
    everything = [Told(), Told()]
    if shared is not None:
        simulate = shared_simulator(shared).simulate
        for per_day, (n_won, seeds, n_past, *targets) in SIZES.items():
            worlds = (book_of(simulate(FIRST_SEED + k, days=1300, per_day=per_day)) for k in range(seeds))
            both = quarters(worlds, n_past)
            lines += _lines(n_won, both, targets)
            for every, own in zip(everything, both, strict=True):
                _extend(every, own)
        lines += _summary(everything, "all sizes of the shared simulator")
    drawn = quarters((draw(seed + k, 1.5) for k in range(4)), 9)
    lines += _summary(drawn, "four companies drawn here, 1.5 new deals a day")
    lines += _paces(seed)
    return lines


def quarters(worlds: Iterator[Book], n_past: int) -> tuple[Told, Told]:
    """Every quarter of some companies, told at its start and in its middle."""
    start, middle = Told(), Told()
    for full in worlds:
        world = World(full)
        for day in STARTS:
            start.add(full, world, float(day), DAYS, 0.0, n_past)
            half = float(day) + MIDDLE
            middle.add(full, world, half, DAYS - MIDDLE, full.signed(float(day), half), n_past)
    return start, middle


def _paces(seed: int) -> list[Line]:
    """Landings of monthly counts and sums of many small companies, told on a day of the month drawn for each."""
    inside, errors, naive = [], [], []
    for company in range(COMPANIES):
        rng = np.random.default_rng([seed, company])
        level, growth = rng.uniform(3, 60), rng.normal(0.01, 0.01)
        season = 1 + 0.15 * np.cos(2 * np.pi * (np.arange(MONTHS) - rng.integers(12)) / 12)
        size, elapsed = rng.choice([0.0, 0.8]), rng.uniform(0.1, 0.9)
        counts = rng.poisson(level * np.exp(growth * np.arange(MONTHS)) * season)
        months = []
        for count in counts:
            amounts, is_done = rng.lognormal(0, size, count), rng.random(count) < elapsed
            months.append((amounts[is_done].sum(), amounts[~is_done].sum()))
        done, rest = np.array(months).T
        found = pace(done, rest[:-1], 12)
        assert found is not None
        inside.append(found[0].band.holds(rest[-1]))
        errors.append(abs(found[0].value - rest[-1]) / max(done[-1] + rest[-1], 1.0))
        naive.append(abs(rest[-2] - rest[-1]) / max(done[-1] + rest[-1], 1.0))
    mean = float(np.mean(errors))
    note = f"{COMPANIES} small companies, 3 to 60 cases a month; baseline: what came after that day last month"
    return [
        Line(
            "error of a KPI's landing over its value",
            mean,
            float(np.mean(naive)),
            None,
            "shown",
            note,
        ),
        Line("coverage of 80 % bands of KPI landings", float(np.mean(inside)), None, (0.78, 0.82), "between", note),
    ]


def _extend(every: Told, own: Told) -> None:
    for name in ("said", "naive", "actual", "inside"):
        getattr(every, name).extend(getattr(own, name))


def _lines(n_won: int, both: tuple[Told, Told], targets: list[float]) -> list[Line]:
    found = []
    for when, told, target in zip(("at its start", "in its middle"), both, targets, strict=True):
        note = f"{len(told.said)} quarters; bias {told.bias():+.3f} in all, {told.mean_bias():+.3f} on average"
        name = f"1 − |F − A| / A, {n_won} won deals a quarter, {when}"
        found.append(Line(name, told.accuracy(told.said), told.accuracy(told.naive), target, "at least", note))
    return found


def _summary(both: list[Told] | tuple[Told, Told], where: str) -> list[Line]:
    found = []
    for when, told in zip(("start", "middle"), both, strict=True):
        n, note = len(told.said), "sum of errors over sum; "
        accuracy, simple = told.accuracy(told.said), told.accuracy(told.naive)
        covered, chance = float(np.mean(told.inside)), 1.96 * np.sqrt(0.16 / len(told.inside))
        about = f"{n} quarters; baseline: mean of the last four"
        found.append(Line(f"accuracy at the {when}, {where}", accuracy, simple, None, "shown", about))
        note += f"{told.mean_bias():+.3f} on average"
        found.append(Line(f"bias at the {when}, {where}", told.bias(), None, (-0.03, 0.03), "between", note))
        note = f"{len(told.inside)} quarters with {FEWEST} past forecasts or more: ± {chance:.2f} by chance"
        name = f"coverage of 80 % bands at the {when}, {where}"
        found.append(Line(name, covered, None, (0.78, 0.82), "between", note))
    return found
