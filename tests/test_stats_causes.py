"""The cell that changed is named, a shift of the mix is not, and nothing is when nothing happened."""

import numpy as np
import pytest

from cadran.stats.causes import Cases, find_cause, scan_causes, tilted
from evaluation.causes import leads_with_a_fault


def table(*groups):
    """Cases from (codes, n, hits)."""
    codes, n, hits = zip(*groups, strict=True)
    return Cases(np.array(codes), np.array(n, dtype=float), np.array(hits, dtype=float))


def test_it_names_the_one_cell_whose_rate_fell():
    before = table(((0, 0), 1000, 300), ((0, 1), 1000, 300), ((1, 0), 1000, 300), ((1, 1), 1000, 300))
    after = table(((0, 0), 200, 60), ((0, 1), 200, 60), ((1, 0), 200, 60), ((1, 1), 200, 20))
    cause, _ = find_cause(before, after, rng=np.random.default_rng(1))
    assert cause is not None
    assert cause.cell == {0: 1, 1: 1}
    assert (cause.n, cause.hits) == (200, 20)
    assert cause.p == pytest.approx(0.01)
    assert cause.expected > 40


def test_a_whole_dimension_is_named_alone():
    before = table(((0, 0), 1000, 300), ((0, 1), 1000, 200), ((1, 0), 1000, 300), ((1, 1), 1000, 200))
    after = table(((0, 0), 400, 120), ((0, 1), 400, 80), ((1, 0), 400, 60), ((1, 1), 400, 40))
    assert scan_causes(before, after)[0].cell == {0: 1}


def test_a_cell_that_fell_is_named_even_where_the_whole_rose():
    before = table(((0,), 3000, 900), ((1,), 3000, 900), ((2,), 3000, 900))
    after = table(((0,), 400, 150), ((1,), 400, 150), ((2,), 60, 3))
    assert sum(after.hits) / sum(after.n) > 0.3, "the whole rose"
    cause, _ = find_cause(before, after, rng=np.random.default_rng(3))
    assert cause is not None
    assert cause.cell == {0: 2}
    assert cause.hits < cause.expected


def test_chance_counts_how_little_the_earlier_cases_tell():
    groups = [(code,) for code in range(8)]
    few = table(*((group, 40, 12) for group in groups))
    many = table(*((group, 40_000, 12_000) for group in groups))
    after = table(*((group, 60, 8 if group == (0,) else 18) for group in groups))
    told = [find_cause(before, after, rng=np.random.default_rng(8), draws=399)[1][0] for before in (few, many)]
    assert told[0].cell == told[1].cell == {0: 0}
    assert told[0].p > told[1].p


def test_without_a_dimension_nothing_is_blamed():
    none = Cases(np.zeros((1, 0), dtype=np.int64), np.array([100.0]), np.array([30.0]))
    assert find_cause(none, none, rng=np.random.default_rng(9)) == (None, [])


def test_a_shift_of_the_mix_blames_no_cell():
    before = table(((0, 0), 5000, 2500), ((1, 0), 5000, 500), ((0, 1), 5000, 2500), ((1, 1), 5000, 500))
    after = table(((0, 0), 100, 50), ((1, 0), 900, 90), ((0, 1), 100, 50), ((1, 1), 900, 90))
    cause, _ = find_cause(before, after, rng=np.random.default_rng(2))
    assert cause is None


def test_groups_and_single_cases_give_the_same_answer():
    grouped = (table(((0, 0), 60, 20), ((1, 1), 40, 10)), table(((0, 0), 30, 3), ((1, 1), 30, 8)))
    single = [
        Cases(
            np.repeat(cases.codes, cases.n.astype(int), axis=0),
            np.ones(int(cases.n.sum())),
            np.concatenate([np.arange(n) < hits for n, hits in zip(cases.n, cases.hits, strict=True)]).astype(float),
        )
        for cases in grouped
    ]
    for one, other in zip(scan_causes(*grouped), scan_causes(*single), strict=True):
        assert one.cell == other.cell
        assert one.score == pytest.approx(other.score)


def test_the_order_of_groups_changes_nothing():
    before, after, _ = leads_with_a_fault(np.random.default_rng(3), 400, faulty=True)
    order = np.random.default_rng(4).permutation(len(after.n))
    mixed = Cases(after.codes[order], after.n[order], after.hits[order])
    first, second = (find_cause(before, each, rng=np.random.default_rng(5), draws=19) for each in (after, mixed))
    assert first == second, "the draws too"


def test_too_few_cases_blame_nothing():
    assert find_cause(table(((0,), 9, 3)), table(((0,), 9, 0)), rng=np.random.default_rng(5)) == (None, [])


def test_the_same_seed_gives_the_same_answer():
    before, after, _ = leads_with_a_fault(np.random.default_rng(6), 400, faulty=False)
    answers = [find_cause(before, after, rng=np.random.default_rng(7), draws=19)[1][0] for _ in range(2)]
    assert answers[0] == answers[1]


def test_a_common_shift_reaches_the_total():
    rates, n = np.array([0.1, 0.5, 0.9]), np.array([10.0, 20.0, 5.0])
    assert float((tilted(rates, n, 8.0) * n).sum()) == pytest.approx(8.0)
