"""Forecasts combined, bands from past errors, sums that hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadran.stats.forecast import Gamma, Normal, accuracy_of, land, least_relative, reconciled, weights_of, width_of

AMOUNTS = st.floats(0, 1e6)


def test_accuracy_is_relative_to_what_came_true_and_keeps_its_sign():
    """T-79, T-83."""
    assert accuracy_of([120], [100]).accuracy == pytest.approx(0.8)
    assert accuracy_of([300], [100]).accuracy == pytest.approx(-1.0)
    assert accuracy_of([80], [100]).bias == pytest.approx(-0.2)


def test_a_period_without_sales_is_in_the_weighted_error_and_not_in_the_mean():
    """T-80."""
    found = accuracy_of([50, 100], [0, 100], [0, 50])
    assert (found.accuracy, found.wape, found.added) == (1.0, 0.5, 0.0)
    nothing = accuracy_of([50], [0])
    assert (nothing.accuracy, nothing.wape, nothing.bias, nothing.added) == (None, None, None, None)


def test_errors_that_offset_each_other_show_at_the_lower_level():
    """T-81."""
    assert accuracy_of([200], [200]).accuracy == 1
    assert accuracy_of([50, 150], [100, 100]).wape == pytest.approx(0.5)


def test_the_method_that_was_right_gets_more_weight_than_before_and_never_all():
    actual = np.array([100.0, 120, 90, 110])
    past = np.column_stack([actual + 1, actual + 40, actual - 60])
    found = weights_of(past, actual, (0.4, 0.4, 0.2))
    assert found[0] > 0.4
    assert (found > 0).all()
    assert found.sum() == pytest.approx(1)


def test_a_method_without_prior_is_left_out_even_where_it_has_no_past():
    past = np.array([[100.0, np.nan]])
    assert weights_of(past, np.array([90.0]), (1.0, 0.0)).tolist() == [1.0, 0.0]
    assert weights_of(np.zeros((0, 2)), np.zeros(0), (0.7, 0.3)).tolist() == pytest.approx([0.7, 0.3])


@pytest.mark.parametrize("n", [9, 14, 39])
def test_a_band_from_past_errors_holds_the_next_one_as_often_as_it_says(n):
    rng = np.random.default_rng(20260)
    errors = rng.standard_t(4, (20_000, n + 1)) * 1.3
    inside = [abs(row[-1]) <= width_of(row[:-1], 0.8) for row in errors[:4000]]
    assert 0.78 <= np.mean(inside) <= 0.82


def test_a_landing_does_not_fall_under_what_is_booked():
    found = land(Normal(100, 80), [0.5, -2.0, 3.0], floor=70)
    assert found.band.low == 70
    assert found.band.high > 100
    assert not found.is_checked


def test_the_chance_of_a_target_falls_as_it_rises_and_is_never_sure():
    found = land(Normal(100, 10), np.linspace(-2, 2, 11).tolist())
    chances = [found.chance(target) for target in (60, 90, 100, 110, 140)]
    assert chances == sorted(chances, reverse=True)
    assert 0 < chances[-1] < chances[0] < 1
    assert land(Normal(100, 0), []).chance(90) == 1
    assert land(Gamma(100, 0), []).chance(110) == 0


@pytest.mark.parametrize("cv", [0.1, 0.4, 0.8])
def test_a_gamma_band_holds_amounts_that_deals_add_up_to_and_reaches_further_up_than_down(cv):
    rng = np.random.default_rng(20260)
    drawn = rng.gamma(cv**-2, 100 * cv**2, 20_000)
    law = Gamma(100.0, 100 * cv)
    inside = [abs(law.score(amount)) <= 1.2816 for amount in drawn]
    assert 0.78 <= np.mean(inside) <= 0.82
    assert [law.amount(law.score(amount)) for amount in (20.0, 100.0, 300.0)] == pytest.approx([20, 100, 300])
    band = land(law, []).band
    assert 0 <= band.low < 100 < band.high
    assert band.high - 100 > 100 - band.low
    assert Gamma(0.0, 10.0).amount(Gamma(0.0, 10.0).score(7.0)) == pytest.approx(7)


@pytest.mark.parametrize("done", [0.0, 60.0])
def test_what_is_told_errs_as_much_above_as_below_in_shares_of_what_comes_true(done):
    rng = np.random.default_rng(20260)
    mean, spread = 100 - done, 35.0
    width = np.sqrt(np.log1p(spread**2 / 100**2))
    actual = rng.lognormal(np.log(100) - width**2 / 2, width, 200_000)
    told = done + least_relative(mean, spread, done)
    assert np.mean((told - actual) / actual) == pytest.approx(0, abs=0.005)
    # and it is right more often, as forecasts are judged, than the mean
    right, usual = (np.mean(1 - np.abs(each - actual) / actual) for each in (told, 100.0))
    assert right > usual + 0.01


def test_what_is_told_is_the_mean_where_it_is_sure_and_never_under_nothing():
    assert least_relative(100, 0) == 100
    assert least_relative(0, 10, 50) == 0
    assert least_relative(1, 40, 50) == 0
    assert least_relative(-5, 10) == -5


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=12), AMOUNTS)
def test_reconciled_parts_sum_to_the_total_and_stay_positive(parts, total):
    value, variance = (np.array(column) for column in zip(*parts, strict=True))
    found = reconciled(total, value, variance)
    assert found.sum() == pytest.approx(total, abs=1e-6 * max(total, 1))
    assert (found >= 0).all()


def test_the_part_that_is_least_sure_moves_most():
    found = reconciled(110, np.array([50.0, 50.0]), np.array([1.0, 9.0]))
    assert found.tolist() == pytest.approx([51, 59])
