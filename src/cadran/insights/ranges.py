"""Ranges of derived KPIs: the edges that a contract states, and a value at the edges of the rate behind it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.catalogue.expression import parse
from cadran.engine.arithmetic import evaluate
from cadran.stats.intervals import Interval, upper_of_none, wilson_interval

if TYPE_CHECKING:
    from cadran.engine.result import Figure


def stated_range(figure: Figure) -> Interval | None:
    """The range between the expressions ``low`` and ``high`` of the contract; None where one is unknown."""
    low, high = (_computed(figure, text) for text in (figure.kpi.low, figure.kpi.high))
    return None if low is None or high is None else Interval(float(low), float(high))


def lifetime_range(figure: Figure) -> Interval | None:
    """The value at both edges of Wilson's interval of the rate of loss behind it; None without such a rate."""
    found = _loss(figure)
    if found is None:
        return None
    name, lost, n = found
    edges = wilson_interval(lost, n)
    if edges is None:
        return None
    ends = [_computed(figure, figure.kpi.expression, **{name: Decimal(str(e))}) for e in (edges.high, edges.low)]
    low, high = ends
    return None if low is None or high is None else Interval(float(low), float(high))


def at_least(figure: Figure) -> tuple[float, int] | None:
    """For a value that divides by a rate of loss of 0, what it is at least, and among how many nobody was lost.

    The rate is at most ``1 - 0.05 ** (1 / n)`` at 95 % confidence, however good it looks (T-49).
    """
    if figure.kpi.interval != "lifetime" or (found := _loss(figure)) is None:
        return None
    name, lost, n = found
    if lost or not n or any(value is None for value in figure.parts.values()):
        return None
    worst = Decimal(str(upper_of_none(n)))
    value = _computed(figure, figure.kpi.expression, **{name: worst})
    return None if value is None else (float(value), n)


def _loss(figure: Figure) -> tuple[str, int, int] | None:
    """Name, cases lost and cases of the one input that is a rate of counts."""
    rates = [(name, upper, lower) for name, (upper, lower) in figure.counts.items() if 0 <= upper <= lower]
    return rates[0] if len(rates) == 1 else None


def _computed(figure: Figure, text: str, **changed: Decimal) -> Decimal | None:
    if not text:
        return None
    parts = {**dict.fromkeys(figure.kpi.inputs), **figure.parts}
    values = {name: None if value is None else Decimal(str(value)) for name, value in parts.items()} | changed
    tree = parse(text, dict.fromkeys(values, "number"), "number")
    found: Decimal | None = evaluate(tree, values)
    return found
