"""The formula of a derived KPI, computed on decimals.

What is unknown stays unknown, and so does a division by zero: only COALESCE and CASE can pass by.
"""

from __future__ import annotations

import operator
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from cadran.catalogue.syntax import Call, Column, Tree, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: More digits than any sum has, whatever the program around has set for its own decimals.
EXACT = Context(prec=40)


def divide(upper: Decimal | int, lower: Decimal | int) -> Decimal | None:
    """The quotient, or None when the lower part is zero (rule G-1)."""
    return EXACT.divide(Decimal(upper), Decimal(lower)) if lower else None


def logarithm(value: Decimal | int) -> Decimal | None:
    """The natural logarithm, or None where there is none."""
    return EXACT.ln(Decimal(value)) if value > 0 else None


def evaluate(tree: Tree, values: Mapping[str, Decimal | None]) -> Any:
    """The value of a formula: a decimal, or None where it is unknown.

    Args:
        tree: Checked arithmetic expression.
        values: Value of each name in it.
    """
    match tree:
        case Column():
            return values[tree.name]
        case Value():
            is_number = isinstance(tree.value, (int, Decimal)) and not isinstance(tree.value, bool)
            return Decimal(tree.value) if is_number else tree.value  # type: ignore[arg-type]
        case Call():
            args = [evaluate(arg, values) for arg in tree.args]
            if tree.name in _OF_UNKNOWN:
                return _OF_UNKNOWN[tree.name](*args)
            return None if any(arg is None for arg in args) else _FUNCTIONS[tree.name](*args)


def _case(*args: Any) -> Any:
    for condition, value in zip(args[:-1:2], args[1:-1:2], strict=True):
        if condition:
            return value
    return args[-1]


def _and(left: Any, right: Any) -> Any:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _or(left: Any, right: Any) -> Any:
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


_OF_UNKNOWN: dict[str, Callable[..., Any]] = {
    "coalesce": lambda *args: next((arg for arg in args if arg is not None), None),
    "case": _case,
    "is_null": lambda value: value is None,
    "and": _and,
    "or": _or,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "+": EXACT.add,
    "-": EXACT.subtract,
    "*": EXACT.multiply,
    "/": divide,
    "neg": operator.neg,
    "abs": abs,
    "ln": logarithm,
    "least": min,
    "greatest": max,
    "nullif": lambda value, other: None if value == other else value,
    "not": operator.not_,
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, *others: value in others,
}
