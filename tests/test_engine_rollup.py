"""Sums kept with a snapshot give the figures that rows give, also after rows have changed."""

from dataclasses import replace
from datetime import date

import pytest

from cadran.engine.query import KpiQuery
from cadran.engine.rollup import ROLLED, described, rollups
from cadran.engine.rollup_read import broken
from cadran.engine.rollup_tables import refresh, write
from cadran.engine.run import answers
from cadran.engine.span import Span
from cadran.errors import CadranError
from cadran.period import Period
from oracles.world import SEED, World, context, random_rows
from shipped import CATALOGUE

YEAR = {"start": date(2025, 4, 1), "end": date(2026, 4, 1)}


def questions(by, grain, **more):
    """The whole catalogue by a dimension, always-broken-down KPIs apart."""
    fits = [k[-1] for k in CATALOGUE.kpis.values() if {*by} <= {*k[-1].dimensions} and grain in k[-1].grains]
    sets = {bool(k.default_by): tuple(o.id for o in fits if bool(o.default_by) == bool(k.default_by)) for k in fits}
    return [KpiQuery(names, by=by, grain=grain, **(YEAR | more)) for names in sets.values()]


EVERY = [*questions((), "month"), *questions((), "week", start=date(2026, 1, 5)), *questions(("segment",), "quarter")]
EVERY += [*questions(("owner",), "month"), *questions((), "year", compare="year", end=date(2027, 1, 1))]


@pytest.fixture(scope="module")
def world():
    # rows of it will change: it is shared with no other file
    found = World(random_rows(SEED))
    # the world is small, so its rollups would not be worth reading
    found.rollups = [each | {"rows": 10**9} for each in write(found.connection.execute, CATALOGUE)]
    return found


@pytest.fixture(scope="module")
def from_rollups(world):
    return answers(CATALOGUE, EVERY, world, context())


def from_rows(world, queries=EVERY):
    kept, world.rollups = world.rollups, ()
    try:
        return answers(CATALOGUE, queries, world, context())
    finally:
        world.rollups = kept


def told(results):
    return [(repr(result.figures), repr(result.earlier)) for result in results]


def is_rolled(results):
    return any('FROM "_rollup_' in statement for result in results for statement in result.sql)


@pytest.mark.slow
def test_rollups_give_the_figures_of_rows(world, from_rollups):
    assert is_rolled(from_rollups)
    assert told(from_rollups) == told(from_rows(world))


@pytest.mark.slow
@pytest.mark.parametrize(("start", "end"), [(date(2025, 4, 2), date(2026, 1, 1)), (date(2025, 1, 1), None)])
@pytest.mark.parametrize("kpi", ["win_rate", "mql_to_sql", "mrr", "nrr"])
def test_months_that_a_slice_or_the_age_of_cases_divides_are_read_by_day_from_rows(world, kpi, start, end):
    query = KpiQuery((kpi,), where=("segment = SMB", "region = FR"), grain="month", start=start, end=end)
    found = answers(CATALOGUE, [query], world, context())
    assert is_rolled(found)
    assert told(found) == told(from_rows(world, [query]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        KpiQuery(("win_rate",), where=("segment = SMB", "owner != nobody")),
        KpiQuery(("win_rate",), by=("team",)),
        KpiQuery(("win_rate",), by=("segment", "owner")),
    ],
)
def test_filters_and_other_dimensions_are_read_from_rows(world, query):
    found = answers(CATALOGUE, [query], world, context())
    assert not is_rolled(found)
    assert told(found) == told(from_rows(world, [query]))


SLICES = [
    KpiQuery(one.kpis, grain=one.grain, start=one.start, end=one.end, where=where, by=by)
    for one in (*questions((), "month"), *questions((), "year"))
    for where, by in ((("segment = SMB", "channel != inbound"), ()), (("region in (FR, DE)",), ("segment",)))
    if not by or all({*by} <= {*CATALOGUE.kpi(name).dimensions} for name in one.kpis)
]


def fitting(queries, world, is_fit):
    """The KPIs of each question that can be filtered so."""
    for query in queries:
        names = tuple(name for name in query.kpis if is_fit(world, replace(query, kpis=(name,))))
        if names:
            yield replace(query, kpis=names)


def can_be_asked(world, query):
    try:
        from_rows(world, [query])
    except CadranError:
        return False
    return True


@pytest.mark.slow
def test_slices_of_whole_months_are_read_from_rollups(world):
    some = [replace(query, kpis=query.kpis[::3]) for query in SLICES[:2]]
    asked = [*fitting(some, world, can_be_asked)]
    assert asked
    found = answers(CATALOGUE, asked, world, context())
    assert any("_slice" in statement for result in found for statement in result.sql)
    assert told(found) == told(from_rows(world, asked))


@pytest.mark.slow
@pytest.mark.parametrize("where", ["segment != SMB", "segment in (SMB, Enterprise)"])
def test_a_total_and_a_breakdown_under_one_filter_keep_apart(world, where):
    whole = KpiQuery(("win_rate", "new_opportunities"), grain="month", where=(where,), **YEAR)
    asked = [whole, replace(whole, by=("segment",))]
    assert told(answers(CATALOGUE, asked, world, context())) == told(from_rows(world, asked))


@pytest.mark.slow
def test_a_dimension_that_is_another_column_now_is_read_from_rows(world):
    segment = replace(CATALOGUE.dimensions["segment"], columns={"opportunity": "industry"})
    changed = replace(CATALOGUE, dimensions={**CATALOGUE.dimensions, "segment": segment})
    asked = [KpiQuery(("win_rate",), by=("segment",), grain="month", **YEAR)]
    found = answers(changed, asked, world, context())
    kept, world.rollups = world.rollups, ()
    rows = answers(changed, asked, world, context())
    world.rollups = kept
    assert not is_rolled(found)
    assert told(found) == told(rows) != told(answers(CATALOGUE, asked, world, context()))


@pytest.mark.slow
def test_what_a_person_may_see_is_what_rows_say(world):
    asked = [KpiQuery(("win_rate", "new_opportunities"), grain="month", **YEAR)]
    seen = replace(context(), scope=("segment = SMB",))
    found = answers(CATALOGUE, asked, world, seen)
    kept, world.rollups = world.rollups, ()
    rows = answers(CATALOGUE, asked, world, seen)
    world.rollups = kept
    assert told(found) == told(rows) != told(from_rows(world, asked))


@pytest.mark.slow
def test_rollups_that_are_no_smaller_than_their_rows_are_left_alone(world):
    asked = [KpiQuery(("win_rate",), grain="month", **YEAR)]
    kept = world.rollups
    world.rollups = [each | {"rows": 1} for each in kept]
    found = answers(CATALOGUE, asked, world, context())
    world.rollups = kept
    assert not is_rolled(found)
    assert is_rolled(answers(CATALOGUE, asked, world, context()))


def test_months_that_a_bound_divides_are_told():
    span = Span((Period(date(2026, 1, 1), date(2026, 2, 1)), Period(date(2026, 2, 1), date(2026, 3, 15))), None)
    assert broken(span, [date(2026, 1, 1), date(2025, 12, 31)]) == [
        Period(date(2025, 12, 1), date(2026, 1, 1)),
        Period(date(2026, 3, 1), date(2026, 4, 1)),
    ]


@pytest.mark.slow
def test_a_definition_that_changed_is_read_from_rows(world):
    kpi = CATALOGUE.kpi("win_rate")
    wider = replace(kpi, numerator=replace(kpi.numerator, where=f"({kpi.numerator.where}) OR is_test IS TRUE"))
    changed = replace(CATALOGUE, kpis={**CATALOGUE.kpis, "win_rate": (wider,)})
    asked = [KpiQuery(("win_rate",), grain="month", **YEAR)]
    [result] = answers(changed, asked, world, context())
    assert any('FROM "opportunity"' in statement for statement in result.sql)
    kept, world.rollups = world.rollups, ()
    assert told([result]) == told(answers(changed, asked, world, context()))
    world.rollups = kept


@pytest.mark.slow
def test_rows_that_change_move_rollups_to_where_a_rebuild_puts_them(world, from_rollups):
    before = told(from_rollups)

    def run(sql):
        return world.connection.cursor().execute(sql)

    for table, column in (
        ("opportunity", "id"),
        ("pipeline_movement", "opportunity_id"),
        ("customer_month", "customer_id"),
    ):
        run(f'CREATE OR REPLACE TABLE "was_{table}" AS SELECT * FROM "{table}" WHERE hash({column}) % 20 = 0')
        run(f'CREATE OR REPLACE TABLE "is_{table}" AS SELECT * FROM "was_{table}" WHERE hash({column}) % 3 > 0')
    run("UPDATE is_opportunity SET segment = 'SMB', amount_base = amount_base * 2, closed_on = closed_on + 40")
    for table, column in (
        ("opportunity", "id"),
        ("pipeline_movement", "opportunity_id"),
        ("customer_month", "customer_id"),
    ):
        run(f'DELETE FROM "{table}" WHERE hash({column}) % 20 = 0')
        run(f'INSERT INTO "{table}" SELECT * FROM "is_{table}"')
    changed = {name: (f"was_{name}", f"is_{name}") for name in ("opportunity", "pipeline_movement", "customer_month")}
    refresh(run, map(described, world.rollups), changed)
    refreshed = answers(CATALOGUE, EVERY, world, context())
    assert is_rolled(refreshed)
    assert before != told(refreshed) == told(from_rows(world))


def test_every_rolled_dimension_is_one_of_the_catalogue():
    assert {*ROLLED} <= {*CATALOGUE.dimensions}
    names = [each.name for each in rollups(CATALOGUE)]
    assert len(names) == len(set(names)) > 5
