"""Tables laid out for questions hold the same rows and give the same figures."""

from __future__ import annotations

from datetime import date

import pytest

from cadran.canonical.entities import ENTITIES
from cadran.engine import fused
from cadran.engine.prepare import Shape, prepare, shapes
from cadran.engine.query import KpiQuery, RowQuery
from cadran.engine.run import answers, rows
from oracles.world import SEED, World, context, random_rows, random_world
from test_engine_fused import CATALOGUE, alike, questions


@pytest.fixture(scope="module")
def world():
    return random_world()


@pytest.fixture(scope="module")
def laid_out():
    found = World(random_rows(SEED))
    found.shapes = prepare(found.connection.execute, CATALOGUE, least_rows=1)
    return found


def test_tables_hold_the_same_rows_with_texts_as_codes_in_the_order_of_texts(world, laid_out):
    coded = 0
    for entity in ENTITIES:
        was, now = (each.execute(f'SELECT * FROM "{entity}"') for each in (world, laid_out))
        assert was.column_names == now.column_names
        assert sorted(map(repr, was.to_pylist())) == sorted(map(repr, now.to_pylist()))
        for name in shapes(laid_out.shapes).get(entity, Shape()).values:
            coded += 1
            last = f'SELECT MAX("{name}")::VARCHAR AS a, MAX("{name}"::VARCHAR) AS b FROM "{entity}"'
            assert len(set(laid_out.execute(last).to_pylist()[0].values())) == 1
    assert coded > len(ENTITIES)


def test_a_table_with_few_rows_is_left_as_it_is():
    found = random_world()
    assert prepare(found.connection.execute, CATALOGUE, least_rows=10**6) == []


@pytest.mark.slow
def test_figures_are_the_same_however_tables_are_laid_out_and_cells_are_made(world, laid_out, monkeypatch):
    asked = [*questions(), *questions("segment"), *questions("owner", "segment"), *questions("channel")]
    asked += questions("is_target", where=("segment = SMB",))
    asked += questions("segment", where=("channel = 'no such channel'",))
    plain = answers(CATALOGUE, asked, world, context())
    for least in (fused.ROWS_OF_CELL, 0):
        monkeypatch.setattr(fused, "ROWS_OF_CELL", least)
        found = answers(CATALOGUE, asked, laid_out, context())
        assert least or any("p_fine" in sql for sql in found[0].sql)
        for one, other in zip(plain, found, strict=True):
            alike(one.figures, other.figures)


@pytest.mark.slow
def test_rows_behind_a_figure_are_the_same(world, laid_out):
    for kpi in ("win_rate", "new_opportunities", "sales_velocity"):
        query = KpiQuery((kpi,), start=date(2025, 9, 1), end=date(2026, 3, 1))
        one, other = (rows(CATALOGUE, RowQuery(query), each, context()) for each in (world, laid_out))
        assert one == other
        assert one.rows
