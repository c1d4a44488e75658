"""Coverage: what is due in a quota period, qualified, on the day; and the waterfall that leads there."""

from __future__ import annotations

import datetime as dt
import functools
from decimal import Decimal

import ibis
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from cadran.canonical.derive import tables
from cadran.canonical.entities import ENTITIES
from cadran.canonical.schema import AUXILIARY, schema_of
from tables import Plan, _run, landed_tables, settings

pytestmark = pytest.mark.slow
KNOWN = settings("2026-07-10")
QUARTERS = [
    {"start_on": "2026-01-01", "end_on": "2026-04-01"},
    {"start_on": "2026-04-01", "end_on": "2026-07-01"},
    {"start_on": "2026-07-01", "end_on": "2026-10-01"},
]


@functools.cache
def plan(known=KNOWN):
    """Statements that make the table; compiled once, because that takes longer than to run them."""
    found = Plan()
    names = [name for name, kind in ENTITIES.items() if not kind.derived]
    landed = {name: ibis.table(schema_of(name), name=f"in_{name}") for name in (*names, *AUXILIARY)}
    made = tables(landed, known, found.keep)
    found.answers["coverage_movement"] = str(ibis.to_sql(made["coverage_movement"], dialect="duckdb", pretty=False))
    needed = _needed(found)
    found.steps = [(name, sql) for name, sql in found.steps if name in needed]
    return found


def _needed(found):
    """The steps that the answer rests on."""
    waiting, needed = [found.answers["coverage_movement"]], set()
    while waiting:
        sql = waiting.pop()
        new = {name for name, _ in found.steps if f'"{name}"' in sql} - needed
        needed |= new
        waiting += [text for name, text in found.steps if name in new]
    return needed


STAGES = [{"name": name, "position": place} for place, name in enumerate(("Contact", "Demo", "Proposal"), start=1)]


def movements(**rows):
    rows["stage"] = STAGES
    landed = landed_tables(**rows) | {name: ibis.table(schema_of(name), name=name) for name in AUXILIARY}
    given = {f"in_{name}": table for name, table in landed.items()}
    return sorted(_run(given, plan())["coverage_movement"], key=lambda row: (row["moved_at"], row["amount_delta"]))


def quotas(amount=400_000, **values):
    return [
        {"metric": "bookings", "scope_type": "owner", "owner_id": "o", "amount": amount, **q, **values}
        for q in QUARTERS
    ]


def deal(id_="a", **values):
    return {
        "id": id_, "created_at": "2026-01-10", "stage": "Demo", "is_closed": False, "amount": "100", "owner_id": "o",
        "expected_close_on": "2026-03-15", "account_id": "x", **values,
    }  # fmt: skip


def change(field, at, old, new, entity="a"):
    return {"entity_id": entity, "field": field, "changed_at": at, "old_value": old, "new_value": new}


def on(rows, day, column="amount_delta", horizon="current", **only):
    """The balance at the end of a day."""
    day = dt.date.fromisoformat(day)
    kept = [row for row in rows if row["moved_on"] <= day and row["horizon"] == horizon]
    return sum((row[column] for row in kept if all(row[k] == v for k, v in only.items())), Decimal(0))


def told(rows):
    kept = [
        row for row in rows if row["horizon"] == "current" and row["opportunity_id"] and row["movement"] != "signed"
    ]
    return [(row["movement"], str(row["moved_on"]), row["amount_delta"]) for row in kept]


def test_only_qualified_deals_due_in_the_period_of_the_day_cover_its_quota():
    """T-62: due later, or in a stage that does not qualify."""
    rows = [deal(), deal("later", expected_close_on="2026-05-15"), deal("early", stage="Contact")]

    found = movements(opportunity=rows, quota=quotas())

    assert (on(found, "2026-02-01"), on(found, "2026-02-01", "quota_delta")) == (100, 400_000)
    assert (on(found, "2026-04-10"), on(found, "2026-07-05")) == (100, 0)
    assert [str(row["moved_on"]) for row in found if row["movement"] == "opening" and row["horizon"] == "current"] == [
        "2026-04-01"
    ]


def test_the_next_period_is_covered_before_it_starts():
    found = movements(opportunity=[deal(expected_close_on="2026-05-15")], quota=quotas())
    assert (on(found, "2026-02-01", horizon="next"), on(found, "2026-02-01")) == (100, 0)
    assert (on(found, "2026-04-02", horizon="next"), on(found, "2026-04-02")) == (0, 100)
    assert on(found, "2026-02-01", "quota_delta", horizon="next") == 400_000


def test_a_deal_moves_through_the_waterfall_by_what_happened_to_it():
    """Pulled in, progressed, resized, regressed, pushed out, won, and left over when the period ends."""
    history = [
        change("stage", "2026-01-20", "Contact", "Demo"),
        change("amount", "2026-01-25", "80", "100"),
        change("expected_close_on", "2026-02-01", "2026-03-15", "2026-05-15"),
        change("expected_close_on", "2026-02-10", "2026-05-15", "2026-03-20"),
        change("stage", "2026-02-20", "Demo", "Contact"),
        change("stage", "2026-02-25", "Contact", "Demo"),
        change("stage", "2026-03-10", "Demo", "Closed won"),
    ]
    won = deal(stage="Closed won", is_closed=True, is_won=True, closed_at="2026-03-10", expected_close_on="2026-03-20")

    found = movements(opportunity=[won, deal("b")], quota=quotas(), field_history=history)

    assert told([row for row in found if row["opportunity_id"] == "a"]) == [
        ("progressed", "2026-01-20", 80),
        ("resized", "2026-01-25", 20),
        ("pushed_out", "2026-02-01", -100),
        ("pulled_in", "2026-02-10", 100),
        ("regressed", "2026-02-20", -100),
        ("progressed", "2026-02-25", 100),
        ("won", "2026-03-10", -100),
    ]
    assert told([row for row in found if row["opportunity_id"] == "b"]) == [
        ("created", "2026-01-10", 100),
        ("expired", "2026-04-01", -100),
    ]
    assert (on(found, "2026-03-31", "won_delta"), on(found, "2026-04-01", "won_delta")) == (100, 0)


def test_coverage_is_of_the_owner_of_the_day():
    """T-99: the deal covers the quota of whoever had it then; the win is credited at the close."""
    people = [{"id": "o", "name": "Ann"}, {"id": "p", "name": "Bob"}]
    won = deal(owner_id="p", stage="Won", is_closed=True, is_won=True, closed_at="2026-03-10")
    found = movements(
        opportunity=[won], quota=quotas(), owner=people, field_history=[change("owner_id", "2026-02-01", "o", "p")]
    )
    assert [on(found, "2026-01-31", owner=name) for name in ("Ann", "Bob")] == [100, 0]
    assert [on(found, "2026-02-02", owner=name) for name in ("Ann", "Bob")] == [0, 100]
    assert [on(found, "2026-03-20", "won_delta", owner=name) for name in ("Ann", "Bob")] == [0, 100]


def test_a_quota_counts_once_whatever_plans_lie_above_it():
    """T-62: a team's quota is that of its people, a year's that of its quarters; meetings are no amount."""
    above = [{"metric": "bookings", "scope_type": "company", "amount": 9_000_000, **q} for q in QUARTERS]
    above += [
        {
            "metric": "bookings",
            "scope_type": "owner",
            "owner_id": "o",
            "amount": 7,
            "start_on": "2026-01-01",
            "end_on": "2027-01-01",
        }
    ]
    above += [{"metric": "meetings", "scope_type": "owner", "owner_id": "o", "amount": 12, **QUARTERS[0]}]
    found = movements(quota=quotas() + above)
    assert on(found, "2026-02-01", "quota_delta") == 400_000


def test_shares_of_a_deal_add_up_to_it_and_it_counts_once():
    """T-62: three thirds of 100 €, one written as 34 %, and a win shared half and half."""
    people = [{"id": name, "name": name} for name in ("o", "p", "q")]
    shares = [
        {"opportunity_id": "a", "owner_id": owner, "share": share}
        for owner, share in (("o", 0.33), ("p", 0.34), ("q", 0.33))
    ]
    shares += [{"opportunity_id": "w", "owner_id": owner, "share": 50.0} for owner in ("o", "p")]
    won = deal("w", stage="Won", is_closed=True, is_won=True, closed_at="2026-01-20", amount="100.01")
    history = [change("stage", "2026-01-15", "Contact", "Demo")]

    found = movements(opportunity=[deal(), won], quota=quotas(), owner=people, deal_split=shares, field_history=history)

    by_owner = [on(found, "2026-02-01", owner=name) for name in ("o", "p", "q")]
    assert by_owner == [Decimal("33.0000"), Decimal("34.0000"), Decimal("33.0000")]
    assert {row["movement"] for row in found if row["opportunity_id"] == "a" and row["amount_delta"] > 0} == {
        "progressed"
    }
    deals = [row for row in found if row["movement"] not in ("quota", "signed")]
    assert (on(deals, "2026-02-01"), on(deals, "2026-02-01", "n_delta")) == (100, 1)
    signed = [on(found, "2026-02-01", "won_delta", owner=name) for name in ("o", "p")]
    assert sum(signed) == Decimal("100.01")
    assert max(signed) - min(signed) <= Decimal("0.0001")


def test_an_amount_without_a_rate_is_counted_as_unrated():
    """G-14."""
    found = movements(opportunity=[deal(currency="USD")], quota=[*quotas(), *quotas(5, currency="GBP")])
    assert on(found, "2026-02-01", "unrated_delta") == 2
    assert on(found, "2026-07-05", "unrated_delta") == 1


DAYS = st.dates(dt.date(2026, 1, 1), dt.date(2026, 7, 9))
FIELDS = {
    "stage": ["Contact", "Demo", "Proposal", "Closed won", "Closed lost"],
    "amount": ["50", "100.25", "70.5"],
    "expected_close_on": ["2026-02-10", "2026-03-31", "2026-04-01", "2026-08-02", "2027-01-01"],
    "owner_id": ["o", "p"],
}


@st.composite
def histories(draw):
    found = []
    for entity in ("a", "b"):
        for field, choices in FIELDS.items():
            days = sorted(draw(st.lists(DAYS, max_size=4, unique=True)))
            values = [draw(st.sampled_from(choices)) for _ in range(len(days) + 1)]
            found += [
                change(field, f"{day}T12:00", old, new, entity)
                for day, old, new in zip(days, values, values[1:], strict=False)
            ]
    return found


@effort(
    max_examples=15, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(histories())
def test_balances_never_turn_negative_and_are_gone_when_their_period_is_over(history):
    found = movements(opportunity=[deal(), deal("b")], quota=quotas(), field_history=history)
    for horizon in ("current", "next"):
        for day in sorted({row["moved_on"] for row in found}):
            held = on([row for row in found if row["opportunity_id"]], str(day), "n_delta", horizon)
            held -= on([row for row in found if row["movement"] == "signed"], str(day), "n_delta", horizon)
            assert 0 <= held <= 2
            assert on(found, str(day), horizon=horizon) >= 0
    over = [row for row in found if row["end_on"] <= dt.date(2026, 7, 1)]
    assert sum(row["amount_delta"] for row in over) == 0
    assert sum(row["n_delta"] for row in over) == 0
    assert sum(row["won_delta"] + row["quota_delta"] for row in over) == 0
