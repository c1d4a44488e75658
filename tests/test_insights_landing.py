"""Where bookings land: sums that hold, nothing from the future, words in both languages."""

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from cadran import workspace as rooms
from cadran.api import create_api
from cadran.cli import main
from cadran.engine.pipeline import PipelineQuery, PipelineResult, pipeline
from cadran.insights.landing import Ahead, parts_by
from cadran.period import Calendar, Period
from cadran.stats.bookings import Hazards, expect, forecast, top_down
from cadran.stats.pace import pace
from cockpit import fake_workspace, get
from evaluation.worlds.pipeline import draw
from warehouse import PARIS, MemoryWarehouse, catalogue, context

QUARTER = 91.25
FIRST = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def company():
    return draw(7, 1.2, days=1100)


def shifted(full, day):
    """The same company, with everything after a day another one's."""
    rng = np.random.default_rng(1)
    later = full.closed > day
    closed = np.where(later, full.closed + rng.uniform(1, 90, full.closed.size), full.closed)
    won = np.where(later, ~full.won, full.won)
    stays = full.stays
    left = np.where(stays.left > day, stays.left + 3, stays.left)
    to = np.where(stays.left > day, 0, stays.to)
    return replace(full, closed=closed, won=won, stays=replace(stays, left=left, to=to))


def test_the_future_changes_nothing_that_is_told_on_a_day(company):
    day = 800.0
    told = [
        forecast(each.known_at(day), [each.known_at(600.0)], Hazards.of, 91.0, QUARTER)
        for each in (company, shifted(company, day))
    ]
    assert told[0].landing == told[1].landing
    assert told[0].expected.value.tolist() == told[1].expected.value.tolist()


def test_open_deals_bring_less_than_their_amount_and_more_time_brings_more(company):
    book = company.known_at(800.0)
    model = Hazards.of(book.stays, book.day)
    short, long = (expect(model, book, days) for days in (20.0, 90.0))
    assert 0 < short.total < long.total
    still = ~long.is_new
    assert (long.value[still] < book.amounts()[long.deal[still]]).all()
    assert expect(model, book, 0.0).total == 0


def test_a_company_that_won_nothing_has_no_model(company):
    book = company.known_at(800.0)
    assert (
        Hazards.of(replace(book.stays, to=np.where(book.stays.to == book.stays.won, -1, book.stays.to)), 800.0) is None
    )


def test_top_down_methods_repeat_the_past(company):
    book = company.known_at(900.0)
    by_yield, mean = top_down(book, QUARTER, QUARTER)
    spans = [book.signed(900 - QUARTER * k, 900 - QUARTER * (k - 1)) for k in range(1, 5)]
    assert mean == pytest.approx(np.mean(spans))
    assert by_yield > 0
    assert np.isnan(top_down(company.known_at(10.0), QUARTER, QUARTER)).all()


def answer(full, day, names=("North", "South", None)):
    """The tables of a company as the engine gives them, day 0 being the first of 2023."""
    zero = FIRST.timestamp() / 86400
    n = full.amount.size
    known = full.closed <= day
    ids = [f"d{place:05}" for place in range(n)]
    seen = full.created <= day
    deals = {
        "deal": ids, "amount": full.amount.tolist(), "created": (full.created + zero).tolist(),
        "closed": [float(each + zero) if over else None for each, over in zip(full.closed, known, strict=True)],
        "is_won": (full.won & known).tolist(), "segment": [names[place % len(names)] for place in range(n)],
        "owner": [f"owner {place % 4}" for place in range(n)], "channel": ["web"] * n, "opportunity_type": ["new"] * n,
    }  # fmt: skip
    s = full.stays.known_at(day)
    ends = {s.won: "won", -1: "lost", -3: None}
    rows = [
        {"deal": ids[deal], "pipeline": "sales", "stage": f"s{stage}", "position": int(stage) + 1, "entered": float(entered + zero),
         "exited": float(left + zero) if np.isfinite(left) else None, "exit_to": ends.get(int(to), "next"),
         "next_pipeline": "sales", "next_stage": f"s{to}"}
        for deal, stage, entered, left, to in zip(s.deal, s.stage, s.entered, s.left, s.to, strict=True)
    ]  # fmt: skip
    table = pa.table({name: pa.array(values) for name, values in deals.items()}).filter(pa.array(seen))
    said = pa.Table.from_pylist([
        {"start_on": dt.date(2025, 4, 1), "end_on": dt.date(2025, 7, 1), "horizon": "start", "forecast_type": "commit", "amount": Decimal(90000), "n": 3}
    ])  # fmt: skip
    at = FIRST + dt.timedelta(days=day)
    return PipelineResult(table, pa.Table.from_pylist(rows), said, at, "EUR", ())


@pytest.fixture(scope="module")
def outlook(company):
    day = (dt.datetime(2025, 5, 10, tzinfo=dt.UTC) - FIRST).days
    ahead = Ahead(lambda query: answer(company, day), Calendar(), PARIS, Decimal(2_000_000))
    return ahead.outlook(PipelineQuery(), Period(dt.date(2025, 4, 1), dt.date(2025, 7, 1)))


def test_parts_sum_to_the_whole_to_the_cent(outlook):
    for by in ("segment", "owner"):
        parts = parts_by(outlook.parts, by)
        assert sum(part.value for part in parts) == outlook.value
        assert sum(part.booked for part in parts) == pytest.approx(outlook.booked, abs=Decimal("0.05"))
    assert {part.name for part in parts_by(outlook.parts, "segment")} == {"North", "South", None}


def test_an_outlook_holds_what_is_booked_and_tells_its_past(outlook):
    assert outlook.booked <= outlook.low <= outlook.value <= outlook.high
    assert outlook.is_checked
    assert outlook.accuracy.n == 9
    assert sum(outlook.weights.values()) == pytest.approx(1)
    assert 0 < outlook.goal.chance < 1
    assert outlook.goal.needed_coverage > 0
    assert [(said.forecast_type, said.amount) for said in outlook.said] == [("commit", Decimal("90000.00"))]


def test_a_company_without_wins_is_told_that_there_is_nothing_to_forecast_from(company):
    lost = replace(company, won=np.zeros(company.won.size, dtype=bool))
    found = Ahead(lambda query: answer(lost, 600), Calendar(), PARIS).outlook(
        PipelineQuery(), Period(dt.date(2024, 7, 1), dt.date(2024, 10, 1))
    )
    assert (found.value, found.parts) == (None, ())
    assert found.reason.startswith("No deal was won")


def test_deals_and_stays_are_read_without_tests_and_jumped_stages():
    deal = {"account_id": "a", "created_at": "2026-01-01", "amount": "10", "amount_base": "10", "currency": "EUR"}
    stay = {"opportunity_id": "d", "pipeline": "p", "entered_at": "2026-01-01"}
    warehouse = MemoryWarehouse(
        opportunity=[{"id": "d", "is_closed": True, "is_won": True, "closed_at": "2026-02-01", **deal}, {"id": "t", "is_test": True, **deal}],
        stage_interval=[
            {**stay, "stage": "one", "position": 1, "seq": 1, "exited_at": "2026-01-11", "exit_to": "skip", "is_implied": False},
            {**stay, "stage": "two", "position": 2, "seq": 2, "exited_at": "2026-01-11", "exit_to": "skip", "is_implied": True},
            {**stay, "stage": "three", "position": 3, "seq": 3, "exited_at": "2026-02-01", "exit_to": "won", "is_implied": False},
            {**stay, "opportunity_id": "t", "stage": "one", "position": 1, "seq": 1, "is_implied": False},
        ],
    )  # fmt: skip
    found = pipeline(catalogue(), PipelineQuery(), warehouse, context())
    assert found.deals["deal"].to_pylist() == ["d"]
    assert [(row["stage"], row["next_stage"]) for row in found.stays.to_pylist()] == [("one", "three"), ("three", None)]


def test_a_person_who_sees_a_part_sees_its_deals_and_not_what_everybody_forecast():
    deal = {"created_at": "2026-01-01", "amount": "10", "amount_base": "10", "currency": "EUR"}
    said = {"id": "f", "start_on": dt.date(2027, 1, 1), "end_on": dt.date(2027, 4, 1), "horizon": "start", "forecast_type": "commit",
            "forecast": "900", "is_submitted": True, "is_final": False}  # fmt: skip
    warehouse = MemoryWarehouse(
        opportunity=[{"id": "mine", "segment": "SMB", **deal}, {"id": "theirs", "segment": "Enterprise", **deal}],
        stage_interval=[
            {"opportunity_id": name, "stage": "one", "seq": 1, "entered_at": "2026-01-01"}
            for name in ("mine", "theirs")
        ],
        forecast_outcome=[said],
    )
    whole = pipeline(catalogue(), PipelineQuery(), warehouse, context())
    part = pipeline(catalogue(), PipelineQuery(), warehouse, context(scope=("segment = 'SMB'",)))
    assert (len(whole.deals), whole.said["amount"].to_pylist()) == (2, [Decimal(900)])
    assert (part.deals["deal"].to_pylist(), part.stays["deal"].to_pylist(), part.said.num_rows) == (
        ["mine"],
        ["mine"],
        0,
    )


def test_a_flow_lands_where_its_pace_and_its_past_say():
    done = np.array([40.0, 44, 38, 42, 40, 41, 39, 43, 20])
    landing, weights = pace(done, np.full(8, 60.0), 4)
    assert 30 < landing.value < 62
    assert weights["mean"] > 0
    assert pace(done[:3], np.full(2, 60.0), 4) is None


@pytest.fixture
def opened(monkeypatch, outlook):
    fake = fake_workspace()

    class View:
        project, meta, kpi = fake.project, fake.view().meta, staticmethod(fake.view().kpi)

        def forecast(self, query, **asked):
            return outlook

    made = type("Opened", (), {"project": fake.project, "catalogue": fake.catalogue, "view": lambda self, *_: View()})()
    monkeypatch.setattr(rooms, "open_workspace", lambda root: made)
    return made


@pytest.mark.parametrize(
    ("language", "words"), [("fr", "D’affaires encore à créer"), ("en", "From deals still to be created")]
)
def test_the_terminal_tells_it_in_both_languages(opened, language, words):
    told = CliRunner().invoke(main, ["forecast", "--lang", language])
    assert told.exit_code == 0, told.output
    assert words in told.stdout


def test_programs_get_parts_and_the_whole(opened):
    [record] = json.loads(CliRunner().invoke(main, ["forecast", "--format", "json"]).stdout)
    served = get(create_api(opened), "/forecast").json()
    assert served["start"] == record["start"] == "2025-04-01"
    assert Decimal(served["value"]) == Decimal(str(record["value"]))
    assert (
        CliRunner().invoke(main, ["forecast", "--format", "csv"]).stdout.startswith("by,name,booked,expected,value\n")
    )
    assert CliRunner().invoke(main, ["forecast", "--goal", "much"]).exit_code == 1
