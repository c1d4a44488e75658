"""The rows behind a number: every row that a KPI counts, and how; pure expressions.

A KPI on one table gives one set of rows; one whose parts lie on different tables, or a derived
one, gives a set per table.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cadran.canonical.entities import published_columns
from cadran.catalogue.expression import column_names
from cadran.catalogue.syntax import Source
from cadran.catalogue.trees import read_syntax
from cadran.deferred import ibis
from cadran.engine.aggregate import DAY
from cadran.engine.compile import identity
from cadran.engine.expression import day_literal
from cadran.engine.parts import Group, Part, group_of, parts_of
from cadran.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    import ibis.expr.types as ir

    from cadran.catalogue.definition import Kpi
    from cadran.engine.compile import Planner
    from cadran.engine.span import Span

COUNTED, INPUT, ENTITY = "counted", "input", "entity"
#: Columns that say where a row comes from and what it is, when the table has them.
NAMING = ("source_id", "source_system", "source_url", "name")


@dataclass(frozen=True)
class RowSet:
    """Rows of one table.

    Attributes:
        kpi: KPI that counts them.
        group: Table and day column.
        parts: How rows may count, in order of precedence, by ``numerator`` or ``denominator``.
        input: Name of the input of a derived KPI that they stand behind, or empty.
    """

    kpi: Kpi
    group: Group
    parts: Mapping[str, Part]
    input: str = ""


def row_sets(kpi: Kpi, versions: Mapping[str, Kpi], dims: tuple[str, ...], name: str = "") -> list[RowSet]:
    """The sets of rows behind a KPI, numerators first."""
    if kpi.kind == "derived":
        return [
            found for name, other in kpi.inputs.items() for found in row_sets(versions[other], versions, dims, name)
        ]
    parts = parts_of(kpi)
    found: dict[Group, dict[str, Part]] = {}
    for role, part in (("numerator", parts.numerator), ("denominator", parts.denominator)):
        if part:
            found.setdefault(group_of(part, kpi, dims), {})[role] = part
    return [RowSet(kpi, group, roles, name) for group, roles in found.items()]


def row_table(rows: RowSet, planner: Planner, span: Span, photos: Iterable[date] = ()) -> ir.Table:
    """The rows of a set: how each counts, what names it, dimensions, day, and measured columns; in order.

    Args:
        rows: Set of rows.
        planner: Makes expressions for the question.
        span: Periods of the question.
        photos: For photographs, the days on which they were taken.
    """
    table = planner.keyed(rows.group, rows.kpi, span)
    if rows.group.mode == "photo":
        table = table.filter(table[DAY].isin([day_literal(day) for day in photos]))
    condition = planner.condition(table)
    false = ibis.literal(value=False)
    counts = {role: condition.of(part).fill_null(false) for role, part in rows.parts.items()}
    table = table.filter(functools.reduce(operator.or_, counts.values()))
    roles = list(counts)
    counted: ir.Value = ibis.literal(roles[0])
    if len(roles) > 1:
        again = planner.condition(table).of(rows.parts[roles[0]]).fill_null(false)
        counted = ibis.ifelse(again, ibis.literal(roles[0]), ibis.literal(roles[1]))
    columns = {COUNTED: counted, "id": table[identity(rows.group.entity)]}
    columns |= {name: table[name] for name in _naming(rows.group.entity)}
    columns |= {name: table[f"p_dim{place}"] for place, name in enumerate(rows.group.dims)}
    columns |= {rows.group.time: table[DAY]}
    columns |= {name: table[name] for name in measured(rows) if name not in columns}
    chosen = table.select(**columns)
    return chosen.order_by([rows.group.time, "id", *(name for name in columns if name not in ("id", rows.group.time))])


def measured(rows: RowSet) -> list[str]:
    """The columns that the measures of a set aggregate, with the plain amount and currency of converted ones."""
    known = {column.name for column in published_columns(rows.group.entity)}
    found: dict[str, None] = {}
    for part in rows.parts.values():
        names = [part.event_on] if part.event_on else []
        if part.measure.expr:
            names += column_names(read_syntax(part.measure.expr, Source(part.measure.expr, "", DefinitionError)))
        for name in names:
            plain = name.removesuffix("_base")
            extra = (plain, "currency") if plain != name else ()
            found |= dict.fromkeys(word for word in (name, *extra) if word in known)
    return list(found)


def _naming(entity: str) -> list[str]:
    known = {column.name for column in published_columns(entity)}
    return [name for name in NAMING if name in known]
