"""From an annual goal to what each quarter, team and segment has to bring, so that parts add up to it exactly.

Quarters weigh as they weighed in the company's own past years and not a quarter each; segments as they weighed in
the last four whole quarters. What must be won to reach an ARR follows from what is lost and grown at the
pace of the last year; customers and opportunities follow from what one brings and how often one is won.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from cadran.insights.reading import Reading
    from cadran.period import Calendar, Period

#: Past years whose quarters say how a year is spread.
YEARS = 3
#: Whole quarters that say how a quarter is spread over segments.
RECENT = 4
#: A segment: its value, None for what is not given; empty for the whole.
Segment = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Portion:
    """What one quarter, or one segment in it, has to bring.

    Attributes:
        quarter: The quarter.
        segment: Dimension and value; empty for the whole.
        value: Its target; portions of a quarter add up to it exactly.
        weight: Its share of the year, or of the quarter, in 0..1.
    """

    quarter: Period
    segment: Segment
    value: Decimal
    weight: Decimal


@dataclass(frozen=True)
class Cascade:
    """An annual goal and what it asks of every part.

    Attributes:
        goal: What the year has to bring in all.
        quarters: One portion per quarter; they add up to the goal exactly.
        segments: Portions of each quarter by segment; empty where none was asked for.
        n_years: Past years that say how the year is spread; 0 when none is whole, so that quarters weigh the same.
    """

    goal: Decimal
    quarters: tuple[Portion, ...]
    segments: tuple[Portion, ...] = ()
    n_years: int = 0


@dataclass(frozen=True)
class Need:
    """One step from an ARR to what teams have to do.

    Attributes:
        kpi: KPI id that the step sets a level for.
        value: Level over the year.
        by: What it was computed with, by name; levels of the last twelve months.
    """

    kpi: str
    value: Decimal
    by: Mapping[str, Decimal] = field(default_factory=dict)


def allot(total: Decimal, weights: Sequence[Decimal], step: Decimal) -> list[Decimal]:
    """Parts of a total by weight, in whole steps, that add up to it exactly (largest remainders).

    Args:
        total: What is shared, a whole number of steps.
        weights: Weights, at least 0; where none is over 0, all weigh the same.
        step: Smallest part, over 0.
    """
    whole = sum(weights, Decimal(0))
    shares = [weight / whole for weight in weights] if whole > 0 else [Decimal(1) / len(weights)] * len(weights)
    exact = [total * share / step for share in shares]
    parts = [each.to_integral_value(ROUND_FLOOR) for each in exact]
    left = int(total / step - sum(parts))
    # those that lost most by rounding, then those that come first
    order = sorted(range(len(parts)), key=lambda place: (parts[place] - exact[place], place))
    for place in order[:left]:
        parts[place] += 1
    return [part * step for part in parts]


def cascade(
    goal: Decimal,
    year: Period,
    calendar: Calendar,
    past: Sequence[Reading],
    by_segment: Sequence[Reading] = (),
    *,
    step: Decimal = Decimal(1),
) -> Cascade:
    """What each quarter of a year, and each segment in it, has to bring.

    Args:
        goal: What the year has to bring in all.
        year: The year.
        calendar: Calendar of the company.
        past: Readings of past quarters of a KPI that adds up, whole ones.
        by_segment: The same by segment; empty for none.
        step: Smallest part of a target.
    """
    quarters = calendar.periods("quarter", year.start, year.end)
    weights, n_years = _season(quarters, calendar, past)
    values = allot(goal, weights, step)
    whole = sum(weights, Decimal(0))
    whole_year = tuple(
        Portion(quarter, (), value, weight / whole)
        for quarter, value, weight in zip(quarters, values, weights, strict=True)
    )
    shares = _mix(by_segment)
    segments = [portion for each in whole_year for portion in _split(each, shares, step)] if shares else []
    return Cascade(goal, whole_year, tuple(segments), n_years)


def needs_of_arr(goal: Decimal, levels: Mapping[str, Decimal | None]) -> tuple[Need, ...]:
    """What must be won, by how many customers and from how many opportunities, to end the year at an ARR.

    Args:
        goal: ARR at the end of the year.
        levels: ``arr`` at its start; of the last twelve months ``mrr_churn``, ``mrr_contraction``,
            ``mrr_expansion`` and ``mrr_reactivation`` as sums of monthly amounts, ``acv`` and ``win_rate``.
            A level that is missing ends the chain where it is needed.
    """
    start = levels.get("arr")
    if start is None:
        return ()
    names = ("mrr_churn", "mrr_contraction", "mrr_expansion", "mrr_reactivation")
    moves = {name: abs(levels.get(name) or Decimal(0)) * 12 for name in names}
    kept = moves["mrr_expansion"] + moves["mrr_reactivation"] - moves["mrr_churn"] - moves["mrr_contraction"]
    won = goal - start - kept
    found = [Need("mrr_new", won / 12, {"arr": start, **moves})]
    for kpi, by in (("new_customers", "acv"), ("new_opportunities", "win_rate")):
        level = levels.get(by)
        if not level or level <= 0:
            break
        found.append(Need(kpi, (won if by == "acv" else found[-1].value) / level, {by: level}))
    return tuple(found)


def _season(quarters: Sequence[Period], calendar: Calendar, past: Sequence[Reading]) -> tuple[list[Decimal], int]:
    """How much of a year each of its quarters brought, on average over past years that are whole."""
    values: dict[date, Decimal] = {
        r.figure.start: Decimal(str(r.value)) for r in past if r.value is not None and not r.figure.partial
    }
    totals = [Decimal(0)] * len(quarters)
    n, before = 0, list(quarters)
    for _ in range(YEARS):
        earlier = [calendar.year_before(quarter, "quarter") for quarter in before]
        if any(each is None for each in earlier):
            break
        before = [each for each in earlier if each is not None]
        found = [values.get(each.start) for each in before]
        known = [each for each in found if each is not None]
        whole = sum(known, Decimal(0))
        if len(known) < len(found) or whole <= 0 or min(known) < 0:
            continue
        totals = [total + value / whole for total, value in zip(totals, known, strict=True)]
        n += 1
    return (totals, n) if n else ([Decimal(1)] * len(quarters), 0)


def _mix(readings: Sequence[Reading]) -> dict[Segment, Decimal]:
    """What each segment brought over the last whole quarters; none below nothing."""
    whole = [r for r in readings if not r.figure.partial]
    newest = sorted({r.figure.start for r in whole})[-RECENT:]
    found: dict[Segment, Decimal] = defaultdict(Decimal)
    for reading in whole:
        if reading.figure.start in newest and reading.value is not None:
            found[tuple(reading.figure.segment.items())] += Decimal(str(reading.value))
    return {segment: max(value, Decimal(0)) for segment, value in found.items()}


def _split(portion: Portion, shares: Mapping[Segment, Decimal], step: Decimal) -> list[Portion]:
    values = allot(portion.value, list(shares.values()), step)
    whole = sum(shares.values(), Decimal(0))
    return [
        Portion(portion.quarter, segment, value, weight / whole if whole else Decimal(1) / len(shares))
        for (segment, weight), value in zip(shares.items(), values, strict=True)
    ]
