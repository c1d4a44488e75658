"""Text → typed: every spelling of numbers, dates and booleans, or a question, never a guess."""

from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from cadran.errors import MappingError, fill
from landing import from_text, land, mapping_of, raw_table

DEALS = """
name: deals
system: crm
match: {files: ["*deals*"]}
entities:
  opportunity:
    id: Id
    columns:
      amount: {from: Amount, optional: true}
      created_at: {from: Created, optional: true}
      expected_close_on: {from: Close, optional: true}
      is_won: {from: Won, optional: true}
      probability: {from: P, optional: true}
      is_closed: {from: Closed, optional: true}
"""


@pytest.fixture
def deals(tmp_path):
    def load(options: str = ""):
        return mapping_of(tmp_path, DEALS + options)

    return load


def column(header: str, cells, mapping, name: str, **options):
    rows = [[str(number), cell] for number, cell in enumerate(cells)]
    found = land(raw_table(["Id", header], rows), mapping, **options)
    return found.only("opportunity", name) if not found.aside else found.aside


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1234.5", "1,234.50", "-3"], ["1234.5", "1234.5", "-3"]),
        (["1234,5", "1.234,50", "-3"], ["1234.5", "1234.5", "-3"]),
        (["12 500,50", "12\u00a0500,50", "12\u202f500,50 €"], ["12500.5"] * 3),
        (["(1,200.00)", "1'200.00", "€ 7", "7.5 EUR", "+7"], ["-1200", "1200", "7", "7.5", "7"]),
        (["1.5k", "1.5 M€", "−2.25"], ["1500", "1500000", "-2.25"]),
        (["1,234,567", "1.5"], ["1234567", "1.5"]),
        (["0,123", "7"], ["0.123", "7"]),
        (["1234.5678", "0.0001"], ["1234.5678", "0.0001"]),
        (["0.30000000000000004"], ["0.3"]),
    ],
)
def test_numbers_are_read_by_the_sign_that_their_column_proves(deals, cells, expected):
    assert column("Amount", cells, deals(), "amount") == [Decimal(x) for x in expected]


@pytest.mark.parametrize("empty", ["", " ", "-", "--", "n/a", "N/A", "null", "#N/A", "None", "\u00a0"])
def test_a_cell_that_says_nothing_is_null(deals, empty):
    assert column("Amount", [empty, "5"], deals(), "amount") == [None, Decimal(5)]


@pytest.mark.parametrize("cell", ["1.234", "1,234", "12.345", "999,999"])
def test_a_column_of_groups_of_three_digits_is_a_question(deals, cell):
    with pytest.raises(MappingError) as found:
        column("Amount", [cell, "7"], deals(), "amount")
    assert cell in str(found.value)
    assert 'decimal: ","' in fill(found.value.hint, found.value.params)
    assert found.value.where.startswith("mappings/file.yml:")


def test_the_line_that_the_question_asks_for_answers_it(deals):
    assert column("Amount", ["1.234"], deals('options: {decimal: ","}'), "amount") == [Decimal(1234)]
    assert column("Amount", ["1.234"], deals('options: {decimal: "."}'), "amount") == [Decimal("1.234")]


def test_numbers_that_a_workbook_holds_are_no_question(deals):
    assert column("Amount", ["1.234"], deals(), "amount", decimal=".") == [Decimal("1.234")]


def test_two_decimal_signs_in_one_column_are_a_question(deals):
    with pytest.raises(MappingError, match="1 numbers with a decimal comma and 2 with a decimal point"):
        column("Amount", ["1,5", "2.5", "3.75"], deals(), "amount")


def test_a_number_grouped_in_the_other_way_sets_its_row_aside(deals):
    """A cell is never read by another sign than its column."""
    (row,) = column("Amount", ["1234.5"], deals('options: {decimal: ","}'), "amount")
    assert (row["code"], row["value"]) == ("bad_number", "1234.5")


@pytest.mark.parametrize("cell", ["12a", "1..2", "12%", "1,23.4.5", "€", "1 2/3"])
def test_what_is_no_amount_sets_its_row_aside(deals, cell):
    found = land(raw_table(["Id", "Amount"], [["1", cell], ["2", "5.5"]]), deals('options: {decimal: "."}'))
    assert [(r["code"], r["column"], r["value"], r["_row"]) for r in found.aside] == [("bad_number", "Amount", cell, 2)]
    assert found.only("opportunity", "source_id") == ["2"]


def test_more_than_four_decimals_of_money_are_refused_and_not_rounded(deals):
    """G-14."""
    (row,) = column("Amount", ["1234.56789"], deals(), "amount")
    assert (row["code"], row["column"], row["value"]) == ("bad_decimals", "Amount", "1234.56789")


def test_a_percent_is_a_share_and_a_bare_number_is_itself(deals):
    assert column("P", ["30%", "0.3", "12.5 %"], deals(), "probability") == [0.3, 0.3, 0.125]


def test_amounts_in_another_currency_than_the_company_are_not_taken_for_its_own(deals):
    found = land(from_text("Id | Amount\n1 | £12.50\n2 | £3.00"), deals())
    assert found.only("opportunity", "currency") == ["GBP", "GBP"]
    with pytest.raises(MappingError, match="in dollars"):
        land(from_text("Id | Amount\n1 | $12.50"), deals())
    with pytest.raises(MappingError, match="several currency signs"):
        land(from_text("Id | Amount\n1 | £12.50\n2 | €3.00"), deals())
    assert land(from_text("Id | Amount\n1 | $12.50"), deals(), currency="CAD").only("opportunity", "currency") == [
        "CAD"
    ]
    assert land(from_text("Id | Amount\n1 | $12.50"), deals("options: {currency: USD}")).only(
        "opportunity", "currency"
    ) == ["USD"]


@pytest.mark.parametrize(
    ("cells", "days"),
    [
        (["31/12/2026", "01/02/2026"], [(12, 31), (2, 1)]),
        (["12/31/2026", "01/02/2026"], [(12, 31), (1, 2)]),
        (["31.12.2026", "1.2.2026"], [(12, 31), (2, 1)]),
        (["31-12-2026", "1-2-2026"], [(12, 31), (2, 1)]),
        (["2026-12-31", "2026/02/01"], [(12, 31), (2, 1)]),
        (["20261231", "20260201"], [(12, 31), (2, 1)]),
        (["31-Dec-2026", "1 Feb 2026"], [(12, 31), (2, 1)]),
        (["31 décembre 2026", "1er févr. 2026"], [(12, 31), (2, 1)]),
        (["Dec 31, 2026", "February 1, 2026"], [(12, 31), (2, 1)]),
        (["1 juin 2026", "1 juil. 2026", "15 août 2026"], [(6, 1), (7, 1), (8, 15)]),
        (["03/03/2026", "04/04/2026"], [(3, 3), (4, 4)]),
        (["31/12/2026 23:59", "01/02/2026 00:00:00"], [(12, 31), (2, 1)]),
        (["12/31/2026 11:59 PM", "1/2/2026, 12:01 a.m."], [(12, 31), (1, 2)]),
    ],
)
def test_days_are_read_by_the_order_that_their_column_proves(deals, cells, days):
    expected = [date(2026, month, day) for month, day in days]
    assert column("Close", cells, deals(), "expected_close_on") == expected


def test_days_and_months_that_can_be_swapped_are_a_question(deals):
    with pytest.raises(MappingError) as found:
        column("Close", ["03/04/2026", "05/06/2026"], deals(), "expected_close_on")
    assert "03/04/2026" in str(found.value)
    assert "options: {dates: DMY}" in fill(found.value.hint, found.value.params)
    assert column("Close", ["03/04/2026"], deals("options: {dates: DMY}"), "expected_close_on") == [date(2026, 4, 3)]
    assert column("Close", ["03/04/2026"], deals("options: {dates: MDY}"), "expected_close_on") == [date(2026, 3, 4)]


def test_a_column_that_mixes_both_orders_is_a_question(deals):
    with pytest.raises(MappingError, match="1 dates that start with the day and 1 that start with the month"):
        column("Close", ["31/12/2026", "12/31/2026"], deals(), "expected_close_on")


@pytest.mark.parametrize(
    ("cell", "option", "expected"),
    [
        ("31/12/26", "DD/MM/YY", date(2026, 12, 31)),
        ("12/31/26", "MM/DD/YY", date(2026, 12, 31)),
        ("45631", "excel", date(2024, 12, 5)),
        ("1767225600", "epoch", date(2026, 1, 1)),
        ("1767225600000", "epoch", date(2026, 1, 1)),
    ],
)
def test_years_of_two_digits_and_bare_numbers_are_read_only_when_the_mapping_says_so(deals, cell, option, expected):
    with pytest.raises(MappingError) as found:
        column("Close", [cell], deals(), "expected_close_on")
    assert cell in str(found.value)
    assert column("Close", [cell], deals(f"options: {{dates: {option}}}"), "expected_close_on") == [expected]


@pytest.mark.parametrize("cell", ["31/02/2026", "2026-13-01", "soon", "32/01/2026", "2026-02-30", "31 foo 2026"])
def test_what_is_no_day_sets_its_row_aside(deals, cell):
    (row,) = column("Close", [cell], deals("options: {dates: DMY}"), "expected_close_on")
    assert (row["code"], row["value"]) == ("bad_date", cell)


@pytest.mark.parametrize(
    ("cell", "utc"),
    [
        ("2026-07-01T10:00:00Z", datetime(2026, 7, 1, 10)),
        ("2026-07-01T10:00Z", datetime(2026, 7, 1, 10)),
        ("2026-07-01 10:00:00 UTC", datetime(2026, 7, 1, 10)),
        ("2026-07-01T10:00:00+02:00", datetime(2026, 7, 1, 8)),
        ("2026-07-01T10:00:00.250+0200", datetime(2026, 7, 1, 8, 0, 0, 250000)),
        ("2026-07-01 10:00:00-05:30", datetime(2026, 7, 1, 15, 30)),
        ("2026-07-01 10:00:00+02", datetime(2026, 7, 1, 8)),
        ("2026-07-01 10:00", datetime(2026, 7, 1, 8)),
        ("2026-01-01 10:00:30", datetime(2026, 1, 1, 9, 0, 30)),
        ("2026-07-01", datetime(2026, 6, 30, 22)),
    ],
)
def test_instants_are_utc_by_their_own_offset_or_by_the_zone_of_the_company(deals, cell, utc):
    assert column("Created", [cell], deals(), "created_at") == [utc]


def test_clocks_that_change_are_read_by_the_rules_of_the_zone(deals):
    """T-11: twice 02:30 in October is the first of the two; 02:30 in March does not exist."""
    cells = ["2026-10-25 02:30", "2026-03-29 02:30", "2026-10-25 03:30"]
    expected = [datetime(2026, 10, 25, 0, 30), datetime(2026, 3, 29, 1, 30), datetime(2026, 10, 25, 2, 30)]
    assert column("Created", cells, deals(), "created_at") == expected


def test_times_of_a_file_in_another_zone_are_read_there_and_days_stay_days(deals):
    """G-6: 23:30 in New York is the next day in Paris; a day without a time is that day in Paris."""
    mapping = deals("options: {zone: America/New_York}")
    assert column("Created", ["2026-03-31 23:30", "2026-03-31"], mapping, "created_at") == [
        datetime(2026, 4, 1, 3, 30),
        datetime(2026, 3, 30, 22),
    ]
    assert column("Close", ["2026-03-31 23:30", "2026-03-31"], mapping, "expected_close_on") == [
        date(2026, 4, 1),
        date(2026, 3, 31),
    ]


def test_midnight_utc_of_a_program_is_that_day_everywhere(deals):
    cells = ["2026-03-31T00:00:00Z", "2026-03-31T00:00:00.000+00:00"]
    found = column("Close", cells, deals(), "expected_close_on", zone="America/New_York")
    assert found == [date(2026, 3, 31)] * 2


def test_booleans_are_read_in_both_languages(deals):
    cells = ["TRUE", "1", "Oui", "Vrai", "yes", "false", "0", "Non", "FAUX", "no", ""]
    assert column("Won", cells, deals(), "is_won") == [True] * 5 + [False] * 5 + [None]
    (row,) = column("Won", ["perhaps"], deals(), "is_won")
    assert row["code"] == "bad_bool"


def test_columns_that_have_a_type_already_keep_it(deals):
    table = pa.table(
        {
            "Id": pa.array([1, 2], pa.int64()),
            "Amount": pa.array([1234.5, None], pa.float64()),
            "Created": pa.array([datetime(2026, 7, 1, 10), None], pa.timestamp("us", tz="Europe/Paris")),
            "Close": pa.array([date(2026, 12, 31), None], pa.date32()),
            "Won": pa.array([True, None], pa.bool_()),
            "_row": pa.array([1, 2], pa.int64()),
        }
    )
    found = land(table, deals())
    assert found.aside == []
    first = min(found.tables["opportunity"], key=lambda row: row["_row"])
    assert (first["source_id"], first["amount"], first["is_won"]) == ("1", Decimal("1234.5"), True)
    assert (first["created_at"], first["expected_close_on"]) == (datetime(2026, 7, 1, 10), date(2026, 12, 31))


def test_whole_numbers_are_grouped_by_either_sign(tmp_path):
    text = "name: s\nsystem: s\nmatch: {files: [x]}\nentities: {spend: {id: Id, columns: {clicks: C}}}"
    rows = [["1", "1,234"], ["2", "1.234"], ["3", "12"], ["4", "12.0"], ["5", "1.5"]]
    found = land(raw_table(["Id", "C"], rows), mapping_of(tmp_path, text))
    assert found.only("spend", "clicks") == [1234, 1234, 12, 12]
    assert [(row["code"], row["value"]) for row in found.aside] == [("bad_int", "1.5")]


def test_a_scale_multiplies_exactly(tmp_path):
    text = "name: d\nsystem: s\nmatch: {files: [x]}\nentities: {opportunity: {id: Id, columns: {amount: {from: A, scale: %s}}}}"
    table = from_text("Id | A\n1 | 1100.04\n2 | 12\n3 | 0.01")
    millions = land(table, mapping_of(tmp_path, text % 1000000))
    assert millions.only("opportunity", "amount") == [Decimal(1100040000), Decimal(12000000), Decimal(10000)]
    cents = land(table, mapping_of(tmp_path, text % '"0.01"'))
    assert cents.only("opportunity", "amount") == [Decimal("11.0004"), Decimal("0.12"), Decimal("0.0001")]


def test_a_number_that_no_amount_can_hold_sets_its_row_aside(deals):
    cells = ["99999999999999999999", "5.5"]
    (row,) = column("Amount", cells, deals(), "amount")
    assert row["code"] == "bad_number"
