"""Making a snapshot: written beside the one that is served, then put in its place in one step.

A build writes ``snapshots/<name>.building``; only when it is whole is it renamed to
``<name>.duckdb`` and `CURRENT` swapped. A build that is killed at any moment leaves the previous
snapshot served, and its leftovers are cleared by the next build.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from cadran.deferred import ibis
from cadran.errors import StoreError
from cadran.store.lock import building_alone
from cadran.store.warehouse import FILES, ISSUES, META, DuckDBWarehouse, SnapshotMeta

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    import ibis.expr.types as ir
    import pyarrow as pa

    from cadran.errors import Issue

CURRENT = "CURRENT"
BUILDING = ".building"


@dataclass(frozen=True)
class SnapshotWriter:
    """A snapshot while it is made; nobody reads it yet.

    Attributes:
        backend: Ibis on the file that is written.
        path: That file.
        name: Name that the snapshot will have.
    """

    backend: Any
    path: Path
    name: str

    def raw(self, parquet: Path) -> ir.Table:
        """One landed file as a table."""
        return self.backend.read_parquet(str(parquet))

    def memory(self, name: str, rows: pa.Table) -> ir.Table:
        """A table made from rows in memory."""
        return self.backend.create_table(name, rows, overwrite=True)

    def create(self, name: str, expression: ir.Table) -> ir.Table:
        """A table with the rows of an expression; replaces one of that name."""
        return self.backend.create_table(name, expression, overwrite=True)

    def fill(self, name: str, types: Mapping[str, str], sql: str) -> None:
        """A table with the rows of a statement, in columns of these types."""
        columns = ibis.schema(types).to_sqlglot_column_defs("duckdb")
        declared = ", ".join(column.sql("duckdb") for column in columns)
        self.run(f'CREATE TABLE "{name}" ({declared})')
        self.run(f'INSERT INTO "{name}" BY NAME {sql}')

    def table(self, name: str) -> ir.Table:
        """A table that was written."""
        return self.backend.table(name)

    def rename(self, old: str, new: str) -> ir.Table:
        """The table under its new name."""
        self.backend.rename_table(old, new)
        return self.backend.table(new)

    def drop(self, name: str) -> None:
        """Remove a table that was only needed on the way."""
        self.backend.drop_table(name, force=True)

    def rows(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression."""
        return expression.to_pyarrow()

    def number(self, expression: ir.Table) -> int:
        """How many rows an expression has."""
        return int(expression.count().to_pyarrow().as_py())

    def run(self, sql: str) -> Any:
        """Run one statement of DuckDB on the tables that are written; its cursor."""
        return self.backend.raw_sql(sql)

    def describe(self, name: str, values: list[dict[str, Any]]) -> None:
        """Keep plain values with the snapshot, under the name of a table."""
        _describe(self, name, values)

    def count(self, name: str) -> int:
        """How many rows a table has."""
        return int(self.backend.raw_sql(f'SELECT count(*) FROM "{name}"').fetchone()[0])


@contextlib.contextmanager
def building(state: Path, *, built_at: datetime) -> Iterator[SnapshotWriter]:
    """A writer for a new snapshot; what it holds is thrown away unless `publish` is called.

    Args:
        state: Folder that Cadran writes, ``.cadran`` of a project.
        built_at: UTC instant, which names the snapshot.

    Raises:
        StoreError: Another build of this project is running.
    """
    folder = state / "snapshots"
    folder.mkdir(parents=True, exist_ok=True)
    with building_alone(state):
        for leftover in folder.glob(f"*{BUILDING}*"):
            leftover.unlink(missing_ok=True)
        name = built_at.strftime("%Y%m%dT%H%M%S%f")
        path = folder / f"{name}{BUILDING}"
        backend = ibis.duckdb.connect(str(path))
        backend.raw_sql("SET preserve_insertion_order = false; SET enable_progress_bar = false")
        try:
            yield SnapshotWriter(backend, path, name)
        finally:
            with contextlib.suppress(duckdb.Error):
                backend.disconnect()
            path.unlink(missing_ok=True)


def publish(
    writer: SnapshotWriter,
    meta: SnapshotMeta,
    *,
    issues: Iterable[Issue],
    files: Sequence[dict[str, Any]],
    keep: int,
) -> Path:
    """Put a finished snapshot in the place of the one that is served.

    Args:
        writer: Snapshot whose tables are all written.
        meta: What it says of itself.
        issues: Findings of the build.
        files: What was read, as plain values.
        keep: How many past snapshots stay beside the new one; older ones are removed.

    Returns:
        The file of the snapshot.
    """
    described = asdict(meta) | {"known_at": meta.known_at.isoformat(), "built_at": meta.built_at.isoformat()}
    for name, values in ((META, [described]), (ISSUES, [_plain(i) for i in issues]), (FILES, list(files))):
        _describe(writer, name, values)
    writer.backend.raw_sql("CHECKPOINT")
    writer.backend.disconnect()
    final = writer.path.with_name(f"{writer.name}.duckdb")
    _sync(writer.path)
    os.replace(writer.path, final)  # noqa: PTH105 - the one call that is atomic on every system
    _point(final)
    _prune(final, keep)
    return final


def current(state: Path) -> Path | None:
    """The file of the snapshot that is served, or None before the first build."""
    pointer = state / CURRENT
    if not pointer.is_file():
        return None
    path = state / "snapshots" / pointer.read_text(encoding="utf-8").strip()
    return path if path.is_file() else None


def snapshots(state: Path) -> list[Path]:
    """Every kept snapshot, oldest first."""
    return sorted((state / "snapshots").glob("*.duckdb"))


def open_current(state: Path) -> DuckDBWarehouse:
    """The snapshot that is served, open for reading.

    Raises:
        StoreError: There is no snapshot yet.
    """
    # a build may remove an old snapshot between reading the pointer and opening the file: look again
    for _ in range(3):
        path = current(state)
        if path is None:
            break
        with contextlib.suppress(FileNotFoundError):
            return DuckDBWarehouse(path)
    raise StoreError(
        "There is no snapshot of this project yet.", hint="Run `cadran build` first.", where=str(state.parent)
    )


def _describe(writer: SnapshotWriter, name: str, values: list[dict[str, Any]]) -> None:
    writer.backend.raw_sql(f'CREATE OR REPLACE TABLE "{name}" (position BIGINT, content VARCHAR)')
    for position, value in enumerate(values):
        text = json.dumps(value, ensure_ascii=False, default=str)
        writer.backend.con.execute(f'INSERT INTO "{name}" VALUES (?, ?)', [position, text])


def _plain(issue: Issue) -> dict[str, Any]:
    return {**asdict(issue), "params": dict(issue.params)}


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _point(final: Path) -> None:
    """Make the new file the one that is served, in one step."""
    state = final.parent.parent
    beside = state / f"{CURRENT}{BUILDING}"
    with beside.open("w", encoding="utf-8") as file:
        file.write(final.name + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, state / CURRENT)  # noqa: PTH105 - as above


def _prune(final: Path, keep: int) -> None:
    """Remove the oldest snapshots so that `keep` past ones stay; an open one lives until it is closed."""
    past = [path for path in sorted(final.parent.glob("*.duckdb")) if path != final]
    for path in past[: max(len(past) - keep, 0)]:
        path.unlink(missing_ok=True)
