"""What is governed about every KPI, in a list that fits a terminal."""

from __future__ import annotations

import csv
import io
import json

import pytest
from click.testing import CliRunner

from cadran.cli import main
from cadran.jobs.start import init_project
from shipped import CATALOGUE

NEWEST = CATALOGUE.newest()


@pytest.fixture
def listed(tmp_path):
    init_project(tmp_path, name="Acme")
    return lambda *options: CliRunner().invoke(main, ["kpi", "--list", "--project", str(tmp_path), *options])


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_table_names_every_kpi_within_a_hundred_columns(listed, language):
    told = listed("--lang", language).stdout
    joined = "".join(line[:29].rstrip() for line in told.splitlines())
    assert [kpi.id for kpi in NEWEST if kpi.id not in joined] == []
    assert max(len(line.rstrip()) for line in told.splitlines()) <= 100


def test_targets_benchmarks_sources_grades_owner_and_cadence_are_told(listed):
    told = listed("--lang", "fr", "--team", "sales").stdout
    line = next(text for text in told.splitlines() if text.startswith("Taux de gain  "))
    assert "20–30\u00a0%" in line
    assert "Sales Ops" in line
    assert "hebdomadaire" in line
    assert "(C)" in told


def test_volumes_are_marked(listed):
    vanity = [kpi for kpi in NEWEST if kpi.is_vanity]
    assert vanity
    found = listed("--lang", "en")
    assert found.stdout.count("°") >= len(vanity)
    assert "volume" in found.stderr


def test_json_and_csv_hold_every_target_and_benchmark(listed):
    as_json = {row["kpi"]: row for row in json.loads(listed("--format", "json").stdout)}
    assert set(as_json) == {kpi.id for kpi in NEWEST}
    for kpi in NEWEST:
        assert len(as_json[kpi.id]["targets"]) == len(kpi.targets)
        assert [each["grade"] for each in as_json[kpi.id]["benchmarks"]] == [each.grade for each in kpi.benchmarks]
    as_csv = list(csv.DictReader(io.StringIO(listed("--format", "csv").stdout)))
    assert [row["kpi"] for row in as_csv] == [kpi.id for kpi in NEWEST]


def test_team_and_stage_narrow_the_list(listed):
    rows = json.loads(listed("--format", "json", "--team", "finance", "--stage", "retention").stdout)
    assert {row["kpi"] for row in rows} == {k.id for k in NEWEST if (k.team, k.funnel) == ("finance", "retention")}


def test_an_unknown_team_names_those_that_exist(listed):
    found = listed("--team", "finanse", "--lang", "fr")
    assert found.exit_code == 1
    assert "finance" in found.stderr
