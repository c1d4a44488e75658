"""Syntax tree → Ibis value on a table, by rules that give the same on every engine.

Decimals are not multiplied with each other nor divided as such, because engines round differently:
both sides become doubles, and sums of doubles are made exact again in `compile`. A division by
zero is NULL. LEAST and GREATEST are NULL as soon as one operand is.
"""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

from cadran.canonical.days import days_between
from cadran.catalogue.syntax import Call, Column, Tree, Value
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    import ibis.expr.types as ir


def ibis_value(tree: Tree, table: ir.Table, names: Mapping[str, str] | None = None) -> Any:
    """The value of an expression for each row of a table.

    Args:
        tree: Checked expression.
        table: Table with every column that the expression uses.
        names: Column of the table for a name in the expression that is not one itself.
    """
    match tree:
        case Column():
            return table[(names or {}).get(tree.name, tree.name)]
        case Value():
            return ibis.null() if tree.value is None else ibis.literal(tree.value)
        case Call():
            return _FUNCTIONS[tree.name](*(ibis_value(arg, table, names) for arg in tree.args))


def day_literal(day: date) -> ir.Scalar:
    """A calendar day."""
    return ibis.literal(day, "date")


def _double(value: Any) -> Any:
    return value if value.type().is_floating() else value.cast("float64")


def _times(left: Any, right: Any) -> Any:
    kinds = (left.type(), right.type())
    if any(kind.is_integer() for kind in kinds) and not any(kind.is_floating() for kind in kinds):
        return left * right
    return _double(left) * _double(right)


def _divide(left: Any, right: Any) -> Any:
    return _double(left) / _double(right).nullif(0)


def _ln(value: Any) -> Any:
    """The natural logarithm; NULL where there is none, where engines disagree."""
    double = _double(value)
    positive: Any = ibis.ifelse(double > 0, double, ibis.null("float64"))
    return positive.ln()


def _alike(*values: Any) -> list[Any]:
    """The same values, all doubles as soon as one is: of a decimal and a double, Ibis would say a decimal.

    Sums go by the type: those of decimals are exact as they are, those of doubles are to be made so.
    """
    if not any(value.type().is_floating() for value in values):
        return list(values)
    return [_double(value) if value.type().is_numeric() else value for value in values]


def _added(combine: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: combine(*_alike(left, right)) if right.type().is_numeric() else combine(left, right)


def _case(*args: Any) -> Any:
    values = _alike(*args[1:-1:2], args[-1])
    return ibis.cases(*zip(args[:-1:2], values[:-1], strict=True), else_=values[-1])


def _bound(choose: Callable[..., Any], *given: Any) -> Any:
    args = _alike(*given)
    unknown = functools.reduce(operator.or_, (arg.isnull() for arg in args))
    return ibis.ifelse(unknown, ibis.null(), choose(*args))


def _date(value: Any) -> Any:
    return value if value.type().is_date() else value.date()


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": operator.and_,
    "or": operator.or_,
    "not": operator.invert,
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": _added(operator.add),
    "-": _added(operator.sub),
    "*": _times,
    "/": _divide,
    "neg": operator.neg,
    "abs": lambda value: value.abs(),
    "ln": _ln,
    "like": lambda value, pattern: value.like(pattern.op().value),
    "nullif": lambda value, other: value.nullif(other),
    "coalesce": lambda *args: ibis.coalesce(*_alike(*args)),
    "least": lambda *args: _bound(ibis.least, *args),
    "greatest": lambda *args: _bound(ibis.greatest, *args),
    "in": lambda value, *others: value.isin(others),
    "is_null": lambda value: value.isnull(),
    "case": _case,
    "days_between": lambda start, end: days_between(_date(start), _date(end)),
}
