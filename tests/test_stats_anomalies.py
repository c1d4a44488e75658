"""Weekly series: what changed is found, what did not is left alone (T-84 to T-87)."""

import numpy as np
import pytest

from cadran.stats.anomalies import FEWEST, benjamini_hochberg, expected_total, pooled_p, replays, scan
from cadran.stats.evidence import LOOK, Watch
from cadran.stats.weekly import Weekly

WEEKS = 112


def counts(mean, rng, calendar=None):
    values = rng.poisson(mean).astype(float)
    return Weekly(
        "count",
        values,
        None,
        np.ones(values.shape, dtype=bool),
        np.zeros((values.shape[1], 0)) if calendar is None else calendar,
    )


def raised(*groups, week=WEEKS - 1):
    return [[change for change in group if change.is_raised] for group in scan(groups, week)]


def test_a_fall_is_found_with_its_onset_and_what_was_expected():
    rng = np.random.default_rng(1)
    mean = np.full((30, WEEKS), 40.0)
    mean[3, -3:] *= 0.4
    (found,) = raised(counts(mean, rng))
    assert [change.series for change in found] == [3]
    change = found[0]
    assert change.shape == "level_shift"
    assert change.since == WEEKS - 3
    assert change.expected == pytest.approx(120, rel=0.1)
    assert change.value < change.low < change.expected < change.high
    assert change.factor == pytest.approx(0.4, abs=0.1)


def test_a_spike_a_silence_and_a_drift_are_told_apart():
    rng = np.random.default_rng(2)
    mean = np.full((40, WEEKS), 60.0)
    mean[0, -1] *= 3
    mean[1, -4:] = 0
    mean[2, -8:] *= np.linspace(0.95, 0.25, 8)
    (found,) = raised(counts(mean, rng))
    shapes = {change.series: change.shape for change in found if change.series < 3}
    assert shapes == {0: "spike", 1: "silence", 2: "drift"}
    assert len(found) <= 4


@pytest.mark.slow
def test_nothing_is_raised_more_often_than_declared_when_nothing_changes():
    fired = []
    for world in range(12):
        rng = np.random.default_rng(world)
        mean = rng.uniform(4, 60, (45, 1)) * np.ones((45, 100))
        cases = rng.poisson(rng.uniform(10, 60, (45, 1)) * np.ones((45, 100))).astype(float)
        hits = rng.binomial(cases.astype(int), 0.3).astype(float)
        rates = Weekly("rate", hits, cases, np.ones(hits.shape, dtype=bool), np.zeros((100, 0)))
        fired.append(any(raised(counts(mean, rng), rates, week=99)[at] for at in (0, 1)))
    assert np.mean(fired) <= 0.25  # one in ten is declared: three of twelve is the 97th percentile


@pytest.mark.parametrize(("cases", "is_found"), [(12, False), (1200, True)])
def test_a_drop_of_six_points_alerts_only_where_there_are_cases_to_tell(cases, is_found):
    n = np.full((6, WEEKS), float(cases))
    rng = np.random.default_rng(4)
    hits = rng.binomial(n.astype(int), 0.3).astype(float)
    hits[0, -1] = round(0.24 * cases)
    (found,) = raised(Weekly("rate", hits, n, np.ones(n.shape, dtype=bool), np.zeros((WEEKS, 0))))
    assert bool(found) is is_found


def test_a_week_that_is_not_known_is_not_judged():
    series = counts(np.full((5, WEEKS), 30.0), np.random.default_rng(5))
    series.values[:, -1] = 0
    series.known[:, -1] = False
    assert scan([series], WEEKS - 1) == [[]]


def test_a_week_of_public_holidays_is_no_anomaly_when_the_calendar_says_so():
    rng = np.random.default_rng(6)
    free = np.zeros((WEEKS, 1))
    free[[20, 33, 72, 85, WEEKS - 1], 0] = 0.4
    mean = np.full((20, WEEKS), 50.0) * np.exp(-1.3 * free[:, 0])
    with_calendar = counts(mean, rng, free)
    without = Weekly("count", with_calendar.values, None, with_calendar.known, np.zeros((WEEKS, 0)))
    assert raised(with_calendar) == [[]]
    assert raised(without) != [[]]


def test_an_august_that_comes_every_year_is_no_anomaly():
    rng = np.random.default_rng(7)
    mean = np.full((20, 140), 50.0)
    for year in (0, 52, 104):
        mean[:, year + 31 : year + 35] *= 0.45
    assert raised(counts(mean, rng), week=136) == [[]]
    mean[4, 135:137] *= 0.2
    assert [change.series for change in raised(counts(mean, rng), week=136)[0]] == [4]


def test_the_future_changes_nothing():
    rng = np.random.default_rng(8)
    series = counts(np.full((10, WEEKS), 20.0), rng)
    later = Weekly("count", series.values.copy(), None, series.known, series.calendar)
    later.values[:, 90:] *= 9
    assert scan([series], 89) == scan([later], 89)


def test_the_order_of_the_series_changes_nothing():
    rng = np.random.default_rng(9)
    series = counts(np.full((10, WEEKS), 20.0), rng)
    back = Weekly("count", series.values[::-1], None, series.known[::-1], series.calendar)
    there, again = scan([series], WEEKS - 1)[0], scan([back], WEEKS - 1)[0][::-1]
    assert [change.p for change in there] == pytest.approx([change.p for change in again])


def test_a_sum_is_found_by_its_deals_or_by_their_size():
    rng = np.random.default_rng(10)
    deals = rng.poisson(20, (20, WEEKS)).astype(float)
    deals[0, -4:] = 5
    sizes = np.full((20, WEEKS), 1000.0)
    sizes[1, -4:] = 250
    values = np.array(
        [
            [rng.lognormal(0, 0.4, int(n)).sum() * size for n, size in zip(*row, strict=True)]
            for row in zip(deals, sizes, strict=True)
        ]
    )
    found = raised(Weekly("sum", values, deals, np.ones(values.shape, dtype=bool), np.zeros((WEEKS, 0))))[0]
    assert [change.series for change in found] == [0, 1]
    assert found[1].expected == pytest.approx(4 * 20 * 1000 * np.exp(0.08), rel=0.2)


def test_a_series_of_which_too_little_is_expected_is_not_judged():
    series = counts(np.full((4, WEEKS), 0.05), np.random.default_rng(11))
    assert scan([series], WEEKS - 1) == [[]]
    with pytest.raises(ValueError, match="too few weeks"):
        scan([series], FEWEST - 1)


def test_p_values_are_shares_of_usual_weeks_and_finds_follow_the_step_up_rule():
    assert pooled_p(np.array([5.0, 0.0]), np.array([[1.0, 2.0, 3.0]])).tolist() == [0.25, 1.0]
    assert benjamini_hochberg(np.array([0.04, 0.9, 0.01, 0.02]), 0.05).tolist() == [False, False, True, True]
    assert benjamini_hochberg(np.array([]), 0.1).tolist() == []
    assert max(replays(100, 10)) + LOOK <= 100


def test_the_expected_range_holds_what_comes():
    rng = np.random.default_rng(12)
    series = counts(rng.uniform(3, 40, (200, 1)) * np.ones((200, WEEKS)), rng)
    outlook = Watch(series, 100).outlook(100, 8)
    places = [(at, np.array([week])) for at in range(200) for week in range(100, 108)]
    told = [expected_total(series, outlook, at, weeks, 100, level=0.8) for at, weeks in places]
    assert np.mean([low <= value <= high for value, _, low, high in told]) == pytest.approx(0.8, abs=0.04)


def test_nothing_at_all_may_be_within_the_range_of_few_cases():
    """No range on a scale that keeps it above 0 could say so."""
    rng = np.random.default_rng(12)
    series = counts(np.full((30, WEEKS), 0.6), rng)
    outlook = Watch(series, 100).outlook(100, 8)
    assert all(expected_total(series, outlook, at, np.array([107]), 100)[2] == 0 for at in range(30))
