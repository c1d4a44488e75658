"""The catalogue as YAML of MetricFlow, in the form that dbt reads: semantic models, metrics and a time spine.

Every measure keeps its own day, so that ratios of measures dated by different days and formulas over
several tables are exact. Contracts travel in ``config.meta``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadran.canonical.entities import ENTITIES, published_columns
from cadran.catalogue.exchange.contract import contract_of
from cadran.catalogue.exchange.report import FIGURE_LOST, Export, Loss, described, verdict
from cadran.catalogue.exchange.rows import entities_of, input_losses, leaves_of, used_inputs, window_loss
from cadran.catalogue.exchange.sql import RATIO, guarded, roles_of, row_value, safe_division, substituted
from cadran.record import yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.catalogue.exchange.sql import Role

#: Losses that would make it another figure.
FATAL = FIGURE_LOST
SPINE = "cadran_time_spine"
_AGGREGATIONS = {"mean": "average"}
_SPINE_SQL = """\
-- one row per day: MetricFlow needs it for balances and for periods without rows
select cast(date_day as date) as date_day
from ({{ dbt.date_spine('day', "cast('2000-01-01' as date)", "cast('2100-01-01' as date)") }}) as days
"""


def to_metricflow(catalogue: Catalogue) -> Export:
    """The catalogue as a folder of dbt models, semantic models and metrics, and what it cannot say."""
    kpis = catalogue.newest()
    told = {kpi.id: verdict(kpi, catalogue, _losses(kpi, catalogue), FATAL) for kpi in kpis}
    kept = [kpi for kpi in kpis if told[kpi.id].status != "none"]
    left_out = {kpi.id: contract_of(kpi) for kpi in kpis if told[kpi.id].status == "none"}
    entities = entities_of(kept)
    documents = {
        "models/cadran/sources.yml": {"version": 2, "sources": [_source(entities)]},
        "models/cadran/semantic_models.yml": {"semantic_models": [_model(entity, kept) for entity in entities]},
        "models/cadran/metrics.yml": {"metrics": [metric for kpi in kept for metric in _metrics(kpi)]},
        "models/cadran/time_spine.yml": {"models": [_spine()]},
        "cadran_kpis_without_metric.yml": {"kpis": left_out},
    }
    files = {path: yaml_text(each) for path, each in documents.items()}
    files |= {f"models/cadran/{e}.sql": f"select * from {{{{ source('cadran', '{e}') }}}}\n" for e in entities}
    return Export({**files, f"models/cadran/{SPINE}.sql": _SPINE_SQL}, tuple(told.values()))


def _losses(kpi: Kpi, catalogue: Catalogue) -> Iterator[Loss]:
    leaves = list(leaves_of(kpi, catalogue))
    yield from input_losses(kpi, leaves)
    yield from window_loss(leaves)
    roles = [role for leaf in leaves for role in roles_of(leaf).values()]
    if any(role.measure.agg == "sum" and not role.measure.balance and not role.measure.required for role in roles):
        yield Loss("all_unknown")


def _source(entities: Iterable[str]) -> dict[str, Any]:
    tables = [{"name": entity, "description": ENTITIES[entity].grain} for entity in entities]
    return {"name": "cadran", "description": "Cadran's published tables.", "tables": tables}


def _spine() -> dict[str, Any]:
    return {
        "name": SPINE,
        "description": "One row per day.",
        "time_spine": {"standard_granularity_column": "date_day"},
        "columns": [{"name": "date_day", "granularity": "day"}],
    }


def _model(entity: str, kpis: list[Kpi]) -> dict[str, Any]:
    columns = published_columns(entity)
    has_id = any(column.name == "id" for column in columns)
    measures = [
        m
        for kpi in kpis
        for name, role in roles_of(kpi).items()
        for m in _measures(kpi, name, role)
        if role.measure.entity == entity
    ]
    identity = (
        {"entities": [{"name": entity, "type": "primary", "expr": "id"}]} if has_id else {"primary_entity": entity}
    )
    return {
        "name": entity,
        "description": ENTITIES[entity].grain,
        "model": f"ref('{entity}')",
        "defaults": {"agg_time_dimension": measures[0]["agg_time_dimension"]},
        **identity,
        "dimensions": [
            _dimension(column.name, column.type)
            for column in columns
            if column.type in ("date", "text", "bool") and column.name != "id"
        ],
        "measures": measures,
    }


def _dimension(name: str, kind: str) -> dict[str, Any]:
    if kind == "date":
        return {"name": name, "type": "time", "type_params": {"time_granularity": "day"}}
    return {"name": name, "type": "categorical"}


def _measures(kpi: Kpi, name: str, role: Role) -> Iterator[dict[str, Any]]:
    """The measure of a role, and the count of its rows without an exchange rate."""
    measure = role.measure
    shared = {"agg_time_dimension": role.time, **_at_end(role)}
    yield {
        "name": f"{kpi.id}_{name}",
        "agg": _AGGREGATIONS.get(measure.agg, measure.agg),
        "expr": row_value(role.condition, measure.expr or "1", ""),
        **shared,
    }
    if role.missing:
        rows = row_value(role.missing, "1", "")
        yield {"name": f"{kpi.id}_{name}_without_rate", "agg": "count", "expr": rows, **shared}


def _at_end(role: Role) -> dict[str, Any]:
    """For photographs, that only those of the last day in a period count."""
    return {"non_additive_dimension": {"name": role.time, "window_choice": "max"}} if role.measure.at_end else {}


def _metrics(kpi: Kpi) -> Iterator[dict[str, Any]]:
    """The metric of a KPI, after the metrics that it is made of."""
    told = {
        "label": kpi.name("en"),
        "description": described(kpi),
        "config": {"meta": {"cadran": contract_of(kpi)}},
    }
    if kpi.kind == "derived":
        inputs = used_inputs(kpi)
        formula = safe_division(substituted(guarded(kpi, kpi.expression), inputs))
        params = {"expr": formula, "metrics": [{"name": name} for name in dict.fromkeys(inputs.values())]}
        yield {"name": kpi.id, **told, "type": "derived", "type_params": params}
        return
    roles = roles_of(kpi)
    unrated = [name for name, role in roles.items() if role.missing]
    if len(roles) == 1 and not unrated:
        yield {"name": kpi.id, **told, **_of_measure(kpi, "numerator", roles["numerator"])}
        return
    for name, role in roles.items():
        yield _part(kpi, name, _of_measure(kpi, name, role))
        if role.missing:
            yield _part(kpi, f"{name}_without_rate", _of_measure(kpi, f"{name}_without_rate", role))
    yield {"name": kpi.id, **told, **_whole(kpi, list(roles), unrated)}


def _part(kpi: Kpi, name: str, metric: dict[str, Any]) -> dict[str, Any]:
    meta = {"config": {"meta": {"part_of": kpi.id}}}
    return {"name": f"{kpi.id}_{name}", "label": f"{kpi.name('en')}: {name.replace('_', ' ')}", **metric, **meta}


def _of_measure(kpi: Kpi, name: str, role: Role) -> dict[str, Any]:
    """A metric that is one measure: summed up to the end of the period for a balance."""
    is_total = role.measure.agg in ("count", "count_distinct", "sum") and not role.measure.required
    filled = {"fill_nulls_with": 0, "join_to_timespine": True} if is_total or name.endswith("without_rate") else {}
    params: dict[str, Any] = {"measure": {"name": f"{kpi.id}_{name}", **filled}}
    if not role.measure.balance:
        return {"type": "simple", "type_params": params}
    # without it MetricFlow gives the balance of the first day of a month
    return {"type": "cumulative", "type_params": {**params, "cumulative_type_params": {"period_agg": "last"}}}


def _whole(kpi: Kpi, roles: list[str], unrated: list[str]) -> dict[str, Any]:
    """A ratio; and nothing where a part has rows without an exchange rate (rule G-14), or a note says so."""
    names = {name: f"{kpi.id}_{name}" for name in (*roles, *(f"{each}_without_rate" for each in unrated))}
    if not unrated and not any(note.undefined for note in kpi.notes):
        return {"type": "ratio", "type_params": {name: {"name": names[name]} for name in roles}}
    value = guarded(kpi, RATIO if len(roles) == 2 else "numerator")
    if unrated:
        value = f"CASE WHEN {' + '.join(f'{each}_without_rate' for each in unrated)} = 0 THEN {value} END"
    inputs = [{"name": metric, "alias": name} for name, metric in names.items()]
    return {"type": "derived", "type_params": {"expr": value, "metrics": inputs}}
