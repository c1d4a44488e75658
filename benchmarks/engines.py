"""The dashboard asked of Spark and of DuckDB, the product's own questions on the same tables.

Spark has the two cores of this machine, as an application of its own process; it is given a warm start. Asked at
several scales, the ratio says from which size on it would pay.
"""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from benchmarks.cadran_way import CONTEXT, ask, cells, questions
from benchmarks.report import Measure
from benchmarks.snapshot import parquet, warehouse
from benchmarks.timing import median, ratio
from benchmarks.work import differences, values
from cadran.catalogue.load import load_catalogue
from cadran.engine.run import answer
from cadran.store.remote import described
from cadran.store.settings import StoreSettings
from cadran.store.spark import SparkWarehouse, session_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.report import Report
    from benchmarks.scale import Scale
    from cadran.store.warehouse import SnapshotMeta

CORES, MEMORY = 2, "6g"


def engines(scale: Scale, report: Report, *, repeats: int) -> None:
    """Compare what both say, then time them in turn."""
    catalogue, _ = load_catalogue()
    with closing(warehouse(scale)) as duckdb:
        # what is kept with a DuckDB snapshot, Spark does not have: both read rows
        duckdb.rollups = ()
        settings = StoreSettings(engine="spark", url=f"local[{CORES}]", cores=CORES, memory=MEMORY)
        spark = SparkWarehouse(session_of(settings), _folder(scale, duckdb.meta))
        ways = {"DuckDB": duckdb, "Spark": spark}
        started = time.perf_counter()
        found = {name: values(cells(ask(way, catalogue))) for name, way in ways.items()}
        first = time.perf_counter() - started
        differ = len(differences(found["DuckDB"], found["Spark"]))
        report.add(
            Measure("engines: values compared", len(found["DuckDB"]), ""),
            Measure("engines: values that differ", differ, "", most=0),
            Measure("engines: both for the first time, statements compiled", first, "s"),
        )
        took: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(repeats):
            for name, way in ways.items():
                started = time.perf_counter()
                ask(way, catalogue)
                took[name].append(time.perf_counter() - started)
        one = replace(questions(catalogue)[0], kpis=("new_opportunities",))
        small = {name: _seconds(lambda way=way: answer(catalogue, one, way, CONTEXT)) for name, way in ways.items()}
    report.add(
        Measure("engines: dashboard, DuckDB", median(took["DuckDB"]), "s"),
        Measure("engines: dashboard, Spark", median(took["Spark"]), "s"),
        Measure("engines: dashboard, Spark ÷ DuckDB", ratio(took["Spark"], took["DuckDB"])),
        Measure("engines: one KPI, Spark ÷ DuckDB", small["Spark"] / small["DuckDB"]),
    )


def _seconds(asked: Callable[[], object]) -> float:
    started = time.perf_counter()
    asked()
    return time.perf_counter() - started


def _folder(scale: Scale, meta: SnapshotMeta) -> Path:
    """The tables as Parquet, with what a snapshot says of itself."""
    folder = scale.folder / "spark"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in parquet(scale).glob("*.parquet"):
        (folder / path.name).symlink_to(path)
    for name, table in described(meta, (), ()).items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder
