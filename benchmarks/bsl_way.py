"""The dashboard in boring-semantic-layer: the KPIs that it can say, one query for each and breakdown.

It has no balance at a date, no cohort curve and no KPI over several models: MRR, velocity and the
median response are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
import pyarrow as pa
from boring_semantic_layer import to_semantic_table

from benchmarks.ibis_way import kpis
from benchmarks.scale import END, START
from benchmarks.work import ALL, BREAKDOWNS, CELLS, NONE

if TYPE_CHECKING:
    from pathlib import Path

TABLES = ("opportunity", "lead_cycle", "lead_response", "customer_month", "stage_passage")


def answer(folder: Path) -> pa.Table:
    """The cells that can be said, from Parquet."""
    connection = ibis.duckdb.connect()
    t = {name: connection.read_parquet(folder / f"{name}.parquet", table_name=name) for name in TABLES}
    cells = []
    for series, (rows, day, value) in kpis(t).items():
        inside = rows.filter(rows[day] >= START, rows[day] < END)
        dated = inside.mutate(month=inside[day].truncate("M").cast("date"))
        model = to_semantic_table(dated, name=series).with_dimensions(
            month=lambda r: r.month, **{name: (lambda r, name=name: r[name].fill_null(NONE)) for name in BREAKDOWNS}
        )
        model = model.with_measures(value=value)
        for breakdown in (ALL, *BREAKDOWNS):
            by = ["month"] if breakdown == ALL else ["month", breakdown]
            found = pa.Table.from_pandas(model.group_by(*by).aggregate("value").execute(), preserve_index=False)
            n = found.num_rows
            segment = pa.array([""] * n) if breakdown == ALL else found[breakdown].cast(pa.string())
            columns = [pa.array([series] * n), pa.array([breakdown] * n), segment, found["month"], found["value"]]
            cells.append(pa.table(columns, names=CELLS.names).cast(CELLS))
    return pa.concat_tables(cells)
