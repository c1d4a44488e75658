"""Formulas on decimals: the unknown stays unknown, but for COALESCE, CASE, AND and OR."""

from decimal import Decimal, localcontext

import pytest

from cadran.catalogue.expression import parse
from cadran.engine.arithmetic import divide, evaluate

VALUES = {"a": Decimal(12), "b": Decimal(-5), "nothing": None, "zero": Decimal(0)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b * 2 - 1", 1),
        ("a / 8", Decimal("1.5")),
        ("-b", 5),
        ("ABS(b)", 5),
        ("LEAST(a, b)", -5),
        ("GREATEST(a, b)", 12),
        ("NULLIF(a, 12)", None),
        ("NULLIF(a, 1)", 12),
        ("a / zero", None),
        ("a + nothing", None),
        ("LEAST(a, nothing)", None),
        ("COALESCE(nothing, a / zero, b)", -5),
        ("COALESCE(nothing, nothing)", None),
        ("CASE WHEN a > 10 THEN 1 ELSE 2 END", 1),
        ("CASE WHEN nothing > 10 THEN 1 ELSE 2 END", 2),
        ("CASE WHEN nothing IS NULL AND a <> b THEN 1 END", 1),
        ("CASE WHEN a IN (1, 12) OR nothing = 1 THEN 1 END", 1),
        ("CASE WHEN a = 1 AND nothing = 1 THEN 1 ELSE 0 END", 0),
        ("CASE WHEN nothing = 1 AND a = 12 THEN 1 ELSE 0 END", 0),
        ("CASE WHEN a = 1 OR nothing = 1 THEN 1 ELSE 0 END", 0),
        ("CASE WHEN a = 1 OR NOT b >= 0 THEN 1 END", 1),
        ("CASE WHEN a <= 12 AND b < 0 THEN 3 END", 3),
        ("CASE WHEN a = 1 OR b = 1 THEN 3 END", None),
    ],
)
def test_it_computes(text, value):
    assert evaluate(parse(text, dict.fromkeys(VALUES, "number")), VALUES) == value


def test_a_payback_of_twelve_months_is_exactly_twelve_t_58():
    tree = parse("cac / margin", {"cac": "number", "margin": "number"})
    assert evaluate(tree, {"cac": Decimal("12000.0000"), "margin": Decimal("1000.0000")}) == 12


def test_the_precision_of_the_program_around_does_not_matter_g_11():
    with localcontext(prec=3):
        assert divide(10, 3) == Decimal("3.333333333333333333333333333333333333333")
    assert divide(1, 0) is None
