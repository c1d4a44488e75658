import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cadran.errors import Issue, StoreError
from cadran.sources.base import Tally
from cadran.sources.files import inspect, read
from cadran.store.raw import LandingInfo, digest, find, land, landings

MONDAY, TUESDAY, WEDNESDAY = (datetime(2026, 3, day, 9, tzinfo=UTC) for day in (2, 3, 4))


def info(content="a", extracted_at=MONDAY, **changes):
    told = LandingInfo(
        file="deals.csv",
        mapping="deals",
        connection="crm",
        sha256=content * 64,
        size=10,
        extracted_at=extracted_at,
        read_at=WEDNESDAY,
        headers=("id",),
        options={"delimiter": ","},
    )
    return replace(told, **changes)


def batches(*ids):
    yield pa.record_batch({"id": pa.array(ids, pa.string()), "_row": pa.array(range(2, 2 + len(ids)), pa.int64())})


def never():
    raise AssertionError("the source was read again")
    yield


def tally(n=2):
    return Tally(n_read=n, n_landed=n)


def ids(landing):
    return pq.read_table(landing.path)["id"].to_pylist()


def test_records_and_their_account_come_back_as_they_landed(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("id,name\n1,Zoé\n2\n\nTotal,3\n", encoding="utf-8")
    shape, account = inspect(path), Tally()
    told = info(sha256=digest(path), size=path.stat().st_size, headers=shape.headers, options=shape.read_options())
    landing = land(tmp_path / "raw", told, read(path, shape, account), account)
    assert landings(tmp_path / "raw") == [landing]
    assert pq.read_table(landing.path).to_pylist() == [{"id": "1", "name": "Zoé", "_row": 2}]
    assert (landing.counts.read, landing.counts.landed, landing.counts.set_aside) == (4, 1, 1)
    assert (landing.counts.totals, landing.counts.blank, landing.counts.balance) == (1, 1, 0)
    assert str(landing.set_aside[0]) == "deals.csv:3: The row has 1 cells where the header has 2: 2"


def test_the_same_export_is_landed_once(tmp_path):
    first = land(tmp_path, info(), batches("1", "2"), tally())
    assert land(tmp_path, info(), never(), Tally()) == first
    assert find(tmp_path, info()) == first
    assert landings(tmp_path) == [first]


def test_the_same_content_exported_later_shares_its_records(tmp_path):
    first = land(tmp_path, info(), batches("1", "2"), tally())
    again = land(tmp_path, info(extracted_at=TUESDAY), never(), Tally())
    assert (again.path, again.counts) == (first.path, first.counts)
    assert [landing.info.extracted_at for landing in landings(tmp_path)] == [MONDAY, TUESDAY]
    assert len(list(tmp_path.glob("*.parquet"))) == 1


def test_a_content_that_comes_back_is_the_newest_again(tmp_path):
    land(tmp_path, info("a"), batches("1", "2"), tally())
    land(tmp_path, info("b", TUESDAY), batches("3"), tally(1))
    land(tmp_path, info("a", WEDNESDAY), never(), Tally())
    assert [ids(landing) for landing in landings(tmp_path)] == [["1", "2"], ["3"], ["1", "2"]]


def test_a_file_read_in_another_way_lands_again_and_counts_once(tmp_path):
    land(tmp_path, info(), batches("1;x", "2;y"), tally())
    other = info(options={"delimiter": ";"}, read_at=datetime(2026, 3, 5, tzinfo=UTC))
    land(tmp_path, other, batches("1", "2"), tally())
    assert [ids(landing) for landing in landings(tmp_path)] == [["1", "2"]]
    assert len(list(tmp_path.glob("*.parquet"))) == 2


def test_a_table_is_known_by_what_was_read_of_it(tmp_path):
    table = info(sha256="", file="public.deals")
    first = land(tmp_path, table, batches("1", "2"), tally())
    second = land(tmp_path, replace(table, extracted_at=TUESDAY), batches("1", "2"), tally())
    third = land(tmp_path, replace(table, extracted_at=WEDNESDAY), batches("1", "3"), tally())
    assert len(first.info.sha256) == 64
    assert (second.path == first.path, third.path == first.path) == (True, False)


def test_a_source_without_rows_lands_with_its_headers(tmp_path):
    landing = land(tmp_path, info(), iter(()), Tally())
    assert pq.read_schema(landing.path).names == ["id", "_row"]
    assert ids(landing) == []


def test_rows_that_are_not_accounted_for_stop_the_landing(tmp_path):
    with pytest.raises(StoreError, match="Of 3 rows read, 1 are not accounted for"):
        land(tmp_path, info(), batches("1", "2"), tally(3))
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_fails_leaves_nothing(tmp_path):
    def failing():
        yield from batches("1")
        raise ValueError("away")

    with pytest.raises(ValueError, match="away"):
        land(tmp_path, info(), failing(), tally(1))
    assert list(tmp_path.iterdir()) == []


def test_issues_keep_their_fields_and_their_counts(tmp_path):
    account = Tally(n_read=2, n_landed=2)
    account.issues.append(
        Issue("odd", "warning", "{n} on {day}", "f:1", params={"n": 2, "day": MONDAY.date()}, n_rows=2)
    )
    land(tmp_path, info(), batches("1", "2"), account)
    (issue,) = landings(tmp_path)[0].issues
    assert (str(issue), issue.n_rows) == ("f:1: 2 on 2026-03-02", 2)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"info": {}}'])
def test_a_damaged_manifest_is_named(tmp_path, text):
    land(tmp_path, info(), batches("1", "2"), tally())
    manifest = next(tmp_path.glob("*.json"))
    manifest.write_text(text)
    with pytest.raises(StoreError, match="damaged") as caught:
        landings(tmp_path)
    assert caught.value.where == str(manifest)


def test_a_missing_parquet_file_is_named(tmp_path):
    land(tmp_path, info(), batches("1", "2"), tally()).path.unlink()
    with pytest.raises(StoreError, match="is missing"):
        landings(tmp_path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "raw").write_text("a file")
    with pytest.raises(StoreError, match=r"records of deals\.csv cannot be written"):
        land(tmp_path / "raw", info(), batches("1"), tally(1))


def test_a_folder_without_landings_has_none(tmp_path):
    assert landings(tmp_path / "none") == []


KILLED = """
import os, signal, sys
from pathlib import Path
import test_store_raw as t
from cadran.store import raw

calls = 0
def die(real):
    def step(*args, **kwargs):
        global calls
        calls += 1
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    return step

raw._sync, raw._write = die(raw._sync), die(raw._write)
raw.Path_replace = die(Path.replace)
Path.replace = raw.Path_replace
raw.land(Path(sys.argv[1]), t.info(), t.batches("1", "2"), t.tally())
"""


def test_a_kill_at_any_step_leaves_all_or_nothing_and_the_next_try_succeeds(tmp_path):
    n_steps = 0
    for step in range(1, 20):
        folder = tmp_path / str(step)
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(KILLED), str(folder), str(step)],
            env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)},  # noqa: PTH120
            check=False,
        )
        for landing in landings(folder):
            assert ids(landing) == ["1", "2"]
        landing = land(folder, info(), batches("1", "2"), tally())
        assert landings(folder) == [landing]
        assert ids(landing) == ["1", "2"]
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        n_steps = step
    # write, sync, rename, sync the folder; then the same three for the manifest
    assert n_steps == 7


def test_a_manifest_is_plain_json_that_adds_up(tmp_path):
    land(tmp_path, info(), batches("1", "2"), tally())
    record = json.loads(next(tmp_path.glob("*.json")).read_text(encoding="utf-8"))
    assert record["info"]["extracted_at"] == "2026-03-02T09:00:00+00:00"
    assert record["counts"]["read"] == sum(n for name, n in record["counts"].items() if name != "read")
