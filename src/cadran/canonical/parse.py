"""One mapping file, read into `canonical.rules`, every message with its file and line."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from cadran.canonical.entities import COMMON, ENTITIES, Column, Entity
from cadran.canonical.rules import (
    DATE_ORDERS,
    Aliases,
    Clause,
    EntityRule,
    Mapping,
    Options,
    Rule,
    fold,
    is_pattern,
)
from cadran.config import parse_day
from cadran.errors import ConfigError, MappingError, did_you_mean
from cadran.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Common columns that a mapping may fill; the others are Cadran's own.
OPEN_COMMON = ("source_url", "created_at", "updated_at", "deleted_at", "merged_into_id", "merged_at", "is_inferred")
TOP_KEYS = (
    "name", "system", "connection", "match", "table", "query", "schema", "database", "stream", "options", "where",
    "optional", "entities", "extends",
)  # fmt: skip
ENTITY_KEYS = ("id", "columns", "numbered", "merge", "unpivot", "cell", "when")
RULE_KEYS = (
    "from", "join", "with", "first", "value", "default", "values", "else", "decimal", "dates", "zone", "scale",
    "pattern", "times", "ref", "when", "optional",
)  # fmt: skip
REFS = ("id", "name", "email", "domain")
OTHERWISE = ("keep", "null", "error")


def fillable(entity: Entity) -> dict[str, Column]:
    """Columns of an entity that a mapping may fill, by name."""
    return {c.name: c for c in (*(c for c in COMMON if c.name in OPEN_COMMON), *entity.columns)}


def refuse(message: str, where: str, known: Iterable[str] = (), **params: object) -> NoReturn:
    """Raise a `MappingError` whose hint is the nearest known word, or all of them.

    Raises:
        MappingError: Always.
    """
    words = [str(word) for word in known]
    near = did_you_mean(str(params.get("word", "")), words)
    hint = "Did you mean {near}?" if near else "Known: {known}." if words else ""
    raise MappingError(message, hint=hint, where=where, near=near, known=", ".join(words), **params)


def _record(value: Any, parent: Record, key: str) -> Record:
    if isinstance(value, Record):
        return value
    refuse("{key} must hold names and values.", parent.where(key), key=key)


def _known_keys(record: Record, known: tuple[str, ...]) -> None:
    for key in record:
        if key not in known:
            refuse("There is no key {word} here.", record.where(key), known, word=key)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _points(column: Column) -> bool:
    """True when a column holds the id of another row; what a row was merged into is one of its own kind."""
    return bool(column.ref) or column.name == "merged_into_id"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _aliases(value: Any) -> Aliases:
    return tuple(str(item) for item in _list(value))


@dataclass(frozen=True)
class MappingFile:
    """One mapping file as it is written.

    Attributes:
        record: Its text as read by `config`.
        is_shipped: True when it comes with Cadran.
    """

    record: Record
    is_shipped: bool = False

    def mapping(self) -> Mapping:
        """The mapping that the file holds.

        Raises:
            MappingError: A key, column or value cannot be used.
        """
        record = self.record
        _known_keys(record, TOP_KEYS)
        name = str(record.get("name") or record.place.file.rsplit("/", 1)[-1].rsplit(".", 1)[0])
        system = str(record.get("system") or name)
        entities = tuple(self._entity(key) for key in self._entities())
        found = Mapping(
            name=name,
            system=system,
            connection=str(record.get("connection") or system),
            table=str(record.get("table") or ""),
            query=self._query(),
            database=str(record.get("database") or "").removeprefix("env:"),
            stream=str(record.get("stream") or ""),
            options=self._options(),
            row_filter=self._row_filter(),
            entities=entities,
            is_shipped=self.is_shipped,
            where=str(record.place),
        )
        return self._matched(found)

    def with_entities_of(self, base: Mapping) -> Mapping:
        """The mapping of a file in canonical words, read and joined as this file says.

        Raises:
            MappingError: A key or value cannot be used; such a file needs no columns of its own.
        """
        record = self.record
        _known_keys(record, ("name", "system", "connection", "match", "options", "where", "extends"))
        system = str(record.get("system") or record.get("connection") or base.system)
        found = replace(
            base,
            name=str(record.get("name") or base.name),
            system=system,
            connection=str(record.get("connection") or system),
            options=self._options(),
            row_filter=self._clauses(record, "where"),
            is_shipped=False,
            where=str(record.place),
        )
        return self._matched(found) if "match" in record else found

    def _query(self) -> str:
        """The SELECT of the mapping, over the tables of its schema."""
        schema = str(self.record.get("schema") or "")
        place = '"' + schema.replace('"', '""') + '".' if schema else ""
        return str(self.record.get("query") or "").replace("{schema}.", place)

    def _row_filter(self) -> tuple[Clause, ...]:
        """The filter of rows; one that is shipped also holds for files without its headers."""
        clauses = self._clauses(self.record, "where")
        return tuple(replace(clause, optional=self.is_shipped) for clause in clauses)

    def _entities(self) -> Record:
        entities = _record(self.record.get("entities"), self.record, "entities")
        if not entities:
            refuse("The mapping has no entity.", self.record.where("entities"))
        return entities

    def _matched(self, mapping: Mapping) -> Mapping:
        """The mapping with its `match` block; a header there stands for all its aliases."""
        block = self.record.get("match")
        if block is None:
            if not (mapping.table or mapping.query or mapping.stream):
                refuse("The mapping says neither `match`, `table` nor `stream`.", str(self.record.place))
            return mapping
        block = _record(block, self.record, "match")
        _known_keys(block, ("files", "headers"))
        groups = [s for e in mapping.entities for r in (*e.ids, *e.columns) for s in r.sources]
        headers = tuple(_widened(_aliases(item), groups) for item in _list(block.get("headers") or []))
        return replace(mapping, files=_aliases(block.get("files") or []), headers=headers)

    def _options(self) -> Options:
        block = self.record.get("options")
        if block is None:
            return Options()
        block = _record(block, self.record, "options")
        known = tuple(f.name for f in fields(Options))
        _known_keys(block, known)
        for key, allowed in (("decimal", (",", ".")), ("dates", DATE_ORDERS)):
            self._allowed(block, key, allowed)
        texts = {k: str(block[k]) for k in known if k not in {"header_row", "exported_at", "complete"} and block.get(k)}
        texts["currency"] = texts.get("currency", "").upper()
        return Options(
            **texts,
            header_row=int(block.get("header_row") or 0),
            exported_at=_day(block["exported_at"], block.where("exported_at")) if block.get("exported_at") else None,
            complete=bool(block.get("complete")),
        )

    def _allowed(self, block: Record, key: str, allowed: tuple[str, ...]) -> str:
        value = str(block.get(key) or "")
        if value and value not in allowed:
            refuse("{key} cannot be {word}.", block.where(key), allowed, key=key, word=value)
        return value

    def _entity(self, name: str) -> EntityRule:
        blocks = self._entities()
        block = _record(blocks[name], blocks, name)
        entity_name = name.split("/", maxsplit=1)[0]
        landed = [key for key, entity in ENTITIES.items() if not entity.derived]
        if entity_name not in landed:
            refuse("No entity is named {word}.", blocks.where(name), landed, word=entity_name)
        _known_keys(block, ENTITY_KEYS)
        entity = ENTITIES[entity_name]
        unpivot = tuple(self._pattern(p, block, "unpivot") for p in _list(block.get("unpivot") or []))
        return EntityRule(
            entity=entity_name,
            ids=self._ids(block, entity_name, is_first=name == next(iter(blocks)) and not unpivot),
            columns=self._columns(block, entity),
            numbered=bool(block.get("numbered")),
            merge=bool(block.get("merge")),
            unpivot=unpivot,
            cell=str(block.get("cell") or entity.time),
            when=self._clauses(block, "when"),
            where=blocks.where(name),
        )

    def _pattern(self, value: Any, block: Record, key: str) -> str:
        try:
            re.compile(str(value))
        except re.error as error:
            refuse("This is not a regular expression: {problem}.", block.where(key), problem=error)
        return str(value)

    def _ids(self, block: Record, entity: str, *, is_first: bool) -> tuple[Rule, ...]:
        if "id" not in block:
            refuse("{entity} has no id.", str(block.place), entity=entity)
        *others, last = self._rules(Column("id"), block["id"], block.where("id"))
        # the id of what the file is about must be there; that of something it mentions need not
        # an id joined from several columns is made of those that the report has
        needed = is_first and last.combine != "join"
        return (*others, replace(last, optional=last.optional and not needed))

    def _columns(self, block: Record, entity: Entity) -> tuple[Rule, ...]:
        columns = block.get("columns")
        if columns is None:
            return ()
        columns = _record(columns, block, "columns")
        known = fillable(entity)
        for name in columns:
            if name not in known:
                refuse("{entity} has no column {word}.", columns.where(name), known, entity=entity.name, word=name)
        return tuple(rule for name in columns for rule in self._rules(known[name], columns[name], columns.where(name)))

    def _rules(self, column: Column, value: Any, where: str) -> list[Rule]:
        """The rules of one column: one, or alternatives, written as a list of mappings or of lists."""
        if isinstance(value, list) and any(isinstance(item, Record | list) for item in value):
            rules = [self._rule(column, item, where) for item in value]
            return [replace(r, optional=True) for r in rules[:-1]] + rules[-1:]
        return [self._rule(column, value, where)]

    def _rule(self, column: Column, value: Any, where: str) -> Rule:
        plain = Rule(
            column.name, column.type, target=column.ref, optional=bool(self.record.get("optional")), where=where
        )
        if value is None:
            refuse("{column} says nothing.", where, column=column.name)
        if not isinstance(value, Record):
            return replace(plain, sources=(_aliases(value),), ref="id" if _points(column) else "")
        _known_keys(value, RULE_KEYS)
        rule = self._source(plain, value)
        ref = self._allowed(value, "ref", REFS) or ("id" if _points(column) else "")
        when = value.get("when")
        return replace(
            rule,
            default=_text(value["default"]) if value.get("default") is not None else None,
            values=self._values(value),
            otherwise=self._otherwise(value),  # type: ignore[arg-type]
            decimal=self._allowed(value, "decimal", (",", ".")),
            dates=self._allowed(value, "dates", DATE_ORDERS),
            zone=str(value.get("zone") or ""),
            scale=_text(value["scale"]) if value.get("scale") else "",
            pattern=self._pattern(value["pattern"], value, "pattern") if value.get("pattern") else "",
            times=_aliases(value["times"]) if value.get("times") else (),
            ref=ref,  # type: ignore[arg-type]
            when=self._clauses(value, "when") if isinstance(when, Record) else (),
            when_column=when if isinstance(when, str) else "",
            optional=bool(value.get("optional", plain.optional)),
        )

    def _otherwise(self, value: Record) -> str:
        """What becomes of a cell that the value map leaves out; YAML reads `else: null` as nothing."""
        if "else" in value and value["else"] is None:
            return "null"
        return self._allowed(value, "else", OTHERWISE) or "keep"

    def _source(self, rule: Rule, value: Record) -> Rule:
        """The rule with what its cells are taken from."""
        said = value.get("value")
        constant = None if said is None else _text(said)
        for key in ("join", "first"):
            if key in value:
                parts = tuple(_aliases(part) for part in _list(value[key]))
                glue = str(value.get("with", ":"))
                return replace(rule, sources=parts, combine=key, glue=glue, constant=constant)
        if constant is not None:
            return replace(rule, constant=constant)
        if "from" in value:
            return replace(rule, sources=(_aliases(value["from"]),))
        if "values" in value or "else" in value:  # an unpivoted header gives the text
            return rule
        refuse("{column} says neither from, join, first nor value.", str(value.place), column=rule.column)

    def _values(self, value: Record) -> tuple[tuple[str, str | None], ...]:
        block = value.get("values")
        if block is None:
            return ()
        block = _record(block, value, "values")
        return tuple(
            (key if is_pattern(key) else fold(key), None if text is None else _text(text))
            for key, text in block.items()
        )

    def _clauses(self, parent: Record, key: str) -> tuple[Clause, ...]:
        block = parent.get(key)
        if block is None:
            return ()
        block = _record(block, parent, key)
        return tuple(self._clause(header, test, block) for header, test in block.items())

    def _clause(self, header: str, test: Any, block: Record) -> Clause:
        negated = isinstance(test, Record)
        if negated and list(test) != ["not"]:
            refuse("A test is a value, a list of values, or {{not: value}}.", block.where(header))
        values = _list(test["not"] if negated else test)
        folded = tuple(None if value is None else fold(_text(value)) for value in values)
        return Clause(tuple(part.strip() for part in header.split("|")), folded, negated)


def _widened(aliases: Aliases, groups: list[Aliases]) -> Aliases:
    """The aliases and those of every rule that names one of them."""
    found = dict.fromkeys(aliases)
    for group in groups:
        if any(fold(alias) in {fold(other) for other in group} for alias in aliases):
            found.update(dict.fromkeys(group))
    return tuple(found)


def _day(value: Any, where: str) -> date:
    try:
        return parse_day(value, where)
    except ConfigError as error:
        raise MappingError(error.message, hint=error.hint, where=error.where, **error.params) from error
