"""Windows that end with each period: the same as one question per window, for every KPI of the catalogue."""

import datetime as dt
from dataclasses import replace
from datetime import date

import pytest

from cadran.engine.parts import lineage_of, mode_of, parts_of
from cadran.engine.query import KpiQuery, RowQuery, from_params, to_params
from cadran.engine.run import answer, rows
from cadran.errors import QueryError
from cadran.period import Calendar, Period, Trailing, parse_trailing
from oracles.test_oracles import _group, _row_group, _same
from oracles.world import context as world_context
from oracles.world import random_world
from shipped import CATALOGUE, NEWEST
from warehouse import BOOKED, WIN_RATE, WON, MemoryWarehouse, catalogue, context, deal, kpi, measure

YEAR, QUARTER, DAYS = (parse_trailing(text) for text in ("12m", "13w", "90d"))
JAN, MAR, APR = date(2026, 1, 1), date(2026, 3, 1), date(2026, 4, 1)
DISTINCT = kpi("accounts", numerator=measure(agg="count_distinct", expr="account_id"))
MEDIAN = kpi("median", unit="days", numerator=measure(agg="median", expr="cycle_days"))
LOWEST, HIGHEST = (kpi(agg, unit="days", numerator=measure(agg=agg, expr="cycle_days")) for agg in ("min", "max"))


def flows():
    """The KPIs of the catalogue of which something adds up over time."""
    found = []
    for name, each in NEWEST.items():
        parts = [part for one in lineage_of(each, NEWEST) for part in parts_of(one).all()]
        found += [name] if any(mode_of(part) == "flow" for part in parts) else []
    return found


def ask(warehouse, *kpis, calendar=None, names=(), **query):
    names = names or tuple(dict.fromkeys(each.id for each in kpis))
    return answer(catalogue(*kpis), KpiQuery(names, **query), warehouse, context(calendar=calendar)).figures


def deals(*days, **more):
    return MemoryWarehouse(opportunity=[deal(day, id=f"o{n}", **more) for n, day in enumerate(days)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("grain", "length", "start", "end"),
    [("month", YEAR, date(2025, 12, 1), APR), ("week", QUARTER, date(2026, 3, 2), date(2026, 3, 16))],
    ids=["12 months by month", "13 weeks by week"],
)
def test_every_kpi_of_the_catalogue_gives_its_oracle_over_each_window(grain, length, start, end):
    world = random_world()
    names = [name for name in flows() if grain in NEWEST[name].grains]
    query = KpiQuery(tuple(names), grain=grain, start=start, end=end, trailing=length)
    figures = answer(CATALOGUE, query, world, world_context()).figures
    windows = {(figure.kpi.id, figure.window) for figure in figures}
    assert len(windows) >= 2 * len(names)
    for name, window in windows:
        found = {_group(f): f for f in figures if f.kpi.id == name and f.window == window}
        expected = world.ask_oracle(NEWEST[name].oracle, window.start, window.end)
        _same(NEWEST[name], found, {_row_group(NEWEST[name], row): row for row in expected})


@pytest.mark.parametrize("length", [YEAR, QUARTER, DAYS, Trailing(1, "m"), Trailing(400, "d")], ids=str)
@pytest.mark.parametrize("grain", ["day", "week", "month", "quarter"])
def test_a_trailing_figure_is_that_of_one_question_about_its_window(length, grain):
    closes = [(dt.date(2024, 3, 1) + dt.timedelta(days=17 * n)).isoformat() for n in range(44)]
    rows_ = [
        deal(day, id=f"o{n}", won=n % 3 > 0, account_id=f"a{n % 5}", cycle_days=float(n * n % 31), amount_base=n * 10,
             segment="SMB" if n % 2 else None)
        for n, day in enumerate(closes)
    ]  # fmt: skip
    warehouse = MemoryWarehouse(opportunity=rows_)
    kpis = (WIN_RATE, WON, BOOKED, DISTINCT, MEDIAN, LOWEST, HIGHEST)
    figures = ask(warehouse, *kpis, grain=grain, start=JAN, end=date(2026, 1, 20), trailing=length, by=("segment",))
    for window in {figure.window for figure in figures}:
        alone = ask(warehouse, *kpis, start=window.start, end=window.end, by=("segment",))
        expected = {(f.kpi.id, f.segment["segment"]): (f.value, f.n, f.numerator, f.denominator) for f in alone}
        for figure in figures:
            if figure.window == window and (figure.n or figure.value):
                key = (figure.kpi.id, figure.segment["segment"])
                assert (figure.value, figure.n, figure.numerator, figure.denominator) == expected[key]


def test_the_number_of_statements_does_not_grow_with_the_number_of_windows():
    counted = []
    for end in (date(2025, 2, 1), date(2026, 4, 1)):
        warehouse = deals("2025-01-05", "2026-03-02")
        ask(warehouse, WIN_RATE, BOOKED, grain="month", start=date(2025, 1, 1), end=end, trailing=YEAR)
        counted.append(len(warehouse.executed))
    assert counted == [2, 2]  # one scan of the pieces, and where the data starts


def test_a_window_that_starts_before_the_data_is_partial_and_says_where_the_data_starts():
    figures = ask(deals("2025-03-20", "2026-03-02"), WON, grain="month", start=date(2026, 2, 1), end=APR, trailing=YEAR)
    assert [(f.window.start, f.value, f.partial, f.history_from) for f in figures] == [
        (MAR.replace(year=2025), 1, False, None),  # the first month of the window has a row
        (date(2025, 4, 1), 1, False, None),
    ]
    early = ask(deals("2025-03-20"), WON, grain="month", start=JAN, end=date(2026, 2, 1), trailing=YEAR)
    assert [(f.window.start, f.partial, f.history_from) for f in early] == [(date(2025, 2, 1), True, date(2025, 3, 20))]


def test_how_far_data_reaches_back_does_not_depend_on_the_filter():
    warehouse = MemoryWarehouse(
        opportunity=[deal("2024-01-01", id="a", segment="SMB"), deal("2026-03-01", id="b", segment="Enterprise")]
    )
    [figure] = ask(warehouse, WON, grain="month", start=MAR, end=APR, trailing=YEAR, where=("segment=Enterprise",))
    assert (figure.value, figure.partial) == (1, False)


def test_without_a_grain_the_window_that_ends_with_what_is_known_is_the_period():
    [figure] = ask(deals("2025-12-31", "2026-01-01", "2026-12-31"), WON, trailing=YEAR)
    assert (figure.start, figure.end, figure.value) == (JAN, date(2027, 1, 1), 2)
    with pytest.raises(QueryError, match="start by themselves"):
        ask(deals("2026-01-01"), WON, trailing=YEAR, start=JAN)


def test_an_unfinished_period_compares_with_a_window_cut_at_the_same_share_g_5():
    warehouse = MemoryWarehouse(
        known_at=dt.datetime(2026, 4, 15, 22),  # the end of 15 April in Paris: half of the month
        opportunity=[
            deal(day, id=day) for day in ("2024-04-20", "2024-05-02", "2025-04-10", "2025-04-20", "2026-04-05")
        ],
    )
    result = answer(
        catalogue(WON),
        KpiQuery(("won",), grain="month", start=APR, end=date(2026, 5, 1), trailing=YEAR, compare="year"),
        warehouse,
        context(),
    )
    [figure] = result.figures
    [earlier] = result.earlier.values()
    assert (figure.window, figure.value, figure.partial) == (Period(date(2025, 5, 1), date(2026, 5, 1)), 1, True)
    assert (earlier.window, earlier.value) == (Period(date(2024, 5, 1), date(2025, 4, 16)), 2)


def test_a_balance_beside_a_flow_stays_that_of_the_end():
    stock = kpi("stock", kind="cumulative", numerator=measure("mrr_movement", agg="sum", expr="n_delta", balance=True))
    per = kpi("per", kind="derived", unit="multiple", expression="won / stock", inputs={"won": "won", "stock": "stock"})
    warehouse = MemoryWarehouse(
        opportunity=[deal("2025-06-02", id="a"), deal("2026-03-02", id="b")],
        mrr_movement=[{"moved_at": "2025-01-02", "n_delta": 4}, {"moved_at": "2026-03-15", "n_delta": 4}],
    )
    figures = ask(
        warehouse, per, WON, stock, names=("per",), grain="month", start=date(2026, 2, 1), end=APR, trailing=YEAR
    )
    assert [f.value for f in figures] == [0.25, 0.25]
    with pytest.raises(QueryError, match="read at the end"):
        ask(warehouse, stock, grain="month", start=JAN, end=APR, trailing=YEAR)


def test_a_contract_may_set_its_own_window_and_a_question_another():
    yearly = replace(WON, id="won_12m", trailing=YEAR)
    warehouse = deals("2025-05-02", "2026-01-10", "2026-03-02")
    figures = ask(warehouse, yearly, WON, grain="month", start=MAR, end=APR)
    assert [(f.kpi.id, f.value, f.window) for f in figures] == [
        ("won_12m", 3, Period(date(2025, 4, 1), APR)),
        ("won", 1, None),
    ]
    [quarter] = ask(warehouse, yearly, grain="month", start=MAR, end=APR, trailing=Trailing(3, "m"))
    assert quarter.value == 2


def test_the_rows_behind_a_trailing_figure_are_those_of_its_window():
    warehouse = deals("2025-03-31", "2025-05-02", "2026-03-02")
    query = KpiQuery(("won",), grain="month", start=MAR, end=APR, trailing=YEAR)
    found = rows(catalogue(WON), RowQuery(query), warehouse, context())
    assert found.total == 2


def test_months_of_a_retail_calendar_are_its_own_and_end_where_they_end():
    retail = Calendar(scheme="4-4-5")
    [figure] = ask(
        deals("2025-12-29", "2026-01-25"), WON, calendar=retail, grain="month", start=JAN, end=date(2026, 1, 25),
        trailing=Trailing(1, "m"),
    )  # fmt: skip
    assert (figure.window, figure.value) == (Period(date(2025, 12, 29), date(2026, 1, 26)), 2)
    with pytest.raises(QueryError, match="cannot be counted back"):
        ask(deals("2026-01-05"), WON, calendar=retail, grain="week", start=JAN, end=date(2026, 1, 8), trailing=YEAR)


@pytest.mark.parametrize("text", ["12", "m", "0m", "121m", "-1d", "1.5m", "3661d", "12y", ""])
def test_what_is_not_a_window_is_refused(text):
    with pytest.raises(QueryError, match="is not a trailing window"):
        parse_trailing(text)


@pytest.mark.parametrize("text", ["12m", "13w", "90d", "120m"])
def test_a_window_goes_to_parameters_and_back(text):
    query = KpiQuery(("won",), trailing=parse_trailing(text))
    assert ("trailing", text) in to_params(query)
    assert from_params(to_params(query)) == query
