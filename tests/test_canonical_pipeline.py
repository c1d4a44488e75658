"""The open pipeline: what moved up to a day is what was open that day."""

import datetime as dt
from datetime import timedelta
from decimal import Decimal

from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from tables import collect_deals, landed_tables, settings

KNOWN = settings("2026-07-01")


def movements(known=KNOWN, **rows):
    found = collect_deals(landed_tables(**rows), known, "pipeline_movement")["pipeline_movement"]
    return sorted(found, key=lambda row: (row["opportunity_id"], row["moved_at"], row["n_delta"]))


def deal(**values):
    return {"id": "a", "created_at": "2026-01-10", "stage": "Qualification", "is_closed": False, **values}


def change(field, at, old, new, entity="a"):
    return {"entity_id": entity, "field": field, "changed_at": at, "old_value": old, "new_value": new}


def told(rows):
    return [(row["type"], str(row["moved_on"]), row["n_delta"], row["amount_delta"]) for row in rows]


def test_a_deal_enters_with_its_first_amount_changes_it_and_leaves_with_the_last():
    history = [
        change("amount", "2026-02-01", "100", "150"),
        change("stage", "2026-03-01", "Qualification", "Closed won"),
    ]

    found = movements(
        opportunity=[deal(amount="150", stage="Closed won", is_closed=True, is_won=True, closed_at="2026-03-01")],
        field_history=history,
    )

    assert [
        ("created", "2026-01-10", 1, Decimal(100)),
        ("amount", "2026-02-01", 0, Decimal(50)),
        ("won", "2026-03-01", -1, Decimal(-150)),
    ] == told(found)


def test_the_qualified_part_enters_when_the_deal_is_qualified():
    """T-62: an unqualified stage is no coverage."""
    history = [change("stage", "2026-02-01", "Qualification", "Demo")]

    found = movements(opportunity=[deal(amount="100", stage="Demo")], field_history=history)

    assert [("created", 0, Decimal(0)), ("qualified", 1, Decimal(100))] == [
        (row["type"], row["qualified_n_delta"], row["qualified_amount_delta"]) for row in found
    ]


def test_a_reopened_deal_is_out_while_it_was_lost():
    """T-18."""
    history = [
        change("stage", "2026-02-01", "Qualification", "Closed lost"),
        change("stage", "2026-03-01", "Closed lost", "Qualification"),
    ]

    found = movements(opportunity=[deal(amount="100")], field_history=history)

    assert [
        ("created", "2026-01-10", 1, Decimal(100)),
        ("lost", "2026-02-01", -1, Decimal(-100)),
        ("reopened", "2026-03-01", 1, Decimal(100)),
    ] == told(found)


def test_a_deal_that_changes_hands_leaves_one_bucket_and_enters_the_other():
    """T-99: coverage is of the owner of the day."""
    people = [{"id": "o1", "name": "Ann"}, {"id": "o2", "name": "Bob"}]

    found = movements(
        opportunity=[deal(amount="100", owner_id="o2")],
        field_history=[change("owner_id", "2026-02-01", "o1", "o2")],
        owner=people,
    )

    assert [(row["type"], row["owner"], row["n_delta"]) for row in found] == [
        ("created", "Ann", 1),
        ("transferred", "Ann", -1),
        ("transferred", "Bob", 1),
    ]


def test_a_company_that_changes_its_segment_takes_its_open_deals_along():
    """G-10."""
    versions = [
        {"id": "x", "segment": "SMB", "valid_from": "2026-01-01"},
        {"id": "x", "segment": "Enterprise", "valid_from": "2026-02-01"},
    ]
    won = {"stage": "Won", "is_closed": True, "is_won": True, "closed_at": "2026-01-20"}

    found = movements(
        opportunity=[deal(amount="100", account_id="x"), deal(id="b", amount="10", account_id="x", **won)],
        account=versions[1:],
        account_history=versions,
    )

    balance: dict[str, Decimal] = {}
    for row in found:
        balance[row["segment"]] = balance.get(row["segment"], 0) + row["amount_delta"]
    assert balance == {"SMB": 0, "Enterprise": 100}


def test_rates_alone_move_nothing():
    """G-14, T-44: in at the rate of the creation, out at the same."""
    fx = [
        {"day_on": day, "from_currency": "USD", "to_currency": "EUR", "rate": rate}
        for day, rate in [("2026-01-10", "0.8"), ("2026-03-01", "0.9")]
    ]
    closed = {"is_closed": True, "is_won": False, "closed_at": "2026-03-01"}

    found = movements(opportunity=[deal(amount="100", currency="USD", stage="Lost", **closed)], fx_rate=fx)

    assert [Decimal(80), Decimal(-80)] == [row["amount_delta"] for row in found]


def test_an_unknown_amount_is_counted_as_a_deal_and_not_as_zero():
    """T-36."""
    history = [change("amount", "2026-02-01", "", "70", entity="b")]

    found = movements(opportunity=[deal(), deal(id="b", amount="70")], field_history=history)

    assert [
        ("created", "2026-01-10", 1, None),
        ("created", "2026-01-10", 1, None),
        ("amount", "2026-02-01", 0, Decimal(70)),
    ] == told(found)


def test_an_end_before_the_creation_never_makes_the_pipeline_negative():
    """T-71."""
    closed = {"is_closed": True, "is_won": True, "closed_at": "2026-01-05", "stage": "Won"}

    found = movements(opportunity=[deal(amount="100", **closed)])

    assert sum(row["n_delta"] for row in found) == 0
    assert all(row["moved_on"] >= dt.date(2026, 1, 10) for row in found)


def test_an_end_without_a_decision_is_closed_and_not_lost():
    """T-19."""
    closed = {
        "is_closed": True,
        "is_won": False,
        "closed_at": "2026-02-05",
        "stage": "Lost",
        "lost_reason": "sans suite",
    }

    assert [row["type"] for row in movements(opportunity=[deal(**closed)])] == ["created", "closed"]


def test_test_deals_are_no_pipeline():
    """G-13."""
    assert movements(opportunity=[deal(is_test=True)]) == []


def test_a_movement_tells_the_stage_in_which_the_deal_was():
    history = [change("stage", "2026-02-01", "Qualification", "Demo"), change("stage", "2026-03-01", "Demo", "Lost")]
    closed = {"is_closed": True, "is_won": False, "closed_at": "2026-03-01", "stage": "Lost"}

    found = movements(opportunity=[deal(amount="1", **closed)], field_history=history)

    assert {row["type"]: row["stage"] for row in found} == {
        "lost": "Demo",
        "qualified": "Demo",
        "created": "Qualification",
    }


STORY = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from(["amount", "owner_id", "stage"]),
        st.sampled_from(["10", "20", "0", "-5"]),
        st.sampled_from(["o1", "o2", "o3"]),
        st.sampled_from(["Qualification", "Demo", "Proposal", "Won", "Lost"]),
    ),
    max_size=8,
)


@effort(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
@given(st.lists(STORY, min_size=1, max_size=8))
def test_on_every_day_the_movements_sum_to_what_was_open(stories):
    """T-100: by owner too, whatever happened, at whatever pace; a replay in Python is the oracle."""
    deals, history, timeline = [], [], []
    for number, story in enumerate(stories):
        key, at = f"d{number}", dt.datetime(2026, 1, 1, 9)
        state = {"amount": "10", "owner_id": "o1", "stage": "Qualification"}
        timeline.append((at, key, dict(state)))
        for days, field, amount, owner, stage in story:
            at += timedelta(days=days, minutes=1)
            new = {"amount": amount, "owner_id": owner, "stage": stage}[field]
            if new != state[field]:
                row = change(field, at.isoformat(), state[field], new, key)
                history.append({**row, "id": f"{key}-{at:%j-%H%M}"})
                state[field] = new
                timeline.append((at, key, dict(state)))
        ended = state["stage"] in {"Won", "Lost"}
        closed_at = max((t for t, k, s in timeline if k == key), default=None) if ended else None
        deals.append(
            {
                "id": key,
                "created_at": "2026-01-01T09:00",
                **state,
                "is_closed": ended,
                "is_won": state["stage"] == "Won",
                "closed_at": closed_at.isoformat() if closed_at else None,
            }
        )
    people = [{"id": f"o{n}", "name": f"o{n}"} for n in (1, 2, 3)]

    found = movements(opportunity=deals, field_history=history, owner=people)

    for day in (dt.datetime(2026, 1, 1) + timedelta(days=n) for n in range(0, 80, 7)):
        expected: dict[str, tuple[int, Decimal]] = {}
        for key in {k for _, k, _ in timeline}:
            past = [s for t, k, s in timeline if k == key and t < day]
            if past and past[-1]["stage"] not in {"Won", "Lost"}:
                n, amount = expected.get(past[-1]["owner_id"], (0, Decimal(0)))
                expected[past[-1]["owner_id"]] = (n + 1, amount + Decimal(past[-1]["amount"]))
        actual: dict[str, tuple[int, Decimal]] = {}
        for row in (row for row in found if row["moved_at"] < day):
            n, amount = actual.get(row["owner"], (0, Decimal(0)))
            actual[row["owner"]] = (n + row["n_delta"], amount + row["amount_delta"])
        assert expected == {owner: held for owner, held in actual.items() if held != (0, 0)}
