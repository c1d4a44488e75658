"""Measure expressions: a whitelist of SQL, each mistake with its character."""

import re
from datetime import date
from decimal import Decimal

import pytest

from cadran.catalogue.expression import column_names, entity_kinds, parse
from cadran.catalogue.syntax import Call, Column, Value
from cadran.errors import DefinitionError, QueryError, fill

KINDS = entity_kinds("opportunity")


def refusal(text, wanted=None, **more):
    with pytest.raises(DefinitionError) as caught:
        parse(text, KINDS, wanted, where="kpis.yml:7", **more)
    return caught.value


def said(error):
    return str(error) + " " + fill(error.hint, error.params)


def test_it_reads_conditions_on_columns():
    tree = parse("is_won and not is_test", KINDS, "bool")
    assert tree == Call("and", (Column("is_won", 1), Call("not", (Column("is_test", 16),), 16)), 1)


@pytest.mark.parametrize(
    "text",
    [
        "is_won IS TRUE AND deleted_at IS NULL",
        "amount BETWEEN 1 AND 2.5",
        "segment IN ('SMB', 'Mid-market') OR segment IS NOT NULL",
        "stage NOT LIKE 'Clos%'",
        "CASE WHEN is_won THEN 1 ELSE 0 END = 1",
        "CASE segment WHEN 'SMB' THEN amount END > 0",
        "ABS(LEAST(amount, 3)) <= GREATEST(amount, 2) * 4",
        "days_between(created_on, closed_on) <= 90",
        "COALESCE(NULLIF(amount, 0), -1) <> 12",
    ],
)
def test_it_accepts_the_whitelist(text):
    assert isinstance(parse(text, KINDS, "bool"), Call)


def test_a_text_beside_a_day_is_a_day():
    tree = parse("closed_on >= '2026-03-31'", KINDS)
    assert tree.args[1].value == date(2026, 3, 31)
    assert parse("closed_on = DATE '2026-03-31'", KINDS).args[1].value == date(2026, 3, 31)
    assert "31/03/2026 is not a day" in str(refusal("closed_on = '31/03/2026'"))


def test_numbers_stay_exact():
    assert parse("amount > 0.1", KINDS).args[1] == Value(Decimal("0.1"), 1)


def test_names_are_found_in_any_case():
    assert list(column_names(parse("IS_WON and Amount > 1", KINDS))) == ["is_won", "amount"]


@pytest.mark.parametrize(
    "text",
    [
        "amount IN (SELECT 1)",
        "is_won; DROP TABLE opportunity",
        "(SELECT max(amount) FROM opportunity) = amount",
        "sum(amount) > 1",
        "upper(name) = 'X'",
        "CAST(amount AS INT) = 1",
        "amount::int = 1",
        "name || 'x' = 'y'",
        "amount % 2 = 1",
        "opportunity.amount = 1",
        "stage LIKE 'a%' ESCAPE '!'",
        "amount > ALL (SELECT 1)",
        "name ILIKE 'x'",
        "row_number() OVER () = 1",
        "amount = ?",
        "amount = $start",
        "read_csv('/etc/passwd') IS NULL",
        "SELECT 1",
        "EXISTS (SELECT 1)",
        "",
        "amount +",
        "amount IS NOT DISTINCT FROM 1",
    ],
)
def test_it_refuses_everything_else(text):
    refusal(text)


def test_a_column_that_does_not_exist_is_said_with_its_character_and_the_nearest_one():
    error = refusal("is_won AND clsed_on IS NULL")
    assert "There is no column clsed_on here. (at character 12 of" in str(error)
    assert fill(error.hint, error.params) == "Did you mean closed_on?"
    assert error.where == "kpis.yml:7"


def test_a_word_that_should_be_quoted_is_said():
    assert "write 'SMB'" in said(refusal("segment = SMB"))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("amount = 'x'", "cannot put a number beside a text"),
        ("amount = NULL", "A comparison with NULL is never true"),
        ("closed_on - created_on > 3", "days_between"),
        ("is_won + 1 > 0", "+ needs a number, not a bool"),
        ("closed_at > '2026-01-01'", "day column"),
        ("CASE WHEN is_won THEN 'a' ELSE 1 END = 'a'", "number beside a text"),
        ("is_won AND amount", "and needs a bool, not a number"),
    ],
)
def test_kinds_that_do_not_go_together_are_refused(text, part):
    assert part in said(refusal(text))


def test_the_whole_must_be_of_the_kind_that_is_needed():
    assert "gives a number where a bool is needed" in str(refusal("amount", "bool"))


def test_a_text_nested_too_deeply_or_too_long_is_refused_and_not_a_crash():
    assert "nested too deeply" in str(refusal("(" * 600 + "1" + ")" * 600))
    assert "too long" in str(refusal("amount > 1 AND " * 400 + "is_won"))


def test_errors_are_of_the_class_asked_for():
    with pytest.raises(QueryError, match=re.escape("character 10")):
        parse("amount > smthing", KINDS, error=QueryError)
