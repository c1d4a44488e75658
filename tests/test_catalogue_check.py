"""The lint of the catalogue: each rule on the smallest catalogue that breaks it."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from cadran.catalogue.approval import Approval
from cadran.catalogue.check import check_catalogue
from cadran.catalogue.definition import AlertRule, Board, Dimension, Target
from shipped import CATALOGUE
from warehouse import BOOKED, WIN_RATE, catalogue, kpi, measure

FULL = {
    "names": {"fr": "X", "en": "X"},
    "owner": "RevOps",
    "cadence": "weekly",
    "funnel": "conversion",
    "hypothesis": {"en": "more ARR"},
    "descriptions": {"en": "what it is"},
    "formula": {"en": "a / b"},
    "oracle": "SELECT 1",
}


def checked(*kpis, **changes):
    found = replace(catalogue(*(replace(each, **FULL) for each in kpis)), **{"north_star": kpis[0].id, **changes})
    labels = {"fr": "x", "en": "x"}
    dimensions = {name: replace(each, labels=labels) for name, each in found.dimensions.items()}
    return check_catalogue(replace(found, dimensions=changes.get("dimensions", dimensions)))


def codes(*kpis, **changes):
    return [issue.code for issue in checked(*kpis, **changes)]


def test_the_shipped_catalogue_passes():
    assert [str(issue) for issue in check_catalogue(CATALOGUE)] == []


def test_a_complete_kpi_has_no_finding():
    assert codes(WIN_RATE, BOOKED) == []


def test_a_kpi_without_contract_is_an_error_when_shipped_and_mostly_a_warning_in_a_project():
    bare = replace(WIN_RATE, names={"en": "Win rate"}, where="cadran/catalogue/kpis/a.yml:3")
    shipped = check_catalogue(catalogue(bare))
    assert [issue.level for issue in shipped if issue.code == "missing_contract"] == ["error"] * 7
    own = check_catalogue(catalogue(replace(bare, where="catalogue/a.yml:3")))
    levels = {issue.params["part"]: issue.level for issue in own if issue.code == "missing_contract"}
    # whoever answers for it, how often it is looked at and what follows from it are what make it a KPI
    assert {part for part, level in levels.items() if level == "error"} == {"owner", "cadence", "hypothesis"}
    assert {part for part, level in levels.items() if level == "warning"} == {
        "funnel",
        "descriptions",
        "formula",
        "oracle",
    }
    assert "win_rate has no name in fr." in [issue.message.format(**issue.params) for issue in own]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"numerator": measure(where="is_wonn")}, "bad_expression"),
        ({"numerator": measure(where="amount")}, "bad_expression"),
        ({"numerator": measure(time="closed_at")}, "bad_time"),
        ({"numerator": measure(time="clsed_on")}, "bad_time"),
        ({"denominator": measure(agg="mean", expr="cycle_days")}, "not_additive"),
        ({"denominator": None}, "missing_part"),
        ({"expression": "a"}, "useless_part"),
        ({"window_days": 30}, "useless_part"),
        ({"zone": "Europe/Pari"}, "bad_zone"),
        ({"zone": "Europe/Paris", "numerator": measure(time="expected_close_on")}, "bad_zone"),
        ({"dimensions": ("segmant",)}, "unknown_dimension"),
        ({"dimensions": ("stage",), "numerator": measure("lead", time="created_on")}, "no_column"),
        ({"alerts": (AlertRule("warn", by=("nowhere",)),)}, "unknown_dimension"),
        ({"alerts": (AlertRule("warn", against="usual", certainty=Decimal(95)),)}, "bad_alert"),
        ({"alerts": (AlertRule("warn", below=Decimal("0.2"), certainty=Decimal("0.99")),)}, "bad_alert"),
        ({"variants": ("win_rte",)}, "unknown_kpi"),
        ({"interval": "survival"}, "bad_interval"),
        ({"targets": (Target(Decimal(1), segment={"sgment": "SMB"}),)}, "unknown_dimension"),
        ({"targets": (Target(Decimal(1), segment={"stage": "x"}),), "dimensions": ("segment",)}, "no_column"),
        ({"targets": (Target(Decimal(2), high=Decimal(1)),)}, "bad_target"),
        ({"targets": (Target(Decimal(2)), Target(Decimal(3), start=date(2026, 1, 1)))}, "targets_overlap"),
    ],
)
def test_a_ratio_that_breaks_a_rule_is_found(changes, code):
    assert codes(replace(WIN_RATE, **changes)) == [code]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"unit": "rate"}, "bad_unit"),
        ({"unit": "count"}, "bad_unit"),
        ({"numerator": measure(agg="sum", expr="cycle_days")}, "bad_unit"),
        ({"numerator": measure(agg="count")}, "bad_unit"),
        ({"numerator": measure(agg="sum")}, "no_expression"),
        ({"numerator": measure(agg="mean", expr="amount_base", balance=True)}, "not_additive"),
        ({"interval": "wilson"}, "bad_interval"),
    ],
)
def test_a_sum_that_breaks_a_rule_is_found(changes, code):
    assert code in codes(replace(BOOKED, **changes))


def test_amounts_in_the_currency_of_each_row_are_not_added_up_g_14():
    [issue] = checked(replace(BOOKED, numerator=measure(agg="sum", expr="amount")))
    assert issue.code == "mixed_currencies"
    assert issue.hint.format(**issue.params) == "Use amount_base, in the company's currency."


def test_a_conversion_needs_one_entity_and_the_day_of_the_event():
    sound = kpi(
        "mql_to_sql",
        kind="conversion",
        unit="rate",
        window_days=90,
        numerator=measure("lead_cycle", time="sql_on"),
        denominator=measure("lead_cycle", time="mql_on"),
    )
    assert codes(sound) == []
    assert codes(replace(sound, numerator=measure("lead_cycle", time="mql_on"))) == ["no_event_day"]
    assert codes(replace(sound, numerator=measure("lead", time="converted_on"))) == ["two_entities"]


def derived(**changes):
    return kpi("velocity", kind="derived", unit="money", expression="rate * booked", **changes)


def test_a_derived_kpi_uses_inputs_that_exist_and_all_of_them():
    assert codes(WIN_RATE, BOOKED, derived(inputs={"rate": "win_rate", "booked": "booked"})) == []
    assert codes(WIN_RATE, derived(inputs={"rate": "win_rate", "booked": "bookd"})) == ["unknown_kpi"]
    more = {"rate": "win_rate", "booked": "booked", "other": "booked"}
    assert codes(WIN_RATE, BOOKED, derived(inputs=more)) == ["useless_part"]
    assert "bad_expression" in codes(WIN_RATE, BOOKED, derived(inputs={"rate": "win_rate"}))


def test_a_kpi_computed_from_itself_is_found():
    first = kpi("first", kind="derived", expression="x", inputs={"x": "second"})
    second = kpi("second", kind="derived", expression="x", inputs={"x": "first"})
    assert codes(first, second) == ["cycle", "cycle"]


def test_windows_that_differ_are_rejected_t_08():
    inputs = {"rate": "win_rate", "booked": "booked"}
    assert codes(replace(WIN_RATE, basis="cohort"), BOOKED, derived(inputs=inputs)) == ["mixed_windows"]
    assert codes(WIN_RATE, replace(BOOKED, basis="balance"), derived(inputs=inputs)) == []


def test_a_ltv_of_all_markets_over_a_cac_of_one_is_a_scope_mismatch_t_52():
    inputs = {"rate": "win_rate", "booked": "booked"}
    french = replace(WIN_RATE, denominator=measure(where="is_closed AND market = 'FR'"))
    [issue] = checked(french, BOOKED, derived(inputs=inputs))
    assert (issue.code, issue.params["dimensions"]) == ("scope_mismatch", "market")
    both = replace(BOOKED, numerator=measure(where="market = 'FR' AND is_won", agg="sum", expr="amount_base"))
    assert codes(french, both, derived(inputs=inputs)) == []


def test_versions_in_force_on_the_same_days_are_found_t_98():
    first = replace(WIN_RATE, effective_to=date(2026, 7, 1))
    assert codes(first, replace(WIN_RATE, version="2.0", effective_from=date(2026, 7, 1))) == []
    overlapping = replace(WIN_RATE, version="2.0", effective_from=date(2026, 6, 30))
    assert codes(first, overlapping) == ["versions_overlap"]
    assert codes(first, replace(WIN_RATE, effective_from=date(2026, 7, 1))) == ["same_version"]
    backwards = replace(WIN_RATE, effective_from=date(2026, 7, 1), effective_to=date(2026, 1, 1))
    assert codes(backwards) == ["empty_version"]


def board(*names, **more):
    return Board("sales", {"en": "Sales"}, {}, names, **more)


def test_a_board_has_seven_kpis_or_a_reason_and_no_vanity_volume():
    many = [replace(WIN_RATE, id=f"k{number}") for number in range(8)]
    names = [each.id for each in many]
    assert codes(*many, boards=(board(*names[:7]),)) == []
    assert codes(*many, boards=(board(*names),)) == ["too_many"]
    assert codes(*many, boards=(board(*names, reason="the board asked for eight"),)) == []
    assert codes(replace(WIN_RATE, is_vanity=True), boards=(board("win_rate"),)) == ["vanity"]
    assert codes(WIN_RATE, boards=(board("win_rte"),)) == ["unknown_kpi"]


def test_a_vanity_volume_stays_off_the_board_that_names_it():
    found = replace(catalogue(replace(WIN_RATE, is_vanity=True), BOOKED), boards=(board("win_rate", "booked", "gone"),))
    assert found.steered(found.boards[0]) == ("booked", "gone")


def test_a_version_of_a_project_that_nobody_approved_is_told():
    newer = replace(WIN_RATE, version="2.0", effective_from=date(2026, 7, 1), where="catalogue/a.yml:3")
    (issue,) = [
        each for each in checked(replace(WIN_RATE, effective_to=date(2026, 7, 1)), newer) if each.code == "not_approved"
    ]
    assert (issue.level, issue.params["version"]) == ("warning", "2.0")
    approved = replace(newer, approval=Approval("RevOps", date(2026, 6, 1), "why"))
    assert "not_approved" not in codes(replace(WIN_RATE, effective_to=date(2026, 7, 1)), approved)


def test_a_team_answers_for_five_kpis_or_says_why_it_has_more():
    """S-97: three to five KPIs per team."""
    many = [replace(WIN_RATE, id=f"k{number}", team="sales") for number in range(6)]
    names = [each.id for each in many]
    team = replace(board(*names), id="sales")
    assert codes(*many, boards=(replace(team, kpis=tuple(names[:5])),)) == []
    (found,) = checked(*many, boards=(team,))
    assert (found.code, found.params["most"], found.level) == ("too_many", 5, "error")
    assert codes(*many, boards=(replace(team, reason="two teams in one"),)) == []


def test_every_team_of_the_shipped_boards_has_three_to_five_and_every_other_board_five_to_seven():
    teams = {kpi.team for kpi in CATALOGUE.newest()}
    for each in CATALOGUE.boards:
        assert len(each.kpis) in ((3, 4, 5) if each.id in teams else (5, 6, 7)), each.id


def test_dimensions_have_labels_and_columns_that_exist():
    both = {"fr": "x", "en": "x"}
    sound = Dimension("segment", both, {"opportunity": "segment"})
    assert codes(WIN_RATE, dimensions={"segment": sound}) == []
    broken = {
        "a": Dimension("a", {"en": "x"}, {"opportunity": "segment"}),
        "b": Dimension("b", both, {}),
        "c": Dimension("c", both, {"opportunity": "sgment"}),
        "d": Dimension("d", both, {"opprtunity": "segment"}),
    }
    assert codes(WIN_RATE, dimensions=broken) == ["missing_name", "no_column", "no_column", "unknown_entity"]


def test_the_north_star_is_a_kpi():
    assert codes(WIN_RATE, north_star="arr") == ["unknown_kpi"]


def test_an_entity_that_does_not_exist_is_found_once():
    assert codes(replace(WIN_RATE, numerator=replace(WIN_RATE.numerator, entity="oportunity"), dimensions=())) == [
        "unknown_entity"
    ]


def test_a_survival_says_what_has_ended():
    asked = kpi("s", unit="days", interval="survival", numerator=measure(agg="survival", expr="cycle_days"))
    assert codes(asked) == ["no_event"]
    assert codes(replace(asked, numerator=replace(asked.numerator, event="is_closed"))) == []
    assert codes(replace(asked, unit="rate", numerator=replace(asked.numerator, event="is_closed"))) == ["bad_unit"]


def test_an_expected_conversion_has_an_event_and_a_window_and_no_denominator():
    wanted = measure(agg="incidence", expr="days_between(created_on, closed_on)", event="is_won", time="created_on")
    asked = kpi("e", kind="conversion", unit="rate", interval="incidence", window_days=90, numerator=wanted)
    assert codes(asked) == []
    assert codes(replace(asked, window_days=None)) == ["missing_part"]
    assert codes(replace(asked, numerator=replace(wanted, event=""))) == ["no_event"]
    assert codes(replace(asked, numerator=replace(wanted, expr=""))) == ["no_expression"]
    assert codes(replace(asked, denominator=measure())) == ["useless_part"]
    assert codes(replace(asked, interval="wilson")) == ["bad_interval"]


def test_an_expression_that_cannot_be_read_is_said_once():
    assert codes(replace(BOOKED, numerator=measure(agg="sum", expr="amount_bse"))) == ["bad_expression"]


def test_coverage_is_compared_condition_by_condition_t_52():
    inputs = {"rate": "win_rate", "booked": "booked"}
    unreadable = replace(WIN_RATE, denominator=measure(where="market = "))
    assert codes(unreadable, BOOKED, derived(inputs=inputs)) == ["bad_expression"]
    stages = replace(WIN_RATE, denominator=measure(where="stage = 'demo' AND is_closed"))
    assert codes(stages, BOOKED, derived(inputs=inputs)) == []
