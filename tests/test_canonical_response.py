"""How long leads wait: elapsed and working time, first human touch, leads without an answer."""

from __future__ import annotations

from datetime import date, datetime, time

import ibis
import pytest

from cadran.canonical.calendars import HoursFrom, working_minutes
from cadran.canonical.response import lead_response
from cadran.config import BusinessHours
from tables import collect, landed_tables, settings

OFFICE = (HoursFrom(date(2000, 1, 1), BusinessHours()),)
ZONES = ["Europe/Paris", "America/New_York"]


def responses(*, known_at="2026-12-31", hours=OFFICE, **tables):
    landed = landed_tables(**tables)
    minutes = working_minutes(ZONES, hours, date(2026, 1, 1), date(2027, 1, 2))
    landed["working_minutes"] = ibis.memtable(minutes)
    return collect(lead_response(landed, settings(known_at)), "lead_id")


def lead(created_at, name="ann", **more):
    return {"id": name, "created_at": created_at, **more}


def touch(occurred_at, **more):
    return {"lead_id": "ann", "type": "email", "direction": "outbound", "occurred_at": occurred_at, **more}


def test_t10_from_friday_afternoon_to_monday_morning():
    """T-10: Friday 16:30 to Monday 09:30, hours 09-17: 65 h elapsed, 1 h of work."""
    (row,) = responses(lead=[lead("2026-03-06T15:30")], activity=[touch("2026-03-09T08:30", owner_id="o")])
    assert (row["elapsed_hours"], row["working_hours"]) == (65, 1)
    assert (row["is_answered"], row["is_valid"], row["responder_id"]) == (True, True, "o")


def test_t10_time_to_the_second_is_no_bit_more():
    """T-10: a wait of whole hours is that many hours exactly, or an answer within one would be told as later."""
    seconds = range(26, 600, 13)
    times = [f"08:{each // 60:02}:{each % 60:02}" for each in seconds]
    leads = [lead(f"2026-01-0{day}T{each}", f"ann{day}{each}") for day in (2, 5) for each in times]
    answers = [
        touch(f"2026-01-0{day + after}T{each}", lead_id=f"ann{day}{each}")
        for day, after in ((2, 4), (5, 1))
        for each in times
    ]
    assert {row["working_hours"] for row in responses(lead=leads, activity=answers)} == {16, 8}


def test_t11_the_change_of_time_is_no_hour_of_waiting():
    """T-11: lead 01:30, reply 03:30 on 29 March 2026 in Paris is 1 h."""
    (row,) = responses(lead=[lead("2026-03-29T00:30")], activity=[touch("2026-03-29T01:30")])
    assert row["elapsed_hours"] == 1


@pytest.mark.parametrize(
    ("more", "hours"),
    [
        ({"lead": {"zone": "America/New_York"}}, 1),
        ({"account": {"zone": "America/New_York"}}, 1),
        ({"owner": {"zone": "America/New_York"}}, 1),
        ({"lead": {"zone": "New York"}, "account": {"zone": "Europe/Paris"}, "owner": {"zone": "America/New_York"}}, 3),
        ({}, 3),
    ],
)
def test_t12_the_calendar_is_the_buyers_else_the_sellers_else_the_companys(more, hours):
    """T-12: 16 March 2026 noon to 15:00 in Paris is 07:00 to 10:00 in New York."""
    (row,) = responses(
        lead=[lead("2026-03-16T11:00", account_id="a", owner_id="o", **more.get("lead", {}))],
        account=[{"id": "a", **more.get("account", {})}],
        owner=[{"id": "o", **more.get("owner", {})}],
        activity=[touch("2026-03-16T14:00")],
    )
    assert (row["elapsed_hours"], row["working_hours"]) == (3, hours)


def test_t13_a_lead_without_an_answer_has_waited_until_the_last_known_instant():
    """T-13."""
    (row,) = responses(lead=[lead("2026-03-09T08:00")], known_at="2026-03-10T08:30")
    assert (row["is_answered"], row["responded_at"], row["elapsed_hours"], row["working_hours"]) == (
        False,
        None,
        24.5,
        8.5,
    )
    assert row["observed_until"] == datetime(2026, 3, 10, 8, 30)


def test_t13_an_answer_that_is_not_known_yet_is_none():
    """T-13."""
    (row,) = responses(
        lead=[lead("2026-03-09T08:00", first_response_at="2026-03-12")],
        activity=[touch("2026-03-11")],
        known_at="2026-03-10",
    )
    assert row["is_answered"] is False


def test_t14_a_reply_before_the_lead_is_flagged():
    """T-14: imported lead."""
    (row,) = responses(lead=[lead("2026-03-09T08:00")], activity=[touch("2026-03-08T08:00")])
    assert (row["is_valid"], row["elapsed_hours"]) == (False, -24)


@pytest.mark.parametrize(
    "more",
    [
        {"is_automated": True},
        {"direction": "inbound"},
        {"direction": None},
        {"type": "note"},
        {"type": None},
        {"outcome": "auto_reply"},
        {"subject": "Automatic reply: your demo"},
        {"status": "bounced"},
        {"owner_id": "robot"},
        {"lead_id": "bob"},
        {"deleted_at": "2026-03-09"},
    ],
)
def test_t14_what_no_human_sent_to_the_lead_is_no_answer(more):
    """T-14."""
    (row,) = responses(
        lead=[lead("2026-03-09T08:00")],
        owner=[{"id": "robot", "role": "Chat bot"}],
        activity=[touch("2026-03-09T09:00", **more)],
    )
    assert row["is_answered"] is False


@pytest.mark.parametrize(
    "more",
    [
        {"type": "Call", "direction": None},
        {"type": "Réunion", "direction": None},
        {"type": "Outgoing email", "direction": None},
        {"type": "linkedin_message"},
        {"type": "sms", "direction": "OUTBOUND"},
    ],
)
def test_t14_every_way_of_reaching_out_is_an_answer(more):
    """T-14."""
    (row,) = responses(lead=[lead("2026-03-09T08:00")], activity=[touch("2026-03-09T09:00", **more)])
    assert row["elapsed_hours"] == 1


def test_t14_any_human_of_the_team_counts_and_is_credited_apart():
    """T-14: owned by Anna, answered by Bea."""
    (row,) = responses(
        lead=[lead("2026-03-09T08:00", owner_id="anna")],
        owner=[{"id": "anna", "name": "Anna", "team": "North"}, {"id": "bea", "name": "Bea"}],
        activity=[touch("2026-03-09T09:00", owner_id="bea"), touch("2026-03-09T10:00", owner_id="anna")],
    )
    assert (row["owner_id"], row["owner"], row["team"], row["responder_id"]) == ("anna", "Anna", "North", "bea")


def test_t14_the_first_answer_that_the_source_gives_counts_without_a_responder():
    """T-14."""
    (row,) = responses(
        lead=[lead("2026-03-09T08:00", first_response_at="2026-03-09T08:30")],
        activity=[touch("2026-03-09T09:00", owner_id="bea")],
    )
    assert (row["elapsed_hours"], row["responder_id"]) == (0.5, None)


def test_an_activity_of_the_contact_answers_the_leads_before_it_only():
    (first, second) = responses(
        lead=[lead("2026-03-09T08:00", "a", contact_id="c"), lead("2026-03-20T08:00", "b", contact_id="c")],
        activity=[touch("2026-03-10T08:00", lead_id=None, contact_id="c")],
    )
    assert (first["elapsed_hours"], second["is_answered"], second["is_valid"]) == (24, False, True)


def test_t15_hours_that_change_later_leave_the_past():
    """T-15: open to 20:00 from July on."""
    longer = (*OFFICE, HoursFrom(date(2026, 7, 1), BusinessHours(closes=time(20))))
    rows = responses(
        hours=longer,
        lead=[lead("2026-06-01T14:00"), lead("2026-07-06T14:00", "bob")],
        activity=[touch("2026-06-02T07:00"), touch("2026-07-07T07:00", lead_id="bob")],
    )
    assert [r["working_hours"] for r in rows] == [1, 4]


def test_g10_dimensions_are_those_at_the_creation_of_the_lead():
    """G-10: the owner of the lead when it came, the segment of its account then."""
    change = {"entity_type": "lead", "entity_id": "ann", "field": "owner_id", "old_value": "anna", "new_value": "bea"}
    accounts = [{"id": "a", "segment": "SMB"}, {"id": "a", "segment": "enterprise", "valid_from": "2026-05-01"}]
    (row,) = responses(
        lead=[lead("2026-03-09T08:00", owner_id="bea", account_id="a", channel="paid")],
        owner=[{"id": "anna", "name": "Anna"}, {"id": "bea", "name": "Bea"}],
        account=accounts[1:],
        account_history=accounts,
        field_history=[{**change, "changed_at": "2026-04-01"}],
    )
    assert (row["owner"], row["segment"], row["channel"]) == ("Anna", "SMB", "paid")


def test_g13_test_and_deleted_leads_are_left_out():
    """G-13."""
    rows = responses(lead=[lead("2026-03-09", "t", is_test=True), lead("2026-03-09", "d", deleted_at="2026-03-10")])
    assert rows == []
