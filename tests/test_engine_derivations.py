"""Derivations that were compiled for no day, beside those that are compiled for theirs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import pytest

from cadran.canonical.settings import Constant
from cadran.engine import derivations as under_test
from cadran.engine.derivations import derivations
from cadran.store import compiled
from cadran.store.dialect import statement
from tests.tables import settings

if TYPE_CHECKING:
    from pathlib import Path

ZONES = ("Europe/Paris", "Pacific/Kiritimati", "America/Los_Angeles")


def plain(sql: str) -> str:
    """Without the white space, which depends on how long a day is written."""
    return re.sub(r"\s+", "", sql)


@pytest.mark.slow
def test_a_day_put_in_afterwards_gives_the_statements_that_the_day_itself_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ibis writes some lists in the order of a set, which is another one in each process
    monkeypatch.setenv(compiled.CACHE, str(tmp_path))
    for known in (under_test.derivations, under_test._for_any_day):
        known.cache_clear()
    asked = replace(settings(), known_at=datetime.fromisoformat("2025-07-09T10:11:12.131415"), zone=ZONES[1])
    asked = replace(asked, constant=Constant(on=date(2025, 3, 31)))
    found = derivations(asked, "duckdb")
    direct = under_test._expressions(asked)
    assert found.keys() == direct.keys()
    for name, table in direct.items():
        assert plain(found[name].sql) == plain(statement(table, "duckdb")), name


@pytest.mark.parametrize("zone", ZONES)
def test_the_day_that_stands_for_any_day_is_known_from_the_one_after_it(zone: str) -> None:
    asked = replace(settings(), zone=zone)
    days = under_test._days(under_test._undated(asked), "duckdb")
    assert len(set(days)) == 3
    assert all("2399" in day for day in days)


def test_what_is_kept_is_whole_or_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiled.CACHE, str(tmp_path))
    assert compiled.kept("a") is None
    compiled.keep("a", "é" * 1000)
    assert compiled.kept("a") == "é" * 1000
    path = compiled.folder() / "a"
    path.write_bytes(path.read_bytes()[:-3])
    assert compiled.kept("a") is None


def test_only_the_last_used_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiled.CACHE, str(tmp_path))
    for number in range(compiled.MOST_KEPT + 5):
        compiled.keep(str(number), "text")
    assert len(list(compiled.folder().iterdir())) == compiled.MOST_KEPT


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(compiled.CACHE, str(tmp_path / "file"))
    compiled.keep("a", "text")
    assert compiled.kept("a") is None
