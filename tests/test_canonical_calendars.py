"""Working time by zone: opening hours, holidays, summer time, later changes."""

from datetime import date, datetime, time

import pytest

from cadran.canonical.calendars import HoursFrom, known_zones, public_holidays, working_minutes
from cadran.config import BusinessHours
from cadran.errors import ConfigError

ALWAYS = date(2000, 1, 1)
OFFICE = (HoursFrom(ALWAYS, BusinessHours()),)


def minutes_at(table, zone, moment):
    """An independent reading of the table at one naive UTC instant."""
    row = next(r for r in table.to_pylist() if r["calendar"] == zone and r["utc_on"] == moment.date())
    minute = moment.hour * 60 + moment.minute
    first = min(max(minute, row["first_from"]), row["first_to"]) - row["first_from"]
    second = min(max(minute, row["second_from"]), row["second_to"]) - row["second_from"]
    return row["minutes_before"] + first + second


def worked(zone, start, end, hours=OFFICE):
    table = working_minutes([zone], hours, date(2025, 12, 1), date(2026, 12, 1))
    return minutes_at(table, zone, end) - minutes_at(table, zone, start)


def test_friday_afternoon_to_monday_morning_is_one_working_hour():
    """T-10: Friday 16:30 to Monday 09:30 in Paris, hours 09-17."""
    assert worked("Europe/Paris", datetime(2026, 3, 6, 15, 30), datetime(2026, 3, 9, 8, 30)) == 60


def test_a_working_day_is_eight_hours_on_both_sides_of_the_change_of_time():
    """T-11: Europe/Paris moves on Sunday 29 March 2026."""
    assert worked("Europe/Paris", datetime(2026, 3, 27, 8), datetime(2026, 3, 27, 16)) == 480
    assert worked("Europe/Paris", datetime(2026, 3, 30, 7), datetime(2026, 3, 30, 15)) == 480


def test_each_zone_keeps_its_own_rules():
    """T-12: 16 March 2026 noon in Paris is 07:00 in New York, which moved a week earlier."""
    noon = datetime(2026, 3, 16, 11)
    assert worked("Europe/Paris", noon, datetime(2026, 3, 16, 13)) == 120
    assert worked("America/New_York", noon, datetime(2026, 3, 16, 13)) == 0
    assert worked("America/New_York", noon, datetime(2026, 3, 16, 14)) == 60


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "Pacific/Honolulu", "Asia/Kolkata", "Europe/Paris"])
def test_a_week_has_forty_hours_wherever_utc_midnight_falls(zone):
    assert worked(zone, datetime(2026, 6, 7, 12), datetime(2026, 6, 14, 12)) == 5 * 480


def test_public_holidays_are_free():
    paris = (HoursFrom(ALWAYS, BusinessHours(holiday_country="FR")),)
    assert worked("Europe/Paris", datetime(2026, 5, 1, 0), datetime(2026, 5, 2, 0), paris) == 0
    assert worked("Europe/Paris", datetime(2026, 5, 1, 0), datetime(2026, 5, 2, 0)) == 480


def test_a_state_has_holidays_of_its_own():
    california = (HoursFrom(ALWAYS, BusinessHours(holiday_country="US-CA")),)
    country = (HoursFrom(ALWAYS, BusinessHours(holiday_country="US")),)
    day = (datetime(2026, 3, 31, 8), datetime(2026, 4, 1, 6))
    assert worked("America/Los_Angeles", *day, california) == 0
    assert worked("America/Los_Angeles", *day, country) == 480


def test_later_hours_leave_earlier_days_as_they_were():
    """T-15: the hours that hold on a day are those valid then."""
    longer = HoursFrom(date(2026, 7, 1), BusinessHours(opens=time(8), closes=time(20)))
    before = worked("Europe/Paris", datetime(2026, 6, 1, 0), datetime(2026, 6, 30, 0))
    assert worked("Europe/Paris", datetime(2026, 6, 1, 0), datetime(2026, 6, 30, 0), (longer, *OFFICE)) == before
    assert worked("Europe/Paris", datetime(2026, 7, 1, 3), datetime(2026, 7, 1, 22), (longer, *OFFICE)) == 720


def test_days_before_the_first_hours_follow_the_first_hours():
    late = (HoursFrom(date(2026, 6, 1), BusinessHours()),)
    assert worked("Europe/Paris", datetime(2026, 3, 2, 0), datetime(2026, 3, 3, 0), late) == 480


def test_no_zone_gives_an_empty_table_with_its_columns():
    table = working_minutes([], OFFICE, date(2026, 1, 1), date(2026, 2, 1))
    assert table.num_rows == 0
    assert table.column_names[0] == "calendar"


def test_only_real_zones_make_calendars():
    assert known_zones(["Europe/Paris", "Paris", None, "", "Asia/Tokyo", "Europe/Paris"]) == [
        "Asia/Tokyo",
        "Europe/Paris",
    ]


def test_an_unknown_country_is_refused_by_name():
    with pytest.raises(ConfigError, match="XX"):
        working_minutes(["UTC"], (HoursFrom(ALWAYS, BusinessHours(holiday_country="XX")),), ALWAYS, date(2000, 2, 1))


def test_public_holidays_are_those_of_a_country_or_of_a_part_of_it():
    cesar_chavez, christmas = date(2026, 3, 31), date(2026, 12, 25)
    assert {cesar_chavez, christmas} <= public_holidays("US-CA", range(2026, 2027))
    assert cesar_chavez not in public_holidays("US", [2026])
    assert public_holidays("", [2026]) == frozenset()
