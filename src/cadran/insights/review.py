"""The agenda of a review: what moved beyond noise or is off target, by money times certainty, five items at most."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from cadran.catalogue.driving import formula_of
from cadran.engine.query import KpiQuery
from cadran.errors import CadranError
from cadran.insights.effect import OWN_INTERVAL
from cadran.stats.contrast import certainty, contrast, rank_certainty

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.insights.change import Drivers
    from cadran.insights.reading import Reading, Readings
    from cadran.period import Calendar, Grain

    Ask = Callable[[Sequence[KpiQuery]], Sequence[Readings]]
    Explain = Callable[[KpiQuery], Drivers]

#: Most items of a review.
MOST = 5
#: Past changes with which the newest is compared, where a KPI has no interval.
PAST = 12
#: Certainty from which a change is more than noise: of an interval, and of a rank among `PAST` changes.
SURE, SURE_BY_RANK = 0.95, 0.9
GRAINS: dict[str, Grain] = {"daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter"}
Why = Literal["moved", "off_track", "moved_and_off_track"]
#: What brings an item to a review, in words.
WHY_SAID = {
    "moved": "moved beyond noise",
    "off_track": "off target",
    "moved_and_off_track": "moved beyond noise, off target",
}


@dataclass(frozen=True)
class Item:
    """What a review has to decide about.

    Attributes:
        reading: The newest whole period that can be relied on, compared with the one before.
        readings: The answer that it is part of.
        why: What brings it here.
        certainty: How sure it is that it is no chance, in 0..1.
        money: What is at stake over the period in the base currency, 0 or more; None where no arithmetic leads
            from the KPI to money.
        through: KPI by whose formula the money follows; empty for the KPI's own amount.
    """

    reading: Reading
    readings: Readings
    why: Why
    certainty: float
    money: Decimal | None = None
    through: str = ""

    @property
    def rank(self) -> tuple[bool, float, float]:
        """What has a price comes first, the largest money times certainty on top; then by certainty."""
        priced = self.money is not None
        return priced, float(self.money or 0) * self.certainty, self.certainty


@dataclass(frozen=True)
class Agenda:
    """What a review is prepared with.

    Attributes:
        items: At most `MOST`, the one with the most money times certainty first.
        n_more: Items that would have been there, had there been room.
        in_hand: KPIs that are off target and did not move, for which an action is open that is not overdue.
        quiet: KPIs that did not move beyond noise and are not off target.
        unclear: KPIs of which no recent period can be relied on, or that could not be asked.
    """

    items: tuple[Item, ...]
    n_more: int
    in_hand: tuple[str, ...]
    quiet: tuple[str, ...]
    unclear: tuple[str, ...]


@dataclass(frozen=True)
class Prepare:
    """How an agenda is prepared.

    Attributes:
        catalogue: Definitions.
        calendar: Calendar of the company.
        today: First day that is not wholly known.
        ask: What answers questions.
        explain: What tells why a KPI moved.
    """

    catalogue: Catalogue
    calendar: Calendar
    today: date
    ask: Ask
    explain: Explain

    def agenda(self, names: Sequence[str], in_hand: frozenset[str] = frozenset()) -> Agenda:
        """The agenda over these KPIs.

        Args:
            names: KPI ids.
            in_hand: Those for which an action is open that is not overdue: they come back when they move.
        """
        kpis = [self.catalogue.kpis[name][-1] for name in dict.fromkeys(names) if name in self.catalogue.kpis]
        found: list[Item] = []
        waiting: list[str] = []
        quiet: list[str] = []
        unclear: list[str] = []
        for kpi, answer in zip(kpis, self._answers(kpis), strict=True):
            judged = [each for each in answer.by_segment() if _newest(each) is not None] if answer else []
            items = [item for each in judged if answer and (item := _item(each, answer))]
            news = [item for item in items if item.why != "off_track" or kpi.id not in in_hand]
            if items and not news:
                waiting.append(kpi.id)
            elif news:
                # one item per KPI: its segments are looked at together
                found.append(max((self._priced(item) for item in news), key=lambda item: item.rank))
            else:
                (quiet if judged else unclear).append(kpi.id)
        found.sort(key=lambda item: item.rank, reverse=True)
        return Agenda(tuple(found[:MOST]), len(found[MOST:]), tuple(waiting), tuple(quiet), tuple(unclear))

    def _answers(self, kpis: Sequence[Kpi]) -> Sequence[Readings | None]:
        """The answer of each KPI, asked together; one by one, None for those that cannot be asked, where one fails."""
        queries = [self._query(kpi) for kpi in kpis]
        try:
            return self.ask(queries)
        except CadranError:
            return [self._alone(query) for query in queries]

    def _alone(self, query: KpiQuery) -> Readings | None:
        try:
            return self.ask([query])[0]
        except CadranError:
            return None

    def _query(self, kpi: Kpi) -> KpiQuery:
        grain = _grain(kpi)
        period = self.calendar.containing(self.today, grain)
        end = period.start
        for _ in range(PAST + 2):
            period = self.calendar.previous(period, grain)
        return KpiQuery((kpi.id,), grain=grain, start=period.start, end=end, compare="previous")

    def _priced(self, item: Item) -> Item:
        """The item with what is at stake: its own amount, or its share of a money KPI that it is a factor of."""
        kpi, change, figure = item.reading.kpi, item.reading.change, item.reading.figure
        if change is None or change.delta is None:
            return item
        days = Decimal((figure.end - figure.start).days)
        if _is_amount(kpi):
            return replace(item, money=abs(Decimal(str(change.delta))))
        if kpi.unit == "money_per_day":
            return replace(item, money=abs(Decimal(str(change.delta))) * days)
        if figure.segment:
            return item
        for upper in self.catalogue.newest():
            if upper.unit != "money_per_day" or not _is_factor(kpi.id, upper, self.catalogue):
                continue
            share = self._share(kpi.id, upper.id, item)
            if share is not None:
                return replace(item, money=abs(share) * days, through=upper.id)
        return item

    def _share(self, name: str, upper: str, item: Item) -> Decimal | None:
        figure = item.reading.figure
        query = KpiQuery((upper,), grain=_grain(item.reading.kpi), start=figure.start, end=figure.end)
        try:
            drivers = self.explain(query).drivers
        except CadranError:
            return None
        return next((driver.contribution for driver in drivers if driver.name == name), None)


def _item(series: Sequence[Reading], answer: Readings) -> Item | None:
    """What a series has to decide about, or None."""
    reading = _newest(series)
    if reading is None:
        return None
    sure, is_moved = _moved(reading, series)
    is_off = reading.verdict == "off_track"
    if not is_moved and not is_off:
        return None
    why: Why = "moved_and_off_track" if is_moved and is_off else "moved" if is_moved else "off_track"
    # the verdict is off track only where the whole interval is
    return Item(reading, answer, why, max(sure, SURE) if is_off else sure)


def _moved(reading: Reading, series: Sequence[Reading]) -> tuple[float, bool]:
    """How sure it is that the newest change is no chance, and whether that is enough."""
    change = reading.change
    if change is None or not change.delta or change.version:
        return 0.0, False
    before = next((r for r in series if r.figure.start == change.start), None)
    # windows that overlap share their cases: the intervals of two of them say nothing of their difference
    if reading.kpi.interval in OWN_INTERVAL and reading.kpi.trailing is None:
        now, then = reading.estimate, before.estimate if before and before.status == "ok" else None
        if now is None or then is None:
            return 0.0, False
        sure = certainty(contrast([now, then], [1, -1]))
        return sure, sure >= SURE
    earlier = [r for r in series if r.figure.start < reading.figure.start and not r.figure.partial]
    past = [float(r.change.delta) for r in earlier if r.change and r.change.delta is not None][-PAST:]
    sure = rank_certainty(float(change.delta), past)
    return sure, sure >= SURE_BY_RANK


def _newest(series: Sequence[Reading]) -> Reading | None:
    """The newest period that is over and can be relied on."""
    whole = [r for r in series if r.status == "ok" and not r.figure.partial and r.value is not None]
    return max(whole, key=lambda r: r.figure.start, default=None)


def _grain(kpi: Kpi) -> Grain:
    wanted = GRAINS.get(kpi.cadence, "month")
    return wanted if wanted in kpi.grains else kpi.grains[-1]  # type: ignore[return-value]


def _is_amount(kpi: Kpi) -> bool:
    """True for a sum of money: its change is money. A mean, such as the value of a deal, is none."""
    return kpi.unit == "money" and kpi.denominator is None and kpi.numerator is not None and kpi.numerator.agg == "sum"


def _is_factor(name: str, upper: Kpi, catalogue: Catalogue) -> bool:
    formula = formula_of(upper, catalogue)
    return formula is not None and formula.how == "equals" and name in formula.inputs.values()
