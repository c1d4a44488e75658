"""The engines that keep and answer snapshots, as one fixture: DuckDB always, PostgreSQL and Spark where they are installed.

def test_something(backend):                                 # once per engine
    snapshot = backend.put(connection, meta, ("opportunity",))

What an engine cannot do is marked, and the test fails as soon as it can:
`notimpl` (we have not), `notyet` (the engine or Ibis has not), `never` (it makes no sense there), each as
``@pytest.mark.never("spark", reason="…", raises=StoreError)``.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from cadran.store.settings import StoreSettings
from cadran.store.shelf import FileShelf
from cadran.store.snapshot import building
from postgres import postgres_url

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["backend", "postgres_url"]

ENGINES = [
    "duckdb",
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("spark", marks=pytest.mark.spark),
]
_numbers = itertools.count(1)


@dataclass
class Backend:
    """One engine.

    Attributes:
        name: ``duckdb``, ``postgres`` or ``spark``.
        toml: What cadran.toml says of it.
        folder: A folder of this test alone.
    """

    name: str
    toml: str
    folder: Path
    settings: StoreSettings

    def choose(self, project: Path) -> None:
        """Let a project keep its snapshots in this engine, in a place of its own."""
        path, number = project / "cadran.toml", next(_numbers)
        more = {"postgres": f'\nschema = "project{number}"', "spark": '\nmemory = "700m"'}.get(self.name, "")
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("[store]", f"[store]\n{self.toml}{more}"), encoding="utf-8")

    def shelf(self) -> Any:
        """An empty place for snapshots, of this call alone."""
        number = next(_numbers)
        if self.name == "postgres":
            from cadran.store.postgres import PostgresShelf

            return PostgresShelf(replace(self.settings, schema=f"shelf{number}"))
        if self.name == "spark":
            from cadran.store.spark import SparkShelf

            return SparkShelf(replace(self.settings, folder=self.folder / f"shelf{number}"))
        return FileShelf(self.folder / f"shelf{number}")

    def put(self, connection: Any, meta: Any, tables: tuple[str, ...], **about: Any) -> Any:
        """The tables of a DuckDB connection as a published snapshot of this engine, open for reading."""
        shelf = self.shelf()
        publish(shelf, connection, meta, tables, **about)
        return shelf.open()


def publish(shelf, connection, meta, tables, *, issues=(), files=(), keep=10):
    """Publish tables of a DuckDB connection."""
    if not isinstance(shelf, FileShelf):
        writer = SimpleNamespace(backend=SimpleNamespace(con=connection))
        return shelf.publish(writer, meta, issues=issues, files=files, keep=keep, tables=tables)
    with building(shelf._state, built_at=meta.built_at) as writer:
        for name in tables:
            writer.memory(name, connection.execute(f'FROM "{name}"').to_arrow_table())
        named = replace(meta, name=writer.name)
        return shelf.publish(writer, named, issues=issues, files=files, keep=keep, tables=tables)


@pytest.fixture(params=ENGINES[:2], scope="module")
def database_name(request):
    """Name of an engine that answers many small questions quickly: whole projects are asked of these."""
    return request.param


@pytest.fixture(scope="module")
def database(database_name, request, tmp_path_factory):
    """The engine that keeps the snapshots of a project; Spark is proved on questions that each hold every KPI."""
    return _engine(database_name, request, tmp_path_factory)


@pytest.fixture(params=ENGINES, scope="module")
def engine_name(request):
    """Name of the engine; what it starts is started once for all tests."""
    return request.param


@pytest.fixture(scope="module")
def engine(engine_name, request, tmp_path_factory):
    """The engine, without looking at what it cannot do; for fixtures of a whole module."""
    return _engine(engine_name, request, tmp_path_factory)


def _engine(engine_name, request, tmp_path_factory):
    if engine_name == "duckdb":
        return Backend("duckdb", 'engine = "duckdb"', tmp_path_factory.mktemp("duckdb"), StoreSettings())
    url = request.getfixturevalue("postgres_url") if engine_name == "postgres" else None
    url = url or request.getfixturevalue("spark_cluster")[0]
    folder = tmp_path_factory.mktemp(engine_name)
    settings = StoreSettings(engine_name, url, folder=folder, cores=2, memory="700m")
    return Backend(engine_name, f'engine = "{engine_name}"\nurl = "{url}"', folder, settings)


@pytest.fixture
def backend(engine, request):
    """The engine; a test that is marked for it is expected to fail."""
    for kind in ("notimpl", "notyet", "never"):
        for mark in request.node.iter_markers(kind):
            if engine.name in mark.args:
                reason, raises = f"{kind}: {mark.kwargs['reason']}", mark.kwargs["raises"]
                request.applymarker(pytest.mark.xfail(reason=reason, raises=raises, strict=True))
    return engine
