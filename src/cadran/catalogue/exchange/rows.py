"""KPIs as one aggregate expression over the rows of a period, and what is lost that way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.entities import ENTITIES
from cadran.catalogue.exchange.report import Loss, cannot_write
from cadran.catalogue.exchange.sql import guarded, roles_of, safe_division, substituted, value_sql
from cadran.catalogue.expression import column_names, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cadran.catalogue.definition import Catalogue, Kpi


def leaves_of(kpi: Kpi, catalogue: Catalogue) -> Iterator[Kpi]:
    """The KPI, or when it is derived what it is computed from, all the way down."""
    if kpi.kind != "derived":
        yield kpi
        return
    for name in used_inputs(kpi).values():
        yield from leaves_of(catalogue.kpi(name), catalogue)


def used_inputs(kpi: Kpi) -> dict[str, str]:
    """The KPI behind each name that a derived KPI's formula needs."""
    tree = parse(guarded(kpi, kpi.expression), dict.fromkeys(kpi.inputs, "number"), "number", where=kpi.where)
    return {name: kpi.inputs[name] for name in dict.fromkeys(column_names(tree))}


def times_of(kpi: Kpi, catalogue: Catalogue) -> list[str]:
    """The day columns that date the rows of a KPI."""
    return sorted({role.time for leaf in leaves_of(kpi, catalogue) for role in roles_of(leaf).values()})


def tables_of(kpi: Kpi, catalogue: Catalogue) -> list[str]:
    """The tables whose rows make a KPI."""
    return sorted({role.measure.entity for leaf in leaves_of(kpi, catalogue) for role in roles_of(leaf).values()})


def entities_of(kpis: Iterable[Kpi]) -> list[str]:
    """Every table that some KPI needs, in the order of the canonical model."""
    used = {role.measure.entity for kpi in kpis for role in roles_of(kpi).values()}
    return [entity for entity in ENTITIES if entity in used]


def metric_sql(kpi: Kpi, catalogue: Catalogue, table: str = "") -> str:
    """The aggregate expression of a KPI, a derived one with its inputs written out.

    Args:
        kpi: KPI over the rows of one table.
        catalogue: Where its inputs are.
        table: What stands before a column's name; the table's own name when empty.
    """
    if kpi.kind != "derived":
        return value_sql(kpi, table or (kpi.numerator.entity if kpi.numerator else ""))
    parts = {name: metric_sql(catalogue.kpi(other), catalogue, table) for name, other in used_inputs(kpi).items()}
    return substituted(safe_division(guarded(kpi, kpi.expression)), parts)


def row_losses(kpi: Kpi, catalogue: Catalogue) -> Iterator[Loss]:
    """What is lost where a metric is one aggregate over the rows of a table, dated by a day that the reader takes."""
    leaves = list(leaves_of(kpi, catalogue))
    if any(role.measure.at_end for leaf in leaves for role in roles_of(leaf).values()):
        yield Loss("at_end")
    yield from input_losses(kpi, leaves)
    yield from window_loss(leaves)
    days, tables = times_of(kpi, catalogue), tables_of(kpi, catalogue)
    if len(tables) > 1:
        yield Loss("two_tables", {"tables": ", ".join(tables)})
    elif len(days) > 1:
        yield Loss("two_days", {"days": ", ".join(days)})
    else:
        yield Loss("time", {"day": ", ".join(days)})


def input_losses(kpi: Kpi, leaves: Iterable[Kpi]) -> Iterator[Loss]:
    """What a KPI is computed from and no format can compute."""
    cannot = [each.id for each in leaves if each.id != kpi.id and any(cannot_write(each))]
    if cannot:
        yield Loss("inputs", {"names": ", ".join(cannot)})


def window_loss(leaves: Iterable[Kpi]) -> Iterator[Loss]:
    """That cases too young to have converted are counted."""
    windows = {leaf.window_days for leaf in leaves if leaf.kind == "conversion" and leaf.window_days}
    if windows:
        yield Loss("window", {"days": ", ".join(map(str, sorted(windows)))})
