"""Five to seven KPIs for a stage and a situation, each with its reason."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from cadran.catalogue.check import check_catalogue
from cadran.catalogue.choice import FEWEST, HELD_BACK, MOST, PAINS, STAGES, choose
from cadran.catalogue.load import load_catalogue
from cadran.cli import main
from cadran.cli.setup import _PAINS, _STAGES
from cadran.jobs import setup as jobs
from cadran.jobs.start import init_project
from shipped import CATALOGUE


def ids(found):
    return [each.kpi.id for each in found]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("pain", ["", *PAINS])
def test_every_answer_gives_five_to_seven_kpis_with_a_hypothesis_and_no_vanity(stage, pain):
    found = choose(CATALOGUE, stage, pain)
    assert FEWEST <= len(found) <= MOST
    assert len(set(ids(found))) == len(found)
    assert all(each.kpi.hypothesis.get("fr") and each.kpi.hypothesis.get("en") for each in found)
    assert not any(each.kpi.is_vanity for each in found)
    assert set(HELD_BACK.get(pain, ())) <= set(ids(found))


def test_a_launch_looks_at_activity_and_pipeline_and_growth_at_velocity_win_rate_and_cac():
    assert {"new_opportunities", "open_pipeline"} <= set(ids(choose(CATALOGUE, "launch")))
    assert {"sales_velocity", "win_rate", "cac"} <= set(ids(choose(CATALOGUE, "growth")))


def test_what_there_is_no_data_for_makes_room_and_says_what_it_lacks():
    counts = {"opportunity": 10, "lead": 10, "subscription": 10, "customer": 10}
    found = choose(CATALOGUE, "growth", counts=counts)
    assert "cac" not in ids(found)
    (last,) = [each for each in choose(CATALOGUE, "growth", counts={"opportunity": 9}) if each.lacks][:1]
    assert last.lacks
    assert len(choose(CATALOGUE, "growth", counts={})) == FEWEST


def test_the_terminal_knows_every_answer():
    assert tuple(STAGES) == _STAGES
    assert (*PAINS, "none") == _PAINS


@pytest.fixture
def run(tmp_path):
    init_project(tmp_path, name="Acme")
    return lambda *words, **more: CliRunner().invoke(main, ["setup", *words, "--project", str(tmp_path)], **more)


def test_it_asks_what_is_not_given(run):
    found = run("--lang", "fr", input="launch\nleads\n")
    assert found.exit_code == 0, found.output
    assert "Où en est" in found.stderr
    assert "regarde ce qui vous freine" in " ".join(found.stdout.split())


def test_the_board_is_written_once_and_can_be_used(run, tmp_path):
    words = ("--stage", "growth", "--held-back-by", "retention", "--write")
    records = json.loads(run(*words, "--format", "json").stdout)
    made, problems = load_catalogue(tmp_path / "catalogue")
    (board,) = [board for board in made.boards if board.id == "company"]
    assert list(board.kpis) == [row["kpi"] for row in records]
    assert [issue for issue in (*problems, *check_catalogue(made)) if "company" in issue.where] == []
    again = run(*words)
    assert again.exit_code == 2
    assert "company.yml" in again.stderr


def test_the_newest_snapshot_says_what_there_is(monkeypatch):
    meta = SimpleNamespace(counts={"opportunity": 3, "lead": 0})
    opened = SimpleNamespace(meta=meta, close=lambda: None)
    monkeypatch.setattr(jobs, "shelf_of", lambda project: SimpleNamespace(newest=lambda: "s", open=lambda: opened))
    found = jobs.chosen_for(None, CATALOGUE, "launch")
    assert {"lead", "subscription"} & {name for each in found for name in each.lacks}
