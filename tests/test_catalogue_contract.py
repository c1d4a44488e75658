"""The lint of what a contract says beside its measures: cost lines, notes, ranges, one market for both parts."""

from __future__ import annotations

import pytest

from cadran.catalogue.check import check_catalogue
from cadran.catalogue.check_contract import check_contract
from cadran.catalogue.definition import Note
from cadran.catalogue.upright import upright
from shipped import CATALOGUE
from warehouse import catalogue, kpi, measure

TEXTS = {"fr": "x", "en": "x"}


def costs(where="", lines=("all",), entity="cost", **changes):
    spent = measure(entity, where, agg="sum", expr="amount_base", time="day_on")
    new = measure("mrr_movement", "type = 'new'", time="moved_on")
    return kpi("cac", kind="ratio", unit="money", numerator=spent, denominator=new, cost_lines=lines, **changes)


def codes(found):
    return [issue.code for issue in check_contract(found)]


@pytest.mark.parametrize(
    "where",
    [
        "cost_line <> 'salary'",
        "cost_line IN ('ads', 'tooling', 'agency', 'event', 'content', 'other')",
        "NOT (cost_line = 'salary')",
        "amount_base > 0 AND NOT cost_line IN ('salary')",
        "COALESCE(cost_line, 'x') <> 'salary'",
        "department = 'marketing'",
    ],
)
def test_all_costs_without_salaries_is_an_error(where):
    """T-32: « toutes vos dépenses »."""
    (found,) = check_contract(costs(where))
    assert (found.code, found.level) == ("cost_line_left_out", "error")


@pytest.mark.parametrize(
    "where", ["", "amount_base > 0", "market = 'FR' OR cost_line = 'ads'", "cost_line <> 'salary' OR TRUE"]
)
def test_all_costs_with_every_line_is_none(where):
    assert [code for code in codes(costs(where)) if code != "scope_mismatch"] == []


def test_the_lines_that_are_listed_are_those_that_are_counted():
    """T-32."""
    assert codes(costs("cost_line = 'ads'", ("ads",))) == []
    assert codes(costs("cost_line = 'ads'", ("ads", "event"))) == ["cost_line_left_out"]
    assert codes(costs("cost_line IN ('ads', 'event')", ("ads",))) == ["cost_line_unlisted"]
    assert codes(costs(lines=())) == ["no_cost_lines"]
    assert "bad_cost_line" in codes(costs(lines=("all", "wages")))


def test_both_parts_of_a_ratio_cover_the_same_market():
    """T-52."""
    (found,) = check_contract(costs("market = 'US'"))
    assert (found.code, found.params["dimensions"]) == ("scope_mismatch", "market")


@pytest.mark.parametrize("market", ["market = 'US'", "MARKET = 'US'"])
def test_ltv_of_all_markets_over_cac_of_one_is_an_error(market):
    """T-52: through a derived input too, however the column is written."""
    cac = CATALOGUE.kpi("cac")
    parts = {
        "numerator": measure("cost", market, agg="sum", expr="amount_base", time="day_on"),
        "denominator": measure("mrr_movement", f"type = 'new' AND n_delta > 0 AND {market}", time="moved_on"),
    }
    american = kpi("cac", kind="ratio", unit="money", cost_lines=("all",), **parts)
    kpis = [
        each
        for name, (each,) in CATALOGUE.kpis.items()
        if name != "cac" and name in ("ltv", "customer_margin", "logo_churn_rate", "observed_months", "ltv_to_cac")
    ]
    found = check_catalogue(catalogue(american, *kpis))
    assert [(i.params["first"], i.params["second"]) for i in found if i.code == "scope_mismatch"] == [("ltv", "cac")]
    whole = check_catalogue(catalogue(cac, *kpis))
    assert [i.code for i in whole if i.code == "scope_mismatch"] == []


@pytest.mark.parametrize(
    ("note", "code"),
    [
        (Note("churn > 1", TEXTS), "bad_expression"),
        (Note("denominator = 0", {"en": "x"}), "missing_name"),
        (Note("denominator = 0", {"en": "{spent}", "fr": "x"}), "bad_expression"),
    ],
)
def test_a_note_is_about_the_parts_of_its_kpi(note, code):
    assert code in codes(costs(notes=(note,)))


def test_a_range_has_two_edges_and_says_so():
    derived = {"kind": "derived", "expression": "a", "inputs": {"a": "cac"}}
    assert codes(kpi("x", **derived, low="a", high="a")) == ["bad_interval"]
    assert codes(kpi("x", **derived, interval="range", low="a")) == ["bad_interval"]
    assert codes(kpi("x", **derived, interval="range", low="a", high="b")) == ["bad_expression"]
    assert codes(kpi("x", **derived, interval="range", low="a", high="2 * a")) == []


def test_only_a_plain_quotient_of_cac_over_ltv_is_turned():
    """T-51."""
    inputs = {"c": "cac_lagged", "v": "ltv", "m": "margin"}
    assert upright("c / v", inputs) == "v / c"
    for kept in ("v / c", "c / m", "c / v * 2", "1 / v"):
        assert upright(kept, inputs) == kept
