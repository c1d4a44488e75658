"""A decision on a project that was built: recorded in the terminal before its window, and measured there after it."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from cadran.cli import main
from cadran.cli.options import Output
from cadran.config import load_project
from cadran.jobs.build import build_project
from cadran.jobs.start import init_project
from cadran.jobs.sync import sync_project

SEED, START, DAYS, PER_DAY = 20261126, date(2026, 4, 1), 90, 30
BEFORE, AFTER = datetime(2026, 3, 31, 9), datetime(2026, 7, 6, 9)
HEAD = "Record ID,Deal Name,Pipeline,Amount,Currency,Deal Stage,Create Date,Close Date\n"
#: Share won by pipeline, before and after: a season lifts all by two points, and one decision one of them by three more.
RATES = {"Calls": (0.10, 0.15), "Letters": (0.10, 0.12), "Others": (0.10, 0.12)}


def deals(start, place):
    """The deals that were closed in the window from a day on: as many in each pipeline, won at its rate."""
    rng = np.random.default_rng((SEED, place))
    for pipeline, rates in RATES.items():
        n = DAYS * PER_DAY
        won = rng.permutation(np.arange(n) < round(rates[place] * n))
        for number, is_won in enumerate(won):
            day = start + timedelta(days=number // PER_DAY)
            stage = "Closed Won" if is_won else "Closed Lost"
            yield f"{pipeline}-{place}-{number},A,{pipeline},100,EUR,{stage},{day - timedelta(days=9)},{day}\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The terminal on a project with both windows, where the clock says what a test sets."""
    init_project(tmp_path, name="Acme")
    rows = [*deals(START - timedelta(days=DAYS), 0), *deals(START, 1)]
    (tmp_path / "exports" / f"deals-{AFTER.date() - timedelta(days=1)}.csv").write_text(HEAD + "".join(rows))
    project = load_project(tmp_path)
    build_project(project, now=AFTER, found=sync_project(project, now=AFTER).issues)

    def terminal(*words, now):
        monkeypatch.setattr(Output, "now", lambda _: now)
        done = CliRunner().invoke(main, [*words, "--project", str(tmp_path), "--lang", "en"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    return terminal


@pytest.mark.slow
def test_a_planted_effect_of_three_points_is_found_and_none_is_told_as_none(run):
    print("seed", SEED)
    asked = ("--kpi", "win_rate", "--expect", "+3pt", "--owner", "Ana", "--start", str(START), "--days", str(DAYS))
    for pipeline in ("Calls", "Letters"):
        where = ("--where", f"pipeline = '{pipeline}'", "--control", "pipeline = 'Others'")
        run("decide", pipeline, *asked, *where, now=BEFORE)
    kept = json.loads(run("decisions", "--format", "json", now=BEFORE))
    assert [each["status"] for each in kept] == ["waiting", "waiting"]
    run("decisions", "--measure", now=AFTER)
    found = json.loads(run("decisions", "--format", "json", now=AFTER))
    calls, letters = sorted(found, key=lambda each: each["title"])
    assert (calls["outcome"], calls["is_held"]) == ("effect", True)
    assert 0 < calls["low"] < 0.03 < calls["high"] < 0.06
    assert (letters["outcome"], letters["is_held"]) == ("no_effect", False)
    assert letters["low"] < 0 < letters["high"]
