"""What a whole column says about its decimal sign and the order of its dates.

`evidence` is one aggregate over the file; `decide` reads its only row. A column that allows two
readings is a question to the owner of the data, with the line to add: nothing is guessed, and the
same sign never means two things in one column.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from cadran.canonical import normalise as n
from cadran.deferred import ibis
from cadran.errors import MappingError

if TYPE_CHECKING:
    from collections.abc import Mapping as Named

    import ibis.expr.types as ir

    from cadran.canonical.rules import Bound, BoundRule, Rule
    from cadran.canonical.schema import Expr

NUMBERS = frozenset({"money", "decimal", "float"})
MOMENTS = frozenset({"date", "timestamp"})
#: Layouts of dates that are read when they occur.
LAYOUTS = ("iso", "compact", "parts", "short", "day_month", "month_day", "serial", "epoch")
#: Layouts whose meaning the mapping has to state, and what it may state.
STATED = {"short": ("DD/MM/YY", "MM/DD/YY"), "serial": ("excel",), "epoch": ("epoch",)}
#: Signs of currencies, and what they may stand for.
SIGNS = {"euro": ("EUR",), "pound": ("GBP",), "dollar": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN")}
#: Separates the parts of the names of measures, which hold headers.
BAR = "|"


@dataclass(frozen=True)
class Decisions:
    """How the columns of one file are read.

    Attributes:
        decimals: Decimal sign by header.
        orders: Order of day and month by header.
        layouts: Layouts of dates that occur, by header.
        currency: Currency of amounts that have none of their own.
    """

    decimals: Named[str, str] = field(default_factory=dict)
    orders: Named[str, str] = field(default_factory=dict)
    layouts: Named[str, tuple[str, ...]] = field(default_factory=dict)
    currency: str = ""


def evidence(raw: ir.Table, bound: Bound) -> ir.Table:
    """One row: per column that is converted from text, how many cells say what.

    Columns are named ``measure|header``. Numbers: ``comma``, ``point``, ``unclear``, ``example`` (an
    unclear cell) and the signs of currencies seen. Dates: one count per layout of `LAYOUTS`,
    ``day_first``, ``month_first``, ``unclear`` and ``example``.
    """
    read = _converted(bound, raw)
    cells = raw.select(**{header: n.clean(raw[header]) for header in read}) if read else raw.select("_row")
    numbers = [header for header, rule in read.items() if rule.rule.type in NUMBERS]
    packed = cells.mutate(**{f"-{BAR}{header}": _packed(cells[header]) for header in numbers})
    measures: dict[str, Expr] = {}
    for header in read:
        text = packed[header]
        is_number = header in numbers
        found = _number_measures(text, packed[f"-{BAR}{header}"]) if is_number else _date_measures(text)
        measures.update({f"{name}{BAR}{header}": value for name, value in found.items()})
    return packed.aggregate(n_rows=packed.count(), **measures)


def _packed(text: Expr) -> Expr:
    """A number without anything but digits and signs."""
    bare = text.translate(n.SPACES + "'’€$£¥%()-+", "")
    return ibis.ifelse(bare.upper() != bare.lower(), bare.re_replace("[A-Za-z]+$|^[A-Za-z]+", ""), bare)


def _converted(bound: Bound, raw: ir.Table) -> dict[str, BoundRule]:
    """The rule that reads each text column that holds numbers or dates."""
    found: dict[str, BoundRule] = {}
    for rule in bound.rules():
        if rule.rule.type in NUMBERS | MOMENTS and rule.rule.combine != "join":
            found.update({header: rule for header in rule.headers if raw[header].type().is_string()})
    return found


def _number_measures(text: Expr, bare: Expr) -> dict[str, Expr]:
    # a sign that repeats groups digits; one that comes after the other, or before other than three
    # digits, or after a leading zero or more than three digits, is the decimal sign
    unclear: Expr = bare.re_search(r"^[1-9]\d{0,2}[.,]\d{3}$")
    example: Expr = ibis.ifelse(unclear, text, ibis.null("string"))
    return {
        "comma": bare.re_search(r"\..*,|\..*\.|^[^,.]*,(?:\d{1,2}|\d{4,})$|^(?:0|\d{4,})?,\d+$").sum(),
        "point": bare.re_search(r",.*\.|,.*,|^[^,.]*\.(?:\d{1,2}|\d{4,})$|^(?:0|\d{4,})?\.\d+$").sum(),
        "unclear": unclear.sum(),
        "example": example.min(),
        "euro": text.contains("€").sum(),
        "pound": text.contains("£").sum(),
        "dollar": text.contains("$").sum(),
    }


def _date_measures(text: Expr) -> dict[str, Expr]:
    first = text.re_extract(n.PARTS, 1).try_cast("int64")
    second = text.re_extract(n.PARTS, 2).try_cast("int64")
    # 03/03/2026 is the same day either way
    unclear = (first <= 12) & (second <= 12) & (first != second)
    odd = unclear | text.re_search(f"{n.SHORT}|{n.SERIAL}|{n.EPOCH}")
    example: Expr = ibis.ifelse(odd, text, ibis.null("string"))
    counts = {
        "iso": n.ISO,
        "compact": n.COMPACT,
        "parts": n.PARTS,
        "short": n.SHORT,
        "day_month": n.DAY_MONTH,
        "month_day": n.MONTH_DAY,
        "serial": n.SERIAL,
        "epoch": n.EPOCH,
    }
    return {
        **{name: text.re_search(pattern).sum() for name, pattern in counts.items()},
        "day_first": (first > 12).sum(),
        "month_first": (second > 12).sum(),
        "unclear": unclear.sum(),
        "example": example.min(),
    }


def decide(bound: Bound, found: Named[str, Any], currency: str, decimal: str = "") -> Decisions:
    """How the columns of a file are read, from the row of `evidence`.

    Args:
        bound: Mapping with the headers of the file.
        found: The row, by name of measure.
        currency: Base currency of the company.
        decimal: Decimal sign of numbers that the source holds as numbers, or empty.

    Raises:
        MappingError: A column allows two readings; the hint has the line to add.
    """
    return _Reader(bound, found, currency, decimal).decisions()


@dataclass(frozen=True)
class _Reader:
    """The evidence of one file while it is judged."""

    bound: Bound
    found: Named[str, Any]
    currency: str
    decimal: str

    def decisions(self) -> Decisions:
        rules = {h: r.rule for r in self.bound.rules() for h in r.headers if f"unclear{BAR}{h}" in self.found}
        numbers = {header: rule for header, rule in rules.items() if rule.type in NUMBERS}
        moments = {header: rule for header, rule in rules.items() if rule.type in MOMENTS}
        return Decisions(
            decimals={header: self._decimal(header, rule) for header, rule in numbers.items()},
            orders={header: self._order(header, rule) for header, rule in moments.items()},
            layouts={header: tuple(x for x in LAYOUTS if self._n(x, header)) for header in moments},
            currency=self._currency([header for header, rule in numbers.items() if rule.type == "money"]),
        )

    def _n(self, measure: str, header: str) -> int:
        return sum(int(self.found[f"{measure}{BAR}{h}"] or 0) for h in self._together(header))

    def _together(self, header: str) -> tuple[str, ...]:
        """The headers that fill one column with this one, and are therefore judged as one column."""
        groups = (r.headers for r in self.bound.rules() if r.rule.combine == "first" and header in r.headers)
        return next((tuple(h for h in group if f"unclear{BAR}{h}" in self.found) for group in groups), (header,))

    def _example(self, header: str) -> str:
        return next((str(e) for h in self._together(header) if (e := self.found[f"example{BAR}{h}"]) is not None), "")

    def _decimal(self, header: str, rule: Rule) -> str:
        stated = rule.decimal or self.bound.mapping.options.decimal
        comma, point = self._n("comma", header), self._n("point", header)
        if stated:
            return stated
        if comma and point:
            self._ask(
                "Column {header} has {comma} numbers with a decimal comma and {point} with a decimal point.",
                rule,
                'decimal: ","',
                header=header,
                comma=comma,
                point=point,
            )
        if not (comma or point) and self._n("unclear", header) and not self.decimal:
            self._ask(
                "Column {header} can be read in two ways: is {example} about one, or a thousand times more?",
                rule,
                'decimal: ","',
                header=header,
                example=self._example(header),
            )
        return "," if comma else "." if point else self.decimal or "."

    def _order(self, header: str, rule: Rule) -> str:
        stated = rule.dates or self.bound.mapping.options.dates
        for layout, allowed in STATED.items():
            if self._n(layout, header) and stated not in allowed:
                self._ask(
                    "Column {header} has {count} dates such as {example}, which do not say their day, month and year.",
                    rule,
                    f"dates: {allowed[0]}",
                    header=header,
                    count=self._n(layout, header),
                    example=self._example(header),
                )
        return stated or self._observed_order(header, rule)

    def _observed_order(self, header: str, rule: Rule) -> str:
        day, month, unclear = (self._n(name, header) for name in ("day_first", "month_first", "unclear"))
        if day and month:
            self._ask(
                "Column {header} has {day} dates that start with the day and {month} that start with the month.",
                rule,
                "dates: DMY",
                header=header,
                day=day,
                month=month,
            )
        if unclear and not (day or month):
            self._ask(
                "Column {header} can be read in two ways: does {example} start with the day or with the month?",
                rule,
                "dates: DMY",
                header=header,
                example=self._example(header),
            )
        return "MDY" if month else "DMY"

    def _currency(self, headers: list[str]) -> str:
        """The currency of amounts that have none: as stated, else as their signs say, else the company's."""
        stated = self.bound.mapping.options.currency
        ruled = any(rule.column == "currency" for rule in self.bound.rules())
        signs = {name for name in SIGNS for header in headers if self._n(name, header)}
        if stated or ruled or not signs:
            return stated or self.currency
        codes = SIGNS[min(signs)]
        rule = next(r.rule for r in self.bound.rules() if set(r.headers) & set(headers))
        if len(signs) > 1:
            self._ask(
                "The amounts have several currency signs, and no column says their currency.", rule, "currency: EUR"
            )
        if len(codes) > 1 and self.currency not in codes:
            self._ask("The amounts are in dollars, without saying of which country.", rule, "currency: USD")
        return self.currency if self.currency in codes else codes[0]

    def _ask(self, question: str, rule: Rule, line: str, **params: object) -> NoReturn:
        """Stop with a question whose hint is the line to add, and the file to add it to."""
        mapping = self.bound.mapping
        hint = "Add `options: {{{line}}}` to {file}, as is true of it."
        if mapping.is_shipped:
            hint = "Write mappings/{name}.yml with `extends: {name}` and `options: {{{line}}}`, as is true of it."
        raise MappingError(
            question,
            hint=hint,
            where=rule.where,
            line=line,
            name=mapping.name,
            file=mapping.where.rsplit(":", 1)[0],
            **params,
        )
