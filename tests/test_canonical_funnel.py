"""The funnel by person and cycle: what counts as an MQL that became an SQL."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from cadran.canonical.funnel import lead_cycle
from tables import collect, landed_tables, settings

OLIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "olist"


def cycles(*, known_at="2026-12-31", change=None, **tables):
    landed = landed_tables(**tables)
    return collect(lead_cycle(landed, settings(known_at, **(change or {}))), "person_id", "cycle")


def lead(name="ann", created_at="2026-01-05", **more):
    return {"id": name, "created_at": created_at, **more}


def became(stage, day, lead_id="ann", **more):
    return {"lead_id": lead_id, "to_stage": stage, "occurred_at": day, **more}


def days(row):
    steps = ("lead_on", "mql_on", "sql_on", "opportunity_on", "customer_on")
    return [row[s].isoformat()[5:] if row[s] else None for s in steps]


def test_t53_a_person_reaches_each_step_once():
    """T-53: from lead to customer, the win of the deal that the lead became."""
    (row,) = cycles(
        lead=[lead(converted_opportunity_id="d")],
        lifecycle_event=[became("MQL", "2026-01-10"), became("SQL", "2026-02-01"), became("MQL", "2026-02-03")],
        opportunity=[{"id": "d", "created_at": "2026-02-10", "closed_at": "2026-05-01", "is_won": True}],
    )
    assert days(row) == ["01-05", "01-10", "02-01", "02-10", "05-01"]
    assert (row["opportunity_id"], row["cycle"], row["is_direct_sql"], row["is_inferred"]) == ("d", 1, False, False)


def test_t53_period_and_cohort_bases_come_from_the_same_rows():
    """T-53: 2 SQL in March, 2 MQL in March; of March's MQL, one is SQL within 90 days."""
    rows = cycles(
        lead=[lead(n, "2026-01-01") for n in "abc"],
        lifecycle_event=[
            became("mql", "2026-02-20", "a"), became("sql", "2026-03-05", "a"),
            became("mql", "2026-03-10", "b"), became("sql", "2026-03-20", "b"),
            became("mql", "2026-03-15", "c"), became("sql", "2026-09-01", "c"),
        ],
    )  # fmt: skip
    in_march = [r for r in rows if r["mql_on"].month == 3]
    assert (sum(r["sql_on"].month == 3 for r in rows), len(in_march)) == (2, 2)
    assert [r["person_id"] for r in in_march if (r["sql_on"] - r["mql_on"]).days <= 90] == ["b"]


def test_t54_an_sql_that_was_never_an_mql_is_direct():
    """T-54."""
    (row,) = cycles(lead=[lead()], lifecycle_event=[became("SQL", "2026-02-01")])
    assert (row["mql_at"], row["is_direct_sql"]) == (None, True)


def test_t54_an_sql_that_marketing_labels_later_stays_direct():
    """T-54."""
    (row,) = cycles(lead=[lead()], lifecycle_event=[became("SQL", "2026-02-01"), became("MQL", "2026-02-09")])
    assert row["is_direct_sql"] is True


@pytest.mark.parametrize(("again", "n"), [("2026-04-09", 1), ("2026-04-10", 2)])
def test_t55_a_recycled_person_starts_another_cycle_after_the_gap(again, n):
    """T-55: MQL on 10 January and again, 89 or 90 days later."""
    rows = cycles(lead=[lead("ann", "2026-01-10")], lifecycle_event=[became("MQL", "2026-01-10"), became("MQL", again)])
    assert [r["cycle"] for r in rows] == list(range(1, n + 1))


def test_t55_going_further_after_a_long_silence_is_the_same_cycle():
    """T-55: slow is not recycled."""
    (row,) = cycles(lead=[lead()], lifecycle_event=[became("MQL", "2026-01-10"), became("SQL", "2026-09-01")])
    assert days(row)[:3] == ["01-05", "01-10", "09-01"]


def test_t55_a_second_enquiry_of_the_same_person_is_the_same_person():
    """T-55: two leads with one address, far apart, are two cycles of one person."""
    rows = cycles(lead=[lead("x", email="A@b.fr"), lead("y", "2026-08-01", email="a@b.fr ")])
    assert [(r["person_id"], r["cycle"], r["lead_id"]) for r in rows] == [("a@b.fr", 1, "x"), ("a@b.fr", 2, "y")]


def test_t55_a_lead_and_the_contact_of_its_address_are_one_person():
    """T-55."""
    (row,) = cycles(
        lead=[lead(email="a@b.fr")],
        contact=[{"id": "c", "email": "a@b.fr", "title_level": "director"}],
        lifecycle_event=[{"contact_id": "c", "to_stage": "mql", "occurred_at": "2026-02-01"}],
    )
    assert (row["person_id"], row["title_level"], days(row)[:2]) == ("c", "director", ["01-05", "02-01"])


def test_t56_the_segment_is_the_one_at_the_mql():
    """T-56: mid-market at MQL, enterprise at SQL."""
    accounts = [
        {"id": "a", "segment": "mid-market"},
        {"id": "a", "segment": "enterprise", "valid_from": "2026-02-01"},
    ]
    (row,) = cycles(
        lead=[lead(account_id="a", segment="unused", channel="organic")],
        account=accounts[1:],
        account_history=accounts,
        lifecycle_event=[became("MQL", "2026-01-10"), became("SQL", "2026-03-01")],
    )
    assert (row["segment"], row["channel"]) == ("mid-market", "organic")


def test_t01_an_opportunity_without_an_sql_passed_it_then():
    """T-01 for persons: HubSpot moves a contact from MQL to opportunity by itself."""
    (row,) = cycles(
        lead=[lead()],
        lifecycle_event=[became("marketingqualifiedlead", "2026-01-10"), became("opportunity", "2026-02-01")],
    )
    assert days(row)[1:4] == ["01-10", "02-01", "02-01"]
    assert (row["is_direct_sql"], row["is_inferred"]) == (False, True)


def test_without_events_the_lead_itself_tells_and_it_is_flagged():
    rows = cycles(
        lead=[
            lead("a", status="MQL"),
            lead("b", status="Closed - Converted", converted_at="2026-03-01", updated_at="2026-06-01"),
            lead("c", status="Disqualified", updated_at="2026-02-02"),
            lead("d", status="Open"),
        ]
    )
    assert [days(r)[1:3] for r in rows] == [["01-05", None], [None, "03-01"], [None, None], [None, None]]
    assert [r["is_inferred"] for r in rows] == [True, True, True, False]
    assert rows[2]["disqualified_on"].isoformat() == "2026-02-02"


def test_recorded_changes_of_status_are_events():
    change = {"entity_type": "lead", "entity_id": "ann", "field": "status"}
    (row,) = cycles(
        lead=[lead(status="SQL")],
        field_history=[
            {**change, "new_value": "MQL", "changed_at": "2026-01-20", "is_inferred": False},
            {**change, "new_value": "SQL", "changed_at": "2026-02-20", "is_inferred": False},
        ],
    )
    assert (days(row)[1:3], row["is_inferred"]) == (["01-20", "02-20"], False)


def test_a_deal_belongs_to_the_cycle_in_which_it_was_created():
    rows = cycles(
        lead=[lead(contact_id="c")],
        lifecycle_event=[became("MQL", "2026-01-10"), became("MQL", "2026-08-01")],
        opportunity=[
            {
                "id": "old",
                "primary_contact_id": "c",
                "created_at": "2026-02-01",
                "is_won": False,
                "closed_at": "2026-03-01",
            },
            {
                "id": "new",
                "primary_contact_id": "c",
                "created_at": "2026-09-01",
                "is_won": True,
                "closed_at": "2026-10-01",
            },
            {"id": "open", "lead_id": "ann", "created_at": "2026-08-20"},
        ],
    )
    assert [(r["opportunity_id"], days(r)[3:]) for r in rows] == [
        ("old", ["02-01", None]),
        ("new", ["08-20", "10-01"]),
    ]


def test_what_is_not_known_yet_has_not_happened():
    (row,) = cycles(
        known_at="2026-01-31", lead=[lead()], lifecycle_event=[became("MQL", "2026-01-10"), became("SQL", "2026-02-01")]
    )
    assert row["sql_at"] is None
    assert row["observed_until"].isoformat() == "2026-01-31T00:00:00"


def test_g13_test_and_deleted_leads_are_left_out():
    """G-13."""
    assert (
        cycles(
            lead=[lead("t", is_test=True), lead("d", deleted_at="2026-02-01")],
            lifecycle_event=[became("MQL", "2026-01-10", "t")],
        )
        == []
    )


@pytest.mark.skipif(not OLIST.exists(), reason="the shared data folder (olist) is not beside the project")
def test_eight_thousand_real_leads_convert_as_computed_by_hand():
    """T-53 on real data: leads won by origin and by month of first contact, against independent SQL."""
    expected = json.loads((OLIST / "expected.json").read_text())["values"]
    with (OLIST / "olist_marketing_qualified_leads_dataset.csv").open() as file:
        leads = [
            lead(row["mql_id"], row["first_contact_date"], status="MQL", source=row["origin"] or None)
            for row in csv.DictReader(file)
        ]
    with (OLIST / "olist_closed_deals_dataset.csv").open() as file:
        deals = [
            {"id": f"d{number}", "lead_id": row["mql_id"], "closed_at": row["won_date"], "is_won": True}
            for number, row in enumerate(csv.DictReader(file))
        ]
    rows = cycles(known_at="2018-12-31", change={"zone": "UTC"}, lead=leads, opportunity=deals)
    won = [r for r in rows if r["customer_at"]]
    assert {"mqls": len(rows), "won": len(won)} == {
        n: expected["mql_to_won_overall"]["rows"][n] for n in ("mqls", "won")
    }
    by_origin, won_by_origin = (
        Counter(r["source"] or "(null)" for r in rows),
        Counter(r["source"] or "(null)" for r in won),
    )
    for row in expected["mql_to_won_by_origin"]["rows"]:
        assert (by_origin[row["origin"]], won_by_origin[row["origin"]]) == (row["mqls"], row["won"]), row["origin"]
    fast = Counter(r["mql_on"].isoformat()[:7] for r in won if 0 <= (r["customer_on"] - r["mql_on"]).days <= 90)
    for row in expected["mql_to_won_within_90_days_by_first_contact_month"]["rows"]:
        assert fast[row["cohort_month"]] == row["won_90d"], row["cohort_month"]
