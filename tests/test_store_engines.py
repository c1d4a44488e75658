"""Snapshots on every engine keep the same contract: whole or not at all, readers never wait, nothing changes."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import duckdb
import ibis
import pytest

from cadran.config import load_project
from cadran.errors import ConfigError, Issue, NotSupported, StoreError
from cadran.jobs.start import init_project
from cadran.store.settings import StoreSettings, shown, store_settings
from cadran.store.shelf import FileShelf, shelf_of
from cadran.store.warehouse import SnapshotMeta
from engines import backend, engine, engine_name, postgres_url, publish

__all__ = ["backend", "engine", "engine_name", "postgres_url"]

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # Spark leaves those of its answers
AT = dt.datetime(2026, 7, 1, 8)
ROWS = [
    ("plain", 1, 0.1, True, dt.date(2026, 3, 31), dt.datetime(2026, 3, 29, 1, 59, 59, 999999), Decimal("12.3400"), Decimal("0.123456789")),
    ("", -(2**62), -1e300, False, dt.date(1900, 1, 1), dt.datetime(1969, 12, 31, 23), Decimal("-99999999999999.9999"), Decimal("-1.000000000")),
    ('a "quoted", text;\nof two lines\\', 0, 1 / 3, None, None, None, None, None),
    ("Société Générale – 上海 🚀 L'Oréal", 2**53 + 1, 5e-324, True, dt.date(9999, 12, 31), dt.datetime(2026, 10, 25, 0, 30), Decimal("0.0000"), Decimal("999999999.999999999")),
    (None, None, None, None, None, None, None, None),
]  # fmt: skip
TYPES = ["VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "DECIMAL(18,4)", "DECIMAL(18,9)"]


def company(value="a"):
    connection = duckdb.connect()
    columns = ", ".join(f"c{place} {kind}" for place, kind in enumerate(TYPES))
    connection.execute(f"CREATE TABLE deal (position BIGINT, {columns})")
    for place, row in enumerate(ROWS):
        connection.execute(f"INSERT INTO deal VALUES ({place}, {', '.join('?' * len(row))})", row)
    connection.execute("CREATE TABLE note (id VARCHAR)")
    connection.execute("INSERT INTO note VALUES (?)", [value])
    return connection


def meta(number=0):
    at = AT + dt.timedelta(minutes=number)
    return SnapshotMeta(f"{at:%Y%m%dT%H%M%S%f}", at, at, "EUR", "Europe/Paris", {"deal": len(ROWS), "note": 1})


def note(snapshot):
    return snapshot.execute(snapshot.sql(ibis.table({"id": "string"}, name="note"))).to_pylist()


def test_every_value_comes_back_as_it_was_published(backend):
    connection = company()
    issue = Issue(
        "bad_date", "error", "{value} is no date", "a.csv:3", "opportunity", params={"value": 'L\'été \\ "x"'}
    )
    snapshot = backend.put(connection, meta(), ("deal", "note"), issues=[issue], files=[{"file": "é.csv"}])
    schema = ibis.schema({"position": "int64", **dict(zip([f"c{n}" for n in range(8)], ["string", "int64", "float64", "boolean", "date", "timestamp(6)", "decimal(18,4)", "decimal(18,9)"], strict=True))})  # fmt: skip
    found = snapshot.execute(snapshot.sql(ibis.table(schema, name="deal").order_by("position"))).to_pylist()
    assert [tuple(row.values())[1:] for row in found] == ROWS
    assert (snapshot.meta.known_at, snapshot.meta.counts) == (AT, {"deal": len(ROWS), "note": 1})
    assert snapshot.issues(frozenset({"opportunity"})) == (issue,)
    assert snapshot.issues(frozenset({"lead"})) == ()
    assert snapshot.files == ({"file": "é.csv"},)


def test_texts_sort_by_code_point_whatever_the_language_of_the_server(backend):
    connection = duckdb.connect()
    connection.execute("CREATE TABLE word AS SELECT unnest(['été', 'zoo', 'Zoo', 'a', 'B', '_x', 'a b', 'ab']) AS text")
    snapshot = backend.put(connection, meta(), ("word",))
    word = ibis.table({"text": "string"}, name="word")
    found = snapshot.execute(snapshot.sql(word.order_by("text")))["text"].to_pylist()
    assert found == sorted(found)
    ends = snapshot.execute(snapshot.sql(word.aggregate(low=word.text.min(), high=word.text.max()))).to_pylist()
    assert ends == [{"low": found[0], "high": found[-1]}]


def test_pages_of_rows_keep_their_order(backend):
    connection = duckdb.connect()
    connection.execute("CREATE TABLE number AS SELECT (range * 7919) % 1000 AS n FROM range(1000)")
    snapshot = backend.put(connection, meta(), ("number",))
    ordered = ibis.table({"n": "int64"}, name="number").order_by("n")
    pages = [
        snapshot.execute(snapshot.sql(ordered.limit(300, offset=skip)))["n"].to_pylist() for skip in range(0, 1000, 300)
    ]
    assert [n for page in pages for n in page] == list(range(1000))


def test_counts_medians_and_sums_of_no_row_are_the_same(backend):
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE v AS SELECT * FROM (VALUES (1.0::DOUBLE, true), (2.0, NULL), (4.0, true), (9.0, false)) t(x, keep)"
    )
    snapshot = backend.put(connection, meta(), ("v",))
    v = ibis.table({"x": "float64", "keep": "boolean"}, name="v")
    none = v.keep & (v.x > 100)
    found = snapshot.execute(
        snapshot.sql(
            v.aggregate(
                n=v.count(), kept=v.count(where=v.keep), no=v.count(where=none), middle=v.x.median(where=v.keep),
                no_middle=v.x.median(where=none), no_sum=v.x.sum(where=none), known=v.x.count(where=v.keep),
            )
        )
    ).to_pylist()  # fmt: skip
    assert found == [{"n": 4, "kept": 2, "no": 0, "middle": 2.5, "no_middle": None, "no_sum": None, "known": 2}]


def test_a_project_without_a_snapshot_says_what_to_do(backend):
    shelf = backend.shelf()
    assert shelf.newest() == ""
    with pytest.raises(StoreError, match="no snapshot") as caught:
        shelf.open()
    assert "cadran build" in caught.value.hint


def test_a_reader_keeps_its_snapshot_while_another_is_published(backend):
    shelf = backend.shelf()
    publish(shelf, company("first"), meta(1), ("note",))
    reader, name = shelf.open(), shelf.newest()
    publish(shelf, company("second"), meta(2), ("note",))
    assert note(reader) == [{"id": "first"}]
    assert shelf.newest() > name
    assert note(shelf.open()) == [{"id": "second"}]


def test_only_the_newest_past_snapshots_are_kept(backend):
    shelf = backend.shelf()
    for number in range(5):
        publish(shelf, company(str(number)), meta(number), ("note",), keep=2)
    assert note(shelf.open()) == [{"id": "4"}]
    assert len(kept(shelf, backend)) == 3


def kept(shelf, backend):
    if backend.name != "postgres":
        folder = shelf._state if backend.name == "duckdb" else shelf._folder
        return sorted(path.name for path in (folder / "snapshots").iterdir())
    import psycopg

    with psycopg.connect(backend.settings.url) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE %s", [f"{shelf._prefix}\\_%"])
        return [name for (name,) in found.fetchall()]


def test_a_statement_that_is_refused_is_told(backend):
    snapshot = backend.put(company(), meta(), ("note",))
    with pytest.raises(StoreError, match="refused a statement"):
        snapshot.execute("SELECT nothing FROM nowhere")
    assert note(snapshot) == [{"id": "a"}]


def test_many_threads_ask_at_once(backend):
    snapshot = backend.put(company(), meta(), ("deal", "note"))
    deal = ibis.table({"position": "int64"}, name="deal")

    def ask(number):
        kept = deal.filter(deal.position >= number % 5)
        return snapshot.execute(snapshot.sql(kept.aggregate(n=kept.count())))["n"][0].as_py() == len(ROWS) - number % 5

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(48)))


class Slow:
    """A connection that stops at its second table until it may go on."""

    def __init__(self, connection):
        self.connection, self.asked = connection, 0
        self.half, self.go_on = threading.Event(), threading.Event()

    def execute(self, sql):
        self.asked += 1
        if self.asked == 2:
            self.half.set()
            assert self.go_on.wait(60)
        return self.connection.execute(sql)


def test_readers_do_not_wait_for_a_build_and_another_build_is_refused(backend):
    if backend.name == "duckdb":
        pytest.skip("proved in test_store_snapshot")
    shelf, slow = backend.shelf(), Slow(company("second"))
    publish(shelf, company("first"), meta(1), ("note",))
    reader = shelf.open()
    with ThreadPoolExecutor(1) as pool:
        build = pool.submit(publish, shelf, slow, meta(2), ("deal", "note"))
        try:
            assert slow.half.wait(60)
            assert note(reader) == note(shelf.open()) == [{"id": "first"}]
            with pytest.raises(StoreError, match="Another build"):
                publish(shelf, company("third"), meta(3), ("note",))
        finally:
            slow.go_on.set()
        build.result()
    assert note(shelf.open()) == [{"id": "second"}]
    assert note(reader) == [{"id": "first"}]


KILLED = """
import sys, time
from types import SimpleNamespace
from pathlib import Path
sys.path[:0] = [{tests!r}]
from cadran.store.settings import StoreSettings
from test_store_engines import company, meta
import {module}
shelf = {module}.{name}({settings})
con, asked = company("never"), []
def execute(sql):
    asked.append(sql)
    if len(asked) == 2:
        print("half", flush=True)
        time.sleep(100)
    return con.execute(sql)
writer = SimpleNamespace(backend=SimpleNamespace(con=SimpleNamespace(execute=execute)))
shelf.publish(writer, meta(5), issues=(), files=(), keep=3, tables=("deal", "note"))
"""


def test_a_build_that_is_killed_leaves_the_old_snapshot_served_and_the_next_one_works(backend):
    if backend.name == "duckdb":
        pytest.skip("proved in test_store_snapshot")
    shelf = backend.shelf()
    names = {"postgres": ("postgres", "PostgresShelf"), "spark": ("spark", "SparkShelf")}[backend.name]
    publish(shelf, company("before"), meta(1), ("note",))
    before = kept(shelf, backend)
    place = f"schema={shelf._prefix!r}" if backend.name == "postgres" else f"folder=Path({str(shelf._folder)!r})"
    settings = f"StoreSettings({backend.name!r}, {backend.settings.url!r}, {place})"
    code = KILLED.format(
        tests=str(Path(__file__).parent), module=f"cadran.store.{names[0]}", name=names[1], settings=settings
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"half\n"
    process.kill()
    process.wait()
    process.stdout.close()
    assert note(shelf.open()) == [{"id": "before"}]
    wait_until_free(shelf)
    assert note(shelf.open()) == [{"id": "after"}]
    assert len(kept(shelf, backend)) == len(before) + 1


def wait_until_free(shelf):
    """Publish as soon as the server has noticed that the killed build is gone."""
    for _ in range(200):
        try:
            return publish(shelf, company("after"), meta(9), ("note",))
        except StoreError:
            threading.Event().wait(0.05)
    raise AssertionError


def project(tmp_path, text):
    init_project(tmp_path / "acme", name="Acme")
    path = tmp_path / "acme" / "cadran.toml"
    path.write_text(path.read_text() + text)
    return load_project(tmp_path / "acme")


def test_a_project_keeps_its_snapshots_in_files_unless_it_says_otherwise(tmp_path):
    assert isinstance(shelf_of(project(tmp_path, "")), FileShelf)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('engine = "posgres"', "store.engine cannot be 'posgres'"),
        ('engine = "postgres"', "needs the address of its server"),
        ('engine = "postgres"\nurl = "mysql://host/db"', "needs the address of its server"),
        ('engine = "spark"\nurl = "postgresql://host/db"', "needs the address of its server"),
        ('engine = "postgres"\nurl = "postgresql://me:secret@host/db"', "holds a password"),
        ('engine = "postgres"\nurl = "postgresql://host/db?password=secret"', "holds a password"),
        ('engine = "postgres"\nurl = "postgresql://host/db"\nschema = "a b"', "store.schema cannot be 'a b'"),
        ('engine = "spark"\nurl = "spark://host:7077"\ncores = 0', "store.cores cannot be 0"),
        ('engine = "spark"\nurl = "spark://host:7077"\nmemory = "1 giga"', "store.memory cannot be '1 giga'"),
        ('engin = "spark"', "no setting named engin"),
    ],
)
def test_a_setting_that_cannot_be_used_names_its_line_and_never_shows_a_password(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        store_settings(project(tmp_path, text))
    assert caught.value.where.startswith("cadran.toml:")
    assert "secret" not in f"{caught.value} {caught.value.hint} {caught.value.params}"


def test_the_environment_gives_the_address(tmp_path, monkeypatch):
    monkeypatch.setenv("CADRAN_STORE_URL", "postgresql://reader@elsewhere/db")
    assert store_settings(project(tmp_path, 'engine = "postgres"')).url == "postgresql://reader@elsewhere/db"


def test_an_address_is_shown_without_its_user():
    assert shown("postgresql://me:secret@host:5432/db?sslmode=require") == "postgresql://host:5432/db"
    assert shown("local[2]") == "local[2]"


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "cadran.store.postgres", raising=False)
    found = project(tmp_path, 'engine = "postgres"\nurl = "postgresql://host/db"')
    with pytest.raises(NotSupported, match="psycopg") as caught:
        shelf_of(found)
    assert caught.value.params["engine"] == "postgres"


def test_a_database_that_is_away_is_told_without_its_password(monkeypatch):
    pytest.importorskip("psycopg")
    from cadran.store.postgres import PostgresShelf

    monkeypatch.setenv("CADRAN_STORE_PASSWORD", "secret")
    with pytest.raises(StoreError, match="cannot be used") as caught:
        PostgresShelf(StoreSettings("postgres", "postgresql://me@127.0.0.1:9/db")).newest()
    assert "secret" not in f"{caught.value} {caught.value.where} {caught.value.params}"
    assert caught.value.where == "postgresql://127.0.0.1:9/db"


@pytest.mark.postgres
def test_the_password_comes_from_the_environment(postgres_url, monkeypatch):
    from cadran.store.postgres import PostgresShelf
    from postgres import run_sql

    run_sql(postgres_url, "CREATE ROLE careful LOGIN PASSWORD 'right'; GRANT CREATE ON DATABASE postgres TO careful")
    shelf = PostgresShelf(StoreSettings("postgres", postgres_url.replace("cadran@", "careful@"), "careful"))
    monkeypatch.setenv("CADRAN_STORE_PASSWORD", "wrong")
    with pytest.raises(StoreError, match="password authentication failed"):
        shelf.newest()
    monkeypatch.setenv("CADRAN_STORE_PASSWORD", "right")
    publish(shelf, company("mine"), meta(), ("note",))
    assert note(shelf.open()) == [{"id": "mine"}]


@pytest.mark.postgres
def test_a_column_that_the_engine_has_no_type_for_is_named(postgres_url):
    from cadran.store.postgres import PostgresShelf

    connection = duckdb.connect()
    connection.execute("CREATE TABLE note AS SELECT [1, 2] AS parts")
    shelf = PostgresShelf(StoreSettings("postgres", postgres_url, "lists"))
    with pytest.raises(NotSupported, match="PostgreSQL has no type for the column parts"):
        publish(shelf, connection, meta(), ("note",))
    assert shelf.newest() == ""


def test_a_spark_master_that_does_not_answer_is_told_at_once():
    pytest.importorskip("pyspark")
    from cadran.store.spark import _answers

    with pytest.raises(StoreError, match=r"No Spark master answers at spark://127\.0\.0\.1:9"):
        _answers("spark://127.0.0.1:9")


@pytest.mark.spark
def test_the_application_takes_no_more_cores_than_it_may(spark_cluster):
    from cadran.store.spark import session_of

    session = session_of(StoreSettings("spark", spark_cluster[0], cores=2, memory="700m"))
    assert session.conf.get("spark.cores.max") == "2"
    assert session.sparkContext.master == spark_cluster[0]


@pytest.mark.postgres
def test_a_text_that_the_engine_cannot_hold_stops_the_build_and_leaves_the_old_snapshot(postgres_url):
    from cadran.store.postgres import PostgresShelf

    shelf = PostgresShelf(StoreSettings("postgres", postgres_url, "zeros"))
    publish(shelf, company("before"), meta(1), ("note",))
    with pytest.raises(StoreError, match="0x00"):
        publish(shelf, company("a\0b"), meta(2), ("note",))
    assert note(shelf.open()) == [{"id": "before"}]
