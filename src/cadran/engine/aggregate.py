"""What one row adds to each component of a scan, and how rows are put together.

Predicates and amounts are computed once per row, under short names, however many components use
them. Sums are exact in any order of rows: doubles are summed as decimals.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cadran.catalogue.expression import entity_kinds, parse
from cadran.catalogue.measures import missing_of
from cadran.deferred import ibis
from cadran.engine.expression import day_literal, ibis_value
from cadran.engine.parts import Part
from cadran.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from datetime import date

    import ibis.expr.types as ir

    from cadran.catalogue.expression import Kind

#: What doubles are summed as, and what their squares are.
EXACT, EXACT_SQUARE = "decimal(24, 6)", "decimal(38, 9)"
#: How many of the last digit of `EXACT` make one.
UNITS = 1_000_000
#: Components whose sum over days or segments is that of all of them together.
ADDITIVE = ("matched", "cohort", "missing", "known", "sum", "squares", "both", "xx", "yy", "xy")
#: Column that holds the day on which a row counts.
DAY = "p_day"

#: A component of a scan: a part (or two), and what is aggregated of it.
Slot = tuple[Part, Part | None, str]


@dataclass(frozen=True)
class Condition:
    """Turns the expressions of measures into values on rows that have `DAY`.

    Attributes:
        rows: The rows.
        whole_until: First day that is not wholly known.
    """

    rows: ir.Table
    whole_until: date

    def value(self, text: str, entity: str, wanted: Kind | None = None, where: str = "") -> Any:
        """The value of a measure's expression for each row."""
        return ibis_value(parse(text, entity_kinds(entity), wanted, where=where), self.rows)

    def sql(self, text: str, entity: str) -> Any:
        """The predicate of that text; true when it is empty."""
        return self.value(text, entity, "bool") if text else ibis.literal(value=True)

    def of(self, part: Part) -> Any:
        """True for the rows that a part counts."""
        found = self._conditions(part)
        if part.window is not None:
            found.append(self.rows[DAY] + ibis.interval(days=part.window) < day_literal(self.whole_until))
        return _all(found)

    def cohort(self, part: Part) -> Any:
        """True for the rows that a part will count once they are old enough."""
        return _all(self._conditions(part))

    def _conditions(self, part: Part) -> list[Any]:
        measure = part.measure
        where = measure.places.get("where", "")
        found = [self.value(measure.where, measure.entity, "bool", where)] if measure.where else []
        if part.event_on:
            lag = self.rows[part.event_on].delta(self.rows[DAY], unit="day")
            found.append(lag >= 0)
            found += [lag <= part.window] if part.window is not None else []
        return found

    def missing(self, part: Part) -> Any:
        """True for the rows of a part whose amount has no rate (rule G-14)."""
        measure = part.measure
        found = self.value(missing_of(measure), measure.entity, "bool", measure.places.get("missing", ""))
        # a predicate of its own says which rows it is about; those of the measure may need the rate themselves
        return found if measure.missing else found & self.of(part)

    def expr(self, part: Part) -> Any:
        """What a part aggregates."""
        measure = part.measure
        if not measure.expr:
            raise DefinitionError(
                "{agg} needs an expression to aggregate.", where=measure.places.get("agg", ""), agg=measure.agg
            )
        return self.value(measure.expr, measure.entity, where=measure.places.get("expr", ""))

    def share_of_case(self, part: Part) -> Any:
        """What one row adds to a part: its amount, or one for a count; nothing where it does not count."""
        is_count = part.measure.agg == "count"
        value = ibis.literal(1.0) if is_count else self.expr(part).cast("float64").fill_null(0.0)
        return ibis.ifelse(self.of(part), value, ibis.literal(0.0))


@dataclass
class Prepared:
    """The columns that components need of each row, each computed once.

    Attributes:
        condition: Where they are computed.
        columns: Ibis value of each column, by its short name.
    """

    condition: Condition
    columns: dict[str, Any] = field(default_factory=dict)
    _names: dict[Hashable, str] = field(default_factory=dict)

    def _column(self, key: Hashable, make: Callable[[], Any]) -> str:
        if key not in self._names:
            self._names[key] = f"p_x{len(self._names)}"
            self.columns[self._names[key]] = make()
        return self._names[key]

    def counts(self, part: Part, name: str = "of") -> str:
        """The column that says whether a row counts; empty when every row does."""
        measure = part.measure
        if name == "missing":
            return self._column((name, missing_of(measure), measure.where), lambda: self.condition.missing(part))
        window = part.window if name == "of" else None
        if not measure.where and not part.event_on and window is None:
            return ""
        make = self.condition.of if name == "of" else self.condition.cohort
        return self._column((measure.where, part.event_on, part.window, window), lambda: make(part))

    def expr(self, part: Part) -> str:
        """The column that a part aggregates."""
        return self._column(("expr", part.measure.expr), lambda: self.condition.expr(part))

    def share(self, part: Part) -> str:
        """The column of what a row adds to a part, for moments."""
        return self._column(("share", part), lambda: self.condition.share_of_case(part))

    def component(self, slot: Slot) -> Callable[[ir.Table], Any]:
        """How a component is aggregated from a table that has `columns`."""
        part, other, name = slot
        if other is not None:
            return self._moment(part, other, name)
        if name in ("matched", "cohort", "missing"):
            counts = self.counts(part, "of" if name == "matched" else name)
            return lambda table: table.count(where=_where(table, counts))
        counts, value = self.counts(part), self.expr(part)
        return lambda table: _aggregate(name, table[value], _where(table, counts))

    def _moment(self, top: Part, low: Part, name: str) -> Callable[[ir.Table], Any]:
        if name == "both":
            first, second = self.counts(top), self.counts(low)
            return lambda table: table.count(where=_either(table, first, second))
        x, y = self.share(top), self.share(low)
        left, right = {"xx": (x, x), "yy": (y, y), "xy": (x, y)}[name]
        return lambda table: (table[left] * table[right]).cast(EXACT_SQUARE).sum()


def slots_of(part: Part) -> list[Slot]:
    """The components that a part needs."""
    agg = part.measure.agg
    names = {
        "count": ["matched"],
        "sum": ["sum", "known", "matched"],
        "mean": ["sum", "known", "matched"],
        "count_distinct": ["distinct", "matched"],
        "survival": ["survival"],
        "incidence": ["incidence"],
    }.get(agg, [agg, "known", "matched"])
    if agg == "count" and part.measure.expr:
        names = ["known", "matched"]
    if agg in ("sum", "mean", "median", "min", "max") and missing_of(part.measure):
        names = [*names, "missing"]
    if part.window is not None and not part.event_on:
        names = [*names, "cohort"]
    return [(part, None, name) for name in names]


def moment_slots(pair: tuple[Part, Part] | None, numerator: Part) -> list[Slot]:
    """The components of a KPI's moments, when its interval needs them."""
    if pair:
        return [(*pair, name) for name in ("both", "xx", "yy", "xy")]
    return [(numerator, None, "squares")] if numerator.measure.agg == "mean" else []


def _all(conditions: list[Any]) -> Any:
    return functools.reduce(operator.and_, conditions) if conditions else ibis.literal(value=True)


def _where(table: ir.Table, counts: str) -> Any:
    return table[counts] if counts else None


def _either(table: ir.Table, first: str, second: str) -> Any:
    if not first or not second:
        return None
    false = ibis.literal(value=False)
    return table[first].fill_null(false) | table[second].fill_null(false)


def _aggregate(name: str, value: Any, counts: Any) -> Any:
    match name:
        case "sum":
            return exact(value).sum(where=counts)
        case "known":
            return value.count(where=counts)
        case "distinct":
            return value.nunique(where=counts)
        case "squares":
            double = value.cast("float64")
            return (double * double).cast(EXACT_SQUARE).sum(where=counts)
        case _:
            return _position(name, value, counts)


def _position(name: str, value: Any, counts: Any) -> Any:
    if name == "median":
        return value.cast("float64").median(where=counts)
    return value.min(where=counts) if name == "min" else value.max(where=counts)


def exact(value: Any) -> Any:
    """The same number in a type whose sum does not depend on the order of rows.

    Half of the last digit goes up by the arithmetic of doubles, which is the same everywhere; a cast
    alone rounds it as each engine likes, and one row in 54 of days counted by the second is such a half.
    """
    if not value.type().is_floating():
        return value
    return ((value * UNITS + 0.5).floor() / UNITS).cast(EXACT)
