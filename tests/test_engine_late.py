"""Late changes: the rows that a period's figure owes its change to, to the cent."""

import datetime as dt
from datetime import date
from decimal import Decimal

import pytest

from cadran.engine.late import late
from cadran.engine.query import KpiQuery, LateQuery
from cadran.errors import QueryError
from warehouse import BOOKED, WIN_RATE, WON, MemoryWarehouse, catalogue, context, kpi, measure

pytestmark = pytest.mark.slow

MAR, APR, JUN = date(2026, 3, 1), date(2026, 4, 1), date(2026, 6, 1)
TOLD = date(2026, 4, 5)
EXPORTS = ["2026-04-02", "2026-05-10", "2026-05-20"]
UNTIL = date(2026, 5, 31)
STAGES = [
    {
        "id": f"crm:{name}",
        "connection_id": "crm",
        "name": name,
        "pipeline": None,
        "position": place,
        "valid_from": "2026-01-01",
    }
    for place, name in enumerate(("Demo", "Won", "Lost"))
]
MEAN = kpi("mean", unit="money", numerator=measure(where="is_won", agg="mean", expr="amount_base"))
SEVENTHS = kpi("sevenths", unit="days", numerator=measure(where="is_won", agg="sum", expr="amount_base / 7"))
ACCOUNTS = kpi("accounts", numerator=measure(where="is_won", agg="count_distinct", expr="account_id"))
DOUBLE = kpi("double", kind="derived", unit="money", expression="b * 2", inputs={"b": "booked"})
ALL = (WIN_RATE, WON, BOOKED, MEAN, SEVENTHS, ACCOUNTS, DOUBLE)


def version(id_, export, amount, *, won=True, closed="2026-03-10", **more):
    """A deal as one export gave it."""
    return {
        "id": id_, "created_at": "2026-01-05", "valid_from": export, "updated_at": export, "amount": amount,
        "currency": "EUR", "is_closed": closed is not None, "is_won": won if closed else None, "closed_at": closed,
        "stage": ("Won" if won else "Lost") if closed else "Demo", "connection_id": "crm", "account_id": f"acc-{id_}", **more,
    }  # fmt: skip


def company():
    """Kept; raised by 0.01; lost after all; deleted; dated back into March; moved out of March."""
    first, second, third = EXPORTS
    return [
        version("kept", first, "100"),
        version("raised", first, "50"), version("raised", second, "50.01"),
        version("lost", first, "30"), version("lost", third, "30", won=False),
        version("gone", first, "20"), version("gone", second, "20", deleted_at="2026-05-09"),
        version("back", second, "7", created_at="2026-05-08", account_id="acc-kept"),
        version("moved", first, "5"), version("moved", third, "5", closed="2026-04-02"),
    ]  # fmt: skip


def world(landed):
    return MemoryWarehouse(landed_opportunity=landed, landed_stage=STAGES)


def ask(warehouse, asked, *, since=TOLD, until=UNTIL, **query):
    given = KpiQuery((asked.id,), **{"start": MAR, "end": APR, "as_of": until, **query})
    return late(catalogue(*ALL), LateQuery(given, since), warehouse, context())


def told(found):
    return [(change.id, change.kind, change.part, change.old, change.new) for change in found.changes]


@pytest.fixture(scope="module")
def warehouse():
    return world(company())


def test_a_sum_changes_by_what_its_rows_add_to_the_cent(warehouse):
    found = ask(warehouse, BOOKED)
    assert told(found) == [
        ("back", "entered", "numerator", None, 7),
        ("gone", "left", "numerator", 20, None),
        ("lost", "left", "numerator", 30, None),
        ("moved", "left", "numerator", 5, None),
        ("raised", "changed", "numerator", 50, Decimal("50.01")),
    ]
    [(old, new)] = found.figures
    assert (old.value, new.value) == (205, Decimal("157.01"))
    assert sum(change.delta for change in found.changes) == new.value - old.value == Decimal("-47.99")


def test_it_says_when_each_change_was_learnt(warehouse):
    second, third = (dt.datetime.fromisoformat(day) for day in EXPORTS[1:])
    learnt = {change.id: (change.learnt_from, change.learnt_to) for change in ask(warehouse, BOOKED).changes}
    assert learnt["raised"] == (second, second)
    assert learnt["lost"] == learnt["moved"] == (third, third)
    # a deletion and a creation are known since they happened, and told by the export after
    assert learnt["gone"] == (dt.datetime(2026, 5, 9), second)
    assert learnt["back"] == (dt.datetime(2026, 5, 8), second)


@pytest.mark.parametrize("asked", [WIN_RATE, WON, BOOKED, MEAN, ACCOUNTS], ids=lambda each: each.id)
@pytest.mark.parametrize("grain", [None, "month"])
def test_what_rows_add_differs_as_the_parts_of_the_figure_differ(warehouse, asked, grain):
    found = ask(warehouse, asked, grain=grain, end=JUN)
    assert found.changes
    for old, new in found.figures:
        for part, of in parts(asked):
            own = [c.delta for c in found.changes if c.part == part and c.start == new.start]
            assert sum(own) == (of(new) or 0) - (of(old) or 0)


def parts(asked):
    """Each part of a figure, and how it is read."""
    if asked.id in ("win_rate", "mean"):
        return [("numerator", lambda f: f.numerator), ("denominator", lambda f: f.denominator)]
    return [("numerator", lambda f: f.value)]


def test_a_deal_whose_day_moved_leaves_one_period_and_enters_another(warehouse):
    changes = [c for c in ask(warehouse, WON, grain="month", end=JUN).changes if c.id == "moved"]
    assert [(c.start, c.kind, c.delta) for c in changes] == [(MAR, "left", -1), (APR, "entered", 1)]


def test_a_value_that_still_has_another_row_did_not_leave(warehouse):
    """A count of distinct values names the values: the account of the late deal was there already."""
    assert [c.id for c in ask(warehouse, ACCOUNTS).changes] == ["acc-gone", "acc-lost", "acc-moved"]


def test_a_derived_kpi_tells_the_changes_of_what_it_is_made_of(warehouse):
    assert {(c.kpi, c.part) for c in ask(warehouse, DOUBLE).changes} == {("booked", "numerator")}


def test_nothing_new_is_no_change(warehouse):
    found = ask(warehouse, BOOKED, since=date(2026, 5, 25))
    assert found.changes == ()
    [(old, new)] = found.figures
    assert old.value == new.value == Decimal("157.01")


def test_rows_outside_the_scope_are_never_told(warehouse):
    scoped = context(scope=("account_id = 'acc-raised'",))
    query = LateQuery(KpiQuery(("booked",), start=MAR, end=APR, as_of=UNTIL), TOLD)
    assert [c.id for c in late(catalogue(BOOKED), query, warehouse, scoped).changes] == ["raised"]


def test_a_lost_deal_that_was_won_after_all_is_restated_and_stays_lost_as_known_t_18():
    first, second = "2026-04-02", "2026-05-10"
    reopened = [version("a", first, "10", won=False), version("a", second, "10", closed="2026-05-08")]
    found = ask(world(reopened), WIN_RATE, grain="month", end=JUN)
    march, _, may = found.figures
    assert [(f.numerator, f.denominator) for f in march] == [(0, 1), (0, 0)]
    assert [(f.numerator, f.denominator) for f in may] == [(0, 0), (1, 1)]
    assert [(c.start.month, c.kind, c.part) for c in found.changes] == [
        (3, "left", "denominator"),
        (5, "entered", "numerator"),
        (5, "entered", "denominator"),
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"since": UNTIL}, "Nothing is known later"),
        ({"start": None}, "a first day and an end"),
        ({"end": None}, "a first day and an end"),
    ],
)
def test_a_question_that_cannot_be_asked_says_why(warehouse, changes, words):
    with pytest.raises(QueryError, match=words):
        ask(warehouse, BOOKED, **changes)
