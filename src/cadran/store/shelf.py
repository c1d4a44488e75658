"""Where the snapshots of a project are kept: a DuckDB file, schemas of PostgreSQL, or Parquet for Spark.

Whatever the engine, a build writes beside the snapshot that is served and is put in its place in
one step: readers never wait, and a build that is killed leaves the previous snapshot served.
Tables are computed by DuckDB on the machine of the build; the engine keeps and answers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

from cadran.errors import NotSupported, StoreError
from cadran.store import snapshot
from cadran.store.settings import store_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cadran.config import Project
    from cadran.errors import Issue
    from cadran.store.snapshot import SnapshotWriter
    from cadran.store.warehouse import Snapshot, SnapshotMeta

#: Module and class of each engine that is not DuckDB, and the package that it needs.
_SHELVES = {
    "postgres": ("cadran.store.postgres", "PostgresShelf", "psycopg"),
    "spark": ("cadran.store.spark", "SparkShelf", "pyspark"),
}


class Shelf(Protocol):
    """What keeps the snapshots of one project."""

    def newest(self) -> str:
        """Name of the snapshot that is served; empty before the first build."""
        ...

    def open(self) -> Snapshot:
        """The snapshot that is served, open for reading.

        Raises:
            StoreError: There is none yet, or the engine cannot be reached.
        """
        ...

    def publish(
        self,
        writer: SnapshotWriter,
        meta: SnapshotMeta,
        *,
        issues: Sequence[Issue],
        files: Sequence[dict[str, Any]],
        keep: int,
        tables: Sequence[str],
    ) -> None:
        """Put a finished snapshot in the place of the one that is served.

        Args:
            writer: Snapshot whose tables are all written.
            meta: What it says of itself.
            issues: Findings of the build.
            files: What was read, as plain values.
            keep: How many past snapshots stay beside the new one; older ones are removed.
            tables: Tables that statements may read, for an engine that must copy them.

        Raises:
            StoreError: The engine cannot be reached or refuses, or another build is running.
        """
        ...


class FileShelf:
    """Snapshots as DuckDB files in the folder that Cadran writes.

    Args:
        state: That folder, ``.cadran`` of a project.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._seen: tuple[tuple[int, int], str] | None = None

    def newest(self) -> str:
        """Name of the snapshot that is served; empty before the first build."""
        try:
            pointer = (self._state / snapshot.CURRENT).stat()
        except OSError:
            return ""
        # a build puts another file in the place of the pointer: the same file still says the same
        version, seen = (pointer.st_ino, pointer.st_mtime_ns), self._seen
        if seen is None or seen[0] != version:
            path = snapshot.current(self._state)
            if path is None:
                return ""
            seen = self._seen = (version, path.stem)
        return seen[1]

    def open(self) -> Snapshot:
        """The snapshot that is served, open for reading; see `snapshot.open_current`."""
        return snapshot.open_current(self._state)

    def publish(
        self,
        writer: SnapshotWriter,
        meta: SnapshotMeta,
        *,
        issues: Sequence[Issue],
        files: Sequence[dict[str, Any]],
        keep: int,
        tables: Sequence[str],  # noqa: ARG002 - the file has them already
    ) -> None:
        """Put a finished snapshot in the place of the one that is served, see `snapshot.publish`."""
        snapshot.publish(writer, meta, issues=issues, files=files, keep=keep)


def shelf_of(project: Project) -> Shelf:
    """Where the snapshots of a project are kept, by its settings. Nothing is opened yet.

    Raises:
        ConfigError: A setting cannot be used.
        NotSupported: The package that the engine needs is not installed.
    """
    settings = store_settings(project)
    if settings.engine == "duckdb":
        return FileShelf(project.state)
    module, name, package = _SHELVES[settings.engine]
    try:
        shelf: type[Any] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise NotSupported(
            "The engine {engine} needs a package that is not installed: {package}.",
            hint="Install it: pip install 'cadran[{engine}]'.",
            where="store.engine",
            engine=settings.engine,
            package=package,
        ) from error
    found: Shelf = shelf(settings)
    return found


def no_snapshot(where: str) -> StoreError:
    """The error of a project that was never built."""
    return StoreError("There is no snapshot of this project yet.", hint="Run `cadran build` first.", where=where)
