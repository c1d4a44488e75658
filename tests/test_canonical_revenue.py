"""MRR movements and month ends: every case in which subscription tools disagree."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadran.canonical.revenue import customer_month, mrr_movement
from tables import collect, landed_tables, settings

PLAYBOOK = Path(__file__).resolve().parents[2] / "shared" / "data" / "mrr-playbook"


def sub(customer="acme", start="2026-01-01", end=None, mrr=None, **more):
    """One subscription; monthly recurring revenue unless an amount and an interval are given."""
    return {"customer_id": customer, "started_at": start, "ended_at": end, "mrr": mrr, **more}


def movements(*subscriptions, known_at="2026-12-31", change=None, **tables):
    landed = landed_tables(subscription=list(subscriptions), **tables)
    return collect(mrr_movement(landed, settings(known_at, **(change or {}))), "customer_id", "moved_on", "type")


def said(rows):
    """Movements as a person would tell them."""
    return [(r["moved_on"].isoformat(), r["type"], float(r["mrr_delta"])) for r in rows]


def months(*subscriptions, known_at="2026-12-31", change=None, **tables):
    landed = landed_tables(subscription=list(subscriptions), **tables)
    return collect(customer_month(landed, settings(known_at, **(change or {}))), "month_on", "customer_id")


def total(rows, column, month):
    return sum(r[column] for r in rows if r["month_on"].isoformat() == month)


def test_t38_a_year_paid_in_advance_is_a_twelfth_a_month_from_its_first_day():
    """T-38."""
    row = sub(start="2026-01-20", amount=12000, interval="year", interval_count=1)
    assert said(movements(row)) == [("2026-01-20", "new", 1000.0)]
    assert total(months(row), "mrr_end", "2026-01-31") == 1000


@pytest.mark.parametrize(
    ("terms", "mrr"),
    [
        ({"amount": 300, "interval": "quarter"}, "100"),
        ({"amount": 200, "interval": "month", "interval_count": 2}, "100"),
        ({"amount": 20, "interval": "month", "quantity": 5}, "100"),
        ({"amount": 100, "interval": "month", "discount_share": 0.25}, "75"),
        ({"amount": 84, "interval": "week"}, "365"),
        ({"amount": 12, "interval": "day"}, "365"),
        ({"amount": 100, "interval": "quarter"}, "33.3333"),
        ({"amount": 1, "interval": "month", "mrr": "99.5"}, "99.5"),
    ],
)
def test_t38_amounts_are_spread_over_the_months_of_their_interval(terms, mrr):
    """T-38: quantity, interval, count and discount; the `mrr` that a source gives wins."""
    assert movements(sub(**terms))[0]["mrr_delta"] == Decimal(mrr)


def test_t39_an_upgrade_is_an_expansion_on_its_day_even_when_items_are_swapped():
    """T-39: not churn -100 and new +150."""
    rows = movements(
        sub(end="2026-03-15T09:00", mrr=100),
        sub(start="2026-03-15T09:07", mrr=150),
    )
    assert said(rows) == [("2026-01-01", "new", 100.0), ("2026-03-15", "expansion", 50.0)]
    assert rows[1]["mrr_after"] == 150
    assert rows[1]["n_delta"] == 0


def test_t39_a_change_in_place_is_dated_when_it_was_recorded():
    """T-39: the same subscription from 100 to 150 on the 15th."""
    change = {
        "entity_type": "subscription", "entity_id": "s", "field": "mrr", "old_value": "100", "new_value": "150",
        "changed_at": "2026-03-15T10:00",
    }  # fmt: skip
    rows = movements(sub(id="s", mrr=150), field_history=[change])
    assert said(rows) == [("2026-01-01", "new", 100.0), ("2026-03-15", "expansion", 50.0)]


def test_t40_one_of_two_subscriptions_cancelled_is_a_contraction():
    """T-40."""
    rows = movements(sub(mrr=100), sub(mrr=50, end="2026-04-10"))
    assert said(rows)[1:] == [("2026-04-10", "contraction", -50.0)]


def test_t41_churn_is_dated_at_the_end_of_service_or_at_the_request():
    """T-41: cancelled on 3 May, paid to 31 May; both dates are kept."""
    row = sub(mrr=100, end="2026-05-31", cancel_requested_at="2026-05-03")
    ended, asked = movements(row)[-1], movements(row, change={"churn_dating": "request"})[-1]
    assert (ended["type"], ended["moved_on"].isoformat()) == ("churn", "2026-05-31")
    assert ended["cancel_requested_on"].isoformat() == "2026-05-03"
    assert (asked["type"], asked["moved_on"].isoformat()) == ("churn", "2026-05-03")


def test_t41_a_cancellation_to_come_is_not_churn_yet():
    """T-41: on 10 May the customer still pays."""
    row = sub(mrr=100, end="2026-05-31", cancel_requested_at="2026-05-03")
    assert [r["type"] for r in movements(row, known_at="2026-05-10")] == ["new"]


def test_t42_new_and_churn_of_one_month_are_both_kept():
    """T-42."""
    rows = movements(sub(start="2026-03-03", end="2026-03-20", mrr=80))
    assert said(rows) == [("2026-03-03", "new", 80.0), ("2026-03-20", "churn", -80.0)]
    assert [r["n_delta"] for r in rows] == [1, -1]


def test_t43_a_customer_that_comes_back_is_a_reactivation_and_not_an_expansion():
    """T-43: prior 0, now 50 must not raise NRR."""
    rows = movements(sub(mrr=50, end="2026-02-10"), sub(start="2026-06-01", mrr=50))
    assert [r["type"] for r in rows] == ["new", "churn", "reactivation"]
    june = [
        r for r in months(sub(mrr=50, end="2026-02-10"), sub(start="2026-06-01", mrr=50)) if r["month_on"].month == 6
    ]
    assert june[0]["reactivation_1m"] == 50
    assert june[0]["expansion_1m"] == june[0]["mrr_1m_before"] == 0


@pytest.mark.parametrize(("grace", "types"), [(30, ["new"]), (19, ["new", "churn", "reactivation"])])
def test_t43_a_gap_within_the_grace_is_a_pause(grace, types):
    """T-43."""
    two = sub(mrr=50, end="2026-02-10"), sub(start="2026-03-02", mrr=50)
    assert [r["type"] for r in movements(*two, change={"grace_days": grace})] == types


def test_t43_what_changed_over_a_pause_is_dated_when_revenue_is_back():
    """T-43."""
    rows = movements(sub(mrr=50, end="2026-02-10"), sub(start="2026-02-20", mrr=80), change={"grace_days": 30})
    assert said(rows) == [("2026-01-01", "new", 50.0), ("2026-02-20", "expansion", 30.0)]


def test_t43_a_day_that_ends_a_second_before_midnight_leaves_no_gap():
    """T-43: end 2026-01-31 23:59:59 in Paris, next start at midnight."""
    rows = movements(sub(mrr=50, end="2026-01-31T22:59:59"), sub(start="2026-01-31T23:00", mrr=50))
    assert [r["type"] for r in rows] == ["new"]


def rate(day, value, currency="USD"):
    return {"day_on": day, "from_currency": currency, "to_currency": "EUR", "rate": value}


def test_t44_a_moving_currency_makes_an_fx_row_and_no_contraction():
    """T-44."""
    usd = sub(mrr=1000, currency="USD", start="2026-01-10")
    fx = [rate("2026-01-10", "0.90"), rate("2026-01-31", "0.90"), rate("2026-02-28", "0.80")]
    rows = movements(usd, known_at="2026-02-28T23:00", fx_rate=fx)
    assert [(r["type"], r["mrr_delta"], r["mrr_delta_base"]) for r in rows] == [("new", 1000, 900), ("fx", 0, -100)]
    assert rows[1]["moved_on"].isoformat() == "2026-02-28"
    assert [r["mrr_delta_constant"] for r in rows] == [800, 0]
    ends = months(usd, known_at="2026-02-28T23:00", fx_rate=fx)
    assert [(r["mrr_end"], r["mrr_end_base"], r["contraction_1m"]) for r in ends] == [(800, 900, 0), (800, 800, 0)]


def test_t44_a_churned_customer_leaves_nothing_behind_in_the_base_currency():
    """T-44, T-45."""
    usd = sub(mrr=1000, currency="USD", start="2026-01-10", end="2026-02-20")
    fx = [
        rate(f"2026-{m:02}-{d:02}", r) for m, d, r in [(1, 10, "0.9"), (1, 31, "0.95"), (2, 20, "0.85"), (2, 28, "0.8")]
    ]
    rows = movements(usd, known_at="2026-03-05", fx_rate=fx)
    assert sum(r["mrr_delta_base"] for r in rows) == 0


def test_t44_without_a_rate_the_base_amount_is_unknown_and_the_movement_remains():
    """T-44, G-14."""
    (row,) = movements(sub(mrr=1000, currency="USD"), known_at="2026-01-20")
    assert (row["type"], row["mrr_delta"], row["mrr_delta_base"]) == ("new", 1000, None)


def test_t39_a_change_of_currency_on_one_day_is_one_movement_of_the_customer():
    """T-39: EUR 100 becomes USD 150 at 0.90, +35 and not churn and new."""
    rows = movements(
        sub(mrr=100, end="2026-03-15"),
        sub(mrr=150, start="2026-03-15", currency="USD"),
        fx_rate=[rate("2026-03-14", "0.9"), rate("2026-03-31", "0.9")],
        known_at="2026-03-31T23:00",
    )
    moved = [r for r in rows if r["moved_on"].isoformat() == "2026-03-15"]
    assert {r["type"] for r in moved} == {"expansion"}
    assert sum(r["mrr_delta_base"] for r in moved) == 35
    assert sum(r["n_delta"] for r in moved) == 0


def test_t46_a_trial_counts_from_the_day_it_is_paid():
    """T-46."""
    assert said(movements(sub(mrr=100, trial_ended_at="2026-01-15"))) == [("2026-01-15", "new", 100.0)]
    assert movements(sub(mrr=100, status="trialing")) == []
    assert movements(sub(mrr=100, status="trialing", trial_ended_at="2026-02-15"), known_at="2026-02-01") == []


def test_t46_a_paused_customer_is_kept_at_no_revenue_and_its_past_stays():
    """T-46."""
    rows = movements(sub(mrr=100, status="paused", updated_at="2026-04-01"))
    assert said(rows) == [("2026-01-01", "new", 100.0), ("2026-04-01", "churn", -100.0)]
    assert [r["n_delta"] for r in rows] == [1, 0]
    assert [r["is_customer"] for r in months(sub(mrr=100, status="paused", updated_at="2026-04-01"))][-1] is True


def test_t46_past_due_is_a_policy():
    """T-46: excluded unless the company says that it counts."""
    row = sub(mrr=100, status="past_due")
    assert movements(row)[0]["mrr_delta"] == 0
    assert movements(row, change={"unpaid_statuses": ("trialing",)})[0]["mrr_delta"] == 100


def test_t46_a_full_discount_is_a_customer_without_revenue():
    """T-46."""
    (row,) = movements(sub(amount=100, interval="month", discount_share=1.0))
    assert (row["type"], row["mrr_delta"], row["n_delta"]) == ("new", 0, 1)
    december = months(sub(amount=100, interval="month", discount_share=1.0))[-1]
    assert (december["mrr_end"], december["is_customer"]) == (0, True)


def test_t47_from_monthly_to_yearly_at_a_lower_price_is_a_contraction():
    """T-47: 100 a month, then 960 a year."""
    rows = movements(
        sub(amount=100, interval="month", end="2026-04-01"), sub(amount=960, interval="year", start="2026-04-01")
    )
    assert said(rows)[1] == ("2026-04-01", "contraction", -20.0)


def test_g13_a_deleted_subscription_is_churn():
    """G-13."""
    assert said(movements(sub(mrr=100, deleted_at="2026-03-09")))[-1] == ("2026-03-09", "churn", -100.0)


def test_a_cancelled_subscription_without_an_end_stops_when_it_was_last_heard_of():
    assert said(movements(sub(mrr=100, status="Canceled", updated_at="2026-03-09")))[-1] == (
        "2026-03-09", "churn", -100.0,
    )  # fmt: skip
    assert movements(sub(mrr=100, status="canceled"))[0:] == []


def test_days_are_those_of_the_company():
    """G-6: 31 January 23:30 UTC is 1 February in Paris."""
    assert said(movements(sub(mrr=10, start="2026-01-31T23:30"))) == [("2026-02-01", "new", 10.0)]


COHORT = [
    sub("churned", "2025-06-01", "2026-03-01", 5),
    sub("less", "2025-06-01", "2026-03-01", 10),
    sub("less", "2026-03-01", None, 7),
    sub("more", "2025-06-01", "2026-02-01", 50),
    sub("more", "2026-02-01", None, 65),
    sub("same", "2025-06-01", None, 35),
    sub("back", "2024-01-01", "2025-03-01", 9),
    sub("back", "2026-05-01", None, 4),
    sub("joined", "2026-02-01", "2026-06-01", 12),
    sub("joined", "2026-06-01", None, 20),
]


def test_t74_every_reading_of_net_retention_comes_from_the_same_sums():
    """T-74, T-75: start 100, churn 5, contraction 3, expansion 15, reactivation 4, new 20."""
    rows = months(*COHORT)
    year = {
        name: total(rows, f"{name}_12m", "2026-12-31")
        for name in ("churn", "contraction", "expansion", "reactivation", "new", "retained")
    }
    start, end = total(rows, "mrr_12m_before", "2026-12-31"), total(rows, "mrr_end", "2026-12-31")
    assert year == {"churn": 5, "contraction": 3, "expansion": 15, "reactivation": 4, "new": 20, "retained": 92}
    assert start + year["expansion"] - year["contraction"] - year["churn"] == 107
    assert start + year["expansion"] - year["churn"] == 110
    assert end - year["new"] == 111
    assert year["retained"] == 92


def test_t76_a_customer_that_joined_in_the_window_has_no_expansion():
    """T-76."""
    joined = [r for r in months(*COHORT) if r["customer_id"] == "joined" and r["month_on"].isoformat() == "2026-12-31"]
    assert (joined[0]["new_12m"], joined[0]["expansion_12m"], joined[0]["mrr_12m_before"]) == (20, 0, 0)


def test_t75_a_customer_that_left_and_came_back_is_not_retained():
    """T-75: GRR never exceeds NRR."""
    rows = months(sub(mrr=100, start="2025-01-01", end="2026-03-01"), sub(start="2026-06-01", mrr=100))
    last = rows[-1]
    assert (last["mrr_12m_before"], last["churn_12m"], last["reactivation_12m"], last["retained_12m"]) == (
        100,
        100,
        100,
        0,
    )


def test_t78_an_escalator_is_told_apart_from_what_was_sold():
    """T-78: +3 by the contract's clause, +50 sold the same day."""
    rows = movements(
        sub(mrr=100, end="2026-03-01"),
        sub(mrr=103, start="2026-03-01", is_escalator=True),
        sub(mrr=50, start="2026-03-01"),
    )
    assert (rows[1]["mrr_delta"], rows[1]["escalator_delta_constant"]) == (53, 3)
    march = months(
        sub(mrr=100, end="2026-03-01"),
        sub(mrr=103, start="2026-03-01", is_escalator=True),
        sub(mrr=50, start="2026-03-01"),
        known_at="2026-03-31T22:00",
    )[-1]
    assert (march["expansion_1m"], march["escalator_1m"]) == (53, 3)


def test_the_running_month_is_dated_the_last_known_day_and_is_not_final():
    rows = months(sub(mrr=100), known_at="2026-03-10T12:00")
    assert [(r["month_on"].isoformat(), r["is_final"]) for r in rows] == [
        ("2026-01-31", True), ("2026-02-28", True), ("2026-03-10", False),
    ]  # fmt: skip


def test_a_month_known_to_its_last_midnight_is_final():
    """G-6: 31 March ends at 22:00 UTC in Paris."""
    rows = months(sub(mrr=100), known_at="2026-03-31T22:00")
    assert (rows[-1]["month_on"].isoformat(), rows[-1]["is_final"]) == ("2026-03-31", True)


def test_the_month_that_began_this_morning_is_not_final():
    rows = months(sub(mrr=100), known_at="2026-04-01T08:00")
    assert [(r["month_on"].isoformat(), r["is_final"]) for r in rows[-2:]] == [
        ("2026-03-31", True),
        ("2026-04-01", False),
    ]


def test_a_customer_that_left_is_followed_for_a_year_and_no_longer():
    rows = months(sub(mrr=100, start="2024-01-01", end="2024-06-15"))
    assert rows[-1]["month_on"].isoformat() == "2025-05-31"
    assert rows[-1]["churn_12m"] == 100


def playbook():
    with (PLAYBOOK / "subscription_periods.csv").open() as file:
        for row in csv.DictReader(file):
            yield sub(
                row["customer_id"], row["start_date"], row["end_date"], row["monthly_amount"], id=row["subscription_id"]
            )


@pytest.mark.skipif(not PLAYBOOK.exists(), reason="the shared data folder (mrr-playbook) is not beside the project")
def test_all_thirty_months_of_the_playbook_are_as_computed_by_hand():
    """T-45 on real data: movements, customers and NRR against independent SQL."""
    expected = json.loads((PLAYBOOK / "expected.json").read_text())["values"]
    landed = landed_tables(subscription=list(playbook()))
    rows = collect(mrr_movement(landed, settings("2020-02-29T12:00", zone="UTC")))
    found = defaultdict(lambda: defaultdict(Decimal))
    for row in rows:
        found[row["moved_on"].isoformat()[:7]][row["type"]] += row["mrr_delta"]
    mrr, customers, counts = Decimal(0), 0, defaultdict(int)
    for row in rows:
        counts[row["type"]] += 1
    for month in expected["movements_by_month"]["rows"]:
        key = month["m"][:7]
        mrr += sum(found[key].values())
        customers += sum(r["n_delta"] for r in rows if r["moved_on"].isoformat()[:7] == key)
        names = {"new": "new_mrr", "reactivation": "reactivation", "expansion": "expansion", "contraction": "contraction", "churn": "churn"}  # fmt: skip
        assert {name: float(found[key][name]) for name in names} == {n: month[e] for n, e in names.items()}, key
        assert (float(mrr), customers) == (month["mrr"], month["customers"]), key
    assert len(expected["movements_by_month"]["rows"]) == 30
    assert dict(counts) == {
        {"upgrade": "expansion", "downgrade": "contraction"}.get(r["cat"], r["cat"]): r["n"]
        for r in expected["category_counts"]["rows"]
    }


@pytest.mark.skipif(not PLAYBOOK.exists(), reason="the shared data folder (mrr-playbook) is not beside the project")
def test_retention_of_every_month_of_the_playbook_is_as_computed_by_hand():
    """T-74, T-75 on real data."""
    expected = json.loads((PLAYBOOK / "expected.json").read_text())["values"]["nrr_grr_by_month"]["rows"]
    landed = landed_tables(subscription=list(playbook()))
    rows = collect(customer_month(landed, settings("2020-02-29T12:00", zone="UTC")))
    sums = defaultdict(lambda: defaultdict(Decimal))
    for row in rows:
        for name in ("mrr_1m_before", "expansion_1m", "contraction_1m", "churn_1m", "reactivation_1m", "retained_1m"):
            sums[row["month_on"].isoformat()[:7]][name] += row[name]
    for month in expected:
        s = sums[month["m"][:7]]
        start = s["mrr_1m_before"]
        net = start + s["expansion_1m"] - s["contraction_1m"] - s["churn_1m"]
        assert float(start) == month["start_mrr"]
        assert float(s["retained_1m"] / start) == pytest.approx(month["grr"], abs=1e-6), month["m"]
        assert float(net / start) == pytest.approx(month["nrr"], abs=1e-6), month["m"]
        assert float((net + s["reactivation_1m"]) / start) == pytest.approx(month["nrr_with_reactivation"], abs=1e-6)


def test_g10_a_customer_keeps_the_segment_and_seller_it_had_when_it_moved():
    """G-10: mid-market when it came, enterprise when it grew; and the seller who held it."""
    accounts = [
        {"id": "a", "segment": "mid-market", "owner_id": "o"},
        {"id": "a", "segment": "enterprise", "owner_id": "p", "valid_from": "2026-05-01"},
    ]
    rows = movements(
        sub(mrr=100, end="2026-06-01"),
        sub(mrr=300, start="2026-06-01"),
        customer=[{"id": "acme", "account_id": "a", "country": "FR"}],
        account=accounts[1:],
        account_history=accounts,
        owner=[{"id": "o", "name": "Anna", "team": "North"}, {"id": "p", "name": "Bea", "team": "North"}],
        opportunity=[{"account_id": "a", "is_won": True, "closed_at": "2025-12-20", "channel": "organic"}],
    )
    assert [(r["type"], r["segment"], r["owner"]) for r in rows] == [
        ("new", "mid-market", "Anna"),
        ("expansion", "enterprise", "Bea"),
    ]
    assert {(r["account_id"], r["country"], r["team"], r["channel"]) for r in rows} == {("a", "FR", "North", "organic")}


DAY_ONE = date(2025, 1, 1)
SUBSCRIPTIONS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 600),
        st.one_of(st.none(), st.integers(0, 300)),
        st.decimals(min_value=0, max_value=500, places=2),
        st.sampled_from(["EUR", "EUR", "USD"]),
    ),
    min_size=1,
    max_size=12,
)


def drawn(rows):
    for customer, start, length, mrr, currency in rows:
        first = DAY_ONE + timedelta(days=start)
        last = None if length is None else (first + timedelta(days=length)).isoformat()
        yield sub(customer, first.isoformat(), last, str(mrr), currency=currency)


def balance(rows, customer, day):
    """What a customer pays in a currency on a day, straight from the subscriptions."""
    paid = defaultdict(Decimal)
    for name, start, length, mrr, currency in rows:
        first = DAY_ONE + timedelta(days=start)
        if name == customer and first <= day and (length is None or day < first + timedelta(days=length)):
            paid[currency] += mrr
    return paid


@hypothesis.settings(max_examples=12, deadline=None)
@given(SUBSCRIPTIONS, st.sampled_from([0, 45]))
def test_t45_movements_always_add_up_to_what_customers_pay(rows, grace):
    """T-45, T-75: identity to the cent, per customer, day, currency and month; GRR never above NRR or 100 %."""
    known = date(2026, 12, 31)
    quarters = [date(2025 + q // 4, q % 4 * 3 + 1, 1) for q in range(8)]
    fx = [
        rate((q + timedelta(days=d)).isoformat(), f"0.9{i}") for i, q in enumerate(quarters) for d in range(0, 92, 10)
    ]
    landed = landed_tables(subscription=list(drawn(rows)), fx_rate=fx)
    chosen = settings("2026-12-31T23:00", grace_days=grace)
    moves = collect(mrr_movement(landed, chosen), "customer_id", "moved_on")
    for name in "abc":
        own = [m for m in moves if m["customer_id"] == name]
        for currency in ("EUR", "USD"):
            assert sum(m["mrr_delta"] for m in own if m["currency"] == currency) == balance(rows, name, known)[currency]
        assert sum(m["n_delta"] for m in own) == any(
            n == name and (e is None or DAY_ONE + timedelta(days=s + e) > known) for n, s, e, *_ in rows
        )
    for move in moves:
        assert move["mrr_before"] + move["mrr_delta"] == move["mrr_after"]
    last = {"EUR": Decimal(1), "USD": Decimal("0.97")}
    for month in (m for m in collect(customer_month(landed, chosen)) if m["month_on"] == known):
        paid = balance(rows, month["customer_id"], known)
        assert month["mrr_end"] == month["mrr_end_base"] == sum(paid[c] * last[c] for c in paid)
    for month in collect(customer_month(landed, chosen)):
        for size in ("1m", "12m"):
            m = {
                n: month[f"{n}_{size}"]
                for n in ("new", "expansion", "reactivation", "contraction", "churn", "retained")
            }
            before = month[f"mrr_{size}_before"]
            gained, lost = m["new"] + m["expansion"] + m["reactivation"], m["contraction"] + m["churn"]
            assert before + gained - lost == month["mrr_end"]
            assert 0 <= m["retained"] <= min(before, before + m["expansion"] - lost)
            assert m["retained"] == before - lost
            assert min(m.values()) >= 0
    base = {c: sum(m["mrr_delta_base"] for m in moves if m["currency"] == c) for c in last}
    for currency, worth in last.items():
        assert base[currency] == sum(balance(rows, n, known)[currency] for n in "abc") * worth
