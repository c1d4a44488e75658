"""Segments borrow from each other as far as their own cases do not tell, with intervals that hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadran.stats.intervals import Interval
from cadran.stats.pooling import Pooled, more_to_tell, pool_counts, pool_rates

CASES = st.lists(st.integers(0, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=9)


@given(CASES)
@settings(max_examples=30, deadline=None)
def test_rates_lie_in_their_intervals_and_do_not_depend_on_the_order(cases):
    k, n = (np.array(column) for column in zip(*cases, strict=True))
    found = pool_rates(k, n)
    assert all(0 <= each.interval.low < each.value < each.interval.high <= 1 for each in found)
    assert all(0 <= each.weight < 1 for each in found)
    back = pool_rates(k[::-1], n[::-1])[::-1]
    assert [each.value for each in back] == pytest.approx([each.value for each in found])


def test_a_small_segment_is_drawn_to_the_others_and_a_large_one_is_not():
    k, n = np.array([0, 300, 25, 28, 24, 22]), np.array([3, 1000, 100, 100, 100, 100])
    small, large, *_ = pool_rates(k, n)
    assert small.value > 0.15
    assert small.weight < 0.2
    assert large.value == pytest.approx(0.3, abs=0.01)
    assert large.weight > 0.7
    assert small.interval.high - small.interval.low > large.interval.high - large.interval.low


def test_a_segment_without_cases_is_believed_to_be_like_the_others():
    *_, empty = pool_rates(np.array([20, 30, 25, 0]), np.array([100, 100, 100, 0]))
    assert empty.weight == 0
    assert empty.value == pytest.approx(0.25, abs=0.03)


def test_a_lower_level_gives_a_shorter_interval():
    k, n = np.array([3, 9, 20]), np.array([10, 40, 80])
    wide, narrow = pool_rates(k, n, level=0.95)[0].interval, pool_rates(k, n, level=0.8)[0].interval
    assert wide.low < narrow.low < narrow.high < wide.high


def test_counts_are_pooled_per_unit_of_exposure():
    found = pool_counts(np.array([0, 400, 41, 38]), np.array([1.0, 100.0, 10.0, 10.0]))
    assert 1.5 < found[0].value < 4
    assert found[1].value == pytest.approx(4.0, abs=0.1)
    assert all(each.interval.holds(each.value) for each in found)


def test_intervals_hold_the_truth_as_often_as_they_say():
    held = []
    for world in range(40):
        rng = np.random.default_rng(world)
        n = np.maximum(2, rng.lognormal(3, 1, 20).astype(int))
        truth = rng.beta(6, 18, 20)
        found = pool_rates(rng.binomial(n, truth), n, level=0.8)
        held += [each.interval.holds(value) for each, value in zip(found, truth, strict=True)]
    assert np.mean(held) == pytest.approx(0.8, abs=0.04)


def test_how_many_more_cases_would_tell():
    pooled = Pooled(0.25, Interval(0.15, 0.37), 0.8, 60.0)
    more = more_to_tell(pooled, 0.3)
    assert more == pytest.approx(1.96**2 * 0.25 * 0.75 / 0.05**2 - 60, abs=1)
    assert more_to_tell(pooled, 0.6) == 0
    assert more_to_tell(pooled, 0.25) is None


def test_no_segment_gives_no_belief():
    assert pool_rates(np.array([]), np.array([])) == []
    assert pool_counts(np.array([]), np.array([])) == []


def test_impossible_numbers_are_refused():
    with pytest.raises(ValueError, match="between 0 and trials"):
        pool_rates(np.array([3]), np.array([2]))
    with pytest.raises(ValueError, match="exposure above 0"):
        pool_counts(np.array([3]), np.array([0]))
