"""The pages of the loop: reviews end, decisions are measured, alerts are taken, contracts change; by plain forms."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from urllib.parse import urlencode

import httpx
import pytest

from browser import chromium, served, tab
from cadran.catalogue.definition import AlertRule, Board
from cadran.catalogue.load import load_catalogue
from cadran.config import load_project
from cadran.jobs.alerts import alerts, evaluate
from cadran.jobs.contracts import history, propose
from cadran.jobs.decisions import decide, plan_of
from cadran.jobs.review import actions, last_review
from cadran.jobs.start import init_project
from cadran.store.archive import open_archive
from cadran.view import View
from cadran.web.app import create_app
from cadran.workspace import Workspace
from cockpit import fake_workspace, get
from markup import Page
from warehouse import MemoryWarehouse, deal

KNOWN = datetime(2026, 8, 31, 22)
NOW = datetime(2026, 9, 1, 8)
ROWS = [
    deal(
        f"2026-{month:02}-10",
        won=i < (12 if month == 8 else 40),
        id=f"{month}-{i}",
        segment="SMB",
        amount_base="1000",
        created_on=f"2026-{month:02}-01",
    )
    for month in range(1, 9)
    for i in range(100)
]
PAGES = ("/review", "/review?team=sales", "/decisions", "/alerts", "/alerts?all=1", "/changes")


def post(app, url, fields=None, **headers):
    async def asked():
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://cockpit") as client:
            kept = {
                "content-type": "application/x-www-form-urlencoded",
                **{k.replace("_", "-"): v for k, v in headers.items()},
            }
            return await client.post(url, content=urlencode(fields or {}), headers=kept)

    return asyncio.run(asked())


@functools.cache
def _tables():
    made = MemoryWarehouse(opportunity=ROWS, known_at=KNOWN)
    made.files = ()
    return made


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    init_project(tmp_path, name="Acme")
    settings = load_project(tmp_path)
    catalogue, _ = load_catalogue(settings.catalogue)
    made = Workspace(settings, catalogue)
    monkeypatch.setattr(made, "view", lambda *_: View(made.project, made.catalogue, "local", _tables()))
    return made


@pytest.fixture
def app(workspace):
    return create_app(workspace, clock=lambda: NOW)


@pytest.mark.parametrize("url", PAGES)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_pages_are_sound_where_nothing_was_decided_yet_and_make_no_database(url, language, tmp_path):
    fake = fake_workspace()
    fake.one = replace(fake.one, project=replace(fake.project, root=tmp_path))
    page = Page(get(create_app(fake), f"{url}{'&' if '?' in url else '?'}lang={language}").text)
    assert page.mistakes == []
    assert len(page.all("h1")) == 1
    assert list(tmp_path.iterdir()) == []


def prepared(app, workspace):
    found = post(app, "/review/prepare", {"team": "sales"}, origin="http://cockpit")
    assert (found.status_code, found.headers["location"]) == (303, "/review?team=sales")
    return last_review(workspace.project, "sales")


def test_a_review_is_prepared_and_each_item_ends_as_an_action_or_for_a_reason(app, workspace):
    row = prepared(app, workspace)
    page = Page(get(app, "/review?team=sales&lang=en").text)
    assert page.mistakes == []
    assert "Win rate" in page.text
    assert "off target" in page.text
    first = row["items"][0]["id"]
    fields = {"end": "action", "text": "Call <lost> deals", "owner": "Ana", "due": "2026-09-10", "team": "sales"}
    assert post(app, f"/review/items/{first}", fields).headers["location"] == "/review?team=sales"
    for item in row["items"][1:]:
        assert post(app, f"/review/items/{item['id']}", {"end": "none", "reason": "Season"}).status_code == 303
    page = Page(get(app, "/review?team=sales&lang=en").text)
    assert "Sales: 0 to decide" in page.text
    assert "Call <lost> deals → Ana → Sep 10, 2026" in page.text
    (action,) = actions(workspace.project, is_open=True)
    post(app, f"/actions/{action['id']}/done", {"team": "sales"})
    assert actions(workspace.project, is_open=True) == ()


def test_a_form_that_says_too_little_changes_nothing_and_says_what_lacks(app, workspace):
    item = prepared(app, workspace)["items"][0]["id"]
    for fields, told in [
        ({"end": "action", "text": "x"}, "an owner and a deadline"),
        ({"end": "none", "reason": " "}, "needs a reason"),
        ({"end": "action", "text": "x", "owner": "y", "due": "soon"}, "is not a day"),
        ({"end": "action", "text": "x", "owner": "y", "due": "2026-01-01"}, "is over"),
    ]:
        found = post(app, f"/review/items/{item}", fields, accept_language="en")
        assert found.status_code in (400, 422), fields
        assert told in Page(found.text).text
    assert last_review(workspace.project, "sales")["items"][0]["closed_at"] is None


def test_a_page_of_another_site_cannot_decide_for_its_reader(app, workspace):
    item = prepared(app, workspace)["items"][0]["id"]
    fields = {"end": "none", "reason": "x"}
    for headers in (
        {"sec_fetch_site": "cross-site"},
        {"origin": "https://evil.example"},
        {"sec_fetch_site": "same-site"},
    ):
        assert post(app, f"/review/items/{item}", fields, **headers).status_code == 403
    assert last_review(workspace.project, "sales")["items"][0]["closed_at"] is None
    assert post(app, f"/review/items/{item}", {"end": "none", "reason": "x" * 30_000}).status_code == 413
    assert get(app, f"/review/items/{item}").status_code in (404, 405)


def test_a_form_leads_back_to_a_page_of_ours_only(app, workspace):
    item = prepared(app, workspace)["items"][0]["id"]
    found = post(app, f"/review/items/{item}", {"end": "none", "reason": "x", "team": "//evil.example"})
    assert found.headers["location"] == "/review"


def test_a_decision_shows_what_was_expected_and_what_it_changed(app, workspace):
    """T-96: a day that passed without a measure is shown as such until it is measured."""
    view = workspace.view()
    plan = plan_of(
        view.kpi("win_rate"), "Call <within> the hour", "Ana", expected="-25pt", start=date(2026, 8, 1), days=31
    )
    decide(workspace.project, view, plan, now=datetime(2026, 7, 31, 9))
    page = Page(get(app, "/decisions?lang=en").text)
    assert page.mistakes == []
    assert "Decisions whose day has come: 1" in page.text
    assert "to measure" in page.text
    assert post(app, "/decisions/measure").headers["location"] == "/decisions"
    page = Page(get(app, "/decisions?lang=en").text)
    assert "−28.0 pts" in page.text
    assert "the interval holds what was expected" in page.text
    assert "Call <within> the hour" in page.text
    assert open_archive(workspace.project).decisions()[0]["effects"]


@pytest.mark.slow
def test_a_change_of_contract_is_shown_and_its_owner_brings_it_in_force(app, workspace):
    row = propose(
        workspace.project, workspace.view(), "win_rate", {"numerator": {"where": "is_won AND amount_base > 0"}},
        version="2.0", start=date(2026, 10, 1), reason="Paid deals <only>", now=NOW,
    )  # fmt: skip
    page = Page(get(app, f"/changes/{row['id']}?lang=en").text)
    assert page.mistakes == []
    for part in (
        "Paid deals <only>",
        "version 1.0 becomes 2.0 from Oct 1, 2026",
        "is_won AND amount_base > 0",
        "proposed",
    ):
        assert part in page.text, part
    wrong = post(app, f"/changes/{row['id']}", {"end": "approve", "owner": "Nobody"}, accept_language="en")
    assert "who alone approves" in Page(wrong.text).text
    assert workspace.catalogue.kpi("win_rate").version == "1.0"
    owner = workspace.catalogue.kpi("win_rate").owner
    assert (
        post(app, f"/changes/{row['id']}", {"end": "approve", "owner": owner}).headers["location"]
        == f"/changes/{row['id']}"
    )
    # the pages that are served know it at once
    assert workspace.catalogue.kpi("win_rate").version == "2.0"
    page = Page(get(app, "/changes?lang=fr").text)
    assert page.mistakes == []
    assert "approuvé" in page.text
    assert get(app, "/changes/99").status_code in (400, 404)
    refused = propose(
        workspace.project,
        workspace.view(),
        "acv",
        {"min_n": 50},
        version="2.0",
        start=date(2026, 10, 1),
        reason="x",
        now=NOW,
    )
    post(
        app,
        f"/changes/{refused['id']}",
        {"end": "refuse", "owner": workspace.catalogue.kpi("acv").owner, "reason": "No"},
    )
    assert history(workspace.project, "acv")[0]["is_approved"] is False


def alarmed(workspace, monkeypatch):
    """The number of an alert on a week in which the win rate fell, as it is evaluated on real rows."""
    rows = [
        deal(f"2026-{month:02}-{day:02}", won=i < (8 if (month, day) == (8, 26) else 40), id=f"{month}-{day}-{i}", amount_base="100")
        for month, day in ((7, 8), (7, 15), (7, 22), (7, 29), (8, 5), (8, 12), (8, 19), (8, 26))
        for i in range(100)
    ]  # fmt: skip
    rule = AlertRule("alert", below=Decimal("0.35"), min_n=30)
    win_rate = replace(workspace.catalogue.kpi("win_rate"), alerts=(rule,), cadence="weekly")
    workspace.catalogue = replace(workspace.catalogue, kpis={"win_rate": (win_rate,)}, boards=())
    tables = MemoryWarehouse(opportunity=rows, known_at=datetime(2026, 8, 30, 22))
    tables.files = ()
    monkeypatch.setattr(workspace, "view", lambda *_: View(workspace.project, workspace.catalogue, "local", tables))
    evaluate(workspace.project, workspace.view(), now=NOW)
    return alerts(workspace.project)[0]["id"]


def test_an_alert_says_what_its_message_says_and_is_taken_assigned_put_aside_and_commented(app, workspace, monkeypatch):
    number = alarmed(workspace, monkeypatch)
    page = Page(get(app, "/alerts?lang=en").text)
    assert page.mistakes == []
    for part in ("Win rate", "8.0%, threshold 35.0%", "Sales Ops", "n", "Acknowledge", "alert"):
        assert part in page.text, part
    assert get(app, f"/alerts/{number}").status_code == 200
    assert get(app, "/alerts/99").status_code == 404
    post(app, f"/alerts/{number}", {"do": "comment", "text": "Looked <at>"})
    post(app, f"/alerts/{number}", {"do": "assign", "to": "Ana"})
    post(app, f"/alerts/{number}", {"do": "snooze", "until": "2026-09-20"})
    post(app, f"/alerts/{number}", {"do": "acknowledge", "reason": "Holiday", "until": "2026-09-12"})
    kept = next(row for row in alerts(workspace.project) if row["id"] == number)
    assert (kept["assignee"], kept["quiet_until"]) == ("Ana", date(2026, 9, 12))
    assert [each["what"] for each in kept["events"]][-4:] == ["commented", "assigned", "snoozed", "acknowledged"]
    text = Page(get(app, "/alerts?lang=en").text).text
    for part in ("Looked <at>", "→ Ana", "acknowledged · until Sep 12, 2026"):
        assert part in text, part
    refused = post(app, f"/alerts/{number}", {"do": "acknowledge", "until": "2026-09-12"}, accept_language="en")
    assert "for a reason" in Page(refused.text).text


@pytest.mark.browser
@pytest.mark.slow
def test_a_browser_shows_every_page_and_a_form_needs_no_script(app, workspace, monkeypatch):
    prepared(app, workspace)
    row = propose(
        workspace.project, workspace.view(), "win_rate", {"min_n": 50}, version="2.0", start=date(2026, 10, 1), reason="x", now=NOW
    )  # fmt: skip
    number = alarmed(workspace, monkeypatch)
    urls = ["/review?team=x", "/decisions", "/alerts", f"/changes/{row['id']}", "/changes"]
    workspace.catalogue = replace(workspace.catalogue, boards=(Board("x", {"en": "X", "fr": "X"}, {}, ("win_rate",)),))
    with chromium() as browser, served(app) as base:
        for width, scheme, language in ((1440, "light", "fr"), (390, "dark", "en")):
            with tab(browser, width=width, scheme=scheme) as (page, wrong):
                for url in urls:
                    page.goto(f"{base}{url}{'&' if '?' in url else '?'}lang={language}")
                    assert page.evaluate("document.documentElement.scrollWidth") <= width, url
                    assert (
                        page.locator("input:visible:not([type=hidden])").evaluate_all(
                            "all => all.filter(each => !each.labels.length).length"
                        )
                        == 0
                    )
                assert wrong == []
        with tab(browser, scripts=False) as (page, wrong):
            page.goto(f"{base}/alerts/{number}?lang=en")
            page.fill("#alert-1 input[name=reason]", "Holiday")
            page.click("text=Acknowledge")
            page.wait_for_url("**/alerts")
            assert "Holiday" in page.locator("main").inner_text()
            assert wrong == []
