"""The dashboard in MetricFlow, in process on DuckDB: one query for each KPI and breakdown.

A balance at a date takes it a join with every day, and it has no cohort curve: MRR, velocity and the
median response are left out. The semantic manifest is made before the clock starts.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
from metricflow.data_table.mf_table import MetricFlowDataTable
from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow_semantic_interfaces.implementations.metric import PydanticMetric
from metricflow_semantic_interfaces.implementations.project_configuration import PydanticProjectConfiguration
from metricflow_semantic_interfaces.implementations.semantic_manifest import PydanticSemanticManifest
from metricflow_semantic_interfaces.implementations.semantic_model import PydanticNodeRelation, PydanticSemanticModel
from metricflow_semantic_interfaces.implementations.time_spine import PydanticTimeSpine, PydanticTimeSpinePrimaryColumn
from metricflow_semantic_interfaces.transformations.semantic_manifest_transformer import (
    PydanticSemanticManifestTransformer,
)
from metricflow_semantic_interfaces.type_enums import TimeGranularity
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

from benchmarks.fused import LIVE
from benchmarks.scale import END, START
from benchmarks.work import ALL, BREAKDOWNS, CELLS, NONE, STAGES, stage_series

if TYPE_CHECKING:
    from pathlib import Path

MQL = f"mql_on IS NOT NULL AND mql_on + 90 < DATE '{END}' AND is_direct_sql IS NOT TRUE"
KNOWN = "is_valid AND (is_answered OR working_hours >= 1)"
PAID = "is_final AND mrr_12m_before > 0"
#: Measures: table, day, aggregation, rows and what is aggregated of them.
MEASURES = {
    "created": (
        "opportunity",
        "created_on",
        "sum",
        f"coalesce(opportunity_type, 'new') = 'new' AND is_imported IS NOT TRUE AND {LIVE}",
        "1",
    ),
    "closed": ("opportunity", "closed_on", "sum", f"is_closed AND {LIVE}", "1"),
    "won": ("opportunity", "closed_on", "sum", f"is_closed AND is_won AND {LIVE}", "1"),
    "acv": ("opportunity", "closed_on", "average", f"is_won AND acv_base > 0 AND {LIVE}", "acv_base"),
    "cycle": ("opportunity", "closed_on", "average", f"is_won AND is_cycle_valid AND {LIVE}", "cycle_days"),
    "mql": ("lead_cycle", "mql_on", "sum", MQL, "1"),
    "sql": ("lead_cycle", "mql_on", "sum", f"{MQL} AND sql_on - mql_on BETWEEN 0 AND 90", "1"),
    "known": ("lead_response", "created_on", "sum", KNOWN, "1"),
    "soon": ("lead_response", "created_on", "sum", f"{KNOWN} AND is_answered AND working_hours <= 1", "1"),
    "before": ("customer_month", "month_on", "sum", PAID, "mrr_12m_before"),
    "net": (
        "customer_month",
        "month_on",
        "sum",
        PAID,
        "mrr_12m_before + expansion_12m - contraction_12m - churn_12m",
    ),
    "kept": ("customer_month", "month_on", "sum", PAID, "retained_12m"),
    **{f"in_{n}": ("stage_passage", "entered_on", "sum", f"stage = '{stage}'", "1") for n, stage in enumerate(STAGES)},
    **{
        f"on_{n}": ("stage_passage", "entered_on", "sum", f"stage = '{stage}' AND advanced_on >= entered_on", "1")
        for n, stage in enumerate(STAGES)
    },
}
#: Series, metric, and its measures: one, or numerator and denominator.
METRICS = {
    "new opportunities": ("new_opportunities", "created"),
    "win rate": ("win_rate", "won", "closed"),
    "ACV": ("acv_mean", "acv"),
    "sales cycle": ("sales_cycle", "cycle"),
    "MQL to SQL": ("mql_to_sql", "sql", "mql"),
    "response under 1 h": ("response_soon", "soon", "known"),
    "NRR": ("nrr", "net", "before"),
    "GRR": ("grr", "kept", "before"),
    **{stage_series(stage): (f"stage_{n}", f"on_{n}", f"in_{n}") for n, stage in enumerate(STAGES)},
}


class Client:
    """The connection that MetricFlow renders for; what it renders is run here."""

    sql_engine_type = SqlEngine.DUCKDB
    sql_plan_renderer = DuckDbSqlPlanRenderer()

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def query(self, stmt: str, sql_bind_parameter_set: object = None) -> MetricFlowDataTable:  # noqa: ARG002
        return MetricFlowDataTable.create_from_rows([], [])

    def execute(self, stmt: str, sql_bind_parameter_set: object = None) -> None:  # noqa: ARG002
        self.connection.execute(stmt)

    def dry_run(self, stmt: str, sql_bind_parameter_set: object = None) -> None:  # noqa: ARG002
        self.connection.execute(f"EXPLAIN {stmt}")

    def close(self) -> None:
        self.connection.close()

    def render_bind_parameter_key(self, bind_parameter_key: str) -> str:
        return f"${bind_parameter_key}"


def _relation(name: str) -> PydanticNodeRelation:
    return PydanticNodeRelation(alias=name, schema_name="main")


def _model(table: str) -> PydanticSemanticModel:
    own = {name: parts for name, parts in MEASURES.items() if parts[0] == table}
    days = dict.fromkeys(parts[1] for parts in own.values())
    dated = [{"name": day, "type": "time", "type_params": {"time_granularity": "day"}} for day in days]
    measures = [
        {
            "name": name,
            "agg": agg,
            "expr": f"CASE WHEN {where} THEN {value} {'ELSE 0' if value == '1' else ''} END",
            "agg_time_dimension": day,
        }
        for name, (_, day, agg, where, value) in own.items()
    ]
    return PydanticSemanticModel.parse_obj(
        {
            "name": table,
            "node_relation": _relation(table).dict(),
            "primary_entity": table,
            "defaults": {"agg_time_dimension": next(iter(days))},
            "dimensions": [*dated, *({"name": name, "type": "categorical"} for name in BREAKDOWNS)],
            "measures": measures,
        }
    )


def _metric(name: str, *measures: str) -> list[PydanticMetric]:
    singles = [name] if len(measures) == 1 else [f"{name}_of_{each}" for each in measures]
    found = [
        {"name": single, "type": "simple", "type_params": {"measure": {"name": measure}}}
        for single, measure in zip(singles, measures, strict=True)
    ]
    if len(measures) == 2:
        params = {"numerator": {"name": singles[0]}, "denominator": {"name": singles[1]}}
        found.append({"name": name, "type": "ratio", "type_params": params})
    return [PydanticMetric.parse_obj(each) for each in found]


def manifest() -> PydanticSemanticManifest:
    """The semantic models, metrics and time spine."""
    spine = PydanticTimeSpine(
        node_relation=_relation("spine"),
        primary_column=PydanticTimeSpinePrimaryColumn(name="day", time_granularity=TimeGranularity.DAY),
    )
    made = PydanticSemanticManifest(
        semantic_models=[_model(table) for table in dict.fromkeys(parts[0] for parts in MEASURES.values())],
        metrics=[each for parts in METRICS.values() for each in _metric(*parts)],
        project_configuration=PydanticProjectConfiguration(time_spines=[spine]),
    )
    return PydanticSemanticManifestTransformer.transform(made)


READY = SemanticManifestLookup(manifest())


def answer(folder: Path) -> pa.Table:
    """The cells that can be said, from Parquet."""
    connection = duckdb.connect()
    for path in folder.glob("*.parquet"):
        connection.execute(f"CREATE VIEW \"{path.stem}\" AS FROM read_parquet('{path}')")
    connection.execute(
        "CREATE TABLE spine AS SELECT CAST(range AS DATE) AS day "
        "FROM range(DATE '2022-01-01', DATE '2027-01-01', INTERVAL 1 DAY)"
    )
    engine = MetricFlowEngine(READY, Client(connection))
    cells = []
    for series, (metric, measure, *_) in METRICS.items():
        table = MEASURES[measure][0]
        for breakdown in (ALL, *BREAKDOWNS):
            by = [] if breakdown == ALL else [f"{table}__{breakdown}"]
            request = MetricFlowQueryRequest.create(
                metric_names=[metric],
                group_by_names=["metric_time__month", *by],
                time_constraint_start=datetime.combine(START, datetime.min.time()),
                time_constraint_end=datetime.combine(END - timedelta(days=1), datetime.min.time()),
            )
            sql = engine.explain(request).sql_statement.sql
            segment = f"coalesce({by[0]}, '{NONE}')" if by else "''"
            cells.append(
                connection.execute(
                    f"SELECT '{series}' AS series, '{breakdown}' AS breakdown, {segment} AS segment, "
                    f"CAST(metric_time__month AS DATE) AS month, CAST({metric} AS DOUBLE) AS value FROM ({sql}) "
                    f"WHERE {metric} IS NOT NULL"
                )
                .to_arrow_table()
                .cast(CELLS)
            )
    return pa.concat_tables(cells)
