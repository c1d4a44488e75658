"""Targets agreed before a campaign: kept, binding for its periods, and every later edit visible (T-97)."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest
from click.testing import CliRunner

from cadran.catalogue.definition import Target
from cadran.catalogue.load import load_catalogue
from cadran.catalogue.locks import lock_of_row, target_row, with_locks
from cadran.cli import main
from cadran.cli.options import Output
from cadran.config import load_project
from cadran.engine.query import KpiQuery
from cadran.errors import DefinitionError, QueryError, StoreError
from cadran.insights.record import record
from cadran.jobs.start import init_project
from cadran.jobs.targets import lock_records, lock_targets
from cadran.period import Period
from cadran.store.archive import open_archive
from cadran.view import View
from cadran.workspace import open_workspace
from warehouse import WIN_RATE, MemoryWarehouse, catalogue, deal

NOW = datetime(2026, 3, 20, 9)
SPAN = Period(date(2026, 4, 1), date(2026, 7, 1))
AGREED, EASIER = Target(Decimal("0.60")), Target(Decimal("0.20"))
SMB = Target(Decimal("0.30"), segment={"segment": "SMB"})
ROWS = [deal(f"2026-{month:02}-10", won=i < 40, segment="SMB") for month in range(1, 10) for i in range(100)]


def rate(*targets):
    return replace(WIN_RATE, direction="up", targets=targets)


@pytest.fixture
def project(tmp_path):
    init_project(tmp_path, name="Acme")
    return load_project(tmp_path)


def lock(project, *targets, span=SPAN, now=NOW, names=("win_rate",), campaign="Spring"):
    lock_targets(project, catalogue(rate(*targets)), campaign, names, span, now=now)


def months(project, *targets, by=()):
    """Readings of every month, judged with the targets as they are now and those that were locked."""
    known = with_locks(catalogue(rate(*targets)), open_archive(project).locks())
    seen = View(project, known, "local", MemoryWarehouse(opportunity=ROWS))
    return seen.ask(KpiQuery(("win_rate",), by=by, grain="month", start=date(2026, 1, 1), end=date(2026, 10, 1)))


def test_the_verdict_is_by_the_locked_target_in_the_campaign_and_by_the_edited_one_outside(project):
    lock(project, AGREED)
    found = months(project, EASIER).readings
    assert [r.verdict for r in found] == ["on_track"] * 3 + ["off_track"] * 3 + ["on_track"] * 3
    assert {r.target.value for r in found[3:6]} == {AGREED.value}


def test_a_later_edit_is_visible_in_both_languages(project):
    lock(project, AGREED)
    found = months(project, EASIER)
    told = [[note for note in record(r, found, "en")["notes"] if "Spring" in note] for r in found.readings]
    assert [len(notes) for notes in told] == [0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert "60 %" in told[3][0]
    assert "20 %" in told[3][0]
    assert "verrouillée" in record(found.readings[3], found, "fr")["notes"][0]


def test_without_an_edit_there_is_nothing_to_say(project):
    lock(project, AGREED)
    assert [note for r in months(project, AGREED).readings for note in r.figure.notes] == []


def test_a_target_removed_or_added_for_a_segment_later_does_not_count_either(project):
    lock(project, AGREED)
    assert months(project).readings[3].target == AGREED
    found = months(project, AGREED, SMB, by=("segment",)).readings
    assert found[0].target == SMB
    assert found[3].target == AGREED
    assert "30 %" in found[3].figure.notes[0].text("en")


def test_a_lock_keeps_every_digit_of_its_targets():
    target = Target(Decimal("0.250"), Decimal("1E+2"), {"segment": "SMB"}, date(2026, 1, 1), date(2027, 1, 1))
    row = {
        "campaign": "x",
        "start": SPAN.start,
        "end": SPAN.end,
        "locked_on": SPAN.start,
        "targets": [target_row(target)],
    }
    assert lock_of_row(json.loads(json.dumps(row, default=str)) | row).targets == (target,)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"now": datetime(2026, 4, 1, 8)}, "agreed before"),
        ({"now": datetime(2026, 3, 31, 23)}, "agreed before"),  # 1 April in Paris
        ({"span": Period(date(2026, 6, 1), date(2026, 5, 1))}, "ends before it starts"),
    ],
)
def test_a_campaign_that_has_started_is_too_late(project, more, told):
    with pytest.raises(QueryError, match=told):
        lock(project, AGREED, **more)


def test_a_kpi_without_a_target_or_that_does_not_exist_is_refused(project):
    with pytest.raises(QueryError, match="no target"):
        lock(project)
    with pytest.raises(DefinitionError):
        lock(project, AGREED, names=("win_rat",))


def test_targets_are_locked_once_for_a_span_and_all_or_none(project):
    lock(project, AGREED)
    other = replace(rate(AGREED), id="other")
    both, later = catalogue(rate(EASIER), other), Period(SPAN.end, date(2026, 10, 1))
    overlapping = Period(date(2026, 6, 30), date(2026, 8, 1))
    with pytest.raises(QueryError, match="Spring"):
        lock_targets(project, both, "Summer", ("other", "win_rate"), overlapping, now=NOW)
    assert [row["kpi"] for row in open_archive(project).locks()] == ["win_rate"]
    lock_targets(project, both, "Summer", ("other", "win_rate"), later, now=NOW)
    assert len(open_archive(project).locks()) == 3


def test_locks_are_on_the_kpis_of_an_opened_workspace(project):
    assert open_workspace(project.root).catalogue.kpi("win_rate").locks == ()
    shipped, _ = load_catalogue(project.catalogue)
    lock_targets(project, shipped, "Spring", ("win_rate",), SPAN, now=NOW)
    (found,) = open_workspace(project.root).catalogue.kpi("win_rate").locks
    assert found.targets == shipped.kpi("win_rate").targets


def test_questions_stop_rather_than_judge_without_the_locks(project):
    lock(project, AGREED)
    (project.state / "state.db").write_bytes(b"not a database, but long enough to be taken for one" * 40)
    with pytest.raises(StoreError):
        open_workspace(project.root)


def test_the_terminal_locks_and_shows_what_was_edited(project, monkeypatch):
    monkeypatch.setattr(Output, "now", lambda self: NOW)
    run = lambda *words: CliRunner().invoke(main, [*words, "--project", str(project.root), "--lang", "en"])  # noqa: E731
    made = run("targets", "lock", "Spring", "--kpi", "win_rate", "--start", "2026-04-01", "--end", "2026-07-01")
    assert made.exit_code == 0, made.output
    assert "as agreed" in made.stdout
    (project.catalogue / "own.yml").write_text('targets:\n  win_rate: [{value: "0.10"}]\n', encoding="utf-8")
    os.utime(project.catalogue / "own.yml")
    assert "edited since" in run("targets", "locks").stdout
    (row,) = json.loads(run("targets", "locks", "--format", "json").stdout)
    assert (row["is_edited"], row["now"][0]["value"]) == (True, "0.10")
    assert lock_records(project, load_catalogue()[0])[0]["is_edited"] is False
