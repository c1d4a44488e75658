"""An annual goal spread over quarters, teams and segments that add up to it, and paced by the company's own season."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import cadran.workspace
from cadran.api import create_api
from cadran.catalogue.check import check_catalogue
from cadran.catalogue.definition import Target
from cadran.catalogue.load import load_catalogue
from cadran.cli import main
from cadran.config import load_project
from cadran.errors import ConfigError, QueryError
from cadran.insights.cascade import allot, needs_of_arr
from cadran.insights.pacing import pacing
from cadran.jobs.goals import goal_records, pace_of_target, spread_goal, write_goal
from cadran.jobs.start import init_project
from cadran.period import Period
from cadran.view import View
from cadran.workspace import Workspace
from cockpit import get
from warehouse import BOOKED, WIN_RATE, WON, MemoryWarehouse, catalogue, deal

#: Deals won in each quarter of a year: the last one brings four times the first.
SEASON = (10, 20, 30, 40)
YEAR = date(2027, 1, 1)
ROWS = [
    deal(f"{year}-{3 * quarter + 2:02}-15", id=f"{year}-{quarter}-{i}", segment="SMB" if i % 4 else "Enterprise", amount_base="100")
    for year in (2024, 2025, 2026)
    for quarter, n in enumerate(SEASON)
    for i in range(n)
]  # fmt: skip
KNOWN = datetime(2026, 12, 31, 23)


@pytest.fixture
def project(tmp_path):
    init_project(tmp_path, name="Acme")
    return load_project(tmp_path)


def view(project, rows=ROWS, *kpis, known_at=KNOWN):
    kpis = kpis or (replace(WON, dimensions=("segment", "owner")), replace(BOOKED, dimensions=("segment",)), WIN_RATE)
    return View(project, catalogue(*kpis), "local", MemoryWarehouse(opportunity=rows, known_at=known_at))


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 10**9),
    st.lists(st.decimals(0, 10**6, places=2, allow_nan=False), min_size=1, max_size=12),
    st.sampled_from([Decimal(1), Decimal("0.01"), Decimal(5)]),
)
def test_parts_add_up_to_the_total_exactly_and_none_is_a_step_from_its_share(total, weights, step):
    whole = Decimal(total) * step
    parts = allot(whole, weights, step)
    assert sum(parts) == whole
    assert all(part >= 0 and part % step == 0 for part in parts)
    all_of = sum(weights)
    if all_of:
        assert all(abs(p - whole * w / all_of) <= step for p, w in zip(parts, weights, strict=True))


def test_quarters_weigh_as_in_the_companys_own_years_and_not_a_quarter_each(project):
    ((need, found),) = spread_goal(view(project), "won", Decimal(1000), day=YEAR)
    assert [int(each.value) for each in found.quarters] == [100, 200, 300, 400]
    # the first quarter of 2024 is the one in which the data starts: it is not whole, nor is its year
    assert found.n_years == 2
    assert (found.quarters[0].quarter, need.value) == (Period(date(2027, 1, 1), date(2027, 4, 1)), 1000)


@pytest.mark.parametrize("goal", [1, 7, 997, 10_001])
def test_segments_add_up_to_their_quarter_and_quarters_to_the_goal(project, goal):
    ((_, found),) = spread_goal(view(project), "won", Decimal(goal), day=YEAR, by=("segment",))
    assert sum(each.value for each in found.quarters) == goal
    for quarter in found.quarters:
        parts = [each.value for each in found.segments if each.quarter == quarter.quarter]
        assert sum(parts) == quarter.value
    shares = {dict(each.segment)["segment"]: float(each.weight) for each in found.segments}
    assert shares["Enterprise"] == pytest.approx(0.26, abs=0.02)


def test_each_dimension_splits_the_whole_quarter(project):
    ((_, found),) = spread_goal(view(project), "won", Decimal(1000), day=YEAR, by=("segment", "owner"))
    for name in ("segment", "owner"):
        parts = [each.value for each in found.segments if name in dict(each.segment)]
        assert sum(parts) == 1000


def test_a_company_without_a_whole_year_has_equal_quarters_and_is_told(project):
    rows = [row for row in ROWS if row["closed_at"] >= "2026-06"]
    ((_, found),) = spread_goal(view(project, rows), "won", Decimal(10), day=YEAR)
    assert ([int(each.value) for each in found.quarters], found.n_years) == ([3, 3, 2, 2], 0)


def test_what_does_not_add_up_is_no_goal(project):
    with pytest.raises(QueryError, match="does not add up"):
        spread_goal(view(project), "win_rate", Decimal(1))


def test_an_arr_follows_from_what_is_lost_and_grown_to_customers_and_opportunities():
    levels = {
        "arr": 1_000_000, "mrr_churn": 10_000, "mrr_contraction": 2_000, "mrr_expansion": 5_000,
        "mrr_reactivation": 1_000, "acv": 20_000, "win_rate": Decimal("0.25"),
    }  # fmt: skip
    found = needs_of_arr(Decimal(1_300_000), {name: Decimal(value) for name, value in levels.items()})
    # 300 000 more, and 72 000 to make up for: 12 × (10 000 + 2 000 − 5 000 − 1 000)
    assert [(need.kpi, need.value) for need in found] == [
        ("mrr_new", Decimal(31_000)), ("new_customers", Decimal("18.6")), ("new_opportunities", Decimal("74.4")),
    ]  # fmt: skip
    assert [need.kpi for need in needs_of_arr(Decimal(2), {"arr": Decimal(1), "acv": None})] == ["mrr_new"]
    assert needs_of_arr(Decimal(2), {}) == ()


def test_written_targets_are_read_back_without_a_finding_and_judge_their_quarter(project):
    known, _ = load_catalogue(project.catalogue)
    own = replace(
        known.kpi("new_customers"), targets=(Target(Decimal(6)), Target(Decimal(9), segment={"market": "US"}))
    )
    seen = replace(view(project), catalogue=replace(known, kpis={**known.kpis, "new_customers": (own,)}))
    found = spread_goal(seen, "new_customers", Decimal(400), day=YEAR)
    path = write_goal(seen, found)
    again, problems = load_catalogue(project.catalogue)
    assert problems == ()
    assert [issue for issue in check_catalogue(again) if issue.params.get("kpi") == "new_customers"] == []
    targets = again.kpi("new_customers").targets
    assert sum(each.value for each in targets if each.start) == 400
    # the target of another segment is kept, the one that these replace is not
    assert [each.segment for each in targets if not each.start] == [{"market": "US"}]
    with pytest.raises(ConfigError, match="already targets"):
        write_goal(seen, found)
    assert path.name == "targets_2027-01-01.yml"


def days_of(*quarters):
    """Ten deals a quarter, nine of them in the last days, from its first day on."""
    found = {}
    for start in quarters:
        found[start] = Decimal(1)
        for i in range(9):
            found[start + timedelta(days=80 + i)] = Decimal(1)
    return found


PAST = [Period(date(2025, m, 1), date(2025, m + 3, 1) if m < 10 else date(2026, 1, 1)) for m in (1, 4, 7, 10)]
NOW_QUARTER = Period(date(2026, 1, 1), date(2026, 4, 1))


def test_a_quarter_that_always_fills_up_at_its_end_is_not_behind_in_its_middle():
    days = {**days_of(*(each.start for each in PAST)), date(2026, 1, 1): Decimal(1)}
    found = pacing(NOW_QUARTER, date(2026, 2, 15), Decimal(10), days, PAST)
    assert (found.verdict, found.so_far, found.due) == ("on_pace", 1, 1)
    assert found.straight == 5  # by which it would be far behind
    none = pacing(NOW_QUARTER, date(2026, 2, 15), Decimal(10), days_of(*(each.start for each in PAST)), PAST)
    assert none.verdict == "behind"
    fast = {**days, date(2026, 1, 9): Decimal(5)}
    assert pacing(NOW_QUARTER, date(2026, 2, 15), Decimal(10), fast, PAST).verdict == "ahead"


def test_three_past_quarters_say_nothing_of_the_pace():
    found = pacing(NOW_QUARTER, date(2026, 2, 15), Decimal(10), days_of(*(each.start for each in PAST[1:])), PAST)
    assert (found.verdict, found.due, found.n_past) == ("cannot_tell", None, 3)


def test_the_pace_of_a_target_is_asked_of_the_data(project):
    won = replace(WON, targets=(Target(Decimal(50)),))
    late = [row for row in ROWS if row["closed_at"] < "2026-11-20"]
    found = pace_of_target(view(project, late, won, known_at=datetime(2026, 11, 20, 23)), "won")
    assert (found.so_far, found.target) == (40, 50)
    # every quarter was over by its half
    assert (found.due, found.verdict) == (50, "behind")
    with pytest.raises(QueryError, match="no target"):
        pace_of_target(view(project), "won")


def test_the_verbs_spread_and_pace(project, monkeypatch):
    won = replace(WON, dimensions=("segment",), targets=(Target(Decimal(50)),), names={"en": "Won deals"})
    seen = view(project, ROWS, won, known_at=datetime(2026, 11, 20, 23))
    workspace = Workspace(project, seen.catalogue)
    monkeypatch.setattr(workspace, "view", lambda *_: seen)
    monkeypatch.setattr(cadran.workspace, "open_workspace", lambda _: workspace)

    def run(*words):
        found = CliRunner().invoke(main, ["targets", *words, "--lang", "en"], env={"COLUMNS": "200"})
        assert found.exit_code == 0, found.output
        return found

    told = run("cascade", "won", "--goal", "1000", "--by", "segment", "--year", "2027-05-01")
    assert "Q4 2027" in told.stdout
    assert "Enterprise" in told.stdout
    records = json.loads(run("cascade", "won", "--goal", "1000", "--year", "2027-05-01", "--format", "json").stdout)
    assert records == json.loads(json.dumps(goal_records(spread_goal(seen, "won", Decimal(1000), day=YEAR))))
    assert sum(int(each["value"]) for each in records) == 1000
    assert "on pace" in run("pace", "won").stdout or "behind" in run("pace", "won").stdout
    (paced,) = json.loads(run("pace", "won", "--format", "json").stdout)
    assert paced["target"] == "50.00"
    api = create_api(workspace)
    assert get(api, "/cascade?kpi=won&goal=1000&year=2027-05-01").json() == records
    assert get(api, "/pace?kpi=won").json() == paced
    assert get(api, "/cascade?kpi=won&goal=much").status_code == 422
    assert get(api, "/pace?kpi=wn").status_code == 404
    refused = CliRunner().invoke(main, ["targets", "cascade", "won", "--goal", "much", "--lang", "en"])
    assert (refused.exit_code, "no amount" in refused.output) == (1, True)
