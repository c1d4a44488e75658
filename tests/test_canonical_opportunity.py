"""Deals: how each ended and when, what it is worth, and the attributes that held then."""

import datetime as dt
from decimal import Decimal

import pytest

from tables import collect_deals, landed_tables, settings

KNOWN = settings("2026-07-01")


def deal(known=KNOWN, **rows):
    """The only deal of these landed rows, as published."""
    (found,) = collect_deals(landed_tables(**rows), known, "opportunity")["opportunity"]
    return found


def opportunity(**values):
    return [{"id": "a", "created_at": "2026-01-10", "stage": "Qualification", "is_closed": False, **values}]


def closed(closed_at="2026-03-10", **values):
    return opportunity(**{"stage": "Closed lost", "is_closed": True, "is_won": False, "closed_at": closed_at, **values})


def won(closed_at="2026-03-10", **values):
    return closed(closed_at, **{"stage": "Closed won", "is_won": True, **values})


def stage(at, new, old=None, **values):
    return {"entity_id": "a", "field": "stage", "changed_at": at, "new_value": new, "old_value": old, **values}


def test_the_annual_value_of_three_years_leaves_the_setup_out():
    """T-34: 90 k€ over 36 months with 15 k€ of setup is 25 k€ a year and 90 k€ in all."""
    found = deal(opportunity=won(amount="90000", setup_amount="15000", term_months="36"))

    assert Decimal(25000) == found["acv_base"]
    assert Decimal(90000) == found["tcv_base"]
    assert Decimal(90000) == found["asp_base"]


def test_a_contract_of_six_months_is_not_annualised():
    """T-35: the contracted value is 12 k€, with a term under 12 months to see it by."""
    found = deal(opportunity=won(amount="12000", term_months="6"))

    assert Decimal(12000) == found["acv_base"]
    assert Decimal(6) == found["term_months"]


def test_an_annual_value_that_the_source_gives_wins():
    assert Decimal(20000) == deal(opportunity=won(amount="90000", term_months="36", acv="20000"))["acv_base"]


@pytest.mark.parametrize(("amount", "expected"), [(None, None), ("0", Decimal(0)), ("-500", Decimal(-500))])
def test_a_missing_amount_is_not_zero_and_a_credit_is_negative(amount, expected):
    """T-36."""
    found = deal(opportunity=won(amount=amount))

    assert expected == found["amount_base"]
    assert expected == found["acv_base"]


def test_an_amount_without_a_rate_has_no_base_amount():
    """G-14."""
    found = deal(opportunity=won(amount="100", currency="USD"))

    assert Decimal(100) == found["amount"]
    assert found["amount_base"] is None


def test_a_closed_deal_is_converted_at_its_close_and_an_open_one_at_its_creation():
    fx = [
        {"day_on": day, "from_currency": "USD", "to_currency": "EUR", "rate": rate}
        for day, rate in [("2026-01-10", "0.8"), ("2026-03-10", "0.9")]
    ]

    assert Decimal(90) == deal(opportunity=won(amount="100", currency="USD"), fx_rate=fx)["amount_base"]
    assert Decimal(80) == deal(opportunity=opportunity(amount="100", currency="USD"), fx_rate=fx)["amount_base"]


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("Concurrent", "lost"),
        (None, "lost"),
        ("No decision", "no_decision"),
        ("Pas de décision", "no_decision"),
        ("Sans suite", "no_decision"),
        ("Projet abandonné", "no_decision"),
        ("Disqualified: too small", "disqualified"),
        ("Non qualifié", "disqualified"),
        ("Doublon", "disqualified"),
    ],
)
def test_the_reason_tells_the_class_of_outcome(reason, outcome):
    """T-19: won, lost to somebody, no decision, disqualified."""
    assert outcome == deal(opportunity=closed(lost_reason=reason))["outcome"]


def test_an_open_deal_past_its_expected_close_is_stale_and_not_lost():
    """T-19: stale deals are never closed on their own."""
    found = deal(opportunity=opportunity(expected_close_on="2026-06-29"))

    assert found["is_stale"]
    assert not found["is_closed"]
    assert found["outcome"] is None
    assert not deal(opportunity=opportunity(expected_close_on="2026-07-15"))["is_stale"]


def test_a_deal_is_closed_by_the_name_of_its_stage_where_no_flag_says_so():
    found = deal(opportunity=opportunity(stage="Gagné", is_closed=None, expected_close_on="2026-03-10"))

    assert found["is_won"]
    assert dt.date(2026, 3, 10) == found["closed_on"]


def test_the_close_is_the_change_of_stage_and_not_the_planned_date():
    """T-72: the close date of a CRM is a plan; what was recorded beats it."""
    history = [stage("2026-02-01", "Proposal", "Qualification"), stage("2026-03-02", "Closed won", "Proposal")]

    found = deal(opportunity=won("2026-03-31"), field_history=history)

    assert dt.date(2026, 3, 2) == found["closed_on"]
    assert found["cycle_days"] == 51


def test_the_planned_date_is_the_close_only_as_a_fallback():
    """T-72."""
    found = deal(opportunity=won(None, expected_close_on="2026-03-31"))

    assert dt.date(2026, 3, 31) == found["closed_on"]


def test_the_close_date_of_an_open_deal_is_its_expected_close():
    """T-72."""
    found = deal(opportunity=opportunity(closed_at="2026-09-30"))

    assert found["closed_on"] is None
    assert dt.date(2026, 9, 30) == found["expected_close_on"]


def test_a_close_before_the_creation_has_no_cycle():
    """T-71: negative is an error and not a short cycle."""
    found = deal(opportunity=won("2026-01-08"))

    assert not found["is_cycle_valid"]
    assert found["cycle_days"] is None


def test_a_close_on_the_day_of_creation_takes_no_day():
    """T-71."""
    found = deal(opportunity=won("2026-01-10T18:00"))

    assert found["is_cycle_valid"]
    assert found["cycle_days"] == 0


def test_cycles_are_counted_in_days_of_the_zone():
    """G-6: closed at 23:30 UTC on 10 March is on 11 March in Paris."""
    assert deal(opportunity=won("2026-03-10T23:30"))["cycle_days"] == 60


def test_a_deal_lost_then_reopened_then_won_is_won_once_at_the_last_date():
    """T-18, T-71: one deal, cycle from its first creation to its final close."""
    history = [
        stage("2026-02-01", "Closed lost", "Qualification"),
        stage("2026-03-01", "Qualification", "Closed lost"),
        stage("2026-04-01", "Closed won", "Qualification"),
    ]

    found = deal(opportunity=won("2026-04-01"), field_history=history)

    assert ("won", dt.date(2026, 4, 1), 1, 81) == (
        found["outcome"],
        found["closed_on"],
        found["n_reopened"],
        found["cycle_days"],
    )


def test_a_deal_disqualified_in_its_first_stage_never_was_qualified():
    """T-20: such deals are left out of what counts qualified ones."""
    history = [stage("2026-02-01", "Closed lost", "Qualification"), stage("2026-01-15", "Demo", None, entity_id="b")]
    deals = [
        *closed("2026-02-01", lost_reason="Disqualified"),
        {"id": "b", "created_at": "2026-01-10", "stage": "Demo", "is_closed": False},
    ]

    found = {
        row["id"]: row
        for row in collect_deals(landed_tables(opportunity=deals, field_history=history), KNOWN, "opportunity")[
            "opportunity"
        ]
    }

    assert not found["a"]["is_qualified"]
    assert found["a"]["qualified_at"] is None


def test_a_deal_is_qualified_from_the_second_stage_or_from_the_one_that_the_list_says():
    """T-20."""
    history = [stage("2026-02-01", "Demo", "Qualification"), stage("2026-03-01", "Proposal", "Demo")]
    listed = [
        {"name": name, "position": number, "is_qualified": name == "Proposal"}
        for number, name in enumerate(["Qualification", "Demo", "Proposal"])
    ]
    deals = opportunity(stage="Proposal")

    assert dt.date(2026, 2, 1) == deal(opportunity=deals, field_history=history)["qualified_on"]
    assert dt.date(2026, 3, 1) == deal(opportunity=deals, field_history=history, stage=listed)["qualified_on"]


def test_a_lost_deal_of_which_no_stage_is_known_counts_as_qualified_and_as_inferred():
    found = deal(opportunity=closed())

    assert found["is_qualified"]
    assert found["is_inferred_history"]


def test_a_deal_is_engaged_when_it_leaves_its_first_stage_or_the_other_side_answers():
    """T-16."""
    history = [stage("2026-02-01", "Demo", "Qualification")]
    mails = [
        {"opportunity_id": "a", "occurred_at": "2026-01-12", "type": "email", "direction": "outbound"},
        {"opportunity_id": "a", "occurred_at": "2026-01-20", "type": "email", "direction": "inbound"},
        {"opportunity_id": "a", "occurred_at": "2026-01-13", "type": "email_in", "is_automated": True},
    ]
    deals = opportunity(stage="Demo")

    assert dt.date(2026, 2, 1) == deal(opportunity=deals, field_history=history)["engaged_on"]
    assert dt.date(2026, 1, 20) == deal(opportunity=deals, field_history=history, activity=mails)["engaged_on"]
    assert not deal(opportunity=opportunity(), activity=mails[:1])["is_engaged"]


def test_a_deal_of_which_nothing_is_recorded_is_engaged_from_its_creation():
    assert dt.date(2026, 1, 10) == deal(opportunity=opportunity(stage=None))["engaged_on"]


def test_deals_created_together_in_one_minute_are_an_import():
    """T-21: 400 on Monday are no anomaly."""
    minute = [{"id": f"i{n}", "created_at": f"2026-03-02T09:00:{n:02}", "is_closed": False} for n in range(5)]
    later = [{"id": "z", "created_at": "2026-03-02T09:01", "is_closed": False}]

    found = collect_deals(landed_tables(opportunity=minute + later), settings(import_batch=5), "opportunity")[
        "opportunity"
    ]

    assert {row["id"] for row in found if row["is_imported"]} == {row["id"] for row in minute}


def test_a_back_dated_deal_keeps_both_dates():
    """T-22: the system's date counts by default, the business date is a variant."""
    found = deal(opportunity=opportunity(created_at="2026-02-03", business_created_at="2026-01-05"))

    assert (dt.date(2026, 2, 3), dt.date(2026, 1, 5)) == (found["created_on"], found["business_created_on"])


def test_the_segment_is_that_of_the_day_of_the_close():
    """G-10: a company that grew after the win does not move it."""
    versions = [
        {"id": "x", "segment": "SMB", "valid_from": "2026-01-01"},
        {"id": "x", "segment": "Enterprise", "valid_from": "2026-05-01"},
    ]
    rows = {"account": versions[1:], "account_history": versions}

    assert deal(opportunity=won(account_id="x"), **rows)["segment"] == "SMB"
    assert deal(opportunity=opportunity(account_id="x"), **rows)["segment"] == "Enterprise"


def test_the_owner_is_the_one_of_the_close():
    """T-99: A creates, B closes, C inherits: B by default."""
    people = [{"id": name, "name": name.upper(), "team": f"team {name}"} for name in "abc"]
    history = [
        {"entity_id": "a", "field": "owner_id", "old_value": old, "new_value": new, "changed_at": at}
        for old, new, at in [("a", "b", "2026-02-01"), ("b", "c", "2026-04-01")]
    ]

    found = deal(opportunity=won(owner_id="c"), field_history=history, owner=people)

    assert (found["owner"], found["team"], found["owner_id"]) == ("B", "team b", "b")


def test_a_deal_without_an_account_keeps_its_row_with_an_unknown_segment():
    """G-9: an unknown segment is NULL, and the row is there."""
    found = deal(opportunity=won(amount="100"))

    assert found["segment"] is None
    assert Decimal(100) == found["amount_base"]


def test_a_deleted_deal_is_no_loss_and_a_test_one_is_marked():
    """G-13: deletion is a correction."""
    rows = landed_tables(opportunity=[*closed(deleted_at="2026-04-01"), *[{**closed()[0], "id": "t", "is_test": True}]])

    (found,) = collect_deals(rows, KNOWN, "opportunity")["opportunity"]

    assert (found["id"], found["is_test"]) == ("t", True)
