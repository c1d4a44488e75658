"""References by name, mail address or domain → ids.

A landed reference that is not an id reads ``<connection>:~name:<text>``. It becomes the id of the
row of that name in the same connection; where there is none, of the only row of that name in all
connections; where there is none either, of a stub row that is made for it. Names are compared
without case, accents and outer spaces. Of several rows of one name, the one that was seen last is
meant. Mail box providers are no company: a reference to one of their domains is empty.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from cadran.canonical import normalise as n
from cadran.canonical.identity import FREE_MAIL
from cadran.canonical.schema import conform, empty, schema_of
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import ibis.expr.types as ir

    from cadran.canonical.rules import Bound, Ref
    from cadran.canonical.schema import Expr

#: A reference that is not an id: entity, column, what the text is, entity that it points at.
Link = tuple[str, str, "Ref", str]
#: Column of the target that a reference of each kind is compared with.
FIELDS = {"name": "name", "email": "email", "domain": "domain"}


def links_of(bounds: Iterable[Bound]) -> tuple[Link, ...]:
    """The references of these files that are not ids, each once."""
    found = {
        (entity.entity, rule.column, rule.rule.ref, rule.rule.target or _target(entity.columns))
        for bound in bounds
        for entity in bound.entities
        for rule in entity.columns
        if rule.rule.ref not in {"", "id"}
    }
    return tuple(sorted(found))


def _target(columns: Iterable[object]) -> str:
    """The entity that a history row is about, as its mapping says."""
    constants = {rule.column: rule.rule.constant for rule in columns}  # type: ignore[attr-defined]
    return str(constants.get("entity_type") or "")


def resolved(tables: Mapping[str, ir.Table], links: Iterable[Link]) -> dict[str, ir.Table]:
    """The tables with ids for all references, and a stub row for each that points at nothing.

    Args:
        tables: Versions of all rows by entity, from `assemble.assembled`.
        links: From `links_of`.

    Returns:
        The same tables; those of referenced entities are there even when no file fills them.
    """
    found = dict(tables)
    for target, ref in sorted({(link[3], link[2]) for link in links}):
        pointing = [(entity, column) for entity, column, kind, to in links if (to, kind) == (target, ref)]
        found = _resolve(found, target, ref, [(e, c) for e, c in pointing if e in found])
    return found


def shared_names(tables: Mapping[str, ir.Table], links: Iterable[Link]) -> ir.Table | None:
    """Names by which something is referred to and that several rows have: ``entity``, ``name``, ``n``.

    None when nothing is referred to by anything but its id.
    """
    shared = []
    for target, ref in sorted({(link[3], link[2]) for link in links} & {(t, r) for t in tables for r in FIELDS}):
        keys = _keys(tables[target], ref)
        counts = keys.group_by("connection_id", "key").agg(n=keys["id"].nunique())
        several = counts.filter(counts["n"] > 1)
        shared.append(several.select(entity=ibis.literal(target), name=several["key"], n=several["n"]))
    return reduce(lambda one, other: one.union(other), shared) if shared else None


def _resolve(tables: dict[str, ir.Table], target: str, ref: Ref, columns: list[tuple[str, str]]) -> dict[str, ir.Table]:
    """The tables with the references of one kind to one entity made ids."""
    if not columns:
        return tables
    mark = f":~{ref}:"
    asked = reduce(
        lambda one, other: one.union(other),
        [
            tables[entity].filter(tables[entity][column].contains(mark)).select(mark=column, valid_from="valid_from")
            for entity, column in columns
        ],
    )
    asked = asked.group_by("mark").agg(valid_from=asked["valid_from"].min())
    known = tables.get(target, empty(target))
    answers = _answers(asked, known, mark)
    found = {**tables, target: conform(known, schema_of(target)).union(_stubs(answers, target, ref))}
    for entity, column in columns:
        table = found[entity]
        ids = answers.select(_mark="mark", _found="found")
        joined = table.left_join(ids, table[column] == ids["_mark"])
        plain = ibis.ifelse(joined[column].contains(mark), joined["_found"], joined[column])
        found[entity] = joined.mutate(**{column: plain}).select(table.columns)
    return found


def _answers(asked: ir.Table, known: ir.Table, mark: str) -> ir.Table:
    """One row per mark: its connection and text, the id ``found``, and whether that is a stub's."""
    ref = mark.strip(":~")
    parts = asked.mutate(connection=asked["mark"].split(mark)[0], text=asked["mark"].split(mark)[1])
    parts = parts.mutate(key=_key(parts["text"]))
    keys = _keys(known, ref)
    rank = ibis.row_number().over(
        group_by=[keys["connection_id"], keys["key"]], order_by=[ibis.desc(keys["valid_from"]), keys["id"]]
    )
    ranked = keys.mutate(_rank=rank)
    near = ranked.filter(ranked["_rank"] == 0).select(near_in="connection_id", near_key="key", near_id="id")
    alone = keys.group_by("key").agg(far_id=keys["id"].min(), n=keys["id"].nunique())
    far = alone.filter(alone["n"] == 1).select(far_key="key", far_id="far_id")
    joined = parts.left_join(near, [parts["connection"] == near["near_in"], parts["key"] == near["near_key"]])
    joined = joined.left_join(far, joined["key"] == far["far_key"])
    real = ibis.coalesce(joined["near_id"], joined["far_id"])
    nobody: Expr = joined["key"].isin(FREE_MAIL) if ref == "domain" else ibis.literal(False)
    stub = joined["connection"] + mark + joined["key"]
    return joined.select(
        "mark",
        "connection",
        "text",
        "valid_from",
        found=ibis.ifelse(nobody, ibis.null("string"), ibis.coalesce(real, stub)),
        is_stub=real.isnull() & ~nobody,
    )


def _keys(table: ir.Table, ref: str) -> ir.Table:
    """What rows can be found by: connection, key, id, and when they were last seen."""
    keyed = table.select("connection_id", "id", "valid_from", key=_key(table[FIELDS[ref]]))
    keyed = keyed.filter(keyed["key"].notnull())
    return keyed.group_by("connection_id", "key", "id").agg(valid_from=keyed["valid_from"].max())


def _key(text: Expr) -> Expr:
    return n.folded(text).strip()


def _stubs(answers: ir.Table, target: str, ref: str) -> ir.Table:
    """One inferred row per reference that points at nothing, known since the first that did."""
    new = answers.filter(answers["is_stub"])
    rows = new.group_by("found", "connection").agg(text=new["text"].min(), valid_from=new["valid_from"].min())
    key = rows["found"].substr(rows["connection"].length() + 1)
    told = {"name": rows["text"], FIELDS[ref]: rows["text"]}
    columns = {name: value for name, value in told.items() if name in schema_of(target)}
    stub = rows.select(
        id="found",
        connection_id="connection",
        source_id=key,
        valid_from="valid_from",
        first_seen_at="valid_from",
        last_seen_at="valid_from",
        is_inferred=ibis.literal(True),
        **columns,
    )
    return conform(stub, schema_of(target))
