"""A company of any size, made up by SQL from hashes: the same seed and size give the same rows.

Every draw is a hash of a row's number, what is drawn, and the seed; so the rows depend on no order
of threads, and ten times the size is ten files of one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import duckdb
import ibis

from benchmarks import people, sales
from benchmarks.scale import DAYS, FIRST, KNOWN_AT, SEED
from cadran.canonical.schema import schema_of

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.scale import Scale

MACROS = f"""
CREATE OR REPLACE MACRO u(i, what) AS (hash(i, what, {SEED}) % 4294967296) / 4294967296.0;
CREATE OR REPLACE MACRO k(i, what, n) AS CAST(hash(i, what, {SEED}) % n AS BIGINT);
-- a waiting time, exponential, in seconds
CREATE OR REPLACE MACRO wait(i, what, days) AS CAST(-ln(1 - u(i, what)) * days * 86400 AS BIGINT);
CREATE OR REPLACE MACRO season(x) AS pow(x - 0.018 * sin(6 * pi() * x), 0.85);
-- an instant of business hours of the three years, growing, with a season a year
CREATE OR REPLACE MACRO moment(i, what) AS TIMESTAMP '{FIRST} 00:00:00'
    + to_seconds(CAST(floor(season(u(i, what)) * {DAYS}) * 86400 + 21600 + 43200 * u(i, what + 500) AS BIGINT));
CREATE OR REPLACE MACRO known(moment) AS CASE WHEN moment < TIMESTAMP '{KNOWN_AT}' THEN moment END;
CREATE OR REPLACE MACRO cents(x) AS CAST(round(x, 2) AS DECIMAL(18, 4));
"""
#: What every row has beside its own columns.
COMMON = (
    f"""'crm' AS connection_id, 'crm' AS source_system, TIMESTAMP '{KNOWN_AT}' AS valid_from, false AS is_inferred"""
)


#: ``of([a, b, c], row, what)``: one of them, drawn for the row.
OF = re.compile(r"\bof\(\[([^\]]*)\], (\w+), (\d+)\)")


def drawn(sql: str) -> str:
    """The statement with each ``of`` as a CASE, which is far faster than an element of a list."""

    def case(found: re.Match[str]) -> str:
        names = found[1].split(", ")
        cases = " ".join(f"WHEN {place} THEN {name}" for place, name in enumerate(names))
        return f"CASE k({found[2]}, {found[3]}, {len(names)}) {cases} END"

    return OF.sub(case, sql)


def generate(scale: Scale) -> Path:
    """Write the landed tables of a scale as Parquet, one folder an entity; nothing when they are there.

    Returns:
        The folder that holds them.
    """
    folder = scale.folder / "landed"
    done = folder / "done"
    if done.exists():
        return folder
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '6GB'; SET temp_directory = '{scale.folder / 'spill'}'")
        connection.execute(MACROS)
        for chunk in range(scale.chunks):
            first = chunk * scale.chunk
            for name in people.PLANS | sales.PLANS:
                made = (people.PLANS | sales.PLANS)[name]
                connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {drawn(made(scale.chunk, first))}")
            for name, made in (people.ENTITIES | sales.ENTITIES).items():
                if chunk and name in people.ONCE:
                    continue
                _write(connection, name, drawn(made(scale.chunk, first)), folder / name / f"{chunk:03d}.parquet")
    done.touch()
    return folder


def _write(connection: duckdb.DuckDBPyConnection, name: str, rows: str, path: Path) -> None:
    """The rows with every landed column of their entity, those that are not made up empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    types = ibis.schema(schema_of(name))
    given = {row[0] for row in connection.execute(f"DESCRIBE {rows}").fetchall()}
    common = {part.rsplit(" ", 1)[1] for part in COMMON.split(", ")}
    columns = ", ".join(
        f"CAST({column if column in given | common else 'NULL'} AS {_duck(str(kind))}) AS {column}"
        for column, kind in types.items()
    )
    extra = ", ".join(part for part in COMMON.split(", ") if part.rsplit(" ", 1)[1] not in given)
    source = f"SELECT {extra}, id AS source_id, * FROM ({rows})" if "source_id" not in given else rows
    connection.execute(f"COPY (SELECT {columns} FROM ({source})) TO '{path}' (FORMAT parquet)")


def _duck(kind: str) -> str:
    return {"string": "VARCHAR", "int64": "BIGINT", "float64": "DOUBLE", "timestamp(6)": "TIMESTAMP"}.get(kind, kind)
