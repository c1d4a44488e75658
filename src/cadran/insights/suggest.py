"""Levels that a team can aim at next, from what it did before and what others reach, with the reasoning.

A level that was reached in one period out of four is ambitious and has been seen; one that was never
reached is a wish. Sums, counts and stocks grow and have seasons, so that they start from the same
period a year before and grow as they have grown; rates, durations and means start from their own level.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from cadran.insights.targets import benchmark_of
from cadran.period import Period

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cadran.catalogue.definition import Benchmark, Kpi
    from cadran.insights.reading import Reading, Readings
    from cadran.period import Calendar, Grain

#: Fewest periods, or changes over a year, on which anything is proposed.
FEWEST = 4
#: Newest periods, and newest changes over a year, that count.
NEWEST = 8
#: Fewest cases of a period whose growth counts: that of a handful is chance.
FEWEST_CASES = 10
#: Share of past periods that did worse than the level.
LIKELY, AMBITIOUS = 0.5, 0.75
GROWING = ("money", "money_per_day", "count")
Method = Literal["level", "growth", "none"]


@dataclass(frozen=True)
class Suggestion:
    """What to aim at in the next period.

    Attributes:
        kpi: The KPI.
        segment: Dimension values; empty for the whole.
        period: Next period, the first that is not over.
        method: ``level`` from past values, ``growth`` from the same period a year before, or ``none``.
        likely: Level that half of the past did better than, or None.
        ambitious: Level that one in four did better than, or None.
        best: The best that was seen, or None.
        base: For ``growth``, value a year before; for ``level``, the newest value.
        n_past: Periods, or changes over a year, that it rests on.
        noise: Half the width of the newest interval: a smaller step cannot be told from chance; None when unknown.
        benchmark: What others reach, or None.
        reason: Why nothing is proposed, as an English template.
        params: Values of its fields.
    """

    kpi: Kpi
    segment: Mapping[str, str | None]
    period: Period
    method: Method
    n_past: int
    likely: Decimal | None = None
    ambitious: Decimal | None = None
    best: Decimal | None = None
    base: Decimal | None = None
    noise: float | None = None
    benchmark: Benchmark | None = None
    reason: str = ""
    params: Mapping[str, object] | None = None

    @property
    def is_within_noise(self) -> bool:
        """True when the ambitious level is nearer to the likely one than chance moves a period."""
        if self.noise is None or self.likely is None or self.ambitious is None:
            return False
        return abs(float(self.ambitious - self.likely)) < self.noise


def suggestions(answer: Readings, kpi: Kpi, grain: Grain, calendar: Calendar, coming: Period) -> list[Suggestion]:
    """What to aim at in the coming period, one suggestion per segment.

    Args:
        answer: Past periods of that grain, whole ones, oldest first.
        kpi: The KPI.
        grain: Grain of the periods.
        calendar: Calendar of the company.
        coming: Period to propose for.
    """
    return [_suggest(found, kpi, grain, calendar, coming) for found in answer.by_segment()]


def _suggest(found: Sequence[Reading], kpi: Kpi, grain: Grain, calendar: Calendar, coming: Period) -> Suggestion:
    segment = found[-1].figure.segment
    benchmark = benchmark_of(found[-1].figure)
    if kpi.direction not in ("up", "down"):
        reason = "{kpi} has no direction in which more is better: say the range yourself."
        return Suggestion(kpi, segment, coming, "none", 0, benchmark=benchmark, reason=reason, params={"kpi": kpi.id})
    usable = [r for r in found if r.status == "ok" and not r.figure.partial and r.value is not None]
    # figures of another definition say nothing of what this one can reach
    usable = [r for r in usable if r.figure.definitions == found[-1].figure.definitions]
    if kpi.unit in GROWING and kpi.interval == "none":
        return _grown(usable, _Place(kpi, segment, coming, benchmark), grain, calendar)
    return _levelled(usable, _Place(kpi, segment, coming, benchmark))


@dataclass(frozen=True)
class _Place:
    kpi: Kpi
    segment: Mapping[str, str | None]
    coming: Period
    benchmark: Benchmark | None

    def none(self, n: int) -> Suggestion:
        reason = "Only {n} past periods can be relied on: at least {needed} are needed."
        params = {"n": n, "needed": FEWEST}
        return Suggestion(
            self.kpi, self.segment, self.coming, "none", n, benchmark=self.benchmark, reason=reason, params=params
        )


def _levelled(usable: Sequence[Reading], place: _Place) -> Suggestion:
    newest = usable[-NEWEST:]
    if len(newest) < FEWEST:
        return place.none(len(newest))
    values = [_decimal(r) for r in newest]
    last = newest[-1]
    noise = (last.high - last.low) / 2 if last.low is not None and last.high is not None else None
    likely, ambitious, best = _levels(values, place.kpi)
    return Suggestion(
        place.kpi, place.segment, place.coming, "level", len(values), likely, ambitious, best, values[-1], noise,
        place.benchmark,
    )  # fmt: skip


def _grown(usable: Sequence[Reading], place: _Place, grain: Grain, calendar: Calendar) -> Suggestion:
    enough = [r for r in usable if r.figure.n >= FEWEST_CASES]
    values = {r.figure.start: _decimal(r) for r in enough}
    ratios = []
    for reading in enough:
        before = calendar.year_before(Period(reading.figure.start, reading.figure.end), grain)
        then = values.get(before.start) if before else None
        if then is not None and then > 0:
            ratios.append(_decimal(reading) / then)
    year_ago = calendar.year_before(place.coming, grain)
    base = values.get(year_ago.start) if year_ago else None
    if len(ratios) < FEWEST or base is None or base <= 0:
        return place.none(len(ratios))
    likely, ambitious, best = (base * ratio for ratio in _levels(ratios[-NEWEST:], place.kpi))
    return Suggestion(
        place.kpi, place.segment, place.coming, "growth", len(ratios[-NEWEST:]), likely, ambitious, best, base,
        benchmark=place.benchmark,
    )  # fmt: skip


def _levels(values: Sequence[Decimal], kpi: Kpi) -> tuple[Decimal, Decimal, Decimal]:
    """The likely, the ambitious and the best of past values, in the direction of the KPI."""
    ascending = sorted(values, reverse=kpi.direction == "down")
    return _quantile(ascending, LIKELY), _quantile(ascending, AMBITIOUS), ascending[-1]


def _quantile(ordered: Sequence[Decimal], share: float) -> Decimal:
    """The quantile between the two nearest values, as Hyndman and Fan's seventh definition has it."""
    place = Decimal(str(share)) * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _decimal(reading: Reading) -> Decimal:
    return Decimal(str(reading.value))
