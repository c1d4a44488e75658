"""The columns of one file, step by step: text, wall clock, typed value, and what is wrong with it.

A column is named ``<number of the entity>.<canonical column>``; its text has ``?`` after the name,
its wall clock ``~``, a value that the value map lacks ``!``, the number it is multiplied by ``*``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import ibis

from cadran.canonical import normalise as n
from cadran.canonical import taxonomy
from cadran.canonical.days import utc_to_local
from cadran.canonical.evidence import LAYOUTS, MOMENTS, NUMBERS
from cadran.canonical.rules import is_pattern
from cadran.canonical.schema import TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import ibis.expr.types as ir

    from cadran.canonical.evidence import Decisions
    from cadran.canonical.rules import Bound, BoundRule, Clause, Rule
    from cadran.canonical.schema import Expr

TEXT, WALL, LACKS, TIMES = "?", "~", "!", "*"
#: Between the connection and the text of a reference that is resolved later, by `canonical.links`.
BY = ":~{ref}:"
CURRENCIES = ("currency", "from_currency", "to_currency")
ACQUISITION = frozenset({*taxonomy.FROM, "quota"})


@dataclass(frozen=True)
class Cells:
    """The rules of one file over its rows.

    Attributes:
        bound: Mapping with the headers of the file.
        decisions: How its columns are read.
        zone: Zone of the company.
    """

    bound: Bound
    decisions: Decisions
    zone: str

    @cached_property
    def rules(self) -> dict[str, BoundRule]:
        """Every rule, by name of its column."""
        return {
            f"{number}.{rule.column}": rule
            for number, entity in enumerate(self.bound.entities)
            for rule in (entity.id, *entity.columns)
        }

    @property
    def names(self) -> list[str]:
        """Names of the typed columns, and of the conditions of entities."""
        return [*self.rules, *(f"{number}._when" for number, e in enumerate(self.bound.entities) if e.when)]

    def texts(self, raw: ir.Table) -> dict[str, Expr]:
        """The text of every column, and whether the value map lacks it."""
        found: dict[str, Expr] = {}
        for name, rule in self.rules.items():
            text = _source(raw, rule)
            found[name + TEXT] = _when(raw, rule, _mapped(rule.rule, text))
            if rule.times:
                found[name + TIMES] = _cell(raw, rule.times)
            if rule.rule.otherwise == "error":
                found[name + LACKS] = _when(raw, rule, _lacks(rule.rule, text))
        for number, entity in enumerate(self.bound.entities):
            if entity.when:
                found[f"{number}._when"] = condition(raw, entity.when)
        return found

    def walls(self, texts: ir.Table) -> dict[str, Expr]:
        """The wall clock of every date and time."""
        return {
            name + WALL: n.wall_clock(texts[name + TEXT], self._order(rule), self._layouts(rule))
            for name, rule in self.rules.items()
            if rule.rule.type in MOMENTS
        }

    def _layouts(self, rule: BoundRule) -> list[str]:
        """Layouts that occur; a constant, and a column that had its type already, are ISO."""
        found = [layout for header in rule.headers for layout in self.decisions.layouts.get(header, ("iso",))]
        fixed = ["iso"] if rule.rule.default or rule.rule.values or not rule.headers else []
        return [layout for layout in LAYOUTS if layout in {*found, *fixed}]

    def _order(self, rule: BoundRule) -> str:
        return next((self.decisions.orders[h] for h in rule.headers if h in self.decisions.orders), "DMY")

    def values(self, walls: ir.Table) -> dict[str, Expr]:
        """The typed value of every column; NULL where it could not be converted."""
        found = {name: self._value(walls, name, rule) for name, rule in self.rules.items()}
        for name, rule in self.rules.items():
            gate = f"{name.split('.')[0]}.{rule.rule.when_column}"
            if rule.rule.when_column:
                holds = found[gate].coalesce(False) if gate in found else ibis.literal(False)
                found[name] = ibis.ifelse(holds, found[name], ibis.null(found[name].type()))
        return self._with_currency(found)

    def _with_currency(self, found: dict[str, Expr]) -> dict[str, Expr]:
        """The values, with the currency of the file where an amount has none of its own."""
        for name, value in found.items():
            if name.endswith(".currency"):
                found[name] = value.coalesce(self.decisions.currency)
        return found

    def _value(self, walls: ir.Table, name: str, rule: BoundRule) -> Expr:
        text = walls[name + TEXT]
        match rule.rule.type:
            case "timestamp":
                return self._instant(text, walls[name + WALL], rule.rule)
            case "date":
                return self._day(text, walls[name + WALL], rule.rule)
            case "bool":
                return n.boolean(text)
            case "int":
                return n.whole(text)
            case "money" | "decimal" | "float":
                number = self._number(text, rule)
                return number * n.whole(walls[name + TIMES]) if rule.times else number
            case _:
                return self._text(text, name, rule.rule)

    def _number(self, text: Expr, rule: BoundRule) -> Expr:
        exact = self._exact(text, rule)
        return n.money(exact) if rule.rule.type == "money" else exact.try_cast(TYPES[rule.rule.type])

    def _exact(self, text: Expr, rule: BoundRule) -> Expr:
        sign = next((self.decisions.decimals[h] for h in rule.headers if h in self.decisions.decimals), ".")
        # an amount in percent is no amount
        plain = ibis.ifelse(text.contains("%"), ibis.null("string"), text) if rule.rule.type == "money" else text
        return n.number(plain, sign, rule.rule.scale)

    def _zone(self, rule: Rule) -> str:
        return rule.zone or self.bound.mapping.options.zone or self.zone

    def _instant(self, text: Expr, wall: Expr, rule: Rule) -> Expr:
        """UTC: by the cell's own offset, else by the zone of the file; days start in that of the company."""
        if rule.dates == "epoch" or self.bound.mapping.options.dates == "epoch":
            return wall
        told = wall - n.offset_seconds(text).as_interval("s")
        here, there = n.to_utc(wall, self.zone), n.to_utc(wall, self._zone(rule))
        return ibis.cases((n.has_offset(text), told), (n.has_clock(text), there), else_=here)

    def _day(self, text: Expr, wall: Expr, rule: Rule) -> Expr:
        """The day that is written; an instant is the day on which it falls in the zone of the company."""
        instant = utc_to_local(self._instant(text, wall, rule), self.zone)
        return ibis.ifelse(n.literal_day(text, wall), wall.date(), instant.date())

    def _text(self, text: Expr, name: str, rule: Rule) -> Expr:
        entity = self.bound.entities[int(name.split(".", maxsplit=1)[0])].entity
        if rule.ref:
            return self._reference(text, rule)
        if rule.column in CURRENCIES:
            return n.currency(text)
        if rule.column == "channel" and entity in ACQUISITION:
            return taxonomy.label_channel(text)
        known = {"email": n.email, "domain": n.domain}
        return known[rule.column](text) if rule.column in known else text

    def _reference(self, text: Expr, rule: Rule) -> Expr:
        """The id of another row, or what `canonical.links` finds it by."""
        connection = self.bound.mapping.connection
        if rule.ref == "id":
            return ibis.literal(f"{connection}:") + text
        key = {"domain": n.domain, "email": n.email}.get(rule.ref, lambda same: same)(text)
        return ibis.literal(connection + BY.format(ref=rule.ref)) + key

    def problems(self, typed: ir.Table) -> Iterator[tuple[Expr, str, str, Expr]]:
        """Tests of what may be wrong with a row: the test, its code, the column, the text."""
        for name, rule in self.rules.items():
            text = typed[name + TEXT]
            if rule.rule.otherwise == "error":
                yield typed[name + LACKS].notnull(), "bad_value", name, typed[name + LACKS]
            if name == "0.id":
                yield text.isnull(), "missing_id", name, text
            if rule.rule.type == "money":
                exact = self._exact(text, rule)
                yield n.money(exact).isnull() & exact.notnull(), "bad_decimals", name, text
            if code := _code(rule.rule):
                yield text.notnull() & self._converted(typed, name, rule).isnull(), code, name, text

    def _converted(self, typed: ir.Table, name: str, rule: BoundRule) -> Expr:
        """What a cell was converted to, before it was emptied or filled for other reasons."""
        if rule.rule.type in MOMENTS:
            return typed[name + WALL]
        filled = rule.rule.when_column or rule.column == "currency"
        return self._value(typed, name, rule) if filled else typed[name]


def _code(rule: Rule) -> str:
    """Code of a cell that cannot be converted; empty when any text will do."""
    if rule.type == "text":
        return "bad_currency" if rule.column in CURRENCIES else ""
    numbers = dict.fromkeys(NUMBERS, "bad_number")
    return {**numbers, **dict.fromkeys(MOMENTS, "bad_date"), "int": "bad_int", "bool": "bad_bool"}[rule.type]


def condition(raw: ir.Table, clauses: tuple[Clause, ...]) -> Expr:
    """True for the rows that pass every clause; never NULL."""
    found: Expr = ibis.literal(True)
    for clause in clauses:
        word = n.folded(_cell(raw, clause.headers[0]))
        words = [value for value in clause.values if value is not None]
        test: Expr = word.isin(words).coalesce(False) if words else ibis.literal(False)
        test = test | word.isnull() if None in clause.values else test
        found = found & (~test if clause.negated else test)
    return found


def _when(raw: ir.Table, rule: BoundRule, text: Expr) -> Expr:
    return ibis.ifelse(condition(raw, rule.when), text, ibis.null("string")) if rule.when else text


def _cell(raw: ir.Table, header: str) -> Expr:
    """A cell as trimmed text; a column that has a type of its own is written out as ISO text."""
    value = raw[header]
    kind = value.type()
    if kind.is_string():
        return n.clean(value)
    if kind.is_timestamp() and kind.timezone:
        return value.cast("timestamp('UTC')").cast("timestamp(6)").cast("string") + "Z"
    if kind.is_floating():
        return value.cast("string").re_replace(r"\.0$", "")
    return value.cast("string")


def _source(raw: ir.Table, rule: BoundRule) -> Expr:
    """The text of a rule before its value map."""
    if not rule.headers:
        return ibis.literal(rule.rule.constant, "string")
    cells = [_cell(raw, header) for header in rule.headers]
    text: Expr = _joined(cells, rule.rule) if rule.rule.combine == "join" else ibis.coalesce(*cells)
    if rule.rule.pattern:
        text = text.re_extract(rule.rule.pattern, 1).nullif("").coalesce(text)
    return text


def _joined(cells: list[Expr], rule: Rule) -> Expr:
    """The cells in one text; NULL when all of them are empty."""
    gap: Expr = ibis.literal(rule.glue)
    text = gap.join([cell.coalesce("") for cell in cells])
    if not rule.glue.strip():  # keys keep their place, so that ("a", "") and ("", "a") differ; words do not
        text = text.strip().re_replace(r"\s+", " ")
    if rule.constant is not None:
        text = text + gap + rule.constant
    return ibis.ifelse(ibis.coalesce(*cells).notnull(), text, ibis.null("string"))


def _tests(rule: Rule, text: Expr) -> list[tuple[Expr, str | None]]:
    word = n.folded(text)
    return [(word.re_search(key[1:-1]) if is_pattern(key) else word == key, value) for key, value in rule.values]


def _mapped(rule: Rule, text: Expr) -> Expr:
    """The text as the value map turns it, with the default where it is empty."""
    if rule.values:
        kept = text if rule.otherwise == "keep" else ibis.null("string")
        branches = [(test, ibis.literal(value, "string")) for test, value in _tests(rule, text)]
        text = ibis.cases(*branches, else_=kept)
    return text.coalesce(rule.default) if rule.default is not None else text


def _lacks(rule: Rule, text: Expr) -> Expr:
    """The text where the value map lacks it, else NULL."""
    known: Expr = ibis.literal(False)
    for test, _ in _tests(rule, text):
        known = known | test.coalesce(False)
    return ibis.ifelse(text.notnull() & ~known, text, ibis.null("string"))
