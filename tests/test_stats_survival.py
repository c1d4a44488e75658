from __future__ import annotations

import lifelines
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifelines.utils import median_survival_times

from cadran.stats.survival import median_duration, share_ended_by


def test_the_median_counts_cases_that_are_not_over():
    """T-13: never answered is censored, not left out."""
    naive = median_duration([1, 2, 3], [1, 1, 1], [0, 0, 0])
    honest = median_duration([1, 2, 3, 9], [1, 1, 1, 0], [0, 0, 0, 1])
    assert naive.value == 2
    assert honest.value == 2
    assert median_duration([1, 2, 3, 9], [1, 1, 1, 0], [0, 0, 0, 3]).value == 3


def test_the_median_may_not_be_reached():
    """T-13, T-57."""
    found = median_duration([1, 5], [1, 0], [0, 9])
    assert found.value is None
    assert (found.n, found.n_ended) == (10, 1)
    assert median_duration([4], [0], [7]).value is None
    assert median_duration([], [], []) is None


cases = st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=2, max_size=60)


@given(cases)
@pytest.mark.filterwarnings("ignore")
def test_it_agrees_with_an_independent_implementation(found):
    times = sorted({t for t, _ in found})
    ended = [sum(1 for t, e in found if t == at and e) for at in times]
    censored = [sum(1 for t, e in found if t == at and not e) for at in times]
    curve = lifelines.KaplanMeierFitter().fit([t for t, _ in found], [e for _, e in found])
    median = float(curve.median_survival_time_)
    mine = median_duration(times, ended, censored)
    # where the curve rests on one half, lifelines takes the next step down; the definition takes
    # the first time at which at most half are left
    if not any(round(p, 9) == 0.5 for p in curve.survival_function_.iloc[:, 0]):
        assert mine.value == (None if median == float("inf") else median)
    if sum(ended):
        low = float(median_survival_times(curve.confidence_interval_).iloc[0, 0])
        assert mine.low is None or mine.low == low


def test_the_share_within_a_time_follows_the_curve():
    assert share_ended_by([1, 2, 3, 4], [1, 1, 0, 0], [0, 0, 1, 1], at=2) == 0.5
    assert share_ended_by([1, 2], [1, 0], [0, 1], at=5) is None
