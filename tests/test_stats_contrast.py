"""Differences and differences of differences: published values, and the coverage that is promised."""

from __future__ import annotations

import numpy as np
import pytest

from cadran.stats.contrast import Estimate, contrast, series_mean
from cadran.stats.intervals import mean_interval, wilson_interval

SEED = 20261126


def rate(successes, trials):
    found = wilson_interval(int(successes), trials)
    return Estimate(successes / trials, found.low, found.high)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_a_difference_of_two_rates_is_newcombes(first, second, low, high):
    found = contrast([rate(*first), rate(*second)], [1, -1])
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_a_weight_of_minus_one_turns_an_interval_around():
    assert contrast([Estimate(2, 1, 5)], [-1]) == Estimate(-2, -5, -1)


@pytest.mark.parametrize("rates", [(0.25, 0.25, 0.25, 0.28), (0.04, 0.05, 0.03, 0.07), (0.9, 0.9, 0.85, 0.88)])
@pytest.mark.parametrize("trials", [(60, 80, 200, 150), (800, 900, 700, 650)])
def test_the_interval_of_a_difference_of_differences_holds_the_truth_19_times_in_20(rates, trials):
    print("seed", SEED)
    draw, truth, held = np.random.default_rng(SEED), rates[3] - rates[2] - rates[1] + rates[0], 0
    for _ in range(4000):
        cells = [rate(draw.binomial(n, p), n) for n, p in zip(trials, rates, strict=True)]
        held += contrast(cells, [1, -1, -1, 1]).holds(truth)
    assert 0.93 <= held / 4000 <= 0.975


def test_means_of_skewed_amounts_hold_the_truth_about_as_often():
    print("seed", SEED)
    draw, held = np.random.default_rng(SEED), 0
    for _ in range(2000):
        cells = []
        for mean, n in ((8.0, 120), (6.0, 90)):
            values = draw.gamma(2, mean / 2, n)
            found = mean_interval(n, values.sum(), (values**2).sum())
            cells.append(Estimate(values.mean(), found.low, found.high))
        held += contrast(cells, [1, -1]).holds(2.0)
    assert 0.93 <= held / 2000 <= 0.97


@pytest.mark.parametrize("likeness", [0.0, 0.3, 0.6])
def test_weeks_that_resemble_their_neighbours_count_as_fewer(likeness):
    print("seed", SEED)
    draw, held = np.random.default_rng(SEED), 0
    for _ in range(2000):
        noise = [0.0]
        for _week in range(26):
            noise.append(likeness * noise[-1] + draw.normal())
        held += contrast([series_mean(noise[14:]), series_mean(noise[1:14])], [1, -1]).holds(0)
    assert 0.94 <= held / 2000 <= 0.99


def test_weeks_that_alternate_are_taken_as_independent_ones():
    values = [1.0, 3.0] * 6
    found = mean_interval(12, sum(values), sum(v * v for v in values))
    mean = series_mean(values)
    assert (mean.low, mean.high) == (pytest.approx(found.low), pytest.approx(found.high))


def test_a_short_series_has_no_interval_and_a_flat_one_no_width():
    assert series_mean([1.0, 2.0, 3.0]) is None
    assert series_mean([2.0] * 5) == Estimate(2.0, 2.0, 2.0)
