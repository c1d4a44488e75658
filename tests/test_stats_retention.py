"""How long customers stay, against published data, and with honest bounds when they are few."""

import numpy as np
import pytest

from cadran.stats.retention import FEWEST, fit_retention

#: Fader and Hardie (2007): customers left of a thousand after 0, 1, … years.
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]


def beliefs(kept, **given):
    alive = np.zeros(len(kept))
    alive[-1] = kept[-1]
    return fit_retention(-np.diff(np.array(kept, dtype=float)), alive, **given)


def test_it_finds_the_published_parameters():
    """Fader and Hardie's maximum likelihood for high-end customers: alpha 0.668, beta 3.806."""
    belief = beliefs(HIGH_END, is_weak=False)
    best = int(np.argmax(belief.weight))
    assert belief.alpha[best] == pytest.approx(0.668, rel=0.1)
    assert belief.beta[best] == pytest.approx(3.806, rel=0.1)


def test_it_tells_five_years_ahead_what_a_constant_churn_does_not():
    belief = beliefs(HIGH_END)
    assert belief.survival(12)[12] == pytest.approx(0.394, abs=0.03)
    assert belief.survival(3)[0] == 1


def test_few_customers_give_bounds_and_no_point():
    found = fit_retention([1.0], [0, 0, FEWEST - 2.0]).lifetime(60)
    assert found.value is None
    assert found.n == FEWEST - 1
    assert found.interval.low < 30 < found.interval.high < 60


def test_nobody_who_left_is_no_endless_lifetime():
    """T-49: zero churn among fifty customers."""
    found = fit_retention([0.0], [0, 50.0]).lifetime(60)
    assert found.value < 60
    assert found.interval.low > 5


def test_more_customers_narrow_the_bounds():
    wide, narrow = (fit_retention([3.0 * k, 2.0 * k], [0, 0, 45.0 * k]).lifetime(36).interval for k in (1, 40))
    assert narrow.high - narrow.low < 0.65 * (wide.high - wide.low)


def test_later_months_count_less_when_they_are_discounted():
    belief = fit_retention([2.0], [0, 60.0])
    assert belief.lifetime(60, discount=0.1).value < belief.lifetime(60).value
    assert belief.lifetime(1).value == pytest.approx(1)


def test_no_customer_teaches_nothing():
    assert fit_retention([0.0], [0.0]) is None
