"""What was planted in the sample company is what the derivations find in its exports, to the cent."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import ibis
import pytest

from cadran.canonical.calendars import HoursFrom, working_minutes
from cadran.canonical.response import lead_response
from cadran.canonical.revenue import customer_month, mrr_movement
from cadran.config import load_project
from cadran.sources.demo import write_company
from tables import collect, landed_tables, settings

DAY = "2026-06-30"
PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    folder = tmp_path_factory.mktemp("company")
    return folder, write_company(folder)


@pytest.fixture(scope="module")
def known(company):
    return settings(company[1].known_at.isoformat())


@pytest.fixture(scope="module")
def revenue(company):
    return landed_tables(
        subscription=[subscription(row) for row in rows(company, "stripe-subscriptions")],
        fx_rate=[dict(row) for row in rows(company, "fx_rates")],
    )


def rows(company, stem):
    (path,) = (company[0] / "exports").glob(f"{stem}*{DAY}.csv")
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def subscription(row):
    return {
        "id": row["id"],
        "customer_id": row["Customer ID"],
        "status": row["Status"],
        "quantity": row["Quantity"],
        "currency": row["Currency"].upper(),
        "interval": row["Interval"],
        "amount": row["Amount"],
        "discount_share": float(row["Discount %"] or 0) / 100,
        "started_at": row["Start (UTC)"],
        "trial_ended_at": row["Trial End (UTC)"] or None,
        "cancel_requested_at": row["Canceled At (UTC)"] or None,
        "ended_at": row["Ended At (UTC)"] or None,
    }


def in_utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC).replace(tzinfo=None).isoformat()


def test_every_movement_of_revenue_is_found_and_no_other(company, revenue, known):
    """T-39 to T-47. What is free is no movement of money."""
    truths = company[1]
    found = Counter(
        (row["customer_id"], row["moved_on"], row["type"], row["currency"], row["mrr_delta"])
        for row in collect(mrr_movement(revenue, known))
        if row["type"] != "fx" and row["mrr_delta"] and row["moved_on"] >= truths.start
    )
    assert found == Counter((m.customer_id, m.moved_on, m.type, m.currency, m.amount) for m in truths.movements)


def test_retention_of_twelve_months_is_the_planted_one(company, revenue, known):
    """T-74, T-75: on the customers billed in the base currency, so that no rate comes in."""
    euros = {row["Customer ID"] for row in rows(company, "stripe-subscriptions") if row["Currency"] == "eur"}
    months = collect(customer_month(revenue, known))
    last = [row for row in months if row["month_on"] == date(2026, 6, 30) and row["customer_id"] in euros]
    planted = company[1].retention["EUR"]
    columns = {"start": "mrr_12m_before", "end": "mrr_end"} | {
        kind: f"{kind}_12m" for kind in ("new", "expansion", "contraction", "churn", "reactivation", "retained")
    }
    assert {name: sum((row[column] for row in last), Decimal(0)) for name, column in columns.items()} == {
        name: getattr(planted, name) for name in columns
    }


def test_answers_are_found_with_their_working_time(company, known):
    """T-10 to T-14: robots do not answer, working time is that of the owner of the lead."""
    folder, truths = company
    hours = load_project(folder).hours
    owners = {row["name"]: row for row in rows(company, "owners")}
    left_out = {pair.other_id for pair in truths.duplicates}
    tables = landed_tables(
        owner=[{key: row[key] for key in ("id", "name", "zone", "role")} for row in owners.values()],
        lead=[
            {
                "id": row["Record ID"],
                "owner_id": owners[row["Contact owner"]]["id"],
                "is_test": row["Contact de test"] == "Oui",
                "created_at": in_utc(row["Create Date"]),
            }
            for row in rows(company, "hubspot-crm-exports-all-contacts")
            if row["Record ID"] not in left_out and "impossible" not in row["Email"]
        ],
        activity=[
            {key: row[key] or None for key in ("id", "type", "direction", "subject", "outcome", "owner_id", "lead_id")}
            | {"is_automated": row["is_automated"] == "true", "occurred_at": row["occurred_at"].removesuffix("Z")}
            for row in rows(company, "activities")
            if row["lead_id"] and row["id"] != "69999999"
        ],
    )
    zones = {row["zone"] for row in owners.values()}
    calendars = working_minutes(zones, [HoursFrom(date(2000, 1, 1), hours)], date(2024, 1, 1), date(2026, 12, 31))
    found = collect(lead_response({**tables, "working_minutes": ibis.memtable(calendars)}, known))
    valid = [row for row in found if row["is_valid"]]
    minutes = sorted(row["working_hours"] * 60 for row in valid if row["is_answered"])
    planted = truths.responses
    assert (len(found), len(found) - len(valid)) == (planted.n, planted.n_early)
    assert (len(minutes), len(valid) - len(minutes)) == (planted.n_answered, planted.n_unanswered)
    half = len(minutes) // 2
    assert (minutes[half] + minutes[~half]) / 2 == pytest.approx(planted.median_minutes, abs=1e-6)
