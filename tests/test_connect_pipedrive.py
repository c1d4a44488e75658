"""Pipedrive, read live: archived and deleted deals, changes within the budget of tokens, the left-overs of version 1."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cadran.canonical.mapping import shipped_mappings
from cadran.config import load_project
from cadran.jobs.build import build_project
from cadran.jobs.connect import place, read_connection
from cadran.jobs.start import init_project
from cadran.store.shelf import shelf_of
from live import Clock, connected, over, tables
from pipedrive_fake import TOKEN, Pipedrive, activity, change, deal, lead, organization, person

SHIPPED = shipped_mappings()
LATER = "2026-07-03T08:00:00Z"


@pytest.fixture
def project(tmp_path):
    init_project(tmp_path)
    return load_project(tmp_path)


def company(deals=4, size=500):
    crm = Pipedrive(size=size)
    crm.put("deals", *(deal(n, person_id=1, org_id=1, probability=50) for n in range(1, deals + 1)))
    crm.put(
        "deals",
        deal(901, is_archived=True, status="lost", close_time="2026-05-01T00:00:00Z", lost_reason="Prix"),
        deal(902, status="deleted"),
    )
    crm.put(
        "deals",
        deal(
            903,
            status="won",
            stage_id=2,
            close_time="2026-06-01T00:00:00Z",
            custom_fields={"ab12": {"value": 5, "currency": "EUR"}},
        ),
    )
    crm.put("persons", person(1, phones=[{"value": "+33 1 23 45 67 89", "primary": True, "label": "work"}]))
    crm.put("organizations", organization(1))
    crm.put("activities", activity(1), activity(2, done=False), activity(3))
    crm.leads = [lead("aa"), lead("bb", archived=True)]
    for n in range(1, deals + 1):
        crm.changes[n] = [
            change("title", "a", "b", "2026-03-03 09:00:00"),
            change("stage_id", "1", "2", "2026-03-02 09:00:00"),
            change("value", "50", str(100 * n), "2026-03-01 09:00:00"),
        ]
    return crm


def read(project, connection, crm, clock):
    return read_connection(project, connection, SHIPPED, clock.wire(over(crm.answer)))


@pytest.mark.slow
def test_a_company_becomes_canonical_tables(project, monkeypatch):
    connection, clock, crm = connected(project, monkeypatch, "pipedrive", token=TOKEN), Clock(), company()
    assert read(project, connection, crm, clock).issues == []
    del crm.lists["activities"][2]
    clock.at += timedelta(days=8)
    assert read(project, connection, crm, clock).issues == []
    report = build_project(load_project(project.root), now=clock.at.replace(tzinfo=None))
    assert [issue for issue in report.issues if issue.level == "error"] == []
    ask = lambda sql: shelf_of(project).open().execute(sql).to_pylist()  # noqa: E731
    assert ask("SELECT phone FROM contact") == [{"phone": "+33 1 23 45 67 89"}]
    deals = {
        row["id"]: row
        for row in ask(
            "SELECT id, stage, pipeline, is_won, is_closed, probability, lost_reason, account_id FROM opportunity"
        )
    }
    assert set(deals) == {*(f"pipedrive:{n}" for n in (1, 2, 3, 4, 901, 903))}
    assert deals["pipedrive:1"] == {
        "id": "pipedrive:1",
        "stage": "Contact",
        "pipeline": "Ventes",
        "is_won": False,
        "is_closed": False,
        "probability": 0.5,
        "lost_reason": None,
        "account_id": "pipedrive:1",
    }
    assert (deals["pipedrive:903"]["is_won"], deals["pipedrive:901"]["lost_reason"]) == (True, "Prix")
    entered = ask(
        "SELECT entered_at::VARCHAR AS at FROM stage_interval WHERE opportunity_id = 'pipedrive:1' AND stage = 'Offre'"
    )
    assert entered == [{"at": "2026-03-02 09:00:00"}]
    assert [row["id"] for row in ask("SELECT id FROM activity")] == ["pipedrive:1"]
    assert sorted(row["id"] for row in ask("SELECT id FROM lead")) == ["pipedrive:aa", "pipedrive:bb"]
    assert ask("SELECT email FROM contact") == [{"email": "p1@acme.example"}]


def test_the_next_read_asks_for_what_changed_only(project, monkeypatch):
    connection, clock, crm = connected(project, monkeypatch, "pipedrive", token=TOKEN), Clock(), company()
    read(project, connection, crm, clock)
    clock.at += timedelta(days=1)
    crm.put("deals", deal(2, changed=LATER, status="won", close_time=LATER), deal(3, changed=LATER, status="deleted"))
    crm.changes[2].insert(0, change("status", "open", "won", "2026-07-03 08:00:00"))
    crm.asked.clear()
    run = read(project, connection, crm, clock)
    found = tables(project, "pipedrive")["pipedrive_live_deals"]
    assert (found["2"]["status"], found["3"]["is_deleted"]) == ("won", "true")
    assert {stream.stream: stream.rows for stream in run.streams if stream.rows}["deals"] == 2
    assert [path for path in crm.asked if "changelog" in path] == ["/api/v1/deals/2/changelog"] * 2


def test_changes_stop_at_their_budget_and_go_on_the_next_day(project, monkeypatch):
    connection, clock, crm = (
        connected(project, monkeypatch, "pipedrive", 'budget = "100"', token=TOKEN),
        Clock(),
        company(deals=6),
    )
    outcomes, calls = [], []
    for _ in range(4):
        crm.asked.clear()
        run = read(project, connection, crm, clock)
        changes = next(stream for stream in run.streams if stream.stream == "deal_changes")
        outcomes.append(changes.outcome)
        calls.append(sum("changelog" in path for path in crm.asked))
        clock.at += timedelta(days=1)
    assert (outcomes[0], outcomes[-1]) == ("paused", "complete")
    assert max(calls) * 20 <= 140  # a deal that was begun is ended
    found = tables(project, "pipedrive")["pipedrive_live_deal_changes"]
    assert place(project, "pipedrive", "deal_changes")["since"]
    whole = Clock()
    other = load_project(init_project(project.root / "other")[0].parent)
    crm = company(deals=6)
    read(other, connected(other, monkeypatch, "pipedrive", token=TOKEN), crm, whole)
    assert found == tables(other, "pipedrive")["pipedrive_live_deal_changes"]


def test_the_budget_of_the_day_stops_without_asking_again(project, monkeypatch):
    connection, clock, crm = connected(project, monkeypatch, "pipedrive", token=TOKEN), Clock(), company()
    crm.budget = 60
    run = read(project, connection, crm, clock)
    assert [issue.code for issue in run.issues] == ["connection_stopped"]
    assert "budget of tokens for today" in str(run.issues[0])
    asked = len(crm.asked)
    crm.budget = float("inf")
    read(project, connection, crm, clock)
    assert asked < 10
    assert "pipedrive_live_deals" in tables(project, "pipedrive")


def test_a_burst_waits_as_long_as_it_is_told(project, monkeypatch):
    connection, clock, crm = connected(project, monkeypatch, "pipedrive", token=TOKEN), Clock(), company()
    answers = iter(
        [(429, {"x-ratelimit-reset": "2", "x-ratelimit-remaining": "0"}, '{"error": "rate limit exceeded"}')]
    )
    run = read_connection(
        project, connection, SHIPPED, clock.wire(over(lambda *told: next(answers, None) or crm.answer(*told)))
    )
    assert (run.issues, 2.0 in clock.waits) == ([], True)


def test_what_is_spent_is_counted_in_tokens(project, monkeypatch):
    connection, crm = connected(project, monkeypatch, "pipedrive", token=TOKEN), company()
    run = read(project, connection, crm, Clock())
    spent = {stream.stream: stream.cost["tokens"] for stream in run.streams}
    assert spent["users"] == 20
    assert spent["deals"] == 10 + 10 + 20
    assert spent["leads"] == 20 + 40
