"""Connections as cadran.toml writes them: ``[connections.NAME]`` with a kind, settings and places of secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from cadran.config import PROJECT_FILE
from cadran.errors import ConfigError, did_you_mean
from cadran.sources.live.secret import Place, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cadran.config import Project
    from cadran.sources.live.stream import Account
    from cadran.sources.live.task import Task
    from cadran.sources.live.wire import Wire

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Need:
    """A secret or setting of a kind of connection.

    Attributes:
        name: Its name in cadran.toml.
        about: What it is and where the vendor shows it, as an English template.
        default: Its value when it is not written; None when it must be.
        pattern: Regular expression that its value fulfils.
    """

    name: str
    about: str
    default: str | None = None
    pattern: str = ".*"


@dataclass(frozen=True)
class Kind:
    """A kind of system.

    Attributes:
        name: Word in cadran.toml.
        title: Name of the system.
        secrets: Secrets; one with a default may be missing.
        settings: Other settings.
        open: Gives the account of a connection.
        grants: Rights that its secret needs, as the vendor names them.
        put_task: Makes a task, unless it is there already, and gives its id; None where the connector only reads.
    """

    name: str
    title: str
    secrets: tuple[Need, ...]
    settings: tuple[Need, ...]
    open: Callable[[Connection, Wire], Account]
    grants: tuple[str, ...] = ()
    put_task: Callable[[Connection, Wire, Task], str] | None = None


@dataclass(frozen=True)
class Connection:
    """One connection of a project.

    Attributes:
        name: Its name, by which ids of its records begin.
        kind: Kind of system.
        settings: Value of every setting of the kind.
        places: Where each secret is kept.
        streams: Streams that are read; empty for all.
        where: ``file:line``.
    """

    name: str
    kind: Kind
    settings: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    streams: tuple[str, ...] = ()
    where: str = ""


def connections_of(project: Project, kinds: Mapping[str, Kind]) -> tuple[Connection, ...]:
    """The connections of a project, in the order in which they are written.

    Raises:
        ConfigError: A connection has an unknown kind or setting, or a secret in the file.
    """
    section = project.extra.get("connections", {})
    if not isinstance(section, dict):
        raise ConfigError("connections must hold one table per connection.", where=PROJECT_FILE)
    return tuple(_Written(project, name, values, kinds).connection() for name, values in section.items())


def default_place(connection: str, secret: str, where: str = "") -> Place:
    """Where a secret is kept when nothing is said: an environment variable named after it."""
    return Place(secret, "env", f"CADRAN_{connection}_{secret}".upper(), where=where)


@dataclass(frozen=True)
class _Written:
    """One connection while it is checked."""

    project: Project
    name: str
    values: Any
    kinds: Mapping[str, Kind]

    def connection(self) -> Connection:
        if not isinstance(self.values, dict) or not _NAME.fullmatch(self.name):
            self._refuse("{name} is not the name of a connection.", hint="Use small letters, digits and underscores.")
        kind = self._kind()
        known = ["kind", "streams", *(need.name for need in (*kind.secrets, *kind.settings))]
        for key in self.values:
            if key not in known:
                self._refuse("There is no setting {word} here.", key, known, word=key)
        return Connection(
            self.name,
            kind,
            {need.name: self._setting(need) for need in kind.settings},
            {need.name: self._place(need) for need in kind.secrets},
            self._streams(),
            self._where(),
        )

    def _kind(self) -> Kind:
        word = str(self.values.get("kind") or self.name)
        if word not in self.kinds:
            self._refuse("There is no kind of connection named {word}.", "kind", self.kinds, word=word)
        return self.kinds[word]

    def _setting(self, need: Need) -> str:
        value = str(self.values.get(need.name, need.default if need.default is not None else ""))
        if need.name not in self.values and need.default is None:
            self._refuse("The connection lacks {setting}.", hint=need.about, setting=need.name)
        if not re.fullmatch(need.pattern, value):
            self._refuse("{setting} cannot be {value}.", need.name, hint=need.about, setting=need.name, value=value)
        return value

    def _place(self, need: Need) -> Place:
        where = self._where(need.name)
        written = self.values.get(need.name)
        return (
            default_place(self.name, need.name, where) if written is None else place_of(need.name, str(written), where)
        )

    def _streams(self) -> tuple[str, ...]:
        found = self.values.get("streams", [])
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            self._refuse("streams must be a list of names.", "streams")
        return tuple(found)

    def _where(self, key: str = "") -> str:
        section = f"connections.{self.name}"
        places = self.project.places
        return places.get(f"{section}.{key}", places.get(section, PROJECT_FILE))

    def _refuse(
        self, message: str, key: str = "", known: Iterable[str] = (), *, hint: str = "", **params: object
    ) -> NoReturn:
        words = list(known)
        near = did_you_mean(str(params.get("word", "")), words)
        told = "Did you mean {near}?" if near else "Known: {known}." if words else hint
        raise ConfigError(
            message,
            hint=told,
            where=self._where(key),
            near=near,
            known=", ".join(words),
            **{"name": self.name, **params},
        )
