"""The columns of one file, step by step: wall clock, exact number, typed value, and what is wrong.

A column is named ``<number of the entity>.<canonical column>``; its wall clock has ``~`` after the
name, its bare number ``-``, its digits ``#``, beside the marks of `canonical.texts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

from cadran.canonical import normalise as n
from cadran.canonical import taxonomy
from cadran.canonical.days import utc_to_local
from cadran.canonical.evidence import LAYOUTS, MOMENTS, NUMBERS
from cadran.canonical.texts import LACKS, TEXT, TIMES
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Iterator

    import ibis.expr.types as ir

    from cadran.canonical.evidence import Decisions
    from cadran.canonical.rules import Bound, BoundRule, Rule
    from cadran.canonical.schema import Expr

WALL, BARE, DIGITS = "~", "-", "#"
#: Between the connection and the text of a reference that is resolved later, by `canonical.links`.
BY = ":~{ref}:"
CURRENCIES = ("currency", "from_currency", "to_currency")
#: Scale of amounts in the smallest unit of their currency, and units of a currency that has not a hundred of them.
MINOR = "minor"
UNITS = {
    "1": (
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "JPY",
        "KMF",
        "KRW",
        "MGA",
        "PYG",
        "RWF",
        "UGX",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ),
    "0.001": ("BHD", "JOD", "KWD", "OMR", "TND"),
}
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

    def walls(self, texts: ir.Table) -> dict[str, Expr]:
        """The wall clock of every date and time, and every number without what is around it."""
        found = {
            name + WALL: n.wall_clock(texts[name + TEXT], self._order(rule), self._layouts(rule))
            for name, rule in self.rules.items()
            if rule.rule.type in MOMENTS
        }
        numbers = (name for name, rule in self.rules.items() if rule.rule.type in NUMBERS)
        return found | {name + BARE: n.bare(texts[name + TEXT]) for name in numbers}

    def digits(self, walls: ir.Table) -> dict[str, Expr]:
        """The digits of every number, with a decimal point."""
        found: dict[str, Expr] = {}
        for name, rule in self.rules.items():
            if rule.rule.type in NUMBERS:
                sign = next((self.decisions.decimals[h] for h in rule.headers if h in self.decisions.decimals), ".")
                plain = n.digits(walls[name + BARE], sign)
                # an amount in percent is no amount
                is_odd = walls[name + BARE].contains("%") if rule.rule.type == "money" else ibis.literal(False)
                found[name + DIGITS] = ibis.ifelse(is_odd, ibis.null("string"), plain)
        return found

    def _layouts(self, rule: BoundRule) -> list[str]:
        """Layouts that occur; a constant, and a column that had its type already, are ISO."""
        found = [layout for header in rule.headers for layout in self.decisions.layouts.get(header, ("iso",))]
        fixed = ["iso"] if rule.rule.default or rule.rule.values or not rule.headers else []
        return [layout for layout in LAYOUTS if layout in {*found, *fixed}]

    def _order(self, rule: BoundRule) -> str:
        return next((self.decisions.orders[h] for h in rule.headers if h in self.decisions.orders), "DMY")

    def values(self, digits: ir.Table) -> dict[str, Expr]:
        """The typed value of every column; NULL where it could not be converted."""
        found = {name: self._value(digits, name, rule) for name, rule in self.rules.items()}
        for name, rule in self.rules.items():
            gate = f"{name.split('.')[0]}.{rule.rule.when_column}"
            if rule.rule.when_column:
                holds = found[gate].coalesce(False) if gate in found else ibis.literal(False)
                found[name] = ibis.ifelse(holds, found[name], ibis.null(found[name].type()))
        return self._in_units(self._with_currency(found))

    def _with_currency(self, found: dict[str, Expr]) -> dict[str, Expr]:
        """The values, with the currency of the file where an amount has none of its own."""
        for name, value in found.items():
            if name.endswith(".currency"):
                found[name] = value.coalesce(self.decisions.currency)
        return found

    def _in_units(self, found: dict[str, Expr]) -> dict[str, Expr]:
        """The values, with amounts in the smallest unit of their currency in whole units of it."""
        for name, rule in self.rules.items():
            if rule.rule.scale == MINOR:
                currency = found.get(f"{name.split('.')[0]}.currency", ibis.literal(self.decisions.currency))
                branches = [(currency.isin(codes), _units(unit)) for unit, codes in UNITS.items()]
                found[name] = (found[name] * ibis.cases(*branches, else_=_units("0.01"))).cast(found[name].type())
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
                return n.whole(text) * int(rule.rule.scale or 1)
            case "money" | "decimal" | "float":
                number = n.number(walls[name + DIGITS], walls[name + BARE], rule.rule.type, _factor(rule.rule))
                return number * n.whole(walls[name + TIMES]) if rule.times else number
            case _:
                return self._text(text, name, rule.rule)

    def _zone(self, rule: Rule) -> str:
        return rule.zone or self.bound.mapping.options.zone or self.zone

    def _instant(self, text: Expr, wall: Expr, rule: Rule) -> Expr:
        """UTC: by the cell's own offset, else by the zone of the file; days start in that of the company."""
        if rule.dates == "epoch" or self.bound.mapping.options.dates == "epoch":
            return wall
        here = n.to_utc(wall, self.zone)
        zone = self._zone(rule)
        local = here if zone == self.zone else ibis.ifelse(n.has_clock(text), n.to_utc(wall, zone), here)
        told = wall - n.offset_seconds(text).as_interval("s")
        return ibis.ifelse(n.has_offset(text), told, local)

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
                fine = n.too_fine(typed[name + DIGITS], typed[name + BARE], _factor(rule.rule))
                yield fine, "bad_decimals", name, text
            if code := _code(rule.rule):
                yield text.notnull() & self._converted(typed, name, rule).isnull(), code, name, text

    def _converted(self, typed: ir.Table, name: str, rule: BoundRule) -> Expr:
        """What a cell was converted to, before it was emptied or filled for other reasons."""
        if rule.rule.type in MOMENTS:
            return typed[name + WALL]
        filled = rule.rule.when_column or rule.column == "currency"
        return self._value(typed, name, rule) if filled else typed[name]


def _units(share: str) -> Expr:
    return ibis.literal(Decimal(share), "decimal(9, 4)")


def _factor(rule: Rule) -> str:
    """By what every cell of a rule is multiplied; empty when nothing, or not by the same."""
    return "" if rule.scale == MINOR else rule.scale


def _code(rule: Rule) -> str:
    """Code of a cell that cannot be converted; empty when any text will do."""
    if rule.type == "text":
        return "bad_currency" if rule.column in CURRENCIES else ""
    numbers = dict.fromkeys(NUMBERS, "bad_number")
    return {**numbers, **dict.fromkeys(MOMENTS, "bad_date"), "int": "bad_int", "bool": "bad_bool"}[rule.type]
