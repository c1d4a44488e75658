"""The catalogue as a data model of Cube: one cube for every table, one measure for every KPI that it can give.

Contracts travel in ``meta``. A measure is one aggregate expression; a balance is a rolling sum
without a start, which Cube gives for the end of each period of a time dimension.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadran.canonical.entities import ENTITIES, published_columns
from cadran.catalogue.exchange.contract import contract_of
from cadran.catalogue.exchange.report import FIGURE_LOST, Export, Loss, described, verdict
from cadran.catalogue.exchange.rows import entities_of, leaves_of, metric_sql, row_losses, tables_of, times_of
from cadran.catalogue.exchange.sql import roles_of, row_value
from cadran.record import yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.catalogue.exchange.report import Exported

#: How a cube names its own table, and the name that stands for it while SQL is put together.
CUBE, PLACEHOLDER = "{CUBE}.", "cadran_cube"
_TYPES = {"int": "number", "float": "number", "bool": "boolean", "date": "time", "money": "number", "decimal": "number"}
#: Losses that would make it another figure.
FATAL = FIGURE_LOST | {"at_end", "balance", "two_days", "two_tables"}


def to_cube(catalogue: Catalogue) -> Export:
    """The catalogue as one file of Cube for every table, and what it cannot say."""
    kpis = catalogue.newest()
    told = {kpi.id: verdict(kpi, catalogue, _losses(kpi, catalogue), FATAL) for kpi in kpis}
    files = {f"model/cubes/{entity}.yml": _cube(entity, kpis, told, catalogue) for entity in entities_of(kpis)}
    return Export(files, tuple(told.values()))


def _losses(kpi: Kpi, catalogue: Catalogue) -> Iterator[Loss]:
    yield from row_losses(kpi, catalogue)
    if _is_balance(kpi):
        yield from (Loss("rate") for role in roles_of(kpi).values() if role.missing)
    elif any(role.measure.balance for leaf in leaves_of(kpi, catalogue) for role in roles_of(leaf).values()):
        yield Loss("balance")


def _is_balance(kpi: Kpi) -> bool:
    """True for a running sum, which a rolling window without a start gives."""
    top = kpi.numerator
    return top is not None and kpi.denominator is None and top.balance and top.agg == "sum"


def _cube(entity: str, kpis: list[Kpi], told: dict[str, Exported], catalogue: Catalogue) -> str:
    columns = published_columns(entity)
    days = {column.name: column.name for column in columns if column.type == "date"}
    kinds = {column.name: column.type for column in columns}
    broken = {name: each.columns[entity] for name, each in catalogue.dimensions.items() if entity in each.columns}
    dimensions = [_dimension(name, column, kinds[column]) for name, column in {**days, **broken}.items()]
    if any(column.name == "id" for column in columns):
        dimensions.insert(0, {"name": "id", "sql": f"{CUBE}id", "type": "string", "primary_key": True})
    here = [kpi for kpi in kpis if tables_of(kpi, catalogue)[:1] == [entity]]
    measures = [_measure(kpi, catalogue) for kpi in here if told[kpi.id].status != "none"]
    left_out = {kpi.id: _literal(contract_of(kpi)) for kpi in here if told[kpi.id].status == "none"}
    cube: dict[str, Any] = {
        "name": entity,
        "sql_table": entity,
        "description": ENTITIES[entity].grain,
        "dimensions": dimensions,
        "measures": measures,
    }
    if left_out:
        cube["meta"] = {"cadran_kpis_without_measure": left_out}
    return yaml_text({"cubes": [cube]})


def _dimension(name: str, column: str, kind: str) -> dict[str, Any]:
    source, told = f"{CUBE}{column}", _TYPES.get(kind, "string")
    # Cube takes days for midnights
    return {"name": name, "sql": f"CAST({source} AS TIMESTAMP)" if told == "time" else source, "type": told}


def _measure(kpi: Kpi, catalogue: Catalogue) -> dict[str, Any]:
    meta = {"cadran": _literal(contract_of(kpi)), "time_dimension": ", ".join(times_of(kpi, catalogue))}
    told = {
        "name": kpi.id,
        "title": kpi.name("en"),
        "description": described(kpi),
        "meta": meta,
    }
    if not _is_balance(kpi):
        return {**told, "type": "number", "sql": _own(metric_sql(kpi, catalogue, PLACEHOLDER))}
    role = roles_of(kpi)["numerator"]
    rows = _own(row_value(role.condition, role.measure.expr or "1", PLACEHOLDER))
    return {**told, "type": "sum", "sql": rows, "rolling_window": {"trailing": "unbounded", "offset": "end"}}


def _literal(value: Any) -> Any:
    """Plain values whose braces Cube does not take for references."""
    if isinstance(value, dict):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_literal(item) for item in value]
    return value.replace("{", "\\{").replace("}", "\\}") if isinstance(value, str) else value


def _own(sql: str) -> str:
    """SQL in which the cube's table is named as Cube names it."""
    return sql.replace(f"{PLACEHOLDER}.", CUBE)
