"""What to do next: which gaps call for a play, what closing them is worth, and how it is told."""

import datetime as dt
import json
import sys
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from click.testing import CliRunner

from cadran import workspace as rooms
from cadran.api import create_api
from cadran.catalogue.definition import Target
from cadran.catalogue.plays import load_plays
from cadran.cli import main
from cadran.engine.result import Figure
from cadran.errors import ConfigError, QueryError
from cadran.insights.decision import Decision, Effect, Plan
from cadran.insights.next_actions import BY_STAGE, HORIZON, Chooser
from cadran.insights.next_summary import keeps_numbers, summary
from cadran.insights.reading import Reading, Readings
from cadran.jobs.next_actions import rewritten, told, tried
from cadran.period import Calendar, Period
from cadran.stats.bookings import Hazards, expect
from cockpit import fake_workspace, get
from evaluation.worlds.pipeline import draw

CATALOGUE = fake_workspace().catalogue
PLAYS, _ = load_plays(None, CATALOGUE)
QUARTERS = [
    Period(dt.date(2024 + at // 4, at % 4 * 3 + 1, 1), dt.date(2024 + (at + 1) // 4, (at + 1) % 4 * 3 + 1, 1))
    for at in range(1, 9)
]
TODAY = dt.date(2026, 4, 5)


def series(kpi, values, *, half=0.0, target=None, segment=None, verdict="none"):
    made = []
    for period, value in zip(QUARTERS[-len(values) :], values, strict=True):
        figure = Figure(CATALOGUE.kpi(kpi), period.start, period.end, segment or {}, value, None, None, 200, "ok")
        edges = (value - half, value + half) if half else (None, None)
        made.append(Reading(figure, value, *edges, target=target, verdict=verdict))
    return made


def chooser(*every, **more):
    by_kpi = {}
    for readings in every:
        by_kpi.setdefault(readings[0].kpi.id, []).extend(readings)

    def ask(queries):
        found = []
        for query in queries:
            [name] = query.kpis
            if name not in by_kpi:
                raise QueryError("Nothing is known of {name}.", name=name)
            own = [r for r in by_kpi[name] if query.start <= r.figure.start and r.figure.end <= query.end]
            found.append(Readings(tuple(own), "EUR", dt.datetime(2026, 4, 5), "s"))
        return found

    return Chooser(CATALOGUE, Calendar(), TODAY, ask, **more)


def test_every_shipped_play_names_kpis_that_exist_in_two_languages():
    plays, issues = load_plays(None, CATALOGUE)
    assert issues == ()
    assert len(plays) >= 15
    for play in plays:
        assert all(set(texts) == {"fr", "en"} for texts in (play.names, play.steps, play.owner))
        assert 0 < play.ease < 1


def test_a_project_adds_plays_and_is_told_of_mistakes(tmp_path):
    (tmp_path / "own.yml").write_text(
        "plays:\n  meddic: {names: Ours, steps: Do it, kpis: [win_rat], owner: Me, effort_days: 1}\n  bad: {names: X}\n"
    )
    plays, issues = load_plays(tmp_path, CATALOGUE)
    assert next(play for play in plays if play.id == "meddic").names["fr"] == "Ours"
    assert any(issue.params.get("name") == "win_rat" for issue in issues)
    assert any("playbooks/own.yml" in issue.where for issue in issues)


def test_a_figure_under_its_target_calls_for_its_plays():
    target = Target(Decimal("0.30"))
    found = chooser(
        series("win_rate", [0.3, 0.31, 0.29, 0.3, 0.2], half=0.03, target=target, verdict="off_track")
    ).choose(PLAYS)
    assert {"meddic", "loss_review", "objections_and_urgency", "proof_assets"} == {action.play for action in found}
    assert all((action.aim, action.aim_is_target) == (0.3, True) for action in found)
    assert found[0].certainty > 0.99


def test_a_figure_that_is_as_usual_calls_for_nothing():
    assert chooser(series("win_rate", [0.3, 0.31, 0.29, 0.3, 0.295], half=0.03)).choose(PLAYS) == ()
    assert chooser(series("win_rate", [0.2, 0.21, 0.19, 0.2, 0.4], half=0.03)).choose(PLAYS) == (), "better than usual"


def test_money_follows_the_formula_and_its_edges_the_interval():
    velocity = [
        series("qualified_pipeline_count", [100.0] * 6), series("acv", [10_000.0] * 6), series("sales_cycle_days", [50.0] * 6),
        series("win_rate", [0.3, 0.3, 0.3, 0.3, 0.3, 0.2], half=0.05, target=Target(Decimal("0.3")), verdict="off_track"),
    ]  # fmt: skip
    names = set(CATALOGUE.kpi("sales_velocity").inputs.values())
    assert names == {each[0].kpi.id for each in velocity}, "the formula of the catalogue"
    best = chooser(*velocity).choose(PLAYS)[0]
    # 100 deals × 10 points × 10,000 over 50 days is 2,000 a day
    assert best.money == pytest.approx(Decimal(2000 * HORIZON))
    assert (best.low, best.high) == (pytest.approx(Decimal(1000 * HORIZON)), pytest.approx(Decimal(3000 * HORIZON)))
    assert best.through == "sales_velocity"


def test_a_stage_is_priced_by_the_pipeline_and_its_play_fits_the_stage():
    book = draw(3, 1.5, days=900).known_at(820.0)
    model = Hazards.of(book.stays, book.day)
    book = replace(book, stays=replace(book.stays, stages=tuple(f"sales / {name}" for name in book.stays.stages)))
    short = series(BY_STAGE[0], [0.7] * 5 + [0.55], half=0.04, segment={"stage": "s4"})
    found = chooser(short, book=book, model=model).choose(PLAYS)
    assert {action.play for action in found} == {"objections_and_urgency", "mutual_close_plan"}
    best = found[0]
    assert best.through == "pipeline"
    assert 0 < best.low < best.money < best.high
    assert best.money < Decimal(str(expect(model, book, HORIZON).total)), (
        "not more than the whole pipeline brings again"
    )


def test_a_lift_multiplies_the_odds_of_ever_going_on_and_takes_as_long():
    book = draw(3, 1.5, days=900).known_at(820.0)
    model = Hazards.of(book.stays, book.day)
    deals = book.stays.open_at(book.day).as_new(book.day)
    last = len(book.stays.stages) - 1
    deals = replace(deals, stage=np.full(deals.size, last))
    shift, weeks = 0.5, 200
    usual, lifted = (each.by_week(deals, book.day, 7.0 * weeks) for each in (model, model.what_if(last, shift)))
    odds = [won / (1 - won) for won in (usual.sum(axis=1), lifted.sum(axis=1))]
    assert odds[1] / odds[0] == pytest.approx(np.exp(shift), rel=0.03)
    took = [(each @ np.arange(weeks)) / each.sum(axis=1) for each in (usual, lifted)]
    assert took[1] == pytest.approx(took[0], rel=0.03), "those that go on because of it wait no longer than the others"


def test_a_lift_leaves_the_deals_alone_that_are_in_the_stage():
    book = draw(3, 1.5, days=900).known_at(820.0)
    model = Hazards.of(book.stays, book.day)
    still = book.stays.open_at(book.day)
    before, inside, after = (still.chosen(still.stage == stage) for stage in (2, 3, 4))
    for deals, moves in ((before, True), (inside, False), (after, False)):
        usual, lifted = (each.by_week(deals, book.day, 182.0) for each in (model, model.what_if(3, 0.5)))
        assert bool((lifted.sum(axis=1) > usual.sum(axis=1) + 1e-6).all()) is moves
        assert moves or lifted == pytest.approx(usual, abs=1e-12)


def test_retention_is_priced_on_recurring_revenue():
    nrr = series("nrr", [1.1] * 5 + [1.0], half=0.02, target=Target(Decimal("1.1")), verdict="off_track")
    [action] = [
        each for each in chooser(nrr, series("arr", [1_000_000.0] * 6)).choose(PLAYS) if each.play == "expansion_offers"
    ]
    assert action.money == pytest.approx(Decimal(str(round(0.1 * 1e6 * HORIZON / 365, 2))))
    assert action.through == "arr"


def test_more_money_certainty_and_ease_come_first():
    found = chooser(
        series("win_rate", [0.3] * 5 + [0.2], half=0.03, target=Target(Decimal("0.3")), verdict="off_track"),
        series("lead_response_hours", [1.0] * 5 + [3.0], target=Target(Decimal(1)), verdict="off_track"),
    ).choose(PLAYS)
    scores = [(action.money is not None, action.score) for action in found]
    assert scores == sorted(scores, reverse=True)


def effect(outcome, value):
    now = dt.datetime(2026, 3, 1)
    return Effect(outcome, "before_after", now, now, "s", value=value, low=value - 0.01, high=value + 0.01)


def test_the_record_of_a_play_is_that_of_the_decisions_that_name_it():
    window = Period(dt.date(2026, 1, 1), dt.date(2026, 2, 1))
    plans = [
        Plan(title, "me", "win_rate", window, window, Decimal("0.03"), TODAY)
        for title in ("Try [meddic]", "MEDDIC", "[meddic] again")
    ]
    kept = [
        Decision(at, plan, "1.0", "me", TODAY, None, found)
        for at, (plan, found) in enumerate(
            zip(plans, (effect("effect", 0.06), effect("effect", 0.02), None), strict=True)
        )
    ]
    record = tried("meddic", kept, TODAY)
    assert (record.n, record.n_effect, record.n_none, record.median_ratio) == (2, 1, 0, pytest.approx(2.0))


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_summary_tells_each_action(language):
    found = chooser(
        series("win_rate", [0.3] * 5 + [0.2], half=0.03, target=Target(Decimal("0.3")), verdict="off_track")
    ).choose(PLAYS)
    text = summary(found, {play.id: play for play in PLAYS}, CATALOGUE, "EUR", language)
    assert len(text.splitlines()) == len(found)
    assert CATALOGUE.kpi("win_rate").name(language) in text
    assert summary((), {}, CATALOGUE, "EUR", language)


def test_a_rewrite_that_brings_a_number_of_its_own_is_refused():
    source = "1. Win rate is at 20.0 %, its target is 30.0 %. Worth €8,877 in a quarter."
    assert keeps_numbers("Back to 30.0 % it is worth €8,877.", source)
    assert not keeps_numbers("Back to 30.0 % it is worth €9,000.", source)
    assert not keeps_numbers("Worth 8 877 000", source)
    assert rewritten(source, lambda: "Worth €1") == source
    assert rewritten(source, lambda: "Worth €8,877") == "Worth €8,877"
    assert rewritten(source, lambda: "  ") == source


class FakeView:
    project, meta, catalogue, kpi = (
        getattr(fake_workspace().view(), name) for name in ("project", "meta", "catalogue", "kpi")
    )

    def next_actions(self, plays):
        return chooser(
            series("win_rate", [0.3] * 5 + [0.2], half=0.03, target=Target(Decimal("0.3")), verdict="off_track")
        ).choose(plays)


@pytest.fixture
def opened(monkeypatch, tmp_path):
    fake = fake_workspace()
    view = FakeView()
    view.project = replace(fake.project, root=tmp_path)
    made = type("Opened", (), {"project": view.project, "catalogue": fake.catalogue, "view": lambda self, *_: view})()
    monkeypatch.setattr(rooms, "open_workspace", lambda root: made)
    return made


def test_faces_tell_the_same_actions(opened):
    [first, *_] = json.loads(CliRunner().invoke(main, ["next", "--format", "json"]).stdout)
    served = get(create_api(opened), "/next?lang=en&most=2").json()
    assert served["actions"][0]["play"] == first["play"]
    assert (len(served["actions"]), served["n_more"]) == (2, 2)
    shown = CliRunner().invoke(main, ["next", "--lang", "fr"])
    assert shown.exit_code == 0, shown.output
    assert "Taux de gain" in shown.stdout


def test_the_summary_is_rewritten_only_by_a_program_of_the_project(opened):
    from cadran.jobs.next_actions import next_actions

    view = opened.view()
    found = next_actions(view.project, view, now=dt.datetime(2026, 4, 5))
    plain = told(view.project, view, found, "en")
    code = "import json,sys; t=json.load(sys.stdin)['text']; print('In short: ' + t.splitlines()[0][3:])"

    def with_program(*words):
        return replace(view.project, extra={"summary": {"rewrite": list(words)}})

    assert told(with_program(sys.executable, "-c", code), view, found, "en").startswith("In short: ")
    assert told(with_program(sys.executable, "-c", "print('Worth 123456')"), view, found, "en") == plain
    assert told(with_program(sys.executable, "-c", "raise SystemExit(1)"), view, found, "en") == plain
    with pytest.raises(ConfigError):
        told(with_program("no-such-program-here"), view, found, "en")
    with pytest.raises(ConfigError):
        told(replace(view.project, extra={"summary": {"rewrite": "one text"}}), view, found, "en")
