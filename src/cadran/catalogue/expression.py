"""Expressions over the columns of a table, checked: every column exists and kinds go together.

A text beside a day is read as a day, so that ``closed_on >= '2026-01-01'`` works.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from cadran.canonical.entities import published_columns
from cadran.catalogue.syntax import Call, Column, Source, Tree, Value, read_day
from cadran.catalogue.trees import read_syntax
from cadran.errors import DefinitionError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cadran.errors import CadranError

Kind = Literal["bool", "number", "text", "date", "timestamp", "null"]
_COMPARE = ("=", "<>", "<", "<=", ">", ">=")
#: How the types of canonical columns count in expressions.
KINDS: dict[str, Kind] = {
    "text": "text",
    "int": "number",
    "float": "number",
    "money": "number",
    "decimal": "number",
    "bool": "bool",
    "date": "date",
    "timestamp": "timestamp",
}


def entity_kinds(entity: str) -> dict[str, Kind]:
    """The kind of every column that the published table of an entity has."""
    return {column.name: KINDS[column.type] for column in published_columns(entity)}


def parse(
    text: str,
    columns: Mapping[str, Kind],
    wanted: Kind | None = None,
    *,
    where: str = "",
    error: type[CadranError] = DefinitionError,
) -> Tree:
    """The tree of an expression over those columns.

    Args:
        text: SQL expression.
        columns: Columns that it may use, with their kind.
        wanted: Kind that the whole must have, or None for any.
        where: ``file:line`` or parameter, for messages.
        error: Class of the errors raised.

    Raises:
        CadranError: Of the class `error`: the text is not an expression of the whitelist, names a
            column that does not exist, or mixes kinds such as a text and a number.
    """
    source = Source(text, where, error)
    tree, kind = _check(read_syntax(text, source), columns, source)
    if wanted and kind not in (wanted, "null"):
        raise source.refusal("This gives a {kind} where a {wanted} is needed.", tree.at, kind=kind, wanted=wanted)
    return tree


def column_names(tree: Tree) -> Iterator[str]:
    """The columns that a tree uses, in order, with repeats."""
    if isinstance(tree, Column):
        yield tree.name
    elif isinstance(tree, Call):
        for arg in tree.args:
            yield from column_names(arg)


def _check(tree: Tree, columns: Mapping[str, Kind], source: Source) -> tuple[Tree, Kind]:
    """The tree with texts that stand for days made days, and the kind of its value."""
    match tree:
        case Value():
            return tree, _kind_of(tree.value)
        case Column():
            return _column(tree, columns, source)
        case Call():
            args, kinds = zip(*(_check(arg, columns, source) for arg in tree.args), strict=True)
            return _call(Call(tree.name, args, tree.at), kinds, source)


def _kind_of(value: object) -> Kind:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int() | Decimal():
            return "number"
        case date():
            return "date"
        case _:
            return "text"


def _column(tree: Column, columns: Mapping[str, Kind], source: Source) -> tuple[Tree, Kind]:
    name = tree.name if tree.name in columns else tree.name.lower()
    if name in columns:
        return Column(name, tree.at), columns[name]
    near = did_you_mean(tree.name, columns)
    hint = "Did you mean {near}?" if near else "If {name} is a text and not a column, write '{name}'."
    raise source.refusal("There is no column {name} here.", tree.at, hint=hint, name=tree.name, near=near)


#: What the operands of a function must be, and what it gives.
_SIGNATURES: dict[str, tuple[Kind, Kind]] = {
    **dict.fromkeys(("and", "or", "not"), ("bool", "bool")),
    **dict.fromkeys(("+", "-", "*", "/", "neg", "abs", "ln"), ("number", "number")),
    "like": ("text", "bool"),
    "days_between": ("date", "number"),
}


def _call(tree: Call, kinds: tuple[Kind, ...], source: Source) -> tuple[Tree, Kind]:
    if tree.name in _SIGNATURES:
        wanted, given = _SIGNATURES[tree.name]
        return _needs(tree, kinds, wanted, source), given
    if tree.name == "is_null":
        return tree, "bool"
    if tree.name == "case":
        return _branches(tree, kinds, source)
    found, kind = _same(tree, kinds, source)
    return found, "bool" if tree.name in (*_COMPARE, "in") else kind


def _needs(tree: Call, kinds: tuple[Kind, ...], wanted: Kind, source: Source) -> Tree:
    accepted = {wanted, "null", "timestamp"} if tree.name == "days_between" else {wanted, "null"}
    for arg, kind in zip(tree.args, kinds, strict=True):
        if kind not in accepted:
            hint = "Use days_between(from, to)." if kind in ("date", "timestamp") and tree.name == "-" else ""
            raise source.refusal(
                "{name} needs a {wanted}, not a {kind}.", arg.at, hint=hint, name=tree.name, wanted=wanted, kind=kind
            )
    return tree


def _same(tree: Call, kinds: tuple[Kind, ...], source: Source) -> tuple[Tree, Kind]:
    """Operands made of one kind; a text beside a day is read as a day."""
    if tree.name in (*_COMPARE, "in") and "null" in kinds:
        raise source.refusal("A comparison with NULL is never true.", tree.at, hint="Use IS NULL or IS NOT NULL.")
    args = tree.args
    if "date" in kinds:
        args = tuple(
            Value(read_day(arg.value, source, arg.at), arg.at)
            if isinstance(arg, Value) and isinstance(arg.value, str)
            else arg
            for arg in args
        )
        kinds = tuple("date" if isinstance(arg, Value) else kind for arg, kind in zip(args, kinds, strict=True))
    known = list(dict.fromkeys(kind for kind in kinds if kind != "null"))
    if len(known) > 1:
        hint = "Use the day column (x_on) rather than the instant (x_at)." if "timestamp" in known else ""
        raise source.refusal(
            "{name} cannot put a {first} beside a {second}.",
            tree.at,
            hint=hint,
            name=tree.name,
            first=known[0],
            second=known[1],
        )
    return Call(tree.name, args, tree.at), known[0] if known else "null"


def _branches(tree: Call, kinds: tuple[Kind, ...], source: Source) -> tuple[Tree, Kind]:
    conditions = range(0, len(tree.args) - 1, 2)
    for place in conditions:
        _needs(Call("case", (tree.args[place],), tree.at), (kinds[place],), "bool", source)
    known = {kind for place, kind in enumerate(kinds) if place not in conditions and kind != "null"}
    if len(known) > 1:
        first, second = sorted(known)[:2]
        raise source.refusal(
            "{name} cannot put a {first} beside a {second}.", tree.at, name="case", first=first, second=second
        )
    return tree, next(iter(known), "null")
