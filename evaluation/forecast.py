"""Bookings of the coming quarter, at its start and in its middle.

Companies whose every deal is known, read as they stood on the day: the shared simulator's at four sizes, on the
seeds and quarters of the published forecast, which is run beside, and other ones, and small ones drawn otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from cadran.stats.bookings import Hazards, forecast
from cadran.stats.forecast import FEWEST, land
from cadran.stats.pace import pace
from evaluation.line import Line
from evaluation.worlds.pipeline import QUARTER, book_of, draw, shared_simulator
from evaluation.worlds.published import published_forecast, published_model
from evaluation.worlds.truth import SPAN, may_sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cadran.stats.bookings import Book, Chances
    from cadran.stats.forecast import Landing
    from cadran.stats.stays import Stays

#: New deals a day; won deals a quarter, seeds and past days that are looked at, futures drawn; target at the start
#: and in the middle.
SIZES = {
    1.0: (14, 5, 9, 400, 0.72, 0.81),
    3.0: (40, 5, 9, 300, 0.80, 0.86),
    8.0: (108, 5, 2, 150, 0.87, 0.91),
    20.0: (274, 5, 2, 80, 0.92, 0.97),
}
FIRST_SEED, STARTS, MONTH = 100, np.arange(730, 1096, QUARTER), QUARTER / 3
DAYS, MIDDLE = 91.0, 45.0
#: Companies with other seeds at the sizes whose targets are hardest, by new deals a day.
OTHERS = {1.0: 24, 20.0: 4}
#: Small companies for the coverage of bands and of KPI landings.
SMALL, COMPANIES, MONTHS = 500, 600, 25
COVERED = {0.8: (0.78, 0.82), 0.95: (0.93, 0.97)}


@dataclass
class Told:
    """Forecasts of quarters beside what came true.

    The lists are of amounts, one for each quarter, but for these: what somebody who knows every chance expects
    1 − |F − A| / A to be, of his own best forecast (`ceiling`), of ours (`hoped`) and of the published one
    (`hoped_published`). What then came true has no part in them, so that they tell methods apart without luck.
    """

    said: list[float] = field(default_factory=list)
    simple: list[float] = field(default_factory=list)
    published: list[float] = field(default_factory=list)
    knowing: list[float] = field(default_factory=list)
    ceiling: list[float] = field(default_factory=list)
    hoped: list[float] = field(default_factory=list)
    hoped_published: list[float] = field(default_factory=list)
    actual: list[float] = field(default_factory=list)
    inside: dict[float, list[bool]] = field(default_factory=lambda: {level: [] for level in COVERED})

    def accuracy(self, said: list[float]) -> float:
        """Mean of 1 − |F − A| / A, none under 0 as in the published baselines."""
        return float(_right(np.array(said), np.array(self.actual)).mean())

    def bias(self, said: list[float]) -> float:
        """Mean of (F − A) / A, as in the published baselines."""
        return float(np.mean(np.array(said) / self.actual - 1))

    def in_all(self) -> float:
        """Sum of the errors over the sum of what came true."""
        return float(np.sum(self.said) / np.sum(self.actual) - 1)

    def hold(self, landing: Landing, rest: float) -> None:
        """Note whether the bands of a landing hold what came true."""
        for level, inside in self.inside.items():
            inside.append(land(landing.law, landing.errors, value=landing.value, level=level).band.holds(rest))

    def extend(self, other: Told) -> None:
        """Add the quarters of another."""
        for one in fields(self):
            if one.name != "inside":
                getattr(self, one.name).extend(getattr(other, one.name))
        for level, inside in self.inside.items():
            inside.extend(other.inside[level])


@dataclass
class World:
    """A company on many days; what was learnt on a day is learnt once. Of the shared simulator's, all is known."""

    full: Book
    deals: Any = None
    seed: int = 0
    per_day: float = 0.0
    models: dict[float, Chances] = field(default_factory=dict)

    @staticmethod
    def shared(simulate: Any, seed: int, per_day: float) -> World:
        """A company of the shared simulator."""
        deals = simulate(seed, days=SPAN, per_day=per_day)
        return World(book_of(deals), deals, seed, per_day)

    def fit(self, stays: Stays, day: float) -> Chances | None:
        """What could be learnt on a day."""
        if day not in self.models:
            self.models[day] = Hazards.of(stays, day)
        return self.models[day]

    def tell(self, told: Told, start: float, over: float, n_past: int) -> None:
        """Forecast a quarter some days after its start."""
        day, days = start + over, DAYS - over
        earlier = [day - days - MONTH * place for place in range(n_past)]
        books = [self.full.known_at(each) for each in earlier if each > 270]
        found = forecast(self.full.known_at(day), books, self.fit, days, QUARTER, over=over)
        booked, rest = self.full.signed(start, day), self.full.signed(day, day + days)
        told.said.append(booked + found.landing.value)
        told.simple.append(booked + found.methods["past_mean"])
        told.actual.append(booked + rest)
        if n_past >= FEWEST or not n_past:
            told.hold(found.landing, rest)

    def compare(self, told: Told, start: float, over: float, published: Callable[..., float], draws: int) -> None:
        """What the published forecast says, and somebody who knows every chance."""
        day, days = start + over, DAYS - over
        booked = self.full.signed(start, day)
        told.published.append(booked + published(self.deals, day, days))
        may = booked + may_sign(self.deals, self.seed, self.per_day, day, days, draws)
        # the amount whose |F − A| / A is least on average: the median, each future weighted by 1 / A
        ordered = np.sort(may[may > 0])
        weight = np.cumsum(1 / ordered)
        best = float(ordered[np.searchsorted(weight, weight[-1] / 2)])
        told.knowing.append(float(may.mean()))
        for expected, said in (
            (told.ceiling, best),
            (told.hoped, told.said[-1]),
            (told.hoped_published, told.published[-1]),
        ):
            expected.append(float(_right(np.array(said), ordered).mean()))


def evaluate(seed: int, shared: Path | None) -> list[Line]:
    """Accuracy, bias and coverage by size, then on other companies."""
    lines = []
    if shared is not None:
        lines += _shared(seed, shared)
    drawn = quarters([World(draw(seed + each, 1.5)) for each in range(4)], 9)
    lines += _summary(drawn, "four companies drawn here, 1.5 new deals a day")
    simulate = None if shared is None else shared_simulator(shared).simulate
    return [*lines, *_small(seed, simulate), *_paces(seed)]


def _shared(seed: int, shared: Path) -> list[Line]:
    """The four sizes of the shared simulator, beside the published forecast and somebody who knows every chance."""
    simulate, model = shared_simulator(shared).simulate, published_model(shared)

    def published(deals: Any, day: float, days: float) -> float:
        return published_forecast(model, deals, day, days)

    lines, everything = [], (Told(), Told())
    for per_day, (n_won, n_seeds, n_past, draws, *targets) in SIZES.items():
        worlds = [World.shared(simulate, FIRST_SEED + each, per_day) for each in range(n_seeds)]
        both = quarters(worlds, n_past, published, draws)
        where = f"{n_won} won deals a quarter"
        lines += [*_lines(where, both, targets), *_without_luck(where, both)]
        for every, own in zip(everything, both, strict=True):
            every.extend(own)
    lines += _summary(everything, "all sizes of the shared simulator", limit=0.03)
    for per_day, n_seeds in OTHERS.items():
        n_won, _, _, draws, *_ = SIZES[per_day]
        others = quarters(
            (World.shared(simulate, seed + each, per_day) for each in range(n_seeds)), 0, published, draws
        )
        where = f"{n_won} won deals a quarter, other seeds"
        lines += [*_lines(where, others, [None, None]), *_without_luck(where, others)]
    return lines


def quarters(
    worlds: Iterable[World], n_past: int, published: Callable[..., float] | None = None, draws: int = 0
) -> tuple[Told, Told]:
    """Every quarter of some companies, told at its start and in its middle."""
    both = Told(), Told()
    for world in worlds:
        for start in STARTS.tolist():
            for told, over in zip(both, (0.0, MIDDLE), strict=True):
                world.tell(told, start, over, n_past)
                if published is not None:
                    world.compare(told, start, over, published, draws)
    return both


def _small(seed: int, simulate: Any) -> list[Line]:
    """Bands of many small companies without a past forecast, on one day each: half way the shared simulator's."""
    told = Told()
    for company in range(SMALL):
        rng = np.random.default_rng([40, seed, company])
        per_day, start = float(rng.uniform(0.5, 2.0)), float(rng.choice(STARTS))
        if simulate is not None and company % 2:
            world = World.shared(simulate, 10_000 + seed + company, per_day)
        else:
            world = World(draw(10_000 + seed + company, per_day))
        world.tell(told, start, MIDDLE * (company // 2 % 2), 0)
    note = f"{SMALL} companies of 7 to 35 won deals a quarter, one day each, by the model alone"
    return _covered("bookings in small companies", told, note)


def _paces(seed: int) -> list[Line]:
    """Landings of monthly counts and sums of many small companies, told on a day of the month drawn for each."""
    told, errors, naive = Told(), [], []
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
        told.hold(found[0], rest[-1])
        errors.append(abs(found[0].value - rest[-1]) / max(done[-1] + rest[-1], 1.0))
        naive.append(abs(rest[-2] - rest[-1]) / max(done[-1] + rest[-1], 1.0))
    note = f"{COMPANIES} small companies, 3 to 60 cases a month"
    mean, usual = float(np.mean(errors)), float(np.mean(naive))
    about = f"{note}; baseline: what came after that day last month"
    error = Line("error of a KPI's landing over its value", mean, usual, None, "shown", about)
    return [error, *_covered("KPI landings", told, note)]


def _covered(what: str, told: Told, note: str) -> list[Line]:
    return [
        Line(f"coverage of {level:.0%} bands of {what}", float(np.mean(inside)), None, COVERED[level], "between", note)
        for level, inside in told.inside.items()
    ]


def _lines(where: str, both: tuple[Told, Told], targets: list[float | None]) -> list[Line]:
    found = []
    for when, told, target in zip(("at its start", "in its middle"), both, targets, strict=True):
        chance = np.std(_right(np.array(told.said), np.array(told.actual))) / np.sqrt(len(told.said))
        note = (
            f"{len(told.said)} quarters, ± {chance:.3f} by chance; baseline: the published forecast, run here. "
            f"Who knows every chance expects {np.mean(told.ceiling):.3f} at most and reached "
            f"{told.accuracy(told.knowing):.3f}; the mean of four quarters {told.accuracy(told.simple):.3f}. "
            f"Bias {told.bias(told.said):+.3f}, published {told.bias(told.published):+.3f}, "
            f"of who knows {told.bias(told.knowing):+.3f}"
        )
        if target is not None and target > np.mean(told.ceiling):
            note += ". The target is above what can be known"
        accuracy, published = told.accuracy(told.said), told.accuracy(told.published)
        way: Any = "shown" if target is None else "at least"
        found.append(Line(f"1 − |F − A| / A, {where}, {when}", accuracy, published, target, way, note))
    return found


def _without_luck(where: str, both: tuple[Told, Told]) -> list[Line]:
    """What who knows every chance expects of our forecasts and of the published ones: what came true has no part."""
    found = []
    for when, told in zip(("at its start", "in its middle"), both, strict=True):
        more = np.array(told.hoped) - told.hoped_published
        note = (
            f"as who knows every chance expects it, who expects {np.mean(told.ceiling):.3f} of his own best forecast; "
            f"{np.mean(more):+.3f} ± {np.std(more) / np.sqrt(more.size):.3f} beside the published forecast, better in "
            f"{np.sum(more > 0)} of {more.size} quarters"
        )
        name = f"1 − |F − A| / A without luck, {where}, {when}"
        found.append(Line(name, float(np.mean(told.hoped)), float(np.mean(told.hoped_published)), None, "shown", note))
    return found


def _summary(both: tuple[Told, Told], where: str, limit: float | None = None) -> list[Line]:
    found = []
    for when, told in zip(("start", "middle"), both, strict=True):
        about = f"{len(told.said)} quarters; baseline: mean of the last four"
        accuracy, simple = told.accuracy(told.said), told.accuracy(told.simple)
        found.append(Line(f"accuracy at the {when}, {where}", accuracy, simple, None, "shown", about))
        note = f"mean of (F − A) / A; {told.in_all():+.3f} of the sum; ± {_doubt(told):.3f} by chance"
        bounds: Any = (-limit, limit) if limit else None
        way: Any = "between" if limit else "shown"
        baseline = told.bias(told.published) if told.published else None
        found.append(Line(f"bias at the {when}, {where}", told.bias(told.said), baseline, bounds, way, note))
        for level, inside in told.inside.items():
            # too few quarters to judge a coverage to two points by: that is done on many small companies
            chance = 1.96 * np.sqrt(level * (1 - level) / len(inside))
            note = f"{len(inside)} quarters with {FEWEST} past forecasts or more: ± {chance:.2f} by chance"
            name = f"coverage of {level:.0%} bands at the {when}, {where}"
            found.append(Line(name, float(np.mean(inside)), None, None, "shown", note))
    return found


def _right(said: np.ndarray, actual: np.ndarray) -> np.ndarray:
    return np.maximum(0, 1 - np.abs(said - actual) / actual)


def _doubt(told: Told) -> float:
    """Standard error of the mean relative error."""
    return float(np.std(np.array(told.said) / told.actual) / np.sqrt(len(told.said)))
