"""Late changes as a terminal and programs see them."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from click.testing import CliRunner

from cadran import workspace as rooms
from cadran.api import create_api
from cadran.api.late import LateOut
from cadran.cli import main
from cadran.engine.late import Late, LateChange
from cadran.engine.result import Figure
from cadran.insights.late import document
from cockpit import fake_workspace

MAR, APR = date(2026, 3, 1), date(2026, 4, 1)
SINCE, UNTIL = datetime(2026, 4, 5, 22, tzinfo=UTC), datetime(2026, 5, 31, 22, tzinfo=UTC)


def ledger(kpi):
    old = Figure(kpi, MAR, APR, {}, 0.5, 1, 2, 2, "ok")
    news = datetime(2026, 5, 10, 8)
    change = LateChange(
        MAR, APR, {}, kpi.id, "numerator", "opportunity", "crm:1", None, Decimal("50.010000"), news, news
    )
    return Late(kpi.id, SINCE, UNTIL, "EUR", (change,), ((old, replace(old, value=1.0, numerator=2)),))


@pytest.fixture
def run(monkeypatch):
    workspace = fake_workspace()
    asked = []

    class View:
        project, kpi = workspace.project, staticmethod(workspace.view().kpi)

        def late(self, query):
            asked.append(query)
            return ledger(self.kpi("win_rate"))

    opened = type("Opened", (), {"project": workspace.project, "view": lambda self: View()})()
    monkeypatch.setattr(rooms, "open_workspace", lambda root: opened)
    words = ["late", "win_rate", "--from", "2026-03-01", "--to", "2026-04-01", "--since", "2026-04-05"]
    return lambda *more: (CliRunner().invoke(main, [*words, *more]), asked)


def test_a_table_tells_the_figure_before_and_after_and_each_row(run):
    found, [asked] = run("--lang", "en")
    assert found.exit_code == 0, found.output
    assert (asked.since, asked.query.kpis, asked.query.start, asked.query.end) == (
        date(2026, 4, 5),
        ("win_rate",),
        MAR,
        APR,
    )
    assert "opportunity crm:1" in found.stdout
    assert "50.01" in found.stdout
    assert "+50" in found.stdout
    assert ": 1." in found.stderr


def test_it_is_told_in_french(run):
    found, _ = run("--lang", "fr")
    assert "entrée" in found.stdout
    assert "Connu alors" in found.stdout


def test_programs_get_the_whole_ledger_or_one_record_per_change(run):
    [document] = json.loads(run("--format", "json")[0].stdout)
    assert document["figures"][0]["old"]["value"] == 0.5
    assert document["changes"][0] | {"change": "entered", "old": None, "delta": "50.010000"} == document["changes"][0]
    csv = run("--format", "csv")[0].stdout
    assert csv.splitlines()[0].startswith(
        "kpi,period_start,period_end,segment,part_of,part,change,entity,id,old,new,delta"
    )


def test_the_api_answers_with_the_same_ledger():
    found = LateOut.model_validate(document(ledger(fake_workspace().view().kpi("win_rate"))))
    assert (found.changes[0].delta, found.changes[0].id, found.figures[0].new["numerator"]) == ("50.010000", "crm:1", 2)
    paths = create_api(fake_workspace()).openapi()["paths"]
    assert {each["name"] for each in paths["/late"]["get"]["parameters"]} >= {"kpi", "since", "from", "to", "as_of"}
