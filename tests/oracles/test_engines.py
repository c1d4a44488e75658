"""Every KPI on PostgreSQL and Spark: the figures of its SQL oracle, and of DuckDB to the last digit.

Counts, money and sums must be equal; doubles may differ in what the last digit of a double is worth (1e-12 of
them), because engines add the squares that intervals are made of in their own order.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest
import sqlglot

from cadran.canonical.entities import ENTITIES
from cadran.engine.query import KpiQuery, RowQuery
from cadran.engine.run import answer, rows
from cadran.errors import StoreError
from engines import Backend, backend, engine, postgres_url
from oracles.test_oracles import CATALOGUE, KPIS, SPANS, _group, _row_group, _same
from oracles.world import context, random_world

__all__ = ["Backend", "backend", "engine", "postgres_url"]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]
#: Questions that each hold every KPI, so that a few statements answer them all.
SEGMENTS = ("segments", "quarter", date(2025, 1, 1), date(2026, 1, 1))
ASKED = [
    *[(str(size), size, start, end) for size, start, end in SPANS if size in ("month", "week")],
    ("life", *SPANS[0]),
    SEGMENTS,
]
#: What doubles may differ by, relative and absolute.
LAST_DIGIT = 1e-12


@pytest.fixture(
    params=[pytest.param("postgres", marks=pytest.mark.postgres), pytest.param("spark", marks=pytest.mark.spark)],
    scope="module",
)
def engine_name(request):
    return request.param


def question(asked):
    title, size, start, end = asked
    names = tuple(
        name
        for name in KPIS
        if size in (None, *CATALOGUE.kpi(name).grains) and (title != "segments" or breaks_down(name))
    )
    return KpiQuery(names, by=("segment",) if title == "segments" else (), grain=size, start=start, end=end)


def breaks_down(name):
    kpi = CATALOGUE.kpi(name)
    return "segment" in (*kpi.dimensions, *kpi.default_by)


@functools.cache
def here(asked):
    return answer(CATALOGUE, question(asked), random_world(), context()).figures


@functools.cache
def oracle(name, start, end, segment=()):
    return random_world().ask_oracle(CATALOGUE.kpi(name).oracle, start, end, **dict(segment))


@pytest.fixture(scope="module")
def snapshot(engine):
    world = random_world()
    return engine.put(world.connection, world.meta, tuple(ENTITIES))


@pytest.fixture(scope="module")
def there(snapshot):
    return {asked[0]: answer(CATALOGUE, question(asked), snapshot, context()).figures for asked in ASKED}


@pytest.mark.parametrize("name", KPIS)
def test_the_engine_gives_the_figures_of_the_oracle(there, backend, name):
    kpi, checked = CATALOGUE.kpi(name), 0
    for title, figures in there.items():
        mine = [figure for figure in figures if figure.kpi.id == name]
        for start, end, segment in {(f.start, f.end, f.segment.get("segment", "")) for f in mine}:
            only = (("segment", segment),) if title == "segments" else ()
            found = {_group(f): f for f in mine if f.start == start and f.segment.get("segment", "") == segment}
            _same(kpi, found, {_row_group(kpi, row): row for row in oracle(name, start, end, only)})
            checked += len(found)
    assert checked


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked[0])
def test_all_figures_are_those_of_duckdb(there, backend, asked):
    ours, theirs = by_key(here(asked)), by_key(there[asked[0]])
    assert theirs.keys() == ours.keys()
    assert {key: found for key in ours if (found := difference(ours[key], theirs[key]))} == {}


def by_key(figures):
    return {(f.kpi.id, f.start, tuple(f.segment.values())): f for f in figures}


def difference(one, other, where=""):
    """The first place in which two values differ, or an empty text."""
    if isinstance(one, float) and isinstance(other, float):
        return "" if other == pytest.approx(one, rel=LAST_DIGIT, abs=LAST_DIGIT) else f"{where}: {one!r} {other!r}"
    if dataclasses.is_dataclass(one) and type(one) is type(other):
        names = [field.name for field in dataclasses.fields(one) if field.name != "kpi"]
        return next((d for n in names if (d := difference(getattr(one, n), getattr(other, n), f"{where}.{n}"))), "")
    if isinstance(one, Mapping) and one.keys() == other.keys():
        return next((d for k in one if (d := difference(one[k], other[k], f"{where}[{k}]"))), "")
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return next(
            (d for n, pair in enumerate(zip(one, other, strict=True)) if (d := difference(*pair, f"{where}[{n}]"))), ""
        )
    return "" if type(one) is type(other) and one == other else f"{where}: {one!r} {other!r}"


@pytest.mark.parametrize("name", ["win_rate", "acv", "mrr", "stage_conversion", "nrr"])
def test_the_rows_behind_a_figure_are_the_same_in_the_same_order(snapshot, backend, name):
    query = KpiQuery(
        (name,), by=("segment",), start=date(2025, 3, 1), end=date(2025, 9, 1), where=("segment in (SMB, Enterprise)",)
    )
    ask = RowQuery(query, limit=8, offset=5)
    ours, theirs = rows(CATALOGUE, ask, random_world(), context()), rows(CATALOGUE, ask, snapshot, context())
    assert (theirs.columns, theirs.total) == (ours.columns, ours.total)
    assert len(ours.rows) == 8
    assert difference(ours.rows, theirs.rows) == ""


@pytest.mark.postgres
def test_oracles_themselves_say_the_same_on_postgres(snapshot, backend, capsys):
    """The independent answer, on the engine itself: its SQL is translated, not rewritten, and most of it can be."""
    if backend.name != "postgres":
        pytest.skip("the oracles are translated for PostgreSQL alone")
    start, end = date(2025, 1, 1), date(2026, 1, 1)
    refused = {}
    for name in KPIS:
        try:
            found = snapshot.execute(
                translated(CATALOGUE.kpi(name).oracle, start=start, end=end, known=date(2026, 4, 10))
            )
        except StoreError as error:
            refused[name] = str(error.params["problem"])
            continue
        pairs = zip(in_order(name, found.to_pylist()), in_order(name, oracle(name, start, end)), strict=True)
        wrong = [(c, one, other) for one, other in pairs for c in one if not near(one[c], other[c])]
        assert wrong == [], name
    with capsys.disabled():
        print(f"\n  {len(KPIS) - len(refused)} of {len(KPIS)} oracles run on PostgreSQL; not these: {refused}")
    assert len(refused) <= len(KPIS) / 3


def in_order(name, found):
    return sorted(found, key=lambda row: str(_row_group(CATALOGUE.kpi(name), row)))


def translated(text, **days):
    """The SQL of an oracle in the words of PostgreSQL."""
    for word, day in days.items():
        text = text.replace(f"${word}", f"DATE '{day}'")
    tree = sqlglot.parse_one(text, read="duckdb")
    for place, part in enumerate(tree.find_all(sqlglot.exp.Subquery)):
        if isinstance(part.parent, (sqlglot.exp.From, sqlglot.exp.Join)) and not part.alias:
            part.set("alias", sqlglot.exp.TableAlias(this=sqlglot.exp.to_identifier(f"part{place}")))
    return tree.sql(dialect="postgres")


def near(one, other):
    if one is None or other is None or isinstance(one, str):
        return one == other
    return float(Decimal(one)) == pytest.approx(float(Decimal(other)), rel=1e-9, abs=1e-9)
