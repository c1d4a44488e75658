"""Snapshots for Spark: a folder of Parquet files each, and a pointer to the one that is served.

The folder must be seen by every worker of the cluster under the same path. A build writes beside
the folder that is served and renames it when it is whole, as `snapshot` does with files.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from cadran.errors import NotSupported, StoreError
from cadran.store.dialect import ENGINES, SPARK
from cadran.store.lock import building_alone
from cadran.store.remote import DESCRIPTIONS, Remote, described, refused
from cadran.store.shelf import no_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cadran.errors import Issue
    from cadran.store.settings import StoreSettings
    from cadran.store.snapshot import SnapshotWriter
    from cadran.store.warehouse import SnapshotMeta

ENGINE = ENGINES[SPARK]
CURRENT, BUILDING, ENDING = "CURRENT", ".building", ".parquet"
#: Seconds that a master has to answer.
_PATIENCE = 5
#: Names without a zone are instants in UTC; a failed cast or an overflow is an error, never a NULL.
_CONFIG = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
_TYPES: dict[pa.DataType, str] = {
    pa.bool_(): "BOOLEAN",
    pa.int16(): "SMALLINT",
    pa.int32(): "INT",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.string(): "STRING",
    pa.date32(): "DATE",
    pa.timestamp("us"): "TIMESTAMP_NTZ",
}
_starting = threading.Lock()


class SparkWarehouse(Remote):
    """One snapshot, read by Spark. Safe for several threads.

    Args:
        session: Session on the cluster; the snapshot gets one of its own from it.
        folder: Folder of the snapshot.
    """

    def __init__(self, session: SparkSession, folder: Path) -> None:
        try:
            texts = {
                name: pq.read_table(folder / f"{name}.parquet").sort_by("position")["content"].to_pylist()
                for name in DESCRIPTIONS
            }
        except (OSError, pa.ArrowException) as error:
            raise StoreError(
                "The snapshot {name} cannot be read: {problem}.",
                hint="Run `cadran build` to make a new one.",
                where=str(folder),
                name=folder.stem,
                problem=str(error).splitlines()[0],
            ) from error
        # names of tables are those of a session, so that two snapshots can be read side by side
        self._session = session.newSession()
        for path in sorted(folder.glob("*.parquet")):
            if path.stem not in DESCRIPTIONS:
                columns = _columns(pq.read_schema(path))
                self._session.read.schema(columns).parquet(str(path)).createOrReplaceTempView(path.stem)
        super().__init__(SPARK, texts)

    def execute(self, sql: str) -> pa.Table:
        """The rows of one statement.

        Raises:
            StoreError: Spark refuses the statement, or the cluster went away.
        """
        try:
            return self._session.sql(sql).toArrow()
        except (PySparkException, OSError) as error:
            raise refused(ENGINE, self.meta.name, error) from error

    def close(self) -> None:
        """Forget its tables; the application stays, because starting one takes seconds."""
        for name in self.meta.counts:
            with contextlib.suppress(PySparkException):
                self._session.catalog.dropTempView(name)


class SparkShelf:
    """The snapshots of a project as Parquet files that a Spark cluster reads.

    Args:
        settings: Address of the master, folder, cores and memory.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._folder = settings.folder

    def newest(self) -> str:
        """Name of the snapshot that is served; empty before the first build."""
        pointer = self._folder / CURRENT
        name = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else ""
        return name if name and self._path(name).is_dir() else ""

    def open(self) -> SparkWarehouse:
        """The snapshot that is served, open for reading.

        Raises:
            StoreError: There is none yet, or the cluster cannot be reached.
        """
        name = self.newest()
        if not name:
            raise no_snapshot(str(self._folder))
        return SparkWarehouse(session_of(self._settings), self._path(name))

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
        """Write a finished snapshot as Parquet files and serve it; see `Shelf.publish`.

        Raises:
            StoreError: The folder cannot be written, or another build is running.
        """
        try:
            with self._alone():
                beside = self._path(meta.name).with_suffix(BUILDING)
                beside.mkdir()
                for name in tables:
                    path = str(beside / f"{name}.parquet").replace("'", "''")
                    writer.backend.con.execute(f"COPY \"{name}\" TO '{path}' (FORMAT parquet)")
                for name, table in described(meta, issues, files).items():
                    pq.write_table(table, beside / f"{name}.parquet")
                for path_ in beside.iterdir():
                    _sync(path_)
                beside.rename(self._path(meta.name))
                self._point(meta.name)
                self._prune(meta.name, keep)
        except (OSError, duckdb.IOException) as error:
            raise StoreError(
                "The snapshot cannot be written: {problem}.",
                where=str(self._folder),
                problem=str(error).splitlines()[0],
            ) from error

    def _path(self, name: str) -> Path:
        return self._folder / "snapshots" / f"{name}{ENDING}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One build at a time; what a killed one left behind is cleared."""
        snapshots = self._folder / "snapshots"
        snapshots.mkdir(parents=True, exist_ok=True)
        with building_alone(self._folder):
            for leftover in snapshots.glob(f"*{BUILDING}"):
                shutil.rmtree(leftover, ignore_errors=True)
            yield

    def _point(self, name: str) -> None:
        beside = self._folder / f"{CURRENT}{BUILDING}"
        with beside.open("w", encoding="utf-8") as file:
            file.write(name + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._folder / CURRENT)

    def _prune(self, served: str, keep: int) -> None:
        past = [path for path in sorted((self._folder / "snapshots").glob(f"*{ENDING}")) if path.stem != served]
        for path in past[: max(len(past) - keep, 0)]:
            shutil.rmtree(path, ignore_errors=True)


def session_of(settings: StoreSettings) -> SparkSession:
    """The application of this process on a cluster; started once.

    Raises:
        StoreError: The master does not answer.
        NotSupported: There is no Java, or the process already works on another cluster.
    """
    with _starting:
        active = SparkSession.getActiveSession() or getattr(SparkSession, "_instantiatedSession", None)
        if active is not None and active.sparkContext._jsc is not None:  # noqa: SLF001 - how a stopped one is told
            if active.sparkContext.master != settings.url:
                raise NotSupported(
                    "This process already works on another Spark cluster: {other}.",
                    hint="Ask each cluster from a process of its own.",
                    where=settings.url,
                    other=active.sparkContext.master,
                )
            return active
        return _started(settings)


def _started(settings: StoreSettings) -> SparkSession:
    _answers(settings.url)
    if not os.environ.get("JAVA_HOME") and not shutil.which("java"):
        raise NotSupported(
            "Spark needs Java 17 or newer, which is not installed.",
            hint="On Debian: apt install openjdk-17-jre-headless.",
            where="store.engine",
        )
    # without a bound on its cores, a second application on a standalone cluster would wait for ever
    chosen = {"spark.cores.max": str(settings.cores), "spark.executor.memory": settings.memory}
    chosen |= {"spark.sql.shuffle.partitions": str(settings.cores)}
    builder = SparkSession.builder.appName("cadran").master(settings.url)
    for name, value in (_CONFIG | chosen).items():
        builder = builder.config(name, value)
    # what a statement is refused for is told once, by us, and not as a trace of Java on the terminal
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    try:
        return builder.getOrCreate()
    except Exception as error:
        raise StoreError(
            "Spark did not start at {url}: {problem}.",
            hint="Check the master, its workers, and that they have {cores} cores and {memory} free.",
            where=settings.url,
            url=settings.url,
            problem=(str(error).strip().splitlines() or [type(error).__name__])[0],
            cores=settings.cores,
            memory=settings.memory,
        ) from error


def _answers(url: str) -> None:
    """Refuse at once a master that does not answer, where Spark would try for a minute."""
    address = urlsplit(url)
    if address.scheme != "spark":
        return
    try:
        with socket.create_connection((address.hostname or "", address.port or 7077), timeout=_PATIENCE):
            pass
    except OSError as error:
        raise StoreError(
            "No Spark master answers at {url}: {problem}.",
            hint="Start it, or correct store.url.",
            where=url,
            url=url,
            problem=error.strerror or error,
        ) from error


def _columns(schema: pa.Schema) -> str:
    """The columns of a file, as Spark declares them; told, so that no file is opened to find out."""
    return ", ".join(f"`{field.name}` {_type(field)}" for field in schema)


def _type(field: pa.Field) -> str:
    if pa.types.is_decimal(field.type):
        return f"DECIMAL({field.type.precision}, {field.type.scale})"
    if field.type not in _TYPES:
        raise NotSupported(
            "{engine} has no type for the column {feature}.", engine=ENGINE, feature=f"{field.name} ({field.type})"
        )
    return _TYPES[field.type]


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
