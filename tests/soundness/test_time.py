"""Periods tile time whatever the calendar, and a question survives its parameters."""

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadran.engine.query import KpiQuery, from_params, to_params
from cadran.period import GRAINS, Calendar, Period, Trailing

DAYS = st.dates(date(1990, 1, 1), date(2060, 1, 1))
SCHEMES = ("months", "4-4-5", "4-5-4", "5-4-4")
CALENDARS = st.builds(
    Calendar,
    week_start=st.sampled_from(["monday", "sunday"]),
    fiscal_start=st.integers(1, 12),
    scheme=st.sampled_from(SCHEMES),
    year_label=st.sampled_from(["start", "end"]),
)
RETAIL = CALENDARS.filter(lambda each: each.scheme != "months")
WINDOWS = st.builds(Trailing, st.integers(1, 60), st.sampled_from(["m", "w", "d"]))
WORDS = st.text(min_size=1, max_size=12)
QUERIES = st.builds(
    KpiQuery,
    kpis=st.lists(WORDS, max_size=3).map(tuple),
    by=st.lists(WORDS, max_size=3).map(tuple),
    grain=st.none() | st.sampled_from(GRAINS),
    start=st.none() | DAYS,
    end=st.none() | DAYS,
    where=st.lists(WORDS, max_size=3).map(tuple),
    as_of=st.none() | DAYS,
    compare=st.sampled_from(["none", "previous", "year"]),
    trailing=st.none() | WINDOWS,
)


@given(CALENDARS, st.sampled_from(GRAINS), DAYS, st.integers(1, 900))
def test_periods_tile_a_range_without_gap_or_overlap(calendar, grain, start, days):
    end = start + timedelta(days=days)
    found = calendar.periods(grain, start, end)
    assert found[0].contains(start)
    assert found[-1].contains(end - timedelta(days=1))
    assert all(before.end == after.start for before, after in itertools.pairwise(found))
    assert all(
        calendar.containing(day, grain) == each for each in found for day in (each.start, each.end - timedelta(1))
    )


@given(CALENDARS, DAYS)
def test_each_grain_is_made_of_whole_periods_of_the_one_below(calendar, day):
    for small, large in (("day", "week"), ("month", "quarter"), ("quarter", "year")):
        whole = calendar.containing(day, large)
        parts = calendar.periods(small, whole.start, whole.end)
        assert (parts[0].start, parts[-1].end) == (whole.start, whole.end)


@given(RETAIL, DAYS)
def test_a_retail_year_has_52_or_53_weeks_and_the_last_one_is_in_its_last_month_g_7(calendar, day):
    year = calendar.containing(day, "year")
    months = calendar.periods("month", year.start, year.end)
    pattern = [int(n) for n in calendar.scheme.split("-")] * 4
    assert year.days in (364, 371)
    assert year.start == calendar.containing(year.start, "week").start
    pattern[-1] += (year.days - 364) // 7
    assert [month.days // 7 for month in months] == pattern


@given(CALENDARS, DAYS)
def test_fiscal_years_are_named_one_after_the_other_g_7(calendar, day):
    year = calendar.containing(day, "year")
    assert calendar.fiscal_year(year.start) == calendar.fiscal_year(year.end - timedelta(days=1))
    assert calendar.fiscal_year(year.end) == calendar.fiscal_year(day) + 1


@given(CALENDARS, st.sampled_from(GRAINS), DAYS)
def test_the_year_before_is_a_period_of_the_same_grain_about_a_year_earlier_or_none(calendar, grain, day):
    period = calendar.containing(day, grain)
    before = calendar.year_before(period, grain)
    if before is not None:
        assert calendar.containing(before.start, grain) == before
        assert 357 <= (period.start - before.start).days <= 372


@given(RETAIL, DAYS)
def test_weeks_and_longer_periods_of_retail_years_compare_like_with_like_or_with_nothing_g_7(calendar, day):
    for grain in ("week", "month", "quarter", "year"):
        period = calendar.containing(day, grain)
        before = calendar.year_before(period, grain)
        assert before is None or before.days == period.days


@given(CALENDARS, DAYS)
def test_every_week_compares_with_one_of_its_own_number_and_each_with_one_only(calendar, day):
    weeks = calendar.periods("week", day, day + timedelta(days=800))
    earlier = [calendar.year_before(week, "week") for week in weeks]
    for week, before in zip(weeks, earlier, strict=True):
        if before is not None:
            assert calendar.week_number(before.start)[1] == calendar.week_number(week.start)[1]
    met = [before for before in earlier if before]
    assert len(met) == len(set(met))


@given(WINDOWS, DAYS)
def test_a_window_ends_with_its_period_and_steps_with_it(trailing, end):
    window = Calendar().window(end, trailing)
    assert window.end == end
    assert window.start < Calendar().first_unit(window, trailing).end <= window.end
    assert window.days >= trailing.n


@given(QUERIES)
def test_a_question_goes_to_parameters_and_back(query):
    assert from_params(to_params(query)) == query


@pytest.mark.parametrize(
    ("calendar", "day", "before"),
    [
        (Calendar(), date(2024, 2, 29), None),
        (Calendar(), date(2025, 2, 28), Period(date(2024, 2, 28), date(2024, 2, 29))),
    ],
)
def test_a_day_that_the_year_before_does_not_have_has_no_counterpart(calendar, day, before):
    assert calendar.year_before(calendar.containing(day, "day"), "day") == before
