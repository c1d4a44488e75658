"""What is out of its range is told with its cause and money; late data, holidays and August are not (T-84 to T-87)."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import holidays
import numpy as np
import pytest
from click.testing import CliRunner

from cadran.api import create_api
from cadran.cli import main
from cadran.config import BusinessHours, Project
from cadran.engine.query import KpiQuery, RowQuery
from cadran.errors import QueryError
from cadran.insights.series import kind_of
from cadran.view import View
from cockpit import get
from warehouse import WIN_RATE, MemoryWarehouse, catalogue, deal, kpi, measure

CLOSED = kpi("closed", numerator=measure(where="is_closed"), funnel="conversion")
BOOKINGS = kpi("bookings", unit="money", numerator=measure(where="is_won", agg="sum", expr="amount_base"))
OPEN = kpi("open", basis="balance", numerator=measure(where="is_closed IS NOT TRUE", balance=True))
FOUND = catalogue(WIN_RATE, CLOSED, BOOKINGS, OPEN)
FRANCE = Project(root=Path("acme"), company="Atelier Nord", hours=BusinessHours(holiday_country="FR"))
FREE = holidays.country_holidays("FR", years=range(2023, 2028))
FIRST, END = dt.date(2024, 3, 4), dt.date(2026, 10, 5)
PACE = {"event": 3.0, "ads": 2.0}


def company(seed=1, pace=lambda day, channel: 1.0, rate=lambda day, channel: 0.4, end=END):
    """Deals closed on working days, by channel; August is slow every year."""
    rng = np.random.default_rng(seed)
    found = []
    for at in range((end - FIRST).days):
        day = FIRST + dt.timedelta(days=at)
        if day.weekday() < 5 and day not in FREE:
            for channel, usual in PACE.items():
                slow = 0.4 if day.month == 8 else 1.0
                for _ in range(rng.poisson(usual * slow * pace(day, channel))):
                    won = bool(rng.random() < rate(day, channel))
                    found.append(deal(day.isoformat(), won=won, channel=channel, amount_base="1000"))
    return MemoryWarehouse(opportunity=found)


def view_of(warehouse):
    return View(FRANCE, FOUND, "local", warehouse)


def anomalies(warehouse, *kpis, end=END, **question):
    return view_of(warehouse).anomalies(KpiQuery(kpis, end=end, **question))


def told(found):
    return [(each.kpi.id, dict(each.segment)) for members in found.groups for each in members]


def fallen(day, channel):
    """Deals of one channel stop three weeks before the end."""
    return 0.0 if channel == "event" and day >= END - dt.timedelta(weeks=3) else 1.0


@pytest.fixture(scope="module")
def usual():
    return company()


@pytest.fixture(scope="module")
def broken():
    return company(pace=fallen)


def test_a_channel_that_fell_silent_is_told_with_what_moved_with_it_and_its_money(broken):
    found = anomalies(broken)
    assert ("closed", {"channel": "event"}) in told(found)
    group = next(members for members in found.groups if any(each.kpi.id == "closed" for each in members))
    silent = next(each for each in group if (each.kpi.id, dict(each.segment)) == ("closed", {"channel": "event"}))
    assert silent.shape == "silence"
    assert silent.since == END - dt.timedelta(weeks=3)
    assert silent.value == 0
    assert silent.expected == pytest.approx(45, rel=0.25)
    assert silent.is_favourable is False
    # four deals of ten are won for 1,000 each
    assert float(silent.money) == pytest.approx(-45 * 400, rel=0.3)
    assert ("closed", {}) in [(each.kpi.id, dict(each.segment)) for each in group]
    asked = KpiQuery(("closed",), start=silent.since, end=END, where=silent.where)
    assert view_of(broken).rows(RowQuery(asked)).total == silent.n == 0


def test_a_rate_that_fell_opens_its_rows():
    start = END - dt.timedelta(weeks=5)
    warehouse = company(rate=lambda day, channel: 0.02 if day >= start and channel == "event" else 0.4)
    found = anomalies(warehouse, "win_rate")
    (first, *_) = found.groups[0]
    assert (first.kpi.id, first.shape) in {("win_rate", "level_shift"), ("win_rate", "drift"), ("win_rate", "silence")}
    assert first.value < first.low < first.expected < first.high
    asked = KpiQuery(("win_rate",), start=first.since, end=END, where=first.where)
    assert view_of(warehouse).rows(RowQuery(asked)).total == first.n


def test_nothing_is_told_when_nothing_changed(usual):
    found = anomalies(usual)
    assert found.groups == ()
    assert found.missing == ()
    assert found.n_judged >= 6
    assert (found.start, found.end) == (END - dt.timedelta(weeks=1), END)


def test_what_is_asked_only_to_price_the_others_is_not_judged(usual):
    assert anomalies(usual, "closed").n_series == 1 + len(PACE)
    assert anomalies(usual, "closed", "bookings").n_series == 2 * (1 + len(PACE))


def test_holidays_of_a_part_of_a_country_are_known(usual):
    canada = replace(FRANCE, hours=BusinessHours(holiday_country="US-CA"))
    found = View(canada, FOUND, "local", usual).anomalies(KpiQuery(("closed",), end=END))
    assert found.n_judged > 0


@pytest.mark.slow
def test_public_holidays_and_august_are_raised_no_more_often_than_declared(usual):
    ends = [dt.date(2026, 5, 4), dt.date(2026, 5, 18), dt.date(2026, 8, 10), dt.date(2026, 8, 17), dt.date(2026, 8, 24)]
    raised = [bool(anomalies(world, end=end).groups) for world in (usual, company(2), company(3)) for end in ends]
    # one week in ten is declared; the weeks of a world share their chances
    assert sum(raised) <= 3
    assert not all(raised[place] for place in (0, 5, 10))


def test_data_that_has_not_come_is_no_data_and_no_drop():
    late = END - dt.timedelta(days=5)
    found = anomalies(company(pace=lambda day, channel: float(day < late)))
    assert found.groups == ()
    (missing,) = found.missing
    assert missing.entity == "opportunity"
    assert missing.since == late
    assert set(missing.kpis) == {"win_rate", "closed", "bookings"}
    assert found.n_judged == 0


def test_an_unfinished_week_is_not_judged(usual):
    found = anomalies(usual, end=END + dt.timedelta(days=2))
    assert found.end == END


def test_a_young_company_cannot_be_told():
    warehouse = MemoryWarehouse(opportunity=[deal(f"2026-09-{day:02}") for day in range(1, 28)])
    found = anomalies(warehouse)
    assert found.reason.startswith("Only {n} whole weeks of data")
    assert found.reason_params["n"] < 6
    assert found.groups == ()


def test_only_what_was_known_and_may_be_seen_is_judged(broken):
    narrow = view_of(broken).within("channel = 'ads'")
    assert narrow.anomalies(KpiQuery((), end=END)).groups == ()
    assert anomalies(broken, end=END - dt.timedelta(weeks=4)).groups == ()


def test_what_is_no_weekly_series_is_refused(usual):
    with pytest.raises(QueryError, match="no weekly counts, rates or sums"):
        anomalies(usual, "open")
    assert kind_of(OPEN) is None
    assert kind_of(replace(WIN_RATE, basis="cohort")) is None
    assert [kind_of(each) for each in (WIN_RATE, CLOSED, BOOKINGS)] == ["rate", "count", "sum"]


class Workspace:
    """Hands out one view."""

    project, catalogue, catalogue_issues = FRANCE, FOUND, ()

    def __init__(self, warehouse):
        self.warehouse = warehouse

    def view(self, person="local"):
        return view_of(self.warehouse)


def run(monkeypatch, warehouse, *words):
    monkeypatch.setattr("cadran.workspace.open_workspace", lambda _: Workspace(warehouse))
    return CliRunner().invoke(main, ["anomalies", "--to", END.isoformat(), *words], catch_exceptions=False)


@pytest.mark.parametrize(
    ("language", "words"), [("fr", ("Silence", "En jeu", "= Événement")), ("en", ("At stake", "Silence", "= Event"))]
)
def test_the_terminal_tells_them_in_both_languages(monkeypatch, broken, language, words):
    monkeypatch.setenv("COLUMNS", "200")
    found = run(monkeypatch, broken, "--lang", language)
    assert found.exit_code == 0
    assert [word for word in words if word not in found.output] == []


def test_programs_get_records(monkeypatch, broken, usual):
    document = json.loads(run(monkeypatch, broken, "--format", "json").stdout)[0]
    assert document["week_end"] == END.isoformat()
    assert {"kpi": "closed", "segment": {"channel": "event"}}.items() <= next(
        each for each in document["anomalies"] if each["shape"] == "silence" and each["kpi"] == "closed"
    ).items()
    assert run(monkeypatch, broken, "closed", "--format", "csv").stdout.startswith("group,kpi,segment,shape,since")
    assert "Nothing is out of its usual range." in run(monkeypatch, usual, "--lang", "en").output


def test_the_api_gives_the_same_document(monkeypatch, broken):
    document = json.loads(run(monkeypatch, broken, "--format", "json").stdout)[0]
    found = get(create_api(Workspace(broken)), f"/anomalies?to={END.isoformat()}&lang=fr").json()
    assert found["anomalies"] == document["anomalies"]
    assert found["missing"] == []
    refused = get(create_api(Workspace(broken)), "/anomalies?kpi=open&lang=en")
    assert refused.status_code == 400
    assert "not watched" in refused.json()["message"]


def test_the_days_after_christmas_are_no_missing_data():
    """A company that closes until the new year has lost no export."""
    end = dt.date(2025, 12, 29)
    shut = company(pace=lambda day, channel: float(day < dt.date(2025, 12, 24)), end=end)
    assert anomalies(shut, end=end).missing == ()
