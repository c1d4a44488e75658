"""Won revenue credited to touches: which touches count, to the cent, and when a model says no."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadran.catalogue.definition import AttributionRules
from cadran.catalogue.shapes import DATA_MODELS, RULE_MODELS
from cadran.engine.journeys import JourneyQuery, journeys
from cadran.errors import QueryError
from cadran.insights.attribution import ORGANIC, UNTOUCHED, attribute, attribution_records, to_the_cent
from warehouse import MemoryWarehouse, catalogue, context

RULES = AttributionRules(lookback_days=90)
EVERY = replace(RULES, models=(*RULE_MODELS, *DATA_MODELS), min_wins=1)


def deal(name, account, closed_at="2026-04-01", amount="1000", won=True, **more):
    ends = {"closed_at": closed_at, "is_closed": True, "is_won": won} if closed_at else {"is_closed": False}
    money = {"amount": amount, "amount_base": amount, "currency": "EUR"}
    return {"id": name, "account_id": account, "created_at": "2026-02-01", **money, **ends, **more}


def touch(name, day, channel, account=None, **more):
    return {"id": name, "occurred_at": day, "channel": channel, "account_id": account, **more}


def credited(rules=RULES, query=None, scope=(), **tables):
    found = catalogue()
    warehouse = MemoryWarehouse(**tables)
    return attribute(journeys(found, query or JourneyQuery(), rules, warehouse, context(scope=scope)), rules)


def shares(found, model):
    return {row.label: row.shares[model].value for row in found.rows}


def test_touches_of_every_contact_of_the_account_are_one_journey_by_time():
    """T-91."""
    found = credited(
        opportunity=[deal("d", "a")],
        contact=[{"id": "p", "account_id": "a"}, {"id": "q", "account_id": "a"}],
        lead=[{"id": "l", "account_id": "a"}],
        marketing_touch=[
            touch("2", "2026-03-10", "mail", contact_id="q"),
            touch("1", "2026-03-01", "ads", contact_id="p"),
            touch("3", "2026-03-20", "event", lead_id="l"),
        ],
    )
    assert shares(found, "first") == {"ads": 1000, "event": 0, "mail": 0}
    assert shares(found, "last") == {"ads": 0, "event": 1000, "mail": 0}
    assert shares(found, "u_shaped") == {"ads": 400, "event": 400, "mail": 200}


def test_touches_after_the_close_before_the_lookback_or_of_another_deal_do_not_count():
    """T-91."""
    found = credited(
        opportunity=[deal("d", "a"), deal("e", "b")],
        marketing_touch=[
            touch("1", "2025-12-31", "old", "a"),
            touch("2", "2026-01-02", "ads", "a"),
            touch("3", "2026-04-02", "late", "a"),
            touch("4", "2026-03-01", "other", "a", opportunity_id="e"),
            touch("5", "2026-03-01", "gone", "a", deleted_at="2026-03-02"),
        ],
    )
    assert shares(found, "linear") == {"ads": 1000, UNTOUCHED: 1000}
    assert (found.wins, found.n_touched) == (2, 1)


def test_every_column_sums_to_won_revenue_to_the_cent_with_what_nothing_touched():
    """T-92."""
    found = credited(
        EVERY,
        opportunity=[
            deal("d", "a", amount="100.01"),
            deal("e", "b", amount="33.33"),
            deal("f", "c", amount="7.77"),
            deal("g", "a", won=False),
            deal("h", "b", closed_at=None),
        ],
        marketing_touch=[
            touch("1", "2026-03-01", "ads", "a"),
            touch("2", "2026-03-02", "mail", "a"),
            touch("3", "2026-03-03", "event", "a"),
            touch("4", "2026-03-03", "ads", "b"),
            touch("5", "2026-03-04", None, "b"),
        ],
    )
    assert set(found.models) == {*RULE_MODELS, *DATA_MODELS}
    for model in found.models:
        assert sum(shares(found, model).values()) == Decimal("141.11") == found.value, model
        assert sum(row.shares[model].wins for row in found.rows) == pytest.approx(3), model
    assert shares(found, "first")[UNTOUCHED] == Decimal("7.77")
    assert shares(found, "first").get(ORGANIC, 0) == 0
    assert "(not given)" in shares(found, "linear")
    assert all(row.low <= share.value <= row.high for row in found.rows for share in row.shares.values())


def test_a_fitted_model_is_refused_below_the_fewest_wins_and_says_so():
    """T-93: twelve conversions; the rules answer, visibly."""
    deals = [deal(f"d{place}", "a") for place in range(12)]
    found = credited(
        replace(EVERY, min_wins=100, default="hazard"),
        opportunity=deals,
        marketing_touch=[touch("1", "2026-03-01", "ads", "a")],
    )
    assert set(found.refused) == set(DATA_MODELS)
    assert found.refused["hazard"][1] == {"wins": 12, "needed": 100}
    assert found.default == "first"


def test_only_deals_closed_in_the_span_and_in_the_scope_of_the_reader_are_credited():
    tables = {
        "opportunity": [
            deal("d", "a", segment="SMB"),
            deal("e", "a", closed_at="2026-05-01", segment="SMB"),
            deal("f", "a", segment="Enterprise"),
            deal("g", "a", is_test=True, segment="SMB"),
            deal("h", "a", deleted_at="2026-05-01", segment="SMB"),
        ],
        "marketing_touch": [touch("1", "2026-03-15", "ads", "a")],
    }
    query = JourneyQuery(start=dt.date(2026, 4, 1), end=dt.date(2026, 5, 1))
    assert credited(query=query, scope=("segment = 'SMB'",), **tables).value == 1000
    assert credited(query=query, **tables).value == 2000


def test_w_credits_the_touches_that_made_the_lead_and_the_deal():
    found = credited(
        opportunity=[deal("d", "a", lead_id="l")],
        lead=[{"id": "l", "account_id": "a", "created_at": "2026-01-20"}],
        marketing_touch=[
            touch("1", "2026-01-10", "first", "a"),
            touch("2", "2026-01-19", "lead", "a"),
            touch("3", "2026-01-30", "deal", "a"),
            touch("4", "2026-03-10", "other", "a"),
        ],
    )
    assert shares(found, "w_shaped") == {"first": 300, "lead": 300, "deal": 300, "other": 100}


def test_a_won_deal_without_a_rate_is_named_and_one_without_an_amount_counts_as_a_win_only():
    found = credited(
        opportunity=[
            deal("d", "a", amount=None),
            deal("e", "a") | {"amount_base": None, "currency": "XXX"},
            deal("f", "a"),
        ],
        marketing_touch=[touch("1", "2026-03-15", "ads", "a")],
    )
    assert (found.value, found.wins, found.without_amount, found.without_rate) == (1000, 3, 1, ("e",))


def test_nothing_won_gives_nothing():
    found = credited(EVERY, opportunity=[deal("d", "a", won=False)])
    assert (found.rows, found.value, found.wins) == ((), 0, 0)
    assert attribution_records(found) == []


def test_an_unknown_label_is_refused_with_what_there_is():
    with pytest.raises(QueryError, match="told apart by chanel"):
        credited(query=JourneyQuery(by="chanel"))


@given(st.integers(0, 10**9), st.lists(st.floats(0, 1e9).map(lambda w: round(w, 6)), min_size=1, max_size=9))
def test_shares_of_money_sum_to_it_and_lie_within_a_cent_of_their_weight(cents, weights):
    total = Decimal(cents) / 100
    parts = to_the_cent(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    if whole > 0:
        exact = [float(total) * weight / whole for weight in weights]
        assert all(abs(float(part) - want) <= 0.011 + 1e-9 * abs(want) for part, want in zip(parts, exact, strict=True))
