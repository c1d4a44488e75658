"""What is believed to drive what: found where it is planted, not where it is not, and called a correlation."""

import datetime as dt
import json

import numpy as np
import pytest
from click.testing import CliRunner

from cadran import workspace as rooms
from cadran.api import create_api
from cadran.cli import main
from cadran.engine.result import Figure
from cadran.insights.hypotheses import MONTHS, Hypothesis, beliefs, hypotheses
from cadran.insights.reading import Reading, Readings
from cadran.period import Calendar
from cadran.stats.leadlag import lead_lag
from cockpit import fake_workspace, get

CATALOGUE = fake_workspace().catalogue
TODAY = dt.date(2026, 5, 3)


def planted(seed, n=48, lag=2, strength=1.0):
    rng = np.random.default_rng(seed)
    lead = np.cumsum(rng.normal(size=n + lag))
    return lead[lag:], strength * lead[:n] + 0.4 * rng.normal(size=n)


def test_a_planted_lead_is_found_with_its_lag_and_sign():
    found = lead_lag(*planted(1))
    assert (found.lag, found.n > 30) == (2, True)
    assert found.interval.low > 0.3
    assert lead_lag(*planted(1, strength=-1.0)).interval.high < -0.3


@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_series_without_relation_are_rarely_taken_for_one(memory):
    """Both grow and remember their past, which is what fools a plain correlation."""
    rng = np.random.default_rng(20260)

    def walk():
        steps = rng.normal(size=48)
        for at in range(1, 48):
            steps[at] += memory * steps[at - 1]
        return np.cumsum(steps) + 0.3 * np.arange(48)

    struck = sum(not found.interval.holds(0) for found in (lead_lag(walk(), walk()) for _ in range(400)))
    assert struck <= 0.08 * 400


def test_few_months_or_a_figure_that_never_moves_tell_nothing():
    assert lead_lag(np.arange(12.0), np.arange(12.0) ** 2) is None
    assert lead_lag(np.full(48, 3.0), np.arange(48.0) ** 2) is None


def test_beliefs_are_those_of_the_drivers_or_of_every_hypothesis():
    pairs = beliefs(CATALOGUE)
    assert ("win_rate", "new_customers") in pairs
    assert beliefs(CATALOGUE, ("win_rate",)) == tuple(pair for pair in pairs if pair[0] == "win_rate")
    assert beliefs(CATALOGUE, ("web_sessions",)) == (("web_sessions", "arr"),)


def answers(series):
    def ask(queries):
        found = []
        for query in queries:
            [name] = query.kpis
            day, readings = query.end, []
            for value in reversed(series[name]):
                start = (day - dt.timedelta(days=1)).replace(day=1)
                figure = Figure(CATALOGUE.kpi(name), start, day, {}, value, None, None, 50, "ok")
                readings.append(Reading(figure, value))
                day = start
            found.append(Readings(tuple(reversed(readings)), "EUR", dt.datetime(2026, 5, 3), "s"))
        return found

    return ask


def verdict_on(kpi, drives, lead, led):
    ask = answers({kpi: lead.tolist(), drives: led.tolist()})
    [found] = hypotheses(CATALOGUE, ((kpi, drives),), ask, Calendar(), TODAY)
    return found


def test_the_verdict_knows_which_way_is_good():
    lead, led = planted(3, n=MONTHS)
    assert verdict_on("win_rate", "new_customers", lead, led).verdict == "agrees"
    # shorter is better: a cycle that rises with customers contradicts what is believed
    assert verdict_on("sales_cycle_days", "new_customers", lead, led).verdict == "contradicts"
    rng = np.random.default_rng(5)
    assert (
        verdict_on("win_rate", "new_customers", rng.normal(size=MONTHS), rng.normal(size=MONTHS)).verdict
        == "cannot_tell"
    )


def test_figures_by_stage_are_not_forced_into_one_series():
    [found] = hypotheses(
        CATALOGUE, (("stage_conversion", "win_rate"),), answers({"win_rate": [0.2] * 40}), Calendar(), TODAY
    )
    assert (found.verdict, found.n) == ("too_few", 0)


@pytest.fixture
def opened(monkeypatch):
    fake = fake_workspace()

    class View:
        project, kpi = fake.project, staticmethod(fake.view().kpi)

        def hypotheses(self, names):
            return (
                Hypothesis("win_rate", "new_customers", "agrees", 2, 0.6, 0.3, 0.8, 40, 1),
                Hypothesis("acv", "arr", "too_few"),
            )

    made = type("Opened", (), {"project": fake.project, "catalogue": fake.catalogue, "view": lambda self, *_: View()})()
    monkeypatch.setattr(rooms, "open_workspace", lambda root: made)
    return made


@pytest.mark.parametrize(("language", "words"), [("fr", "les chiffres s’accordent"), ("en", "the figures agree")])
def test_faces_call_it_a_correlation(opened, language, words):
    told = CliRunner().invoke(main, ["hypotheses", "--lang", language])
    assert told.exit_code == 0, told.output
    assert words in told.stdout
    assert "orr" in told.stderr
    record = json.loads(CliRunner().invoke(main, ["hypotheses", "--format", "json"]).stdout)
    assert record == get(create_api(opened), "/hypotheses").json()
