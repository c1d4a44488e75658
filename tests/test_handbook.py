"""Every KPI has a page in both languages, which says everything that the contract says, and no link is dead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cadran.catalogue.fields import LANGUAGES
from cadran.catalogue.handbook.cases import edge_cases
from cadran.catalogue.handbook.index import handbook
from cadran.cli import main
from cadran.i18n import _catalogue, say
from shipped import CATALOGUE

NEWEST = CATALOGUE.newest()
PAGES = handbook(CATALOGUE)
COMMITTED = Path(__file__).parent.parent / "docs" / "handbook"


def flat(text):
    return " ".join(text.split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kpi_has_a_page_and_a_line_of_the_index(language):
    index = PAGES[f"{language}/README.md"]
    for kpi in NEWEST:
        assert PAGES[f"{language}/{kpi.id}.md"].startswith(f"# {kpi.name(language)}\n")
        assert f"]({kpi.id}.md)" in index


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kpi", NEWEST, ids=lambda kpi: kpi.id)
def test_a_page_tells_the_whole_contract(kpi, language):
    page = flat(PAGES[f"{language}/{kpi.id}.md"])
    for texts in (kpi.descriptions, kpi.formula, kpi.scope, kpi.hypothesis):
        assert flat(texts.get(language, "")) in page
    assert flat(kpi.oracle) in page
    assert kpi.owner in page
    assert f"| {kpi.version}," in page or f"| {kpi.version} |" in page
    for benchmark in kpi.benchmarks:
        assert say(benchmark.source, {}, language) in page
        assert flat(benchmark.note.get(language, "")) in page
        assert f"| {benchmark.grade}" in page
    others = [name for name in (*kpi.variants, *kpi.inputs.values()) if name != kpi.id]
    assert [name for name in others if f"({name}.md)" not in page] == []
    assert page.count("## ") >= 5  # formula, population, edge cases, hypothesis, checking SQL


def test_no_link_is_dead():
    for path, text in PAGES.items():
        language = path.split("/")[0]
        for name in re.findall(r"\]\(([^)]+\.md)\)", text):
            assert f"{language}/{name}" in PAGES, f"{path} → {name}"


def test_every_sentence_of_the_edge_cases_is_french_on_french_pages():
    said = {text for kpi in NEWEST for text, _ in edge_cases(kpi)}
    assert {text for text in said if text not in _catalogue("fr")} == set()
    sources = {benchmark.source for kpi in NEWEST for benchmark in kpi.benchmarks}
    assert {text for text in sources if "trade article" in text and text not in _catalogue("fr")} == set()


def test_edge_cases_follow_the_contract():
    told = lambda name: [text for text, _ in edge_cases(CATALOGUE.kpi(name))]  # noqa: E731
    assert any("denominator is 0" in text for text in told("win_rate"))
    assert not any("denominator is 0" in text for text in told("new_opportunities"))
    assert any("not reached" in text for text in told("lead_response_hours"))
    assert any("{days} days" in text for text in told("mql_to_sql"))
    assert any("last month end" in text for text in told("nrr"))
    assert any("exchange rate" in text for text in told("mrr"))


def test_the_command_writes_both_languages(tmp_path):
    found = CliRunner().invoke(main, ["handbook", "--out", str(tmp_path / "book"), "--project", str(tmp_path)])
    assert found.exit_code == 0, found.output
    written = {str(p.relative_to(tmp_path / "book")): p.read_text(encoding="utf-8") for p in tmp_path.rglob("*.md")}
    assert written == PAGES


@pytest.mark.skipif(not COMMITTED.exists(), reason="docs/handbook is not kept here: make docs writes it")
def test_the_handbook_of_the_repository_is_up_to_date():
    kept = {str(p.relative_to(COMMITTED)): p.read_text(encoding="utf-8") for p in COMMITTED.rglob("*.md")}
    stale = sorted(name for name in kept.keys() | PAGES.keys() if kept.get(name) != PAGES.get(name))
    assert stale == [], "run `make docs`"
