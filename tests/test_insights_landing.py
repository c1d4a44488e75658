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
from cadran.catalogue.load import load_catalogue
from cadran.cli import main
from cadran.engine.deals import LABELS, DealQuery, DealResult, deals
from cadran.engine.query import KpiQuery
from cadran.engine.run import answer as answered
from cadran.engine.submissions import submissions
from cadran.insights.landing import Ahead, book_of, parts_by
from cadran.period import Calendar, Period, midnight_utc
from cadran.stats.bookings import Hazards, expect, forecast, top_down
from cadran.stats.pace import pace
from cadran.stats.win_hazard import NO_STEPS, STEPS, fit_hazard, groups
from cockpit import fake_workspace, get
from evaluation.worlds.pipeline import draw
from warehouse import PARIS, MemoryWarehouse, context

QUARTER = 91.25
CATALOGUE = load_catalogue(None)[0]
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


@pytest.mark.parametrize(("day", "sees"), [(800.0, True), (500.0, False)])
def test_new_deals_come_as_the_season_of_past_years_has_them(company, day, sees):
    book = company.known_at(day)
    model = Hazards.of(book.stays, day)

    def brought(moved, first, last):
        moves = (book.created > day + first) & (book.created <= day + last)
        found = expect(model, replace(book, created=np.where(moves, book.created + moved, book.created)), 91.0)
        return found.value[found.is_new].sum()

    usual = brought(0.0, -365.0, -274.0)
    # had fewer come in that quarter of the year before and more in the half-year before it, fewer come now
    fewer = brought(-120.0, -365.0, -274.0)
    assert fewer < 0.95 * usual if sees else fewer == usual
    assert brought(40.0, 0.0, 400.0) == usual, "what is created later tells nothing"


@pytest.mark.parametrize(("steps", "part", "least"), [(NO_STEPS, "closing", 0.7), (STEPS, "hurry", 0.62)])
def test_a_span_that_ends_with_its_quarter_has_all_of_the_last_hurry(company, steps, part, least):
    book = company.known_at(QUARTER * 9 - 46)
    hazard = fit_hazard(book.stays, book.day, steps=steps)
    columns = groups(len(hazard.stages), steps.size, len(hazard.encoding.centres))[part]
    coefficients = hazard.leaves.coefficients.copy()
    # every stay hurries; or, with steps, every one but those in their first week
    coefficients[columns.start : columns.stop : max(steps.size, 1)] = 3.0
    hurried = Hazards(replace(hazard, leaves=replace(hazard.leaves, coefficients=coefficients)))
    still = book.stays.open_at(book.day)
    six, span, seven = (hurried.by_week(still, book.day, days).sum() for days in (42.0, 46.0, 49.0))
    # four of the seven days of that week, but with nearly all of its wins
    assert six + least * (seven - six) < span < seven


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


def instants(days):
    return [FIRST.replace(tzinfo=None) + dt.timedelta(days=float(day)) if np.isfinite(day) else None for day in days]


def answer(full, day, names=("North", "South", None)):
    """The tables of a company as the engine gives them, day 0 being the first of 2023."""
    n = full.amount.size
    known = full.closed <= day
    ids = np.array([f"d{place:05}" for place in range(n)])
    nothing = dict.fromkeys(LABELS, [None] * n)
    deals = pa.table({
        **{name: pa.array(values, pa.string()) for name, values in nothing.items()},
        "segment": [names[place % len(names)] for place in range(n)], "owner": [f"owner {place % 4}" for place in range(n)],
        "deal": ids.tolist(), "pipeline": ["sales"] * n, "amount": full.amount.tolist(), "rate": [1.0] * n,
        "created_at": pa.array(instants(full.created), pa.timestamp("us")),
        "closed_at": pa.array(instants(np.where(known, full.closed, np.inf)), pa.timestamp("us")),
        "is_closed": known.tolist(), "is_won": (full.won & known).tolist(),
    }).filter(pa.array(full.created <= day))  # fmt: skip
    s = full.stays.known_at(day)
    ends = {s.won: "won", -1: "lost", -3: None}
    stays = pa.table({
        **{name: pa.array([None] * s.deal.size, pa.string()) for name in LABELS},
        "deal": ids[s.deal].tolist(), "pipeline": ["sales"] * s.deal.size, "stage": [f"s{stage}" for stage in s.stage],
        "position": (s.stage + 1).tolist(), "entered_at": pa.array(instants(s.entered), pa.timestamp("us")),
        "exited_at": pa.array(instants(s.left), pa.timestamp("us")), "exit_to": [ends.get(int(to), "next") for to in s.to],
    })  # fmt: skip
    touches = pa.table({"deal": pa.array([], pa.string()), "at": pa.array([], pa.timestamp("us"))})
    amounts = touches.append_column("old", pa.array([], pa.string()))
    return DealResult(deals, stays, touches, amounts, "EUR", FIRST + dt.timedelta(days=day), ())


SAID = pa.Table.from_pylist([
    {"start_on": dt.date(2025, 4, 1), "end_on": dt.date(2025, 7, 1), "horizon": "start", "forecast_type": "commit", "amount": Decimal(90000), "n": 3}
])  # fmt: skip


@pytest.fixture(scope="module")
def outlook(company):
    day = (dt.datetime(2025, 5, 10, tzinfo=dt.UTC) - FIRST).days
    ahead = Ahead(lambda query: answer(company, day), Calendar(), PARIS, Decimal(2_000_000))
    return ahead.outlook(DealQuery(), Period(dt.date(2025, 4, 1), dt.date(2025, 7, 1)), SAID)


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
        DealQuery(), Period(dt.date(2024, 7, 1), dt.date(2024, 10, 1)), SAID
    )
    assert (found.value, found.parts) == (None, ())
    assert found.reason.startswith("No deal was won")


def test_what_is_booked_is_what_the_kpi_says():
    deal = {
        "created_at": "2026-01-01",
        "currency": "EUR",
        "is_closed": True,
        "is_won": True,
        "stage": "won",
        "pipeline": "p",
    }
    ends = {
        "day": "2026-05-10",
        "late": "2026-06-30T21:59:00",
        "next": "2026-06-30T22:00:00",
        "test": "2026-05-10",
        "gone": "2026-05-10",
    }
    odd = {"test": {"is_test": True}, "gone": {"deleted_at": "2026-05-20"}}
    rows = [
        {
            **deal,
            "id": name,
            "closed_at": end,
            "amount": f"{at + 1}.25",
            "amount_base": f"{at + 1}.25",
            **odd.get(name, {}),
        }
        for at, (name, end) in enumerate(ends.items())
    ]
    warehouse = MemoryWarehouse(
        opportunity=[*rows, {**deal, "id": "lost", "is_won": False, "closed_at": "2026-05-10", "amount_base": "9"}]
    )
    found = deals(CATALOGUE, DealQuery(), warehouse, context())
    start, end = dt.date(2026, 4, 1), dt.date(2026, 7, 1)
    days = [midnight_utc(day, PARIS).timestamp() / 86400 for day in (start, end)]
    asked = answered(CATALOGUE, KpiQuery(("bookings",), start=start, end=end), warehouse, context())
    assert (
        book_of(found, ()).signed(*days) == pytest.approx(float(asked.figures[0].value)) == pytest.approx(1.25 + 2.25)
    )


def test_pipelines_are_put_together_stage_by_stage(company):
    from cadran.insights.landing import together

    one = company.stays
    both = together({"a": one, "b": one})
    assert both.stages == (*(f"a / {name}" for name in one.stages), *(f"b / {name}" for name in one.stages))
    assert (both.to == both.won).sum() == 2 * (one.to == one.won).sum()
    moves = (one.to >= 0) & (one.to < one.won)
    assert both.to[one.to.size :][moves].tolist() == (one.to[moves] + len(one.stages)).tolist()
    assert together({}).deal.size == 0


def test_a_person_who_sees_a_part_is_not_told_what_everybody_forecast():
    said = {"id": "f", "start_on": dt.date(2027, 1, 1), "end_on": dt.date(2027, 4, 1), "horizon": "start", "forecast_type": "commit",
            "forecast": "900", "is_submitted": True, "is_final": False}  # fmt: skip
    warehouse = MemoryWarehouse(forecast_outcome=[said, {**said, "id": "g", "is_final": True}])
    assert submissions(None, warehouse, context())["amount"].to_pylist() == [Decimal(900)]
    assert submissions(None, warehouse, context(scope=("segment = 'SMB'",))).num_rows == 0


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
