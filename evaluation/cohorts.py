"""Expected conversion of young cohorts, by their age, beside what most tools show.

Each month's cohort is read when it is so many days old, from what was known on that day, and set against what it came
to once every case was over. The estimator is the one of the KPIs: outcomes seen, and for what is open the chance that
the cases of the last year had from that age on.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cadran.engine.outcomes import PAST_DAYS
from cadran.stats.conversion import Ages, conversion
from evaluation.line import Line
from evaluation.worlds.pipeline import book_of, draw, shared_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from evaluation.worlds.pipeline import Book

AGES, MONTH, LIMIT = (30, 60, 90, 120, 180), 30, 0.005
PUBLISHED, COMPANIES, OWN = 400, 60, 1200
#: What is known on each day of reading, of companies with deals: their first years only teach.
READ_ON = np.arange(600, 941, 34)


class Cases(NamedTuple):
    """Cases of a world, shape (n,) each: the day of entry, whether each converts, and the day on which it is over."""

    entered: np.ndarray
    converts: np.ndarray
    over: np.ndarray


@dataclass
class Errors:
    """Errors of three estimates, and whether intervals held the truth, cohort by cohort."""

    expected: list[float] = field(default_factory=list)
    closed: list[float] = field(default_factory=list)
    created: list[float] = field(default_factory=list)
    held: list[bool] = field(default_factory=list)
    cases: list[int] = field(default_factory=list)

    def bias(self, name: str) -> float:
        """Mean error of one estimate, every case counting alike."""
        return float(np.average(getattr(self, name), weights=self.cases))

    def chance(self) -> float:
        """Standard error of the bias."""
        weight = np.array(self.cases) / np.sum(self.cases)
        return float(np.sqrt(np.sum(weight**2 * np.array(self.expected) ** 2)))


def evaluate(seed: int, shared: Path | None) -> list[Line]:
    """Bias by age on the published cohorts, on deals of the shared simulator, and on worlds drawn here."""
    lines = []
    if shared is not None:
        cohorts = _published(shared)
        for where, first in (("published cohorts", 0), ("published cohorts, other seeds", seed)):
            worlds = map(cohorts, range(first, first + PUBLISHED))
            lines += _lines(where, _read(worlds, [360], 120), LIMIT)
        simulate = shared_simulator(shared).simulate
        for where, drift, limit in (("", False, LIMIT), (", whose chances fall all the time", True, None)):
            books = (book_of(simulate(seed + each, days=1300, per_day=3.0, drift=drift)) for each in range(COMPANIES))
            lines += _lines(f"deals of the shared simulator{where}", _read(map(_deals, books), READ_ON, 360), limit)
    drawn = (_deals(draw(seed + each, 3.0)) for each in range(COMPANIES))
    lines += _lines("deals drawn here", _read(drawn, READ_ON, 360), LIMIT)
    return [*lines, *_lines("cohorts drawn here", _read((_own(seed + each) for each in range(OWN)), [720], 240), LIMIT)]


def _read(worlds: Iterable[Cases], days: Iterable[int], horizon: int) -> dict[int, Errors]:
    """Every month's cohort of some worlds on some days, by its age in days."""
    found = {age: Errors() for age in AGES}
    for world in worlds:
        for day in days:
            known = _known(world, int(day))
            for age, errors in found.items():
                _tell(errors, world, known, age, horizon)
    return found


class Known(NamedTuple):
    """What was known on a day: for each case its age and state then (1 converted, 2 over, 0 open), and the past."""

    day: int
    seen: np.ndarray
    state: np.ndarray
    past: Ages


def _known(world: Cases, day: int) -> Known:
    """What was known of a world at the end of the day before one."""
    watched, exits = day - 1 - world.entered, world.over - world.entered
    is_over = exits <= watched
    state = np.where(is_over, np.where(world.converts, 1, 2), 0)
    seen = np.where(is_over, exits, watched)
    joins = np.maximum(0, day - PAST_DAYS - world.entered)
    pool = (watched >= 0) & (seen >= joins)
    return Known(day, seen, state, _ages(seen[pool], state[pool], joins[pool]))


def _tell(errors: Errors, world: Cases, known: Known, age: int, horizon: int) -> None:
    """Set the cohort whose first day lies so many days back against what it came to."""
    first = known.day - age
    mine = (world.entered >= first) & (world.entered < first + MONTH)
    if not mine.any():
        return
    found = conversion(_ages(known.seen[mine], known.state[mine]), known.past, horizon=horizon)
    if found is None or found.expected is None or found.interval is None or found.of_closed is None:
        return
    truth = float((world.converts[mine] & (world.over[mine] - world.entered[mine] <= horizon)).mean())
    errors.expected.append(found.expected - truth)
    errors.closed.append(found.of_closed - truth)
    errors.created.append(found.of_created - truth)
    errors.held.append(found.interval.holds(truth))
    errors.cases.append(int(mine.sum()))


def _ages(seen: np.ndarray, state: np.ndarray, joins: np.ndarray | None = None) -> Ages:
    joins = np.zeros(seen.size) if joins is None else joins
    size = int(max(seen.max(initial=0), joins.max(initial=0))) + 1
    counts = [
        np.bincount(each.astype(np.int64), minlength=size).tolist()
        for each in (seen[state == 1], seen[state == 2], seen[state == 0], joins)
    ]
    return Ages(tuple(range(size)), *(tuple(each) for each in counts))


def _published(shared: Path) -> Callable[[int], Cases]:
    """The cohorts of the published comparison by seed, drawn by its own function, read in place."""
    path = shared / "simulators" / "censor" / "censor.py"
    body = ast.parse(path.read_text(encoding="utf-8")).body
    wanted = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == "cohort_sim"]
    names = {"np": np}
    exec(compile(ast.Module(wanted, []), str(path), "exec"), names)  # noqa: S102 - data of the comparison, read in place
    simulate: Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]] = names["cohort_sim"]  # type: ignore[assignment]

    def cohorts(seed: int) -> Cases:
        start, converts, lag = simulate(seed)
        return Cases(np.floor(start), converts, np.floor(start + lag))

    return cohorts


def _deals(book: Book) -> Cases:
    """Deals from their creation to their end."""
    return Cases(np.floor(book.created), book.won, np.floor(book.closed))


def _own(seed: int) -> Cases:
    """Cohorts unlike the published ones: gamma waits, and a conversion that goes up and down."""
    rng = np.random.default_rng([50, seed])
    start = np.sort(rng.uniform(0, 720, 2400))
    converts = rng.random(start.size) < 0.22 + 0.05 * np.sin(start / 60 + rng.uniform(0, 2 * np.pi))
    lag = np.where(converts, rng.gamma(2.5, 22, start.size), rng.gamma(1.6, 45, start.size))
    return Cases(np.floor(start), converts, np.floor(start + lag))


def _lines(where: str, found: dict[int, Errors], limit: float | None) -> list[Line]:
    lines = []
    for age, errors in found.items():
        note = (
            f"{len(errors.cases)} cohorts of {np.mean(errors.cases):.0f}, ± {errors.chance():.4f} by chance; "
            f"baseline: won over closed; won over created {errors.bias('created'):+.3f}; "
            f"95 % intervals held {np.mean(errors.held):.3f} of what came true"
        )
        name = f"bias of a month's conversion, {age} days after it began, {where}"
        bounds: Any = (-limit, limit) if limit else None
        way: Any = "between" if limit else "shown"
        lines.append(Line(name, errors.bias("expected"), errors.bias("closed"), bounds, way, note))
    return lines
