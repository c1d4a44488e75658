import string
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.pofile import read_po

from cadran import i18n
from cadran.errors import Issue, QueryError
from cadran.i18n import (
    WORDS,
    error_text,
    format_date,
    format_delta,
    format_interval,
    format_moment,
    format_number,
    format_period,
    format_ratio,
    format_value,
    issue_text,
    pick_language,
    say,
    segment_name,
)
from cadran.period import Calendar, Period

CALENDAR = Calendar()


@pytest.mark.parametrize(
    ("value", "unit", "french", "english"),
    [
        (Decimal(1234500), "money", "1\u202f234,5\u00a0k€", "€1,234.5k"),
        (Decimal("0.25"), "rate", "25,0\u00a0%", "25.0%"),
        (0.274, "rate", "27,4\u00a0%", "27.4%"),
        (Decimal(41300), "money", "41,3\u00a0k€", "€41.3k"),
        (Decimal(-180000), "money", "−180\u00a0k€", "−€180k"),
        (Decimal("3333.33"), "money_per_day", "3\u202f333\u00a0€/j", "€3,333/d"),
        (68, "days", "68\u00a0j", "68\u00a0d"),
        (1.5, "hours", "1,5\u00a0h", "1.5\u00a0h"),
        (13.8, "months", "13,8\u00a0mois", "13.8\u00a0mo"),
        (Decimal("3.1"), "multiple", "3,1×", "3.1×"),
        (Decimal("2.25"), "multiple", "2,25×", "2.25×"),
        (2598, "count", "2\u202f598", "2,598"),
        (None, "rate", "–", "–"),
    ],
)
def test_it_writes_values_as_each_language_reads_them(value, unit, french, english):
    """G-15."""

    assert format_value(value, unit, "EUR", "fr") == french
    assert format_value(value, unit, "EUR", "en") == english


def test_a_tile_counts_millions_and_a_tooltip_shows_every_digit():
    assert format_value(Decimal("1234567.89"), "money", "EUR", "fr", style="compact") == "1,23\u00a0M€"
    assert format_value(Decimal("1234567.89"), "money", "EUR", "en", style="exact") == "€1,234,567.89"


def test_billions_are_milliards_in_french():
    assert format_value(Decimal(2_500_000_000), "money", "EUR", "fr") == "2,50\u00a0Md€"
    assert format_value(Decimal(2_500_000_000), "money", "EUR", "en") == "€2.50B"


def test_a_currency_without_a_sign_keeps_its_letters_apart():
    assert format_value(Decimal(25000), "money", "CHF", "en") == "CHF\u00a025k"
    assert format_value(Decimal(25000), "money", "CHF", "fr") == "25\u00a0kCHF"


def test_halves_round_away_from_zero_as_people_expect():
    assert [format_number(Decimal(text), "en") for text in ("0.5", "1.5", "2.5", "-2.5")] == ["1", "2", "3", "−3"]


def test_a_number_that_rounds_to_zero_has_no_sign():
    assert format_number(-0.004, "en", decimals=1, sign=True) == "0.0"


@pytest.mark.parametrize(
    ("delta", "unit", "french", "english"),
    [
        (-0.021, "rate", "−2,1\u00a0pts", "−2.1\u00a0pts"),
        (0.008, "rate", "+0,8\u00a0pt", "+0.8\u00a0pt"),
        (Decimal(5), "days", "+5\u00a0j", "+5\u00a0d"),
        (None, "money", "–", "–"),
    ],
)
def test_differences_are_signed_and_those_of_rates_are_points(delta, unit, french, english):
    assert format_delta(delta, unit, "EUR", "fr") == french
    assert format_delta(delta, unit, "EUR", "en") == english


def test_a_relative_change_is_a_signed_per_cent_or_a_dash():
    assert format_ratio(0.125, "fr") == "+12,5\u00a0%"
    assert format_ratio(-0.125, "en") == "−12.5%"
    assert format_ratio(None, "en") == "–"


@pytest.mark.parametrize(
    ("low", "high", "unit", "french", "english"),
    [
        (0.257, 0.292, "rate", "25,7–29,2\u00a0%", "25.7–29.2%"),
        (36200, 46900, "money", "36,2–46,9\u00a0k€", "€36.2–46.9k"),
        (-0.05, 0.03, "rate", "−5,0\u00a0à\u00a03,0\u00a0%", "−5.0\u00a0to\u00a03.0%"),
        (1376, None, "money", "≥\u00a01\u202f376\u00a0€", "≥\u00a0€1,376"),
        (None, 12, "days", "≤\u00a012\u00a0j", "≤\u00a012\u00a0d"),
        (None, None, "days", "–", "–"),
    ],
)
def test_an_interval_has_one_unit_and_may_be_open(low, high, unit, french, english):
    assert format_interval(low, high, unit, "EUR", "fr") == french
    assert format_interval(low, high, unit, "EUR", "en") == english


@pytest.mark.parametrize(
    ("start", "end", "french", "english"),
    [
        (date(2026, 3, 16), date(2026, 3, 23), "sem. 12 2026", "wk 12 2026"),
        (date(2026, 1, 1), date(2026, 4, 1), "T1 2026", "Q1 2026"),
        (date(2026, 3, 1), date(2026, 4, 1), "mars 2026", "March 2026"),
        (date(2026, 1, 1), date(2027, 1, 1), "2026", "2026"),
        (date(2026, 3, 1), date(2026, 3, 2), "1er mars 2026", "Mar 1, 2026"),
        (date(2026, 3, 1), date(2026, 3, 16), "1er – 15 mars 2026", "Mar 1 – Mar 15, 2026"),
        (date(2025, 12, 1), date(2026, 3, 16), "1er déc. 2025 – 15 mars 2026", "Dec 1, 2025 – Mar 15, 2026"),
    ],
)
def test_a_period_is_named_by_its_grain_or_by_its_days(start, end, french, english):
    assert format_period(start, end, CALENDAR, "fr") == french
    assert format_period(start, end, CALENDAR, "en") == english


def test_the_first_of_january_2027_is_in_iso_week_53_of_2026():
    """G-8."""

    week = CALENDAR.containing(date(2027, 1, 1), "week")

    assert format_period(week.start, week.end, CALENDAR, "en") == "wk 53 2026"


def test_a_fiscal_quarter_says_that_its_year_is_fiscal():
    """G-7."""

    fiscal = Calendar(fiscal_start=4)

    assert format_period(date(2026, 4, 1), date(2026, 7, 1), fiscal, "en") == "Q1 FY2027"
    assert format_period(date(2026, 4, 1), date(2026, 7, 1), fiscal, "fr") == "T1 exercice 2027"


def test_a_retail_month_is_numbered_in_its_year():
    """G-7."""

    retail = Calendar(scheme="4-4-5")
    third = retail.containing(date(2026, 3, 15), "month")

    assert format_period(third.start, third.end, retail, "en") == "P3 FY2026"


def test_an_axis_cuts_month_names_short():
    month = Period(date(2026, 9, 1), date(2026, 10, 1))

    assert format_period(month.start, month.end, CALENDAR, "en", short=True) == "Sep 2026"
    assert format_period(date(2026, 9, 3), date(2026, 9, 4), CALENDAR, "en", short=True) == "Sep 3"


def test_the_first_day_of_a_month_is_1er_in_french():
    assert format_date(date(2026, 10, 1), "fr") == "1er oct. 2026"
    assert format_date(date(2026, 10, 21), "fr", year=False) == "21 oct."
    assert format_date(date(2026, 10, 1), "en") == "Oct 1, 2026"


def test_an_instant_is_told_by_the_clock_of_its_zone():
    moment = datetime(2026, 10, 1, 8, 38, tzinfo=UTC)

    assert format_moment(moment, "fr", ZoneInfo("Europe/Paris")) == "1er oct. 2026 à 10:38"
    assert format_moment(moment.replace(tzinfo=None), "en", ZoneInfo("Europe/Paris")) == "Oct 1, 2026, 10:38"


def test_a_missing_segment_is_named_and_never_blank():
    """G-9."""

    assert segment_name(None, "fr") == "(non renseigné)"
    assert segment_name(None, "en") == "(not given)"
    assert segment_name("SMB", "fr") == "SMB"


def test_fields_are_written_as_the_language_writes_them():
    params = {"n": 1234, "share": 0.123, "cost": Decimal("1234.50"), "day": date(2026, 3, 1)}

    assert (
        say("{n:,}, {share:.1%}, {cost}, {day}", params, "fr") == "1\u202f234, 12,3\u00a0%, 1\u202f234,5, 1er mars 2026"
    )
    assert say("{n:,}, {share:.1%}, {cost}, {day}", params, "en") == "1,234, 12.3%, 1,234.5, Mar 1, 2026"


def test_french_typography_touches_the_sentence_and_not_what_it_quotes():
    assert say("Quoi : {what} ?", {"what": "a : b"}, "fr") == "Quoi\u00a0: a : b\u00a0?"


def test_an_error_tells_where_what_and_what_to_do():
    error = QueryError("No KPI named {name}.", hint="Did you mean {near}?", where="--kpi", name="wim", near="win")

    assert error_text(error, "en") == "--kpi: No KPI named wim.\nDid you mean win?"
    assert error_text(QueryError("Sentence."), "fr") == "Sentence."


def test_an_error_inside_an_error_is_told_too():
    assert say("Stopped: {cause}", {"cause": QueryError("Away.")}, "en") == "Stopped: Away."


def test_an_issue_fits_one_line():
    issue = Issue("x", "warning", "{n} rows.", where="a.csv:3", hint="Look.", params={"n": 2})

    assert issue_text(issue, "fr") == "a.csv:3\u00a0: 2 rows. Look."
    assert issue_text(Issue("x", "info", "Row."), "en") == "Row."


@pytest.mark.parametrize(
    ("wanted", "found"), [(["fr-CA", "en"], "fr"), (["en-GB"], "en"), (["de"], "fr"), ([], "fr"), (["EN"], "en")]
)
def test_the_best_wanted_language_is_picked(wanted, found):
    assert pick_language(wanted) == found


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.28, "rate", "28%"), (0.285, "rate", "28.5%"), (8_200_000, "money", "€8.2M"), (3, "multiple", "3×")],
)
def test_a_target_has_no_needless_zeros(value, unit, text):
    assert format_value(value, unit, "EUR", "en", style="round") == text


def test_every_room_translates_a_sentence_the_same_way():
    found = {}
    for file in sorted(Path(i18n.__file__).parent.glob("locale/fr/*.po")):
        with file.open("rb") as stream:
            for message in read_po(stream):
                if message.id:
                    found.setdefault(message.id, set()).add(str(message.string))

    assert {sentence: said for sentence, said in found.items() if len(said) > 1} == {}


def test_every_translation_has_the_fields_of_its_sentence():
    fields = string.Formatter().parse
    for file in sorted(Path(i18n.__file__).parent.glob("locale/fr/*.po")):
        with file.open("rb") as stream:
            for message in read_po(stream):
                wanted = {name for _, name, _, _ in fields(str(message.id)) if name}
                assert {name for _, name, _, _ in fields(str(message.string)) if name} == wanted, (
                    f"{file.name}: {message.id}"
                )


def test_words_of_our_own_are_said_in_the_readers_language_and_the_sources_own_stay():
    assert segment_name("pulled_in", "fr") == "Avancé dans le temps"
    assert segment_name("organic_search", "en") == "Organic search"
    assert segment_name("Grands comptes", "en") == "Grands comptes"
    assert all(segment_name(word, "fr") != word for word in WORDS)
