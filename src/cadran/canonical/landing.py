"""Raw text of one file → typed rows of canonical entities, and the rows set aside with their reason.

Work goes in steps, each a select over the one before, so that nothing is computed twice: the text
of every rule; wall clocks and numbers; typed values; what is wrong with the row; the tables. A cell that cannot
be converted sets its whole row aside, for every entity of the file: rows read = rows landed + set
aside + filtered, always.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cadran.canonical import taxonomy
from cadran.canonical.cells import Cells
from cadran.canonical.schema import TYPES, schema_of
from cadran.canonical.texts import ROW, kept, texts
from cadran.deferred import ibis
from cadran.errors import Issue

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir

    from cadran.canonical.evidence import Decisions
    from cadran.canonical.rules import Bound, BoundEntity
    from cadran.canonical.schema import Expr

PROBLEM = "_problem"
REASON = "struct<code: string, field: string, value: string>"

#: What is wrong with a row that was set aside, by code.
MESSAGES = {
    "bad_number": "{value} in column {column} is not a number.",
    "bad_int": "{value} in column {column} is not a whole number.",
    "bad_decimals": "{value} in column {column} has more than four decimals: rounding it would change it.",
    "bad_date": "{value} in column {column} is not a date.",
    "bad_bool": "{value} in column {column} is neither true nor false.",
    "bad_currency": "{value} in column {column} is not a currency.",
    "bad_value": "{value} in column {column} is not in the `values` of the mapping.",
    "missing_id": "The row has no {column}, which is its id.",
    "duplicate_id": "{value} in column {column} comes again further down: the last row is kept.",
}


@dataclass(frozen=True)
class Export:
    """What is true of a whole file.

    Attributes:
        extracted_at: Naive UTC instant at which its rows were known.
        zone: Zone of the company.
        currency: Base currency of the company.
        channels: What the company calls its channels: see `taxonomy.own_words`.
    """

    extracted_at: datetime
    zone: str
    currency: str
    channels: taxonomy.OwnWords = ()


@dataclass(frozen=True)
class Landing:
    """What became of the rows of one file.

    Attributes:
        tables: Rows by entity: every landed column, and ``_row``.
        aside: Rows set aside: ``_row``, ``code`` (of `MESSAGES`), ``entity``, ``column`` (header of
            the file) and ``value``.
        filtered: Rows that the filter of the mapping left out: ``_row``.
    """

    tables: dict[str, ir.Table]
    aside: ir.Table
    filtered: ir.Table


def landed(raw: ir.Table, bound: Bound, decisions: Decisions, export: Export) -> Landing:
    """The typed rows of one file, in two steps: `converted`, then `tables_of`.

    Args:
        raw: Cells as they came, and ``_row``.
        bound: Mapping with the headers of the file.
        decisions: How its columns are read.
        export: What is true of the whole file.
    """
    return tables_of(converted(raw, bound, decisions, export), raw, bound, decisions, export)


def converted(raw: ir.Table, bound: Bound, decisions: Decisions, export: Export) -> ir.Table:
    """One row per row of the file that the filter keeps, as wide as all its entities together.

    Columns: ``_row``; ``<number of the entity>.<column>`` typed; ``_problem``, NULL when the row is
    good. Materialise it when a file feeds several entities, so that it is converted once.
    """
    cells = Cells(bound, decisions, export.zone)
    filled = texts(raw.filter(kept(raw, bound.row_filter)), bound, cells.rules)
    walls = filled.mutate(**cells.walls(filled))
    digits = walls.mutate(**cells.digits(walls))
    typed = digits.mutate(**cells.values(digits))
    checked = typed.mutate(**{PROBLEM: _problem(typed, cells)})
    return checked.select(ROW, PROBLEM, *cells.names)


def tables_of(wide: ir.Table, raw: ir.Table, bound: Bound, decisions: Decisions, export: Export) -> Landing:
    """The tables of `converted` rows, read from where they are kept."""
    wide = _without_repeats(wide, bound)
    good = wide.filter(wide[PROBLEM].isnull())
    tables: dict[str, ir.Table] = {}
    for number, entity in enumerate(bound.entities):
        rows = _complete(entity.entity, _rows(good, number, entity), bound, decisions, export)
        tables[entity.entity] = tables[entity.entity].union(rows) if entity.entity in tables else rows
    fields = {
        f"{number}.{rule.column}": (entity.entity, " + ".join(rule.headers) or rule.column)
        for number, entity in enumerate(bound.entities)
        for rule in (entity.id, *entity.columns)
    }
    bad = wide.filter(wide[PROBLEM].notnull())
    field = bad[PROBLEM]["field"]
    aside = bad.select(
        ROW,
        code=bad[PROBLEM]["code"],
        entity=ibis.cases(*((field == key, entity) for key, (entity, _) in fields.items())),
        column=ibis.cases(*((field == key, header) for key, (_, header) in fields.items())),
        value=bad[PROBLEM]["value"],
    )
    return Landing(tables, aside, raw.filter(~kept(raw, bound.row_filter)).select(ROW))


def issue(file: str, row: int, code: str, entity: str, column: str, value: str | None) -> Issue:
    """The finding about one row of `Landing.aside`."""
    params = {"column": column, "value": value or ""}
    return Issue(code, "error", MESSAGES[code], where=f"{file}:{row}", entity=entity, params=params, n_rows=1)


def _problem(typed: ir.Table, cells: Cells) -> Expr:
    """The first thing that is wrong with a row, in the order of the mapping."""
    branches = [
        (test, ibis.struct({"code": code, "field": field, "value": value}).cast(REASON))
        for test, code, field, value in cells.problems(typed)
    ]
    return ibis.cases(*branches, else_=ibis.null(REASON)) if branches else ibis.null(REASON)


def _without_repeats(wide: ir.Table, bound: Bound) -> ir.Table:
    """The rows, all but the last of the good ones that have the same id marked as repeats."""
    first = bound.entities[0] if bound.entities else None
    if first is None or first.numbered or first.cell:
        return wide
    good = wide.filter(wide[PROBLEM].isnull())
    ids = good.group_by(_id=good["0.id"]).agg(_last=good[ROW].max(), _n=good.count())
    several = ids.filter(ids["_n"] > 1)  # few, so that the join costs nothing
    joined = wide.left_join(several, wide["0.id"] == several["_id"])
    again = ibis.struct({"code": "duplicate_id", "field": "0.id", "value": joined["0.id"]}).cast(REASON)
    repeats = joined[PROBLEM].isnull() & (joined[ROW] < joined["_last"])
    return joined.mutate(**{PROBLEM: ibis.ifelse(repeats, again, joined[PROBLEM])}).drop("_id", "_last", "_n")


def _rows(good: ir.Table, number: int, entity: BoundEntity) -> ir.Table:
    """The rows of one entity: ``_row``, ``source_id`` and the columns that the file fills."""
    have = {rule.column: f"{number}.{rule.column}" for rule in entity.columns}
    key = f"{number}.id"
    present = good.filter(good[key].notnull(), *([good[f"{number}._when"]] if entity.when else []))
    if entity.cell:
        present = present.filter(present[have[entity.cell]].notnull())
    rows = present.select(ROW, source_id=present[key], **{name: present[field] for name, field in have.items()})
    if entity.numbered:
        rank = ibis.row_number().over(group_by=rows["source_id"], order_by=rows[ROW])
        ranked = rows.mutate(_rank=rank)
        again = ranked["source_id"] + ":" + (ranked["_rank"] + 1).cast("string")
        rows = ranked.mutate(source_id=ibis.ifelse(ranked["_rank"] > 0, again, ranked["source_id"])).drop("_rank")
    elif number and not entity.cell:
        last = {name: rows[name].argmax(rows[ROW], where=rows[name].notnull()) for name in have}
        rows = rows.group_by("source_id").agg(**{ROW: rows[ROW].max()}, **last)
    return rows


def _complete(entity: str, rows: ir.Table, bound: Bound, decisions: Decisions, export: Export) -> ir.Table:
    """The rows with the common columns and NULL for what the file does not say."""
    connection = bound.mapping.connection
    known = ibis.literal(export.extracted_at).cast(TYPES["timestamp"])
    common = {
        "id": ibis.literal(f"{connection}:") + rows["source_id"],
        "source_id": rows["source_id"],
        "connection_id": ibis.literal(connection),
        "source_system": ibis.literal(bound.mapping.system),
        "first_seen_at": known,
        "last_seen_at": known,
        "valid_from": known,
        "currency": rows["currency"] if "currency" in rows.columns else ibis.literal(decisions.currency),
        "is_inferred": rows["is_inferred"].coalesce(False) if "is_inferred" in rows.columns else ibis.literal(False),
    }
    columns = {
        name: common.get(name, rows[name] if name in rows.columns else ibis.null(kind)).cast(kind)
        for name, kind in schema_of(entity).items()
    }
    return taxonomy.with_channel(entity, rows.select(ROW, **columns), export.channels)
