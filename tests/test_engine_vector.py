"""Formulas on doubles say what decimals say, or leave it to them."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadran.catalogue.expression import parse
from cadran.engine.arithmetic import evaluate
from cadran.engine.vector import evaluate_all, true_of_all

FORMULAS = (
    "a * b / c",
    "(a - b) / NULLIF(c, 0)",
    "COALESCE(a, 0) + b * c",
    "CASE WHEN a > b AND c <> 0 THEN a / c ELSE LEAST(b, 60) END",
    "GREATEST(a, b) - ABS(c)",
    "CASE WHEN a IS NULL OR NOT (b >= c) THEN 1 ELSE -a END",
)
NUMBERS = st.one_of(st.none(), st.integers(-5, 5).map(Decimal), st.decimals(-9999, 9999, places=4))


def doubles(values: list[Decimal | None]) -> np.ndarray:
    return np.array([np.nan if value is None else float(value) for value in values])


@pytest.mark.parametrize("text", FORMULAS)
@given(rows=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_doubles_agree_with_decimals_wherever_they_decide(text, rows):
    tree = parse(text, dict.fromkeys("abc", "number"), "number")
    found = evaluate_all(tree, {name: doubles([row[i] for row in rows]) for i, name in enumerate("abc")})
    if found is not None:
        exact = [evaluate(tree, dict(zip("abc", row, strict=True))) for row in rows]
        assert np.allclose(found, doubles(exact), rtol=1e-9, atol=1e-9, equal_nan=True)


def test_what_a_last_digit_would_decide_is_left_to_decimals():
    kinds = dict.fromkeys("abc", "number")
    third = {"a": np.array([1.0]) / 3, "b": np.array([1 / 3]), "c": np.array([0.1 + 0.2])}
    for text in ("CASE WHEN a > b THEN 1 ELSE 0 END", "NULLIF(c, 0.3)", "c - 0.3", "a / (a - b)"):
        assert evaluate_all(parse(text, kinds, "number"), third) is None
    assert evaluate_all(parse("LN(a)", kinds, "number"), third) is None


def test_whole_numbers_are_compared_and_a_condition_of_the_unknown_is_not_true():
    kinds = dict.fromkeys("ab", "number")
    values = {"a": np.array([0.0, 2.0, np.nan]), "b": np.array([0.0, 1.0, 1.0])}
    assert true_of_all([parse("a = b", kinds, "bool")], values).tolist() == [True, False, False]
    assert true_of_all([], values).tolist() == [False, False, False]
