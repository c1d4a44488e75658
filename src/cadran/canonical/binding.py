"""A mapping tied to the headers of one file.

Headers are found by any alias, folded. What a mapping may leave out is left out; what it needs and the
file lacks is an error that names the nearest header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cadran.canonical.rules import Bound, BoundEntity, BoundRule, Rule, fold, is_pattern, tidy
from cadran.errors import MappingError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cadran.canonical.rules import Aliases, Clause, EntityRule, Mapping


@dataclass(frozen=True)
class Headers:
    """The headers of one file, found by any of their aliases."""

    names: tuple[str, ...]
    folded: dict[str, str]

    @classmethod
    def of(cls, names: Iterable[str]) -> Headers:
        """The headers of a file; of two that fold alike the first is found.

        A header is also found without its underscores: ``stage_name`` is how warehouses write ``StageName``.
        """
        kept = tuple(name for name in names if name != "_row")
        folded: dict[str, str] = {}
        for spell in (fold, _joined_up):
            for name in kept:
                folded.setdefault(spell(name), name)
        return cls(kept, folded)

    def find(self, aliases: Aliases) -> str:
        """The header that one of the aliases names, the earliest alias first; empty when none does."""
        return next((self.folded[fold(alias)] for alias in aliases if fold(alias) in self.folded), "")

    def missing(self, aliases: Aliases, where: str) -> MappingError:
        """The error that says that the file has no such header, and which one is near."""
        near = did_you_mean(fold(aliases[0]), self.folded)
        hint = "Did you mean {near}?" if near else "The columns of the file are: {known}."
        return MappingError(
            "The file has no column {header}.",
            hint=hint,
            where=where,
            header=" / ".join(aliases),
            near=self.folded.get(near, ""),
            known=", ".join(self.names),
        )


def _joined_up(name: str) -> str:
    return fold(name).replace("_", "")


def bind(mapping: Mapping, names: Sequence[str]) -> Bound:
    """The mapping with the headers that a file really has.

    Raises:
        MappingError: The file lacks a header that the mapping needs.
    """
    headers = Headers.of(names)
    entities: list[BoundEntity] = []
    for number, rule in enumerate(mapping.entities):
        bound = _unpivoted(rule, headers) if rule.unpivot else _entity(rule, headers, is_first=number == 0)
        entities.extend(bound)
    return Bound(mapping, _clauses(mapping.row_filter, headers, mapping.where), tuple(entities))


def _entity(rule: EntityRule, headers: Headers, *, is_first: bool) -> list[BoundEntity]:
    """The entity as the file gives it; empty when its id is optional and the file lacks it."""
    key = _first(rule.ids, headers)
    if key is None and is_first:
        raise headers.missing(rule.ids[0].sources[0], rule.ids[0].where)
    return [] if key is None else [_bound(rule, key, headers, rule.columns)]


def _unpivoted(rule: EntityRule, headers: Headers) -> list[BoundEntity]:
    """One bound entity per header that one of the patterns matches."""
    found: list[BoundEntity] = []
    for name in headers.names:
        groups = _groups(rule, name)
        if groups is None:
            continue
        cell = next((c for c in rule.columns if c.column == rule.cell), Rule(rule.cell, "timestamp"))
        columns = (
            *(Rule(key, constant=text) for key, text in groups.items()),
            *(c for c in rule.columns if c.column not in {*groups, rule.cell}),
            replace(cell, sources=((name,),)),
        )
        suffix = f"{rule.cell}:{fold(name)}"
        key = _first(tuple(replace(k, combine="join", constant=suffix) for k in rule.ids), headers)
        if key is not None:
            found.append(replace(_bound(rule, key, headers, columns), cell=rule.cell))
    return found


def _groups(rule: EntityRule, name: str) -> dict[str, str] | None:
    """What a header says by itself, by canonical column; None when it is not a header of the rule."""
    patterns = (re.fullmatch(pattern, tidy(name), re.IGNORECASE) for pattern in rule.unpivot)
    match = next((found for found in patterns if found), None)
    if match is None:
        return None
    texts = {key: text for key, text in match.groupdict().items() if text}
    rules = {column.column: column for column in rule.columns}
    said = {key: mapped(rules[key], text) if key in rules else text for key, text in texts.items()}
    # a stage that the value map leaves out is no row at all
    return None if None in said.values() else {key: text for key, text in said.items() if text is not None}


def mapped(rule: Rule, text: str) -> str | None:
    """The text as the value map of a rule turns it."""
    folded = fold(text)
    for key, value in rule.values:
        if re.search(key[1:-1], folded) if is_pattern(key) else key == folded:
            return value
    return text if rule.otherwise == "keep" else None


def _bound(rule: EntityRule, key: BoundRule, headers: Headers, columns: tuple[Rule, ...]) -> BoundEntity:
    found: dict[str, BoundRule] = {}
    for column in columns:
        if column.column not in found and (bound := _rule(column, headers)):
            found[column.column] = bound
    for column in columns:  # a default also stands for a header that the file may lack
        if column.column not in found and column.default is not None:
            found[column.column] = BoundRule(replace(column, sources=(), constant=column.default, when=()), ())
    when = _clauses(rule.when, headers, rule.where)
    return BoundEntity(rule.entity, key, tuple(found.values()), rule.numbered, rule.merge, "", when, rule.where)


def _first(rules: tuple[Rule, ...], headers: Headers) -> BoundRule | None:
    """The first of several rules that finds its headers; None when they are optional and none does."""
    return next((bound for bound in (_rule(rule, headers) for rule in rules) if bound), None)


def _rule(rule: Rule, headers: Headers) -> BoundRule | None:
    """The rule with the headers found; None when it is optional and none is there.

    Raises:
        MappingError: A header is missing and the rule is not optional.
    """
    found: list[str] = []
    for aliases in rule.sources:
        name = headers.find(aliases)
        if name:
            found.append(name)
        elif not rule.optional:
            raise headers.missing(aliases, rule.where)
    if rule.sources and not found:
        return None
    if rule.optional and not all(headers.find(clause.headers) for clause in rule.when):
        return None
    times = headers.find(rule.times)
    if rule.times and not times:
        raise headers.missing(rule.times, rule.where)
    return BoundRule(rule, tuple(found), _clauses(rule.when, headers, rule.where), times)


def _clauses(clauses: tuple[Clause, ...], headers: Headers, where: str) -> tuple[Clause, ...]:
    bound: list[Clause] = []
    for clause in clauses:
        name = headers.find(clause.headers)
        if not name and clause.optional:
            continue
        if not name:
            raise headers.missing(clause.headers, where)
        bound.append(replace(clause, headers=(name,)))
    return tuple(bound)
