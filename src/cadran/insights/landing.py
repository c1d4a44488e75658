"""Where bookings land: what is booked, what open and coming deals bring, what people say, and whether a goal is met.

Past forecasts, each made with what was known then, say how far off this one may be. Parts by segment and by
owner sum to the whole, to the cent.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from cadran.engine.deals import DealQuery
from cadran.insights.deal_stays import days_since_1970, flags_of, floats_of, pipelines_of
from cadran.insights.open_deals import quarter_ends
from cadran.period import Period, as_utc, local_day, midnight_utc
from cadran.stats.bookings import Book, Hazards, forecast, needed_pipeline
from cadran.stats.forecast import Accuracy, reconciled
from cadran.stats.stays import Stays

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    import pyarrow as pa

    from cadran.engine.deals import DealResult
    from cadran.period import Calendar
    from cadran.stats.bookings import Bookings
    from cadran.stats.stays import Array, Whole

    Read = Callable[[DealQuery], DealResult]

#: Past days on which the same forecast is made again, one a month.
PAST, MONTH = 9, 30
#: Fewest days of deals before a past day from which one may forecast.
HISTORY = 270
#: How the whole is broken down.
BY = ("segment", "owner")
CENT, ZERO = Decimal("0.01"), Decimal(0)


@dataclass(frozen=True)
class Part:
    """What one segment or owner brings; `value` is both together."""

    by: str
    name: str | None
    booked: Decimal
    expected: Decimal
    value: Decimal


@dataclass(frozen=True)
class Said:
    """What people forecast of the period: the sum of one kind of forecast, as known at a horizon."""

    forecast_type: str
    horizon: str
    amount: Decimal
    n: int


@dataclass(frozen=True)
class Goal:
    """Whether an amount is reached.

    Attributes:
        amount: Goal of the whole period.
        chance: Chance of reaching it, in [0, 1].
        coverage: Open pipeline over what is still to be signed; None when the goal is reached.
        needed_coverage: The same, as the company's own chances of winning would need; None when unknown.
    """

    amount: Decimal
    chance: float
    coverage: float | None
    needed_coverage: float | None


@dataclass(frozen=True)
class Outlook:
    """Where the bookings of a period land.

    Attributes:
        start: First day of the period.
        end: First day after it.
        as_of: Instant up to which the data was known.
        currency: Base currency.
        booked: Signed so far.
        value: Where it lands: under the mean where chance is large, see `forecast.least_relative`.
        mean: Mean of what may come.
        low: Lower edge of the band, never under `booked`.
        high: Upper edge.
        level: Coverage of the band.
        is_checked: True when enough past forecasts say how wide it must be.
        n_open: Deals that are open.
        open_amount: Their amount.
        from_open: What they are expected to bring in the period, before all methods are put together.
        from_new: What deals that are not created yet are.
        methods: What each method says of the whole period; None where it has nothing to rest on.
        weights: Weight of each method, by how it did.
        parts: By segment and by owner; those of each sum to `booked` and to `value`.
        said: What people forecast.
        goal: Whether a goal is reached, or None without one.
        accuracy: How right the same forecast was on past days, for as many days ahead.
        reason: Why there is no forecast, as an English template; empty when there is one.
    """

    start: date
    end: date
    as_of: datetime
    currency: str
    booked: Decimal
    value: Decimal | None = None
    mean: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    level: float = 0.8
    is_checked: bool = False
    n_open: int = 0
    open_amount: Decimal = ZERO
    from_open: Decimal = ZERO
    from_new: Decimal = ZERO
    methods: dict[str, Decimal | None] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    said: tuple[Said, ...] = ()
    goal: Goal | None = None
    accuracy: Accuracy | None = None
    reason: str = ""


@dataclass(frozen=True)
class Ahead:
    """A forecast that is being made.

    Attributes:
        read: What gives deals as known on a day.
        calendar: Calendar of the company.
        zone: Zone in which days are cut.
        goal: Amount to reach in the period, or None.
        as_known: Read every past day as it was known then, amounts included, which takes as long each time; else
            only when deals were created, moved and closed is taken as of that day.
    """

    read: Read
    calendar: Calendar
    zone: ZoneInfo
    goal: Decimal | None = None
    as_known: bool = False

    def outlook(self, query: DealQuery, period: Period, said: pa.Table) -> Outlook:
        """Where the bookings of a period land that is not over.

        Args:
            query: Which deals, and as known when.
            period: The period; what it has had so far is booked.
            said: What people forecast; see `submissions`.
        """
        found = self.read(query)
        book, end = book_of(found, self._closings(found)), self._number(period.end)
        known = book.day
        booked = book.signed(self._number(period.start), known)
        bare = Outlook(period.start, period.end, found.as_of, found.currency, _money(booked), said=_said(said, period))
        if not np.isfinite(book.created).any() or not (book.won & (book.closed <= known)).any():
            return _with(bare, reason="No deal was won yet: there is nothing to forecast from.")
        days = max(end - known, 0.0)
        earlier = self._earlier(query, found, book, days)
        over = max(known - self._number(period.start), 0.0)
        told = forecast(book, earlier, Hazards.of, days, float(period.days), over=over)
        if not sum(told.weights.values()) or not np.isfinite(told.landing.value):
            return _with(bare, reason="Too little is known of past deals to forecast from them.")
        return self._filled(bare, book, told, found)

    def learnt(self, found: DealResult) -> tuple[Book, Hazards | None]:
        """The deals of an answer, and the chances that can be learnt from them; None where none was won and lost."""
        book = book_of(found, self._closings(found))
        return book, Hazards.of(book.stays, book.day) if book.stays.deal.size else None

    def _filled(self, bare: Outlook, book: Book, told: Bookings, found: DealResult) -> Outlook:
        amounts, still = book.amounts(), ~told.expected.is_new
        open_amount = float(amounts[told.expected.deal[still]].sum())
        parts, value = _parts(book, told, found, self._number(bare.start))
        landing, booked = told.landing, float(bare.booked)
        return _with(
            bare,
            value=value,
            mean=_money(booked + landing.law.mean),
            low=_money(booked + landing.band.low),
            high=_money(booked + landing.band.high),
            level=landing.band.level,
            is_checked=landing.is_checked,
            n_open=int(still.sum()),
            open_amount=_money(open_amount),
            from_open=_money(float(told.expected.value[still].sum())),
            from_new=_money(float(told.expected.value[~still].sum())),
            methods={name: _money(booked + each) if np.isfinite(each) else None for name, each in told.methods.items()},
            weights=dict(told.weights),
            parts=parts,
            goal=self._goal(booked, told, amounts, open_amount),
            accuracy=told.accuracy,
        )

    def _goal(self, booked: float, told: Bookings, amounts: Array, open_amount: float) -> Goal | None:
        if self.goal is None:
            return None
        rest = float(self.goal) - booked
        if rest <= 0:
            return Goal(self.goal, 1.0, None, None)
        needed = needed_pipeline(told.expected, amounts, rest)
        return Goal(self.goal, told.landing.chance(rest), open_amount / rest, needed)

    def _earlier(self, query: DealQuery, found: DealResult, book: Book, days: float) -> list[Book]:
        """Deals as known on past days, from each of which as many days have passed since."""
        today, first = local_day(found.as_of, self.zone), float(book.created.min())
        books = []
        for place in range(PAST):
            day = today - timedelta(days=int(np.ceil(days)) + MONTH * place)
            number = self._number(day)
            if number - first < HISTORY:
                break
            if self.as_known:
                then = self.read(DealQuery(query.where, day - timedelta(days=1)))
                books.append(book_of(then, self._closings(found), number))
            else:
                books.append(book.known_at(number))
        return books

    def _closings(self, found: DealResult) -> tuple[datetime, ...]:
        return quarter_ends(self.calendar, found.as_of, self.zone)

    def _number(self, day: date) -> float:
        return _day_number(midnight_utc(day, self.zone))


def book_of(found: DealResult, closings: tuple[datetime, ...], day: float | None = None) -> Book:
    """The deals of an answer as arrays, those of all pipelines together.

    Args:
        found: Deals and stays.
        closings: Ends of quarters, ascending.
        day: Days since 1970 until when they are looked at; as far as they are known without it.
    """
    ways = pipelines_of(found, closings)
    until, deals = ways.day if day is None else day, found.deals
    closed = np.where(flags_of(deals["is_closed"]), days_since_1970(deals["closed_at"]), np.inf)
    closed = np.where(closed <= until, closed, np.inf)
    won = flags_of(deals["is_won"]) & np.isfinite(closed)
    stays = together(ways.stays).known_at(until)
    return Book(until, stays, floats_of(deals["amount"]), days_since_1970(deals["created_at"]), closed, won)


def together(ways: Mapping[str, Stays]) -> Stays:
    """The stays of several pipelines as those of one whose stages are ``pipeline / stage``."""
    starts = np.cumsum([0, *(len(each.stages) for each in ways.values())]).tolist()
    if not ways:
        none = np.zeros(0)
        return Stays((), none.astype(np.int64), none.astype(np.int64), none, none, none, none.astype(np.int64))
    every = list(ways.values())

    def moved(each: Stays, start: int) -> Whole:
        onward = np.where(each.to >= 0, each.to + start, each.to)
        return np.asarray(np.where(each.to == each.won, starts[-1], onward))

    pairs = list(zip(every, starts, strict=False))
    return replace(
        every[0],
        stages=tuple(f"{name} / {stage}" for name, each in ways.items() for stage in each.stages),
        deal=np.concatenate([each.deal for each in every]),
        stage=np.concatenate([each.stage + start for each, start in pairs]),
        began=np.concatenate([each.began for each in every]),
        entered=np.concatenate([each.entered for each in every]),
        left=np.concatenate([each.left for each in every]),
        to=np.concatenate([moved(each, start) for each, start in pairs]),
        labels={name: np.concatenate([each.labels[name] for each in every]) for name in every[0].labels},
        numbers={name: np.concatenate([each.numbers[name] for each in every]) for name in every[0].numbers},
    )


def _parts(book: Book, told: Bookings, found: DealResult, start: float) -> tuple[tuple[Part, ...], Decimal]:
    """Cells of segment and owner that sum to the whole, told by each of the two; and the whole, to the cent."""
    names = list(zip(*(found.deals[name].to_pylist() for name in BY), strict=True))
    cells = sorted(set(names), key=lambda cell: tuple((name is None, name or "") for name in cell))
    place = {cell: at for at, cell in enumerate(cells)}
    of_deal: Whole = np.array([place[cell] for cell in names], dtype=np.int64)
    size, expected = len(cells), told.expected
    bottom, variance = (
        np.bincount(of_deal[expected.deal], each, size).astype(float) for each in (expected.value, expected.variance)
    )
    if not variance.sum():
        # nothing is known deal by deal: the rest is shared as what was signed so far
        bottom = variance = np.bincount(of_deal[book.won], np.nan_to_num(book.amount[book.won]), size).astype(float)
    rest = reconciled(max(told.landing.value, 0.0), bottom, variance)
    is_booked = book.won & (book.closed >= start)
    booked = np.bincount(of_deal[is_booked], np.nan_to_num(book.amount[is_booked]), size)
    money = [(_money(float(one)), _money(float(two))) for one, two in zip(booked, rest, strict=True)]
    parts = []
    for at, by in enumerate(BY):
        for name in dict.fromkeys(cell[at] for cell in cells):
            own = [each for cell, each in zip(cells, money, strict=True) if cell[at] == name]
            signed, more = (sum(column, ZERO) for column in zip(*own, strict=True))
            if signed or more:
                parts.append(Part(by, name, signed, more, signed + more))
    return tuple(parts), sum((one + two for one, two in money), ZERO)


def _said(said: pa.Table, period: Period) -> tuple[Said, ...]:
    return tuple(
        Said(row["forecast_type"], row["horizon"], Decimal(row["amount"] or 0).quantize(CENT), row["n"])
        for row in said.to_pylist()
        if (row["start_on"], row["end_on"]) == (period.start, period.end)
    )


def _with(bare: Outlook, **values: Any) -> Outlook:
    return Outlook(**{**{name: getattr(bare, name) for name in bare.__dataclass_fields__}, **values})


def _money(value: float) -> Decimal:
    return Decimal(str(round(value, 2))).quantize(CENT)


def _day_number(moment: datetime) -> float:
    return as_utc(moment).timestamp() / 86400


def parts_by(parts: Sequence[Part], by: str) -> list[Part]:
    """The parts of one breakdown, the largest first."""
    return sorted((part for part in parts if part.by == by), key=lambda part: -part.value)
