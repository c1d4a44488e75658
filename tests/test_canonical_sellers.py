"""Forecasts beside what came of them, where selling time goes, and the frozen baseline of cycles."""

from __future__ import annotations

import datetime as dt

import pytest

from cadran.canonical.forecast import forecast_outcome
from cadran.canonical.schema import MONEY
from cadran.canonical.selling import selling_week
from tables import collect, collect_deals, landed_tables, settings

KNOWN = settings("2026-07-10")
QUARTER = {"start_on": "2026-04-01", "end_on": "2026-07-01"}


def outcomes(known=KNOWN, deals=(), **rows):
    """Forecasts with what a build publishes of deals and submissions beside their own columns."""
    t = landed_tables(opportunity=list(deals), **rows)
    won = t["opportunity"].mutate(amount_base=t["opportunity"].amount, closed_on=t["opportunity"].closed_at.date())
    won = won.mutate(team=won.id.nullif(won.id), segment=won.id.nullif(won.id), market=won.id.nullif(won.id))
    said = t["forecast_submission"].mutate(amount_base=t["forecast_submission"].amount.cast(MONEY))
    found = collect(forecast_outcome(said, {**t, "opportunity": won}, known))
    return {(row["scope"], row["horizon"], row["forecast_type"]): row for row in found}


def said(owner, at, amount, **values):
    return {
        "scope_type": "owner", "owner_id": owner, "submitted_at": at, "amount": amount, "category": "Commit", **QUARTER, **values
    }  # fmt: skip


def won(id_, owner, amount, at="2026-05-10", **values):
    return {"id": id_, "owner_id": owner, "amount": amount, "closed_at": at, "is_won": True, "is_test": False, **values}


def test_the_forecast_is_the_one_known_on_the_first_day_and_later_edits_do_not_count():
    """T-82."""
    rows = [said("a", "2026-03-20", 90), said("a", "2026-04-01T15:00", 120), said("a", "2026-05-10", 110)]
    rows += [said("a", "2026-06-30", 100)]

    found = outcomes(forecast_submission=rows, deals=[won("1", "a", 100)])

    start, middle = found["a", "start", "commit"], found["a", "middle", "commit"]
    assert (start["forecast"], start["actual"], start["error"], start["abs_error"]) == (120, 100, 20, 20)
    assert (middle["forecast"], middle["is_final"], str(middle["last_on"])) == (110, True, "2026-06-30")


def test_who_signs_without_a_forecast_has_a_row_that_says_so_and_a_period_to_come_is_not_final():
    rows = [said("a", "2026-03-20", 90), said("c", "2026-07-01", 50, start_on="2026-07-01", end_on="2026-10-01")]

    found = outcomes(forecast_submission=rows, deals=[won("1", "b", 70), won("2", "c", 10, at="2026-07-05")])

    assert {key[0]: (row["is_submitted"], row["is_final"]) for key, row in found.items() if key[1] == "start"} == {
        "a": (True, True), "b": (False, True), "c": (True, False),
    }  # fmt: skip
    assert found["b", "start", "commit"]["error"] == -70


def test_a_roll_up_of_a_manager_is_not_added_to_the_forecasts_of_people():
    rows = [said("a", "2026-03-20", 90), said("m", "2026-03-20", 900, scope_type="team", scope="North")]
    found = outcomes(forecast_submission=rows, deals=[won("1", "a", 100)])
    assert {key[0] for key in found} == {"a"}


def entries(owner, day, **minutes):
    return [
        {"owner_id": owner, "day_on": day, "category": name, "is_selling": name == "selling", "minutes": n}
        for name, n in minutes.items()
    ]


def weeks(**rows):
    found = collect(selling_week(landed_tables(**rows), KNOWN))
    return {(row["owner_id"], str(row["week_on"])): row for row in found}


def test_categories_that_overlap_are_brought_back_to_a_week_and_flagged():
    """T-69: 72 hours tracked in a week, of which 24 of selling."""
    tracked = entries("a", "2026-03-03", selling=1440, other=1440) + entries("a", "2026-03-05", other=1440)
    row = weeks(time_entry=tracked)["a", "2026-03-02"]
    assert (row["is_over"], row["minutes"], row["selling_minutes"]) == (True, 3600.0, pytest.approx(1200.0))


def test_a_seller_who_tracks_nothing_is_left_out_of_the_share_and_counted():
    """T-69."""
    people = [
        {"id": "a", "role": "AE"}, {"id": "b", "role": "Account executive"}, {"id": "c", "role": "Marketing"},
        {"id": "d", "role": "SDR", "end_on": "2026-03-01"}, {"id": "e", "role": "SDR", "is_active": False},
        {"id": "f", "role": "SDR", "start_on": "2026-03-09"},
    ]  # fmt: skip
    running = entries("a", "2026-07-08", selling=10)

    found = weeks(owner=people, time_entry=[*entries("a", "2026-03-03", selling=600, other=1200), *running])

    assert {key: (row["is_tracked"], row["minutes"]) for key, row in found.items()} == {
        ("a", "2026-03-02"): (True, 1800.0), ("b", "2026-03-02"): (False, 0.0),
    }  # fmt: skip


@pytest.mark.slow
def test_cycles_are_compared_with_those_of_a_frozen_year():
    """T-73: the year that starts with the first win, of their segment where it has enough of them."""

    def deal(n, closed, cycle, segment="SMB"):
        day = dt.date.fromisoformat(closed)
        return {
            "id": f"{segment}{n}", "account_id": segment, "created_at": str(day - dt.timedelta(days=cycle)), "stage": "Won",
            "is_closed": True, "is_won": True, "closed_at": closed,
        }  # fmt: skip

    rows = [deal(n, f"2025-01-{n + 1:02}", 40) for n in range(12)] + [deal(50, "2026-06-01", 10)]
    rows += [deal(n, f"2025-02-{n + 1:02}", 100, "Big") for n in range(3)]
    accounts = [{"id": name, "segment": name} for name in ("SMB", "Big")]
    landed = landed_tables(opportunity=rows, account=accounts)

    found = collect_deals(landed, KNOWN, "opportunity")["opportunity"]
    young = collect_deals(landed, settings("2025-12-01"), "opportunity")["opportunity"]
    moved = collect_deals(landed, settings("2026-07-10", baseline_from=dt.date(2025, 2, 1)), "opportunity")[
        "opportunity"
    ]

    by_segment = {row["segment"]: row["baseline_cycle_days"] for row in found}
    assert by_segment == {"SMB": 40.0, "Big": pytest.approx((12 * 40 + 3 * 100) / 15)}
    assert {row["baseline_cycle_days"] for row in young} == {None}
    assert {row["baseline_cycle_days"] for row in moved} == {100.0}


def test_a_win_remembers_who_created_the_deal():
    """T-99: the credit is the closer's; who created it stands beside."""
    history = [{"entity_id": "x", "field": "owner_id", "changed_at": "2026-02-01", "old_value": "o", "new_value": "p"}]
    deal = {
        "id": "x",
        "created_at": "2026-01-10",
        "owner_id": "p",
        "stage": "Won",
        "is_won": True,
        "closed_at": "2026-03-01",
    }
    landed = landed_tables(
        opportunity=[deal], owner=[{"id": "o", "name": "Ann"}, {"id": "p", "name": "Bob"}], field_history=history
    )
    (row,) = collect_deals(landed, KNOWN, "opportunity")["opportunity"]
    assert (row["owner"], row["creator"]) == ("Bob", "Ann")
