"""A random company as published tables, to compare the engine with the oracles on.

The rows are made up directly as they are published, not derived: a few thousand deals with
nulls, zeros, negative amounts, tests, deletions, merges, regressions and changes of segment. The same
seed gives the same company; ``CADRAN_SEED`` in the environment gives another.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import duckdb
import ibis
import pyarrow as pa

from cadran.canonical.entities import ENTITIES, day_of, published_columns
from cadran.canonical.settings import Settings
from cadran.engine.query import Context
from cadran.period import Calendar, local_day
from cadran.store.warehouse import RowsOnly, SnapshotMeta
from oracles.chance import KNOWN_AT, ZONE, Chance, Row
from oracles.chance_sales import Sales

SEED = int(os.environ.get("CADRAN_SEED", "20260331"))
TYPES = {
    "text": ("VARCHAR", pa.string()),
    "int": ("BIGINT", pa.int64()),
    "float": ("DOUBLE", pa.float64()),
    "bool": ("BOOLEAN", pa.bool_()),
    "date": ("DATE", pa.date32()),
    "timestamp": ("TIMESTAMP", pa.timestamp("us")),
    "money": ("DECIMAL(18,4)", pa.decimal128(18, 4)),
    "decimal": ("DECIMAL(18,9)", pa.decimal128(18, 9)),
}


class World(RowsOnly):
    """The tables in memory, as a warehouse that the engine can ask.

    Args:
        rows: Rows by entity; an entity that is left out is an empty table.
    """

    dialect = "duckdb"
    fuses = True  # as a published snapshot

    def __init__(self, rows: dict[str, list[Row]], *, known_at: datetime = KNOWN_AT) -> None:
        self.connection = duckdb.connect()
        for name in ENTITIES:
            self._create(name, rows.get(name, []))
        counts = {name: len(found) for name, found in rows.items()}
        self.meta = SnapshotMeta("world", known_at, known_at, "EUR", "Europe/Paris", counts)

    def _create(self, name: str, rows: list[Row]) -> None:
        columns = published_columns(name)
        unknown = {key for row in rows for key in row} - {column.name for column in columns}
        assert not unknown, f"{name} has no column {unknown}"
        made = [_with_days(name, row) for row in rows]
        table = pa.table({c.name: pa.array([row.get(c.name) for row in made], type=TYPES[c.type][1]) for c in columns})
        types = ", ".join(f'"{c.name}" {TYPES[c.type][0]}' for c in columns)
        self.connection.execute(f'CREATE TABLE "{name}" ({types})')
        self.connection.register("made", table)
        self.connection.execute(f'INSERT INTO "{name}" SELECT * FROM made')
        self.connection.unregister("made")

    def sql(self, expression: Any) -> str:
        return ibis.to_sql(expression, dialect="duckdb")

    def execute(self, sql: str) -> pa.Table:
        return self.connection.cursor().execute(sql).to_arrow_table()

    def issues(self, entities: frozenset[str] = frozenset()) -> tuple[()]:
        return ()

    def ask_oracle(self, sql: str, start: date, end: date, **only: str | None) -> list[Row]:
        """The rows of an oracle, on the whole company or on one segment of it.

        Args:
            sql: The oracle.
            start: First day.
            end: First day after.
            only: Column and value that rows of the copy must have, ``segment=None`` for not given.
        """
        cursor = self.connection.cursor()
        if only:
            self._narrow(cursor, only)
        given = {"start": start, "end": end, "known": known_day(self.meta.known_at)}
        found = cursor.execute(sql, {name: value for name, value in given.items() if f"${name}" in sql})
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        cursor.close()
        return rows

    def _narrow(self, cursor: duckdb.DuckDBPyConnection, only: dict[str, str | None]) -> None:
        schema = "only_" + "_".join(f"{name}_{value}" for name, value in only.items()).lower().replace("-", "_")
        cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        for name in ENTITIES:
            known = {column.name for column in published_columns(name)}
            tests = [
                f"{column} IS NOT DISTINCT FROM {_literal(value)}" for column, value in only.items() if column in known
            ]
            where = " AND ".join(tests) or "true"
            cursor.execute(
                f'CREATE VIEW IF NOT EXISTS "{schema}"."{name}" AS SELECT * FROM main."{name}" WHERE {where}'
            )
        cursor.execute(f"SET schema = '{schema}'")


def _literal(value: str | None) -> str:
    return "NULL" if value is None else f"'{value}'"


def _with_days(name: str, row: Row) -> Row:
    instants = [column.name for column in published_columns(name) if column.type == "timestamp"]
    days = {day_of(at): local_day(row[at], ZONE) for at in instants if row.get(at) is not None}
    return {**days, **row}


def known_day(moment: datetime) -> date:
    """First day that is not wholly known."""
    return local_day(moment.replace(tzinfo=UTC) + timedelta(microseconds=1), ZONE)


def context(known_at: datetime = KNOWN_AT) -> Context:
    """What questions to a world mean."""
    settings = Settings(known_at=known_at, currency="EUR", zone="Europe/Paris")
    return Context(calendar=Calendar(), zone=ZONE, currency="EUR", settings=settings)


def random_rows(seed: int, **sizes: int) -> dict[str, list[Row]]:
    """The rows of the random company of that seed, of another size where one is given."""
    chance = Chance(seed)
    chance.n = chance.n | sizes
    return Sales(seed + 1).add(chance.rows())


@cache
def random_world(seed: int = SEED) -> World:
    """The random company of that seed."""
    sys.stdout.write(f"CADRAN_SEED={seed}\n")  # shown by pytest with a failure
    return World(random_rows(seed))
