"""Runs are archived, one server runs each of them, once, and what was missed is caught up once."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from cadran.cli import main
from cadran.config import load_project
from cadran.errors import ConfigError, DeliveryError, QueryError
from cadran.jobs import deliver as jobs_deliver
from cadran.jobs.progress import silent
from cadran.jobs.run import run_project, run_records
from cadran.jobs.schedule import schedule_of, scheduler_of, slot_of, trigger_of
from cadran.jobs.start import init_project
from cadran.notify.mail import mail_of
from cadran.store.runs import ALIVE, open_runs
from cadran.store.state import SCHEDULE, open_state, transaction

NOW = datetime(2026, 7, 2, 9, 10)
DEALS = "Record ID,Deal Name,Amount,Currency,Deal Stage,Create Date,Close Date\n1,A,10,EUR,Closed Won,2026-01-05,2026-02-01\n"


@pytest.fixture
def project(tmp_path):
    init_project(tmp_path, name="Acme")
    (tmp_path / "exports" / "deals-2026-07-01.csv").write_text(DEALS)
    with (tmp_path / "cadran.toml").open("a") as settings:
        settings.write('\n[schedule]\nrun = "0 7 * * *"\n')
    return load_project(tmp_path)


def go(project, slot=NOW, clock=lambda: NOW, **more):
    return run_project(project, clock=clock, slot=slot, worker="one", progress=silent, **more)


@pytest.mark.slow
def test_a_run_reads_builds_evaluates_and_is_archived_with_what_it_counted(project):
    done = go(project)
    assert done.outcome in ("ok", "findings"), done.steps
    assert done.steps["sync"]["n_files"] == 1
    assert 0 < done.steps["build"]["quality"] <= 1
    assert len((project.state / "quality.jsonl").read_text().splitlines()) == 1
    assert done.steps["evaluate"]["n_raised"] == 0
    (record,) = run_records(project)
    assert (record["run"], record["outcome"], record["slot"]) == (done.number, done.outcome, "2026-07-02T09:10:00Z")
    assert set(record["steps"]) >= {"sync", "build", "evaluate", "deliver", "review"}
    assert go(project).outcome == "elsewhere"
    assert len(run_records(project)) == 1


def test_a_step_that_fails_is_told_and_the_others_go_on(project):
    done = go(project, steps=("evaluate", "deliver"))
    assert done.outcome == "failed"
    assert done.steps["evaluate"]["error"]
    assert done.steps["deliver"]["n_sent"] == 0
    with pytest.raises(QueryError, match="no step"):
        go(project, slot=NOW + timedelta(days=1), steps=("evalute",))


def test_reports_are_written_where_they_are_asked_for(project, monkeypatch):
    asked = replace(
        project,
        extra={**project.extra, "schedule": {"reports": ["sales"], "formats": ["xlsx"], "report_grain": "week"}},
    )
    seen = []
    monkeypatch.setattr("cadran.jobs.run.open_workspace", lambda _: SimpleNamespace(view=lambda: "view"))
    monkeypatch.setattr(
        "cadran.jobs.run.report_of", lambda *words, **more: seen.append((words, more["grain"])) or "report"
    )
    monkeypatch.setattr("cadran.jobs.run.write_report", lambda *words: seen.append(words) or ["a.xlsx"])
    assert go(asked, steps=("report",)).steps["report"]["n_reports"] == 1
    assert seen[0] == (("view", ("sales",), "fr"), "week")
    assert seen[1] == ("view", "report", ("xlsx",), project.root / "reports", "fr")
    wrong = replace(project, extra={"schedule": {"reports": ["sales"], "formats": ["fax"]}})
    assert go(wrong, slot=NOW + timedelta(days=1), steps=("report",)).outcome == "failed"


def test_a_report_goes_once_to_the_people_it_is_for(project, monkeypatch):
    """Its files go by e-mail through the outbox: tried again after a failure, once per period, never split."""
    more = {
        "schedule": {"reports": ["sales"], "formats": ["html", "xlsx"], "report_to": ["board"]},
        "alerts": {"routes": [{"name": "board", "to": "mailto:ceo@acme.com", "language": "en"}]},
    }
    asked = replace(project, extra={**project.extra, **more})
    folder = project.root / "reports"

    def write(*_):
        folder.mkdir(exist_ok=True)
        paths = [folder / name for name in ("acme-sales-2026-06-01.html", "acme-sales-2026-06-01.xlsx")]
        for path in paths:
            path.write_bytes(path.name.encode())
        return paths

    board = SimpleNamespace(id="sales", labels={"fr": "Ventes", "en": "Sales"})
    seen = SimpleNamespace(catalogue=SimpleNamespace(boards=[board]))
    monkeypatch.setattr("cadran.jobs.run.open_workspace", lambda _: SimpleNamespace(view=lambda: seen))
    monkeypatch.setattr("cadran.jobs.run.report_of", lambda *_, **__: "report")
    monkeypatch.setattr("cadran.jobs.run.write_report", write)
    sent, answers = [], [DeliveryError("busy", wait=0, is_unknown=False), None, None]

    def sender(message, route, known, *, maybe_sent):
        sent.append((message, route.address))
        if error := answers.pop(0):
            raise error

    deliver = lambda each, *, clock: jobs_deliver.deliver(each, clock=clock, sender=sender)  # noqa: E731
    monkeypatch.setattr("cadran.jobs.run.deliver", deliver)
    assert go(asked, steps=("report",)).steps["report"]["n_reports"] == 2
    later = NOW + timedelta(hours=1)
    go(asked, slot=NOW + timedelta(days=1), clock=lambda: later, steps=("report",))
    go(asked, slot=NOW + timedelta(days=2), clock=lambda: later + timedelta(days=1), steps=("report",))
    assert len(sent) == 2, "tried again, and not sent a third time"
    message, address = sent[-1]
    assert (message.title, address) == ("Report: Sales", "ceo@acme.com")
    assert sent[0][0].key == message.key
    mail = mail_of(message, address, "cadran@acme.com")
    enclosed = {part.get_filename(): part.get_content() for part in mail.iter_attachments()}
    assert {
        name: bytes(content, "utf-8") if isinstance(content, str) else content for name, content in enclosed.items()
    } == {path.name: path.name.encode() for path in write()}
    wrong = replace(asked, extra={**asked.extra, "schedule": {**more["schedule"], "report_to": ["nobody"]}})
    assert "nobody" in go(wrong, slot=NOW + timedelta(days=3), steps=("report",)).steps["report"]["error"]


def test_one_run_at_a_time_and_a_dead_one_is_taken_over_once(project):
    runs = open_runs(project)
    first = runs.claim("run", NOW, "one", NOW)
    assert runs.claim("run", NOW + timedelta(days=1), "two", NOW) is None, "another slot, while one is under way"
    runs.live(first, NOW + timedelta(minutes=2))
    assert runs.claim("run", NOW, "two", NOW + ALIVE) is None, "it said that it is alive"
    later = NOW + timedelta(minutes=2) + ALIVE
    assert runs.claim("run", NOW, "two", later) == first
    assert runs.claim("run", NOW, "three", later + ALIVE) is None, "twice is enough"
    assert runs.every()[0]["outcome"] == "interrupted"


def test_every_server_finds_the_same_slot_however_late_it_is(project):
    trigger = trigger_of(project, "run", "0 7 * * 1-5")
    friday = datetime(2026, 7, 3, 5)  # seven o'clock in Paris
    for late in (timedelta(), timedelta(minutes=3), timedelta(hours=30), timedelta(hours=71)):
        assert slot_of(trigger, friday + late) == friday
    assert slot_of(trigger, datetime(2026, 7, 6, 5)) == datetime(2026, 7, 6, 5)


@pytest.mark.parametrize("text", ['[schedule]\nrum = "0 7 * * *"', '[schedule]\nrun = "at seven"'])
def test_a_schedule_that_cannot_be_read_is_told(tmp_path, text):
    init_project(tmp_path)
    with (tmp_path / "cadran.toml").open("a") as settings:
        settings.write("\n" + text + "\n")
    with pytest.raises(ConfigError, match=r"rum|schedule\.run"):
        schedule_of(load_project(tmp_path))


@pytest.mark.slow
def test_the_terminal_runs_and_lists(project):
    at = ["--project", str(project.root), "--lang", "en"]
    done = CliRunner().invoke(main, ["run", *at])
    assert done.exit_code in (0, 3), done.output
    assert "sync: " in done.output
    assert "evaluate: " in done.output
    due = CliRunner().invoke(main, ["run", "--due", "--step", "deliver", *at])
    assert due.exit_code == 0
    assert "nothing was done" in CliRunner().invoke(main, ["run", "--due", *at]).output
    listed = CliRunner().invoke(main, ["runs", *at, "--format", "json"])
    assert listed.output.count('"job": "run"') == 2
    assert CliRunner().invoke(main, ["runs", *at]).exit_code == 0


@pytest.mark.slow
class TestServers:
    CODE = "import sys; from cadran.cli.run import due; due(sys.argv[1])"

    def start(self, project):
        return subprocess.Popen([sys.executable, "-c", self.CODE, str(project.root)])

    def test_two_servers_never_run_the_same_job_twice(self, project):
        open_runs(project)
        servers = [self.start(project) for _ in range(2)]
        assert [server.wait(timeout=120) for server in servers] == [0, 0]
        (record,) = run_records(project)
        assert record["outcome"] in ("ok", "findings")
        assert self.start(project).wait(timeout=120) == 0
        assert len(run_records(project)) == 1, "a late server finds it done"

    def test_days_of_the_week_are_those_of_a_crontab(self, project):
        sunday = trigger_of(project, "run", "0 7 * * 0")
        assert slot_of(sunday, datetime(2026, 7, 8)) == slot_of(
            trigger_of(project, "run", "0 7 * * 7"), datetime(2026, 7, 8)
        )
        assert slot_of(sunday, datetime(2026, 7, 8)) == datetime(2026, 7, 5, 5)

    def test_a_run_that_was_missed_several_times_is_caught_up_once(self, project):
        functions = {"run": "cadran.cli.run:due"}
        scheduler_of(project, functions).shutdown()
        engine = open_state(project)
        missed = time.time() - 3 * 86_400
        with transaction(engine) as connection:
            assert connection.execute(sa.update(SCHEDULE).values(next_run_time=missed)).rowcount == 1
            # the time is in the job itself too
        scheduler = scheduler_of(project, functions)
        job = scheduler.get_job("run")
        scheduler.modify_job("run", next_run_time=datetime.fromtimestamp(missed, tz=UTC))
        assert job is not None
        scheduler.resume()
        for _ in range(300):
            found = run_records(project)
            if found and found[0]["ended_at"]:
                break
            time.sleep(0.2)
        time.sleep(1)
        scheduler.shutdown()
        (record,) = run_records(project)
        assert record["outcome"] in ("ok", "findings")
        with transaction(engine) as connection:
            (due,) = connection.execute(sa.select(SCHEDULE.c.next_run_time)).one()
        assert due > time.time()


def test_the_jobs_stay_in_the_database_with_their_time(project):
    functions = {"run": "cadran.cli.run:due", "deliver": "cadran.cli.run:send"}
    first = scheduler_of(project, functions)
    due = first.get_job("run").next_run_time
    assert first.get_job("deliver") is None, "there is no route"
    first.shutdown()
    again = scheduler_of(project, functions)
    assert again.get_job("run").next_run_time == due
    again.shutdown()
    Path(project.root, "cadran.toml").write_text(
        Path(project.root, "cadran.toml").read_text().replace('run = "0 7 * * *"', 'run = "0 8 * * *"')
    )
    moved = scheduler_of(load_project(project.root), functions)
    assert moved.get_job("run").next_run_time != due
    moved.shutdown()
