"""What a question becomes: one statement per table, day and dimensions, the same on every engine."""

import datetime as dt
import time
from dataclasses import replace
from datetime import date

import ibis
import pytest

from cadran.catalogue.measures import missing_of
from cadran.engine.parts import parts_of
from cadran.engine.query import KpiQuery
from cadran.engine.question import question
from cadran.engine.run import answer
from cadran.engine.span import Known, Span, earlier_span, known_at, span_of
from cadran.errors import DefinitionError
from cadran.period import Calendar, Period
from shipped import CATALOGUE
from warehouse import BOOKED, PARIS, WIN_RATE, WON, MemoryWarehouse, catalogue, context, deal, kpi, measure

KNOWN_AT = dt.datetime(2026, 12, 31, 23)
QUARTER = {"start": date(2026, 1, 1), "end": date(2026, 4, 1)}


def planned(*kpis, **query):
    asked = KpiQuery(tuple(each.id for each in kpis), **{**QUARTER, **query})
    ready = question(catalogue(*kpis), asked, context(), KNOWN_AT)
    span = span_of(asked.start, asked.end, asked.grain, Calendar(), ready.known)
    return ready.planner.plan(ready.planner.needs(ready.leaves(ready.versions(span))), span)


def test_kpis_on_one_table_and_day_share_one_statement():
    plan = planned(WIN_RATE, WON, BOOKED, grain="month", by=("segment",))
    assert len(plan.scans) == 1
    assert plan.curves == ()
    assert ibis.to_sql(plan.scans[0].expression).count("GROUP BY") == 1


def test_what_two_kpis_measure_alike_is_measured_once():
    assert len(planned(WON, WIN_RATE).scans[0].slots) == 2
    sql = ibis.to_sql(planned(WIN_RATE, WON).scans[0].expression)
    assert sql.count('"t0"."is_won"') == 1


@pytest.mark.parametrize(
    "other",
    [
        kpi("created", numerator=measure(time="created_on")),
        kpi("stages", numerator=measure("stage_passage")),
        kpi("new_york", zone="America/New_York", numerator=measure(where="is_won")),
        kpi("stock", kind="cumulative", numerator=measure(agg="count", balance=True)),
        kpi("split", numerator=measure(where="is_won"), default_by=("stage",)),
    ],
)
def test_another_table_day_zone_stock_or_split_has_a_statement_of_its_own(other):
    assert len(planned(WON, other).scans) == 2


def test_a_plan_is_pure():
    first, again = (planned(WIN_RATE, BOOKED, grain="week", by=("owner",)).scans[0].expression for _ in range(2))
    assert first.equals(again)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "snowflake", "databricks"])
def test_every_shipped_kpi_compiles_for_every_engine(dialect):
    names = tuple(name for name in CATALOGUE.kpis)
    asked = KpiQuery(names, **QUARTER)
    ready = question(CATALOGUE, asked, context(), KNOWN_AT)
    span = span_of(asked.start, asked.end, None, Calendar(), ready.known)
    plan = ready.planner.plan(ready.planner.needs(ready.leaves(ready.versions(span))), span)
    assert len(plan.scans) + len(plan.curves) < len(names)
    for each in (*plan.scans, *plan.curves):
        assert "GROUP BY" in ibis.to_sql(each.expression, dialect=dialect)


def test_twelve_kpis_are_planned_in_a_blink():
    names = tuple(CATALOGUE.kpis)[:12]
    warehouse = MemoryWarehouse()
    asked = KpiQuery(names, grain="month", by=("segment",), **QUARTER)
    answer(CATALOGUE, asked, warehouse, context())
    ready = question(CATALOGUE, asked, context(), KNOWN_AT)
    span = span_of(asked.start, asked.end, "month", Calendar(), ready.known)
    start = time.process_time()
    ready.planner.plan(ready.planner.needs(ready.leaves(ready.versions(span))), span)
    assert time.process_time() - start < 0.3


def test_a_ratio_has_parts_and_a_derived_kpi_only_what_counts_its_cases():
    assert parts_of(WIN_RATE).pair is not None
    assert [part.measure for part in parts_of(kpi("d", kind="derived", n=measure())).all()] == [measure()]
    assert list(parts_of(kpi("d", kind="derived")).all()) == []
    with pytest.raises(DefinitionError, match="x has no numerator"):
        parts_of(kpi("x"))


def test_rows_without_a_rate_are_found_from_the_expression_g_14():
    assert missing_of(measure(agg="sum", expr="amount_base - 1")) == "(amount IS NOT NULL AND amount_base IS NULL)"
    assert missing_of(measure(agg="sum", expr="cycle_days")) == ""
    assert missing_of(measure("stage_passage", agg="sum", expr="amount_base")) == ""
    assert missing_of(measure(agg="sum", expr="amount_base", missing="is_won")) == "is_won"


def test_least_of_an_unknown_amount_is_unknown():
    capped = kpi("capped", unit="money", numerator=measure(agg="sum", expr="LEAST(amount_base, 10)"))
    rows = [deal("2026-03-02", id="a", amount_base=50), deal("2026-03-02", id="b")]
    [figure] = answer(
        catalogue(capped), KpiQuery(("capped",), **QUARTER), MemoryWarehouse(opportunity=rows), context()
    ).figures
    assert (figure.value, figure.n) == (10, 1)


@pytest.mark.parametrize(
    ("expr", "value"),
    [
        ("amount_base * 2", 20),
        ("amount_base * term_months", 30),
        ("-amount_base + 1", -9),
        ("amount_base / 0", None),
        ("amount_base / term_months", 10 / 3),
        ("CASE WHEN amount_base > 5 THEN 1 WHEN is_won THEN 2 END", 1),
        ("COALESCE(acv_base, amount_base)", 10),
        ("NULLIF(amount_base, 10)", None),
        ("GREATEST(amount_base, 12)", 12),
        ("ABS(0 - amount_base)", 10),
        ("days_between(created_on, closed_at)", 5),
    ],
)
def test_each_function_gives_its_value(expr, value):
    rows = [deal("2026-03-06", id="a", amount_base=10, term_months=3, created_at="2026-03-01")]
    asked = kpi("k", unit="days", numerator=measure(agg="sum", expr=expr))
    [figure] = answer(
        catalogue(asked), KpiQuery(("k",), **QUARTER), MemoryWarehouse(opportunity=rows), context()
    ).figures
    assert figure.value == (value if value is None else pytest.approx(value, abs=1e-6))


def test_the_last_known_day_counts_as_unfinished_unless_it_is_over():
    noon = Known(dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC), PARIS)
    midnight = known_at(dt.datetime(2026, 3, 10, 23), None, PARIS)
    assert (noon.whole_until, noon.end) == (date(2026, 3, 10), date(2026, 3, 11))
    assert (midnight.whole_until, midnight.end) == (date(2026, 3, 11), date(2026, 3, 11))
    past = known_at(dt.datetime(2026, 3, 10, 23), date(2026, 3, 1), PARIS)
    assert (past.whole_until, past.end) == (date(2026, 3, 2), date(2026, 3, 2))


def test_earlier_months_are_whole_unless_the_later_one_is_not_over():
    known = Known(dt.datetime(2026, 3, 16, 11, tzinfo=dt.UTC), PARIS)
    span = Span((Period(date(2026, 2, 1), date(2026, 3, 1)), Period(date(2026, 3, 1), date(2026, 4, 1))), "month")
    before, pairs = earlier_span(span, "previous", Calendar(), known)
    assert pairs[date(2026, 2, 1)] == Period(date(2026, 1, 1), date(2026, 2, 1))
    assert before.cut == {date(2026, 2, 1): date(2026, 2, 15)}


def test_versions_that_differ_are_both_planned():
    later = replace(
        WON, version="2.0", effective_from=date(2026, 2, 1), numerator=measure(where="is_won AND is_engaged")
    )
    first = replace(WON, effective_to=date(2026, 2, 1))
    both = catalogue(first, later)
    ready = question(both, KpiQuery(("won",), grain="month", **QUARTER), context(), KNOWN_AT)
    span = span_of(date(2026, 1, 1), date(2026, 4, 1), "month", Calendar(), ready.known)
    assert [kpi.version for kpi, _ in ready.leaves(ready.versions(span))] == ["1.0", "2.0"]
