"""What will be signed by a day: from the deals that are open, from those still to be created, and from the past.

Bottom-up, every open deal counts with its chance of being won in time, and deals like those that were
created lately keep coming. Top-down, the same share of the open pipeline is won as in the last four spans
of that length, or as much is signed as in them. No method sees anything that was not known on the day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cadran.stats.forecast import Gamma, accuracy_of, land, least_relative, scale_of, weights_of
from cadran.stats.passage import Lift
from cadran.stats.stays import LOST, OPEN, WEEK, Stays
from cadran.stats.win_hazard import STEPS, fit_hazard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from cadran.stats.forecast import Accuracy, Landing
    from cadran.stats.stays import Array, Whole
    from cadran.stats.win_hazard import WinHazard

    #: Learns chances from stays as known on a day.
    Fit = Callable[[Stays, float], "Chances | None"]

#: Days of creations that tell which deals are still to come, and profiles taken of them at most.
RECENT_DAYS, MOST_PROFILES = 182.0, 400
#: Days in a year, days around a week in which the deals of past years tell its season, and how far seasons move the
#: deals that are created, beforehand and at most, in logarithms.
YEAR, AROUND, SEASON, MOST_SEASON = 365.25, 45.5, 0.15, 0.4
#: Deals followed together, which bounds the memory that it takes.
BLOCK = 4096
#: Past spans whose yield and whose amount the top-down methods take the mean of.
SPANS = 4
#: Relative variance of what the deals bring, for one win learnt from: that many wins divide it.
DOUBT = 2.0
#: Methods, and the weight of each before anything is known of its errors.
METHODS, PRIOR = ("bottom_up", "past_yield", "past_mean"), (0.96, 0.02, 0.02)


class Chances(Protocol):
    """What tells the chance of every deal."""

    @property
    def since(self) -> float:
        """Day since which it was learnt."""

    def by_week(self, deals: Stays, day: float, days: float) -> Array:
        """Chance that each deal is won in each week, or part of one, of the days after a day; shape (n, weeks)."""


@dataclass(frozen=True)
class Hazards:
    """Chances by the way through the stages; see `win_hazard`.

    Attributes:
        hazard: What was learnt.
        lift: For a stage that would be another: its place, and the logarithm of what the odds of going on from it
            would be multiplied by; None otherwise.
    """

    hazard: WinHazard
    lift: tuple[int, float] | None = None

    @staticmethod
    def of(stays: Stays, day: float) -> Hazards | None:
        """What can be learnt on a day; None where no deal was won and lost yet."""
        known = stays.known_at(day)
        is_won = known.to == known.won
        if not is_won.any() or not (known.to == LOST).any():
            return None
        return Hazards(fit_hazard(known, day, steps=STEPS))

    @property
    def since(self) -> float:
        """See `Chances`."""
        return self.hazard.since

    def what_if(self, stage: int, log_odds: float) -> Hazards:
        """The same company, had one stage another conversion: the odds of going on from it, ever, are multiplied.

        It says what the arithmetic of the pipeline gives, not what an action causes. Deals that go on take as long as
        those that go on today; deals that are in the stage already keep their chances there, since what a stage
        lets through is told of the deals that enter it.

        Args:
            stage: Place of the stage.
            log_odds: Logarithm of what the odds are multiplied by.
        """
        return replace(self, lift=(stage, log_odds))

    def by_week(self, deals: Stays, day: float, days: float) -> Array:
        """See `Chances`."""
        shares = _parts_of_weeks(days)
        # the last week may be cut by the end of a quarter: what counts is where its own part lies
        starts = day + WEEK * np.arange(shares.size, dtype=np.float64)
        calendar, n = self.hazard.calendar_at(starts, np.asarray(WEEK * shares, dtype=np.float64)), deals.deal.size
        ended, found = self.hazard.ended(day, starts), np.zeros((n, shares.size))
        for start in range(0, n, BLOCK):
            rows = np.arange(start, min(start + BLOCK, n))
            part = deals.chosen(rows)
            lift = Lift(*self.lift, part.entered >= day) if self.lift else None
            found[rows] = self.hazard.passage(part, day).by_week(calendar, ended, lift) * shares
        return found


@dataclass(frozen=True)
class Book:
    """The deals of a company, as known on a day. Time is in days, as in `Stays`.

    Attributes:
        day: Until when they are known: everything before it, nothing from it on.
        stays: Their stays in stages; ``stays.deal`` is the place of the deal in the arrays below.
        amount: Shape (deals,), base currency; NaN where unknown.
        created: Shape (deals,).
        closed: Shape (deals,), infinite while open.
        won: Shape (deals,), true for deals that were won.
    """

    day: float
    stays: Stays
    amount: Array
    created: Array
    closed: Array
    won: NDArray[np.bool_]

    def signed(self, start: float, end: float) -> float:
        """Amount won from one day until before another."""
        return float(np.nansum(self.amount[self.won & (self.closed >= start) & (self.closed < end)]))

    def open_amount(self, day: float) -> float:
        """Amount of the deals that were open on a day."""
        return float(np.nansum(self.amount[(self.created <= day) & (self.closed > day)]))

    def known_at(self, day: float) -> Book:
        """What was known on an earlier day of when deals were created, moved and closed; amounts as they are now."""
        closed = np.where(self.closed <= day, self.closed, np.inf)
        won = self.won & np.isfinite(closed)
        # deals that were not created yet have no stay and no end; their creation lies ahead
        return replace(self, day=day, stays=self.stays.known_at(day), closed=closed, won=won)

    def amounts(self) -> Array:
        """Amounts, with the median of the known ones where unknown: 0 when none is."""
        known = self.amount[np.isfinite(self.amount)]
        return np.where(np.isfinite(self.amount), self.amount, np.median(known) if known.size else 0.0)


@dataclass(frozen=True)
class Expected:
    """What deals bring by a day, one line each; a deal may have a line as open and one as a profile of new ones.

    Attributes:
        deal: Shape (n,), place of the deal in the book.
        is_new: Shape (n,), true where deals like this one are still to be created.
        value: Shape (n,), expected amount.
        variance: Shape (n,), variance of the amount.
        doubt: Standard deviation, relative to all, of the chances themselves, learnt from so many wins.
    """

    deal: Whole
    is_new: NDArray[np.bool_]
    value: Array
    variance: Array
    doubt: float = 0.0

    @property
    def total(self) -> float:
        """Expected amount of all."""
        return float(self.value.sum())

    @property
    def spread(self) -> float:
        """Standard deviation of the amount of all: every deal on its own, and all of them by their chances."""
        return float(np.hypot(np.sqrt(self.variance.sum()), self.doubt * self.total))


def expect(model: Chances, book: Book, days: float) -> Expected:
    """What the open deals and those still to be created bring in the days ahead.

    Args:
        model: Chances, learnt from what was known on the day of the book.
        book: Deals as known then.
        days: Length of the span, at least 0.
    """
    amount = book.amounts()
    still = book.stays.open_at(book.day)
    chance = model.by_week(still, book.day, days).sum(axis=1)
    worth = amount[still.deal]
    profiles, a_week, own = _profiles(book, amount)
    wins = np.zeros(profiles.deal.size)
    season = _season(book, days)
    for week, share in enumerate(_parts_of_weeks(days).tolist()):
        # deals of a week come in its middle, on average
        start = WEEK * (week + share / 2)
        day = np.full(profiles.deal.size, book.day + start)
        later = model.by_week(replace(profiles, entered=day, began=day), book.day + start, days - start)
        wins += a_week * season[week] * share * later.sum(axis=1)
    n_wins = int((book.won & (book.closed > model.since) & (book.closed <= book.day)).sum())
    return Expected(
        deal=np.concatenate([still.deal, profiles.deal]),
        is_new=np.arange(still.deal.size + profiles.deal.size) >= still.deal.size,
        value=np.concatenate([chance * worth, wins * own]),
        variance=np.concatenate([chance * (1 - chance) * worth**2, wins * own**2]),
        doubt=float(np.sqrt(DOUBT / max(n_wins, 1))),
    )


def top_down(book: Book, days: float, cycle: float) -> tuple[float, float]:
    """What the last four spans of that length say: by the yield of the open pipeline, and by the amount signed.

    Args:
        book: Deals as known.
        days: Length of the span ahead.
        cycle: Days from one span to the one before it, such as those of a quarter; at least `days`.

    Returns:
        Two amounts; NaN for the one that has no past to rest on.
    """
    first = float(book.created.min()) if book.created.size else book.day
    starts = [book.day - cycle * k for k in range(1, SPANS + 1) if book.day - cycle * k >= first]
    if not starts:
        return float("nan"), float("nan")
    signed = [book.signed(start, start + days) for start in starts]
    before = [book.open_amount(start) for start in starts]
    ratios = [amount / pipeline for amount, pipeline in zip(signed, before, strict=True) if pipeline > 0]
    by_yield = book.open_amount(book.day) * float(np.mean(ratios)) if ratios else float("nan")
    return by_yield, float(np.mean(signed))


@dataclass(frozen=True)
class Past:
    """Forecasts as they would have been made on past days, each with what was known then.

    Attributes:
        forecasts: Shape (n, methods), NaN where a method had nothing to rest on.
        actual: Shape (n,), what was signed.
        naive: Shape (n,), what the span before it had signed.
    """

    forecasts: Array
    actual: Array
    naive: Array


@dataclass(frozen=True)
class Bookings:
    """What will be signed in a span.

    Attributes:
        landing: All methods together, with the band; of what is still to be signed.
        methods: Amount by method; NaN where it has nothing to rest on.
        weights: Weight of each.
        expected: The bottom-up forecast, deal by deal.
        past: Past forecasts of the same length.
        said: Shape (n,), what would have been told on those days, with today's weights.
    """

    landing: Landing
    methods: Mapping[str, float]
    weights: Mapping[str, float]
    expected: Expected
    past: Past
    said: Array

    @property
    def accuracy(self) -> Accuracy:
        """How right the past forecasts were, beside the span before."""
        return accuracy_of(self.said, self.past.actual, self.past.naive)


def forecast(
    book: Book, earlier: Sequence[Book], fit: Fit, days: float, cycle: float, *, over: float = 0.0
) -> Bookings:
    """What will be signed in the days ahead.

    Args:
        book: Deals as known today.
        earlier: Deals as known on past days, from each of which `days` have passed by today; in any order.
        fit: Learns chances from stays as known on a day.
        days: Length of the span ahead, at least 0.
        cycle: Days from one span to the one before it; see `top_down`.
        over: Days of the whole period that are over today: what they signed is part of what errors are relative to.

    Returns:
        The forecast. What is told is `least_relative`, which is under the mean that methods and deals say.
    """
    expected, now = _told(book, fit, days, cycle)
    before = [(each, *_told(each, fit, days, cycle)) for each in earlier]
    past = Past(
        forecasts=np.array([said for _, _, said in before]).reshape(-1, len(METHODS)),
        actual=np.array([book.signed(each.day, each.day + days) for each in earlier]),
        naive=np.array([each.signed(each.day - days, each.day) for each in earlier]),
    )
    prior = np.where(np.isfinite(now), PRIOR, 0.0)
    weights = weights_of(past.forecasts, past.actual, prior)
    law = Gamma(float(np.nan_to_num(now) @ weights), expected.spread)
    laws = [Gamma(float(np.nan_to_num(said) @ weights), each.spread) for _, each, said in before]
    errors = [law.score(actual) for law, actual in zip(laws, past.actual.tolist(), strict=True) if law.spread > 0]
    days_over = [each.signed(each.day - over, each.day) for each in (*earlier, book)]
    scale = scale_of(errors)
    said = [
        least_relative(each.mean, scale * each.spread, done) for each, done in zip((*laws, law), days_over, strict=True)
    ]
    landing = land(law, errors, value=said[-1])
    named = [dict(zip(METHODS, map(float, values), strict=True)) for values in (now, weights)]
    return Bookings(landing, named[0], named[1], expected, past, np.array(said[:-1]))


def _told(book: Book, fit: Fit, days: float, cycle: float) -> tuple[Expected, Array]:
    model = fit(book.stays, book.day)
    above = top_down(book, days, cycle)
    if model is None:
        none = np.zeros(0)
        return Expected(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool), none, none), np.array([np.nan, *above])
    expected = expect(model, book, days)
    return expected, np.array([expected.total, *above])


def needed_pipeline(expected: Expected, amounts: Array, goal: float) -> float | None:
    """Open pipeline that reaches a goal at the company's own chances, over the goal: its own needed coverage.

    Args:
        expected: What open deals and new ones bring.
        amounts: Shape (deals,), amounts of the book.
        goal: Amount that is still to be signed, above 0.

    Returns:
        Pipeline needed for each unit of the goal, at least 0; None where the open deals bring nothing.
    """
    is_open = ~expected.is_new
    pipeline = float(amounts[expected.deal[is_open]].sum())
    brought = float(expected.value[is_open].sum())
    if brought <= 0 or goal <= 0:
        return None
    rest = max(goal - float(expected.value[expected.is_new].sum()), 0.0)
    return rest / (brought / pipeline) / goal


def _parts_of_weeks(days: float) -> Array:
    """The share of each week that lies within some days, shape (weeks,): above 0, and 1 but for the last."""
    length = days / WEEK
    weeks = np.arange(max(int(np.ceil(length - 1e-9)), 0), dtype=np.float64)
    return np.asarray(np.clip(length - weeks, 0, 1))


def _season(book: Book, days: float) -> Array:
    """How many deals come in each week ahead for one of late, by the season alone: shape (weeks,).

    Past years tell it, by what came around that week and in the half-year before; growth from year to year is taken
    out of both, since nothing says that it goes on. Few deals tell little.
    """
    middle = WEEK * (np.arange(_parts_of_weeks(days).size) + 0.5)
    created = np.sort(book.created[book.created <= book.day])
    n_years = int((book.day - float(created[0]) - RECENT_DAYS) // YEAR) if created.size else 0
    if n_years < 1:
        return np.ones(middle.size)

    def number(until: Array, length: float) -> Array:
        first, last = (np.searchsorted(created, each, "right") for each in (until - length, until))
        return np.asarray(last - first, dtype=np.float64)

    before = book.day - YEAR * np.arange(1, n_years + 1, dtype=np.float64)
    ahead = number(before[:, None] + middle + AROUND, 2 * AROUND).sum(axis=0) + 1
    late = float(number(before, RECENT_DAYS).sum()) + 1
    lag = (middle + RECENT_DAYS / 2) / YEAR
    growth = (float(number(np.array([book.day]), RECENT_DAYS)[0]) + 1) / (float(number(before[:1], RECENT_DAYS)[0]) + 1)
    seen = np.log(ahead / (2 * AROUND) / (late / RECENT_DAYS)) - lag * np.log(growth)
    weight = SEASON**2 / (SEASON**2 + 1 / ahead + 1 / late)
    # of a week nearly a year ahead, not all that surrounded it a year ago is over
    weight *= middle + AROUND <= YEAR
    return np.asarray(np.exp(np.clip(weight * seen, -MOST_SEASON, MOST_SEASON)))


def _profiles(book: Book, amount: Array) -> tuple[Stays, Array, Array]:
    """The first stay of deals created lately, as if it began now, how many of each come a week, and what each is worth.

    As many deals of every size as came, so that no lot is drawn; each is worth as much as those that it stands for.
    """
    stays = book.stays
    order = np.lexsort((stays.entered, stays.deal))
    is_first = np.ones(order.size, dtype=bool)
    is_first[1:] = stays.deal[order][1:] != stays.deal[order][:-1]
    first = order[is_first]
    created = book.created[stays.deal[first]]
    recent = first[(created > book.day - RECENT_DAYS) & (created <= book.day)]
    if not recent.size:
        return stays.chosen(recent), np.zeros(0), np.zeros(0)
    worth = amount[stays.deal[recent]]
    alike = np.array_split(np.argsort(worth, kind="stable"), min(recent.size, MOST_PROFILES))
    taken = np.array([some[some.size // 2] for some in alike])
    span = min(RECENT_DAYS, max(book.day - float(book.created.min()), WEEK))
    a_week = np.array([some.size for some in alike]) / (span / WEEK)
    found = stays.chosen(recent[taken])
    fresh = replace(
        found,
        entered=np.full(taken.size, book.day),
        began=np.full(taken.size, book.day),
        left=np.full(taken.size, np.inf),
        to=np.full(taken.size, OPEN, dtype=np.int64),
        touched=(np.zeros(0, dtype=np.int64), np.zeros(0)),
    )
    return fresh, a_week, np.array([worth[some].mean() for some in alike])
