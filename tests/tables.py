"""Landed tables from tiny dictionaries: what a test leaves out has a sensible default.

landed = landed_tables(opportunity=[{"id": "a", "amount": "100", "created_at": "2026-01-05"}])
rows = collect(tables(landed, settings())["opportunity"])
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from cadran.canonical.derive import deal_tables, publish
from cadran.canonical.entities import COMMON, ENTITIES
from cadran.canonical.schema import empty, schema_of
from cadran.canonical.settings import Settings

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
    """The rows of the tables about deals, as published, by table; the tables in between are stored."""
    con = ibis.duckdb.connect()

    def store(name: str, table: ir.Table) -> ir.Table:
        return con.create_table(name, con.to_pyarrow(table), schema=table.schema())

    def keep(name: str, table: ir.Table) -> ir.Table:
        return table if name == "stage_stays" and wanted == ("opportunity",) else store(name, table)

    given = {name: store(name, table) for name, table in landed.items() if name in DEAL_INPUTS}
    found = deal_tables(given, known, keep)
    return {name: con.to_pyarrow(publish(found[name], name, known)).to_pylist() for name in wanted or found}


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
