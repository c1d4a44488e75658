"""MetricFlow itself over a `World`: the exported YAML as its manifest, its SQL run on the world's tables."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

import yaml
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
from metricflow_semantic_interfaces.validations.semantic_manifest_validator import SemanticManifestValidator
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

FOLDER = "models/cadran/"


def relation(name):
    return PydanticNodeRelation(alias=name, schema_name="main")


def manifest_of(export):
    """The manifest that dbt makes of the exported files: references become tables."""
    models = yaml.safe_load(export.files[f"{FOLDER}semantic_models.yml"])["semantic_models"]
    for model in models:
        name = model.pop("model").removeprefix("ref('").removesuffix("')")
        model["node_relation"] = relation(name).dict()
    metrics = yaml.safe_load(export.files[f"{FOLDER}metrics.yml"])["metrics"]
    spine = yaml.safe_load(export.files[f"{FOLDER}time_spine.yml"])["models"][0]
    day = spine["time_spine"]["standard_granularity_column"]
    return PydanticSemanticManifest(
        semantic_models=[PydanticSemanticModel.parse_obj(model) for model in models],
        metrics=[PydanticMetric.parse_obj(metric) for metric in metrics],
        project_configuration=PydanticProjectConfiguration(
            time_spines=[
                PydanticTimeSpine(
                    node_relation=relation(spine["name"]),
                    primary_column=PydanticTimeSpinePrimaryColumn(name=day, time_granularity=TimeGranularity.DAY),
                )
            ]
        ),
    )


def problems_of(manifest):
    """What MetricFlow's own validator finds."""
    ready = PydanticSemanticManifestTransformer.transform(manifest)
    return SemanticManifestValidator[PydanticSemanticManifest]().validate_semantic_manifest(ready)


class Client:
    """A connection that MetricFlow asks."""

    sql_engine_type = SqlEngine.DUCKDB
    sql_plan_renderer = DuckDbSqlPlanRenderer()

    def __init__(self, connection):
        self.connection = connection

    def query(self, stmt, sql_bind_parameter_set=None):
        return MetricFlowDataTable.create_from_rows([], [])

    def execute(self, stmt, sql_bind_parameter_set=None):
        self.connection.execute(stmt)

    def dry_run(self, stmt, sql_bind_parameter_set=None):
        self.connection.execute(f"EXPLAIN {stmt}")

    def close(self):
        pass

    def render_bind_parameter_key(self, bind_parameter_key):
        return f"${bind_parameter_key}"


class Flow:
    """MetricFlow over the tables of a world."""

    def __init__(self, export, world):
        self.export = export
        self.connection = world.connection.cursor()
        self.connection.execute(
            "CREATE OR REPLACE TABLE main.cadran_time_spine AS SELECT CAST(range AS DATE) AS date_day "
            "FROM range(DATE '2020-01-01', DATE '2030-01-01', INTERVAL 1 DAY)"
        )

    @cached_property
    def engine(self):
        ready = PydanticSemanticManifestTransformer.transform(manifest_of(self.export))
        return MetricFlowEngine(SemanticManifestLookup(ready), Client(self.connection))

    def ask(self, metric, start, end, *, grain="month", by=()):
        """Value by period and segment; `end` is the last day."""
        request = MetricFlowQueryRequest.create(
            metric_names=[metric],
            group_by_names=[f"metric_time__{grain}", *by],
            time_constraint_start=datetime.combine(start, datetime.min.time()),
            time_constraint_end=datetime.combine(end, datetime.min.time()),
        )
        statement = self.engine.explain(request).sql_statement.sql
        found = self.connection.execute(statement)
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        keys = [name for name in names if name not in (metric, f"metric_time__{grain}")]
        return {(row[f"metric_time__{grain}"].date(), *(row[key] for key in keys)): row[metric] for row in rows}
