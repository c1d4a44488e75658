"""The open pipeline at 156 week ends by region, by five ways; all must say the same to the cent.

States of a deal are valid from one movement to the next: the range join and the grid read them ready
made, which the others never need.
"""

from __future__ import annotations

import time
from datetime import date, timedelta
from typing import TYPE_CHECKING

import duckdb

from benchmarks.cadran_way import CONTEXT
from benchmarks.report import Measure
from benchmarks.timing import median, ratio
from benchmarks.work import NONE
from cadran.catalogue.load import load_catalogue
from cadran.engine.query import KpiQuery
from cadran.engine.run import answer
from cadran.store.warehouse import DuckDBWarehouse

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.report import Report
    from benchmarks.scale import Scale

FIRST, WEEKS = date(2023, 7, 3), 156
LAST = FIRST + timedelta(weeks=WEEKS)
#: Deals from which a grid of deals and weeks takes minutes and many gigabytes, and is left out.
GRID_MOST = 100_000

STATES = f"""
CREATE TEMP TABLE state AS
SELECT opportunity_id, coalesce(region, '{NONE}') AS region, moved_on AS since, n, amount,
       coalesce(lead(moved_on) OVER (PARTITION BY opportunity_id, region ORDER BY moved_on), DATE '9999-01-01') AS until
FROM (SELECT opportunity_id, region, moved_on,
             sum(sum(n_delta)) OVER so_far AS n, sum(sum(amount_delta)) OVER so_far AS amount
      FROM pipeline_movement GROUP BY opportunity_id, region, moved_on
      WINDOW so_far AS (PARTITION BY opportunity_id, region ORDER BY moved_on))
"""
ENDS = f"SELECT (DATE '{FIRST}' + CAST(7 * (w + 1) AS INTEGER)) AS week_end FROM range({WEEKS}) AS r(w)"
RANGE_JOIN = f"""
SELECT week_end, region, sum(n) AS n, sum(amount) AS amount
FROM ({ENDS}) JOIN state ON since < week_end AND until >= week_end GROUP BY ALL"""
GRID = f"""
SELECT week_end, grid.region, sum(n) AS n, sum(amount) AS amount
FROM (SELECT * FROM ({ENDS}), (SELECT DISTINCT opportunity_id, region FROM state)) AS grid
ASOF JOIN state ON grid.opportunity_id = state.opportunity_id AND grid.region = state.region
               AND grid.week_end > state.since
GROUP BY ALL"""
DIFFERENCES = f"""
WITH moved AS (
  SELECT coalesce(region, '{NONE}') AS region, sum(n_delta) AS n, sum(amount_delta) AS amount,
         DATE '{FIRST}' + CAST(7 * (1 + greatest((moved_on - DATE '{FIRST}') // 7, -1)) AS INTEGER) AS week_end
  FROM pipeline_movement WHERE moved_on < DATE '{LAST}' GROUP BY ALL
), grid AS (SELECT * FROM (SELECT DISTINCT region FROM moved), ({ENDS} UNION ALL SELECT DATE '{FIRST}'))
SELECT week_end, region, sum(n) OVER so_far AS n, sum(amount) OVER so_far AS amount
FROM grid LEFT JOIN moved USING (region, week_end)
WINDOW so_far AS (PARTITION BY region ORDER BY week_end)
QUALIFY week_end > DATE '{FIRST}'"""

Answer = dict[tuple[date, str], tuple[int, float]]


def weeks(scale: Scale, report: Report, *, repeats: int) -> None:
    """Compare the ways, then time them in turn."""
    warehouse = DuckDBWarehouse(scale.snapshot)
    catalogue, _ = load_catalogue()
    query = KpiQuery(("open_pipeline", "open_pipeline_count"), by=("region",), grain="week", start=FIRST, end=LAST)
    connection = duckdb.connect(str(scale.snapshot), read_only=True)
    connection.execute(STATES)
    ways: dict[str, Callable[[], object]] = {
        "range join": lambda: connection.execute(RANGE_JOIN).fetchall(),
        "stored differences": lambda: connection.execute(DIFFERENCES).fetchall(),
        "cadran": lambda: answer(catalogue, query, warehouse, CONTEXT).figures,
    }
    statements = answer(catalogue, query, warehouse, CONTEXT).sql
    ways["rollups"] = lambda: [connection.execute(sql).fetchall() for sql in statements]
    if scale.deals <= GRID_MOST:
        ways["grid and ASOF join"] = lambda: connection.execute(GRID).fetchall()
    if not all("_rollup" in sql for sql in statements):
        print("the open pipeline is not read from rollups")
    # what the statements over rollups give is what Cadran answers
    found = {name: _said(way()) for name, way in ways.items() if name != "rollups"}
    differ = sum(found[name] != found["range join"] for name in found)
    report.add(
        Measure("open pipeline: values compared", len(found["range join"]) * 2, ""),
        Measure("open pipeline: ways that differ", differ, "", most=0),
    )
    if differ:
        return
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            took[name].append(time.perf_counter() - started)
    for name, seconds in took.items():
        report.add(Measure(f"open pipeline: {name}", median(seconds) * 1000, "ms"))
    report.add(
        Measure(
            "open pipeline: stored differences ÷ range join",
            ratio(took["stored differences"], took["range join"]),
            most=0.07,
        ),
        Measure("open pipeline: rollups ÷ range join", ratio(took["rollups"], took["range join"]), most=0.005),
        Measure("open pipeline: cadran, asked and answered ÷ range join", ratio(took["cadran"], took["range join"])),
    )


def _said(rows: object) -> Answer:
    """The same shape of what every way says; where nothing is open is left out."""
    found: dict[tuple[date, str], list[float]] = {}
    for row in rows:
        if isinstance(row, tuple):
            found[row[0], row[1]] = [float(row[2] or 0), float(row[3] or 0)]
        else:
            place = 0 if row.kpi.id == "open_pipeline_count" else 1
            key = (row.end, row.segment["region"] or NONE)
            found.setdefault(key, [0.0, 0.0])[place] = float(row.value or 0)
    return {key: tuple(pair) for key, pair in found.items() if any(pair)}
