from __future__ import annotations

import pytest
from click.testing import CliRunner

from cadran.cli import main
from cadran.config import load_project


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize(
    ("country", "currency", "zone"), [("FR", "EUR", "Europe/Paris"), ("US", "USD", "America/New_York")]
)
def test_a_new_project_can_be_read_back(tmp_path, country, currency, zone):
    found = run("init", tmp_path / "acme", "--name", 'Acme "Inc" \\ fils', "--country", country)
    assert found.exit_code == 0, found.output
    project = load_project(tmp_path / "acme")
    assert (project.company, project.currency, project.zone.key) == ('Acme "Inc" \\ fils', currency, zone)
    assert project.exports.is_dir()
    assert project.mappings.is_dir()
    assert project.catalogue.is_dir()


def test_a_project_is_never_overwritten(tmp_path):
    run("init", tmp_path)
    before = (tmp_path / "cadran.toml").read_text()
    found = run("init", tmp_path, "--name", "Other", "--lang", "fr")
    assert found.exit_code == 2
    assert "déjà un projet" in found.stderr
    assert (tmp_path / "cadran.toml").read_text() == before


def test_a_folder_without_a_project_is_told_with_what_to_do(tmp_path):
    found = run("kpi", "win_rate", "--project", tmp_path, "--lang", "en")
    assert found.exit_code == 2
    assert "cadran init" in found.stderr
    assert found.stdout == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('currency = "euro"', "cadran.toml:2"),
        ('zone = "Europe/Pariss"', "Europe/Paris"),
        ('curency = "EUR"', "Did you mean currency"),
    ],
)
def test_a_wrong_setting_is_named_with_its_line(tmp_path, line, words):
    (tmp_path / "cadran.toml").write_text(f"[company]\n{line}\n")
    found = run("check", "--project", tmp_path, "--lang", "en")
    assert found.exit_code == 2
    assert words in found.stderr
