"""SQL text → a tree of `syntax`, by way of sqlglot's own tree: the only module of this room that parses SQL."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from cadran.catalogue.syntax import Call, Column, Value, read_day
from cadran.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cadran.catalogue.syntax import Source, Tree

_INFIX: dict[type[exp.Expr], str] = {
    exp.And: "and",
    exp.Or: "or",
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Like: "like",
    exp.Nullif: "nullif",
}
_PREFIX: dict[type[exp.Expr], str] = {exp.Not: "not", exp.Neg: "neg", exp.Abs: "abs", exp.Ln: "ln"}
_LISTS: dict[type[exp.Expr], str] = {exp.Coalesce: "coalesce", exp.Least: "least", exp.Greatest: "greatest"}
#: Arguments that each kind of node may have; any other one (NOT LIKE … ESCAPE, IN (SELECT …)) is refused
#: or handled by name, so that no modifier is ever ignored.
_ARGUMENTS: dict[type[exp.Expr], frozenset[str]] = {
    **dict.fromkeys(_INFIX, frozenset({"this", "expression"})),
    **dict.fromkeys(_LISTS, frozenset({"this", "expressions", "ignore_nulls"})),
    **dict.fromkeys((exp.Not, exp.Neg, exp.Abs, exp.Ln, exp.Paren, exp.Boolean, exp.Column), frozenset({"this"})),
    exp.Div: frozenset({"this", "expression", "typed", "safe"}),
    exp.Like: frozenset({"this", "expression", "negate"}),
    exp.Is: frozenset({"this", "expression", "negate"}),
    exp.In: frozenset({"this", "expressions", "negate"}),
    exp.Between: frozenset({"this", "low", "high", "negate"}),
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Null: frozenset(),
    exp.Anonymous: frozenset({"this", "expressions"}),
}


def read(text: str, source: Source) -> Tree:
    """The tree of a text.

    Raises:
        CadranError: Of the class of the source: the text is no expression of the whitelist.
    """
    try:
        node = sqlglot.parse_one(text, dialect="duckdb")
        return _convert(node, source)
    except SqlglotError as problem:
        details = getattr(problem, "errors", None) or [{}]
        raise source.refusal("This cannot be read as an expression.", _offset(text, details[0])) from problem
    except RecursionError as problem:
        raise source.refusal("This expression is nested too deeply.", 1) from problem


def _offset(text: str, detail: Mapping[str, object]) -> int:
    line, col = int(str(detail.get("line") or 1)), int(str(detail.get("col") or 1))
    before = text.split("\n")[: line - 1]
    return sum(len(part) + 1 for part in before) + col


def _convert(node: exp.Expr, source: Source) -> Tree:
    allowed = _ARGUMENTS.get(type(node))
    extra = [key for key, value in node.args.items() if value and key not in (allowed or ())]
    if allowed is None or extra:
        raise source.refusal(
            "{sql} cannot be used in an expression.",
            _place(node),
            hint="Use comparisons, AND, OR, NOT, IN, IS NULL, BETWEEN, LIKE, + - * /, COALESCE, NULLIF, CASE, "
            "ABS, LN, LEAST, GREATEST, DATE '2026-01-31' and days_between(from, to).",
            sql=node.sql(dialect="duckdb"),
        )
    tree = _node(node, source)
    return Call("not", (tree,), _place(node)) if node.args.get("negate") else tree


def _node(node: exp.Expr, source: Source) -> Tree:
    at = _place(node)
    if type(node) in _INFIX:
        return Call(_INFIX[type(node)], (_convert(node.this, source), _convert(node.expression, source)), at)
    if type(node) in _LISTS:
        return Call(_LISTS[type(node)], _all([node.this, *node.expressions], source), at)
    if type(node) in _PREFIX:
        return Call(_PREFIX[type(node)], (_convert(node.this, source),), at)
    return _READERS[type(node)](node, source, at)


def _all(nodes: list[exp.Expr], source: Source) -> tuple[Tree, ...]:
    return tuple(_convert(node, source) for node in nodes)


def _value(node: exp.Expr, source: Source, at: int) -> Value:
    match node:
        case exp.Null():
            return Value(None, at)
        case exp.Boolean():
            return Value(bool(node.this), at)
        case exp.Literal():
            return Value(str(node.this) if node.is_string else _number(str(node.this)), at)
        case _:
            is_day = isinstance(node.this, exp.Literal) and node.this.is_string and node.args["to"].is_type("date")
            if not is_day:
                raise source.refusal("A column cannot be converted in an expression.", at)
            return Value(read_day(str(node.this.this), source, at), at)


def _number(text: str) -> int | Decimal:
    return int(text) if text.isdigit() else Decimal(text)


def _is(node: exp.Expr, source: Source, at: int) -> Tree:
    value, other = _convert(node.this, source), _convert(node.expression, source)
    if isinstance(other, Value) and other.value is None:
        return Call("is_null", (value,), at)
    if isinstance(other, Value) and isinstance(other.value, bool):
        # `x IS TRUE` is never NULL, unlike `x = TRUE`
        return Call("coalesce", (Call("=", (value, other), at), Value(False, at)), at)
    raise source.refusal("IS is followed by NULL, TRUE or FALSE.", at)


def _case(node: exp.Expr, source: Source, at: int) -> Tree:
    subject = _convert(node.this, source) if node.this else None
    args: list[Tree] = []
    for branch in node.args["ifs"]:
        condition, value = _convert(branch.this, source), _convert(branch.args["true"], source)
        args += [condition if subject is None else Call("=", (subject, condition), at), value]
    default = node.args.get("default")
    return Call("case", (*args, _convert(default, source) if default else Value(None, at)), at)


def _function(node: exp.Expr, source: Source, at: int) -> Tree:
    name = str(node.this).lower()
    if name != "days_between":
        near = did_you_mean(name, ("days_between", "coalesce", "nullif", "abs", "least", "greatest"))
        hint = "Did you mean {near}?" if near else ""
        raise source.refusal("There is no function {name}.", at, hint=hint, name=name, near=near)
    if len(node.expressions) != 2:
        raise source.refusal("days_between takes two days: from and to.", at)
    return Call(name, _all(node.expressions, source), at)


def _place(node: exp.Expr) -> int:
    """The character at which the first name of a node stands, from 1."""
    starts = [item.meta["start"] for item in node.find_all(exp.Identifier) if "start" in item.meta]
    return min(starts) + 1 if starts else 1


def _between(node: exp.Expr, source: Source, at: int) -> Tree:
    value, low, high = _all([node.this, node.args["low"], node.args["high"]], source)
    return Call("and", (Call(">=", (value, low), at), Call("<=", (value, high), at)), at)


#: What makes a tree of each of the other kinds of node.
_READERS: dict[type[exp.Expr], Callable[[exp.Expr, Source, int], Tree]] = {
    **dict.fromkeys((exp.Literal, exp.Boolean, exp.Null, exp.Cast), _value),
    exp.Column: lambda node, _, at: Column(node.name, at),
    exp.Paren: lambda node, source, _: _convert(node.this, source),
    exp.In: lambda node, source, at: Call("in", _all([node.this, *node.expressions], source), at),
    exp.Between: _between,
    exp.Is: _is,
    exp.Case: _case,
    exp.Anonymous: _function,
}
