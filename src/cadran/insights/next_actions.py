"""Next best actions: plays for the figures that are out of their range, by money times certainty times ease.

The money is what the arithmetic gives over the next quarter if the figure came back to its target, or to what
is usual: through the pipeline, stage by stage, for conversion by stage and new deals; through a
formula for its factors; on recurring revenue for retention. It is a what-if, not what an action causes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date  # noqa: TC003 - programs read the annotations
from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.catalogue.driving import formula_of
from cadran.engine.query import KpiQuery
from cadran.errors import CadranError
from cadran.insights.formula import node_of
from cadran.insights.landing import CENT
from cadran.stats.bookings import expect
from cadran.stats.contrast import Estimate, certainty, rank_certainty
from cadran.stats.decomposition import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.catalogue.plays import Play
    from cadran.insights.reading import Reading, Readings
    from cadran.period import Calendar, Period
    from cadran.stats.bookings import Book, Hazards

    Ask = Callable[[Sequence[KpiQuery]], Sequence[Readings]]

#: Days over which the money counts, and past quarters that tell what is usual.
HORIZON, PAST = 91, 6
#: Certainty from which a figure that has no target is out of its range.
SURE = 0.9
#: The KPI whose formula prices its factors, and the one whose gap is new deals.
VELOCITY, CREATED, RECURRING = "sales_velocity", "new_opportunities", "arr"
#: KPIs by stage that the pipeline prices.
BY_STAGE = ("stage_conversion", "stage_conversion_expected")
MIDDLE, LOW, HIGH = range(3)


@dataclass(frozen=True)
class Tried:
    """How a play did before: decisions that named it.

    Attributes:
        n: Decisions.
        n_effect: Those with a detectable effect the way that was expected.
        n_none: Those without a detectable effect, or the other way.
        median_ratio: Median of measured over expected effect, or None.
    """

    n: int = 0
    n_effect: int = 0
    n_none: int = 0
    median_ratio: float | None = None


@dataclass(frozen=True)
class NextAction:
    """A play for a figure.

    Attributes:
        play: Id of the play.
        kpi: KPI that is out of its range.
        segment: Dimension values; the stage, for conversion by stage.
        start: First day of the period that tells.
        end: First day after it.
        value: Its value.
        aim: What it should come back to.
        aim_is_target: True when that is its target; false for the median of the quarters before.
        n: Cases behind the value.
        certainty: How sure it is that the figure is short of the aim, in 0..1.
        money: What coming back is worth over `HORIZON` days, base currency; None where no arithmetic leads there.
        low: The same by the favourable edge of the figure's interval, 0 at least; None when unknown.
        high: By the other edge.
        through: What the money follows from: ``pipeline``, a KPI id, or empty.
        effort_days: Days of work.
        ease: In (0, 1].
        score: Money times certainty times ease; certainty times ease where there is no money.
        tried: How the play did before.
    """

    play: str
    kpi: str
    segment: dict[str, str | None]
    start: date
    end: date
    value: float
    aim: float
    aim_is_target: bool
    n: int
    certainty: float
    money: Decimal | None
    low: Decimal | None
    high: Decimal | None
    through: str
    effort_days: int
    ease: float
    score: float
    tried: Tried = field(default_factory=Tried)


@dataclass(frozen=True)
class Gap:
    """A figure that is out of its range."""

    reading: Reading
    aim: float
    is_target: bool
    certainty: float

    @property
    def edges(self) -> tuple[float, float, float]:
        """Its value, and the edges of its interval: the favourable one first."""
        reading, value = self.reading, float(self.reading.value or 0)
        if reading.low is None or reading.high is None:
            return value, value, value
        edges = (reading.high, reading.low) if reading.kpi.direction == "up" else (reading.low, reading.high)
        return value, *edges


@dataclass(frozen=True)
class Chooser:
    """How plays are chosen.

    Attributes:
        catalogue: Definitions.
        calendar: Calendar of the company.
        today: First day that is not wholly known.
        ask: What answers questions.
        book: Deals as known today, or None when none were asked for.
        model: Chances learnt from them, or None.
    """

    catalogue: Catalogue
    calendar: Calendar
    today: date
    ask: Ask
    book: Book | None = None
    model: Hazards | None = None

    def choose(self, plays: Sequence[Play]) -> tuple[NextAction, ...]:
        """Every play that a gap calls for, the best first; each play once, for the gap that it is worth most for."""
        names = dict.fromkeys(name for play in plays for name in play.kpis if name in self.catalogue.kpis)
        gaps = [gap for name in names for gap in self._gaps(self.catalogue.kpis[name][-1])]
        found: dict[str, NextAction] = {}
        for gap in gaps:
            called = [play for play in plays if gap.reading.kpi.id in play.kpis and self._fits(play, gap)]
            money, through = self._worth(gap, {play.worth for play in called})
            for action in (_action(play, gap, money, through) for play in called):
                if action.play not in found or _rank(action) > _rank(found[action.play]):
                    found[action.play] = action
        return tuple(sorted(found.values(), key=_rank, reverse=True))

    def _quarters(self) -> tuple[Period, Period]:
        last = self.calendar.previous(self.calendar.containing(self.today, "quarter"), "quarter")
        first = last
        for _ in range(PAST):
            first = self.calendar.previous(first, "quarter")
        return first, last

    def _gaps(self, kpi: Kpi) -> Iterable[Gap]:
        """The segments of a KPI that are short of their target, or of what is usual."""
        first, last = self._quarters()
        if kpi.direction not in ("up", "down") or "quarter" not in kpi.grains:
            return
        query = KpiQuery((kpi.id,), grain="quarter", start=first.start, end=last.end)
        try:
            answer = self.ask([query])[0]
        except CadranError:
            return
        series: dict[object, list[Reading]] = {}
        for reading in answer.readings:
            if reading.status == "ok" and reading.value is not None and not reading.figure.partial:
                series.setdefault(reading.figure.key[2], []).append(reading)
        for each in series.values():
            gap = _gap(each)
            # a figure that is two quarters old says nothing of what to do now
            if gap is not None and (self.today - gap.reading.figure.end).days <= 2 * HORIZON:
                yield gap

    def _fits(self, play: Play, gap: Gap) -> bool:
        if not play.stage or gap.reading.kpi.id not in BY_STAGE:
            return True
        place = self._stage(gap.reading.figure.segment.get("stage"))
        return place is not None and (place == 0) == (play.stage == "first")

    def _stage(self, name: str | None) -> int | None:
        stages = [] if self.book is None else [each.partition(" / ")[2] for each in self.book.stays.stages]
        return stages.index(name) if name in stages else None

    def _worth(self, gap: Gap, ways: set[str]) -> tuple[tuple[float, float, float] | None, str]:
        """What closing a gap is worth, at the value and at both edges, and what it follows from."""
        kpi = gap.reading.kpi
        if kpi.id in BY_STAGE:
            return self._by_stage(gap), "pipeline"
        if kpi.id == CREATED and self.book is not None and self.model is not None:
            told = expect(self.model, self.book, HORIZON)
            new = float(told.value[told.is_new].sum())
            return _each(gap, lambda value: new * (gap.aim / value - 1) if value > 0 else None), "pipeline"
        if "arr" in ways and kpi.unit == "rate" and RECURRING in self.catalogue.kpis:
            arr = self._value(RECURRING, gap)
            sign = 1 if kpi.direction == "up" else -1
            share = arr * HORIZON / 365 if arr is not None and kpi.id in ("nrr", "grr") else None
            return (None if share is None else _each(gap, lambda value: sign * (gap.aim - value) * share)), RECURRING
        return self._by_formula(gap), VELOCITY

    def _by_stage(self, gap: Gap) -> tuple[float, float, float] | None:
        place = self._stage(gap.reading.figure.segment.get("stage"))
        if place is None or self.book is None or self.model is None:
            return None
        book, model = self.book, self.model
        usual = expect(model, book, HORIZON).total

        def worth(value: float) -> float | None:
            if not (0 < value < 1 and 0 < gap.aim < 1):
                return None
            shift = math.log(gap.aim / (1 - gap.aim)) - math.log(value / (1 - value))
            return expect(model.what_if(place, shift), book, HORIZON).total - usual

        return _each(gap, worth)

    def _by_formula(self, gap: Gap) -> tuple[float, float, float] | None:
        """What a factor of sales velocity is worth: the formula with it and without its gap."""
        upper = self.catalogue.kpis.get(VELOCITY)
        formula = formula_of(upper[-1], self.catalogue) if upper else None
        name = next((n for n, kpi in formula.inputs.items() if kpi == gap.reading.kpi.id), "") if formula else ""
        node = node_of(formula.tree) if formula and name else None
        if formula is None or node is None or gap.reading.figure.segment:
            return None
        values = {n: self._value(kpi, gap) for n, kpi in formula.inputs.items()}
        known = {n: value for n, value in values.items() if value is not None}
        if len(known) != len(values):
            return None

        def worth(value: float) -> float | None:
            ends = [evaluate(node, {**known, name: each}) for each in (gap.aim, value)]
            return None if ends[0] is None or ends[1] is None else (ends[0] - ends[1]) * HORIZON

        return _each(gap, worth)

    def _value(self, name: str, gap: Gap) -> float | None:
        figure = gap.reading.figure
        try:
            answer = self.ask([KpiQuery((name,), start=figure.start, end=figure.end)])[0]
        except CadranError:
            return None
        value = answer.readings[0].value if answer.readings else None
        return None if value is None else float(value)


def _gap(series: Sequence[Reading]) -> Gap | None:
    """Whether the newest of some quarters is short of its target, or of the median of those before."""
    newest, before = series[-1], series[:-1]
    value, is_up = float(newest.value or 0), newest.kpi.direction == "up"
    target = newest.target
    if newest.verdict == "off_track" and target is not None:
        aim = float(target.high if not is_up and target.high is not None else target.value)
        sure = _certainty(newest, aim)
        return Gap(newest, aim, True, 1.0 if sure is None else sure)
    past = sorted(float(reading.value or 0) for reading in before)
    if len(past) < PAST - 2:
        return None
    usual = (past[(len(past) - 1) // 2] + past[len(past) // 2]) / 2
    if (value >= usual) if is_up else (value <= usual):
        return None
    sure = _certainty(newest, usual)
    if sure is None:
        sure = rank_certainty(value - usual, [each - usual for each in past])
    return Gap(newest, usual, False, sure) if sure >= SURE else None


def _certainty(reading: Reading, aim: float) -> float | None:
    if reading.low is None or reading.high is None or reading.value is None:
        return None
    return certainty(Estimate(float(reading.value) - aim, reading.low - aim, reading.high - aim))


def _each(gap: Gap, worth: Callable[[float], float | None]) -> tuple[float, float, float] | None:
    """What a gap is worth at its value and at both edges; never under 0, and 0 where an edge reaches the aim."""
    is_up = gap.reading.kpi.direction == "up"
    found = []
    for value in gap.edges:
        is_short = value < gap.aim if is_up else value > gap.aim
        each = worth(value) if is_short else 0.0
        if each is None:
            return None
        found.append(max(each, 0.0))
    return found[MIDDLE], found[LOW], found[HIGH]


def _action(play: Play, gap: Gap, money: tuple[float, float, float] | None, through: str) -> NextAction:
    figure = gap.reading.figure
    amounts = [None] * 3 if money is None else [Decimal(str(round(each, 2))).quantize(CENT) for each in money]
    has_edges = gap.reading.low is not None
    return NextAction(
        play=play.id,
        kpi=gap.reading.kpi.id,
        segment=dict(figure.segment),
        start=figure.start,
        end=figure.end,
        value=float(gap.reading.value or 0),
        aim=gap.aim,
        aim_is_target=gap.is_target,
        n=figure.n,
        certainty=gap.certainty,
        money=amounts[MIDDLE],
        low=amounts[LOW] if has_edges else None,
        high=amounts[HIGH] if has_edges else None,
        through=through if money is not None else "",
        effort_days=play.effort_days,
        ease=play.ease,
        score=(1.0 if money is None else money[MIDDLE]) * gap.certainty * play.ease,
    )


def _rank(action: NextAction) -> tuple[bool, float]:
    """What has a price comes first."""
    return action.money is not None, action.score
