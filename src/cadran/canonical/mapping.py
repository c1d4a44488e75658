"""YAML mapping files → `Mapping`; which mapping reads which file.

A mapping of the project goes before one that comes with Cadran; among several that fit, the one
that names most headers of the file; a tie is an error that names both.
"""

from __future__ import annotations

import fnmatch
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

from cadran.canonical import generic
from cadran.canonical.binding import Headers, bind
from cadran.canonical.parse import MappingFile
from cadran.canonical.rules import Mapping
from cadran.errors import ConfigError, MappingError, did_you_mean
from cadran.record import Record, load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["Mapping", "bind", "load_mappings", "match", "named", "names_file", "shipped_mappings"]


def shipped_mappings() -> tuple[Mapping, ...]:
    """The mappings that come with Cadran: exports of known systems, and files in canonical words."""
    return (*(MappingFile(record, is_shipped=True).mapping() for record in _shipped_records()), *generic.mappings())


def load_mappings(folder: Path) -> tuple[Mapping, ...]:
    """The mappings of a project, by file name; empty when the folder does not exist.

    Raises:
        MappingError: A file cannot be used; its message has ``file:line``.
    """
    found = [_project_mapping(path) for path in sorted(folder.glob("*.yml")) + sorted(folder.glob("*.yaml"))]
    for number, mapping in enumerate(found):
        for other in found[:number]:
            if other.name == mapping.name:
                raise MappingError(
                    "Two mappings are named {name}.",
                    hint="The other one is at {other}: rename one of the two.",
                    where=mapping.where,
                    name=mapping.name,
                    other=other.where,
                )
    return tuple(found)


def match(file_name: str, headers: Sequence[str], mappings: Iterable[Mapping]) -> Mapping | None:
    """The mapping that reads a file, or None when none does.

    Args:
        file_name: Name of the file, without its folder.
        headers: Its headers.
        mappings: Mappings of the project and those that come with Cadran.

    Raises:
        MappingError: Two mappings fit equally well; both are named.
    """
    known = Headers.of(headers)
    ranked = sorted(
        ((_rank(mapping, known), mapping) for mapping in mappings if _fits(mapping, file_name, known)),
        key=lambda pair: (pair[0], pair[1].name),
        reverse=True,
    )
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        first, second = sorted((ranked[0][1], ranked[1][1]), key=lambda m: m.name)
        raise MappingError(
            "Two mappings fit {file} equally well: {first} and {second}.",
            hint="Make one of them more precise: name more headers, or the file, under `match`.",
            where=first.where,
            file=file_name,
            first=first.name,
            second=second.name,
        )
    return ranked[0][1] if ranked else None


def named(name: str, mappings: Iterable[Mapping]) -> Mapping:
    """The mapping of that name; the first one given when several have it.

    Raises:
        MappingError: No mapping has that name.
    """
    known = {mapping.name: mapping for mapping in reversed(tuple(mappings))}
    if name in known:
        return known[name]
    near = did_you_mean(name, known)
    hint = "Did you mean {near}?" if near else "The mappings are: {known}."
    raise MappingError("No mapping is named {name}.", hint=hint, name=name, near=near, known=", ".join(known))


def _fits(mapping: Mapping, file_name: str, headers: Headers) -> bool:
    if not (mapping.files or mapping.headers):
        return False
    by_name = not mapping.files or names_file(mapping, file_name)
    return by_name and all(headers.find(aliases) for aliases in mapping.headers)


def names_file(mapping: Mapping, file_name: str) -> bool:
    """True when one of the mapping's globs names the file, without regard to case."""
    return any(fnmatch.fnmatchcase(file_name.casefold(), glob.casefold()) for glob in mapping.files)


def _rank(mapping: Mapping, headers: Headers) -> tuple[bool, int, bool, int]:
    """How well a mapping that fits a file fits it."""
    sources = {alias for entity in mapping.entities for rule in entity.columns for alias in rule.sources}
    known = sum(bool(headers.find(aliases)) for aliases in sources)
    return not mapping.is_shipped, len(mapping.headers), bool(mapping.files), known


def _shipped_records() -> list[Record]:
    with as_file(files("cadran") / "mappings") as folder:
        return [load_yaml(path, shown_as=f"cadran/mappings/{path.name}") for path in sorted(folder.glob("*.yml"))]


def _project_mapping(path: Path) -> Mapping:
    try:
        record = load_yaml(path, shown_as=f"mappings/{path.name}")
    except ConfigError as error:
        raise MappingError(error.message, hint=error.hint, where=error.where, **error.params) from error
    base = str(record.get("extends") or "")
    for mapping in generic.mappings():
        if mapping.name == base:
            return MappingFile(record).with_entities_of(mapping)
    return MappingFile(extended(record, _base(base, record)) if base else record).mapping()


def _base(name: str, record: Record) -> Record:
    """The shipped mapping that a mapping of the project extends."""
    records = {str(shipped.get("name")): shipped for shipped in _shipped_records()}
    if name in records:
        return records[name]
    known = [*records, *(mapping.name for mapping in generic.mappings())]
    near = did_you_mean(name, known)
    hint = "Did you mean {near}?" if near else "The mappings that come with Cadran are: {known}."
    where = record.where("extends")
    raise MappingError(
        "No mapping is named {name}.", hint=hint, where=where, name=name, near=near, known=", ".join(known)
    )


def extended(record: Record, base: Record) -> Record:
    """The keys of both records; those of `record` hold, and mappings inside are extended likewise."""
    items: dict[str, Any] = dict(base)
    for key, value in record.items():
        below = base.get(key)
        both = isinstance(value, Record) and isinstance(below, Record)
        items[key] = extended(value, below) if both and key != "match" else value  # type: ignore[arg-type]
    return Record(items, record.place, {**base.places, **record.places})
