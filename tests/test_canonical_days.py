"""Days are cut in the zone, by the zone's own rules."""

import datetime as dt

import ibis
import pytest

from cadran.canonical import days
from tables import collect


def moments(*texts: str | None) -> ibis.Table:
    return ibis.memtable(
        {"at": [dt.datetime.fromisoformat(text) if text else None for text in texts]}, schema={"at": "timestamp(6)"}
    )


def test_a_deal_late_on_31_march_in_new_york_is_of_april_in_paris():
    """G-6: 2026-03-31T23:30 in New York is 03:30 UTC, 05:30 in Paris, on 1 April."""
    table = moments("2026-04-01T03:30")
    table = table.mutate(
        new_york=days.local_day(table.at, "America/New_York"), paris=days.local_day(table.at, "Europe/Paris")
    )

    row = collect(table)[0]

    assert dt.date(2026, 3, 31) == row["new_york"]
    assert dt.date(2026, 4, 1) == row["paris"]


@pytest.mark.parametrize(
    ("utc", "local"),
    [
        ("2026-03-29T00:59", "2026-03-29T01:59"),
        ("2026-03-29T01:00", "2026-03-29T03:00"),
        ("2026-10-25T00:59", "2026-10-25T02:59"),
        ("2026-10-25T01:00", "2026-10-25T02:00"),
    ],
)
def test_the_clocks_of_paris_change_at_one_utc(utc, local):
    """T-11: from 01:30 to 03:30 on 29 March 2026 in Paris, one hour passes."""
    table = moments(utc)

    row = collect(table.mutate(wall=days.utc_to_local(table.at, "Europe/Paris")))[0]

    assert dt.datetime.fromisoformat(local) == row["wall"]


def test_noon_in_paris_is_seven_in_new_york_when_only_new_york_has_changed_its_clocks():
    """T-12: 16 March 2026, a gap of five hours and not six."""
    table = moments("2026-03-16T12:00")
    utc = days.local_to_utc(table.at, "Europe/Paris")

    row = collect(table.mutate(utc=utc, there=days.utc_to_local(utc, "America/New_York")))[0]

    assert dt.datetime(2026, 3, 16, 11) == row["utc"]
    assert dt.datetime(2026, 3, 16, 7) == row["there"]


def test_a_column_can_name_the_zone_of_each_row():
    table = moments("2026-04-01T03:30", "2026-04-01T03:30")
    zone = ibis.ifelse(ibis.row_number().over() == 0, "America/New_York", "Europe/Paris")

    rows = collect(table.mutate(zone=zone).mutate(on=lambda t: days.local_day(t.at, t.zone)), "on")

    assert [dt.date(2026, 3, 31), dt.date(2026, 4, 1)] == [row["on"] for row in rows]


def test_no_instant_has_no_day():
    table = moments(None)

    assert collect(table.select(on=days.local_day(table.at, "Europe/Paris"))) == [{"on": None}]


def test_days_between_dates_are_whole_and_signed_and_between_instants_have_fractions():
    table = ibis.memtable(
        {
            "a": [dt.date(2026, 3, 1)],
            "b": [dt.date(2026, 2, 27)],
            "s": [dt.datetime(2026, 3, 1)],
            "e": [dt.datetime(2026, 3, 2, 12)],
        }
    )

    row = collect(table.select(whole=days.days_between(table.a, table.b), part=days.days_elapsed(table.s, table.e)))[0]

    assert row == {"whole": -2, "part": 1.5}


def test_the_same_expression_compiles_for_postgresql():
    table = ibis.table({"at": "timestamp(6)"}, name="t")

    sql = str(ibis.to_sql(table.select(on=days.local_day(table.at, "Europe/Paris")), dialect="postgres"))

    assert "TIMEZONE('Europe/Paris', TIMEZONE('UTC'" in sql
