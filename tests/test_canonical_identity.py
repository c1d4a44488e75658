"""Duplicates of people and companies: which rows are one, what survives, and what pointed at them."""

from __future__ import annotations

import pytest

from cadran.canonical.funnel import lead_cycle
from cadran.canonical.history import current
from cadran.canonical.identity import merged
from cadran.canonical.revenue import customer_month, mrr_movement
from tables import collect, landed_tables, settings


def rows(name, *, known_at="2026-12-31", change=None, **tables):
    chosen = settings(known_at, **(change or {}))
    return collect(merged(landed_tables(**tables), chosen)[name], "id")


def ids(name, **tables):
    return [r["id"] for r in rows(name, **tables)]


def lead(name, created_at="2026-01-05", **more):
    return {"id": name, "created_at": created_at, **more}


def test_g12_leads_with_the_same_address_are_one():
    """G-12: normalised e-mail."""
    assert ids("lead", lead=[lead("b", email="Ann+demo@Acme.com "), lead("a", "2026-01-02", email="ann@acme.com")]) == [
        "a"
    ]


def test_g12_then_those_with_the_same_domain_and_name():
    """G-12: another mail box of the same company, accents and case apart."""
    found = ids("contact", contact=[
        {"id": "a", "created_at": "2026-01-01", "name": "Zoé Martin", "email": "z.martin@acme.com"},
        {"id": "b", "created_at": "2026-01-02", "name": "ZOE  MARTIN", "email": "zoe@acme.com"},
    ])  # fmt: skip
    assert found == ["a"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"name": "Ann Lee", "email": "ann@gmail.com"}, {"name": "Ann Lee", "email": "lee@gmail.com"}),
        ({"name": "Anna", "email": "anna@acme.com"}, {"name": "Anna", "email": "a.b@acme.com"}),
        ({"name": "Ann Lee", "email": "ann@acme.com"}, {"name": "Ann Lee", "email": "ann@other.com"}),
        ({"name": "Ann Lee"}, {"name": "Ann Lee"}),
        ({"email": "unknown"}, {"email": "unknown"}),
    ],
)
def test_g12_what_could_be_two_people_stays_two(one, other):
    """G-12: free mail, a first name alone, another company, no address."""
    assert ids("contact", contact=[{"id": "a", **one}, {"id": "b", **other}]) == ["a", "b"]


def test_g12_addresses_and_names_link_on():
    """G-12: a and b by address, b and c by name, c and d by address."""
    contacts = [
        {"id": "d", "created_at": "2026-01-04", "email": "al@acme.com"},
        {"id": "c", "created_at": "2026-01-03", "email": "al@acme.com", "name": "Ann Lee"},
        {"id": "b", "created_at": "2026-01-02", "email": "ann@acme.com", "name": "Ann Lee"},
        {"id": "a", "created_at": "2026-01-01", "email": "ann@acme.com"},
    ]
    assert ids("contact", contact=contacts) == ["a"]


def test_g12_accounts_are_one_by_domain_and_name_without_the_legal_form():
    """G-12: a subsidiary of another name stays."""
    accounts = [
        {"id": "a", "created_at": "2026-01-01", "name": "Acme", "domain": "https://www.acme.com/fr"},
        {"id": "b", "created_at": "2026-01-02", "name": "ACME S.A.S.", "domain": "acme.com"},
        {"id": "c", "created_at": "2026-01-03", "name": "Acme Logistics", "domain": "acme.com"},
    ]
    assert ids("account", account=accounts) == ["a", "c"]


def test_g12_the_survivor_keeps_the_earliest_and_fills_what_it_lacks():
    """G-12: earliest created, earliest response; the owner that only the other had."""
    (row,) = rows("lead", lead=[
        lead("old", email="a@b.fr", first_response_at="2026-01-09", source="Web"),
        lead("new", "2026-01-06", email="a@b.fr", first_response_at="2026-01-07", owner_id="o", source="Event"),
    ])  # fmt: skip
    assert (row["id"], row["created_at"].day, row["first_response_at"].day) == ("old", 5, 7)
    assert (row["owner_id"], row["source"]) == ("o", "Web")


def test_g12_what_pointed_at_the_others_points_at_the_survivor():
    """G-12."""
    tables = {
        "account": [
            {"id": "a", "created_at": "2026-01-01", "name": "Acme", "domain": "acme.com"},
            {"id": "b", "created_at": "2026-01-02", "name": "Acme SA", "domain": "acme.com"},
            {"id": "child", "parent_account_id": "b"},
        ],
        "contact": [{"id": "c", "account_id": "b", "email": "x@acme.com"}],
        "opportunity": [{"id": "d", "account_id": "b", "primary_contact_id": "c"}],
    }
    assert rows("opportunity", **tables)[0]["account_id"] == "a"
    assert rows("contact", **tables)[0]["account_id"] == "a"
    assert rows("account", **tables)[1]["parent_account_id"] == "a"


def test_g12_a_merge_in_the_source_wins_over_the_date_and_is_followed():
    """G-12: a into b, b into c: c survives, created when a was."""
    (row,) = rows("contact", contact=[
        {"id": "a", "created_at": "2026-01-01", "merged_into_id": "b", "merged_at": "2026-03-01"},
        {"id": "b", "created_at": "2026-01-02", "merged_into_id": "c", "merged_at": "2026-04-01"},
        {"id": "c", "created_at": "2026-01-03"},
    ])  # fmt: skip
    assert (row["id"], row["created_at"].day) == ("c", 1)


def test_g12_a_merge_changes_nothing_of_what_was_known_before():
    """G-12: merged on 1 June, asked for May and for July."""
    landed = landed_tables(lead=[
        lead("a"),
        lead("b", "2026-02-01"),
        lead("b", "2026-02-01", merged_into_id="a", merged_at="2026-06-01", valid_from="2026-06-02"),
    ])  # fmt: skip

    def known(day):
        chosen = settings(day)
        return [r["id"] for r in collect(merged(current(landed, chosen.known_at), chosen)["lead"], "id")]

    assert (known("2026-05-15"), known("2026-07-01")) == (["a", "b"], ["a"])


def test_g12_a_merge_into_a_row_that_nobody_has_is_not_followed():
    assert ids("lead", lead=[lead("a", merged_into_id="gone")]) == ["a"]


def test_g12_duplicates_stay_when_the_company_says_so():
    """G-12: contract rule."""
    two = [lead("a", email="a@b.fr"), lead("b", email="a@b.fr"), lead("c", merged_into_id="a")]
    assert ids("lead", lead=two, change={"merge_duplicates": False}) == ["a", "b"]


def test_g13_test_and_deleted_leads_swallow_nobody():
    """G-13."""
    leads = [
        lead("t", "2026-01-01", email="a@b.fr", is_test=True),
        lead("d", "2026-01-02", email="a@b.fr", deleted_at="2026-01-03"),
        lead("x", "2026-01-04", email="a@b.fr"),
    ]
    assert ids("lead", lead=leads) == ["d", "t", "x"]


def test_t55_merged_leads_are_one_cycle_and_a_later_enquiry_another():
    """T-55: two forms in a week, a third one in September."""
    leads = [
        lead("a", email="a@b.fr"),
        lead("b", "2026-01-08", email="a@b.fr"),
        lead("c", "2026-09-01", email="a@b.fr"),
    ]
    events = [{"lead_id": "b", "to_stage": "mql", "occurred_at": "2026-01-09"}]
    chosen = settings()
    found = merged(landed_tables(lead=leads, lifecycle_event=events), chosen)
    cycles = collect(lead_cycle(found, chosen), "cycle")
    assert [(r["lead_id"], r["mql_at"] is not None) for r in cycles] == [("a", True), ("c", False)]


def test_t78_merged_customers_are_transferred_and_neither_churn_nor_expansion():
    """T-78: 100 and 50 become 150 of one customer."""
    chosen = settings("2026-12-31T23:00")
    found = merged(
        landed_tables(
            customer=[{"id": "a"}, {"id": "b", "merged_into_id": "a", "merged_at": "2026-06-01"}],
            subscription=[
                {"customer_id": "a", "mrr": 100, "started_at": "2025-01-01"},
                {"customer_id": "b", "mrr": 50, "started_at": "2025-01-01", "ended_at": "2026-06-01"},
                {"customer_id": "a", "mrr": 50, "started_at": "2026-06-01"},
            ],
        ),
        chosen,
    )
    assert [(r["customer_id"], r["type"], r["mrr_delta"]) for r in collect(mrr_movement(found, chosen))] == [
        ("a", "new", 150)
    ]
    last = collect(customer_month(found, chosen), "month_on")[-1]
    assert (last["mrr_12m_before"], last["retained_12m"], last["churn_12m"], last["expansion_12m"]) == (150, 150, 0, 0)


def test_t100_merging_twice_changes_nothing_more():
    """T-100: idempotent, and free of the order of rows."""
    contacts = [
        {"id": "a", "created_at": "2026-01-01", "email": "ann@acme.com", "name": "Ann Lee"},
        {"id": "b", "created_at": "2026-01-02", "email": "al@acme.com", "name": "Ann Lee"},
        {"id": "c", "created_at": "2026-01-03", "email": "al@acme.com"},
    ]
    chosen = settings()
    once = merged(landed_tables(contact=contacts), chosen)
    again = merged(landed_tables(contact=contacts[::-1]), chosen)
    assert collect(once["contact"]) == collect(again["contact"]) == collect(merged(once, chosen)["contact"])
