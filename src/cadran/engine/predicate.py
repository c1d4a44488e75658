"""The predicates of a question: ``segment=Mid market`` or SQL, on dimensions or columns.

A name is a dimension of the catalogue first, a column of the table otherwise. A name that a
KPI's table does not have is an error that says so: a filter is never ignored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cadran.catalogue.expression import column_names, entity_kinds, parse
from cadran.catalogue.syntax import Call, Column, Source, Value
from cadran.catalogue.trees import read_syntax
from cadran.errors import QueryError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cadran.catalogue.definition import Catalogue
    from cadran.catalogue.expression import Kind
    from cadran.catalogue.syntax import Tree

_PLAIN = re.compile(r"\s*(?P<name>[A-Za-z_]\w*)\s*(?P<sign>!=|<>|==?)\s*(?P<text>[^\s=].*?)\s*")
_LIST = re.compile(r"\s*(?P<name>[A-Za-z_]\w*)\s+(?P<negate>not\s+)?in\s*\((?P<texts>[^()]*)\)\s*", re.IGNORECASE)
#: What makes bare words SQL after all: signs, brackets, quotes (but for the apostrophe of L'Oréal), or a
#: second condition.
_SQL = re.compile(
    r"[=<>()\"]|(?<!\w)'|'(?!\w)|\b(?:and|or)\s+\w+\s*(?:[=<>!]|in\b|is\b|like\b|not\b|between\b)", re.IGNORECASE
)


def columns_of(catalogue: Catalogue, entity: str) -> dict[str, str]:
    """The column behind each name that a predicate on this entity may use."""
    found = {name: name for name in entity_kinds(entity)}
    return found | {d.id: d.columns[entity] for d in catalogue.dimensions.values() if entity in d.columns}


def predicate(text: str, catalogue: Catalogue, entity: str, kpi: str) -> Tree:
    """The tree of one predicate on the rows of an entity; its names are those of `columns_of`.

    Args:
        text: ``name=bare words``, ``name!=…``, ``name in (a, b)``, or SQL of the whitelist.
        catalogue: Dimensions.
        entity: Table that is filtered.
        kpi: KPI that is asked, for messages.

    Raises:
        QueryError: The text cannot be read, or names something that the entity does not have.
    """
    columns = columns_of(catalogue, entity)
    of_entity = entity_kinds(entity)
    kinds = {name: of_entity[column] for name, column in columns.items()}
    simple = _plain(text, kinds) or _listed(text, kinds)
    tree = simple or read_syntax(text, Source(text, "--where", QueryError))
    for name in column_names(tree):
        if name not in kinds and name.lower() not in kinds:
            raise _nothing(name, text, kinds, entity, kpi)
    return simple or parse(text, kinds, "bool", where="--where", error=QueryError)


def _nothing(name: str, text: str, kinds: Mapping[str, Kind], entity: str, kpi: str) -> QueryError:
    near = did_you_mean(name, kinds)
    hint = "Did you mean {near}?" if near else "If {name} is a text, write '{name}'."
    return QueryError(
        "{kpi} cannot be filtered by {name}: its table {entity} has no such dimension or column (in: {text}).",
        hint=hint,
        where="--where",
        kpi=kpi,
        name=name,
        entity=entity,
        text=text,
        near=near,
    )


def _plain(text: str, kinds: Mapping[str, Kind]) -> Tree | None:
    """``name=bare words``, or None when the text is not of that form."""
    found = _PLAIN.fullmatch(text)
    if not found or kinds.get(found["name"], "text") != "text":
        return None
    word = found["text"]
    quoted = _unquoted(word)
    if quoted is None and (_SQL.search(word) or word in kinds):
        return None
    sign = "=" if found["sign"] in ("=", "==") else "<>"
    return Call(sign, (Column(found["name"]), Value(word if quoted is None else quoted)))


def _listed(text: str, kinds: Mapping[str, Kind]) -> Tree | None:
    """``name in (a, b)``, or None when the text is not of that form."""
    found = _LIST.fullmatch(text)
    if not found or kinds.get(found["name"], "text") != "text":
        return None
    words = [word.strip() for word in found["texts"].split(",")]
    plain = [word if _unquoted(word) is None else _unquoted(word) for word in words]
    if not all(plain) or any(_SQL.search(word) for word in words if _unquoted(word) is None):
        return None
    tree = Call("in", (Column(found["name"]), *(Value(word) for word in plain)))
    return Call("not", (tree,)) if found["negate"] else tree


def _unquoted(word: str) -> str | None:
    """The text inside quotes, or None when it is not one quoted text."""
    if len(word) < 2 or word[0] != word[-1] or word[0] not in "'\"":
        return None
    quote, inside = word[0], word[1:-1]
    return None if quote in inside.replace(quote * 2, "") else inside.replace(quote * 2, quote)
