"""Files and tables → raw landings, kept as they came.

A file that cannot be read, or that no mapping recognises, becomes a finding; the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cadran.canonical.mapping import load_mappings, match, names_file, shipped_mappings
from cadran.config import environment
from cadran.errors import CadranError, Issue, MappingError
from cadran.jobs.connect import read_connection
from cadran.jobs.progress import silent
from cadran.sources import files, sql
from cadran.sources.base import ReadOptions, Shape, Tally
from cadran.sources.live.connection import connections_of
from cadran.sources.live.kinds import KINDS
from cadran.sources.live.wire import network
from cadran.store import raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cadran.canonical.mapping import Mapping
    from cadran.config import Project
    from cadran.jobs.progress import Progress
    from cadran.sources.live.connection import Connection
    from cadran.sources.live.wire import Wire
    from cadran.store.raw import Landing

#: What a file of exports may end in.
SUFFIXES = (
    ".csv",
    ".tsv",
    ".tab",
    ".txt",
    ".xlsx",
    ".xlsm",
    ".xlsb",
    ".xls",
    ".ods",
    ".parquet",
    ".jsonl",
    ".ndjson",
    ".json",
)
READING = "Reading files"
LAST_SECOND = time(23, 59, 59)


@dataclass(frozen=True)
class SyncedFile:
    """What became of one file.

    Attributes:
        file: File, as the user would name it.
        landing: What was kept of it, or None when it could not be read.
    """

    file: str
    landing: Landing | None = None

    def as_record(self) -> dict[str, Any]:
        """Its counts as plain values."""
        if self.landing is None:
            return {"file": self.file, "mapping": ""}
        counts, info = self.landing.counts, self.landing.info
        return {
            "file": self.file,
            "mapping": info.mapping,
            "exported_at": info.extracted_at.isoformat(timespec="seconds"),
            "read": counts.read,
            "loaded": counts.landed,
            "set_aside": counts.set_aside,
            "filtered": 0,
            "skipped": counts.blank + counts.totals + counts.footers + counts.other,
        }


@dataclass(frozen=True)
class SyncReport:
    """What a sync did.

    Attributes:
        files: Every file of exports/ and every mapped table, in order of name.
        issues: Findings.
    """

    files: tuple[SyncedFile, ...]
    issues: tuple[Issue, ...]


def utc_now() -> datetime:
    """The clock of live connections, which are read while it runs on."""
    return datetime.now(UTC)  # noqa: TID251 - jobs read the clock


def mappings_of(project: Project) -> tuple[Mapping, ...]:
    """The mappings of a project, then those that come with Cadran.

    Raises:
        MappingError: A mapping of the project cannot be used.
    """
    return (*load_mappings(project.mappings), *shipped_mappings())


def sync_project(
    project: Project, *, now: datetime, progress: Progress = silent, wire: Wire | None = None
) -> SyncReport:
    """Land every file, table and live stream that is new or has changed.

    Args:
        project: Settings of the company.
        now: UTC instant at which the files are read.
        progress: Told how far the work is.
        wire: How live connections are reached; over the network by default.

    Raises:
        MappingError: A mapping file of the project cannot be used.
        ConfigError: A connection of the project cannot be used.
    """
    work = _Sync(project, mappings_of(project), now, progress)
    for path in export_files(project):
        work.file(path)
    for mapping in work.mappings:
        if (mapping.table or mapping.query) and not mapping.is_shipped:
            work.table(mapping)
    for connection in connections_of(project, KINDS):
        work.connection(connection, wire or network(utc_now))
    return SyncReport(tuple(work.done), tuple(work.issues))


def export_files(project: Project) -> list[Path]:
    """The files of exports/ that are read, in order of name."""
    found = sorted(path for path in project.exports.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    named = [(path, path.relative_to(project.exports)) for path in found]
    return [path for path, name in named if not _is_hidden(name) and not project.leaves_out(name.as_posix())]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "~$")) for part in path.parts)


class _Sync:
    """The work of one sync, with what it has done so far."""

    def __init__(self, project: Project, mappings: tuple[Mapping, ...], now: datetime, progress: Progress) -> None:
        self.project = project
        self.mappings = mappings
        self.now = now
        self.progress = progress
        self.done: list[SyncedFile] = []
        self.issues: list[Issue] = []

    def file(self, path: Path) -> None:
        """Land one file, or say why not."""
        name = path.relative_to(self.project.exports).as_posix()
        try:
            landing = self._landed(path, name)
        except CadranError as error:
            self.issues.append(as_issue(error, name))
            landing = None
        self.done.append(SyncedFile(name, landing))

    def table(self, mapping: Mapping) -> None:
        """Land one table of a database, or say why not."""
        try:
            landing = self._landed_table(mapping)
        except CadranError as error:
            self.issues.append(as_issue(error, mapping.table or mapping.name))
            landing = None
        self.done.append(SyncedFile(mapping.table or mapping.name, landing))

    def connection(self, connection: Connection, wire: Wire) -> None:
        """Land every stream of a live connection, or say why not."""
        try:
            run = read_connection(self.project, connection, self.mappings, wire, self.progress)
        except CadranError as error:
            self.issues.append(as_issue(error, connection.name))
            return
        self.issues += run.issues
        self.done += [SyncedFile(landing.info.file, landing) for landing in run.landings.values()]

    def _landed(self, path: Path, name: str) -> Landing | None:
        mapping, shape = recognise(path, self.mappings)
        if mapping is None:
            self.issues.append(
                Issue(
                    "unmapped_file",
                    "warning",
                    "No mapping recognises this file: it is left out.",
                    where=name,
                    hint="Run `cadran map {file} --write` to propose a mapping.",
                    params={"file": str(path)},
                )
            )
            return None
        shape = replace(shape, file=name)
        modified = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
        info = self._info(mapping, shape, name, modified)
        info = replace(info, sha256=raw.digest(path), size=path.stat().st_size)
        tally = Tally()
        batches = files.read(path, shape, tally, lambda rows: self.progress(READING, rows, 0))
        return self._kept(info, batches, tally)

    def _landed_table(self, mapping: Mapping) -> Landing:
        url = environment(mapping.database)
        if not url:
            raise MappingError(
                "The environment has no {name}, which holds the address of the database.",
                hint="Set it, for example {name}=postgresql://user@host/database.",
                where=mapping.where,
                name=mapping.database or "database",
            )
        asked, tally = mapping.table or mapping.query, Tally()
        shape = sql.inspect_table(url, asked)
        batches = sql.read_table(url, asked, shape, tally, lambda rows: self.progress(READING, rows, 0))
        info = self._info(mapping, shape, mapping.table or mapping.name, self.now.replace(tzinfo=UTC))
        return self._kept(info, batches, tally)

    def _info(self, mapping: Mapping, shape: Shape, name: str, modified: datetime) -> raw.LandingInfo:
        return raw.LandingInfo(
            file=name,
            mapping=mapping.name,
            connection=mapping.connection,
            sha256="",
            size=0,
            extracted_at=self._exported(mapping, shape, modified),
            read_at=self.now,
            headers=shape.headers,
            options=shape.read_options(),
        )

    def _kept(self, info: raw.LandingInfo, batches: Iterable[Any], tally: Tally) -> Landing:
        folder = self.project.state / "raw" / info.connection / info.mapping
        return raw.land(folder, info, batches, tally)

    def _exported(self, mapping: Mapping, shape: Shape, modified: datetime) -> datetime:
        """When the source exported the file, as a naive UTC instant."""
        if day := mapping.options.exported_at:
            # an export made on a day knows that day up to its end
            told = datetime.combine(day + timedelta(days=1), time(), tzinfo=self.project.zone)
        else:
            told = shape.exported_at or modified
            # readers date an export that names a day only to its last second: that day is whole
            told += timedelta(seconds=1) if told.time() == LAST_SECOND else timedelta()
        aware = told if told.tzinfo else told.replace(tzinfo=self.project.zone)
        return aware.astimezone(UTC).replace(tzinfo=None)


def recognise(path: Path, mappings: tuple[Mapping, ...]) -> tuple[Mapping | None, Shape]:
    """The mapping that reads a file, and how the file is laid out.

    Raises:
        SourceError: The file cannot be read.
        MappingError: Two mappings fit equally well.
    """
    shape = files.inspect(path, ReadOptions(), lambda row: match(path.name, row, mappings) is not None)
    mapping = match(path.name, shape.headers, mappings)
    hints = _hinted(path, mappings) if mapping is None else mapping
    if hints is not None and (options := read_options(hints)) != ReadOptions():
        shape = files.inspect(path, options, None)
        mapping = match(path.name, shape.headers, mappings)
    return mapping, shape


def read_options(mapping: Mapping) -> ReadOptions:
    """What a mapping says about reading its files."""
    told = mapping.options
    return ReadOptions(told.encoding, told.delimiter, told.header_row, told.sheet, told.decimal, told.dates)


def _hinted(path: Path, mappings: tuple[Mapping, ...]) -> Mapping | None:
    """The first mapping of the project that names the file and says how to read it."""
    named = [m for m in mappings if m.files and not m.is_shipped and names_file(m, path.name)]
    return next(iter(named), None)


def as_issue(error: CadranError, file: str) -> Issue:
    """An error that stops one file, as a finding."""
    where = file if not error.where or error.where == Path(file).name else f"{file} ({error.where})"
    code = {"MappingError": "file_stopped", "SourceError": "file_unreadable"}.get(type(error).__name__, "file_failed")
    return Issue(code, "error", error.message, where=where, hint=error.hint, params=error.params)
