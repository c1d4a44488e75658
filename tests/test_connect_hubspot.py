"""HubSpot, read live: whole, without its traps, and proven with servers and clients of others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cadran.canonical.mapping import shipped_mappings
from cadran.config import load_project
from cadran.jobs.build import build_project
from cadran.jobs.connect import read_connection
from cadran.jobs.start import init_project
from cadran.store.shelf import shelf_of
from hubspot_fake import TOKEN, HubSpot, entry, owner, stage
from live import Clock, connected, over, tables

SHIPPED = shipped_mappings()
LATER = "2026-07-03T08:00:00Z"


@pytest.fixture
def project(tmp_path):
    init_project(tmp_path)
    return load_project(tmp_path)


def portal(deals=3):
    """A small portal: two companies, their deals and people, and what was done."""
    crm = HubSpot(owners=[owner(7, "Ana", "Roy", team="Ouest"), owner(8, "Old", "Timer", archived=True)])
    crm.sequences = {
        "1007": [
            {"id": "55", "name": "Relance", "folderId": "1", "createdAt": LATER, "updatedAt": LATER, "userId": "1007"}
        ]
    }
    crm.add("companies", 101, name="Acme", domain="acme.example", country="France")
    crm.add("companies", 102, name="Bis", domain="bis.example")
    past = {
        "lifecyclestage": [
            entry("marketingqualifiedlead", "2026-02-01T10:00:00Z"),
            entry("lead", "2026-01-05T10:00:00Z"),
        ]
    }
    crm.add(
        "contacts",
        201,
        firstname="Zoé",
        lastname="Petit",
        email="zoe@acme.example",
        lifecyclestage="marketingqualifiedlead",
        history=past,
    )
    crm.link("contacts", 201, "companies", 101, 1, "Primary")
    for n in range(deals):
        number = 301 + n
        history = {
            "dealstage": [entry("9071", "2026-03-01T09:00:00Z"), entry("meeting", "2026-02-01T09:00:00Z")],
            "amount": [entry("1000", "2026-02-01T09:00:00Z")],
        }
        crm.add(
            "deals",
            number,
            dealname=f"Deal {number}",
            dealstage="9071",
            pipeline="default",
            amount=1000 + n,
            deal_currency_code="EUR",
            hubspot_owner_id=7,
            hs_is_closed="false",
            hs_is_closed_won="false",
            closedate="2026-09-30T00:00:00Z",
            history=history,
        )
        crm.link("deals", number, "companies", 102)
        crm.link("deals", number, "companies", 101, 5, "Primary")
        crm.link("deals", number, "contacts", 201, 3)
    crm.add("deals", 399, dealname="Gone", dealstage="meeting", pipeline="default", archived=True)
    crm.add(
        "calls",
        401,
        hs_timestamp="2026-02-02T10:00:00Z",
        hs_call_direction="OUTBOUND",
        hs_call_duration="61500",
        hubspot_owner_id=7,
    )
    crm.link("calls", 401, "contacts", 201)
    crm.add(
        "emails",
        402,
        hs_timestamp="2026-02-03T10:00:00Z",
        hs_email_direction="EMAIL",
        hs_sequence_id="55",
        hubspot_owner_id=7,
    )
    crm.link("emails", 402, "contacts", 201)
    crm.add("meetings", 403, hs_timestamp="2026-02-04T10:00:00Z", hs_meeting_title="Démo")
    return crm


def read(project, connection, crm, clock):
    return read_connection(project, connection, SHIPPED, clock.wire(over(crm.answer)))


@pytest.mark.slow
def test_a_portal_becomes_canonical_tables(project, monkeypatch):
    connection, clock = connected(project, monkeypatch, "hubspot", token=TOKEN), Clock()
    run = read(project, connection, portal(), clock)
    assert [issue for issue in run.issues if issue.level == "error"] == []
    report = build_project(load_project(project.root), now=clock.at.replace(tzinfo=None))
    assert [issue for issue in report.issues if issue.level == "error"] == []
    ask = lambda sql: shelf_of(project).open().execute(sql).to_pylist()  # noqa: E731
    deals = ask(
        "SELECT id, stage, pipeline, amount, account_id, primary_contact_id, owner_id FROM opportunity ORDER BY id"
    )
    assert len(deals) == 3  # the one in the bin is none
    assert deals[0] == {
        "id": "hubspot:301",
        "stage": "Proposal",
        "pipeline": "Ventes",
        "amount": 1000,
        "account_id": "hubspot:101",
        "primary_contact_id": "hubspot:201",
        "owner_id": "hubspot:7",
    }
    spans = ask(
        "SELECT stage, entered_at::VARCHAR AS at FROM stage_interval WHERE opportunity_id = 'hubspot:301' ORDER BY entered_at"
    )
    assert spans == [
        {"stage": "Meeting", "at": "2026-02-01 09:00:00"},
        {"stage": "Proposal", "at": "2026-03-01 09:00:00"},
    ]
    touches = ask("SELECT type, direction, duration_s, sequence_id, contact_id FROM activity ORDER BY occurred_at")
    assert touches[0] == {
        "type": "call",
        "direction": "outbound",
        "duration_s": 61,
        "sequence_id": None,
        "contact_id": "hubspot:201",
    }
    assert (touches[1]["sequence_id"], touches[2]["type"]) == ("Relance", "meeting")
    stages = ask("SELECT to_stage FROM lifecycle_event ORDER BY occurred_at")
    assert [row["to_stage"] for row in stages] == ["lead", "mql"]
    assert ask("SELECT name, team FROM owner ORDER BY id") == [
        {"name": "Ana Roy", "team": "Ouest"},
        {"name": "Old Timer", "team": None},
    ]


def test_associations_are_read_in_batches(project, monkeypatch):
    connection, crm = connected(project, monkeypatch, "hubspot", "streams = ['deals']", token=TOKEN), portal(deals=249)
    read(project, connection, crm, Clock())
    assert sum("associations" in path for path in crm.asked) == 6  # three pages, two kinds


@pytest.mark.slow
def test_25_000_deals_of_one_instant_are_read_whole(project, monkeypatch):
    connection, clock = connected(project, monkeypatch, "hubspot", "streams = ['deals']", token=TOKEN), Clock()
    crm = portal(deals=1)
    read(project, connection, crm, clock)
    clock.at += timedelta(days=1)
    for number in range(100_000, 125_000):
        crm.add(
            "deals",
            number,
            changed="2026-07-03T00:00:00.123Z",
            dealname="Bulk",
            dealstage="meeting",
            pipeline="default",
        )
    crm.asked.clear()
    (run,) = read(project, connection, crm, clock).streams
    assert (run.outcome, run.landed) == ("complete", 25_000)
    found = tables(project, "hubspot")["hubspot_live_deals"]
    assert {int(number) for number in found} >= set(range(100_000, 125_000))
    searches = [path for path in crm.asked if path.endswith("/search")]
    assert len(searches) == 125


@pytest.mark.slow
def test_changes_bins_and_merges_come_with_the_next_read(project, monkeypatch):
    connection, clock, crm = connected(project, monkeypatch, "hubspot", token=TOKEN), Clock(), portal()
    read(project, connection, crm, clock)
    clock.at += timedelta(days=1)
    crm.add("deals", 302, changed=LATER, archived=True, dealname="Deal 302")
    crm.add(
        "contacts",
        202,
        changed=LATER,
        firstname="Z.",
        lastname="Petit",
        email="z@acme.example",
        hs_merged_object_ids="201;200",
    )
    del crm.objects["contacts"]["201"]
    del crm.objects["meetings"]["403"]
    clock.at += timedelta(days=7)
    read(project, connection, crm, clock)
    found = tables(project, "hubspot")
    assert found["hubspot_live_deals"]["302"]["archived"] == "true"
    assert {key: row["merged_into"] for key, row in found["hubspot_live_contacts"].items() if "merged_into" in row} == {
        "200": "202",
        "201": "202",
    }
    assert "_gone_at" in found["hubspot_live_meetings"]["403"]
    build_project(load_project(project.root), now=clock.at.replace(tzinfo=None))
    people = shelf_of(project).open().execute("SELECT id FROM contact ORDER BY id")["id"].to_pylist()
    assert people == ["hubspot:202"]


def test_a_pipeline_that_is_renamed_is_renamed_in_every_deal(project, monkeypatch):
    connection, clock, crm = connected(project, monkeypatch, "hubspot", token=TOKEN), Clock(), portal()
    read(project, connection, crm, clock)
    clock.at += timedelta(days=1)
    crm.pipelines[0]["label"] = "Sales"
    crm.pipelines[0]["stages"] = [*crm.pipelines[0]["stages"], stage(4, "Legal", key="77")]
    read(project, connection, crm, clock)
    assert {
        row["pipeline.label"] for key, row in tables(project, "hubspot")["hubspot_live_deals"].items() if key != "399"
    } == {"Sales"}


def test_the_company_s_own_properties_are_read_and_those_that_are_absent_are_not_asked(project, monkeypatch):
    crm, known = portal(), ["dealname", "dealstage", "pipeline", "amount", "hs_merged_object_ids"]
    own = [{"name": f"our_field_{n:04d}", "hubspotDefined": False} for n in range(900)]
    crm.properties["deals"] = [{"name": name, "hubspotDefined": True} for name in known] + own
    crm.add("deals", 301, dealname="Deal 301", our_field_0007="seven")
    connection = connected(project, monkeypatch, "hubspot", "streams = ['deals']", token=TOKEN)
    read(project, connection, crm, Clock())
    row = tables(project, "hubspot")["hubspot_live_deals"]["301"]
    assert (row["our_field_0007"], row["dealname"], "hs_acv" in row) == ("seven", "Deal 301", False)
    assert any("batch/read" in path and "objects" in path for path in crm.asked)  # too long for an address


def test_a_missing_right_leaves_its_stream_out_and_a_needed_one_stops(project, monkeypatch):
    connection, crm = connected(project, monkeypatch, "hubspot", token=TOKEN), portal()
    crm.lacks = {"leads"}
    run = read(project, connection, crm, Clock())
    assert [(issue.code, issue.where) for issue in run.issues] == [("stream_refused", "hubspot/leads")]
    assert "hubspot_live_deals" in tables(project, "hubspot")
    crm.lacks = {"companies"}
    assert read(project, connection, crm, Clock()).issues[0].code == "connection_stopped"


def test_the_quota_of_the_day_stops_and_that_of_the_second_does_not(project, monkeypatch):
    connection, crm, clock = connected(project, monkeypatch, "hubspot", token=TOKEN), portal(), Clock()
    daily = {
        "status": "error",
        "errorType": "RATE_LIMIT",
        "policyName": "DAILY",
        "message": "You have reached your daily limit.",
    }
    for policy, stopped in (("DAILY", True), ("SECONDLY", False)):
        answers = iter([(429, {}, __import__("json").dumps({**daily, "policyName": policy}))])
        faulty = lambda *told, answers=answers: next(answers, None) or crm.answer(*told)  # noqa: E731
        run = read_connection(project, connection, SHIPPED, clock.wire(over(faulty)))
        assert ([issue.code for issue in run.issues] == ["connection_stopped"]) is stopped


def test_an_app_s_token_is_asked_for_again_when_it_expires(project, monkeypatch):
    secrets = {"refresh_token": "refresh-secret", "client_id": "client-id-1", "client_secret": "client-secret-1"}
    connection, crm = connected(project, monkeypatch, "hubspot", **secrets), portal()
    seen = []

    def forgetful(*told):
        seen.append(told)
        if len(seen) == 9:
            crm.tokens = set()
        return crm.answer(*told)

    run = read_connection(project, connection, SHIPPED, Clock().wire(over(forgetful)))
    assert [issue for issue in run.issues if issue.level == "error"] == []
    assert crm.asked.count("POST /oauth/v1/token") == 2
    text = "".join(path.read_bytes().decode("utf-8", "replace") for path in project.root.rglob("*") if path.is_file())
    assert not [secret for secret in (*secrets.values(), "fake-access-token") if secret in text]
