"""The connections of a project: written with their settings, checked, and how fresh what they gave is."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cadran.config import PROJECT_FILE
from cadran.errors import CadranError, ConfigError, fill
from cadran.jobs.connect import last_runs, mapped, place
from cadran.sources.live.connection import connections_of, default_place
from cadran.sources.live.kinds import KINDS
from cadran.sources.live.secret import Place, store
from cadran.sources.live.stream import Paused, Window
from cadran.sources.live.wire import network
from cadran.sources.written import Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cadran.canonical.mapping import Mapping as FileMapping
    from cadran.config import Project
    from cadran.sources.live.connection import Connection, Kind
    from cadran.sources.live.stream import Record, Stream
    from cadran.sources.live.wire import Wire

#: Service under which a keyring holds our secrets.
SERVICE = "cadran"
#: What a text is taken for when a report says what a column holds.
_SHAPES = (
    ("time", re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*")),
    ("date", re.compile(r"\d{4}-\d\d-\d\d")),
    ("number", re.compile(r"-?\d+(\.\d+)?")),
    ("true or false", re.compile(r"true|false", re.IGNORECASE)),
    ("mail address", re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")),
    ("address", re.compile(r"https?://\S+")),
)


@dataclass(frozen=True)
class Checked:
    """What a check found out about one stream, or about a connection as a whole.

    Attributes:
        connection: Name of the connection.
        stream: Name of the stream; empty for the connection.
        state: ``ready``, ``lacks a secret``, ``answers``, ``refused`` or ``not mapped``.
        told: Why, or what was found; no value of any record.
        records: Records of the first page.
        total: Records in all, 0 when the vendor does not say.
        columns: By column, what it holds and in which share of the records it is filled.
    """

    connection: str
    stream: str = ""
    state: str = "ready"
    told: str = ""
    records: int = 0
    total: int = 0
    columns: Mapping[str, tuple[str, float]] = field(default_factory=dict)

    def as_record(self) -> dict[str, Any]:
        """The finding as plain values."""
        columns = {name: {"holds": kind, "filled": round(share, 2)} for name, (kind, share) in self.columns.items()}
        return {**vars(self), "columns": columns}


def kinds() -> dict[str, Kind]:
    """Every kind of system that can be connected, by its word."""
    return dict(KINDS)


def connections(project: Project) -> tuple[Connection, ...]:
    """The connections of a project.

    Raises:
        ConfigError: One of them cannot be used.
    """
    return connections_of(project, KINDS)


def write_connection(project: Project, name: str, kind: str, settings: Mapping[str, str]) -> Connection:
    """Add a connection to the settings of a project.

    Args:
        project: Settings of the company.
        name: Name of the connection.
        kind: Word of its kind.
        settings: Settings and places of secrets, by name; those that are the default are left out.

    Returns:
        The connection as it was read again.

    Raises:
        ConfigError: There is one of that name, or a setting cannot be used; nothing is written then.
    """
    from dataclasses import replace  # noqa: PLC0415 - for the trial only

    if name in project.extra.get("connections", {}):
        raise ConfigError(
            "There is a connection named {name} already.",
            hint="Change it in {file}, or give another name.",
            where=project.places.get(f"connections.{name}", PROJECT_FILE),
            name=name,
            file=PROJECT_FILE,
        )
    values = {"kind": kind, **settings}
    trial = replace(project, extra={**project.extra, "connections": {name: values}})
    (connection,) = connections_of(trial, KINDS)
    lines = [f"[connections.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    path = project.root / PROJECT_FILE
    text = path.read_text(encoding="utf-8")
    path.write_text(text.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return connection


def secret_place(name: str, secret: str, *, in_keyring: bool) -> str:
    """Where a secret of a connection is kept, as a setting writes it."""
    return f"keyring:{SERVICE}/{name}.{secret}" if in_keyring else str(default_place(name, secret))


def keep_secret(name: str, secret: str, text: str) -> None:
    """Keep a secret in the keyring of this machine.

    Raises:
        ConfigError: This machine has none.
    """
    store(Place(secret, "keyring", f"{name}.{secret}", SERVICE), text)


def check_connections(
    project: Project,
    mappings: Iterable[FileMapping],
    names: Sequence[str] = (),
    *,
    live: bool = False,
    wire: Wire | None = None,
) -> list[Checked]:
    """What can be said of connections without a value of any record: secrets, rights, shapes.

    Args:
        project: Settings of the company.
        mappings: Mappings of the project, then those that come with Cadran.
        names: Connections; all when empty.
        live: Ask each system for the first page of each stream.
        wire: How they are reached; over the network by default.

    Raises:
        ConfigError: A connection cannot be used, or there is none of a name.
    """
    every = {connection.name: connection for connection in connections(project)}
    for name in names:
        if name not in every:
            raise ConfigError(
                "There is no connection named {name}.",
                hint="Known: {known}." if every else "Run `cadran connect NAME` to make one.",
                where=PROJECT_FILE,
                name=name,
                known=", ".join(every),
            )
    known, reached = list(mappings), wire or network(lambda: datetime.now(UTC))  # noqa: TID251 - jobs read the clock
    found: list[Checked] = []
    for connection in every.values():
        if not names or connection.name in names:
            found += _checked(connection, known, reached if live else None)
    return found


def freshness(project: Project, now: datetime) -> list[dict[str, Any]]:
    """Per stream: how fresh what it gave is, and what its last read took.

    Args:
        project: Settings of the company.
        now: Naive UTC instant.
    """
    found: list[dict[str, Any]] = []
    for connection in connections(project):
        runs = last_runs(project, connection.name)[:1]
        for told in runs[0]["streams"] if runs else []:
            since = place(project, connection.name, told["stream"]).get("since", "")
            until = datetime.fromisoformat(since).replace(tzinfo=None) if since else None
            hours = round((now - until).total_seconds() / 3600, 1) if until else None
            found.append({"connection": connection.name, "known_until": since, "hours": hours, **told})
    return found


def _checked(connection: Connection, mappings: Sequence[FileMapping], wire: Wire | None) -> list[Checked]:
    lacking = [str(connection.places[n.name]) for n in connection.kind.secrets if _lacks(connection, n.name, n.default)]
    if lacking:
        return [Checked(connection.name, state="lacks a secret", told=", ".join(lacking))]
    if wire is None:
        return [Checked(connection.name, told=connection.kind.title)]
    try:
        account = connection.kind.open(connection, wire)
    except CadranError as error:
        return [Checked(connection.name, state="refused", told=str(error))]
    try:
        wanted = mapped(account, connection, mappings)
        streams = [s for s in account.streams if not connection.streams or s.name in connection.streams]
        return [_tried(connection, stream, wire, is_mapped=stream.name in wanted) for stream in streams]
    finally:
        account.close()


def _lacks(connection: Connection, secret: str, default: str | None) -> bool:
    """True when a secret that is needed is not in its place; an app's refresh token stands for a key."""
    instead = connection.places.get("refresh_token")
    if instead is not None and secret == "token" and instead.find() is not None:  # noqa: S105 - its name
        return False
    return default is None and connection.places[secret].find() is None


def _tried(connection: Connection, stream: Stream, wire: Wire, *, is_mapped: bool) -> Checked:
    """The shape of the first page of a stream."""
    try:
        page = next(iter(stream.read(Window(None, wire.now()))), None)
    except CadranError as error:
        return Checked(connection.name, stream.name, "refused", str(error))
    except Paused as pause:
        return Checked(connection.name, stream.name, "answers", fill(pause.reason, pause.params))
    records = list(page.records) if page else []
    total = page.total if page else 0
    state = "answers" if is_mapped else "not mapped"
    return Checked(connection.name, stream.name, state, "", len(records), total, shapes(records))


def shapes(records: Sequence[Record]) -> dict[str, tuple[str, float]]:
    """By column, what it holds and in which share of the records it is filled; never a value."""
    names = dict.fromkeys(name for record in records for name in record)
    found: dict[str, tuple[str, float]] = {}
    for name in names:
        held = [record[name] for record in records if record.get(name) not in (None, "", [], {})]
        held_as = Counter(_shape(value) for value in held)
        found[name] = (held_as.most_common(1)[0][0] if held_as else "nothing", len(held) / len(records))
    return found


def _shape(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Written | int | float):
        return "number"
    if isinstance(value, dict | list):
        return "list" if isinstance(value, list) else "object"
    return next((kind for kind, pattern in _SHAPES if pattern.fullmatch(str(value))), "text")
