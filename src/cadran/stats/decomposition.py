"""Why a number moved: shares of its change that add up to all of it.

Sums split by difference. Products and quotients split by log-mean Divisia, which leaves nothing over
and treats every factor alike; where a factor is zero or changes its sign, by the mean over every order
in which the factors could have changed. A rate over segments splits into mix (the weights moved) and
rate (what happens inside the segments).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import combinations
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: ``sum`` by difference; ``log_mean`` by log-mean Divisia; ``symmetric`` by the mean over every order.
Method = Literal["sum", "log_mean", "symmetric"]
#: Most factors whose every order is tried.
MOST_FACTORS = 12
#: Logarithm below which a log-mean is the plain mean, to the last digit of a double.
_SMALL = 1e-7


@dataclass(frozen=True)
class Leaf:
    """A number by its name."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A number that never moves."""

    value: float


@dataclass(frozen=True)
class Sum:
    """Terms added up, each with its sign, 1 or −1."""

    terms: tuple[tuple[int, Node], ...]


@dataclass(frozen=True)
class Product:
    """Factors multiplied, each to the power 1 or −1."""

    factors: tuple[tuple[int, Node], ...]


Node = Leaf | Constant | Sum | Product


@dataclass(frozen=True)
class Split:
    """A change and what each number in it contributed.

    Attributes:
        parts: Contribution of each name, in the unit of the result; they add up to the change.
        method: How the change was split, the least exact one used.
    """

    parts: Mapping[str, float]
    method: Method


@dataclass(frozen=True)
class MixRate:
    """What one segment contributed to the change of a rate.

    Attributes:
        mix: Because its weight moved, against the rate of all.
        rate: Because its own rate moved.
        rate_before: Its rate then, or None where it had no case.
        rate_now: Its rate now, or None where it has no case.
    """

    mix: float
    rate: float
    rate_before: float | None
    rate_now: float | None


def evaluate(node: Node, values: Mapping[str, float]) -> float | None:
    """The value of a formula, or None where it divides by zero."""
    match node:
        case Leaf():
            return values[node.name]
        case Constant():
            return node.value
        case Sum():
            found = [evaluate(term, values) for _, term in node.terms]
            return _all_known(found, lambda known: sum(s * v for (s, _), v in zip(node.terms, known, strict=True)))
        case Product():
            found = [evaluate(factor, values) for _, factor in node.factors]
            return _all_known(found, lambda known: _times(known, [power for power, _ in node.factors]))


def split(node: Node, before: Mapping[str, float], now: Mapping[str, float]) -> Split | None:
    """What each number of a formula contributed to its change.

    Args:
        node: The formula.
        before: Every number in it, then.
        now: The same, now.

    Returns:
        Contributions that add up to the change but for rounding (see `settle`), or None where the
        formula has no value on the way, because it divides by zero.

    References:
        Ang, The LMDI approach to decomposition analysis (2005); Shapley (1953) for the other case.
    """
    match node:
        case Leaf():
            return Split({node.name: now[node.name] - before[node.name]}, "sum")
        case Constant():
            return Split({}, "sum")
        case Sum():
            found = [split(term, before, now) for _, term in node.terms]
            return _joined(found, [float(sign) for sign, _ in node.terms], "sum")
        case Product():
            return _product(node, before, now)


def _product(node: Product, before: Mapping[str, float], now: Mapping[str, float]) -> Split | None:
    old = [evaluate(factor, before) for _, factor in node.factors]
    new = [evaluate(factor, now) for _, factor in node.factors]
    first = [value for value in old if value is not None]
    second = [value for value in new if value is not None]
    if len(first) < len(old) or len(second) < len(new):
        return None
    powers = [power for power, _ in node.factors]
    is_positive = all(x * y > 0 for x, y in zip(first, second, strict=True))
    moving = [place for place, (x, y) in enumerate(zip(first, second, strict=True)) if x != y]
    if is_positive:
        slopes: list[float] | None = _log_slopes(first, second, powers)
    else:
        slopes = _mean_slopes(first, second, powers) if len(moving) <= MOST_FACTORS else None
    if slopes is None:
        return None
    found = [split(factor, before, now) for _, factor in node.factors]
    method: Method = "log_mean" if is_positive else "symmetric"
    only = sum(not isinstance(factor, Constant) for _, factor in node.factors) <= 1
    return _joined(found, slopes, "sum" if not moving or (only and powers.count(-1) == 0) else method)


def _log_slopes(old: Sequence[float], new: Sequence[float], powers: Sequence[int]) -> list[float]:
    """What one unit of change of each factor is worth, by log-means."""
    whole = _log_mean(_times(old, powers) or 0.0, _times(new, powers) or 0.0)
    return [power * whole / _log_mean(x, y) for power, x, y in zip(powers, old, new, strict=True)]


def _log_mean(x: float, y: float) -> float:
    """The logarithmic mean of two numbers of one sign."""
    log = math.log(y / x)
    return (x + y) / 2 if abs(log) < _SMALL else (y - x) / log


def _mean_slopes(old: Sequence[float], new: Sequence[float], powers: Sequence[int]) -> list[float] | None:
    """The same by the mean over every order in which the factors change; None where one divides by zero."""
    if any(power < 0 and 0 in (x, y) for power, x, y in zip(powers, old, new, strict=True)):
        return None
    first = [x**p for x, p in zip(old, powers, strict=True)]
    second = [y**p for y, p in zip(new, powers, strict=True)]
    slopes: list[float] = []
    for place, power in enumerate(powers):
        others = [other for other in range(len(powers)) if other != place and first[other] != second[other]]
        still = math.prod(first[o] for o in range(len(powers)) if o != place and first[o] == second[o])
        worth = still * _mean_over_orders([(first[other], second[other]) for other in others])
        slopes.append(worth if power > 0 else -worth / (old[place] * new[place]))
    return slopes


def _mean_over_orders(pairs: Sequence[tuple[float, float]]) -> float:
    """The mean product of ``(old, new)`` pairs over every set of those that have changed already."""
    n = len(pairs)
    total = 0.0
    for size in range(n + 1):
        weight = math.factorial(size) * math.factorial(n - size) / math.factorial(n + 1)
        for chosen in combinations(range(n), size):
            total += weight * math.prod(pair[place in chosen] for place, pair in enumerate(pairs))
    return total


def mix_and_rate(cells: Iterable[tuple[float, float, float, float]]) -> tuple[MixRate, ...] | None:
    """What the weights and the rates of segments contributed to the change of the rate of all.

    Args:
        cells: For each segment, numerator and denominator then, numerator and denominator now.

    Returns:
        One per segment, by Kitagawa's symmetric weights: mix and rate of all segments add up to the
        change. The mix of a segment is counted against the rate of all, which moves nothing in the
        sum. A segment that is new or vanished has no rate effect: its rate is the one it has. None
        where all segments together have no case then or now.

    References:
        Kitagawa, Components of a difference between two rates (1955).
    """
    found = list(cells)
    then, since = sum(d for _, d, _, _ in found), sum(d for _, _, _, d in found)
    if not then or not since:
        return None
    middle = (sum(n for n, _, _, _ in found) / then + sum(n for _, _, n, _ in found) / since) / 2
    parts: list[MixRate] = []
    for n0, d0, n1, d1 in found:
        before, now = (n0 / d0 if d0 else None), (n1 / d1 if d1 else None)
        first = before if before is not None else now or 0.0
        second = now if now is not None else before or 0.0
        w0, w1 = d0 / then, d1 / since
        # what counts above the line without counting below it has a weight of 0 but moves the rate of all
        loose = (0.0 if d1 else n1 / since) - (0.0 if d0 else n0 / then)
        mix = (w1 - w0) * ((first + second) / 2 - middle) + loose
        parts.append(MixRate(mix, (second - first) * (w0 + w1) / 2, before, now))
    return tuple(parts)


def is_simpson(parts: Sequence[MixRate], change: float) -> bool:
    """True when every segment moved one way and the rate of all the other way."""
    moves = [p.rate_now - p.rate_before for p in parts if p.rate_now is not None and p.rate_before is not None]
    same = len(moves) > 1 and (all(move > 0 for move in moves) or all(move < 0 for move in moves))
    return same and change * moves[0] < 0


def settle(parts: Sequence[float], total: Decimal, quantum: Decimal) -> tuple[Decimal, ...]:
    """Contributions rounded so that they add up to the total exactly.

    Args:
        parts: Contributions that add up to the total but for rounding.
        total: What they must add up to, a multiple of `quantum`.
        quantum: Smallest step, such as a cent.

    Returns:
        Each part to the nearest step; the steps that are missing go to the parts nearest to the next.

    Raises:
        ValueError: The parts do not add up to the total.
    """
    exact = [Decimal(repr(part)) for part in parts]
    rounded = [part.quantize(quantum, ROUND_HALF_EVEN) for part in exact]
    missing = int((total - sum(rounded, Decimal(0))) / quantum)
    if abs(missing) > len(parts):
        message = f"parts that add up to {sum(exact, Decimal(0))} cannot be settled on {total}"
        raise ValueError(message)
    step = quantum if missing > 0 else -quantum
    # who is worth more than what was kept of it gets a step first
    order = sorted(range(len(exact)), key=lambda place: (rounded[place] - exact[place]) * (1 if missing > 0 else -1))
    for place in order[: abs(missing)]:
        rounded[place] += step
    return tuple(rounded)


def _joined(found: Sequence[Split | None], slopes: Sequence[float], method: Method) -> Split | None:
    """Splits of the operands of one node, each worth its slope, as one."""
    parts: dict[str, float] = {}
    methods = [method]
    for each, slope in zip(found, slopes, strict=True):
        if each is None:
            return None
        methods.append(each.method)
        for name, part in each.parts.items():
            parts[name] = parts.get(name, 0.0) + slope * part
    return Split(parts, max(methods, key=("sum", "log_mean", "symmetric").index))


def _times(values: Sequence[float], powers: Sequence[int]) -> float | None:
    if any(power < 0 and not value for value, power in zip(values, powers, strict=True)):
        return None
    return math.prod(value**power for value, power in zip(values, powers, strict=True))


def _all_known(found: Sequence[float | None], make: object) -> float | None:
    known = [value for value in found if value is not None]
    return make(known) if len(known) == len(found) else None  # type: ignore[operator]
