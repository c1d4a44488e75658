from __future__ import annotations

import lifelines
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadran.stats.incidence import cumulative_incidence


def grouped(cases):
    times = sorted({t for t, _ in cases})
    count = lambda kind: [sum(1 for t, k in cases if t == at and k == kind) for at in times]  # noqa: E731
    return times, count(1), count(2), count(0)


def test_without_open_cases_it_is_the_share_that_won():
    curve = cumulative_incidence(*grouped([(1, 1), (2, 2), (3, 1), (4, 2)]))
    assert curve.at(4)[0] == pytest.approx(0.5)
    assert curve.at(0.5) == (0.0, 0.0)
    assert curve.at(5) is None


def test_counting_lost_deals_as_unseen_would_overstate_the_wins():
    """T-03: 3 won and 7 lost of 100, 90 still young."""
    cases = [(10, 1)] * 3 + [(12, 2)] * 7 + [(15, 0)] * 90
    curve = cumulative_incidence(*grouped(cases))
    assert curve.at(15)[0] == pytest.approx(0.03)
    assert curve.interval(15).low < 0.03 < curve.interval(15).high


cases = st.lists(
    st.tuples(st.integers(1, 400).map(float), st.sampled_from([0, 1, 2])),
    min_size=5,
    max_size=60,
    unique_by=lambda c: c[0],
)


@settings(max_examples=60, deadline=None)
@given(cases)
@pytest.mark.filterwarnings("ignore")
def test_it_agrees_with_an_independent_implementation(found):
    if not any(kind == 1 for _, kind in found):
        return
    fitted = lifelines.AalenJohansenFitter(calculate_variance=True, jitter_level=0).fit(
        [t for t, _ in found], [k for _, k in found], event_of_interest=1
    )
    curve = cumulative_incidence(*grouped(found))
    theirs = fitted.cumulative_density_.iloc[1:, 0].to_numpy()
    assert np.allclose(curve.shares, theirs)
    variance = np.asarray(fitted.variance_).ravel()[1:]
    known = np.isfinite(variance)
    assert np.allclose(np.square(curve.errors)[known], variance[known], atol=1e-9)


@given(cases)
def test_won_and_lost_never_add_up_to_more_than_all(found):
    times, won, lost, open_ = grouped(found)
    both = np.add(
        cumulative_incidence(times, won, lost, open_).shares, cumulative_incidence(times, lost, won, open_).shares
    )
    assert (both <= 1 + 1e-9).all()
