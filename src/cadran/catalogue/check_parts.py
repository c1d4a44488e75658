"""What a KPI is made of: measures on columns that exist, units that fit, parts that can be put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadran.canonical.entities import ENTITIES, published_columns
from cadran.catalogue.expression import column_names, entity_kinds, parse
from cadran.catalogue.fields import issue_of
from cadran.catalogue.findings import of_kpi, unknown_name, where_of
from cadran.catalogue.syntax import Call, Column
from cadran.errors import CadranError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cadran.catalogue.definition import Kpi, Measure
    from cadran.catalogue.syntax import Tree
    from cadran.errors import Issue

#: Aggregations that a ratio may be made of: the database recomputes them for every group.
IN_RATIO = ("count", "sum", "count_distinct")
#: Aggregations of which a running sum may be made.
ADDITIVE = ("count", "sum")
MONEY = ("money", "money_per_day")
#: Units that an aggregation of rows cannot have.
UNFIT = {
    "count": ("rate", "money", "money_per_day", "days", "hours", "months"),
    "count_distinct": ("rate", "money", "money_per_day", "days", "hours", "months"),
    "survival": ("rate", "money", "money_per_day", "multiple"),
    "incidence": ("count", "money", "money_per_day", "days", "hours", "months", "multiple"),
}
INTERVAL_KINDS = {"wilson": ("ratio", "conversion"), "delta": ("ratio", "conversion"), "mean": ("simple", "ratio")} | {
    "range": ("derived",),
    "lifetime": ("derived",),
}


def measures_of(kpi: Kpi) -> dict[str, Measure]:
    """The measures of a KPI by the key under which they are written."""
    named = {"numerator": kpi.numerator, "denominator": kpi.denominator, "n": kpi.n}
    return {key: measure for key, measure in named.items() if measure is not None}


def check_measure(kpi: Kpi, key: str, measure: Measure) -> Iterator[Issue]:
    """What is wrong with one measure: its expressions, its day, its aggregation."""
    if measure.entity not in ENTITIES:
        yield unknown_name(
            "unknown_entity",
            "No entity is named {name}.",
            measure.entity,
            ENTITIES,
            where_of(measure.places, "entity", kpi.where),
        )
        return
    yield from _expressions(kpi, measure)
    yield from _day(kpi, measure)
    yield from _aggregation(kpi, key, measure)
    yield from _currency(kpi, measure)


def check_trailing(kpi: Kpi) -> Iterator[Issue]:
    """Whether a trailing window has something to count over it."""
    flows = [measure for measure in measures_of(kpi).values() if not (measure.balance or measure.at_end)]
    if kpi.trailing and (kpi.kind == "derived" or not flows):
        hint = "Give the window to the KPIs that it is derived from." if kpi.kind == "derived" else ""
        yield of_kpi(kpi, "no_window", "{kpi} has nothing to count over a trailing window.", "trailing", hint)


def _expressions(kpi: Kpi, measure: Measure) -> Iterator[Issue]:
    numeric = "number" if measure.agg in ("sum", "mean", "median", "survival", "incidence") else None
    wanted: dict[str, Any] = {"expr": numeric, "where": "bool", "event": "bool", "missing": "bool"}
    for key, kind in wanted.items():
        text = getattr(measure, key)
        if text:
            try:
                parse(text, entity_kinds(measure.entity), kind, where=where_of(measure.places, key, kpi.where))
            except CadranError as error:
                yield issue_of(error, "bad_expression")


def _day(kpi: Kpi, measure: Measure) -> Iterator[Issue]:
    columns = {column.name: column.type for column in published_columns(measure.entity)}
    where = where_of(measure.places, "time", kpi.where)
    days = [name for name, kind in columns.items() if kind == "date"]
    if measure.time not in columns:
        yield unknown_name(
            "bad_time", "{entity} has no column {name}.", measure.time, days, where, entity=measure.entity
        )
    elif columns[measure.time] != "date":
        yield unknown_name(
            "bad_time",
            "Rows are dated by a day, and {name} of {entity} is not one.",
            measure.time,
            days,
            where,
            entity=measure.entity,
        )
    elif kpi.zone and measure.time.removesuffix("_on") + "_at" not in columns:
        message = "{kpi} cannot be cut in the zone {zone}: {time} has no instant behind it."
        yield of_kpi(kpi, "bad_zone", message, "zone", zone=kpi.zone, time=measure.time)


def _aggregation(kpi: Kpi, key: str, measure: Measure) -> Iterator[Issue]:
    agg = measure.agg
    if agg != "count" and not measure.expr:
        yield of_kpi(kpi, "no_expression", "{kpi}: {agg} needs an `expr` to aggregate.", key, agg=agg)
    if agg == "survival" and not measure.event:
        yield of_kpi(kpi, "no_event", "{kpi}: survival needs an `event` that says what has ended.", key)
    if agg == "incidence" and not measure.event:
        yield of_kpi(kpi, "no_event", "{kpi}: incidence needs an `event` that says what ended as wanted.", key)
    if measure.balance and agg not in ADDITIVE:
        yield of_kpi(
            kpi,
            "not_additive",
            "{kpi}: a balance is a running sum, which {agg} cannot be.",
            key,
            hint="Use count or sum, or photographs with at_end.",
            agg=agg,
        )


def _currency(kpi: Kpi, measure: Measure) -> Iterator[Issue]:
    """Amounts are added up in the base currency only (rule G-14)."""
    columns = {column.name for column in published_columns(measure.entity)}
    mixed = [name for name in _used(measure) if f"{name}_base" in columns]
    if mixed and "currency" in columns and measure.agg in ("sum", "mean", "median", "min", "max"):
        yield of_kpi(
            kpi,
            "mixed_currencies",
            "{kpi} adds up {column}, which is in the currency of each row.",
            hint="Use {column}_base, in the company's currency.",
            column=mixed[0],
        )


def _used(measure: Measure) -> list[str]:
    if not measure.expr:
        return []
    try:
        return list(column_names(parse(measure.expr, entity_kinds(measure.entity))))
    except CadranError:
        return []  # said by `_expressions`


def check_shape(kpi: Kpi) -> Iterator[Issue]:
    """Whether a KPI of its kind has the parts it needs, and only those."""
    needed = {
        "simple": ("numerator",),
        "cumulative": ("numerator",),
        "ratio": ("numerator", "denominator"),
        "conversion": ("numerator", "denominator"),
        "derived": ("expression", "inputs"),
    }[kpi.kind]
    if is_incidence(kpi):
        needed = ("numerator", "window_days")
    for key in needed:
        if not getattr(kpi, key):
            yield of_kpi(kpi, "missing_part", "{kpi} is {kind} and needs {part}.", "kind", kind=kpi.kind, part=key)
    for key in ("numerator", "denominator", "expression", "inputs"):
        if getattr(kpi, key) and key not in needed:
            yield of_kpi(kpi, "useless_part", "{kpi} is {kind}, which has no {part}.", key, kind=kpi.kind, part=key)
    yield from _ratio(kpi)
    yield from _conversion(kpi)
    yield from _unit(kpi)
    yield from _interval(kpi)


def _ratio(kpi: Kpi) -> Iterator[Issue]:
    for key in ("numerator", "denominator"):
        measure = getattr(kpi, key)
        if kpi.kind in ("ratio", "conversion") and measure and measure.agg not in IN_RATIO and not is_incidence(kpi):
            yield of_kpi(
                kpi,
                "not_additive",
                "{kpi}: a ratio is made of sums and counts, and the {part} is a {agg} (rule G-9).",
                key,
                part=key,
                agg=measure.agg,
            )


def _conversion(kpi: Kpi) -> Iterator[Issue]:
    top, low = kpi.numerator, kpi.denominator
    if kpi.kind != "conversion":
        if kpi.window_days is not None:
            message = "{kpi} is {kind}: only a conversion has a window."
            yield of_kpi(kpi, "useless_part", message, "window_days", kind=kpi.kind)
    elif top and low and top.entity != low.entity:
        message = "{kpi}: both parts of a conversion are rows of one entity, and these are of {first} and {second}."
        yield of_kpi(kpi, "two_entities", message, "numerator", first=top.entity, second=low.entity)
    elif top and low and kpi.window_days is not None and top.time == low.time:
        yield of_kpi(
            kpi,
            "no_event_day",
            "{kpi} has a window but no day of the event: both parts are dated by {time}.",
            "numerator",
            hint="Date the numerator by the day on which the case converts.",
            time=top.time,
        )


def _unit(kpi: Kpi) -> Iterator[Issue]:
    measure = kpi.numerator
    if measure is None or kpi.kind not in ("simple", "cumulative") or measure.entity not in ENTITIES:
        return
    types = {column.name: column.type for column in published_columns(measure.entity)}
    used = _used(measure)
    if measure.expr and not used:
        return  # it cannot be read, which is said elsewhere
    is_money = any(types.get(name) == "money" for name in used)
    unfit = kpi.unit in UNFIT.get(measure.agg, ("rate",))
    adds_up = measure.agg not in ("count", "count_distinct")
    if unfit or (adds_up and is_money != (kpi.unit in MONEY) and kpi.unit in (*MONEY, "count")):
        message = "{kpi} cannot be counted in {unit}: it is a {agg} of {expr}."
        yield of_kpi(kpi, "bad_unit", message, "unit", unit=kpi.unit, agg=measure.agg, expr=measure.expr or "rows")


def _interval(kpi: Kpi) -> Iterator[Issue]:
    kinds = INTERVAL_KINDS.get(kpi.interval)
    agg = kpi.numerator.agg if kpi.numerator else ""
    own = any((agg == name) != (kpi.interval == name) for name in ("survival", "incidence"))
    wrong = own or (kinds is not None and kpi.kind not in kinds) or (agg == "incidence" and kpi.kind != "conversion")
    if wrong:
        message = "{kpi}: the interval {interval} does not fit what it measures."
        yield of_kpi(kpi, "bad_interval", message, "interval", interval=kpi.interval)


def is_incidence(kpi: Kpi) -> bool:
    """True for a conversion that is expected of a cohort that is partly open."""
    return kpi.kind == "conversion" and kpi.numerator is not None and kpi.numerator.agg == "incidence"


def restrictions(tree: Tree, columns: frozenset[str]) -> frozenset[tuple[str, str]]:
    """What a predicate restricts those columns to, as comparable texts."""
    if not isinstance(tree, Call):
        return frozenset()
    if tree.name == "and":
        return frozenset().union(*(restrictions(arg, columns) for arg in tree.args))
    names = set(column_names(tree))
    return frozenset({(name, describe(tree)) for name in names & columns})


def describe(tree: Tree) -> str:
    """The tree as a text that is the same for the same condition, wherever it was written."""
    match tree:
        case Column():
            return tree.name
        case Call():
            return f"{tree.name}({', '.join(describe(arg) for arg in tree.args)})"
        case _:
            return repr(tree.value)
