"""Every number opens its rows: which, how they count, in what order, and never another's."""

import datetime as dt
from datetime import date
from decimal import Decimal

import pytest

from cadran.engine.query import KpiQuery, RowQuery
from cadran.engine.run import answer, rows
from cadran.errors import QueryError
from warehouse import BOOKED, WIN_RATE, WON, MemoryWarehouse, catalogue, context, deal, kpi, measure

MAR, APR = date(2026, 3, 1), date(2026, 4, 1)
SAAS = [
    deal(
        "2026-03-05",
        id="b",
        source_id="2",
        source_url="https://crm/2",
        name="Beta",
        segment="SMB",
        amount=10,
        currency="USD",
        amount_base=9,
    ),
    deal("2026-03-02", id="a", source_id="1", won=False, segment=None),
    deal("2026-03-05", id="c", source_id="3", segment="SMB", amount_base=5),
    deal("2026-04-01", id="later"),
    deal(None, id="open"),
]


def open_rows(warehouse, *kpis, in_context=None, limit=1000, offset=0, **query):
    asked = RowQuery(KpiQuery((kpis[0].id,), **{"start": MAR, "end": APR, **query}), limit, offset)
    return rows(catalogue(*kpis), asked, warehouse, in_context or context())


def column(found, name):
    return [row[found.columns.index(name)] for row in found.rows]


def test_rows_say_how_they_count_and_where_they_come_from_in_order_of_day_and_id():
    found = open_rows(MemoryWarehouse(opportunity=SAAS), WIN_RATE, by=("segment",))
    assert found.columns == (
        "counted",
        "id",
        "source_id",
        "source_system",
        "source_url",
        "name",
        "segment",
        "closed_on",
    )
    assert found.rows[:2] == (
        ("denominator", "a", "1", None, None, None, None, date(2026, 3, 2)),
        ("numerator", "b", "2", None, "https://crm/2", "Beta", "SMB", date(2026, 3, 5)),
    )
    assert (column(found, "id"), found.total) == (["a", "b", "c"], 3)


def test_rows_show_what_is_measured_with_the_plain_amount_and_its_currency_g_14():
    found = open_rows(MemoryWarehouse(opportunity=SAAS), BOOKED)
    assert found.columns[-3:] == ("amount_base", "amount", "currency")
    assert found.rows[0][-3:] == (Decimal(9), Decimal(10), "USD")


@pytest.mark.parametrize("kpi_", [WIN_RATE, WON])
def test_there_are_as_many_rows_as_the_number_says(kpi_):
    warehouse = MemoryWarehouse(opportunity=SAAS)
    query = KpiQuery((kpi_.id,), start=MAR, end=APR)
    [figure] = answer(catalogue(kpi_), query, warehouse, context()).figures
    assert open_rows(warehouse, kpi_).total == figure.n


def test_rows_come_in_pages_that_join_up():
    warehouse = MemoryWarehouse(opportunity=SAAS)
    pages = [open_rows(warehouse, WIN_RATE, limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [column(page, "id") for page in pages] == [["a", "b"], ["c"], []]
    assert {page.total for page in pages} == {3}


def test_filters_and_scope_hold_for_rows_too():
    warehouse = MemoryWarehouse(opportunity=SAAS)
    assert column(open_rows(warehouse, WIN_RATE, where=("segment=SMB",)), "id") == ["b", "c"]
    scoped = context(scope=("segment IS NULL",))
    assert column(open_rows(warehouse, WIN_RATE, in_context=scoped), "id") == ["a"]
    with pytest.raises(QueryError, match="cannot be filtered by nowhere"):
        open_rows(warehouse, WIN_RATE, where=("nowhere=1",))


def test_parts_on_two_tables_give_the_rows_of_both():
    cac = kpi(
        "cac",
        kind="ratio",
        unit="money",
        numerator=measure("spend", agg="sum", expr="amount_base", time="day_on"),
        denominator=measure(where="is_won"),
    )
    spend = [{"id": "s", "day_on": "2026-03-09", "amount": 5, "amount_base": 5}]
    warehouse = MemoryWarehouse(opportunity=SAAS, spend=spend)
    found = open_rows(warehouse, cac)
    assert list(zip(column(found, "counted"), column(found, "entity"), column(found, "id"), strict=True)) == [
        ("numerator", "spend", "s"),
        ("denominator", "opportunity", "b"),
        ("denominator", "opportunity", "c"),
    ]
    assert (found.total, column(found, "closed_on")[0], column(found, "day_on")[1]) == (3, None, None)
    assert column(open_rows(warehouse, cac, limit=1, offset=1), "id") == ["b"]


def test_a_derived_kpi_opens_the_rows_of_its_inputs():
    double = kpi("double", kind="derived", expression="w * r", inputs={"w": "won", "r": "win_rate"})
    found = open_rows(MemoryWarehouse(opportunity=SAAS), double, WON, WIN_RATE)
    assert list(zip(column(found, "input"), column(found, "counted"), column(found, "id"), strict=True)) == [
        ("w", "numerator", "b"),
        ("w", "numerator", "c"),
        ("r", "denominator", "a"),
        ("r", "numerator", "b"),
        ("r", "numerator", "c"),
    ]


def test_a_stock_opens_every_movement_up_to_its_day():
    stock = kpi(
        "stock", kind="cumulative", numerator=measure("pipeline_movement", agg="sum", expr="n_delta", balance=True)
    )
    moved = [
        {"opportunity_id": day, "moved_at": day, "n_delta": 1} for day in ("2025-01-01", "2026-03-30", "2026-04-01")
    ]
    found = open_rows(MemoryWarehouse(pipeline_movement=moved), stock)
    assert column(found, "id") == ["2025-01-01", "2026-03-30"]


def test_photographs_open_the_rows_of_the_last_day():
    paying = kpi("paying", numerator=measure("customer_month", where="is_final", at_end=True))
    months = [{"customer_id": m, "month_on": m, "is_final": True} for m in ("2026-02-28", "2026-03-31")]
    found = open_rows(MemoryWarehouse(customer_month=months), paying, start=date(2026, 1, 1))
    assert column(found, "id") == ["2026-03-31"]


def test_a_cohort_opens_only_cases_whose_window_is_over():
    asked = kpi(
        "conversion",
        kind="conversion",
        unit="rate",
        window_days=10,
        numerator=measure("lead_cycle", where="sql_at IS NOT NULL", time="sql_on"),
        denominator=measure("lead_cycle", time="mql_on"),
    )
    cycles = [
        {"lead_id": "early", "mql_at": "2026-03-02", "sql_at": "2026-03-05"},
        {"lead_id": "slow", "mql_at": "2026-03-02", "sql_at": "2026-03-15"},
        {"lead_id": "young", "mql_at": "2026-03-20"},
    ]
    warehouse = MemoryWarehouse(known_at=dt.datetime(2026, 3, 25), lead_cycle=cycles)
    found = open_rows(warehouse, asked)
    assert list(zip(column(found, "counted"), column(found, "id"), column(found, "sql_on"), strict=True)) == [
        ("numerator", "early", date(2026, 3, 5)),
        ("denominator", "slow", date(2026, 3, 15)),
    ]
