"""The trees of texts, each read once in a process, or once for a snapshot that keeps them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cadran.catalogue.syntax import Call, Column, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cadran.catalogue.syntax import Source, Tree

LONGEST = 4000
#: Trees that were read by another process, by text.
_ADOPTED: dict[str, Tree] = {}


@lru_cache(maxsize=4096)
def read_syntax(text: str, source: Source) -> Tree:
    """The tree of a text, its columns not yet looked up.

    Raises:
        CadranError: Of the class of the source: the text is no expression of the whitelist.
    """
    if text in _ADOPTED:
        return _ADOPTED[text]
    if len(text) > LONGEST:
        raise source.error("An expression of {n} characters is too long.", where=source.where, n=len(text))
    from cadran.catalogue import sql_reader  # noqa: PLC0415 - slow to import, and not needed for what is kept

    return sql_reader.read(text, source)


def adopt(plain: Mapping[str, Any]) -> None:
    """Take trees that were kept, by their texts, see `plain_tree`."""
    for text, tree in plain.items():
        _ADOPTED.setdefault(text, _tree(tree))


def plain_tree(tree: Tree) -> list[Any]:
    """A tree as lists, texts and numbers."""
    match tree:
        case Column():
            return ["column", tree.at, tree.name]
        case Call():
            return ["call", tree.at, tree.name, *map(plain_tree, tree.args)]
        case Value(value=Decimal() | date() as value):
            return [type(value).__name__, tree.at, str(value)]
        case Value():
            return ["value", tree.at, tree.value]


def _tree(plain: list[Any]) -> Tree:
    kind, at, value, *args = plain
    match kind:
        case "column":
            return Column(value, at)
        case "call":
            return Call(value, tuple(map(_tree, args)), at)
        case "Decimal":
            return Value(Decimal(value), at)
        case "date":
            return Value(date.fromisoformat(value), at)
        case _:
            return Value(value, at)
