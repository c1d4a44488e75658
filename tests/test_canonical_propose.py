from __future__ import annotations

import json

import pyarrow as pa
import pytest
from click.testing import CliRunner

from cadran.canonical.mapping import load_mappings, match, shipped_mappings
from cadran.canonical.propose import propose
from cadran.cli import main


def proposed(headers, rows, name="deals_export_2026-10-01.csv"):
    sample = pa.table({header: [str(row[i]) for row in rows] for i, header in enumerate(headers)})
    return propose(name, headers, sample, shipped_mappings())


def test_the_words_of_known_systems_are_taken_for_what_they_say(tmp_path):
    headers = ["Deal reference", "Montant", "Devise", "Deal Stage", "Create Date", "Close Date", "Favourite colour"]
    found = proposed(
        headers,
        [
            ["a1", 10, "EUR", "Won", "2026-01-01", "2026-02-01", "red"],
            ["a2", 20, "EUR", "Lost", "2026-01-02", "2026-02-03", "red"],
        ],
    )
    (tmp_path / "m.yml").write_text(found.text)
    (mapping,) = load_mappings(tmp_path)
    (entity,) = mapping.entities
    assert entity.entity == "opportunity"
    assert {rule.column for rule in entity.columns} >= {"amount", "currency", "stage", "created_at"}
    assert [rule.sources for rule in entity.ids] == [(("Deal reference",),)]
    assert match("deals_export_2026-11-01.csv", headers, [mapping]) == mapping


def test_what_is_unsure_is_said():
    found = proposed(["Id", "Name", "Curency"], [["1", "a", "EUR"], ["1", "b", "EUR"]])
    codes = {issue.code for issue in found.unsure}
    assert {"unsure_id", "unsure_column"} <= codes
    assert "a guess: check it" in found.text


def test_columns_that_are_not_used_are_listed():
    found = proposed(["Deal Name", "Amount", "Shoe size"], [["a", 1, 42]])
    assert any("Shoe size" in str(issue) for issue in found.unsure)
    assert "# not used: Shoe size" in found.text


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_file_that_nothing_recognises_can_be_mapped_and_loaded(tmp_path, form):
    run = lambda *words: CliRunner().invoke(main, [str(word) for word in words])  # noqa: E731
    run("init", tmp_path)
    file = tmp_path / "exports" / "ventes_2026-10-01.csv"
    file.write_text(
        "Deal reference;Montant;Devise;Deal Stage;Create Date\nA-1;1200,50;EUR;Qualification;2026-09-01\nA-2;800,25;EUR;Démo;2026-09-02\n",
        "utf-8",
    )
    left_out = run("sync", "--project", tmp_path, "--lang", "en")
    assert "No mapping recognises this file" in left_out.stderr
    assert "cadran map" in left_out.stderr
    written = run("map", file, "--write", "--project", tmp_path, "--format", form)
    assert written.exit_code == 0, written.stderr
    built = run("build", "--project", tmp_path, "--format", "json")
    assert built.exit_code == 0, built.stderr
    (counts,) = json.loads(built.stdout)
    assert (counts["read"], counts["loaded"], counts["set_aside"]) == (2, 2, 0)
    asked = json.loads(run("kpi", "open_pipeline", "--project", tmp_path, "--format", "json").stdout)
    assert [row["value"] for row in asked] == ["2000.7500"]
