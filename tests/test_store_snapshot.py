from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import ibis
import pyarrow as pa
import pytest

from cadran.errors import Issue, StoreError
from cadran.store.snapshot import building, current, open_current, publish, snapshots
from cadran.store.warehouse import DuckDBWarehouse, SnapshotMeta

AT = datetime(2026, 7, 1, 8)


def build(state, number=0, *, keep=10, issues=(), value=1):
    at = AT + timedelta(minutes=number)
    with building(state, built_at=at) as writer:
        writer.memory("deal", pa.table({"id": ["a"], "amount": [value]}))
        meta = SnapshotMeta(writer.name, at, at, "EUR", "Europe/Paris", {"deal": 1})
        return publish(writer, meta, issues=issues, files=[{"file": "a.csv"}], keep=keep)


def test_a_published_snapshot_says_what_it_is_and_answers(tmp_path):
    issue = Issue("bad_date", "error", "{value} is no date", "a.csv:3", "opportunity", params={"value": "x"})
    build(tmp_path, issues=[issue])
    warehouse = open_current(tmp_path)
    table = ibis.table({"id": "string", "amount": "int64"}, name="deal")
    assert warehouse.execute(warehouse.sql(table)).to_pylist() == [{"id": "a", "amount": 1}]
    assert (warehouse.meta.known_at, warehouse.meta.counts) == (AT, {"deal": 1})
    assert warehouse.issues(frozenset({"opportunity"})) == (issue,)
    assert warehouse.issues(frozenset({"lead"})) == ()
    assert warehouse.files == ({"file": "a.csv"},)


def test_a_project_without_a_snapshot_says_what_to_do(tmp_path):
    with pytest.raises(StoreError, match="no snapshot") as caught:
        open_current(tmp_path)
    assert "cadran build" in caught.value.hint


def fail_half_way(state):
    with building(state, built_at=AT + timedelta(hours=1)) as writer:
        writer.memory("deal", pa.table({"id": ["b"]}))
        raise ZeroDivisionError


def test_a_build_that_fails_leaves_the_previous_snapshot_served(tmp_path):
    before = build(tmp_path)
    with pytest.raises(ZeroDivisionError):
        fail_half_way(tmp_path)
    assert current(tmp_path) == before
    assert [p.name for p in (tmp_path / "snapshots").iterdir()] == [before.name]


def test_a_reader_keeps_its_snapshot_while_another_is_published(tmp_path):
    build(tmp_path, value=1)
    reader = open_current(tmp_path)
    build(tmp_path, 1, keep=1, value=2)
    build(tmp_path, 2, keep=1, value=3)
    assert reader.execute("SELECT amount FROM deal").to_pylist() == [{"amount": 1}]
    assert open_current(tmp_path).execute("SELECT amount FROM deal").to_pylist() == [{"amount": 3}]


def test_old_snapshots_are_kept_up_to_the_stated_number(tmp_path):
    files = [build(tmp_path, n, keep=2) for n in range(5)]
    assert snapshots(tmp_path) == files[-3:]


def test_two_builds_at_once_are_refused(tmp_path):
    with (
        building(tmp_path, built_at=AT),
        pytest.raises(StoreError, match="Another build"),
        building(tmp_path, built_at=AT),
    ):
        pass


def test_a_statement_that_the_database_refuses_is_an_error_of_the_store(tmp_path):
    build(tmp_path)
    with pytest.raises(StoreError, match="refused"):
        open_current(tmp_path).execute("SELECT nothing FROM nowhere")


def test_a_file_that_is_no_snapshot_is_told(tmp_path):
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "x.duckdb").write_bytes(b"not a database" * 1000)
    (tmp_path / "CURRENT").write_text("x.duckdb")
    with pytest.raises(StoreError, match="cannot be read"):
        open_current(tmp_path)


KILLED = """
import sys
from datetime import datetime
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_store_snapshot import build
n = 1
print("ready", flush=True)
while True:
    build(Path({state!r}), n, keep=1, value=n)
    n += 1
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay_ms", [3, 20, 45, 80, 130, 210])
def test_killing_a_build_at_any_moment_leaves_a_whole_snapshot_served(tmp_path, delay_ms):
    build(tmp_path)
    code = KILLED.format(tests=__file__.rsplit("/", 1)[0], state=str(tmp_path))
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        time.sleep(delay_ms / 1000)
        process.kill()
    warehouse = open_current(tmp_path)
    number = round((warehouse.meta.built_at - AT).total_seconds() / 60)
    assert warehouse.execute("SELECT amount FROM deal").to_pylist() == [{"amount": max(number, 1)}]
    build(tmp_path, 5000)
    assert not list((tmp_path / "snapshots").glob("*.building*"))


def test_many_threads_read_one_snapshot(tmp_path):
    warehouse = DuckDBWarehouse(build(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: warehouse.execute(f"SELECT {n} AS n FROM deal").to_pylist(), range(64)))
    assert answers == [[{"n": n}] for n in range(64)]
