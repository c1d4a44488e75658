"""Live connections → raw landings: every stream read from where it was left, kept page by page.

What a connection gives is landed together once all of it is read, so that no stream is newer than
another. A read that was cut, by the vendor or by the end of the machine, goes on at its last page.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from cadran.errors import CadranError, Issue, SourceError
from cadran.jobs.progress import silent
from cadran.sources.base import ROW, Tally
from cadran.sources.live.newest import Newest, key_of
from cadran.sources.live.stream import GONE, Paused, Window
from cadran.sources.written import dumps, loads
from cadran.store import raw
from cadran.store.spool import Spool, read_json, reading_alone, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cadran.canonical.mapping import Mapping
    from cadran.config import Project
    from cadran.jobs.progress import Progress
    from cadran.sources.live.connection import Connection
    from cadran.sources.live.stream import Account, Meter, Page, Record, Stream
    from cadran.sources.live.wire import Wire
    from cadran.store.raw import Landing

#: Days after which a stream that does not tell what is gone is read as a whole again.
CENSUS_DAYS = 7
#: How often one place may come back before a vendor is said to turn in circles.
MOST_REPEATS = 20
#: A read that was cut longer ago than this is followed by another one, for what changed since.
_STALE = timedelta(hours=1)
#: Statuses that say: not this, whatever one does.
_ABSENT = (403, 404)


@dataclass
class StreamRun:
    """What reading one stream did.

    Attributes:
        stream: Its name.
        outcome: ``complete``, ``paused``, ``refused`` or ``stopped``.
        since: Start of the window, or empty for everything.
        until: End of the window.
        pages: Pages kept, those of a read that was cut before included.
        rows: Records in them.
        landed: Records landed, each once.
        gone: Records found to be gone.
        first: Least cursor among them.
        last: Greatest cursor among them.
        cost: Requests and so on, see `Meter.since`.
        problem: Why it was not read to its end.
    """

    stream: str
    outcome: str = "complete"
    since: str = ""
    until: str = ""
    pages: int = 0
    rows: int = 0
    landed: int = 0
    gone: int = 0
    first: str = ""
    last: str = ""
    cost: dict[str, float] = field(default_factory=dict)
    problem: str = ""

    def as_record(self) -> dict[str, Any]:
        """The run as plain values, its cost among them."""
        told = dict(vars(self))
        return {**told, **told.pop("cost")}


@dataclass
class ConnectionRun:
    """What reading one connection did.

    Attributes:
        connection: Its name.
        started: When, as ISO text in UTC.
        ended: Until when.
        streams: Its streams.
        landings: What was kept, by stream.
        issues: Findings.
    """

    connection: str
    started: str
    ended: str = ""
    streams: list[StreamRun] = field(default_factory=list)
    landings: dict[str, Landing] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)


def folder_of(project: Project, connection: str) -> Path:
    """Where a connection keeps its places, spools and runs."""
    return project.state / "connections" / connection


def mapped(account: Account, connection: Connection, mappings: Iterable[Mapping]) -> dict[str, Mapping]:
    """The mapping of every stream that is read, by name of the stream; those of the project go first."""
    found: dict[str, Mapping] = {}
    for mapping in mappings:
        kind, _, stream = mapping.stream.partition(".")
        if kind == connection.kind.name:
            found.setdefault(stream, mapping)
    wanted = [stream.name for stream in account.streams if not connection.streams or stream.name in connection.streams]
    return {name: found[name] for name in wanted if name in found}


def read_connection(
    project: Project,
    connection: Connection,
    mappings: Iterable[Mapping],
    wire: Wire,
    progress: Progress = silent,
) -> ConnectionRun:
    """Read every stream of a connection and land it; failures become findings.

    Args:
        project: Settings of the company.
        connection: The connection.
        mappings: Mappings of the project, then those that come with Cadran.
        wire: Network, clock and waiting.
        progress: Told the records read so far, per stream.

    Raises:
        StoreError: Another process reads the connection, or the folder cannot be written.
    """
    folder = folder_of(project, connection.name)
    run = ConnectionRun(connection.name, _iso(wire.now()))
    with reading_alone(folder / "lock"):
        try:
            account = connection.kind.open(connection, wire)
        except CadranError as error:
            run.issues.append(_stopped(connection, "", error))
            return run
        try:
            work = _Reading(project, connection, mapped(account, connection, mappings), wire, progress, run)
            work.all(account)
        finally:
            account.close()
        run.ended = _iso(wire.now())
        _record(folder, run)
    return run


def last_runs(project: Project, connection: str) -> list[dict[str, Any]]:
    """The manifests of a connection's runs, newest first."""
    files = sorted((folder_of(project, connection) / "runs").glob("*.json"), reverse=True)
    return [read_json(path) for path in files]


def place(project: Project, connection: str, stream: str) -> dict[str, Any]:
    """Where a stream was left: ``since``, ``whole`` (last whole read) and what else is kept; empty before the first."""
    return read_json(folder_of(project, connection) / f"{stream}.json")


@dataclass
class _Reading:
    """The work of one run of one connection."""

    project: Project
    connection: Connection
    mappings: dict[str, Mapping]
    wire: Wire
    progress: Progress
    run: ConnectionRun

    def all(self, account: Account) -> None:
        """Read every stream, then land what was read."""
        ready: list[tuple[Stream, StreamRun]] = []
        for stream in account.streams:
            if stream.name not in self.mappings:
                continue
            told = StreamRun(stream.name)
            self.run.streams.append(told)
            if not self._one(stream, told, account.meter):
                return
            if told.outcome in {"complete", "paused"}:
                ready.append((stream, told))
        for stream, told in ready:
            self._land(stream, told)

    def _one(self, stream: Stream, told: StreamRun, meter: Meter) -> bool:
        """Read one stream; False when the connection must stop."""
        before = meter.copy()
        try:
            self._read(stream, told)
        except Paused as pause:
            told.outcome, told.problem = "paused", pause.reason
            self.run.issues.append(self._issue("stream_paused", "info", stream, pause.reason, pause.params))
        except CadranError as error:
            absent = isinstance(error, SourceError) and error.params.get("status") in _ABSENT
            told.outcome = "refused" if absent and not stream.needed else "stopped"
            told.problem = str(error)
            if told.outcome == "stopped":
                self.run.issues.append(_stopped(self.connection, stream.name, error))
                return False
            self._spool(stream).drop()
            hint = "Grant it: {grants}." if stream.grants else error.hint
            params = {**error.params, "grants": ", ".join(stream.grants)}
            self.run.issues.append(self._issue("stream_refused", "warning", stream, error.message, params, hint))
        finally:
            told.cost = meter.since(before)
        return True

    def _read(self, stream: Stream, told: StreamRun) -> None:
        spool = self._spool(stream)
        depends = stream.depends()
        if not spool.about or spool.about["depends"] != depends:
            spool.begin(self._about(stream, depends))
        self._pages(stream, spool, told)
        started = datetime.fromisoformat(self.run.started)
        if started - datetime.fromisoformat(spool.about["until"]) > _STALE:  # it was cut long ago
            self._land(stream, told)
            spool = self._spool(stream)
            spool.begin(self._about(stream, depends))
            self._pages(stream, spool, told)

    def _pages(self, stream: Stream, spool: Spool, told: StreamRun) -> None:
        about = spool.about
        since = datetime.fromisoformat(about["since"]) if about["since"] else None
        told.since, told.until = about["since"], about["until"]
        seen: Counter[str] = Counter()
        if not spool.is_whole:
            window = Window(since, datetime.fromisoformat(about["until"]), spool.resume)
            for page in stream.read(window):
                self._keep(stream, spool, page, seen)
            spool.end()
        told.pages, told.rows = spool.pages, spool.rows

    def _keep(self, stream: Stream, spool: Spool, page: Page, seen: Counter[str]) -> None:
        where = dumps(page.resume)
        seen[where] += page.resume is not None
        if seen[where] > MOST_REPEATS:
            raise SourceError(
                "{stream} turns in circles: the same page came {n} times.",
                hint="This is a fault of the vendor or of Cadran: please report it.",
                where=f"{self.connection.name}/{stream.name}",
                stream=stream.name,
                n=seen[where],
            )
        spool.add(dumps(list(page.records)), len(page.records), page.resume)
        self.progress(f"{self.connection.name}/{stream.name}", spool.rows, page.total)

    def _about(self, stream: Stream, depends: str) -> dict[str, Any]:
        """What a new read is about: changes since the last one, or everything, as of the run's start for all alike."""
        kept, now = place(self.project, self.connection.name, stream.name), datetime.fromisoformat(self.run.started)
        since = datetime.fromisoformat(kept["since"]) - stream.lookback if kept.get("since") else None
        if not stream.since or kept.get("depends", depends) != depends or self._is_due(stream, kept, now):
            since = None
        return {"since": _iso(since) if since else "", "until": _iso(now), "as_of": _iso(now), "depends": depends}

    def _is_due(self, stream: Stream, kept: dict[str, Any], now: datetime) -> bool:
        """True when what is gone can only be seen by reading everything again, and that was long ago."""
        whole = kept.get("whole")
        return (
            stream.deletes == "scan"
            and bool(whole)
            and now - datetime.fromisoformat(str(whole)) >= timedelta(days=CENSUS_DAYS)
        )

    def _land(self, stream: Stream, told: StreamRun) -> None:
        """Land what a stream's spool holds, move its place, and forget the spool."""
        spool = self._spool(stream)
        about, kept = spool.about, place(self.project, self.connection.name, stream.name)
        newest = Newest(spool.records, stream)
        scanned = stream.deletes == "scan"
        known = set(kept.get("keys", []))
        gone = (
            sorted(_gone(stream, known, newest.keys, is_all=not about["since"])) if scanned and spool.is_whole else []
        )
        if newest.keys or gone:
            landing = self._landed(stream, newest, gone, about)
            self.run.landings[stream.name] = landing
            told.landed += landing.counts.landed - len(gone)
        told.gone += len(gone)
        told.first, told.last = newest.cursors
        if not spool.is_whole:  # paused: the rest of the same window comes later, and is known from then on
            spool.begin({**about, "as_of": ""}, spool.resume)
            return
        keys = {"keys": sorted((known | newest.keys) - set(gone))} if scanned else {}
        whole = kept.get("whole", "") if about["since"] else about["until"]
        told_place = {**kept, "since": about["until"], "whole": whole, "depends": about["depends"], **keys}
        write_whole(self._folder / f"{stream.name}.json", dumps(told_place))
        spool.drop()

    def _landed(self, stream: Stream, newest: Newest, gone: Sequence[str], about: dict[str, Any]) -> Landing:
        mapping = self.mappings[stream.name]
        folder = self.project.state / "raw" / self.connection.name / mapping.name
        last = _last_known(folder, stream, gone)
        info = raw.LandingInfo(
            file=f"{self.connection.name}/{stream.name}",
            mapping=mapping.name,
            connection=self.connection.name,
            sha256="",
            size=0,
            extracted_at=datetime.fromisoformat(about["as_of"] or self.run.started),
            read_at=self.wire.now(),
            headers=newest.headers(last),
            options={"kind": "stream", "stream": mapping.stream, "decimal": ".", "until": about["until"]},
        )
        tally = Tally()
        return raw.land(folder, info, newest.batches(tally, last, about["until"]), tally)

    @property
    def _folder(self) -> Path:
        return folder_of(self.project, self.connection.name)

    def _spool(self, stream: Stream) -> Spool:
        return Spool(self._folder / f"{stream.name}.spool")

    def _issue(self, code: str, level: Any, stream: Stream, message: str, params: Any, hint: str = "") -> Issue:
        return Issue(
            code, level, message, where=f"{self.connection.name}/{stream.name}", hint=hint, params=dict(params)
        )


def _gone(stream: Stream, known: set[str], found: set[str], *, is_all: bool) -> set[str]:
    """Keys that are there no more: after a whole read, those not found; else those of what was read again whole."""
    missing = known - found
    if is_all or not stream.whole_by:
        return missing if is_all else set()
    place = stream.key.index(stream.whole_by)
    again = {loads(key)[place] for key in found}
    return {key for key in missing if loads(key)[place] in again}


def _last_known(folder: Path, stream: Stream, keys: Sequence[str]) -> dict[str, Record]:
    """Records by key as the last landing that has them told them: what is gone keeps what it was."""
    found: dict[str, Record] = {key: {} for key in keys}
    wanted = set(keys)
    for landing in reversed(raw.landings(folder) if wanted else []):
        for batch in pq.ParquetFile(landing.path).iter_batches() if wanted else ():
            for row in batch.to_pylist():
                if (key := key_of(row, stream)) in wanted:
                    found[key] = {name: value for name, value in row.items() if name not in {ROW, GONE}}
        wanted -= {key for key in wanted if found[key]}
    return found


def _stopped(connection: Connection, stream: str, error: CadranError) -> Issue:
    """The finding that a connection was not read, and that nothing of this run was landed."""
    where = f"{connection.name}/{stream}" if stream else error.where or connection.name
    return Issue("connection_stopped", "error", error.message, where=where, hint=error.hint, params=error.params)


def _record(folder: Path, run: ConnectionRun) -> None:
    """Write the manifest of a run."""
    told = {
        "connection": run.connection,
        "started": run.started,
        "ended": run.ended,
        "streams": [stream.as_record() for stream in run.streams],
    }
    name = datetime.fromisoformat(run.started).strftime("%Y%m%dT%H%M%S%f")
    write_whole(folder / "runs" / f"{name}.json", dumps(told) + "\n")


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()
