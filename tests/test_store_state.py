"""The application database: made from nothing, brought up to date with what it holds, on both databases."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from cadran.config import load_project
from cadran.errors import ConfigError, QueryError, StoreError
from cadran.jobs.start import init_project
from cadran.store import state
from cadran.store.archive import open_archive
from cadran.store.state import HEAD, METADATA, migrate, open_state, transaction
from postgres import CAREFUL, postgres_url, run_sql  # noqa: F401 - a fixture

NOW = datetime(2026, 7, 2, 8, 30)
READING = {"kpi": "win_rate", "value": "0.2143", "n": 3, "segment": {"segment": "SMB"}, "reason": "été", "low": 0.1}
DECISION = {
    "decided_at": NOW,
    "decided_on": date(2026, 7, 2),
    "person": "local",
    "title": "Call within the hour",
    "owner": "Ana",
    "kpi": "win_rate",
    "version": "1.0",
    "predicates": ["segment = 'SMB'"],
    "control": [],
    "before_start": date(2026, 4, 1),
    "before_end": date(2026, 7, 1),
    "after_start": date(2026, 7, 1),
    "after_end": date(2026, 10, 1),
    "expected": "0.03",
    "due_on": date(2026, 10, 1),
    "reading": READING,
}
REVIEW = {
    "team": "sales",
    "start": date(2026, 6, 1),
    "end": date(2026, 7, 1),
    "prepared_at": NOW,
    "known_at": NOW,
    "snapshot": "s1",
    "document": {},
}


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow]),
    ]
)
def project(request, tmp_path):
    """A project whose application database is empty."""
    init_project(tmp_path)
    made = load_project(tmp_path)
    if request.param == "sqlite":
        return made
    url = request.getfixturevalue("postgres_url")
    schema = "t_" + tmp_path.name.lower().replace("[", "_").replace("]", "_")[-30:]
    run_sql(url, f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    return replace(made, extra={"state": {"url": url, "schema": schema}})


def raw(project):
    """An engine on the same database, nothing made in it yet."""
    settings = state.state_settings(project)
    project.state.mkdir(parents=True, exist_ok=True)
    if settings.url:
        return state._postgres(settings.url, settings.schema)
    return state._sqlite(project.state / "state.db")


def test_an_empty_database_gets_the_tables_that_the_code_uses(project):
    with transaction(open_state(project)) as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_every_step_is_tried_from_the_one_before():
    script = ScriptDirectory(str(state._MIGRATIONS))
    assert sorted(step.revision for step in script.walk_revisions()) == ["0001", "0002", "0003", "0004", HEAD]


def test_the_newest_step_is_the_one_that_the_code_expects():
    assert ScriptDirectory(str(state._MIGRATIONS)).get_heads() == [HEAD]


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004"])
def test_a_database_of_a_version_before_is_brought_up_to_date_with_what_it_holds(project, revision):
    engine = raw(project)
    with transaction(engine) as connection:
        migrate(connection, revision)
        assert not sa.inspect(connection).has_table("alert")
        connection.execute(sa.insert(state.DECISION).values(**DECISION))
    archive = open_archive(project)
    assert archive.decisions() == ({**DECISION, "id": 1, "effects": []},)
    with transaction(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_a_step_that_fails_leaves_the_database_as_it_was(project, monkeypatch):
    engine = raw(project)
    with transaction(engine) as connection:
        migrate(connection, "0001")
    from alembic import op

    made = op.create_table

    def broken(name, *columns):
        if name == "action":
            raise sa.exc.OperationalError("CREATE TABLE", {}, Exception("disk full"))
        return made(name, *columns)

    monkeypatch.setattr(op, "create_table", broken)
    with pytest.raises(StoreError, match="disk full"):
        open_state(project)
    with engine.connect() as connection:
        assert state._revision(connection) == "0001"
        assert not sa.inspect(connection).has_table("review")


def test_processes_that_start_together_make_the_tables_once(project):
    failed = []

    def start():
        try:
            open_state(project)
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_database_of_a_newer_version_is_refused_and_left_alone(project):
    engine = open_state(project)
    with transaction(engine) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="9999"):
        open_state(project)


def test_a_decision_is_kept_with_the_reading_as_it_was(project):
    archive = open_archive(project)
    number = archive.add_decision(DECISION)
    effect = {"decision_id": number, "measured_at": NOW, "known_at": NOW, "snapshot": "s2", "document": {"value": 0.03}}
    archive.add_effect(effect)
    (found,) = open_archive(project).decisions()
    assert found["reading"] == READING
    assert list(found["reading"]) == list(READING)
    assert Decimal(found["expected"]) == Decimal("0.03")
    assert found["effects"] == [{**effect, "id": 1}]


def test_an_item_ends_once_as_an_action_or_for_a_reason(project):
    archive = open_archive(project)
    archive.add_review(REVIEW, [{"kpi": "win_rate", "document": READING}, {"kpi": "acv", "document": {}}])
    first, second = archive.reviews("sales")[0]["items"]
    archive.act(first["id"], {"text": "Call", "owner": "Ana", "due_on": date(2026, 7, 9)}, NOW)
    archive.leave(second["id"], "Season", NOW)
    for again in (first, second):
        with pytest.raises(QueryError, match="No open item"):
            archive.leave(again["id"], "Twice", NOW)
    first, second = archive.reviews()[0]["items"]
    assert (first["action"]["text"], first["no_action_reason"], first["document"]) == ("Call", None, READING)
    assert (second["action"], second["no_action_reason"]) == (None, "Season")
    assert archive.reviews("finance") == ()


def test_an_action_is_overdue_after_its_day_until_it_is_done(project):
    archive = open_archive(project)
    archive.add_review(REVIEW, [{"kpi": "win_rate", "document": READING}])
    number = archive.act(1, {"text": "Call", "owner": "Ana", "due_on": date(2026, 7, 9)}, NOW)
    assert archive.actions(overdue_on=date(2026, 7, 9)) == ()
    assert [row["document"] for row in archive.actions(overdue_on=date(2026, 7, 10))] == [READING]
    archive.finish(number, NOW)
    assert archive.actions(overdue_on=date(2026, 7, 10)) == archive.actions(is_open=True) == ()
    assert [row["done_at"] for row in archive.actions()] == [NOW]
    with pytest.raises(QueryError, match="No open action"):
        archive.finish(number, NOW)


def test_an_action_without_an_item_is_refused_by_the_database(project):
    with pytest.raises(QueryError):
        open_archive(project).act(7, {"text": "x", "owner": "y", "due_on": date(2026, 7, 9)}, NOW)
    engine = open_state(project)
    row = {"item_id": 7, "kpi": "x", "text": "x", "owner": "y", "due_on": date(2026, 7, 9), "created_at": NOW}
    with pytest.raises(StoreError), transaction(engine) as connection:
        connection.execute(sa.insert(state.ACTION).values(**row))


@pytest.mark.postgres
@pytest.mark.slow
def test_a_password_comes_from_the_environment_alone(project, monkeypatch, postgres_url):  # noqa: F811
    if not state.state_settings(project).url:
        pytest.skip("SQLite has no password")
    run_sql(postgres_url, f"DROP ROLE IF EXISTS {CAREFUL}")
    run_sql(postgres_url, f"CREATE ROLE {CAREFUL} LOGIN SUPERUSER PASSWORD 's3cret@:'")
    address = postgres_url.replace("//cadran@", f"//{CAREFUL}@")
    careful = replace(project, extra={"state": {**project.extra["state"], "url": address}})
    monkeypatch.setenv("CADRAN_STATE_PASSWORD", "wrong")
    with pytest.raises(StoreError) as refused:
        open_state(careful)
    assert "wrong" not in refused.value.where + str(refused.value)
    monkeypatch.setenv("CADRAN_STATE_PASSWORD", "s3cret@:")
    open_state(careful)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("postgresql://me:secret@db/x", "password"),
        ("mysql://db/x", "state.url"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(tmp_path, written, told):
    init_project(tmp_path)
    with (tmp_path / "cadran.toml").open("a") as settings:
        settings.write(f'\n[state]\nurl = "{written}"\n')
    with pytest.raises(ConfigError, match=told) as refused:
        open_state(load_project(tmp_path))
    assert refused.value.where.startswith("cadran.toml:")


def test_a_setting_that_does_not_exist_is_told(tmp_path):
    init_project(tmp_path)
    with (tmp_path / "cadran.toml").open("a") as settings:
        settings.write('\n[state]\nurll = "x"\n')
    with pytest.raises(ConfigError, match="urll"):
        load_project(tmp_path)


def test_questions_do_not_pay_for_the_application_database():
    code = "import sys, cadran.cli, cadran.workspace, cadran.cli.options; print('sqlalchemy' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
        == "False"
    )
