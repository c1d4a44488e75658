"""The benchmark measures the right thing: every way gives the same values on a small made-up company."""

from __future__ import annotations

from datetime import date

import duckdb
import pyarrow as pa
import pytest

from benchmarks import analyst, cadran_way, fused, landed, pandas_way
from benchmarks.report import Measure
from benchmarks.scale import SCALES
from benchmarks.snapshot import parquet, snapshot
from benchmarks.work import ADDS_UP, CELLS, SERIES, STAGES, differences, stage_series, values
from cadran.store.warehouse import DuckDBWarehouse
from shipped import CATALOGUE

XS = SCALES["XS"]


def cells(*rows):
    return values(pa.table({name: [row[i] for row in rows] for i, name in enumerate(CELLS.names)}, schema=CELLS))


def test_it_notices_a_value_that_differs_and_one_that_is_missing():
    month = date(2026, 1, 1)
    one = cells(("win rate", "all", "", month, 0.5), ("ACV", "all", "", month, 10.0))
    other = cells(("win rate", "all", "", month, 0.5001))
    assert len(differences(one, other)) == 2
    assert differences(one, one) == []


def test_nothing_is_zero_for_what_adds_up_and_undefined_for_the_rest():
    month = date(2026, 1, 1)
    assert cells(("MRR", "all", "", month, 0.0)) == {}
    assert len(cells(("win rate", "all", "", month, 0.0))) == 1
    assert set(SERIES) >= ADDS_UP


def test_a_target_that_is_missed_is_a_failure():
    assert Measure("m", 1.2, most=1.15).verdict == "FAIL"
    assert Measure("m", 1.2, least=1.15).verdict == "PASS"
    assert Measure("m", 1.2).verdict == ""


@pytest.mark.slow
def test_every_way_of_asking_the_dashboard_gives_the_same_values(tmp_path, monkeypatch):
    monkeypatch.setenv("CADRAN_BENCH", str(tmp_path))
    file, folder = snapshot(XS), parquet(XS)
    own = values(cadran_way.cells(cadran_way.ask(DuckDBWarehouse(file), CATALOGUE)))
    with duckdb.connect(str(file), read_only=True) as connection:
        ways = {"fused": fused.answer(connection), "analyst": analyst.answer(connection)}
    ways |= {"fused landed": landed.expert(XS), "analyst landed": landed.straight(XS)}
    ways["pandas"] = pandas_way.answer(folder)
    assert {key[0] for key in own} == {*SERIES, *map(stage_series, STAGES)}
    assert len({key[0] for key in own}) == 26
    assert len(own) > 3000
    said = {name: values(found) for name, found in ways.items()}
    series = {name: {key[0] for key in found} for name, found in said.items()}
    assert {name for name in ways if series[name] == {key[0] for key in own}} == ways.keys() - {"pandas"}
    assert {name: differences(own, found, series[name]) for name, found in said.items()} == {name: [] for name in said}
