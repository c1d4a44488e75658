from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from cadran.stats.intervals import cases_to_tell, exact_interval, mean_interval, ratio_interval, wilson_interval


@pytest.mark.parametrize(
    ("won", "n", "low", "high"),
    [
        (3, 10, 0.1078, 0.6032),
        (0, 5, 0, 0.4345),
        (5, 5, 0.5655, 1),
        (20, 80, 0.1681, 0.3548),
        (25, 100, 0.1755, 0.3430),
    ],
)
def test_it_gives_the_published_wilson_bounds(won, n, low, high):
    """G-2."""
    found = wilson_interval(won, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_a_rate_of_nothing_has_no_interval():
    """G-1."""
    assert wilson_interval(0, 0) is None
    assert wilson_interval(5, 3) is None


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_rate_and_stays_a_share(case):
    won, n = case
    found = wilson_interval(won, n)
    assert 0 <= found.low <= won / n <= found.high <= 1


@given(st.integers(1, 60), st.floats(0.02, 0.98), st.sampled_from([0.9, 0.95, 0.995]))
def test_the_exact_interval_covers_at_least_what_it_says(n, rate, level):
    """Over every outcome that chance can give, weighted by its probability."""
    chance = binom.pmf(range(n + 1), n, rate)
    covered = sum(p for won, p in enumerate(chance) if exact_interval(won, n, level=level).holds(rate))
    assert covered >= level - 1e-9


def test_it_gives_the_published_exact_bounds():
    """Clopper and Pearson: 3 of 10 and none of 10 at 95 %."""
    found = [exact_interval(won, 10) for won in (3, 0, 10)]
    assert [(round(each.low, 4), round(each.high, 4)) for each in found] == [
        (0.0667, 0.6525), (0.0, 0.3085), (0.6915, 1.0),
    ]  # fmt: skip
    assert exact_interval(0, 0) is None


def test_the_mean_interval_is_student_s():
    # 10 values 1..10: mean 5.5, s = 3.0277, t(9) = 2.2622: half-width 2.1659
    found = mean_interval(10, 55, 385)
    assert (round(found.low, 4), round(found.high, 4)) == (3.3341, 7.6659)
    assert mean_interval(1, 5, 25) is None


def test_a_ratio_of_equal_parts_is_certain_and_a_mean_is_a_ratio_over_ones():
    assert ratio_interval(5, 10, 10, 30, 30, 30).low == pytest.approx(1)
    mean, ratio = mean_interval(10, 55, 385), ratio_interval(10, 55, 10, 385, 10, 55)
    assert ratio.low == pytest.approx(mean.low)
    assert ratio.high == pytest.approx(mean.high)
    assert ratio_interval(5, 10, 0, 30, 0, 0) is None


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.05, 0.95))
def test_the_cases_to_tell_are_just_enough(case, target):
    won, n = case
    needed = cases_to_tell(won / n, target)
    if needed is None or needed > 10**6:
        return
    assert not wilson_interval(won, n).holds(target) or needed >= n


def test_no_number_of_cases_tells_equal_rates_apart():
    assert cases_to_tell(0.25, 0.25) is None
