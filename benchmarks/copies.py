"""A company ten times as large: every record of a smaller one ten times over, with ids of its own.

Deals, leads, customers and all that belongs to them are copied; sellers, stages, rates, plans and costs are not. The
tables are those of the smaller snapshot, sorted and coded as a build leaves them, so that only questions are measured:
rollups are not made, and landed versions are not copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.scale import BUILT_AT
from cadran.canonical.entities import ENTITIES, published_columns
from cadran.catalogue.load import load_catalogue
from cadran.engine import fragments
from cadran.store.snapshot import building, publish
from cadran.store.warehouse import FRAGMENTS, SHAPES, DuckDBWarehouse, SnapshotMeta

if TYPE_CHECKING:
    from pathlib import Path

COPIES = 10
#: Tables that a company has no more of when it is ten times as large, in this benchmark.
ONCE = frozenset(
    [
        "owner",
        "stage",
        "fx_rate",
        "quota",
        "forecast_submission",
        "forecast_outcome",
        "spend",
        "cost",
        "selling_week",
        "time_entry",
        "web_session_daily",
        "search_performance",
    ]
)
#: Columns ending in ``_id`` that are no record of a table that is copied.
KEPT = frozenset({"connection_id", "source_id", "campaign_id", "sequence_id", "tax_id"})
MEMORY = "12GB"


def copied(smaller: Path, state: Path) -> Path:
    """Build a snapshot of ten copies of a snapshot, and say where it is."""
    with building(state, built_at=BUILT_AT) as writer:
        run = writer.run
        run(
            f"SET memory_limit = '{MEMORY}'; SET temp_directory = '{state / 'spill'}'; SET preserve_insertion_order = true"
        )
        run(f"ATTACH '{smaller}' AS smaller (READ_ONLY)")
        counts = {}
        for name in ENTITIES:
            rows = _copies(name) if name not in ONCE else f'FROM smaller."{name}"'
            run(f'CREATE TABLE "{name}" AS {rows}')
            counts[name] = writer.count(name)
        run("DETACH smaller")
        old = DuckDBWarehouse(smaller)
        meta = SnapshotMeta(writer.name, old.meta.known_at, BUILT_AT, old.meta.currency, old.meta.zone, counts)
        shapes = [each | {"rows": counts[each["entity"]]} for each in old.shapes]
        old.close()
        writer.describe(SHAPES, shapes)
        writer.describe(FRAGMENTS, fragments.FRAGMENTS.kept(load_catalogue()[0]))
        return publish(writer, meta, issues=(), files=[], keep=1)


def _copies(name: str) -> str:
    """The rows of a table and their copies, in the order of the table."""
    own = [c.name for c in published_columns(name) if _is_copied(c.name, c.ref)]
    ids = ", ".join(f'"{column}" || \'~\' || copy AS "{column}"' for column in own)
    replaced = f"REPLACE ({ids})" if ids else ""
    return f'SELECT * EXCLUDE (copy) {replaced} FROM smaller."{name}", range({COPIES}) AS copies(copy)'


def _is_copied(column: str, ref: str) -> bool:
    return (column == "id" or column.endswith("_id")) and column not in KEPT and ref not in ONCE
