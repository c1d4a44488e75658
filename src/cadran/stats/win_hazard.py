"""The chance of winning a deal by going through the stages week by week.

In every week of a stay a deal leaves its stage or not, and when it leaves it goes on or is lost: two
regressions, on the stage, the weeks already spent there, what describes the deal, the touches of the
last four weeks and the end of the quarter: of the one that comes and, where `STEPS` are learnt, of one that
the stay has passed. Only what was known on the day of learning is learnt from.

References:
    Allison (1982), Discrete-time methods for the analysis of event histories; Tutz and Schmid, Modeling
    Discrete Time-to-Event Data (2016), chapter 8 on competing risks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from cadran.stats.encoding import Encoding, one_hot
from cadran.stats.logit import DOUBT_OF_CHANCES, Logit, fit_logit
from cadran.stats.passage import Passage, Side
from cadran.stats.stays import BUCKETS, LOST, WEEK, bucket, closing_share, part_before, weeks_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cadran.stats.stays import Array, Stays, Weeks, Whole

#: Days of the past that are learnt from: the first, or as far back as `ENOUGH_STAYS` lie, at most the second.
WINDOW_DAYS, MOST_WINDOW_DAYS, ENOUGH_STAYS = 540.0, 1080.0, 6000
#: Stays that are learnt from at most: the newest ones.
MOST_STAYS = 40_000
#: Spread of the general level, which is not learnt: a company with one decided deal knows little.
LEVEL_SPREAD = 1.5
#: Spread of how far the level moves in a year, beforehand. Chances are told at the level of the day of learning.
TREND_SPREAD, YEAR = 0.1, 365.0
#: What the end of a quarter does by stage and weeks spent in it: to every stay; by the part of a stay that lies before
#: an end that is over, at any time; and by that part at the next end. Each stage shrinks on its own: the hurry is often
#: in one alone.
ENDS = ("hurry", "passed", "again")
#: Weeks of a stay from which on what the end of a quarter does may be another: who waits for it gathers in that time,
#: and nobody has in the first week.
STEPS = np.array([1, 3, 8])
#: The same where they are not learnt: for the chance of ever being won, which no end of a quarter changes.
NO_STEPS = STEPS[:0]
#: Logarithm of the weeks spent in a stage, by bucket, from a month on, and its square: the curve on which chances age
#: in every stage, and what figures tilt (a large deal takes longer). Single buckets differ from it as far as they tell;
#: where few deals grew old, it says what becomes of them. Learnt with `STEPS`, for when deals are won: whether they
#: ever are, it tells no better.
_AGE = np.log(np.append((BUCKETS[:-1] + BUCKETS[1:]) / 2, 4 / 3 * BUCKETS[-1]) / 3.5)
CURVE, CURVE_SPREAD = np.column_stack([_AGE, _AGE**2]), 0.5
#: Cases that the next stage is worth beforehand as the place where a deal goes on to.
NEXT_CASES = 2.0
#: Cases that leaving at any time of the first week alike is worth beforehand.
EARLY_CASES = 5.0


@dataclass(frozen=True)
class WinHazard:
    """What is learnt of a company's deals.

    Attributes:
        stages: Names of the stages, in order.
        encoding: What describes a deal.
        leaves: Whether a deal leaves its stage in a week.
        goes_on: Whether a deal that leaves goes on, rather than being lost.
        onward: Shape (n_stages, n_stages + 1), where a deal that goes on goes to; the last column is won.
        offsets: Shape (n_stages,), added to the logit of going on since the conversion of a stage broke.
        means: Mean of the touches and of the quarter's end over the weeks learnt from.
        usual: Shape (n_stages, n_buckets), part of the stay that lay before the last end of a quarter, in those weeks.
        early: Shape (n_stages,), see `Passage`.
        closings: Days on which a quarter ends.
        steps: See `STEPS`.
        since: Day since which it was learnt.
        n_stays: Stays that were over, of those learnt from.
    """

    stages: tuple[str, ...]
    encoding: Encoding
    leaves: Logit
    goes_on: Logit
    onward: Array
    offsets: Array
    means: tuple[float, float]
    usual: Array
    early: Array
    closings: Array
    steps: Whole
    since: float
    n_stays: int

    def passage(self, deals: Stays, day: float, *, without: str = "") -> Passage:
        """The way of each deal through the stages from a day on, as if one thing were as usual.

        Args:
            deals: Stays that last on the day.
            day: Today.
            without: Label or figure that has no effect, ``touches``, or ``time``: just entered; empty for none.
        """
        touches = deals.touches(np.arange(deals.deal.size), np.full(deals.deal.size, day)) - self.means[0]
        touches *= without != "touches"
        clock = np.floor(np.maximum(day - deals.entered, 0) / WEEK + 0.5).astype(np.int64) * (without != "time")
        leaves = self._side(self.leaves.coefficients, deals, touches, without)
        goes_on = self._side(self.goes_on.coefficients, deals, touches, without)
        goes_on = replace(goes_on, base=goes_on.base + self.offsets[:, None])
        before = part_before(deals.entered, np.full(deals.deal.size, day), self.closings) * clock
        return Passage(deals.stage, clock, before, leaves, goes_on, self.onward, self.early)

    def calendar_at(self, days: Array, length: Array | float = WEEK) -> Array:
        """How far the week, or another length, that begins on each day is at the end of a quarter, from the usual."""
        return np.asarray(closing_share(days, self.closings, length) - self.means[1])

    def ended(self, day: float, days: Array) -> Whole:
        """Quarters that ended from a day to others."""
        return np.searchsorted(self.closings, days, "right") - np.searchsorted(self.closings, day, "right")

    def drawn(self, rng: np.random.Generator) -> WinHazard:
        """The same as it may also be, given the data."""
        leaves, goes_on = (replace(fit, coefficients=fit.drawn(rng)) for fit in (self.leaves, self.goes_on))
        return replace(self, leaves=leaves, goes_on=goes_on)

    def with_offsets(self, offsets: Array) -> WinHazard:
        """The same with another shift of each stage's conversion."""
        return replace(self, offsets=offsets)

    def _side(self, coefficients: Array, deals: Stays, touches: Array, without: str) -> Side:
        """One of the two regressions, told for some deals."""
        n = len(self.stages)
        part, reached = groups(n, self.steps.size, len(self.encoding.centres)), _reached(BUCKETS, self.steps)
        base, curve = coefficients[part["level"]] + coefficients[part["stage"]], _curve(self.steps.size)
        weekly = coefficients[part["week"]].reshape(n, BUCKETS.size) + curve @ coefficients[part["curve"]]
        effects = self.encoding.effects(deals, coefficients[part["rest"]])
        own = sum((effect for name, effect in effects.items() if name != without), np.zeros(deals.deal.size))
        own = np.repeat(own[:, None], BUCKETS.size, axis=1)
        figures = self.encoding.scaled(deals)
        paces = coefficients[part["pace"]].reshape(len(figures), curve.shape[1])
        for (name, values), pace in zip(figures.items(), paces, strict=True):
            if name != without:
                own += np.outer(values, curve @ pace)
        touch = coefficients[part["touch"]] * touches
        closing, *passed = (coefficients[part[name]].reshape(n, self.steps.size) @ reached.T for name in ENDS)
        if not self.steps.size:
            closing = closing + coefficients[part["closing"]][:, None]
        return Side(base[:, None] + weekly, own, closing, np.array(passed), self.usual, touch)


def fit_hazard(stays: Stays, day: float, *, steps: Whole = NO_STEPS) -> WinHazard:
    """The hazards of a company's deals.

    Args:
        stays: Stays; what happened after `day` is not looked at.
        day: Day of learning.
        steps: `STEPS` for when deals are won, by what the ends of quarters do; `NO_STEPS` for whether they are.
    """
    known = stays.known_at(day)
    since = _since(known, day)
    known = known.chosen(known.left > since)
    if known.deal.size > MOST_STAYS:
        known = known.chosen(np.sort(np.argsort(-known.entered, kind="stable")[:MOST_STAYS]))
    weeks = weeks_of(known, day, since)
    encoding = Encoding.of(known)
    touches, closing = known.touches(weeks.row, weeks.day), closing_share(weeks.day, known.closings)
    means = (float(touches.mean()), float(closing.mean())) if touches.size else (0.0, 0.0)
    passed, usual = _passed(known, weeks)
    beside = (touches - means[0], closing - means[1], (weeks.day - day) / YEAR, passed)
    design = _design(known, encoding, weeks, beside, steps)
    sizes = _sizes(encoding, len(known.stages), steps.size)
    fixed = {"level": LEVEL_SPREAD, "trend": TREND_SPREAD, "curve": CURVE_SPREAD}
    one = np.ones(weeks.row.size)
    leaves = fit_logit(design, weeks.leaves.astype(float), one, sizes, fixed, doubt=DOUBT_OF_CHANCES)
    ends = np.flatnonzero(weeks.leaves)
    went = (known.to[weeks.row[ends]] != LOST).astype(float)
    goes_on = fit_logit(design[ends], went, one[ends], sizes, fixed, doubt=DOUBT_OF_CHANCES)
    return WinHazard(
        known.stages,
        encoding,
        leaves,
        goes_on,
        _onward(known),
        np.zeros(len(known.stages)),
        means,
        usual,
        _early(known),
        known.closings,
        steps,
        since,
        int(np.isfinite(known.left).sum()),
    )


def _since(known: Stays, day: float) -> float:
    """Where the past that is learnt from begins: the less there is of it, the farther back."""
    left = np.sort(known.left)[::-1]
    enough = float(left[ENOUGH_STAYS - 1]) if left.size >= ENOUGH_STAYS else -np.inf
    return float(np.clip(enough, day - MOST_WINDOW_DAYS, day - WINDOW_DAYS))


def _passed(stays: Stays, weeks: Weeks) -> tuple[Array, Array]:
    """The part of each stay before the last end of a quarter, from the usual; and the usual, see `WinHazard`."""
    stage, place = stays.stage[weeks.row], bucket(weeks.clock)
    passed = part_before(stays.entered[weeks.row], weeks.day, stays.closings)
    n, usual = np.zeros((2, len(stays.stages), BUCKETS.size))
    np.add.at(n, (stage, place), 1.0)
    np.add.at(usual, (stage, place), passed)
    usual /= np.maximum(n, 1)
    return np.asarray(passed - usual[stage, place]), usual


def groups(n_stages: int, n_steps: int, n_figures: int) -> dict[str, slice]:
    """Columns of the parts that every model has, and where the rest starts."""
    n_bends = _curve(n_steps).shape[1]
    sizes = {
        "level": 1,
        "stage": n_stages,
        "week": n_stages * BUCKETS.size,
        "closing": 0 if n_steps else n_stages,
        "touch": 1,
        "trend": 1,
        "curve": n_bends,
        "pace": n_bends * n_figures,
        **dict.fromkeys(ENDS, n_stages * n_steps),
    }
    ends = np.cumsum([0, *sizes.values()]).tolist()
    found = {name: slice(start, end) for name, start, end in zip(sizes, ends, ends[1:], strict=False)}
    return found | {"rest": slice(ends[-1], None)}


def _sizes(encoding: Encoding, n_stages: int, n_steps: int) -> dict[str, slice]:
    """Columns of every group of coefficients."""
    found = groups(n_stages, n_steps, len(encoding.centres))
    start = found.pop("rest").start
    for name in ENDS:
        first = found.pop(name).start
        for stage in range(n_stages):
            found[f"{name} {stage}"] = slice(first + stage * n_steps, first + (stage + 1) * n_steps)
    for name, size in encoding.sizes.items():
        found[f"by {name}"] = slice(start, start + size)
        start += size
    return found


def _design(
    stays: Stays, encoding: Encoding, weeks: Weeks, beside: tuple[Array, ...], steps: Whole
) -> sparse.csr_matrix:
    """Columns of weeks; `beside` are touches, the end of the quarter, years to the day of learning, and ends passed."""
    touches, closing, trend, passed = beside
    n, size = len(stays.stages), weeks.row.size
    stage = stays.stage[weeks.row]
    own = encoding.columns(stays)[weeks.row]
    at_close = [] if steps.size else [sparse.csr_matrix((closing, (np.arange(size), stage)), shape=(size, n))]
    age = _curve(steps.size)[bucket(weeks.clock)]
    row, step = np.nonzero(_reached(weeks.clock, steps))
    cells = (row, stage[row] * steps.size + step)
    ends = [
        sparse.csr_matrix((each[row], cells), shape=(size, n * steps.size))
        for each in (closing, passed, passed * closing)
    ]
    parts = [
        sparse.csr_matrix(np.ones((size, 1))),
        one_hot(stage, n),
        one_hot(stage * BUCKETS.size + bucket(weeks.clock), n * BUCKETS.size),
        *at_close,
        sparse.csr_matrix(touches[:, None]),
        sparse.csr_matrix(trend[:, None]),
        sparse.csr_matrix(age),
        *(sparse.csr_matrix(values[weeks.row, None] * age) for values in encoding.scaled(stays).values()),
        *ends,
        own,
    ]
    return sparse.hstack(parts, format="csr")


def _curve(n_steps: int) -> Array:
    """Shape (n_buckets, 2), see `CURVE`; no column where it is not learnt."""
    return np.asarray(CURVE if n_steps else CURVE[:, :0])


def _reached(clock: Whole, steps: Whole) -> NDArray[np.bool_]:
    """Shape (n, steps), which of the steps a stay of so many weeks has reached."""
    return np.asarray(clock[:, None] >= steps)


def _early(stays: Stays) -> Array:
    """How early in their first week those leave that go on within it; see `Passage`."""
    n, time = len(stays.stages), (stays.left - stays.entered) / WEEK
    soon = (time < 1) & (stays.to >= 0)
    left = 2 * np.bincount(stays.stage[soon], 1 - time[soon], n) + EARLY_CASES
    return np.minimum(left / (np.bincount(stays.stage[soon], minlength=n) + EARLY_CASES), 1.0)


def _onward(stays: Stays) -> Array:
    """Where deals that go on from each stage go to: mostly the next one."""
    n = len(stays.stages)
    went = np.isfinite(stays.left) & (stays.to >= 0)
    counts = np.zeros((n, n + 1))
    np.add.at(counts, (stays.stage[went], stays.to[went]), 1.0)
    counts += NEXT_CASES * np.eye(n, n + 1, 1)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))
