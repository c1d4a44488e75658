"""The formula of a derived KPI computed for many cells at once, on doubles.

A double carries some sixteen digits, decimals forty: what comes out is the same number but for the last digits of
a double. Where such a digit could decide (whether two numbers are equal, which one is larger, whether a divisor
is zero), nothing is decided here and the caller computes on decimals, see `arithmetic.evaluate`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from cadran.catalogue.syntax import Call, Column, Tree, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Array = np.ndarray[Any, Any]

#: Share of two numbers by which they must differ for a double to tell them apart whatever was computed before.
TELLABLE = 1e-10


class UndecidedError(Exception):
    """A last digit decides, or the formula has a function that is not known here."""


def evaluate_all(tree: Tree, values: Mapping[str, Array]) -> Array | None:
    """The value of a formula in every cell: NaN where it is unknown; None where decimals must decide.

    Args:
        tree: Checked arithmetic expression.
        values: Shape (cells,) each: the value of each name, NaN where it is unknown.
    """
    size = len(next(iter(values.values()), np.zeros(0)))
    try:
        with np.errstate(all="ignore"):
            return _value(tree, values, size)
    except UndecidedError:
        return None


def true_of_all(trees: Sequence[Tree], values: Mapping[str, Array]) -> Array | None:
    """Shape (cells,): True where one of the conditions is; None where decimals must decide."""
    found = np.zeros(len(next(iter(values.values()), np.zeros(0))), dtype=bool)
    for tree in trees:
        one = evaluate_all(tree, values)
        if one is None:
            return None
        found |= one == 1
    return found


def _value(tree: Tree, values: Mapping[str, Array], size: int) -> Array:
    match tree:
        case Column():
            return values[tree.name]
        case Value(value=bool() | int() | Decimal() as value):
            return np.full(size, float(value))
        case Value(value=None):
            return np.full(size, np.nan)
        case Call(name=name, args=args) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_value(arg, values, size) for arg in args))
        case _:
            raise UndecidedError


def _whole(*values: Array) -> Array:
    """True where all of them are whole numbers, of which every digit is kept."""
    found = np.ones(len(values[0]), dtype=bool)
    for each in values:
        found &= (np.trunc(each) == each) & (np.abs(each) < 2**53)
    return found


def _tellable(left: Array, right: Array) -> None:
    apart = np.abs(left - right) > TELLABLE * np.maximum(np.abs(left), np.abs(right))
    if not np.all(apart | _whole(left, right) | np.isnan(left) | np.isnan(right)):
        raise UndecidedError


def _compared(how: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    def compared(left: Array, right: Array) -> Array:
        _tellable(left, right)
        return np.where(np.isnan(left) | np.isnan(right), np.nan, how(left, right))

    return compared


def _summed(left: Array, right: Array) -> Array:
    _tellable(left, -right)
    return left + right


def _divided(upper: Array, lower: Array) -> Array:
    return np.where(lower == 0, np.nan, upper / np.where(lower == 0, 1, lower))


def _nullif(value: Array, other: Array) -> Array:
    equal = _compared(np.equal)(value, other)
    return np.where(equal == 1, np.nan, value)


def _coalesced(*args: Array) -> Array:
    found = args[-1]
    for each in reversed(args[:-1]):
        found = np.where(np.isnan(each), found, each)
    return found


def _case(*args: Array) -> Array:
    found = args[-1]
    for condition, value in reversed(list(zip(args[:-1:2], args[1:-1:2], strict=True))):
        found = np.where(condition == 1, value, found)
    return found


def _and(left: Array, right: Array) -> Array:
    unknown = np.isnan(left) | np.isnan(right)
    return np.where((left == 0) | (right == 0), 0.0, np.where(unknown, np.nan, 1.0))


def _or(left: Array, right: Array) -> Array:
    unknown = np.isnan(left) | np.isnan(right)
    return np.where((left == 1) | (right == 1), 1.0, np.where(unknown, np.nan, 0.0))


_FUNCTIONS: dict[str, Callable[..., Array]] = {
    "+": _summed,
    "-": lambda left, right: _summed(left, -right),
    "*": np.multiply,
    "/": _divided,
    "neg": np.negative,
    "abs": np.abs,
    "least": np.minimum,
    "greatest": np.maximum,
    "nullif": _nullif,
    "coalesce": _coalesced,
    "case": _case,
    "is_null": lambda value: np.where(np.isnan(value), 1.0, 0.0),
    "and": _and,
    "or": _or,
    "not": lambda value: np.where(np.isnan(value), np.nan, 1.0 - value),
    "=": _compared(np.equal),
    "<>": _compared(np.not_equal),
    "<": _compared(np.less),
    "<=": _compared(np.less_equal),
    ">": _compared(np.greater),
    ">=": _compared(np.greater_equal),
}
