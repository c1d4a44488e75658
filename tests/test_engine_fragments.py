"""What a build keeps of compiled expressions is what would be compiled now, or it is compiled anew."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from itertools import pairwise

import duckdb
import ibis
import pytest

from cadran.engine import fragments
from cadran.engine.fragments import Fragments, texts_of
from cadran.engine.periods import period_key, period_text
from cadran.engine.predicate import predicate
from cadran.engine.span import Span
from cadran.period import Calendar, Period
from cadran.store import compiled
from shipped import CATALOGUE


@pytest.fixture(scope="module", autouse=True)
def nothing_compiled_before(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(compiled.CACHE, str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def kept():
    return Fragments().kept(CATALOGUE)


def adopted(kept):
    found = Fragments()
    found.adopt("one", lambda: kept)
    return found


def unable(*_):
    raise AssertionError("nothing needs to be compiled")


@pytest.mark.slow
def test_what_one_process_compiled_the_next_does_not(tmp_path, monkeypatch):
    monkeypatch.setenv(compiled.CACHE, str(tmp_path))
    first = Fragments().kept(CATALOGUE)
    monkeypatch.setattr(ibis, "to_sql", unable)
    assert Fragments().kept(CATALOGUE) == first


@pytest.mark.slow
def test_what_is_kept_is_what_is_compiled_now(kept, monkeypatch, tmp_path):
    monkeypatch.setenv(compiled.CACHE, str(tmp_path))
    fresh, stored = Fragments(), adopted(kept)
    texts = texts_of(CATALOGUE)
    expected = {(entity, text): fresh.of(entity, text) for entity in texts for text in texts[entity][:5]}
    monkeypatch.setattr(Fragments, "_keep", unable)
    assert {key: stored.of(*key) for key in expected} == expected
    for entity, each in texts.items():
        stored.prepare(entity, each)


def test_a_definition_that_changed_is_compiled_anew(kept):
    kpi = CATALOGUE.kpi("win_rate")
    where = f"({kpi.numerator.where}) AND amount_base > 1"
    changed = replace(CATALOGUE, kpis={"win_rate": (replace(kpi, numerator=replace(kpi.numerator, where=where)),)})
    assert where in texts_of(changed)["opportunity"]
    assert where not in {text for each in kept for text in each["fragments"]}
    assert '"amount_base" > ' in adopted(kept).of("opportunity", where).sql


def test_what_other_modules_compiled_is_left_alone(kept):
    [old] = [each | {"stamp": "other"} for each in kept if each["entity"] == "opportunity"]
    wrong = old | {"fragments": dict.fromkeys(old["fragments"], ("FALSE", False))}
    text = next(iter(old["fragments"]))
    assert adopted([wrong]).of("opportunity", text).sql == adopted(kept).of("opportunity", text).sql != "FALSE"


@pytest.mark.parametrize("text", ["segment = SMB", "segment != L'Oréal", "segment in (A, B)", "segment not in (A)"])
def test_filters_by_texts_need_no_compiler_and_say_the_same(text, monkeypatch):
    tree = predicate(text, CATALOGUE, "opportunity", "win_rate")
    plain = Fragments().of_tree("opportunity", tree, {}).sql
    monkeypatch.setattr(fragments, "plain_text", lambda _: "")
    assert plain == Fragments().of_tree("opportunity", tree, {}).sql


@pytest.mark.parametrize("grain", ["day", "week", "month", "quarter", "year", None])
@pytest.mark.parametrize("calendar", [Calendar(), Calendar(fiscal_start=4, week_start="sunday")])
def test_periods_written_as_text_are_those_that_ibis_compiles(grain, calendar):
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE days AS SELECT (DATE '1968-01-01' + CAST(i * 11 AS INTEGER))::DATE AS p_day FROM range(2500) r(i)"
    )
    cuts = [date(1968, 1, 1), date(1999, 5, 5), date(2020, 2, 29), date(2050, 1, 1)]
    span = Span(tuple(Period(a, b) for a, b in pairwise(cuts)), grain)
    days = ibis.table({"p_day": "date"}, name="days")
    value = ibis.to_sql(days.select(x=period_key(days.p_day, span, calendar)), dialect="duckdb")
    text = f"SELECT {period_text('p_day', span, calendar)} AS x FROM days"
    assert connection.execute(text).fetchall() == connection.execute(value).fetchall()


def test_what_is_compiled_while_another_thread_reads_what_was_kept_is_not_lost(kept):
    """Reading takes a while; what other threads ask meanwhile waits for it, and is there afterwards."""
    found, asked = Fragments(), [("opportunity", f"amount_base > {number}") for number in range(20)]
    reads = []

    def slow():
        reads.append(1)
        time.sleep(0.05)
        return kept

    def one(entity, text):
        found.adopt("one", slow)
        return found.of(entity, text).sql

    with ThreadPoolExecutor(10) as pool:
        texts = list(pool.map(lambda pair: one(*pair), asked))
    assert texts == [Fragments().of(*pair).sql for pair in asked]
    assert len(reads) == 1
