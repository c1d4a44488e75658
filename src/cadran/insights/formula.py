"""The expression of a KPI as sums and products, the form in which its change can be split."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.catalogue.syntax import Call, Column, Value
from cadran.stats.decomposition import Constant, Leaf, Product, Sum

if TYPE_CHECKING:
    from cadran.catalogue.syntax import Tree
    from cadran.stats.decomposition import Node


def node_of(tree: Tree) -> Node | None:
    """The sums and products of an expression, or None where it has anything else.

    ``NULLIF(x, 0)`` is x, which is what it is wherever it has a value.
    """
    match tree:
        case Column():
            return Leaf(tree.name)
        case Value():
            is_number = isinstance(tree.value, (int, Decimal)) and not isinstance(tree.value, bool)
            return Constant(float(tree.value)) if is_number else None  # type: ignore[arg-type]
        case Call("nullif", (first, Value(value=0))):
            return node_of(first)
        case Call("+" | "-" | "neg"):
            return _group(_terms(tree, 1), Sum)
        case Call("*" | "/"):
            return _group(_factors(tree, 1), Product)
        case _:
            return None


def _group(found: list[tuple[int, Tree]], make: type[Sum | Product]) -> Node | None:
    nodes = [(sign, node_of(tree)) for sign, tree in found]
    known = tuple((sign, node) for sign, node in nodes if node is not None)
    return make(known) if len(known) == len(nodes) else None


def _terms(tree: Tree, sign: int) -> list[tuple[int, Tree]]:
    """The terms of nested sums, each with its sign."""
    match tree:
        case Call("+", (left, right)):
            return [*_terms(left, sign), *_terms(right, sign)]
        case Call("-", (left, right)):
            return [*_terms(left, sign), *_terms(right, -sign)]
        case Call("neg", (only,)):
            return _terms(only, -sign)
        case _:
            return [(sign, tree)]


def _factors(tree: Tree, power: int) -> list[tuple[int, Tree]]:
    """The factors of nested products, each with its power."""
    match tree:
        case Call("*", (left, right)):
            return [*_factors(left, power), *_factors(right, power)]
        case Call("/", (left, right)):
            return [*_factors(left, power), *_factors(right, -power)]
        case _:
            return [(power, tree)]
