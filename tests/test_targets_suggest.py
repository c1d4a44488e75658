"""Targets proposed from the past: seen before, seasonal where they grow, silent where they cannot tell."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest
from click.testing import CliRunner

import cadran.workspace
from cadran.catalogue.definition import Benchmark
from cadran.cli import main
from cadran.config import load_project
from cadran.jobs.start import init_project
from cadran.jobs.targets import suggest_targets, suggestion_record
from cadran.period import Period
from cadran.view import View
from cadran.workspace import Workspace
from warehouse import WIN_RATE, WON, MemoryWarehouse, catalogue, deal, kpi, measure

KNOWN = datetime(2026, 7, 15)
QUARTERS = [date(year, month, 1) for year in (2023, 2024, 2025, 2026) for month in (1, 4, 7, 10)][:15]
OTHERS = Benchmark(Decimal("0.2"), Decimal("0.3"), "Somebody", "B", 2025)
RATE = replace(WIN_RATE, direction="up", benchmarks=(OTHERS,))
CYCLE = kpi(
    "cycle",
    unit="days",
    direction="down",
    interval="mean",
    numerator=measure(where="is_won", agg="mean", expr="cycle_days"),
)
BAND = replace(WIN_RATE, id="band", direction="band")


def quarters(values, make):
    """Deals of each quarter up to the one that runs, the newest whole one last."""
    return [row for day, value in zip(QUARTERS[14 - len(values) : 14], values, strict=True) for row in make(day, value)]


def won(day, n):
    return [deal(day.isoformat(), segment="SMB") for _ in range(n)]


def at_rate(day, rate):
    return [deal(day.isoformat(), won=i < rate, segment="SMB") for i in range(100)]


def lasting(day, days):
    return [deal(day.isoformat(), cycle_days=days + i % 2) for i in range(10)]


@pytest.fixture
def view(tmp_path):
    init_project(tmp_path, name="Acme")
    project = load_project(tmp_path)
    return lambda rows: View(
        project, catalogue(RATE, WON, CYCLE, BAND), "local", MemoryWarehouse(opportunity=rows, known_at=KNOWN)
    )


def only(view, rows, name, **more):
    (found,) = suggest_targets(view(rows), name, **more)
    return found


def test_a_rate_starts_from_what_was_reached_before(view):
    found = only(view, quarters([90, 20, 22, 24, 26, 28, 30, 32, 34], at_rate), "win_rate")
    # the eight newest: the ninth, 90 %, is too old to be a promise
    assert (found.likely, found.ambitious, found.best) == (Decimal("0.27"), Decimal("0.305"), Decimal("0.34"))
    assert (found.period, found.n_past, found.benchmark) == (Period(date(2026, 7, 1), date(2026, 10, 1)), 8, OTHERS)


def test_what_should_fall_is_ambitious_when_it_is_low(view):
    found = only(view, quarters([40, 50, 60, 70, 80], lasting), "cycle")
    assert found.best < found.ambitious < found.likely == Decimal("60.5")


def test_a_step_that_chance_takes_by_itself_is_told(view):
    assert only(view, quarters([20, 22, 24, 26, 28], at_rate), "win_rate").is_within_noise
    assert not only(view, quarters([5, 20, 40, 60, 95], at_rate), "win_rate").is_within_noise


def test_a_count_grows_from_the_same_quarter_a_year_before(view):
    season, growth = [20, 40, 100, 60], Decimal("1.5")
    values = [int(n * growth**year) for year in range(4) for n in season][:14]
    found = only(view, quarters(values, won), "won")
    # the third quarter is the season's best: a straight line from the second would miss it
    assert found.method == "growth"
    assert found.base == 225
    assert float(found.likely) == pytest.approx(225 * 1.5, rel=0.01)


def test_growth_of_a_handful_is_no_growth(view):
    found = only(view, quarters([1, 2, 3, 4] * 3, won), "won")
    assert (found.method, found.likely) == ("none", None)


@pytest.mark.parametrize(("values", "n"), [([20, 22, 24, 26], 3), ([20], 0)])
def test_too_short_a_past_proposes_nothing(view, values, n):
    rows = quarters(values, at_rate)
    # the quarter in which the data starts is not whole
    found = only(view, [deal(row["closed_at"][:8] + "15", won=row["is_won"]) for row in rows], "win_rate")
    assert (found.method, found.n_past) == ("none", n)
    assert "at least" in found.reason


def test_the_running_quarter_is_none_of_the_past(view):
    rows = quarters([20, 22, 24, 26, 28], at_rate)
    assert only(view, [*rows, *at_rate(date(2026, 7, 2), 99)], "win_rate").best == Decimal("0.28")


def test_a_kpi_without_a_direction_gets_no_level(view):
    found = only(view, quarters([20, 22, 24, 26, 28], at_rate), "band")
    assert "direction" in suggestion_record(found, "en")["reason"]


def test_the_terminal_tells_the_reasoning(view, monkeypatch):
    seen = view(quarters([20, 22, 24, 26, 28], at_rate))
    workspace = Workspace(seen.project, seen.catalogue)
    monkeypatch.setattr(workspace, "view", lambda person="local": seen)
    monkeypatch.setattr(cadran.workspace, "open_workspace", lambda root: workspace)
    run = lambda *words: CliRunner().invoke(main, ["targets", "suggest", *words])  # noqa: E731
    for language, word in (("en", "one in four"), ("fr", "une sur quatre")):
        found = run("win_rate", "--by", "segment", "--lang", language)
        assert found.exit_code == 0, found.output
        assert word in " ".join(found.stdout.split())
    (row,) = json.loads(run("win_rate", "--format", "json").stdout)
    assert (row["likely"], row["benchmark_grade"]) == ("0.240000", "B")
    assert "at least" in run("won", "--lang", "en").stdout
