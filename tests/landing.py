"""Landing small texts and real files for tests, the way a build does it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa

from cadran.canonical.evidence import decide, evidence
from cadran.canonical.landing import Export, landed
from cadran.canonical.mapping import bind, load_mappings, match

if TYPE_CHECKING:
    from cadran.canonical.rules import Bound

WHEN = datetime(2026, 10, 1)


def raw_table(headers, rows) -> pa.Table:
    """Cells as a reader gives them: text, numbered as in a spreadsheet."""
    columns = {h: pa.array([row[i] for row in rows], pa.string()) for i, h in enumerate(headers)}
    return pa.table({**columns, "_row": pa.array(range(2, len(rows) + 2), pa.int64())})


def from_text(text: str, sep: str = "|") -> pa.Table:
    """A table drawn with bars: the first line has the headers."""
    lines = [[cell.strip() for cell in line.split(sep)] for line in text.strip().splitlines()]
    return raw_table(lines[0], lines[1:])


@dataclass
class Landed:
    """What became of one file."""

    bound: Bound
    tables: dict[str, list[dict[str, Any]]]
    aside: list[dict[str, Any]]
    filtered: list[int]
    expressions: dict[str, Any]

    def only(self, entity: str, *columns: str) -> list[Any]:
        """The rows of an entity in the order of the file: one value, or a tuple of several."""
        rows = sorted(self.tables[entity], key=lambda row: (row["_row"], row["id"]))
        return [row[columns[0]] if len(columns) == 1 else tuple(row[c] for c in columns) for row in rows]


def land(table: pa.Table, mapping, *, zone="Europe/Paris", currency="EUR", decimal="", at=WHEN, con=None) -> Landed:
    """Evidence, decisions and landing of one table."""
    con = con or ibis.duckdb.connect()
    raw = con.create_table(f"raw_{len(con.list_tables())}", table)
    bound = bind(mapping, table.column_names)
    proof = con.to_pyarrow(evidence(raw, bound)).to_pylist()[0]
    decisions = decide(bound, proof, currency, decimal)
    found = landed(raw, bound, decisions, Export(at, zone, currency))
    return Landed(
        bound,
        {name: con.to_pyarrow(rows).to_pylist() for name, rows in found.tables.items()},
        con.to_pyarrow(found.aside.order_by("_row")).to_pylist(),
        con.to_pyarrow(found.filtered.order_by("_row"))["_row"].to_pylist(),
        found.tables,
    )


def mapping_of(folder, text: str, name: str = "file.yml"):
    """The mapping that a text holds, loaded from a file of the project."""
    (folder / name).write_text(text, encoding="utf-8")
    return next(m for m in load_mappings(folder) if m.where.startswith(f"mappings/{name}"))


def land_shipped(table: pa.Table, mappings, file_name: str = "export.csv", **options) -> Landed:
    """Landing by whichever mapping recognises the headers."""
    found = match(file_name, [c for c in table.column_names if c != "_row"], mappings)
    assert found is not None, table.column_names
    return land(table, found, **options)
