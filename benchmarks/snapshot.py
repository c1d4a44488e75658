"""Landed Parquet → a Cadran snapshot by the product's own path, and the canonical tables as Parquet for the others."""

from __future__ import annotations

import json
import shutil
import time
from datetime import date, timedelta
from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq

from benchmarks.copies import copied
from benchmarks.generate import generate
from benchmarks.scale import BUILT_AT, CURRENCY, KNOWN_AT, SCALES, SETTINGS, ZONE
from cadran.canonical.calendars import HoursFrom, working_minutes
from cadran.canonical.entities import ENTITIES, published_columns
from cadran.canonical.schema import schema_of
from cadran.catalogue.load import load_catalogue
from cadran.config import BusinessHours
from cadran.engine.derivations import LANDED, derivations
from cadran.jobs.build import ready
from cadran.store.dialect import DUCKDB
from cadran.store.snapshot import building, current, publish
from cadran.store.warehouse import DuckDBWarehouse, SnapshotMeta

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from benchmarks.scale import Scale
    from cadran.store.snapshot import SnapshotWriter

#: What a build may use of the machine; more spills to disk.
MEMORY = "8GB"
#: Seconds from which a table is told.
SLOW = 5.0


def snapshot(scale: Scale) -> Path:
    """The file of the snapshot of a scale, built when it is not there."""
    state = scale.folder / ".cadran"
    found, said = current(state), state / "columns"
    if found is None or not said.exists() or said.read_text() != columns():
        # tables that lack a column that the catalogue has come to need are of no use
        shutil.rmtree(scale.folder / "canonical", ignore_errors=True)
        found = copied(snapshot(SCALES["L"]), state) if scale.name == "10xL" else build(generate(scale), state)
        said.write_text(columns())
    return found


def columns() -> str:
    """Every column of the canonical tables, as this version of the product has them."""
    found = {name: [f"{c.name}:{c.type}" for c in published_columns(name)] for name in ENTITIES}
    return json.dumps(found, indent=0)


def build(landed: Path, state: Path) -> Path:
    """Build and publish a snapshot from landed Parquet, and tell how long each part took."""
    with building(state, built_at=BUILT_AT) as writer:
        writer.backend.raw_sql(f"SET memory_limit = '{MEMORY}'; SET temp_directory = '{state / 'spill'}'")
        counts = write(landed, writer)
        ready(writer, load_catalogue()[0])
        meta = SnapshotMeta(writer.name, KNOWN_AT, BUILT_AT, CURRENCY, ZONE, counts)
        return publish(writer, meta, issues=(), files=[], keep=1)


def write(landed: Path, writer: SnapshotWriter) -> dict[str, int]:
    """Write every canonical table by the statements of a build; the rows of each."""
    for name, entity in ENTITIES.items():
        if (landed / name).exists():
            writer.run(f"CREATE TEMP VIEW {LANDED}{name} AS FROM read_parquet('{landed / name}/*.parquet')")
        elif not entity.derived:
            writer.backend.create_table(LANDED + name, schema=schema_of(name), temp=True)
    writer.memory("working_minutes", _minutes())
    pieces = derivations(SETTINGS, DUCKDB)
    for name, piece in pieces.items():
        started = time.perf_counter()
        writer.fill(name, piece.types, piece.sql)
        took = time.perf_counter() - started
        if took > SLOW:
            print(f"  {name}: {took:.1f} s", flush=True)
    for name in pieces.keys() - ENTITIES.keys():
        writer.drop(name)
    return {name: writer.count(name) for name in ENTITIES}


def _minutes() -> pa.Table:
    until = KNOWN_AT.date() + timedelta(days=2)
    return working_minutes([ZONE], [HoursFrom(date.min, BusinessHours())], date(2022, 1, 1), until)


def parquet(scale: Scale) -> Path:
    """The canonical tables of a scale as Parquet, for whoever does not read a snapshot, and its working time."""
    if not scale.minutes.exists():
        pq.write_table(_minutes(), scale.minutes)
    folder = scale.folder / "canonical"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(str(snapshot(scale)), read_only=True) as connection:
            for name in ENTITIES:
                texts = [c.name for c in published_columns(name) if c.type == "text"]
                plain = ", ".join(f'CAST("{each}" AS VARCHAR) AS "{each}"' for each in texts)
                rows = f'SELECT * REPLACE ({plain}) FROM "{name}"' if texts else f'FROM "{name}"'
                connection.execute(f"COPY ({rows}) TO '{folder / name}.parquet' (FORMAT parquet)")
        (folder / "done").touch()
    return folder


def warehouse(scale: Scale) -> DuckDBWarehouse:
    """The snapshot of a scale, open for reading."""
    return DuckDBWarehouse(snapshot(scale))
