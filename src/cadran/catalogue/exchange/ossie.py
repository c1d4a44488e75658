"""The catalogue as an Apache Ossie document (formerly Open Semantic Interchange), core specification 0.2.0.dev0.

One flat document: a dataset for every table, and a metric for every KPI whose figure one aggregate
expression over one table gives. The specification is a draft that still changes: read it with the
version that the document names.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cadran.canonical.entities import ENTITIES, published_columns
from cadran.catalogue.exchange.contract import identified
from cadran.catalogue.exchange.report import FIGURE_LOST, Export, Loss, described, verdict
from cadran.catalogue.exchange.rows import entities_of, leaves_of, metric_sql, row_losses, times_of
from cadran.catalogue.exchange.sql import roles_of
from cadran.record import yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cadran.canonical.entities import Column
    from cadran.catalogue.definition import Catalogue, Kpi

VERSION = "0.2.0.dev0"
FILE = "cadran.ossie.yaml"
VENDOR = "CADRAN"
_TYPES = {
    "text": "String",
    "int": "Integer",
    "float": "Float",
    "bool": "Boolean",
    "date": "Date",
    "timestamp": "DateTime",
    "money": "Decimal",
    "decimal": "Decimal",
}
#: Losses that would make it another figure.
FATAL = FIGURE_LOST | {"at_end", "balance", "two_days", "two_tables"}


def to_ossie(catalogue: Catalogue, *, name: str = "cadran") -> Export:
    """The catalogue as one Ossie document, and what it cannot say.

    Args:
        catalogue: Governed definitions; the newest version of each KPI is written.
        name: Name of the semantic model.
    """
    kpis = catalogue.newest()
    told = {kpi.id: verdict(kpi, catalogue, _losses(kpi, catalogue), FATAL) for kpi in kpis}
    metrics = [_metric(kpi, catalogue) for kpi in kpis if told[kpi.id].status != "none"]
    left_out = [identified(kpi) for kpi in kpis if told[kpi.id].status == "none"]
    document: dict[str, Any] = {
        "version": VERSION,
        "name": name,
        "description": "Governed revenue KPIs over Cadran's published tables.",
        "datasets": [_dataset(entity) for entity in entities_of(kpis)],
        "metrics": metrics,
    }
    if left_out:
        data = json.dumps({"kpis_without_metric": left_out}, ensure_ascii=False)
        document["custom_extensions"] = [{"vendor_name": VENDOR, "data": data}]
    text = yaml_text(document)
    return Export({FILE: text}, tuple(told.values()))


def _losses(kpi: Kpi, catalogue: Catalogue) -> Iterator[Loss]:
    yield from row_losses(kpi, catalogue)
    if any(role.measure.balance for leaf in leaves_of(kpi, catalogue) for role in roles_of(leaf).values()):
        yield Loss("balance")


def _metric(kpi: Kpi, catalogue: Catalogue) -> dict[str, Any]:
    day = ", ".join(times_of(kpi, catalogue))
    return {
        "name": kpi.id,
        "description": described(kpi),
        "datatype": "Integer" if kpi.unit == "count" and kpi.kind == "simple" else "Decimal",
        "expression": _ansi(metric_sql(kpi, catalogue)),
        "ai_context": {
            "instructions": f"Date it by {day}. Unit: {kpi.unit}.",
            "synonyms": list(dict.fromkeys([kpi.name("en"), kpi.name("fr")])),
        },
        "custom_extensions": [{"vendor_name": VENDOR, "data": json.dumps(identified(kpi), ensure_ascii=False)}],
    }


def _dataset(entity: str) -> dict[str, Any]:
    columns = published_columns(entity)
    key = {"primary_key": ["id"]} if any(column.name == "id" for column in columns) else {}
    return {
        "name": entity,
        "source": entity,
        **key,
        "description": ENTITIES[entity].grain,
        "fields": [_field(column) for column in columns],
    }


def _field(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "expression": _ansi(column.name),
        "dimension": {"is_time": column.type == "date"},
        "datatype": _TYPES[column.type],
    }


def _ansi(expression: str) -> dict[str, Any]:
    return {"dialects": [{"dialect": "ANSI_SQL", "expression": expression}]}
