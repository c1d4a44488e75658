"""Expressions of one row as text of DuckDB, compiled by Ibis once and put together many times.

Ibis takes some 25 ms for a statement and well under one for an expression among others. So the
expressions of a table are compiled together, kept, and statements are made of their texts, in which
the table is named `ROW`. A build keeps those of the catalogue with its snapshot, so that a process that
starts compiles nothing that has not changed.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
import threading
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cadran.canonical import builtin, days, schema
from cadran.canonical.entities import ENTITIES, published_columns
from cadran.catalogue import expression as kinds
from cadran.catalogue import syntax, trees
from cadran.catalogue.expression import entity_kinds, parse
from cadran.catalogue.measures import missing_of
from cadran.catalogue.syntax import Call, Column, Source, Tree, Value
from cadran.catalogue.trees import adopt, plain_tree, read_syntax
from cadran.deferred import ibis, sqlglot
from cadran.engine import expression
from cadran.engine.expression import ibis_value
from cadran.engine.parts import parts_of
from cadran.engine.tables import published
from cadran.errors import DefinitionError
from cadran.store import compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from cadran.catalogue.definition import Catalogue
    from cadran.engine.parts import Part

#: Name of the table in every fragment.
ROW = '"t0"'
DIALECT = "duckdb"


@dataclass(frozen=True)
class Fragment:
    """The text of an expression.

    Attributes:
        sql: Text, in which columns are those of `ROW`.
        kind: ``double`` for a number whose sums depend on the order of rows, ``exact`` for a decimal or whole
            number, empty for what is not a number.
    """

    sql: str
    kind: str = ""


class Fragments:
    """The fragments that have been compiled in this process, by table and text."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Fragment] = {}
        self._adopted: set[str] = set()
        self._recalled: dict[tuple[str, str], Fragment] | None = None
        self._lock = threading.Lock()

    def prepare(self, entity: str, texts: Iterable[str]) -> None:
        """Compile texts of a table together; what is known already costs nothing."""
        wanted = {text: (entity, text) for text in texts if (entity, text) not in self._known}
        if wanted and self._recall():
            wanted = {text: key for text, key in wanted.items() if key not in self._known}
        if wanted:
            of_entity = entity_kinds(entity)
            self._compile(entity, {key: parse(text, of_entity) for text, key in wanted.items()})

    def of(self, entity: str, text: str) -> Fragment:
        """The fragment of a measure's expression or predicate.

        Raises:
            DefinitionError: The text is not an expression on that table.
        """
        self.prepare(entity, [text])
        return self._known[entity, text]

    def of_tree(self, entity: str, tree: Tree, names: Mapping[str, str]) -> Fragment:
        """The fragment of a predicate whose names are those of dimensions or columns."""
        bound = bound_tree(tree, names)
        key = (entity, bound)
        if plain := plain_text(bound):
            return Fragment(plain)
        if key not in self._known:
            self._compile(entity, {key: bound})
        return self._known[key]

    def kept(self, catalogue: Catalogue) -> list[dict[str, Any]]:
        """What every measure of a catalogue compiles to, as plain values to be kept with a snapshot."""
        found = texts_of(catalogue)
        for entity, texts in found.items():
            self.prepare(entity, texts)
        self._remember(found)
        sources = (Source(text, "", DefinitionError) for text in formulas_of(catalogue))
        read = {source.text: plain_tree(read_syntax(source.text, source)) for source in sources}
        kept = [{"entity": e, "stamp": stamp(), "fragments": self._plain(e, texts)} for e, texts in found.items()]
        return [*kept, {"entity": "", "stamp": stamp(), "fragments": {}, "trees": read}]

    def _recall(self) -> bool:
        """Take what an earlier process compiled for a catalogue; False when that was done before."""
        with self._lock:
            if self._recalled is not None:
                return False
            rows = json.loads(compiled.kept(_kept_name()) or "[]")
            self._recalled = {(entity, text): Fragment(*pair) for entity, text, *pair in rows}
            self._known = self._recalled | self._known
            return True

    def _remember(self, found: Mapping[str, Iterable[str]]) -> None:
        """Keep them for the next process, beside those that were kept already."""
        self._recall()
        with self._lock:
            before = self._recalled or {}
            every = before | {(e, text): self._known[e, text] for e, texts in found.items() for text in texts}
            if every.keys() != before.keys():
                rows = [(*key, fragment.sql, fragment.kind) for key, fragment in every.items()]
                compiled.keep(_kept_name(), json.dumps(rows))
                self._recalled = every

    def _plain(self, entity: str, texts: Iterable[str]) -> dict[str, tuple[str, str]]:
        return {text: (self._known[entity, text].sql, self._known[entity, text].kind) for text in texts}

    def adopt(self, name: str, kept: Callable[[], Iterable[Mapping[str, Any]]]) -> None:
        """Take what was kept with a snapshot, unless something else would compile it now.

        Args:
            name: Name of the snapshot: each is read once.
            kept: Reads what was kept.
        """
        # several threads may ask at once: what one compiles meanwhile must not be lost, nor the reading begun twice
        with self._lock:
            if name in self._adopted:
                return
            for each in kept():
                if each["stamp"] == stamp():
                    adopt(each.get("trees", {}))
                    for text, values in each["fragments"].items():
                        self._known.setdefault((each["entity"], text), Fragment(*values))
            self._adopted.add(name)

    def _compile(self, entity: str, trees: Mapping[Any, Tree]) -> None:
        table = published(entity)
        self._keep({key: ibis_value(tree, table) for key, tree in trees.items()}, table)

    def _keep(self, values: Mapping[Any, Any], table: Any) -> None:
        with self._lock:
            named = {f"x{place}": value for place, value in enumerate(values.values())}
            text = ibis.to_sql(table.select(**named), dialect=DIALECT)
            columns = sqlglot.parse_one(text, dialect=DIALECT).selects  # type: ignore[attr-defined]
            for (key, value), column in zip(values.items(), columns, strict=True):
                self._known[key] = Fragment(column.this.sql(dialect=DIALECT), _kind(value.type()))


def _kept_name() -> str:
    return f"fragments-{stamp()}"


def _kind(dtype: Any) -> str:
    if dtype.is_floating():
        return "double"
    return "exact" if dtype.is_decimal() or dtype.is_integer() else ""


def bound_tree(tree: Tree, names: Mapping[str, str]) -> Tree:
    """The tree with columns in the place of names, without the characters at which things stood."""
    match tree:
        case Column():
            return Column(names.get(tree.name, tree.name))
        case Call():
            return Call(tree.name, tuple(bound_tree(arg, names) for arg in tree.args))
        case _:
            return type(tree)(tree.value)


def plain_text(tree: Tree) -> str:
    """The text of a filter that only compares columns with texts, which pages have without end; else empty."""
    match tree:
        case Call("not", (only,)):
            inside = plain_text(only)
            return inside and f"NOT ({inside})"
        case Call("=" | "<>" | "in" as sign, (Column(name=name), *others)):
            texts = [_quoted(each.value) for each in others if isinstance(each, Value) and isinstance(each.value, str)]
            if len(texts) == len(others):
                return f'{ROW}."{name}" ' + (f"IN ({', '.join(texts)})" if sign == "in" else f"{sign} {texts[0]}")
    return ""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def texts_of(catalogue: Catalogue) -> dict[str, list[str]]:
    """Every expression and predicate of the measures of a catalogue, by table."""
    found: dict[str, dict[str, None]] = {}
    for part in (part for kpis in catalogue.kpis.values() for kpi in kpis for part in parts_of(kpi).all()):
        found.setdefault(part.measure.entity, {}).update(dict.fromkeys(texts_of_part(part)))
    return {entity: list(texts) for entity, texts in found.items()}


def formulas_of(catalogue: Catalogue) -> list[str]:
    """Every text over the parts of a figure: formulas of derived KPIs, and conditions of notes."""
    every = [kpi for kpis in catalogue.kpis.values() for kpi in kpis]
    texts = [text for kpi in every for text in (kpi.expression, *(note.when for note in kpi.notes)) if text]
    return list(dict.fromkeys(texts))


def texts_of_part(part: Part) -> list[str]:
    """Every expression and predicate of one part."""
    measure = part.measure
    texts = (measure.expr, measure.where, measure.event, part.photo if measure.at_end else "", missing_of(measure))
    return [text for text in texts if text]


@functools.cache
def stamp() -> str:
    """What changes as soon as the same text could compile to something else.

    That is another version of a library, other columns, or another line in the modules that compile.
    """
    columns = {name: [(c.name, c.type) for c in published_columns(name)] for name in ENTITIES}
    versions = [metadata.version(name) for name in ("ibis-framework", "sqlglot")]
    modules = (expression, syntax, trees, kinds, days, builtin, schema, sys.modules[__name__])
    own = [Path(module.__file__ or "") for module in modules]
    own.append(Path(syntax.__file__ or "").with_name("sql_reader.py"))
    text = json.dumps([DIALECT, versions, columns]).encode()
    return hashlib.sha256(b"\n".join([text, *(path.read_bytes() for path in own)])).hexdigest()


#: The fragments of this process: they depend on nothing but the canonical tables.
FRAGMENTS = Fragments()
