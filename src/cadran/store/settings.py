"""Which engine keeps the snapshots of a project, and where: the section ``[store]`` of cadran.toml.

``[state]`` says where the application database is. What is secret comes from the environment alone:
`PASSWORD` and `STATE_PASSWORD` for the passwords of the databases, `URL` and `STATE_URL` for addresses
that differ from machine to machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import urlsplit, urlunsplit

from cadran.config import PROJECT_FILE, environment, refusal
from cadran.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cadran.config import Project

Engine = Literal["duckdb", "postgres", "spark"]
ENGINES: tuple[str, ...] = get_args(Engine)
#: Environment variables that hold the address and the password.
URL, PASSWORD = "CADRAN_STORE_URL", "CADRAN_STORE_PASSWORD"
#: Name of the SQLite file in the folder that Cadran writes.
STATE_FILE = "state.db"
#: Environment variables that hold the address and the password of the application database.
STATE_URL, STATE_PASSWORD = "CADRAN_STATE_URL", "CADRAN_STATE_PASSWORD"
#: How an address starts, by engine, with an example for messages.
_ADDRESSES = {
    "postgres": (r"postgres(?:ql)?://[^\s]+", "postgresql://user@host:5432/database"),
    "spark": (r"spark://[^\s/]+:\d+|local(?:\[[\d*]+\])?", "spark://host:7077"),
}
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_MEMORY = re.compile(r"[1-9]\d*[mg]")


@dataclass(frozen=True)
class StoreSettings:
    """Where snapshots are kept.

    Attributes:
        engine: ``duckdb``, ``postgres`` or ``spark``.
        url: Address of the database or of the cluster's master, without a password; empty for DuckDB.
        schema: For PostgreSQL, what the names of its schemas start with.
        folder: For Spark, the folder of snapshots, which every worker must see.
        cores: For Spark, most cores of the cluster that one process takes.
        memory: For Spark, memory of each of its executors, such as ``2g``.
    """

    engine: str = "duckdb"
    url: str = ""
    schema: str = "cadran"
    folder: Path = Path()
    cores: int = 2
    memory: str = "1g"


def store_settings(project: Project) -> StoreSettings:
    """The store of a project, as its settings and the environment say.

    Raises:
        ConfigError: A setting cannot be used, is missing, or holds a password.
    """
    given = project.extra.get("store", {})
    engine = str(given.get("engine", "duckdb"))
    if engine not in ENGINES:
        raise refusal(project.places, "store.engine", engine, ", ".join(ENGINES), did_you_mean(engine, ENGINES))
    schema, memory, cores = str(given.get("schema", "cadran")), str(given.get("memory", "1g")), given.get("cores", 2)
    if not _SCHEMA.fullmatch(schema):
        raise refusal(project.places, "store.schema", schema, "a-z, 0-9, _")
    if not _MEMORY.fullmatch(memory):
        raise refusal(project.places, "store.memory", memory, "512m, 1g, 8g…")
    if not isinstance(cores, int) or isinstance(cores, bool) or cores < 1:
        raise refusal(project.places, "store.cores", cores, "1, 2, 4…")
    folder = project.root / Path(str(given["folder"])) if "folder" in given else project.state / "spark"
    return StoreSettings(engine, _url(project, engine, str(given.get("url", ""))), schema, folder, cores, memory)


@dataclass(frozen=True)
class StateSettings:
    """Where the application database is.

    Attributes:
        url: Address of a PostgreSQL database, without a password; empty for SQLite in the project's folder.
        schema: For PostgreSQL, the schema of its tables.
    """

    url: str = ""
    schema: str = "cadran_state"


def state_settings(project: Project) -> StateSettings:
    """The application database of a project, as its settings and the environment say.

    Raises:
        ConfigError: A setting cannot be used, or holds a password.
    """
    given = project.extra.get("state", {})
    schema, written = str(given.get("schema", "cadran_state")), str(given.get("url", ""))
    if not _SCHEMA.fullmatch(schema):
        raise refusal(project.places, "state.schema", schema, "a-z, 0-9, _")
    pattern, example = _ADDRESSES["postgres"]
    places = ((written, project.places.get("state.url", PROJECT_FILE)), (environment(STATE_URL), STATE_URL))
    _refuse_passwords(places, example, STATE_PASSWORD)
    url = environment(STATE_URL) or written
    if url and not re.fullmatch(pattern, url):
        raise refusal(project.places, "state.url", url, example)
    return StateSettings(url, schema)


def has_state(project: Project) -> bool:
    """True when the project has an application database: questions of one that has none need not open any."""
    return bool(state_settings(project).url) or (project.state / STATE_FILE).exists()


def state_password() -> str:
    """The password of the application database, from the environment; empty when libpq is to find it."""
    return environment(STATE_PASSWORD)


def password() -> str:
    """The password of the database, from the environment; empty when libpq is to find it by its own rules."""
    return environment(PASSWORD)


def shown(url: str) -> str:
    """An address as it may be shown: without the user, and without a password should it hold one."""
    found = urlsplit(url)
    return urlunsplit((found.scheme, found.netloc.rpartition("@")[2], found.path, "", "")) if found.netloc else url


def _url(project: Project, engine: str, written: str) -> str:
    if engine == "duckdb":
        return ""
    where = project.places.get("store.url", project.places.get("store.engine", PROJECT_FILE))
    pattern, example = _ADDRESSES[engine]
    # both are judged, so that a password in the file is told even where the environment replaces it
    _refuse_passwords(((written, where), (environment(URL), URL)), example, PASSWORD)
    url = environment(URL) or written
    if not re.fullmatch(pattern, url):
        raise ConfigError(
            "The engine {engine} needs the address of its server.",
            hint='Write url = "{example}" in [store], or set {variable}.',
            where=where,
            engine=engine,
            example=example,
            variable=URL,
        )
    return url


def _refuse_passwords(places: Iterable[tuple[str, str]], example: str, variable: str) -> None:
    for url, place in places:
        if "://" in url and _holds_password(url):
            raise ConfigError(
                "The address of the store holds a password.",
                hint="Write the address without it, as {example}, and put it in the environment variable {variable}.",
                where=place,
                example=example,
                variable=variable,
            )


def _holds_password(url: str) -> bool:
    found = urlsplit(url)
    return ":" in found.netloc.rpartition("@")[0] or "password=" in found.query
