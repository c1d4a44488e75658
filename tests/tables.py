"""Landed tables from tiny dictionaries: what a test leaves out has a sensible default.

landed = landed_tables(opportunity=[{"id": "a", "amount": "100", "created_at": "2026-01-05"}])
rows = collect(tables(landed, settings())["opportunity"])
"""

from __future__ import annotations

import datetime as dt
import functools
from decimal import Decimal
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.expr import operations as ops

from cadran.canonical.derive import deal_tables
from cadran.canonical.entities import COMMON, ENTITIES
from cadran.canonical.history import current
from cadran.canonical.schema import empty, schema_of
from cadran.canonical.settings import Settings
from cadran.canonical.shape import publish

#: When rows were known unless a test says otherwise: before anything it is about.
KNOWN_FROM = "2000-01-01"
CONNECTION = "crm"
#: Landed tables that the tables about deals rest on.
DEAL_INPUTS = (
    "opportunity",
    "field_history",
    "stage",
    "account",
    "account_history",
    "owner",
    "owner_history",
    "contact",
    "activity",
    "fx_rate",
)
DEALS = ("opportunity", "stage_interval", "stage_passage", "pipeline_movement")
#: Tables of past versions, and how they are called.
PASTS, PAST = ("account_history", "owner_history"), "_history"
VERSIONED = [name for name, found in ENTITIES.items() if found.versioned]


def settings(known_at: str = "2026-12-31", **changes: Any) -> Settings:
    """Settings of a French company that counts in euros."""
    return Settings(**{"known_at": _moment(known_at), "currency": "EUR", "zone": "Europe/Paris", **changes})


def landed_tables(**rows: list[dict[str, Any]]) -> dict[str, ir.Table]:
    """Every landed entity; those without rows are empty. `<entity>_history` gives past versions."""
    found = {name: landed_table(name, rows.get(name, [])) for name, kind in ENTITIES.items() if not kind.derived}
    extra = {name: landed_table(name.removesuffix("_history"), rows[name]) for name in rows if name not in found}
    return {**found, **extra}


def landed_table(name: str, rows: list[dict[str, Any]]) -> ir.Table:
    """One landed entity from dictionaries.

    Defaults: `id` is numbered, `source_id` is the id, `connection_id` is `crm`, `valid_from` is long
    ago, opportunities and other money are in euros. Times are ISO texts in UTC.
    """
    types = schema_of(name)
    if not rows:
        return empty(name)
    full = [{**_defaults(name, number), **row} for number, row in enumerate(rows, start=1)]
    for row in full:
        unknown = row.keys() - set(types.names)
        assert not unknown, f"{name} has no column {unknown}"
        row.setdefault("source_id", row["id"])
    columns = {
        column: pa.array([_value(row.get(column), kind) for row in full], type=_arrow(kind))
        for column, kind in types.items()
    }
    return ibis.memtable(pa.table(columns), schema=types)


def collect(table: ir.Table, *order: str) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries, from a DuckDB of their own."""
    ordered = table.order_by(list(order)) if order else table
    return ibis.duckdb.connect().to_pyarrow(ordered).to_pylist()


def collect_deals(landed: dict[str, ir.Table], known: Settings, *wanted: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of the tables about deals, as published, by table."""
    given = {name: table for name, table in landed.items() if name in DEAL_INPUTS}
    return _run(given, deal_plan(known, tuple(given), wanted or DEALS))


def collect_known_deals(landed: dict[str, ir.Table], known: Settings) -> dict[str, list[dict[str, Any]]]:
    """The same, from every version that was landed, as known at the instant of the settings."""
    return _run(landed, past_plan(known))


@functools.lru_cache(maxsize=64)
def deal_plan(known: Settings, inputs: tuple[str, ...], wanted: tuple[str, ...] = DEALS) -> Plan:
    """Statements that make the tables about deals; compiled once, because that takes longer than to run them."""
    plan = Plan()
    landed = {
        name: ibis.table(schema_of(name.removesuffix(PAST) if name in PASTS else name), name=name) for name in inputs
    }
    plan.publish(deal_tables(landed, known, plan.keep), known, wanted)
    return plan


@functools.lru_cache(maxsize=64)
def past_plan(known: Settings) -> Plan:
    """Statements that make them from what was known at the instant of the settings."""
    plan = Plan()
    names = [name for name, kind in ENTITIES.items() if not kind.derived]
    landed = {name: ibis.table(schema_of(name), name=name) for name in names}
    now = current(landed, known.known_at)
    t = {name: plan.keep(f"now_{name}", now[name]) for name in DEAL_INPUTS}
    plan.publish(deal_tables(t, known, plan.keep), known, DEALS)
    return plan


class Plan:
    """Statements in their order, each of which stores one table."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str]] = []
        self.answers: dict[str, str] = {}

    def keep(self, name: str, table: ir.Table) -> ir.Table:
        self.steps.append((name, str(ibis.to_sql(table, dialect="duckdb", pretty=False))))
        return ibis.table(table.schema(), name=name)

    def publish(self, found: dict[str, ir.Table], known: Settings, wanted: tuple[str, ...]) -> None:
        for name in wanted:
            self.answers[name] = str(ibis.to_sql(publish(found[name], name, known), dialect="duckdb", pretty=False))


def _run(landed: dict[str, ir.Table], plan: Plan) -> dict[str, list[dict[str, Any]]]:
    con = duckdb.connect()
    for name, table in landed.items():
        rows = _rows(table)
        con.execute(f'CREATE TABLE "{name}" AS FROM rows')
        del rows
    for name, sql in plan.steps:
        con.execute(f'CREATE TABLE "{name}" AS {sql}')
    return {name: con.execute(sql).to_arrow_table().to_pylist() for name, sql in plan.answers.items()}


def _rows(table: ir.Table) -> pa.Table:
    """The rows of a table made here, without asking an engine."""
    operation = table.op()
    if isinstance(operation, ops.InMemoryTable):
        return operation.data.to_pyarrow(table.schema())
    return table.schema().to_pyarrow().empty_table()


def one(table: ir.Table, **key: Any) -> dict[str, Any]:
    """The only row with these values."""
    found = [row for row in collect(table) if all(row[name] == value for name, value in key.items())]
    assert len(found) == 1, f"{len(found)} rows with {key}"
    return found[0]


def _defaults(name: str, number: int) -> dict[str, Any]:
    found = {
        "id": f"{name}-{number}",
        "connection_id": CONNECTION,
        "source_system": CONNECTION,
        "valid_from": KNOWN_FROM,
        "is_inferred": False,
    }
    columns = {c.name for c in ENTITIES[name].columns}
    if "currency" in columns:
        found["currency"] = "EUR"
    if name == "field_history":
        found["entity_type"] = "opportunity"
    return found


def _value(value: Any, kind: Any) -> Any:
    if value is None or not isinstance(value, (str, int, float)):
        return value
    if kind.is_timestamp():
        return _moment(str(value))
    if kind.is_date():
        return dt.date.fromisoformat(str(value))
    if kind.is_decimal():
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-kind.scale))
    return value


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _arrow(kind: Any) -> pa.DataType:
    return ibis.schema({"value": kind}).to_pyarrow().field("value").type


COMMON_NAMES = tuple(c.name for c in COMMON)
