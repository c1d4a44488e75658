"""Measures as SQL of other tools: every condition inside the aggregate, so that measures stand side by side.

The text is SQL that DuckDB and PostgreSQL read alike. Sums of no row are 0, sums of unknown amounts
are NULL, and an amount without an exchange rate makes the figure NULL (rule G-14), as in the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from cadran.catalogue.measures import missing_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cadran.catalogue.definition import Kpi, Measure

#: Aggregations that an amount without an exchange rate would falsify.
_OF_AMOUNTS = ("sum", "mean", "median", "min", "max")
#: A ratio over its parts: nothing where the denominator is 0 (rule G-1).
RATIO = "numerator * 1.0 / NULLIF(denominator, 0)"


@dataclass(frozen=True)
class Role:
    """One measure of a KPI as it is computed there.

    Attributes:
        measure: The measure.
        time: Day column that dates its rows.
        condition: Predicate of the rows that count; empty for all.
        missing: Predicate of the rows whose amount has no exchange rate; empty when there can be none.
    """

    measure: Measure
    time: str
    condition: str
    missing: str


def roles_of(kpi: Kpi) -> dict[str, Role]:
    """The measures that make a KPI's value; of a conversion, both are dated by when the case started."""
    top, low = kpi.numerator, kpi.denominator
    if top is None:
        return {}
    time = low.time if kpi.kind == "conversion" and low is not None else top.time
    extra = _converted(kpi, time) if kpi.kind == "conversion" and top.time != time else ""
    found = {"numerator": _role(top, time, extra)}
    if low is not None:
        found["denominator"] = _role(low, low.time, "")
    return found


def value_sql(kpi: Kpi, table: str) -> str:
    """The aggregate expression of a KPI that is not derived.

    Args:
        kpi: KPI made of measures.
        table: What stands before a column's name, without the dot.
    """
    roles = roles_of(kpi)
    parts = {name: aggregate(role, table) for name, role in roles.items()}
    return substituted(guarded(kpi, RATIO if "denominator" in parts else "numerator"), parts)


def guarded(kpi: Kpi, formula: str) -> str:
    """A formula that has no value where a note of the contract takes it away."""
    taken = " OR ".join(f"({note.when})" for note in kpi.notes if note.undefined)
    return f"CASE WHEN NOT COALESCE({taken}, FALSE) THEN {formula} END" if taken else formula


def aggregate(role: Role, table: str) -> str:
    """The aggregate expression of one measure."""
    value = _aggregate(role, table)
    if not role.missing:
        return value
    return f"CASE WHEN {_count(role.missing, role.time, table)} = 0 THEN {value} END"


def row_value(condition: str, value: str, table: str) -> str:
    """What one row gives: the value where the predicate holds, else nothing."""
    told = column_sql(value, table)
    return f"CASE WHEN {column_sql(condition, table)} THEN {told} END" if condition else told


def column_sql(text: str, table: str) -> str:
    """An expression of the catalogue as SQL, its columns qualified.

    Args:
        text: Checked expression.
        table: What stands before a column's name, without the dot; empty for nothing.
    """
    written: str = _portable(sqlglot.parse_one(text, dialect="duckdb"), table).sql(dialect="duckdb")
    return written


def safe_division(text: str) -> str:
    """A formula in which dividing by 0 gives nothing (rule G-1)."""
    tree = sqlglot.parse_one(text, dialect="duckdb")
    for division in list(tree.find_all(exp.Div)):
        lower = division.expression
        lower.replace(exp.Nullif(this=lower.copy(), expression=exp.Literal.number(0)))
    written: str = tree.sql(dialect="duckdb")
    return written


def substituted(formula: str, parts: Mapping[str, str]) -> str:
    """A formula with SQL in the place of each of its names."""
    read = {name: sqlglot.parse_one(text, dialect="duckdb") for name, text in parts.items()}
    trees = {name: each if isinstance(each, exp.Column) else exp.Paren(this=each) for name, each in read.items()}
    tree = sqlglot.parse_one(formula, dialect="duckdb")
    if isinstance(tree, exp.Column):
        return parts[tree.name]
    for name in list(tree.find_all(exp.Column)):
        name.replace(trees[name.name].copy())
    written: str = tree.sql(dialect="duckdb")
    return written


def _role(measure: Measure, time: str, extra: str) -> Role:
    condition = " AND ".join(f"({text})" for text in (measure.where, extra) if text)
    missing = missing_of(measure) if measure.agg in _OF_AMOUNTS else ""
    if missing and not measure.missing and condition:
        # a predicate of its own says which rows it is about
        missing = f"({missing}) AND {condition}"
    return Role(measure, time, condition, missing)


def _converted(kpi: Kpi, start: str) -> str:
    """The predicate of cases that converted within the window."""
    event = kpi.numerator.time if kpi.numerator else ""
    after = f"{event} >= {start}"
    return after if kpi.window_days is None else f"{after} AND {event} <= {start} + INTERVAL '{kpi.window_days}' DAY"


def _count(condition: str, time: str, table: str) -> str:
    """The number of rows that fulfil a predicate; without one, of those that have a day."""
    return f"COUNT({row_value(condition, '1', table) if condition else column_sql(time, table)})"


def _aggregate(role: Role, table: str) -> str:
    measure, condition = role.measure, role.condition
    rows = row_value(condition, measure.expr or "1", table)
    match measure.agg:
        case "count":
            return f"COUNT({rows})" if measure.expr else _count(condition, role.time, table)
        case "count_distinct":
            return f"COUNT(DISTINCT {rows})"
        case "sum":
            total = f"SUM({rows})"
            none = f"{_count(condition, role.time, table)} = 0"
            return total if measure.required else f"CASE WHEN {none} THEN 0 ELSE {total} END"
        case "median":
            return f"PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY {rows})"
        case "mean":
            return f"AVG({rows})"
        case agg:
            return f"{agg.upper()}({rows})"


def _portable(tree: exp.Expr, table: str) -> exp.Expr:
    """Columns qualified; the two spellings that not every engine reads written otherwise."""

    def told(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and table and not node.table:
            return exp.column(node.name, table=table)
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Boolean):
            # `x IS FALSE` is true where x is known and false
            wanted = bool(node.expression.this)
            known = exp.Coalesce(this=node.this.transform(told), expressions=[exp.Boolean(this=not wanted)])
            return known if wanted else exp.Not(this=known)
        if isinstance(node, exp.Anonymous) and str(node.this).lower() == "days_between":
            start, end = (each.transform(told) for each in node.expressions)
            return exp.Paren(this=exp.Sub(this=end, expression=start))
        return node

    return tree.transform(told)
