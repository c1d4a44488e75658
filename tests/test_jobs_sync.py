"""From files and tables to what is kept and counted."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from cadran.config import load_project
from cadran.engine.query import KpiQuery
from cadran.jobs.build import build_project, landings_of
from cadran.jobs.start import init_project
from cadran.jobs.sync import sync_project
from cadran.workspace import open_workspace
from postgres import postgres_url, run_sql  # noqa: F401 - a fixture

NOW = datetime(2026, 7, 2)
DEALS = "Record ID,Deal Name,Amount,Currency,Deal Stage,Create Date,Close Date\n1,A,10,EUR,Closed Won,2026-01-05,2026-02-01\n"
TABLE = """
name: crm_deals
system: crm
table: crm.deals
database: CADRAN_TEST_CRM
entities:
  opportunity:
    id: id
    columns: {name: name, amount: amount, currency: {value: EUR}, is_won: won, is_closed: {value: true}, created_at: opened, closed_at: closed}
"""


@pytest.fixture
def project(tmp_path):
    init_project(tmp_path)
    return load_project(tmp_path)


def test_reading_again_without_a_change_keeps_one_landing(project):
    (project.exports / "deals-2026-07-01.csv").write_text(DEALS)
    sync_project(project, now=NOW)
    sync_project(project, now=NOW)
    assert len(landings_of(project)) == 1


def test_a_file_exported_again_is_another_version(project):
    (project.exports / "deals-2026-06-01.csv").write_text(DEALS)
    (project.exports / "deals-2026-07-01.csv").write_text(DEALS.replace(",10,", ",20,"))
    sync_project(project, now=NOW)
    assert [landing.info.file for landing in landings_of(project)] == ["deals-2026-06-01.csv", "deals-2026-07-01.csv"]


def test_a_file_that_another_mapping_reads_since_counts_once(project):
    (project.exports / "deals-2026-07-01.csv").write_text(DEALS)
    sync_project(project, now=NOW)
    (project.mappings / "own.yml").write_text("name: own_deals\nextends: hubspot_deals\nmatch: {files: ['deals*']}\n")
    sync_project(project, now=NOW.replace(day=3))
    (landing,) = landings_of(project)
    assert landing.info.mapping == "own_deals"


def test_files_that_the_settings_leave_out_do_not_count(project):
    (project.exports / "deals-2026-07-01.csv").write_text(DEALS)
    sync_project(project, now=NOW)
    settings = (project.root / "cadran.toml").read_text().replace("ignore = []", 'ignore = ["deals*"]')
    (project.root / "cadran.toml").write_text(settings)
    again = load_project(project.root)
    assert landings_of(again) == []
    assert sync_project(again, now=NOW).files == ()


def test_one_broken_file_does_not_stop_the_others(project):
    (project.exports / "deals-2026-07-01.csv").write_text(DEALS)
    (project.exports / "empty.csv").write_text("")
    found = sync_project(project, now=NOW)
    assert [(issue.code, issue.where) for issue in found.issues] == [("file_unreadable", "empty.csv")]
    assert len(landings_of(project)) == 1


@pytest.mark.postgres
def test_a_table_of_postgresql_is_read_like_a_file(project, postgres_url, monkeypatch):  # noqa: F811
    run_sql(postgres_url, "DROP SCHEMA IF EXISTS crm CASCADE; CREATE SCHEMA crm")
    run_sql(
        postgres_url,
        "CREATE TABLE crm.deals (id int, name text, amount numeric(12,2), won bool, opened timestamptz, closed timestamptz)",
    )
    run_sql(
        postgres_url,
        "INSERT INTO crm.deals SELECT n, 'Deal ' || n, n * 100.10, n % 4 = 0, '2026-01-01', '2026-03-31 23:30+02' FROM generate_series(1, 40) n",
    )
    (project.mappings / "crm.yml").write_text(TABLE)
    monkeypatch.setenv("CADRAN_TEST_CRM", postgres_url)
    found = sync_project(project, now=NOW)
    report = build_project(project, now=NOW, found=found.issues)
    assert [str(issue) for issue in report.issues if issue.level == "error"] == []
    rate, value = open_workspace(project.root).view().ask(KpiQuery(("win_rate", "asp"))).readings
    assert (rate.figure.numerator, rate.figure.denominator) == (10, 40)
    assert value.value == Decimal("2202.2")


@pytest.mark.postgres
def test_a_table_without_an_address_says_what_to_set(project, monkeypatch):
    (project.mappings / "crm.yml").write_text(TABLE)
    monkeypatch.delenv("CADRAN_TEST_CRM", raising=False)
    (issue,) = sync_project(project, now=NOW).issues
    assert "CADRAN_TEST_CRM" in str(issue) + issue.hint.format(**issue.params)
