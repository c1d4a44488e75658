"""What is read in one pass over a table is what a statement per breakdown gives."""

from dataclasses import astuple, replace
from datetime import date

import pytest

from cadran.engine.query import KpiQuery
from cadran.engine.run import answers
from cadran.insights.columns import values
from cadran.insights.judge import read
from cadran.period import Trailing
from oracles.world import context, random_world
from shipped import CATALOGUE

SPAN = {"start": date(2025, 9, 1), "end": date(2026, 3, 1)}


def questions(*by, **more):
    """The whole catalogue by those dimensions, always-broken-down KPIs apart."""
    fits = [k[-1] for k in CATALOGUE.kpis.values() if set(by) <= {*k[-1].dimensions} and "month" in k[-1].grains]
    sets = {bool(k.default_by): tuple(o.id for o in fits if bool(o.default_by) == bool(k.default_by)) for k in fits}
    return [KpiQuery(names, by=by, grain="month", **SPAN, **more) for names in sets.values()]


@pytest.fixture(scope="module")
def world():
    return random_world()


@pytest.mark.slow
def test_one_pass_gives_the_figures_of_a_statement_per_breakdown(world, monkeypatch):
    asked = [*questions(), *questions("segment"), *questions("owner", "segment")]
    asked += questions("is_target", where=("segment = SMB",))
    together = answers(CATALOGUE, asked, world, context())
    monkeypatch.setattr(type(world), "fuses", False)
    apart = answers(CATALOGUE, asked, world, context())
    assert len(together[0].sql) < len(apart[0].sql) / 2
    for one, other in zip(together, apart, strict=True):
        alike(one.figures, other.figures)
        assert len(one.figures)


@pytest.mark.slow
def test_the_first_day_of_every_kpi_is_the_same_with_and_without_one_pass(world, monkeypatch):
    names = [kpi for kpi in CATALOGUE.kpis if not CATALOGUE.kpi(kpi).default_by]
    asked = [KpiQuery((name,), grain="quarter", where=where) for name in names for where in ((), ("segment = SMB",))]
    asked = [each for each in asked if not each.where or "segment" in CATALOGUE.kpi(each.kpis[0]).dimensions]

    def firsts():
        return [result.figures[0].start for result in answers(CATALOGUE, asked, world, context())]

    together = firsts()
    monkeypatch.setattr(type(world), "fuses", False)
    assert together == firsts()
    assert len(set(together)) > 2


def alike(ones, others):
    """Fail unless figures are the same; how their values scatter may differ in the last digits of a double."""
    assert len(ones) == len(others)
    for one, other in zip(ones, others, strict=True):
        assert repr(replace(one, moments=None)) == repr(replace(other, moments=None))
        assert (one.moments is None) == (other.moments is None)
        if one.moments:
            assert astuple(one.moments) == pytest.approx(astuple(other.moments), rel=1e-12)


@pytest.mark.slow
def test_columns_hold_the_values_of_the_readings(world):
    asked = [*questions(), *questions("segment")]
    asked.append(KpiQuery(("win_rate", "lead_response_hours"), grain="month", trailing=Trailing(12, "m"), **SPAN))
    for result in answers(CATALOGUE, asked, world, context()):
        rows, readings = values(result).to_pylist(), read(result).readings
        assert len(rows) == len(readings)
        for row, reading in zip(rows, readings, strict=True):
            expected = None if reading.value is None else pytest.approx(float(reading.value), rel=1e-13)
            found = (row.pop("kpi"), row.pop("start"), row.pop("value"))
            assert found == (reading.kpi.id, reading.figure.start, expected)
            assert {**row, **reading.figure.segment} == row
