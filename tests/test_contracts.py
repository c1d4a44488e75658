"""Contracts over time (T-98): proposed, shown with rows in and out, approved by the owner, dated; the past stays."""

from __future__ import annotations

import functools
import json
from datetime import date, datetime
from decimal import Decimal

import pytest
from click.testing import CliRunner

import cadran.workspace
from cadran.api import create_api
from cadran.catalogue.load import load_catalogue
from cadran.catalogue.revision import changed, keys_of, keys_text, revised, revision_text
from cadran.charts import Words, trend
from cadran.cli import main
from cadran.cli.options import Output
from cadran.config import load_project
from cadran.engine.query import KpiQuery
from cadran.errors import DefinitionError, QueryError
from cadran.insights.record import record
from cadran.jobs.contracts import approve, change_record, history, propose, recompute, refuse, status_of
from cadran.jobs.start import init_project
from cadran.store.contracts import open_contracts
from cadran.view import View
from cadran.workspace import Workspace
from cockpit import get
from warehouse import MemoryWarehouse, deal

NOW = datetime(2026, 6, 20, 9)
JULY = date(2026, 7, 1)
KNOWN = datetime(2026, 8, 31, 22)
#: Each month ten deals: four won, four lost, two lost for lack of a decision.
KPIS = """
kpis:
  closing_rate:
    names: {en: Closing rate, fr: Taux de signature}
    kind: ratio
    unit: rate
    direction: up
    interval: wilson
    owner: Sales Ops
    cadence: monthly
    hypothesis: {en: "more ARR", fr: "plus d'ARR"}
    numerator: {entity: opportunity, where: is_won, time: closed_on}
    denominator: {entity: opportunity, where: is_closed, time: closed_on}
    dimensions: [segment]
"""
NARROW = {"denominator": {"where": "is_closed AND coalesce(opportunity_type, '') <> 'none'"}}
ROWS = [
    deal(
        f"2026-{month:02}-10",
        won=i < 4,
        id=f"{month}-{i}",
        segment="SMB",
        opportunity_type="none" if i >= 8 else None,
    )
    for month in range(1, 9)
    for i in range(10)
]


@pytest.fixture
def project(tmp_path):
    init_project(tmp_path, name="Acme")
    (tmp_path / "catalogue").mkdir(exist_ok=True)
    (tmp_path / "catalogue/own.yml").write_text(KPIS, encoding="utf-8")
    return load_project(tmp_path)


@functools.cache
def tables():
    return MemoryWarehouse(opportunity=ROWS, known_at=KNOWN)


def view(project):
    known, _ = load_catalogue(project.catalogue)
    return View(project, known, "local", tables())


def proposed(project, keys=NARROW, *, version="2.0", start=JULY, reason="No decision is no defeat", **more):
    return propose(
        project, view(project), "closing_rate", keys, version=version, start=start, reason=reason, now=NOW, **more
    )


def months(project):
    return view(project).ask(
        KpiQuery(("closing_rate",), grain="month", start=date(2026, 4, 1), end=date(2026, 9, 1), compare="previous")
    )


def test_a_proposal_shows_both_versions_side_by_side_and_the_rows_in_and_out(project):
    shown = proposed(project)["shown"]
    newest = shown["figures"][-1]
    assert (newest["old"]["value"], newest["new"]["value"]) == (0.4, 0.5)
    assert (newest["old"]["n"], newest["new"]["n"]) == (10, 8)
    # two deals a month leave the denominator, over six months; none comes in
    assert (shown["n_in"], shown["n_out"], shown["n_changed"]) == (0, 12, 0)
    assert {row["part"] for row in shown["rows"]} == {"denominator"}
    assert {row["id"] for row in shown["rows"] if row["period_start"] == "2026-07-01"} == {"7-8", "7-9"}
    assert shown["keys"] == [["denominator.where", "is_closed", NARROW["denominator"]["where"]]]


def test_what_rows_in_and_out_add_is_what_the_parts_of_the_figures_change_by(project):
    _, found = recompute(project, view(project), proposed(project)["id"])
    for old, new in found.pairs:
        rows = [row for row in found.changes if row.start == old.figure.start]
        assert sum(row.delta for row in rows) == new.figure.denominator - old.figure.denominator


def test_a_proposal_changes_no_figure_until_its_owner_approves_it(project):
    before = [r.value for r in months(project).readings]
    row = proposed(project)
    assert [r.value for r in months(project).readings] == before
    with pytest.raises(QueryError, match="owned by"):
        approve(project, row["id"], owner="Marketing", now=NOW)
    assert [r.value for r in months(project).readings] == before
    approve(project, row["id"], owner="sales ops", now=NOW)
    assert [r.value for r in months(project).readings] != before


def test_old_periods_stay_on_their_version_and_the_chart_shows_the_break(project):
    """T-98."""
    approve(project, proposed(project)["id"], owner="Sales Ops", now=NOW)
    found = months(project).readings
    assert [r.kpi.version for r in found] == ["1.0"] * 3 + ["2.0"] * 2
    assert [float(r.value) for r in found] == [0.4, 0.4, 0.4, 0.5, 0.5]
    assert [r.is_break for r in found] == [False, False, False, True, False]
    assert (found[3].change.version, found[3].change.is_favourable) == ("1.0", None)
    assert [note for r in found for note in r.figure.notes] == []
    words = Words("en", "EUR", project.calendar, project.zone)
    texts = [mark.text for mark in trend(found, words, "x").marks if hasattr(mark, "text")]
    assert "v2.0" in texts


def test_periods_that_were_told_change_only_where_the_change_says_so_and_they_say_it(project):
    april = date(2026, 4, 1)
    with pytest.raises(QueryError, match="told already would change"):
        proposed(project, start=april)
    row = proposed(project, start=april, restates=True)
    approve(project, row["id"], owner="Sales Ops", now=NOW)
    found = months(project)
    assert [float(r.value) for r in found.readings] == [0.5] * 5
    notes = [record(r, found, "en")["notes"] for r in found.readings]
    # July had not begun on 20 June, and June was told in part
    assert ["Restated" in " ".join(each) for each in notes] == [True, True, True, False, False]
    assert "No decision is no defeat" in notes[0][0]
    assert "Sales Ops" in record(found.readings[0], found, "fr")["notes"][0]
    assert history(project)[0]["restated_until"] == date(2026, 6, 20)


@pytest.mark.slow
def test_a_version_in_force_can_restate_the_past_later_with_its_own_reason(project):
    approve(project, proposed(project)["id"], owner="Sales Ops", now=NOW)
    with pytest.raises(QueryError, match="told already"):
        proposed(project, {}, start=date(2026, 5, 1), reason="Investors compare quarters")
    row = proposed(project, {}, start=date(2026, 5, 1), reason="Investors compare quarters", restates=True)
    approve(project, row["id"], owner="Sales Ops", now=NOW)
    found = months(project).readings
    assert [r.kpi.version for r in found] == ["1.0", "2.0", "2.0", "2.0", "2.0"]
    assert [row["reason"] for row in history(project)] == ["No decision is no defeat", "Investors compare quarters"]


@pytest.mark.parametrize(
    ("keys", "more", "told"),
    [
        (NARROW, {"reason": " "}, "needs a reason"),
        ({}, {}, "what changes"),
        (NARROW, {"version": "1.0"}, "what changes"),
        ({}, {"version": "1.0", "restates": True}, "every period already"),
    ],
)
def test_a_change_that_says_too_little_is_refused(project, keys, more, told):
    with pytest.raises(QueryError, match=told):
        proposed(project, keys, **more)


def test_a_version_that_cannot_be_computed_is_refused_with_its_key(project):
    with pytest.raises(DefinitionError, match="is_wonn"):
        proposed(project, {"numerator": {"where": "is_wonn"}})
    with pytest.raises(DefinitionError, match="formla"):
        proposed(project, {"formla": "x"})
    assert history(project) == ()


@pytest.mark.slow
def test_a_change_made_for_another_version_is_not_brought_in_force(project):
    first, second = proposed(project), proposed(project, {"min_n": 30}, version="1.1")
    approve(project, first["id"], owner="Sales Ops", now=NOW)
    with pytest.raises(QueryError, match="by now"):
        approve(project, second["id"], owner="Sales Ops", now=NOW)
    assert view(project).kpi("closing_rate").min_n == 0


def test_a_change_is_decided_once_and_a_refusal_has_its_reason(project):
    row = proposed(project)
    with pytest.raises(QueryError, match="needs a reason"):
        refuse(project, row["id"], owner="Sales Ops", reason="", now=NOW)
    refuse(project, row["id"], owner="Sales Ops", reason="Breaks the series", now=NOW)
    with pytest.raises(QueryError, match="decided already"):
        approve(project, row["id"], owner="Sales Ops", now=NOW)
    (kept,) = history(project, "closing_rate")
    assert (status_of(kept), kept["answer"]) == ("refused", "Breaks the series")
    assert history(project, "arr") == ()
    assert not list(project.catalogue.glob("change_*"))


@pytest.mark.slow
def test_an_approved_change_whose_file_was_lost_comes_back_as_it_was_approved(project):
    row = proposed(project)
    approve(project, row["id"], owner="Sales Ops", now=NOW)
    (path,) = project.catalogue.glob("change_*")
    written = path.read_text()
    path.unlink()
    approve(project, row["id"], owner="Sales Ops", now=datetime(2026, 7, 9))
    assert path.read_text() == written


def test_a_change_keeps_what_yaml_can_say(project):
    keys = keys_of("targets:\n- {value: 0.30, start: 2026-01-01}\nowner: no\nnames: {fr: été}\n")
    assert keys_of(keys_text(keys)) == keys
    text = revision_text("closing_rate", "2.0", JULY, {**keys, "version": "9"})
    _, made = revised(project.catalogue, "closing_rate", text, "x")
    assert (made.version, made.effective_from, made.owner) == ("2.0", JULY, "no")
    assert (made.targets[0].value, made.targets[0].start) == (Decimal("0.3"), date(2026, 1, 1))
    told = {key for key, _, _ in changed(view(project).kpi("closing_rate"), made)}
    assert told == {"targets", "owner", "names.fr"}


@pytest.mark.slow
def test_the_verbs_propose_show_approve_and_list(project, monkeypatch, tmp_path):
    def opened(root):
        settings = load_project(root)
        known, issues = load_catalogue(settings.catalogue)
        workspace = Workspace(settings, known, issues)
        monkeypatch.setattr(workspace, "view", lambda *_: view(settings))
        return workspace

    monkeypatch.setattr(cadran.workspace, "open_workspace", opened)
    monkeypatch.setattr(Output, "now", lambda _: NOW)
    file = tmp_path / "narrow.yml"
    file.write_text("denominator:\n  where: \"is_closed AND coalesce(opportunity_type, '') <> 'none'\"\n")
    root = ["--project", str(project.root), "--lang", "en"]

    def run(*words):
        found = CliRunner().invoke(main, ["contract", *words, *root], env={"COLUMNS": "200"})
        assert found.exit_code == 0, found.output
        return found

    asked = ["closing_rate", "--version", "2.0", "--from", "2026-07-01", "--reason", "No decision is no defeat"]
    told = run("propose", *asked, "--change", str(file))
    assert "40.0%" in told.stdout
    assert "50.0%" in told.stdout
    assert "+10.0 pts" in told.stdout.replace("\xa0", " ")
    assert "opportunity 7-8" in told.stdout
    assert "Change 1 waits for Sales Ops." in told.stderr
    assert "50.0%" in run("diff", "1", "--from", "2026-02-01", "--to", "2026-03-01").stdout
    whole = json.loads(run("diff", "1", "--format", "json").stdout)[0]
    assert (whole["status"], whole["n_out"]) == ("proposed", 12)
    assert "counts from" in run("approve", "1", "--by", "Sales Ops").stderr
    (listed,) = json.loads(run("history", "--format", "json").stdout)
    api = create_api(cadran.workspace.open_workspace(project.root))
    assert get(api, "/contracts").json() == get(api, "/contracts?kpi=closing_rate").json() == [listed]
    assert get(api, "/contracts?kpi=arr").json() == []
    assert listed == json.loads(json.dumps(change_record(open_contracts(project).change(1))))
    assert (listed["status"], listed["decided_by"]) == ("approved", "Sales Ops")
    assert "approved" in run("history", "closing_rate").stdout
