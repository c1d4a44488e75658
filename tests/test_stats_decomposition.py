"""Shares of a change add up to all of it, whatever moved and however."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadran.stats.decomposition import (
    Constant,
    Leaf,
    Product,
    Sum,
    evaluate,
    is_simpson,
    mix_and_rate,
    settle,
    split,
)

VELOCITY = Product(((1, Leaf("n")), (1, Leaf("win")), (1, Leaf("acv")), (-1, Leaf("cycle"))))
THEN = {"n": 40.0, "win": 0.25, "acv": 20_000.0, "cycle": 60.0}


def test_the_four_factors_of_velocity_add_up_and_each_has_its_log_share():
    """S-11: a cycle that doubles takes half of the velocity, whatever the conversion."""
    now = THEN | {"cycle": 120.0}
    found = split(VELOCITY, THEN, now)
    assert found.method == "log_mean"
    assert found.parts["cycle"] == pytest.approx(-40 * 0.25 * 20_000 / 120)
    assert [found.parts[name] for name in ("n", "win", "acv")] == [0, 0, 0]

    now = {"n": 44.0, "win": 0.22, "acv": 21_000.0, "cycle": 66.0}
    found = split(VELOCITY, THEN, now)
    v0, v1 = evaluate(VELOCITY, THEN), evaluate(VELOCITY, now)
    for name, power in (("n", 1), ("win", 1), ("acv", 1), ("cycle", -1)):
        share = power * math.log(now[name] / THEN[name]) / math.log(v1 / v0)
        assert found.parts[name] / (v1 - v0) == pytest.approx(share)


def test_a_factor_that_is_zero_is_split_by_the_mean_over_every_order_and_never_gives_nan():
    found = split(VELOCITY, THEN | {"win": 0.0}, THEN)
    assert found.method == "symmetric"
    assert found.parts["win"] == pytest.approx(evaluate(VELOCITY, THEN))
    both = split(Product(((1, Leaf("a")), (1, Leaf("b")))), {"a": 0.0, "b": 2.0}, {"a": 3.0, "b": 4.0})
    assert both.parts == {"a": pytest.approx(9), "b": pytest.approx(3)}


def test_a_division_by_zero_has_no_split():
    assert split(VELOCITY, THEN, THEN | {"cycle": 0.0}) is None
    assert split(Sum(((1, VELOCITY), (1, Leaf("n")))), THEN, THEN | {"cycle": 0.0}) is None


def test_a_sum_splits_by_difference_and_a_constant_factor_changes_the_unit_only():
    node = Product(((1, Constant(12.0)), (1, Sum(((1, Leaf("new")), (-1, Leaf("churn")))))))
    found = split(node, {"new": 0.0, "churn": 0.0}, {"new": 10.0, "churn": 4.0})
    assert found.parts == {"new": pytest.approx(120), "churn": pytest.approx(-48)}


values = st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-3)
names = ("a", "b", "c", "d")
worlds = st.fixed_dictionaries(dict.fromkeys(names, values | st.just(0.0)))


def nodes():
    leaves = st.sampled_from([Leaf(name) for name in names]) | st.sampled_from([Constant(2.0), Constant(12.0)])

    def grow(children):
        sums = st.lists(st.tuples(st.sampled_from([1, -1]), children), min_size=1, max_size=3)
        products = st.lists(st.tuples(st.sampled_from([1, 1, -1]), children), min_size=1, max_size=4)
        return sums.map(lambda t: Sum(tuple(t))) | products.map(lambda f: Product(tuple(f)))

    return st.recursive(leaves, grow, max_leaves=6)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(nodes(), worlds, worlds)
def test_contributions_add_up_to_the_change_of_any_formula(node, before, now):
    found = split(node, before, now)
    if found is None:
        return
    old, new = evaluate(node, before), evaluate(node, now)
    size = max(abs(old), abs(new), *(abs(part) for part in found.parts.values()), 1.0)
    assert all(math.isfinite(part) for part in found.parts.values())
    assert sum(found.parts.values()) == pytest.approx(new - old, abs=1e-6 * size)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(names), st.floats(0.01, 1e5)), st.data())
def test_positive_products_leave_nothing_over(before, data):
    if not before:
        return
    now = {name: data.draw(st.floats(0.01, 1e5)) for name in before}
    node = Product(tuple((data.draw(st.sampled_from([1, -1])), Leaf(name)) for name in before))
    found = split(node, before, now)
    old, new = evaluate(node, before), evaluate(node, now)
    assert sum(found.parts.values()) == pytest.approx(new - old, rel=1e-9, abs=1e-9 * max(old, new))


def cells(*segments):
    """Weights and rates in percent, then and now, as numerators and denominators."""
    return [(w0 * r0 / 100, w0, w1 * r1 / 100, w1) for w0, r0, w1, r1 in segments]


def test_the_mix_hides_that_every_segment_fell_t_88():
    found = mix_and_rate(cells((80, 20, 50, 18), (20, 40, 50, 38)))
    mix, rate = sum(part.mix for part in found), sum(part.rate for part in found)
    assert (mix, rate) == (pytest.approx(0.06), pytest.approx(-0.02))
    assert is_simpson(found, mix + rate)
    # the segment that is below the rate of all and lost weight helped, and so did the other
    assert all(part.mix > 0 for part in found)


def test_a_new_and_a_vanished_segment_have_a_weight_effect_only_t_89():
    found = mix_and_rate(cells((60, 20, 70, 25), (40, 30, 0, 0), (0, 0, 30, 50)))
    assert [part.rate for part in found] == [pytest.approx(0.05 * 0.65), 0, 0]
    assert (found[1].rate_now, found[2].rate_before) == (None, None)
    change = 0.7 * 0.25 + 0.3 * 0.5 - (0.6 * 0.2 + 0.4 * 0.3)
    assert sum(part.mix + part.rate for part in found) == pytest.approx(change)
    assert not is_simpson(found, change)


def test_no_case_then_or_now_has_no_split():
    assert mix_and_rate([(0, 0, 3, 10)]) is None
    assert mix_and_rate([]) is None


counts = st.tuples(*(st.integers(0, 500),) * 4)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(counts, min_size=1, max_size=8))
def test_mix_and_rate_add_up_even_where_a_numerator_has_no_denominator(found):
    parts = mix_and_rate(found)
    d0, d1 = sum(cell[1] for cell in found), sum(cell[3] for cell in found)
    if parts is None:
        assert not (d0 and d1)
        return
    change = sum(cell[2] for cell in found) / d1 - sum(cell[0] for cell in found) / d0
    assert sum(part.mix + part.rate for part in parts) == pytest.approx(change, abs=1e-9 * max(1, abs(change)))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.floats(-1e7, 1e7), min_size=1, max_size=12))
def test_settled_parts_add_up_to_the_last_cent(parts):
    cent = Decimal("0.01")
    total = Decimal(repr(math.fsum(parts))).quantize(cent)
    found = settle(parts, total, cent)
    assert sum(found) == total
    assert all(abs(part - Decimal(repr(exact))) <= Decimal("0.02") for part, exact in zip(found, parts, strict=True))


def test_parts_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="cannot be settled"):
        settle([1.0, 2.0], Decimal(5), Decimal("0.01"))
