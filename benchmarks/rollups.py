"""Sums kept with a snapshot: the dashboard from them, and bringing them up to date, against making them again."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import duckdb

from benchmarks.cadran_way import CONTEXT, ask, cells
from benchmarks.report import Measure
from benchmarks.scale import END, START
from benchmarks.timing import median, ratio
from benchmarks.work import BREAKDOWNS, SERIES, differences, values
from cadran.canonical.entities import published_columns
from cadran.catalogue.load import load_catalogue
from cadran.engine import rollup, rollup_tables
from cadran.engine.query import KpiQuery
from cadran.engine.run import answers
from cadran.store.warehouse import DuckDBWarehouse

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.report import Report
    from benchmarks.scale import Scale
    from cadran.engine.rollup import Rollup

#: One row in a hundred changes.
SHARE = 100


def rollups(scale: Scale, report: Report, *, repeats: int) -> None:
    """Compare the dashboard from rollups and from rows, then time it, a rebuild and a refresh in turn."""
    copy = scale.folder / "rollups.duckdb"
    shutil.copy(scale.snapshot, copy)
    connection = duckdb.connect(str(copy))
    catalogue, _ = load_catalogue()
    warehouse = DuckDBWarehouse(scale.snapshot)
    bare = DuckDBWarehouse(scale.snapshot)
    bare.rollups = ()
    found = [rollup.described(each) for each in warehouse.rollups]
    differ = differences(values(cells(ask(warehouse, catalogue))), values(cells(ask(bare, catalogue))))
    changed = change(connection, found)
    took: dict[str, list[float]] = {"dashboard": [], "rebuild": [], "refresh": [], "what does not add up": []}
    wrong = 0
    for _ in range(repeats):
        took["dashboard"].append(_timed(lambda: ask(warehouse, catalogue)))
        took["what does not add up"].append(_timed(lambda: answers(catalogue, durations(), bare, CONTEXT)))
        took["refresh"].append(_timed(lambda: rollup_tables.refresh(_run_by(connection), found, changed)))
        for each in found:
            connection.execute(f'CREATE OR REPLACE TEMP TABLE "kept{each.name}" AS {sums(each)}')
        swap(connection, changed, "new")
        took["rebuild"].append(_timed(lambda: rollup_tables.write(connection.execute, catalogue)))
        wrong += sum(differing(connection, each) > 0 for each in found)
        # back to what it was, for the next round
        swap(connection, changed, "old")
        rollup_tables.write(connection.execute, catalogue)
    connection.close()
    copy.unlink()
    report.add(
        Measure("rollups: values that differ from those of rows", len(differ), "", most=0),
        Measure("rollups of which a refresh gives another sum than a rebuild", wrong, "", most=0),
        *(Measure(f"rollups: {name}", median(seconds), "s") for name, seconds in took.items()),
        Measure("rollups: dashboard ÷ rebuild", ratio(took["dashboard"], took["rebuild"]), most=0.12),
        Measure("rollups: refresh of 1 % ÷ rebuild, additive", ratio(took["refresh"], took["rebuild"]), most=0.13),
        Measure("rollups: refresh of 1 % ÷ rebuild, with what does not add up", ratio(*_whole(took)), most=0.33),
    )


def _run_by(connection: duckdb.DuckDBPyConnection) -> Callable[[str], duckdb.DuckDBPyConnection]:
    return lambda sql: connection.cursor().execute(sql)


def durations() -> list[KpiQuery]:
    """What the dashboard asks that has no rollup: it is read from rows after a rebuild and after a refresh alike."""
    dims = ((), *((name,) for name in BREAKDOWNS))
    return [KpiQuery((SERIES["response median"],), by=by, grain="month", start=START, end=END) for by in dims]


def _whole(took: dict[str, list[float]]) -> tuple[list[float], list[float]]:
    """A refresh and a rebuild, each with what does not add up."""
    more = took["what does not add up"]
    one, other = ([a + b for a, b in zip(took[name], more, strict=True)] for name in ("refresh", "rebuild"))
    return one, other


def change(connection: duckdb.DuckDBPyConnection, found: list[Rollup]) -> dict[str, tuple[str, str]]:
    """One row in a hundred of every table, as it was and as it becomes: of another seller, and its flags turned."""
    changed = {}
    for entity in dict.fromkeys(each.entity for each in found):
        columns = published_columns(entity)
        turned = {"owner": "'Seller 007'"} | {c.name: f"NOT {c.name}" for c in columns if c.type == "bool"}
        new = ", ".join(f"{turned.get(c.name, c.name)} AS {c.name}" for c in columns)
        connection.execute(
            f'CREATE OR REPLACE TABLE "old_{entity}" AS SELECT *, rowid AS place FROM "{entity}" WHERE rowid % {SHARE} = 0;'
            f'CREATE OR REPLACE TABLE "new_{entity}" AS SELECT {new}, place FROM "old_{entity}"'
        )
        changed[entity] = (f"old_{entity}", f"new_{entity}")
    return changed


def swap(connection: duckdb.DuckDBPyConnection, changed: dict[str, tuple[str, str]], which: str) -> None:
    """Put the rows as they were, or as they become, in the place of the others."""
    for entity in changed:
        columns = [c.name for c in published_columns(entity)]
        places = ", ".join(f"{name} = t.{name}" for name in columns)
        connection.execute(
            f'UPDATE "{entity}" SET {places} FROM "{which}_{entity}" AS t WHERE "{entity}".rowid = t.place'
        )


def sums(each: Rollup) -> str:
    """What a rollup says, row by row; rows that cancel out say nothing, and no amount is an amount of 0 by no row."""
    codes = [f"g{place}" for place in range(len(each.dims))]
    keys = ", ".join(["p_day", *codes, *(["p_set"] if codes else [])])
    totals = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in each.columns.values())
    some = " OR ".join(f"coalesce(sum({name}), 0) <> 0" for name in each.columns.values())
    return f'SELECT {keys}, {totals} FROM "{each.name}" GROUP BY {keys} HAVING {some}'


def differing(connection: duckdb.DuckDBPyConnection, each: Rollup) -> int:
    """Rows of a rollup that are not those that were kept of it."""
    kept, now = f'FROM "kept{each.name}"', sums(each)
    ways = ((kept, now), (now, kept))
    return sum(
        connection.execute(f"SELECT count(*) FROM ({one} EXCEPT ALL {other})").fetchall()[0][0] for one, other in ways
    )


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
