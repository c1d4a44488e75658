"""Expressions of one row as text of DuckDB, compiled by Ibis once and put together many times.

Ibis takes some 25 ms for a statement and well under one for an expression among others. So the
expressions of a table are compiled together, kept, and statements are made of their texts, in which
the table is named `ROW`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import sqlglot

from cadran.catalogue.expression import entity_kinds, parse
from cadran.catalogue.syntax import Call, Column, Tree
from cadran.engine.expression import ibis_value
from cadran.engine.tables import published

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

#: Name of the table in every fragment.
ROW = '"t0"'
DIALECT = "duckdb"


@dataclass(frozen=True)
class Fragment:
    """The text of an expression.

    Attributes:
        sql: Text, in which columns are those of `ROW`.
        is_double: True when its value is a double, whose sums depend on the order of rows.
    """

    sql: str
    is_double: bool = False


class Fragments:
    """The fragments that have been compiled in this process, by table and text."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Fragment] = {}
        self._lock = threading.Lock()

    def prepare(self, entity: str, texts: Iterable[str]) -> None:
        """Compile texts of a table together; what is known already costs nothing."""
        wanted = {text: (entity, text) for text in texts if (entity, text) not in self._known}
        if wanted:
            kinds = entity_kinds(entity)
            self._compile(entity, {key: parse(text, kinds) for text, key in wanted.items()})

    def of(self, entity: str, text: str) -> Fragment:
        """The fragment of a measure's expression or predicate.

        Raises:
            DefinitionError: The text is not an expression on that table.
        """
        self.prepare(entity, [text])
        return self._known[entity, text]

    def of_tree(self, entity: str, tree: Tree, names: Mapping[str, str]) -> Fragment:
        """The fragment of a predicate whose names are those of dimensions or columns."""
        bound = _bound(tree, names)
        key = (entity, bound)
        if key not in self._known:
            self._compile(entity, {key: bound})
        return self._known[key]

    def of_value(self, key: Hashable, table: Any, value: Any) -> Fragment:
        """The fragment of an Ibis value on a table; `key` tells it from others."""
        if key not in self._known:
            self._keep({key: value}, table)
        return self._known[key]

    def _compile(self, entity: str, trees: Mapping[Any, Tree]) -> None:
        table = published(entity)
        self._keep({key: ibis_value(tree, table) for key, tree in trees.items()}, table)

    def _keep(self, values: Mapping[Any, Any], table: Any) -> None:
        with self._lock:
            named = {f"x{place}": value for place, value in enumerate(values.values())}
            text = ibis.to_sql(table.select(**named), dialect=DIALECT)
            columns = sqlglot.parse_one(text, dialect=DIALECT).selects  # type: ignore[attr-defined]
            for (key, value), column in zip(values.items(), columns, strict=True):
                self._known[key] = Fragment(column.this.sql(dialect=DIALECT), value.type().is_floating())


def _bound(tree: Tree, names: Mapping[str, str]) -> Tree:
    """The tree with columns in the place of names, without the characters at which things stood."""
    match tree:
        case Column():
            return Column(names.get(tree.name, tree.name))
        case Call():
            return Call(tree.name, tuple(_bound(arg, names) for arg in tree.args))
        case _:
            return type(tree)(tree.value)


#: The fragments of this process: they depend on nothing but the canonical tables.
FRAGMENTS = Fragments()
