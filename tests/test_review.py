"""Reviews: what moved beyond noise, by money times certainty, ended one way or the other."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from click.testing import CliRunner

import cadran.workspace
from cadran.api import create_api
from cadran.catalogue.definition import Board, Target
from cadran.cli import main
from cadran.cli.options import Output
from cadran.config import load_project
from cadran.errors import QueryError
from cadran.insights.review import MOST, PAST, Prepare
from cadran.jobs import review as jobs
from cadran.jobs.calendar import calendar_of
from cadran.jobs.decisions import decide, plan_of
from cadran.jobs.start import init_project
from cadran.period import Calendar, Trailing
from cadran.stats.contrast import Estimate, certainty, rank_certainty
from cadran.view import View
from cadran.workspace import Workspace
from cockpit import get
from warehouse import BOOKED, WIN_RATE, WON, MemoryWarehouse, catalogue, deal, kpi, measure

SEED = 20261126
MONDAY = date(2026, 6, 29)
KNOWN = datetime(2026, 6, 28, 22)  # Sunday night in Paris: the week before is wholly known
NOW = datetime(2026, 6, 29, 8)
WEEKS = 16
RATE = replace(WIN_RATE, cadence="weekly", team="sales", direction="up")
AMOUNT = replace(BOOKED, cadence="weekly", team="sales")
FLOW = replace(WON, cadence="weekly", team="sales")
VALUE = kpi(
    "value",
    unit="money",
    interval="mean",
    cadence="weekly",
    numerator=measure(where="is_won", agg="mean", expr="amount_base"),
)
ALL = kpi("closed", numerator=measure(where="is_closed"), cadence="weekly")
SPEED = kpi(
    "speed",
    kind="derived",
    unit="money_per_day",
    cadence="weekly",
    expression="n * w * v / 7",
    inputs={"n": "closed", "w": "win_rate", "v": "value"},
)


def weeks(rates, *, n=200, amount=100, **more):
    """Deals closed in each week, the last one just over, won at these rates."""
    rows = []
    for i, rate in enumerate(rates):
        day = MONDAY - timedelta(weeks=len(rates) - i)
        rows += [deal(day.isoformat(), won=j < round(rate * n), amount_base=str(amount), **more) for j in range(n)]
    return rows


STEADY = [0.30, 0.31] * (WEEKS // 2)
DROPPED = [*STEADY[:-1], 0.15]


@pytest.fixture
def project(tmp_path):
    init_project(tmp_path, name="Acme")
    return load_project(tmp_path)


def view(project, rows, *kpis, boards=None, known_at=KNOWN):
    kpis = kpis or (RATE, AMOUNT, FLOW, VALUE, ALL, SPEED)
    names = boards or tuple(each.id for each in kpis)
    known = replace(catalogue(*kpis), boards=(Board("sales", {"en": "Sales"}, {"en": "?"}, names),))
    return View(project, known, "local", MemoryWarehouse(opportunity=rows, known_at=known_at))


def agenda(project, rows, *kpis, names=()):
    seen = view(project, rows, *kpis)
    made = Prepare(seen.catalogue, Calendar(), MONDAY, seen.ask_all, seen.drivers)
    return made.agenda(names or tuple(seen.catalogue.kpis))


def test_what_stays_within_its_noise_is_no_item(project):
    found = agenda(project, weeks(STEADY))
    assert found.items == ()
    assert "win_rate" in found.quiet


def test_a_drop_beyond_noise_is_an_item_with_what_is_at_stake(project):
    found = agenda(project, weeks(DROPPED), names=("win_rate", "booked"))
    rate = next(item for item in found.items if item.reading.kpi.id == "win_rate")
    assert rate.why == "moved"
    assert rate.certainty > 0.99
    # 60 or 62 wins of 100 became 30: the formula of speed gives what its factor cost over the week
    assert rate.through == "speed"
    assert float(rate.money) == pytest.approx(100 * (60 - 30), rel=0.05)
    booked = next(item for item in found.items if item.reading.kpi.id == "booked")
    assert booked.money == abs(booked.reading.change.delta) == Decimal(3000)


def test_a_gradual_trend_of_usual_steps_is_not_news(project):
    found = agenda(project, weeks([0.2 + 0.01 * i for i in range(WEEKS)]), names=("win_rate", "won"))
    assert found.items == ()


def test_windows_that_overlap_are_compared_with_their_past_changes(project):
    """Three of four weeks are in both windows: what is unusual is the step, whatever their intervals say."""
    month = replace(RATE, trailing=Trailing(4, "w"))
    rows = weeks([*STEADY, *DROPPED])
    (item,) = agenda(project, rows, month).items
    alone = item.reading.change.delta / item.reading.change.value
    assert item.why == "moved"
    assert item.certainty == rank_certainty(-1, [0.0] * PAST)
    assert -0.2 < alone < -0.1


def test_being_off_target_needs_no_change(project):
    target = replace(RATE, targets=(Target(Decimal("0.5")),))
    (item,) = agenda(project, weeks(STEADY), target, names=("win_rate",)).items
    assert item.why == "off_track"


def test_five_items_at_most_the_largest_money_times_certainty_first(project):
    kpis = [
        kpi(
            f"k{i}",
            unit="money",
            cadence="weekly",
            numerator=measure(where=f"is_won AND segment = 's{i}'", agg="sum", expr="amount_base"),
        )
        for i in range(7)
    ]
    rows = [row for i in range(7) for row in weeks(DROPPED, n=20, amount=100 * (1 + (3 * i) % 7), segment=f"s{i}")]
    found = agenda(project, rows, *kpis)
    scores = [float(item.money) * item.certainty for item in found.items]
    assert len(found.items) == MOST
    assert found.n_more == 2
    assert scores == sorted(scores, reverse=True)
    assert found.items[0].reading.kpi.id == "k2"


def test_the_unfinished_week_is_left_out(project):
    rows = [*weeks(STEADY), *[deal("2026-06-29", won=False) for _ in range(200)]]
    seen = view(project, rows, known_at=datetime(2026, 6, 29, 20))
    found = Prepare(seen.catalogue, Calendar(), MONDAY, seen.ask_all, seen.drivers).agenda(("win_rate",))
    assert found.items == ()


def test_a_kpi_that_cannot_be_asked_does_not_stop_the_others(project):
    broken = kpi("broken", cadence="weekly", numerator=measure(where="no_such_column"))
    found = agenda(project, weeks(DROPPED), RATE, broken)
    assert [item.reading.kpi.id for item in found.items] == ["win_rate"]
    assert found.unclear == ("broken",)


def test_noise_raises_few_items():
    """Of a rate that does not change, about one week in twenty looks as if it had; of a count, fewer than one in ten."""
    print("seed", SEED)
    draw, by_rank = np.random.default_rng(SEED), 0
    for _ in range(2000):
        counts = draw.poisson(40, 14)
        steps = np.diff(counts)
        by_rank += rank_certainty(steps[-1], list(steps[:-1])) >= 0.9
    assert by_rank / 2000 < 0.1


@pytest.mark.parametrize(
    ("estimate", "sure"),
    [
        (Estimate(1.96, 0, 3.92), 0.95),
        (Estimate(-1.96, -9, 0), 0.95),
        (Estimate(0, -1, 1), 0),
        (Estimate(2, 2, 2), 1),
        (Estimate(0, 0, 0), 0),
    ],
)
def test_certainty_is_one_less_the_p_value(estimate, sure):
    assert certainty(estimate) == pytest.approx(sure, abs=1e-4)


def test_the_rank_of_a_change_counts_itself():
    assert rank_certainty(5, [1, -2, 3]) == 0.75
    assert rank_certainty(2, [1, -2, 3]) == 0.25
    assert rank_certainty(2, []) == 0


def closing(project, seen, *, now=NOW, **more):
    return jobs.review(project, seen, "sales", now=now, **more)


def test_a_review_is_prepared_once_per_snapshot_and_kept_with_its_readings(project):
    seen = view(project, weeks(DROPPED))
    first = closing(project, seen)
    assert first["items"][0]["document"]["reading"]["n"] > 0
    assert closing(project, seen)["id"] == first["id"]
    assert closing(project, seen, fresh=True)["id"] == first["id"] + 1


def test_each_item_ends_as_an_action_or_as_none_with_a_reason(project):
    seen = view(project, weeks(DROPPED))
    first, second, *_ = closing(project, seen)["items"]
    jobs.act(project, first["id"], text="Call", owner="Ana", due_on=date(2026, 7, 6), now=NOW)
    with pytest.raises(QueryError, match="reason"):
        jobs.leave(project, second["id"], reason="  ", now=NOW)
    jobs.leave(project, second["id"], reason="Season", now=NOW)
    found = jobs.item_records(closing(project, seen))
    assert (found[0]["action"], found[0]["owner"], found[0]["due_on"]) == ("Call", "Ana", "2026-07-06")
    assert found[1]["no_action_reason"] == "Season"


def test_a_deadline_in_the_past_is_refused(project):
    item = closing(project, view(project, weeks(DROPPED)))["items"][0]
    with pytest.raises(QueryError, match="is over"):
        jobs.act(project, item["id"], text="Call", owner="Ana", due_on=date(2026, 6, 28), now=NOW)


def test_overdue_actions_and_unmeasured_decisions_come_back_until_they_are_done(project):
    seen = view(project, weeks(DROPPED))
    first = closing(project, seen)
    assert first["document"]["overdue"] == first["document"]["to_measure"] == []
    number = jobs.act(project, first["items"][0]["id"], text="Call", owner="Ana", due_on=date(2026, 7, 6), now=NOW)
    plan = plan_of(RATE, "Call within the hour", "Ana", expected="+3pt", start=date(2026, 6, 1), days=28)
    decide(project, seen, plan, now=datetime(2026, 6, 2))
    later = closing(project, seen, now=datetime(2026, 7, 7, 8), fresh=True)["document"]
    assert [row["action"] for row in later["overdue"]] == [number]
    assert [row["title"] for row in later["to_measure"]] == ["Call within the hour"]
    assert later["n_left_open"] == len(first["items"]) - 1
    jobs.finish(project, number, now=NOW)
    assert closing(project, seen, now=datetime(2026, 7, 8, 8), fresh=True)["document"]["overdue"] == []


def test_what_is_off_target_and_in_hand_is_not_asked_again_until_the_action_is_overdue(project):
    target = replace(RATE, targets=(Target(Decimal("0.5")),))
    seen = view(project, weeks(STEADY), target)
    (item,) = closing(project, seen)["items"]
    jobs.act(project, item["id"], text="Call", owner="Ana", due_on=date(2026, 7, 6), now=NOW)
    later = closing(project, seen, now=datetime(2026, 7, 6, 8), fresh=True)
    assert (later["items"], later["document"]["in_hand"]) == ([], ["win_rate"])
    overdue = closing(project, seen, now=datetime(2026, 7, 7, 8), fresh=True)
    assert [each["kpi"] for each in overdue["items"]] == ["win_rate"]
    moved = view(project, weeks(DROPPED), target)
    assert [each["kpi"] for each in closing(project, moved, fresh=True)["items"]] == ["win_rate"]


def test_a_board_that_does_not_exist_is_told(project):
    with pytest.raises(QueryError) as refused:
        jobs.review(project, view(project, []), "saels", now=NOW)
    assert refused.value.params["near"] == "sales"


ACTION = {
    "id": 3,
    "kpi": "win_rate",
    "text": "Rappeler, vite; « tôt »\nou tard \\ " + "é" * 60,
    "owner": "Zoé",
    "due_on": date(2026, 7, 6),
    "done_at": None,
}


def test_the_calendar_holds_open_actions_as_days():
    text = calendar_of([ACTION, {**ACTION, "id": 4, "done_at": NOW}], {"win_rate": "Taux de gain"}, "Acme", NOW)
    assert text.startswith("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n")
    assert text.endswith("END:VCALENDAR\r\n")
    assert "\n" not in text.replace("\r\n", "")
    assert max(len(line.encode()) for line in text.split("\r\n")) <= 75
    whole = text.replace("\r\n ", "")
    assert "DTSTART;VALUE=DATE:20260706\r\nDTEND;VALUE=DATE:20260707\r\n" in whole
    assert "SUMMARY:Rappeler\\, vite\\; « tôt »\\nou tard \\\\ " + "é" * 60 + " (Zoé)\r\n" in whole
    assert whole.count("BEGIN:VEVENT") == 1


def test_an_action_keeps_its_name_in_the_calendar_and_companies_do_not_share_one():
    uid = lambda company, now: calendar_of([ACTION], {}, company, now).split("UID:")[1].split("\r\n")[0]  # noqa: E731
    assert uid("Acme", NOW) == uid("Acme", NOW + timedelta(days=1)) != uid("Umbra", NOW)


@pytest.fixture
def run(project, monkeypatch):
    """The terminal on a company whose win rate dropped, where the clock says what a test sets."""
    seen = view(project, weeks(DROPPED))
    workspace = Workspace(project, seen.catalogue)
    monkeypatch.setattr(workspace, "view", lambda person="local": seen)
    monkeypatch.setattr(cadran.workspace, "open_workspace", lambda root: workspace)
    monkeypatch.setattr(Output, "now", lambda self: NOW)
    return lambda *words: CliRunner().invoke(main, [*words, "--project", str(project.root)])


@pytest.mark.parametrize(
    ("language", "words"), [("en", ("moved beyond noise", "to decide")), ("fr", ("au-delà du bruit", "à décider"))]
)
def test_the_terminal_shows_a_page(run, language, words):
    found = run("review", "sales", "--lang", language)
    assert found.exit_code == 0, found.output
    assert all(word in found.stdout for word in words)
    assert len(found.stdout.splitlines()) <= 1 + MOST


def test_the_terminal_ends_items_and_follows_actions(run, project, tmp_path):
    items = json.loads(run("review", "sales", "--format", "json").stdout)
    first, second = (str(item["item"]) for item in items[:2])
    assert run("act", first, "--do", "Call", "--owner", "Ana", "--due", "2026-07-06").exit_code == 0
    assert run("act", second, "--none", "Season").exit_code == 0
    assert "Call → Ana" in run("review", "sales", "--lang", "en").stdout
    assert run("actions", "--format", "csv").stdout.splitlines()[1].startswith("1,sales,")
    out = tmp_path / "out" / "actions.ics"
    assert run("actions", "--ics", str(out)).exit_code == 0
    assert "SUMMARY:Call (Ana)" in out.read_text(encoding="utf-8")
    assert "open" in run("actions", "--lang", "en").stdout
    assert "Call" not in run("actions", "--done", "1", "--lang", "en").stdout
    assert "done" in run("actions", "--all", "--lang", "en").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--do", "Call"),
        ("--do", "Call", "--owner", "Ana"),
        (),
        ("--do", "Call", "--owner", "Ana", "--due", "2026-07-06", "--none", "x"),
    ],
)
def test_an_action_without_owner_or_deadline_is_none(run, words):
    run("review", "sales")
    found = run("act", "1", *words, "--lang", "en")
    assert found.exit_code == 1
    assert "an owner and a deadline" in found.stderr


def test_the_api_answers_reviews_and_actions_as_the_terminal_does(project, monkeypatch):
    seen = view(project, weeks(DROPPED))
    workspace = Workspace(project, seen.catalogue)
    monkeypatch.setattr(workspace, "view", lambda *_: seen)
    api = create_api(workspace, clock=lambda: NOW + timedelta(days=30))
    assert get(api, "/review?team=sales").json() == get(api, "/actions").json() == []
    items = closing(project, seen)["items"]
    number = jobs.act(project, items[0]["id"], text="Call", owner="Ana", due_on=date(2026, 7, 6), now=NOW)
    found = get(api, "/review?team=sales").json()
    assert found == json.loads(json.dumps(jobs.item_records(closing(project, seen))))
    assert found[0]["owner"] == "Ana"
    (action,) = get(api, "/actions").json()
    assert (action["action"], action["due_on"], action["is_overdue"]) == (number, "2026-07-06", True)
    jobs.finish(project, number, now=NOW)
    assert get(api, "/actions").json() == []
    assert len(get(api, "/actions?all=true").json()) == 1
