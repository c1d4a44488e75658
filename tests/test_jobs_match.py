"""Decisions about duplicates, from the file of a project to its figures and back."""

from __future__ import annotations

from datetime import datetime

import pytest

from cadran.config import load_project
from cadran.errors import QueryError
from cadran.jobs.build import build_project
from cadran.jobs.match import decide, decided, decision, merge_certain, proposals
from cadran.jobs.start import init_project
from cadran.jobs.sync import sync_project
from cadran.store.shelf import shelf_of

HEAD = "Record ID,Company name,Company Domain Name,Country/Region,Create Date\n"
COMPANIES = HEAD + (
    "1,Lafarge Ciments International SA,lafarge.fr,France,2026-01-05\n"
    "2,LAFARGE CIMENT INTL,,France,2026-02-05\n"
    "3,Danone Waters,danone.com,France,2026-01-05\n"
    "4,Bledina Nutrition,danone.com,France,2026-01-05\n"
    "5,Ciments Calcia,calcia.fr,France,2026-01-05\n"
)
NOW = datetime(2026, 7, 2)


@pytest.fixture
def project(tmp_path):
    init_project(tmp_path)
    (tmp_path / "exports" / "companies-2026-06-01.csv").write_text(COMPANIES)
    (tmp_path / "exports" / "companies-2026-07-01.csv").write_text(COMPANIES)
    return load_project(tmp_path)


def accounts(project, day=2):
    sync_project(project, now=NOW)
    build_project(project, now=NOW.replace(day=day))
    snapshot = shelf_of(project).open()
    try:
        return sorted(snapshot.execute("SELECT source_id FROM account").column("source_id").to_pylist())
    finally:
        snapshot.close()


def ids(project):
    (found,) = [each.pair.ids for each in proposals(project, "account") if each.pair.chance > 0.5]
    return found


@pytest.mark.slow
def test_what_people_decide_is_merged_by_the_next_build_and_can_be_undone(project):
    assert accounts(project) == ["1", "2", "3", "4", "5"]
    pair = ids(project)
    assert [each.split(":")[1] for each in pair] == ["1", "2"]
    decide(project, [decision("account", *pair, "same", "ann", NOW)])
    assert accounts(project, day=3) == ["1", "3", "4", "5"]
    assert proposals(project, "account") == [] or pair not in [p.pair.ids for p in proposals(project, "account")]
    decide(project, [decision("account", *pair, "undo", "ann", NOW)])
    assert accounts(project, day=4) == ["1", "2", "3", "4", "5"]
    assert decided(project, "account") == []


def test_what_was_told_apart_cannot_be_joined_through_others(project):
    decide(
        project, [decision("account", "a", "b", "apart", "ann", NOW), decision("account", "b", "c", "same", "ann", NOW)]
    )
    with pytest.raises(QueryError, match="told apart"):
        decide(project, [decision("account", "a", "c", "same", "ann", NOW)])
    assert len(decided(project, "account")) == 2


def test_nothing_is_merged_unseen_without_a_reviewed_sample(project):
    with pytest.raises(QueryError, match="Nothing is merged unseen"):
        merge_certain(project, "account", NOW)
    with pytest.raises(QueryError, match="not matched"):
        proposals(project, "invoice")
