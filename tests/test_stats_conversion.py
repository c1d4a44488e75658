"""Expected conversion of cohorts that are partly open: by hand, against lifelines, and on worlds of known truth."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import lifelines
import numpy as np
import pandas as pd
import pytest

from cadran.stats.conversion import Ages, conversion

SHARED = Path(os.environ.get("CADRAN_SHARED", Path(__file__).parents[2] / "shared"))
SEED = int(os.environ.get("CADRAN_SEED", "11"))


def ages(exits, kinds, joins=None):
    """Grouped cases from one age and kind each: 1 converted, 2 ended otherwise, 0 still open."""
    exits, kinds = np.asarray(exits, int), np.asarray(kinds, int)
    joins = np.zeros(len(exits), int) if joins is None else np.asarray(joins, int)
    every = np.unique(np.concatenate([exits, joins])) if len(exits) else np.array([], int)
    size = int(every.max()) + 1 if len(every) else 1
    count = lambda values: tuple(np.bincount(values, minlength=size)[every].tolist())  # noqa: E731
    return Ages(
        tuple(every.tolist()),
        count(exits[kinds == 1]),
        count(exits[kinds == 2]),
        count(exits[kinds == 0]),
        count(joins),
    )


def test_a_cohort_that_is_over_has_its_own_rate_and_wilson_interval():
    found = conversion(ages([10] * 25 + [20] * 75, [1] * 25 + [2] * 75), ages([10], [1]), horizon=90)
    assert (found.expected, found.maturity, found.of_closed, found.of_created) == (0.25, 1.0, 0.25, 0.25)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.1755, 0.3430), abs=5e-5)


def test_three_won_seven_lost_ninety_open_is_neither_thirty_nor_three_percent_t_03():
    cohort = ages([12] * 3 + [15] * 7 + [30] * 90, [1] * 3 + [2] * 7 + [0] * 90)
    alone = conversion(cohort, cohort, horizon=180)
    assert (alone.of_closed, alone.of_created, alone.maturity) == (pytest.approx(0.3), 0.03, pytest.approx(0.1))
    assert alone.curve.at(30)[0] == pytest.approx(0.03)
    assert (alone.expected, alone.interval, alone.median) == (None, None, None)
    assert alone.unknown == pytest.approx(0.9)


def test_open_cases_count_with_the_chance_of_past_cases_of_their_age():
    """Half of what is open at day 10 converted by day 20 in the past, half ended."""
    past = ages([5] * 20 + [20] * 40 + [20] * 40, [2] * 20 + [1] * 40 + [2] * 40)
    found = conversion(ages([5] * 2 + [10] * 8, [2] * 2 + [0] * 8), past, horizon=60)
    assert found.expected == pytest.approx(0.4)
    assert found.interval.low < 0.4 < found.interval.high


def test_nothing_is_expected_where_the_past_was_not_watched_long_enough():
    past = ages([5] * 20 + [40] * 80, [1] * 20 + [0] * 80)
    assert conversion(ages([3] * 10, [0] * 10), past, horizon=60).expected is None
    assert conversion(ages([3] * 10, [0] * 10), past, horizon=40).expected is not None


def test_half_of_a_cohort_is_half_though_a_sum_of_tenths_falls_short():
    found = conversion(ages([1, 2, 3, 4, 5, *[6] * 5], [1] * 5 + [2] * 5), ages([1], [1]), horizon=30)
    assert found.curve.shares[4] < 0.5 == pytest.approx(found.curve.shares[4], abs=1e-15)
    assert found.median == 5


def test_no_case_gives_nothing():
    assert conversion(ages([], []), ages([5], [1]), horizon=30) is None


@pytest.mark.filterwarnings("ignore")
def test_the_pooled_curve_agrees_with_lifelines_with_late_entry():
    rng = np.random.default_rng(SEED)
    n = 600
    joins = np.where(rng.random(n) < 0.4, rng.integers(1, 60, n), 0)
    exits = joins + rng.integers(0, 120, n)
    kinds = rng.integers(0, 3, n)
    found = conversion(ages([1], [0]), ages(exits, kinds, joins), horizon=200)
    fitted = lifelines.AalenJohansenFitter(calculate_variance=False, jitter_level=0)
    curve = _by_hand(joins, exits, kinds)
    assert all(found.past.at(age)[0] == pytest.approx(share) for age, share in curve.items())
    whole = joins == 0
    fitted.fit(exits[whole] + rng.random(whole.sum()) * 1e-6, kinds[whole], event_of_interest=1)
    alone = conversion(ages([1], [0]), ages(exits[whole], kinds[whole]), horizon=200).past
    for age in (10, 40, 90):
        assert alone.at(age)[0] == pytest.approx(float(fitted.predict(age + 0.5)), abs=0.01)


def _by_hand(joins, exits, kinds):
    """Aalen-Johansen by its definition, case by case."""
    surviving, share, found = 1.0, 0.0, {}
    for age in np.unique(exits):
        risk = ((joins <= age) & (exits >= age)).sum()
        share += surviving * ((exits == age) & (kinds == 1)).sum() / risk
        surviving *= 1 - ((exits == age) & (kinds > 0)).sum() / risk
        found[float(age)] = share
    return found


def world_of_censor(seed):
    """The cohorts of the reference simulator, read in place."""
    path = SHARED / "simulators/censor/censor.py"
    if not path.exists():
        pytest.skip(f"the simulated worlds are not at {path}")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wanted = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "cohort_sim"]
    names = {"np": np, "pd": pd}
    exec(compile(ast.Module(wanted, []), str(path), "exec"), names)  # noqa: S102 - a file of the test's own data
    return names["cohort_sim"](seed)


def own_world(seed):
    """Another world, so that nothing is learnt of one simulator: gamma waits, seasons that start anywhere."""
    rng = np.random.default_rng(seed)
    start = np.sort(rng.uniform(0, 720, 2400))
    converts = rng.random(len(start)) < 0.22 + 0.05 * np.sin(start / 60 + rng.uniform(0, 2 * np.pi))
    lag = np.where(converts, rng.gamma(2.5, 22, len(start)), rng.gamma(1.6, 45, len(start)))
    return start, converts, lag


def bias_by_age(world, seeds, *, until, horizon, read_at=(30, 60, 90, 180)):
    """Mean error of three estimates of a month's cohort, by its age, against what it came to."""
    rows = []
    for seed in seeds:
        start, converts, lag = (part.astype(float) if part.dtype != bool else part for part in world(seed))
        entered, ended = np.floor(start), np.floor(start + lag)
        watched, exits = until - 1 - entered, ended - entered
        kinds = np.where(exits <= watched, np.where(converts, 1, 2), 0)
        seen = np.where(kinds > 0, exits, watched).astype(int)
        joins = np.maximum(0, until - 365 - entered).astype(int)
        pool = (seen >= joins) & (watched >= 0)
        past = ages(seen[pool], kinds[pool], joins[pool])
        for age in read_at:
            mine = (entered >= until - age) & (entered < until - age + 30)
            found = conversion(ages(seen[mine], kinds[mine]), past, horizon=horizon)
            truth = (converts[mine] & (exits[mine] <= horizon)).mean()
            held = found.interval.low <= truth <= found.interval.high
            rows.append((age, found.expected - truth, found.of_closed - truth, found.of_created - truth, held))
    table = pd.DataFrame(rows, columns=["age", "expected", "closed", "created", "held"])
    return table.groupby("age").mean()


@pytest.mark.slow
@pytest.mark.parametrize("world", [world_of_censor, own_world], ids=lambda world: world.__name__)
def test_the_bias_is_at_most_half_a_point_at_every_age(world):
    until, horizon, seeds = (360, 120, 400) if world is world_of_censor else (720, 240, 300)
    found = bias_by_age(world, range(SEED, SEED + seeds), until=until, horizon=horizon)
    print(f"{world.__name__}, seeds {SEED}…{SEED + seeds - 1}\n{(100 * found).round(2)}")
    assert (found["expected"].abs() <= 0.005).all()
    assert (found["held"] >= 0.9).all()
    assert abs(found.loc[30, "closed"]) > 0.03
    assert found.loc[30, "created"] < -0.05
