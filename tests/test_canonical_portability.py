"""Derived tables come out the same on DuckDB and PostgreSQL."""

from __future__ import annotations

import contextlib
from datetime import date

import ibis
import pytest

from cadran.canonical.account_health import account_health
from cadran.canonical.calendars import HoursFrom, working_minutes
from cadran.canonical.cost import cost
from cadran.canonical.funnel import lead_cycle
from cadran.canonical.identity import merged
from cadran.canonical.outreach import outreach_delivery
from cadran.canonical.response import lead_response
from cadran.canonical.revenue import customer_month, mrr_movement
from cadran.canonical.selling import selling_week
from cadran.canonical.shape import money, publish
from cadran.canonical.target_account import target_account
from cadran.canonical.touch import touch
from cadran.config import BusinessHours
from postgres import postgres_url
from tables import landed_tables, settings

__all__ = ["postgres_url"]
SETTINGS = settings("2026-06-30T22:00", grace_days=10)


def company():
    """A few rows with every kind of trouble: swaps, pauses, currencies, merges, changes, zones."""
    change = {"changed_at": "2026-03-15T10:00", "old_value": "100", "new_value": "150", "field": "mrr"}
    landed = landed_tables(
        account=[{"id": "a", "name": "Acme", "domain": "acme.fr", "segment": "SMB", "owner_id": "o", "zone": "America/New_York", "is_target_abm": True}],
        owner=[{"id": "o", "name": "Anna", "team": "North"}],
        contact=[{"id": "c", "email": "ann@acme.fr", "account_id": "a", "name": "Ann Lee", "created_at": "2026-01-01"}],
        customer=[{"id": "x", "account_id": "a"}, {"id": "y", "merged_into_id": "x", "merged_at": "2026-05-01"}],
        subscription=[
            {"id": "s", "customer_id": "x", "mrr": 150, "started_at": "2025-03-10T12:00"},
            {"id": "u", "customer_id": "y", "amount": 1200, "interval": "year", "currency": "USD", "started_at": "2026-01-20"},
            {"id": "v", "customer_id": "z", "mrr": 20, "started_at": "2025-01-01", "ended_at": "2026-02-01"},
            {"id": "w", "customer_id": "z", "mrr": 30, "started_at": "2026-02-05", "ended_at": "2026-04-01"},
        ],
        field_history=[{"entity_type": "subscription", "entity_id": "s", **change}],
        fx_rate=[
            {"day_on": f"2026-{m:02}-{d}", "from_currency": "USD", "to_currency": "EUR", "rate": f"0.9{m}"}
            for m in range(1, 7) for d in ("10", "20", "28")
        ],
        lead=[
            {"id": "l", "email": "Ann@acme.fr", "account_id": "a", "created_at": "2026-03-06T15:30", "owner_id": "o"},
            {"id": "m", "email": "ann@acme.fr", "created_at": "2026-03-07"},
            {"id": "n", "email": "bob@other.fr", "created_at": "2026-03-28T23:30", "status": "MQL"},
        ],
        lifecycle_event=[
            {"lead_id": "l", "to_stage": "MQL", "occurred_at": "2026-03-08"},
            {"lead_id": "m", "to_stage": "sql", "occurred_at": "2026-04-08"},
        ],
        opportunity=[{"id": "d", "lead_id": "m", "account_id": "a", "created_at": "2026-04-10", "closed_at": "2026-05-01", "is_won": True}],
        activity=[
            {"lead_id": "m", "type": "email", "direction": "outbound", "occurred_at": "2026-03-09T14:00", "owner_id": "o"},
            {"account_id": "a", "type": "Meeting", "outcome": "completed", "subject": "Démo", "occurred_at": "2026-03-12T14:00:30", "owner_id": "o"},
        ],
        outreach_message=[
            {"sequence": "Cold", "step_position": 1, "channel": "email", "person_key": f"p{n}", "sent_at": "2026-03-02T09:00"} for n in (1, 2)
        ] + [
            {"sequence": "S", "step_position": 1, "contact_id": "c", "sent_at": "2026-03-02T09:00"},
            {"sequence": "S", "step_position": 2, "contact_id": "c", "sent_at": "2026-03-05T09:00", "replied_at": "2026-03-06T23:30"},
        ],
        marketing_touch=[{"account_id": "a", "touch_type": "form", "anonymous_id": "z", "occurred_at": "2026-04-30T22:30"}],
        spend=[
            {"id": "f", "day_on": "2026-03-31", "category": "Salaires", "market": "FR", "amount": "1000.01"},
            {"id": "u", "day_on": "2026-03-30", "category": "ads", "market": "US", "amount": "333.33"},
            {"id": "h", "day_on": "2026-03-31", "category": "tooling", "amount": "100", "allocation_key": "Effectif"},
            {"id": "d", "day_on": "2026-03-31", "category": "agency", "amount": "77.7777", "allocation_key": "direct_spend"},
            {"id": "n", "day_on": "2026-03-31", "category": None, "amount": "5"},
        ],
        time_entry=[
            {"owner_id": "o", "day_on": f"2026-03-{d:02}", "category": "x", "is_selling": d % 2 == 0, "minutes": 900 * d} for d in range(1, 12)
        ],
    )  # fmt: skip
    zones, hours = ["America/New_York", "Europe/Paris"], (HoursFrom(date(2000, 1, 1), BusinessHours()),)
    landed["working_minutes"] = ibis.memtable(working_minutes(zones, hours, date(2026, 1, 1), date(2026, 7, 2)))
    return merged(landed, SETTINGS)


def costs(t, known):
    """Costs, with amounts in the base currency and deals as they are published."""
    deals = t["opportunity"].mutate(
        market=ibis.literal("FR"), closed_on=ibis.date(2026, 5, 1), cycle_days=ibis.literal(21.0)
    )
    spend = t["spend"].mutate(amount_base=t["spend"].amount)
    people = t["owner"].mutate(region=ibis.literal("US"))
    return publish(cost(spend, {**t, "opportunity": deals, "owner": people}, known), "cost", known)


def targets(t, known):
    return target_account({**t, "outreach_delivery": outreach_delivery(t, known)}, known)


def health(t, known):
    """Health, with month ends and movements of the pipeline made up."""
    one = t["account"].select(
        account_id="id", month_on=ibis.date(2026, 3, 31), moved_on=ibis.date(2026, 2, 3), mrr_end=money(ibis.literal(9)),
        amount_delta=money(ibis.literal(7)), is_customer=ibis.literal(True), customer_id=ibis.literal("x"),
    )  # fmt: skip
    later = one.mutate(month_on=ibis.date(2026, 6, 30), mrr_end=money(ibis.literal(8)))
    months = publish(one.union(later), "customer_month", known)
    return account_health(
        {**t, "customer_month": months, "pipeline_movement": publish(one, "pipeline_movement", known)}, known
    )


DERIVED = [
    mrr_movement, customer_month, lead_cycle, lead_response, touch, selling_week, outreach_delivery, costs, targets, health,
]  # fmt: skip


def answers(connection, derive):
    rows = connection.to_pyarrow(derive(company(), SETTINGS)).to_pylist()
    return sorted([tuple(str(value) for value in row.values()) for row in rows])


@pytest.mark.postgres
@pytest.mark.parametrize("derive", DERIVED, ids=lambda f: f.__name__)
def test_both_engines_derive_the_same_rows(derive, postgres_url):
    here = answers(ibis.duckdb.connect(), derive)
    engine = ibis.connect(postgres_url)
    with contextlib.closing(engine.con):
        there = answers(engine, derive)
    assert len(here) > 1
    assert here == there


@pytest.mark.parametrize("derive", DERIVED, ids=lambda f: f.__name__)
def test_no_statement_grows_out_of_hand(derive):
    """A statement that repeats itself takes longer to plan than to run."""
    assert len(ibis.to_sql(derive(company(), SETTINGS), dialect="duckdb")) < 300_000
