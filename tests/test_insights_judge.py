from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest

from cadran.catalogue.definition import Benchmark, Kpi, Target
from cadran.engine.result import Durations, Figure, KpiResult, Moments, Outcomes
from cadran.errors import fill
from cadran.insights.expected import conversion_of, points
from cadran.insights.judge import read
from cadran.period import Period

NAMES = {"fr": "Taux", "en": "Rate"}


def kpi(**changes):
    given = {
        "id": "win_rate",
        "names": NAMES,
        "kind": "ratio",
        "unit": "rate",
        "direction": "up",
        "basis": "period",
        "interval": "wilson",
    }
    return Kpi(**(given | changes))


def figure(definition, won=None, n=0, **changes):
    given = {
        "kpi": definition, "start": date(2026, 1, 1), "end": date(2026, 4, 1), "segment": {},
        "value": won / n if won is not None and n else None, "numerator": won, "denominator": n or None, "n": n, "status": "ok",
    }  # fmt: skip
    return Figure(**(given | changes))


def reading(found, earlier=None):
    result = KpiResult((found,), "EUR", datetime(2026, 5, 1), "s1", earlier={found.key: earlier} if earlier else {})
    return read(result).readings[0]


def target(value, **more):
    return Target(Decimal(value), **more)


def test_a_target_inside_the_interval_cannot_be_told():
    """G-4: 20 of 80 is 25 %, target 30 %, upper edge 35.5 %."""
    found = reading(figure(kpi(targets=(target("0.30"),)), 20, 80))
    assert found.verdict == "cannot_tell"
    assert (round(found.low, 4), round(found.high, 4)) == (0.1681, 0.3548)
    assert found.n_needed > 80


@pytest.mark.parametrize(("won", "verdict"), [(500, "on_track"), (100, "off_track")])
def test_a_clear_distance_is_told(won, verdict):
    assert reading(figure(kpi(targets=(target("0.30"),)), won, 1000)).verdict == verdict


def test_too_few_cases_show_the_value_without_a_verdict():
    """G-3."""
    found = reading(figure(kpi(min_n=30, targets=(target("0.9"),)), 1, 12))
    assert (found.status, found.verdict) == ("too_few", "cannot_tell")
    assert found.value == pytest.approx(1 / 12)
    assert found.reason_params == {"n": 12, "needed": 30}


def test_no_case_is_undefined_with_its_reason():
    """G-1."""
    found = reading(figure(kpi(), None, 0, status="undefined", reason="No case."))
    assert (found.value, found.low, found.status, found.reason) == (None, None, "undefined", "No case.")


def test_a_young_cohort_has_no_verdict():
    """T-03."""
    found = reading(figure(kpi(targets=(target("0.3"),)), 3, 100, maturity=0.1))
    assert (found.status, found.verdict) == ("too_young", "cannot_tell")


def test_an_unfinished_period_has_no_verdict():
    """G-5."""
    assert reading(figure(kpi(targets=(target("0.3"),)), 900, 1000, partial=True)).verdict == "cannot_tell"


def test_growth_from_nothing_has_no_ratio_but_a_difference():
    """T-37."""
    money = kpi(id="mrr", unit="money", interval="none")
    found = reading(figure(money, value=Decimal(50), n=1), figure(money, value=Decimal(0), n=0))
    assert (found.change.delta, found.change.ratio) == (Decimal(50), None)
    assert found.change.is_favourable


def test_less_of_a_cost_is_favourable():
    found = reading(
        figure(kpi(direction="down", interval="none"), value=8.0, n=3), figure(kpi(direction="down"), value=10.0, n=3)
    )
    assert found.change.is_favourable
    assert found.change.ratio == pytest.approx(-0.2)


def test_reaching_a_ceiling_is_not_being_under_it():
    """T-58: exactly 12 months is not under 12 months."""
    payback = kpi(unit="months", direction="down", interval="none", targets=(target("12"),))
    assert reading(figure(payback, value=Decimal(12), n=1)).verdict == "off_track"
    assert reading(figure(payback, value=Decimal("11.9"), n=1)).verdict == "on_track"


def test_a_band_flags_both_sides():
    """T-25."""
    touches = kpi(unit="count", direction="band", interval="none", targets=(target("6", high=Decimal(8)),))
    assert [reading(figure(touches, value=v, n=9)).verdict for v in (5, 6, 8, 9)] == [
        "off_track",
        "on_track",
        "on_track",
        "off_track",
    ]


def test_the_target_of_the_segment_wins_over_the_general_one():
    """T-56."""
    both = kpi(targets=(target("0.1"), target("0.4", segment={"segment": "Mid-market"})))
    assert reading(figure(both, 300, 1000, segment={"segment": "Mid-market"})).target.value == Decimal("0.4")
    assert reading(figure(both, 300, 1000, segment={"segment": "SMB"})).target.value == Decimal("0.1")
    assert reading(figure(both, 300, 1000)).target.value == Decimal("0.1")


def test_a_target_holds_from_its_start_to_its_end():
    """T-97."""
    old = target("0.1", start=date(2025, 1, 1), end=date(2026, 1, 1))
    assert reading(figure(kpi(targets=(old,)), 300, 1000)).target is None


def test_the_best_evidence_is_the_benchmark_shown():
    weak = Benchmark(Decimal("0.2"), None, "Blog", "C", 2026)
    strong = Benchmark(Decimal("0.3"), None, "Survey", "A", 2024)
    assert reading(figure(kpi(benchmarks=(weak, strong)), 300, 1000)).benchmark.source == "Survey"


def test_a_benchmark_of_one_market_says_nothing_of_another():
    american = Benchmark(Decimal("0.2"), None, "Survey", "A", 2024, market="US")
    anywhere = Benchmark(Decimal("0.3"), None, "Blog", "C", 2026)
    both = kpi(benchmarks=(american, anywhere))
    assert reading(figure(both, 300, 1000, segment={"market": "US"})).benchmark.source == "Survey"
    assert reading(figure(both, 300, 1000, segment={"market": "FR"})).benchmark.source == "Blog"
    assert reading(figure(both, 300, 1000)).benchmark.source == "Survey"
    only = kpi(benchmarks=(american,))
    assert reading(figure(only, 300, 1000, segment={"market": "FR"})).benchmark is None


def test_a_survival_kpi_reads_the_median_or_says_that_it_is_not_reached():
    """T-13, T-57, T-70."""
    hours = kpi(unit="hours", direction="down", interval="survival", kind="simple")
    reached = figure(hours, n=4, durations=Durations((1.0, 2.0, 3.0), (1, 2, 1), (0, 0, 0)))
    assert reading(reached).value == 2
    open_ = reading(figure(hours, n=10, durations=Durations((1.0, 5.0), (1, 0), (0, 9))))
    assert (open_.value, open_.status) == (None, "undefined")
    assert open_.reason_params == {"ended": 1, "n": 10}


def test_means_and_ratios_of_sums_carry_the_interval_of_their_cases():
    mean = figure(kpi(interval="mean", unit="days"), value=5.5, n=10, moments=Moments(10, 55, 10, 385, 10, 55))
    assert round(reading(mean).low, 4) == 3.3341
    delta = figure(kpi(interval="delta"), value=5.5, n=10, moments=Moments(10, 55, 10, 385, 10, 55))
    assert round(reading(delta).high, 4) == 7.6659


def test_a_cycle_is_held_against_its_frozen_baseline_and_not_against_last_month():
    """T-73: 10 to 20 % under the 60 days of the baseline year, whatever last month was."""
    cycle = kpi(
        id="sales_cycle_days", unit="days", direction="down", interval="mean", targets=(target("48", high=Decimal(54)),)
    )
    certain = figure(cycle, value=50.0, n=400, moments=Moments(400, 20_000, 400, 1_040_000, 400, 20_000))
    after_a_bad_month = figure(cycle, value=80.0, n=400, moments=Moments(400, 32_000, 400, 2_600_000, 400, 32_000))
    after_a_good_month = figure(cycle, value=40.0, n=400, moments=Moments(400, 16_000, 400, 700_000, 400, 16_000))
    assert reading(certain, after_a_bad_month).verdict == reading(certain, after_a_good_month).verdict == "on_track"
    few = figure(cycle, value=50.0, n=5, moments=Moments(5, 250, 5, 14_000, 5, 250))
    assert reading(few).verdict == "cannot_tell"


def expected(**changes):
    return kpi(kind="conversion", interval="incidence", window_days=90, basis="cohort", **changes)


def outcomes(*cases):
    """Outcomes of ``(age, converted, ended, open)``, all watched from age 0."""
    every = cases if cases[0][0] == 0 else ((0, 0, 0, 0), *cases)
    ages, converted, ended, still = zip(*every, strict=True)
    n = sum(converted) + sum(ended) + sum(still)
    return Outcomes(ages, converted, ended, still, (n, *(0 for _ in ages[1:])))


PAST = outcomes((20, 100, 200, 0), (60, 100, 200, 0), (90, 0, 0, 400))


def test_three_won_seven_lost_ninety_open_is_too_young_whatever_is_expected_of_it_t_03():
    cohort = outcomes((12, 3, 0, 0), (15, 0, 7, 0), (30, 0, 0, 90))
    found = reading(figure(expected(targets=(target("0.3"),)), value=None, n=100, outcomes=cohort, past=PAST))
    assert (found.status, found.verdict, round(found.maturity, 2)) == ("too_young", "cannot_tell", 0.1)
    assert found.reason_params == {"share": 10}
    # of 700 past cases that were still open at 30 days, 100 converted by day 90
    assert found.value == pytest.approx((3 + 90 * 100 / 700) / 100)
    assert found.low < found.value < found.high
    assert (found.conversion.of_closed, found.conversion.of_created) == (pytest.approx(0.3), 0.03)
    assert found.conversion.curve.at(30)[0] == pytest.approx(0.03)
    assert found.conversion.median is None


def test_a_young_cohort_without_a_past_says_that_it_is_too_young_and_gives_no_value():
    cohort = outcomes((12, 3, 0, 0), (15, 0, 7, 0), (30, 0, 0, 90))
    found = reading(figure(expected(), value=None, n=100, outcomes=cohort, past=cohort))
    assert (found.status, found.value, found.low) == ("too_young", None, None)


def test_a_cohort_that_is_over_has_a_verdict():
    cohort = outcomes((12, 300, 700, 0))
    found = reading(figure(expected(targets=(target("0.2"),)), value=None, n=1000, outcomes=cohort, past=PAST))
    assert (found.status, found.verdict, found.value, found.maturity) == ("ok", "on_track", 0.3, 1.0)


def test_the_points_of_a_curve_have_their_band_and_the_cases_still_watched():
    cohort = outcomes((12, 30, 0, 0), (15, 0, 7, 0), (30, 0, 0, 63))
    found = points(conversion_of(figure(expected(), value=None, n=100, outcomes=cohort, past=PAST)))
    by_age = {point["age"]: point for point in found}
    assert by_age[0] == {"age": 0, "share": 0.0, "low": 0.0, "high": 0.0, "at_risk": 100, "past": 0.0}
    assert by_age[20]["share"] == pytest.approx(0.3)
    assert by_age[20]["low"] < 0.3 < by_age[20]["high"]
    assert by_age[20]["at_risk"] == 63
    assert (by_age[40]["share"], by_age[40]["at_risk"]) == (None, 0)
    assert by_age[90]["past"] == pytest.approx(200 / 1000)


def test_a_window_that_the_data_does_not_fill_has_no_change_and_no_verdict():
    window = Period(date(2025, 4, 1), date(2026, 4, 1))
    short = {"window": window, "history_from": date(2025, 9, 3), "partial": True}
    definition = kpi(targets=(target("0.10"),))
    whole = figure(definition, 60, 80, start=date(2025, 1, 1), window=window)
    found = reading(figure(definition, 60, 80, **short), whole)
    assert (found.verdict, found.change.value, found.change.delta) == ("cannot_tell", 0.75, None)
    assert fill(found.reason, found.reason_params).startswith("The data starts on 2025-09-03")
    assert reading(figure(definition, 60, 80, window=window), replace(whole, **short)).change.delta is None
