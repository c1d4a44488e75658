"""Answers on tiny tables: periods, kinds of KPI, versions, comparisons, filters, the past."""

import datetime as dt
from dataclasses import replace
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from cadran.engine.query import KpiQuery
from cadran.engine.run import answer, answers
from cadran.errors import DefinitionError, Issue, QueryError, fill
from cadran.insights.judge import read
from cadran.period import Calendar
from warehouse import BOOKED, WIN_RATE, WON, MemoryWarehouse, catalogue, context, deal, kpi, measure

JAN, FEB, MAR, APR, JUL = (date(2026, month, 1) for month in (1, 2, 3, 4, 7))


def ask(warehouse, *kpis, names=None, in_context=None, **query):
    asked = names or tuple(dict.fromkeys(each.id for each in kpis))
    return answer(catalogue(*kpis), KpiQuery(asked, **query), warehouse, in_context or context())


def values(result):
    return [figure.value for figure in result.figures]


def deals(*days, **more):
    return MemoryWarehouse(opportunity=[deal(day, id=f"o{n}", **more) for n, day in enumerate(days)])


# periods ---------------------------------------------------------------------------------------


def test_a_period_is_half_open_and_one_without_rows_has_a_figure_too():
    result = ask(deals("2026-01-31T12:00", "2026-03-01"), WON, BOOKED, grain="month", start=JAN, end=APR)
    assert [(f.kpi.id, f.start, f.end, f.value, f.n) for f in result.figures[:3]] == [
        ("won", JAN, FEB, 1, 1),
        ("won", FEB, MAR, 0, 0),
        ("won", MAR, APR, 1, 1),
    ]


def test_without_a_grain_the_span_is_one_period_from_the_first_day_with_data_to_the_last_known_one():
    [figure] = ask(deals("2026-02-10", "2026-05-01"), WON).figures
    assert (figure.start, figure.end, figure.value, figure.partial) == (date(2026, 2, 10), date(2027, 1, 1), 2, False)


def test_the_first_day_with_data_is_that_of_rows_that_count():
    rows = [deal("2025-01-01", id="a", won=False), deal("2026-02-10", id="b"), deal("2030-01-01", id="c")]
    [figure] = ask(MemoryWarehouse(opportunity=rows), WON).figures
    assert figure.start == date(2026, 2, 10)
    assert ask(MemoryWarehouse(), WON).figures[0].value == 0


def test_days_are_cut_in_the_company_zone_g_6():
    moment = "2026-04-01T03:30"  # 31 March 23:30 in New York, 1 April 05:30 in Paris
    paris = ask(deals(moment), WON, grain="quarter", start=JAN, end=JUL)
    york = ZoneInfo("America/New_York")
    there = MemoryWarehouse(opportunity=[deal(moment, id="a")], zone=york)
    new_york = ask(there, WON, grain="quarter", start=JAN, end=JUL, in_context=context(zone=york))
    assert (values(paris), values(new_york)) == ([0, 1], [1, 0])


def test_a_kpi_may_be_cut_in_a_zone_of_its_own_g_6():
    result = ask(deals("2026-04-01T03:30"), replace(WON, zone="America/New_York"), grain="quarter", start=JAN, end=JUL)
    assert values(result) == [1, 0]


@pytest.mark.parametrize(
    ("calendar", "grain", "day", "start", "end"),
    [
        (Calendar(), "week", "2027-01-01", date(2026, 12, 28), date(2027, 1, 4)),
        (Calendar(week_start="sunday"), "week", "2026-03-08", date(2026, 3, 8), date(2026, 3, 15)),
        (Calendar(week_start="sunday"), "week", "2026-03-07", MAR, date(2026, 3, 8)),
        (Calendar(), "day", "2026-03-07", date(2026, 3, 7), date(2026, 3, 8)),
        (Calendar(fiscal_start=4), "month", "2026-03-07", MAR, APR),
        (Calendar(fiscal_start=2), "quarter", "2026-01-31", date(2025, 11, 1), FEB),
        (Calendar(fiscal_start=2), "quarter", "2026-02-01", FEB, date(2026, 5, 1)),
        (Calendar(fiscal_start=4), "year", "2026-03-31", date(2025, 4, 1), APR),
        (Calendar(scheme="4-4-5"), "month", "2026-01-25", date(2025, 12, 29), date(2026, 1, 26)),
        (Calendar(scheme="4-4-5"), "month", "2026-01-26", date(2026, 1, 26), date(2026, 2, 23)),
        (Calendar(scheme="4-4-5"), "quarter", "2026-03-29", date(2025, 12, 29), date(2026, 3, 30)),
        (Calendar(scheme="4-4-5"), "year", "2026-12-31", date(2025, 12, 29), date(2027, 1, 4)),
    ],
)
def test_every_calendar_puts_a_day_in_its_period_g_7_g_8(calendar, grain, day, start, end):
    warehouse = deals(f"{day}T12:00")
    span = {"start": date(2025, 11, 1), "end": date(2027, 1, 8)}
    result = ask(warehouse, WON, grain=grain, in_context=context(calendar=calendar), **span)
    assert [(f.start, f.end) for f in result.figures if f.value] == [(start, end)]


def test_a_period_that_reaches_past_what_is_known_is_partial_g_5():
    known_at = dt.datetime(2026, 3, 10, 12, 0)
    warehouse = MemoryWarehouse(known_at=known_at, opportunity=[deal("2026-03-02", id="a")])
    result = ask(warehouse, WON, grain="month", start=FEB)
    assert [(f.start, f.partial) for f in result.figures] == [(FEB, False), (MAR, True)]
    end_of_day = MemoryWarehouse(known_at=dt.datetime(2026, 3, 31, 22, 0), opportunity=[deal("2026-03-02", id="a")])
    assert [f.partial for f in ask(end_of_day, WON, grain="month", start=MAR, end=APR).figures] == [False]


# kinds -----------------------------------------------------------------------------------------


def test_a_ratio_carries_its_parts_and_how_many_cases_t_16():
    rows = [deal("2026-03-02", id=f"w{n}") for n in range(20)]
    rows += [deal("2026-03-02", id=f"l{n}", won=False) for n in range(60)] + [deal(None, id=f"p{n}") for n in range(40)]
    [figure] = ask(MemoryWarehouse(opportunity=rows), WIN_RATE, start=MAR, end=APR).figures
    assert (figure.value, figure.numerator, figure.denominator, figure.n) == (0.25, 20, 80, 80)


@pytest.mark.parametrize(
    ("agg", "expr", "value", "n"),
    [
        ("sum", "term_months", 18, 2),
        ("mean", "cycle_days", 15.0, 2),
        ("median", "cycle_days", 15.0, 2),
        ("min", "cycle_days", 10.0, 2),
        ("max", "cycle_days", 20.0, 2),
        ("count_distinct", "account_id", 1, 1),
        ("count", "acv", 1, 1),
    ],
)
def test_each_aggregation(agg, expr, value, n):
    rows = [
        deal("2026-03-02", id="a", account_id="x", cycle_days=10.0, term_months=6, acv=1),
        deal("2026-03-03", id="b", account_id="x", cycle_days=20.0, term_months=12),
    ]
    asked = kpi("k", numerator=measure(where="is_won", agg=agg, expr=expr))
    [figure] = ask(MemoryWarehouse(opportunity=rows), asked, start=MAR, end=APR).figures
    assert (figure.value, figure.n) == (value, n)


def test_money_is_decimal_to_the_last_digit_g_14():
    rows = [deal("2026-03-02", id=str(n), amount=0.1, amount_base="0.1") for n in range(3)]
    [figure] = ask(MemoryWarehouse(opportunity=rows), BOOKED, start=MAR, end=APR).figures
    assert figure.value == Decimal("0.3")
    assert isinstance(figure.value, Decimal)


def test_a_mean_and_a_ratio_of_money_carry_moments_for_their_interval():
    rows = [deal("2026-03-02", id="a", amount_base=10), deal("2026-03-02", id="b", amount_base=30, won=False)]
    warehouse = MemoryWarehouse(opportunity=rows)
    mean = kpi("m", unit="money", interval="mean", numerator=measure(agg="mean", expr="amount_base"))
    share = kpi(
        "s",
        kind="ratio",
        unit="rate",
        interval="delta",
        numerator=measure(where="is_won", agg="sum", expr="amount_base"),
        denominator=measure(agg="sum", expr="amount_base"),
    )
    found = {f.kpi.id: f.moments for f in ask(warehouse, mean, share, start=MAR, end=APR).figures}
    m, s = found["m"], found["s"]
    assert (m.n, m.x, m.y, m.xx, m.yy, m.xy) == (2, 40.0, 2.0, 1000.0, 2.0, 40.0)
    assert (s.n, s.x, s.y, s.xx, s.yy, s.xy) == (2, 10.0, 40.0, 100.0, 1000.0, 100.0)


MRR = kpi(
    "mrr",
    kind="cumulative",
    unit="money",
    basis="balance",
    numerator=measure("mrr_movement", agg="sum", expr="mrr_delta_base", balance=True),
    n=measure("mrr_movement", agg="sum", expr="n_delta", balance=True),
)


def test_a_balance_is_what_was_there_before_and_what_moved_since_t_38():
    rows = [
        {"moved_at": "2025-06-01", "mrr_delta_base": 100, "n_delta": 1, "segment": "SMB"},
        {"moved_at": "2026-01-20", "mrr_delta_base": 1000, "n_delta": 1, "segment": None},
        {"moved_at": "2026-03-15", "mrr_delta_base": -100, "n_delta": -1, "segment": "SMB"},
    ]
    warehouse = MemoryWarehouse(mrr_movement=rows)
    result = ask(warehouse, MRR, grain="month", start=JAN, end=APR)
    assert [(f.value, f.n) for f in result.figures] == [(1100, 2), (1100, 2), (1000, 1)]
    by_segment = ask(warehouse, MRR, grain="month", start=FEB, end=APR, by=("segment",))
    assert [(f.start.month, f.segment["segment"], f.value) for f in by_segment.figures] == [
        (2, "SMB", 100),
        (2, None, 1000),
        (3, "SMB", 0),
        (3, None, 1000),
    ]


def test_a_balance_stops_where_knowledge_stops():
    rows = [{"moved_at": "2026-01-20", "mrr_delta_base": 10}, {"moved_at": "2026-06-01", "mrr_delta_base": 5}]
    warehouse = MemoryWarehouse(known_at=dt.datetime(2026, 3, 10, 12), mrr_movement=rows)
    assert values(ask(warehouse, MRR, start=JAN, end=date(2027, 1, 1))) == [10]


def photo(month_on, mrr, **more):
    return {"month_on": month_on, "mrr_end_base": mrr, "mrr_end": mrr, "is_final": True, **more}


def test_photographs_count_on_the_last_day_of_the_period_the_same_for_every_segment():
    asked = kpi(
        "arpa",
        kind="ratio",
        unit="money",
        numerator=measure("customer_month", agg="sum", expr="mrr_end_base", at_end=True),
        denominator=measure("customer_month", where="mrr_end > 0", at_end=True),
    )
    rows = [
        photo("2026-01-31", 10, segment="A"),
        photo("2026-02-28", 20, segment="A"),
        photo("2026-01-31", 7, segment="B"),
    ]
    warehouse = MemoryWarehouse(customer_month=rows)
    assert values(ask(warehouse, asked, grain="quarter", start=JAN, end=JUL)) == [20, None]
    split = ask(warehouse, asked, grain="quarter", start=JAN, end=APR, by=("segment",)).figures
    assert [(f.segment["segment"], f.value) for f in split] == [("A", 20)]
    missing = ask(warehouse, asked, grain="quarter", start=APR, end=JUL).figures[0]
    assert missing.reason.startswith("This is measured on certain days")


MQL_TO_SQL = kpi(
    "mql_to_sql",
    kind="conversion",
    unit="rate",
    basis="cohort",
    window_days=90,
    numerator=measure("lead_cycle", where="sql_at IS NOT NULL", time="sql_on"),
    denominator=measure("lead_cycle", time="mql_on"),
)


def cycle(mql_at, sql_at=None, **more):
    return {"person_id": f"{mql_at}{sql_at}", "mql_at": mql_at, "sql_at": sql_at, **more}


def test_a_conversion_is_dated_by_its_cohort_and_counts_events_inside_the_window_t_53():
    rows = [
        cycle("2026-03-01", "2026-05-30"),
        cycle("2026-03-01", "2026-05-31"),
        cycle("2026-03-31"),
        cycle("2026-04-01", "2026-04-02"),
    ]
    [figure] = ask(MemoryWarehouse(lead_cycle=rows), MQL_TO_SQL, start=MAR, end=APR).figures
    assert (figure.numerator, figure.denominator, figure.maturity) == (1, 3, 1.0)


def test_an_event_before_the_cohort_day_is_not_a_conversion():
    [figure] = ask(
        MemoryWarehouse(lead_cycle=[cycle("2026-03-05", "2026-03-04")]), MQL_TO_SQL, start=MAR, end=APR
    ).figures
    assert (figure.numerator, figure.denominator) == (0, 1)


def test_cases_whose_window_is_not_over_are_in_neither_part_t_28():
    rows = [cycle("2026-03-01", "2026-03-02"), cycle("2026-03-02", "2026-03-03"), cycle("2026-03-03")]
    whole = MemoryWarehouse(known_at=dt.datetime(2026, 5, 31, 22), lead_cycle=rows)  # end of 31 May in Paris
    [figure] = ask(whole, MQL_TO_SQL, start=MAR, end=APR).figures
    assert (figure.numerator, figure.denominator, figure.maturity) == (2, 2, pytest.approx(2 / 3))
    young = MemoryWarehouse(known_at=dt.datetime(2026, 4, 15, 12), lead_cycle=rows)
    [figure] = ask(young, MQL_TO_SQL, start=MAR, end=APR).figures
    assert (figure.value, figure.status, figure.maturity) == (None, "undefined", 0.0)
    assert fill(figure.reason, figure.reason_params) == "No case has had its whole window of 90 days yet."


def test_survival_keeps_durations_over_and_open_t_13():
    rows = [
        {"lead_id": str(n), "created_at": "2026-03-02", "working_hours": hours, "is_answered": answered}
        for n, (hours, answered) in enumerate([(1.0, True), (1.0, True), (5.0, False), (None, False)])
    ]
    asked = kpi(
        "response",
        unit="hours",
        interval="survival",
        numerator=measure("lead_response", agg="survival", expr="working_hours", event="is_answered"),
    )
    figure, empty = ask(
        MemoryWarehouse(lead_response=rows), asked, grain="month", start=MAR, end=date(2026, 5, 1)
    ).figures
    durations = figure.durations
    assert (durations.times, durations.ended, durations.censored) == ((1.0, 5.0), (2, 0), (0, 1))
    assert (figure.value, figure.status, figure.n) == (None, "ok", 3)
    assert (empty.status, empty.durations) == ("undefined", None)


def test_incidence_keeps_how_long_and_how_cases_ended_and_those_of_the_last_year_beside_them():
    """Known to 31 December 2026: the past is what was open at some time since 1 January 2026."""
    rows = [
        deal("2026-03-12", created_at="2026-03-02"),
        deal("2026-03-07", won=False, created_at="2026-03-02"),
        deal(None, created_at="2026-03-31"),
        deal("2026-03-01", created_at="2026-03-11"),  # closed before it was created
        deal("2026-02-10", created_at="2025-12-12"),  # already 20 days old when the year began
        deal("2025-12-30", created_at="2025-12-12"),  # over before it
    ]
    asked = kpi(
        "expected",
        kind="conversion",
        unit="rate",
        interval="incidence",
        window_days=90,
        numerator=measure(
            agg="incidence", expr="days_between(created_on, closed_on)", event="is_won", time="created_on"
        ),
    )
    figure, empty = ask(
        MemoryWarehouse(opportunity=rows), asked, grain="month", start=MAR, end=date(2026, 5, 1)
    ).figures
    assert (figure.value, figure.status, figure.n, figure.numerator, figure.denominator) == (None, "ok", 3, 1, 3)
    found = figure.outcomes
    assert found.ages == (0, 5, 10, 275)
    assert (found.converted, found.ended, found.open) == ((0, 0, 1, 0), (0, 1, 0, 0), (0, 0, 0, 1))
    past = figure.past
    assert past.ages == (0, 5, 10, 20, 60, 275)
    assert past.joined == (3, 0, 0, 1, 0, 0)
    assert past.converted == (0, 0, 1, 0, 1, 0)
    assert (empty.status, empty.outcomes, empty.numerator) == ("undefined", None, 0)


# derived ---------------------------------------------------------------------------------------

OPEN = kpi(
    "opps",
    kind="cumulative",
    basis="balance",
    numerator=measure("pipeline_movement", agg="sum", expr="qualified_n_delta", balance=True),
)
ACV = kpi("acv", unit="money", numerator=measure(where="is_won", agg="mean", expr="acv_base"))
CYCLE = kpi("cycle", unit="days", numerator=measure(where="is_won", agg="mean", expr="cycle_days"))
VELOCITY = kpi(
    "velocity",
    kind="derived",
    unit="money_per_day",
    expression="opps * rate * acv / cycle",
    inputs={"opps": "opps", "rate": "win_rate", "acv": "acv", "cycle": "cycle"},
)


def pipeline(closed):
    movements = [{"moved_at": "2026-01-05", "qualified_n_delta": 1, "opportunity_id": f"p{n}"} for n in range(40)]
    return MemoryWarehouse(pipeline_movement=movements, opportunity=closed)


def test_velocity_is_40_x_25_percent_x_20000_over_60_days_t_06():
    closed = [deal("2026-03-02", id="w", acv_base=20_000, cycle_days=60.0)] + [
        deal("2026-03-02", id=f"l{n}", won=False) for n in range(3)
    ]
    [figure] = ask(
        pipeline(closed), VELOCITY, OPEN, WIN_RATE, ACV, CYCLE, names=("velocity",), start=MAR, end=APR
    ).figures
    assert figure.value.quantize(Decimal("0.01")) == Decimal("3333.33")
    assert figure.parts == {"opps": 40, "rate": 0.25, "acv": Decimal(20_000), "cycle": 60.0}
    assert figure.n == 1


def test_velocity_without_a_won_deal_is_undefined_and_says_why_t_07():
    closed = [deal("2026-03-02", id="l", won=False)]
    [figure] = ask(
        pipeline(closed), VELOCITY, OPEN, WIN_RATE, ACV, CYCLE, names=("velocity",), start=MAR, end=APR
    ).figures
    assert (figure.value, figure.status, figure.parts["rate"]) == (None, "undefined", 0.0)
    assert figure.reason == "There is no case in this period."


def test_a_derived_kpi_is_split_like_its_inputs_and_counts_its_own_cases():
    rows = [deal("2026-03-02", id="a", segment="SMB"), deal("2026-03-02", id="b", won=False)]
    double = kpi("double", kind="derived", expression="w * 2", inputs={"w": "won"}, n=measure(where="is_closed"))
    found = ask(
        MemoryWarehouse(opportunity=rows), double, WON, names=("double",), by=("segment",), start=MAR, end=APR
    ).figures
    assert [(f.segment["segment"], f.value, f.n) for f in found] == [("SMB", 2, 1), (None, 0, 1)]


def test_a_formula_that_divides_by_zero_says_so_and_coalesce_passes_by():
    inputs = {"w": "won"}
    broken = kpi("broken", kind="derived", expression="1 / w", inputs=inputs)
    sound = kpi("sound", kind="derived", expression="COALESCE(1 / w, -1)", inputs=inputs)
    first, second = ask(MemoryWarehouse(), broken, sound, WON, names=("broken", "sound"), start=MAR, end=APR).figures
    assert (first.value, first.reason) == (None, "The formula divides by 0.")
    assert second.value == -1


def test_a_kpi_that_depends_on_itself_is_refused():
    one = kpi("one", kind="derived", expression="x", inputs={"x": "two"})
    two = kpi("two", kind="derived", expression="x", inputs={"x": "one"})
    with pytest.raises(DefinitionError, match="one depends on itself: one → two → one"):
        ask(MemoryWarehouse(), one, two, start=MAR, end=APR)


# versions and comparisons ----------------------------------------------------------------------


def test_a_period_is_computed_by_the_version_in_force_at_its_start_t_98():
    later = replace(WIN_RATE, version="2.0", effective_from=JUL, denominator=measure(where="is_closed AND is_engaged"))
    rows = [deal(f"2026-0{month}-02", id=f"{month}{won}", won=won) for month in (5, 8) for won in (True, False)]
    rows[-2]["is_engaged"] = True
    result = ask(MemoryWarehouse(opportunity=rows), WIN_RATE, later, grain="quarter", start=APR, end=date(2026, 10, 1))
    assert [(f.kpi.version, f.value) for f in result.figures] == [("1.0", 0.5), ("2.0", 1.0)]
    assert [reading.is_break for reading in read(result).readings] == [False, True]
    double = kpi("double", kind="derived", expression="rate * 2", inputs={"rate": "win_rate"})
    span = {"grain": "quarter", "start": APR, "end": date(2026, 10, 1), "compare": "previous"}
    found = read(ask(MemoryWarehouse(opportunity=rows), double, WIN_RATE, later, names=("double", "win_rate"), **span))
    # a derived KPI breaks with what it is made of, and a change across versions is neither good nor bad
    assert [reading.is_break for reading in found.readings] == [False, True, False, True]
    assert [(r.change.version, r.change.is_favourable) for r in found.readings[-1:]] == [("1.0", None)]


def test_each_figure_has_the_one_before_and_the_one_of_last_year():
    warehouse = deals("2025-03-10", "2026-02-10", "2026-02-11", "2026-03-10")
    result = ask(warehouse, WON, grain="month", start=MAR, end=APR, compare="previous")
    [(key, earlier)] = result.earlier.items()
    assert (key, earlier.start, earlier.value) == (result.figures[0].key, FEB, 2)
    year = ask(warehouse, WON, grain="month", start=MAR, end=APR, compare="year")
    assert [(f.start, f.value) for f in year.earlier.values()] == [(date(2025, 3, 1), 1)]


def test_an_unfinished_period_is_compared_with_the_same_share_of_the_earlier_one_g_5():
    known_at = dt.datetime(2026, 3, 15, 11)  # half of March, less an hour or so
    rows = [deal(f"2026-02-{day:02}T12:00", id=str(day)) for day in (1, 13, 14, 15, 28)]
    warehouse = MemoryWarehouse(known_at=known_at, opportunity=rows)
    result = ask(warehouse, WON, grain="month", start=FEB, end=APR, compare="previous")
    earlier = result.earlier[result.figures[1].key]
    assert (earlier.start, earlier.end, earlier.value, earlier.partial) == (FEB, date(2026, 2, 14), 2, False)


def test_a_period_that_has_not_begun_is_compared_with_nothing():
    warehouse = MemoryWarehouse(known_at=dt.datetime(2026, 3, 15), opportunity=[deal("2026-03-01", id="a")])
    result = ask(warehouse, WON, grain="month", start=MAR, end=date(2026, 6, 1), compare="previous")
    assert [f.start for f in result.earlier.values()] == [FEB]


def test_a_whole_span_is_compared_with_the_span_before():
    warehouse = deals("2025-11-05", "2026-02-10", "2026-02-20")
    quarter = ask(warehouse, WON, start=JAN, end=APR, compare="previous").earlier
    assert [(f.start, f.end, f.value) for f in quarter.values()] == [(date(2025, 10, 1), JAN, 1)]
    ten_days = ask(warehouse, WON, start=date(2026, 2, 15), end=date(2026, 2, 25), compare="previous").earlier
    assert [(f.start, f.value) for f in ten_days.values()] == [(date(2026, 2, 5), 1)]


def test_week_53_has_no_counterpart_g_7():
    result = ask(deals("2026-12-30"), WON, grain="week", start=date(2026, 12, 28), end=date(2027, 1, 4), compare="year")
    assert result.earlier == {}


def test_a_balance_is_compared_at_the_same_share_too():
    rows = [{"moved_at": f"2026-02-{day:02}T12:00", "mrr_delta_base": 1} for day in (1, 13, 14, 15)]
    warehouse = MemoryWarehouse(known_at=dt.datetime(2026, 3, 15, 11), mrr_movement=rows)
    result = ask(warehouse, MRR, grain="month", start=MAR, end=APR, compare="previous")
    assert [f.value for f in result.earlier.values()] == [2]


# filters ---------------------------------------------------------------------------------------

SEGMENTS = [
    deal("2026-03-02", id="a", segment="Mid market", owner="Tom O'Neil"),
    deal("2026-03-02", id="b", segment="SMB", owner="Léa"),
    deal("2026-03-02", id="c", segment=None, owner="Léa", is_target=True),
]


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("segment=Mid market", 1),
        ("segment = 'Mid market'", 1),
        ('segment="Mid market"', 1),
        ("segment!=SMB", 1),
        ("segment in (SMB, Mid market)", 2),
        ("segment in ('SMB')", 1),
        ("segment not in (SMB)", 1),
        ("segment IS NULL", 1),
        ("owner=Tom O'Neil", 1),
        ("owner = 'Tom O''Neil'", 1),
        ("segment = 'SMB' OR owner = 'Léa'", 2),
        ("is_target = true", 1),
        ("is_won AND segment IS NOT NULL", 2),
        ("id=b", 1),
        ("segment=R&D (EU)", None),
    ],
)
def test_predicates_may_be_bare_words_or_sql(where, count):
    warehouse = MemoryWarehouse(opportunity=SEGMENTS)
    if count is None:
        with pytest.raises(QueryError):
            ask(warehouse, WON, start=MAR, end=APR, where=(where,))
    else:
        assert values(ask(warehouse, WON, start=MAR, end=APR, where=(where,))) == [count]


def test_all_predicates_hold_and_those_of_the_person_too():
    warehouse = MemoryWarehouse(opportunity=SEGMENTS)
    assert values(ask(warehouse, WON, start=MAR, end=APR, where=("owner=Léa", "segment=SMB"))) == [1]
    scoped = context(scope=("owner=Léa",))
    assert values(ask(warehouse, WON, start=MAR, end=APR, in_context=scoped)) == [2]
    assert values(ask(warehouse, WON, start=MAR, end=APR, where=("segment=Mid market",), in_context=scoped)) == [0]


def test_a_filter_that_a_table_does_not_have_is_never_ignored():
    activities = kpi("activities", numerator=measure("activity", time="occurred_on"))
    for query, ctx in (({"where": ("segment=SMB",)}, context()), ({}, context(scope=("segment=SMB",)))):
        with pytest.raises(QueryError, match="activities cannot be filtered by segment: its table activity"):
            ask(MemoryWarehouse(), WON, activities, start=MAR, end=APR, in_context=ctx, **query)


def test_a_misspelt_filter_says_what_was_meant():
    with pytest.raises(QueryError, match="won cannot be filtered by sgment") as caught:
        ask(MemoryWarehouse(), WON, start=MAR, end=APR, where=("sgment=SMB",))
    assert fill(caught.value.hint, caught.value.params) == "Did you mean segment?"


@pytest.mark.parametrize(
    "where",
    [
        "segment=SMB and owner=Léa",
        "1=1; DROP TABLE opportunity",
        "amount",
        "owner in (SELECT max(owner) FROM opportunity)",
    ],
)
def test_a_predicate_that_is_not_one_is_refused(where):
    with pytest.raises(QueryError):
        ask(MemoryWarehouse(opportunity=SEGMENTS), WON, start=MAR, end=APR, where=(where,))


# questions that make no sense ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ({"names": ("win_rte",)}, "No KPI is named win_rte.", "Did you mean win_rate?"),
        ({"names": ()}, None, ""),
        ({"by": ("segmnt",)}, "No dimension is named segmnt.", "Did you mean segment?"),
        ({"by": ("owner",)}, "win_rate cannot be broken down by owner.", "It can be broken down by: segment."),
        ({"grain": "day"}, "win_rate cannot be asked by day.", "Ask it by: month, quarter."),
        ({"start": APR, "end": MAR}, "The span from 2026-04-01 to 2026-03-01 holds no day.", "--to is the first day"),
    ],
)
def test_a_question_that_makes_no_sense_says_what_would(query, message, hint):
    asked = replace(WIN_RATE, dimensions=("segment",), grains=("month", "quarter"))
    if message is None:
        with pytest.raises(QueryError, match="No KPI was asked for"):
            answer(catalogue(asked), KpiQuery(()), MemoryWarehouse(), context())
        return
    with pytest.raises(QueryError) as caught:
        ask(MemoryWarehouse(), asked, **{"start": MAR, "end": APR, **query})
    assert str(caught.value) == message
    assert fill(caught.value.hint, caught.value.params).startswith(hint)


def test_too_many_periods_are_refused():
    with pytest.raises(QueryError, match="more than 4000 periods"):
        ask(MemoryWarehouse(), WON, grain="day", start=date(1900, 1, 1), end=APR)


# the past, and what travels with an answer -----------------------------------------------------


def landed(id_, created, closed=None, **more):
    is_closed = closed is not None
    return {
        "id": id_,
        "connection_id": "crm",
        "source_id": id_,
        "created_at": created,
        "closed_at": closed,
        "is_closed": is_closed,
        "is_won": is_closed or None,
        "valid_from": "2026-12-31",
        "is_inferred": False,
        **more,
    }


def test_as_of_a_past_day_the_answer_is_what_was_known_then_g_11():
    warehouse = MemoryWarehouse(
        opportunity=[deal("2026-03-02", id="a"), deal("2026-05-02", id="b")],
        landed_opportunity=[landed("a", "2026-01-02", "2026-03-02"), landed("b", "2026-01-02", "2026-05-02")],
    )
    asked = {"start": JAN, "end": JUL}
    assert values(ask(warehouse, WON, **asked)) == [2]
    then = ask(warehouse, WON, **asked, as_of=date(2026, 4, 30))
    assert (values(then), then.figures[0].partial) == ([1], True)
    assert then.as_of == dt.datetime(2026, 4, 30, 22, tzinfo=dt.UTC)
    later = ask(warehouse, WON, **asked, as_of=date(2027, 6, 1))
    assert (values(later), later.as_of) == ([2], dt.datetime(2026, 12, 31, 23, tzinfo=dt.UTC))


def test_an_answer_says_what_it_rests_on():
    found = (Issue("x", "warning", "x", entity="stage"), Issue("y", "warning", "y", entity="invoice"))
    asked = replace(WIN_RATE, sources=("stage", "field_history.new_value"))
    result = ask(MemoryWarehouse(issues=found), asked, start=MAR, end=APR)
    assert result.lineage == {"win_rate": ("field_history", "opportunity", "stage")}
    assert [issue.code for issue in result.issues] == ["x"]
    assert (result.currency, result.snapshot, len(result.sql)) == ("EUR", "memory", 1)


def test_an_answer_is_the_same_to_the_byte_g_11():
    rows = [deal("2026-03-02", id=str(n), segment=f"s{n % 7}", cycle_days=n / 7, acv_base=n) for n in range(500)]
    query = {"by": ("segment",), "grain": "month", "start": FEB, "end": APR}
    answers = {
        repr(ask(MemoryWarehouse(opportunity=order), WIN_RATE, CYCLE, ACV, **query).figures)
        for order in (rows, rows, rows[::-1])
    }
    assert len(answers) == 1


def test_the_first_day_takes_one_statement_per_table_however_many_kpis():
    result = ask(deals("2026-03-02"), WON, WIN_RATE, BOOKED)
    assert len(result.sql) == 2


def test_a_whole_span_may_be_compared_with_the_year_before():
    result = ask(deals("2025-02-05", "2026-02-10"), WON, start=JAN, end=APR, compare="year")
    assert [(f.start, f.value) for f in result.earlier.values()] == [(date(2025, 1, 1), 1)]


# several questions at once -----------------------------------------------------------------------


def test_questions_asked_together_get_the_answers_they_get_alone():
    rows = [
        deal("2026-01-10", id="a", segment="SMB", amount=10),
        deal("2026-02-10", id="b", segment="SMB", won=False),
        deal("2026-03-10", id="c", segment="Enterprise", amount=7),
    ]
    known = catalogue(WON, BOOKED, WIN_RATE)
    asked = [
        KpiQuery(("won", "booked"), grain="month", start=JAN, end=APR, compare="previous"),
        KpiQuery(("win_rate",), by=("segment",), grain="month", start=JAN, end=APR),
        KpiQuery(("won",), by=("segment",)),
        KpiQuery(("won",), where=("segment = SMB",), grain="quarter", start=JAN, end=APR),
        KpiQuery(("win_rate",), grain="month", start=JAN, end=APR, compare="year"),
    ]
    warehouse = MemoryWarehouse(opportunity=rows)
    alone = [answer(known, query, warehouse, context()) for query in asked]
    together = answers(known, asked, warehouse, context())
    assert [(r.figures, r.earlier) for r in alone] == [(r.figures, r.earlier) for r in together]


def test_questions_over_the_same_rows_and_periods_share_their_statements():
    warehouse = deals("2026-01-31T12:00", "2026-03-01")
    asked = [KpiQuery((name,), grain="month", start=JAN, end=APR) for name in ("won", "booked", "win_rate")]
    answers(catalogue(WON, BOOKED, WIN_RATE), asked, warehouse, context())
    assert len(warehouse.executed) == 1
