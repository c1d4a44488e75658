"""Unit economics from few customers: how long they stay, what they bring, what they cost, and when they pay back.

Every point comes with its bounds, and below `FEWEST` customers there are bounds only. Lifetimes end at a
horizon: what lies beyond it is not sold as value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime  # noqa: TC003 - programs read the annotations
from typing import TYPE_CHECKING, Any

import numpy as np

from cadran.engine.query import KpiQuery
from cadran.errors import CadranError
from cadran.period import shift_months
from cadran.stats.intervals import mean_interval, normal_quantile
from cadran.stats.retention import FEWEST, fit_retention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cadran.engine.customers import CustomerResult
    from cadran.engine.result import Figure, KpiResult
    from cadran.period import Calendar, Period
    from cadran.stats.intervals import Interval
    from cadran.stats.retention import Retention

    Ask = Callable[[KpiQuery], KpiResult]

#: Months of a lifetime that count, and yearly rate at which later ones count less.
HORIZON, DISCOUNT = 60, 0.1
#: Ages, in months, at which the share of customers that stay is told.
AGES = (3, 6, 12, 24)
COSTS = ("cac", "cac_lagged")


@dataclass(frozen=True)
class Bounded:
    """A figure with its 95 % bounds; without value where there are only bounds, all None where nothing is known."""

    value: float | None
    low: float | None
    high: float | None


NOTHING = Bounded(None, None, None)


@dataclass(frozen=True)
class Stay:
    """Share of customers that are still there at an age.

    Attributes:
        months: Age.
        share: In [0, 1].
        at_risk: Customers watched that long.
    """

    months: int
    share: Bounded
    at_risk: int


@dataclass(frozen=True)
class Cohort:
    """Customers that came in one quarter.

    Attributes:
        start: First day of the quarter.
        end: First day after it.
        n: Customers.
        cac: Cost of each, its costs dated one sales cycle later; None where there is none.
        brought: Margin that each of them, those who left included, had brought after 1, 2, … months, as far as
            the whole cohort was watched; base currency.
        paid_back_after: Months after which that reached `cac`, or None when it has not yet.
    """

    start: date
    end: date
    n: int
    cac: float | None
    brought: tuple[float, ...]
    paid_back_after: int | None


@dataclass(frozen=True)
class Economics:
    """What customers are worth and what they cost.

    Attributes:
        n: Customers ever seen.
        n_left: Those who left.
        stays: Shares still there by age.
        lifetime: Expected months as a customer within the horizon, later ones discounted.
        horizon: Months of the horizon.
        margin: Monthly gross margin of a customer in the last known month; revenue where `is_margin` is false.
        is_margin: True when margins are known; false when only revenue is.
        ltv: Lifetime times margin.
        costs: Cost of a customer over the last twelve whole months, ``cac`` as spent and ``cac_lagged`` with costs
            dated one sales cycle later.
        ltv_to_cac: Value over lagged cost, or over cost where there is no lagged one.
        cohorts: By quarter of arrival, oldest first.
        currency: Base currency.
        as_of: Instant up to which the data was known.
        reason: Why there is no value, as an English template; empty when there is one.
        params: Values of its fields.
    """

    n: int
    n_left: int
    stays: tuple[Stay, ...]
    lifetime: Bounded
    horizon: int
    margin: Bounded
    is_margin: bool
    ltv: Bounded
    costs: dict[str, Bounded]
    ltv_to_cac: Bounded
    cohorts: tuple[Cohort, ...]
    currency: str
    as_of: datetime
    reason: str = ""
    params: dict[str, int] | None = None


def economics(found: CustomerResult, ask: Ask, calendar: Calendar, where: Sequence[str] = ()) -> Economics:
    """Unit economics of customers.

    Args:
        found: Their stays and months.
        ask: What answers questions about costs.
        calendar: Calendar of the company.
        where: The predicates that chose the customers; where costs know no such thing, there is no cost.
    """
    stays, months = found.stays.to_pylist(), found.months.to_pylist()
    lost, alive = _counts(stays)
    belief = fit_retention(lost.tolist(), alive.tolist())
    if belief is None:
        nothing = dict.fromkeys(COSTS, NOTHING)
        return Economics(
            0, 0, (), NOTHING, HORIZON, NOTHING, True, NOTHING, nothing, NOTHING, (), found.currency, found.as_of,
            "No customer was ever seen paying.", {},
        )  # fmt: skip
    life = belief.lifetime(HORIZON, discount=DISCOUNT)
    lifetime = Bounded(life.value, life.interval.low, life.interval.high)
    margin, is_margin = _monthly(months)
    ltv = _product(margin, lifetime)
    costs = _costs(ask, calendar, found.as_of.date(), tuple(where))
    few = life.value is None
    return Economics(
        n=belief.n,
        n_left=int(lost.sum()),
        stays=tuple(_stay(belief, age, stays) for age in AGES if _watched(stays, age)),
        lifetime=lifetime,
        horizon=HORIZON,
        margin=margin,
        is_margin=is_margin,
        ltv=ltv,
        costs=costs,
        ltv_to_cac=_over(ltv, costs["cac_lagged"] if costs["cac_lagged"].low else costs["cac"]),
        cohorts=_cohorts(stays, months, ask, calendar, tuple(where)),
        currency=found.currency,
        as_of=found.as_of,
        reason="Only {n} customers: bounds, and no point, below {needed}." if few else "",
        params={"n": belief.n, "needed": FEWEST} if few else {},
    )


def _counts(stays: Sequence[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """How many left after 1, 2, … months, and how many are still there after 0, 1, … months."""
    most = max((row["seen"] for row in stays), default=0)
    lost, alive = np.zeros(most + 1), np.zeros(most + 1)
    for row in stays:
        if row["left_after"] is None:
            alive[row["seen"]] += row["n"]
        else:
            lost[row["left_after"] - 1] += row["n"]
    return lost, alive


def _watched(stays: Sequence[dict[str, Any]], age: int) -> int:
    """Customers whose whole first `age` months were watched."""
    return sum(row["n"] for row in stays if row["seen"] >= age)


def _stay(belief: Retention, age: int, stays: Sequence[dict[str, Any]]) -> Stay:
    share, interval = belief.kept(age)
    value = share if belief.n >= FEWEST else None
    return Stay(age, Bounded(value, interval.low, interval.high), _watched(stays, age))


def _monthly(months: Sequence[dict[str, Any]]) -> tuple[Bounded, bool]:
    """Mean margin of those who pay in the last known month, or mean revenue where no margin is known."""
    last = max((_number(row) for row in months), default=0)
    now = [row for row in months if _number(row) == last]
    for name in ("margin", "revenue"):
        n, total, squares = (sum(row[key] for row in now) for key in (f"n_{name}", name, f"{name}_squares"))
        if n:
            return _bounded(total / n, mean_interval(n, total, squares)), name == "margin"
    return NOTHING, True


def _number(row: dict[str, Any]) -> int:
    return int(row["first_on"].year * 12 + row["first_on"].month + row["age"])


def _bounded(value: float, interval: Interval | None) -> Bounded:
    return Bounded(value, interval.low, interval.high) if interval else Bounded(value, None, None)


def _product(one: Bounded, other: Bounded) -> Bounded:
    """The product of two independent figures; bounds by the variances recovered from theirs (Zou and Donner 2008)."""
    if one.value is None or None in (one.low, one.high, other.low, other.high):
        return NOTHING
    low, high = float(other.low or 0), float(other.high or 0)
    middle = other.value if other.value is not None else math.sqrt(low * high)
    down = math.hypot(middle * (one.value - float(one.low or 0)), one.value * (middle - low))
    up = math.hypot(middle * (float(one.high or 0) - one.value), one.value * (high - middle))
    value = one.value * other.value if other.value is not None else None
    return Bounded(value, one.value * middle - down, one.value * middle + up)


def _over(value: Bounded, cost: Bounded) -> Bounded:
    """A value over a cost, on the logarithmic scale; nothing where a bound is not above 0."""
    if not (value.low and value.high and cost.value and cost.low and cost.high) or value.low <= 0:
        return NOTHING
    middle = value.value if value.value is not None else math.sqrt(value.low * value.high)
    down = math.hypot(math.log(middle / value.low), math.log(cost.high / cost.value))
    up = math.hypot(math.log(value.high / middle), math.log(cost.value / cost.low))
    ratio = middle / cost.value
    return Bounded(ratio if value.value is not None else None, ratio * math.exp(-down), ratio * math.exp(up))


def _costs(ask: Ask, calendar: Calendar, until: date, where: tuple[str, ...]) -> dict[str, Bounded]:
    end = calendar.containing(until, "month").start
    figures = _asked(ask, KpiQuery(COSTS, start=shift_months(end, -12), end=end, where=where))
    found = {figure.kpi.id: _cost(figure) for figure in figures}
    return {name: found.get(name, NOTHING) for name in COSTS}


def _cost(figure: Figure) -> Bounded:
    """A cost over a number of customers, which came as a Poisson number does."""
    if figure.value is None or not figure.denominator:
        return NOTHING
    value = float(figure.value)
    factor = math.exp(normal_quantile(0.95) / math.sqrt(float(figure.denominator)))
    return Bounded(value, value / factor, value * factor)


def _asked(ask: Ask, query: KpiQuery) -> Iterable[Figure]:
    """The figures of a question; none where costs cannot be asked that way."""
    try:
        return ask(query).figures
    except CadranError:
        return ()


def _cohorts(
    stays: Sequence[dict[str, Any]],
    months: Sequence[dict[str, Any]],
    ask: Ask,
    calendar: Calendar,
    where: tuple[str, ...],
) -> tuple[Cohort, ...]:
    quarters = sorted({calendar.containing(row["first_on"], "quarter") for row in stays}, key=lambda each: each.start)
    query = KpiQuery(("cac_lagged",), grain="quarter", start=quarters[0].start, end=quarters[-1].end, where=where)
    costs = {figure.start: _cost(figure).value for figure in _asked(ask, query)}
    return tuple(_cohort(quarter, stays, months, costs.get(quarter.start)) for quarter in quarters)


def _cohort(
    quarter: Period, stays: Sequence[dict[str, Any]], months: Sequence[dict[str, Any]], cac: float | None
) -> Cohort:
    own = [row for row in stays if quarter.contains(row["first_on"])]
    n = sum(row["n"] for row in own)
    # the youngest of a cohort bound how far all of it was watched
    watched = min(row["seen"] for row in own)
    gains = np.zeros(watched + 1)
    unknown = 0
    for row in months:
        if quarter.contains(row["first_on"]) and row["age"] <= watched:
            gains[row["age"]] += row["margin"]
            unknown += row["n"] - row["n_margin"]
    brought = tuple((np.cumsum(gains) / n).tolist()) if not unknown else ()
    back = next((age + 1 for age, each in enumerate(brought) if cac is not None and each >= cac), None)
    return Cohort(quarter.start, quarter.end, n, cac, brought, back)
