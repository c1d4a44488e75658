import csv
import datetime as dt
import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadran.errors import SourceError, fill
from cadran.sources.base import ReadOptions, Tally, unique_names
from cadran.sources.files import inspect, read
from cadran.sources.stamps import from_name, from_preamble


def write(folder, text, name="deals.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def load(path, options=ReadOptions(), knows=None):  # noqa: B008
    """Rows as (number, cells…), and the account of them."""
    shape, tally = inspect(path, options, knows), Tally()
    rows = [tuple(row.values()) for batch in read(path, shape, tally) for row in batch.to_pylist()]
    assert tally.balance == 0
    assert tally.n_landed == len(rows)
    return shape, tally, [(row[-1], *row[:-1]) for row in rows]


def codes(tally):
    return [(issue.code, issue.where) for issue in tally.set_aside]


# One table, every format

HEADERS = ("Record ID", "Nom de l'affaire", "Montant", "Gagnée", "Notes")
TABLE = [
    ("00123", "Société Générale", "1 234,50", "true", 'dit "oui"'),
    ("00124", "Dupont; fils, SA", "", "false", "ligne 1\nligne 2"),
    ("00125", "Œuvre | €", "-12", "true", "a\tb"),
]


def as_csv(delimiter):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([HEADERS, *TABLE])
    return out.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_the_same_table_is_read_from_every_encoding_and_delimiter(tmp_path, encoding, delimiter):
    shape, _, rows = load(write(tmp_path, as_csv(delimiter), encoding=encoding))
    assert (shape.headers, shape.delimiter, shape.header_row) == (HEADERS, delimiter, 1)
    assert rows == [(number, *cells) for number, cells in enumerate(TABLE, start=2)]


def test_big_endian_utf16_with_its_mark_is_read(tmp_path):
    path = write(tmp_path, b"\xfe\xff" + as_csv("\t").encode("utf-16-be"))
    assert load(path)[2] == [(number, *cells) for number, cells in enumerate(TABLE, start=2)]


def test_the_same_table_is_read_from_a_workbook(tmp_path):
    book = openpyxl.Workbook()
    for row in [HEADERS, *TABLE]:
        book.active.append(row)
    book.save(tmp_path / "deals.xlsx")
    shape, _, rows = load(tmp_path / "deals.xlsx")
    assert (shape.headers, shape.sheet) == (HEADERS, "Sheet")
    assert rows == [(number, *cells) for number, cells in enumerate(TABLE, start=2)]


def test_the_same_table_is_read_from_json_lines(tmp_path):
    lines = [json.dumps(dict(zip(HEADERS, row, strict=True)), ensure_ascii=False) for row in TABLE]
    shape, _, rows = load(write(tmp_path, "\n".join(lines), "deals.jsonl"))
    assert shape.headers == HEADERS
    assert rows == [(number, *cells) for number, cells in enumerate(TABLE, start=1)]


def test_the_same_table_is_read_from_parquet(tmp_path):
    pq.write_table(
        pa.Table.from_pylist([dict(zip(HEADERS, row, strict=True)) for row in TABLE]), tmp_path / "d.parquet"
    )
    shape, _, rows = load(tmp_path / "d.parquet")
    assert shape.headers == HEADERS
    assert rows == [(number, *cells) for number, cells in enumerate(TABLE, start=1)]


CELL = st.text(st.characters(codec="utf-8"), max_size=12)
LATIN = st.text(st.sampled_from("aé €;,\t|\"\n\r'ùŒ1."), max_size=12)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_table_that_a_csv_writer_writes_reads_back_the_same(data):
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    delimiter = data.draw(st.sampled_from(",;\t|"))
    width = data.draw(st.integers(1, 5))
    cell = LATIN if encoding == "cp1252" else CELL
    line_end = data.draw(st.sampled_from(["\r\n", "\n"]))
    if line_end == "\n":  # this writer then leaves a lone carriage return without quotes
        cell = cell.map(lambda text: text.replace("\r", ""))
    table = data.draw(st.lists(st.lists(cell, min_size=width, max_size=width), max_size=8))
    # a first cell of words keeps blank rows and totals, which have tests of their own, out of this one
    rows = [[f"x{number}{row[0]}", *row[1:]] for number, row in enumerate(table)]
    headers = [f"Header {number}é" for number in range(width)]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=line_end).writerows([headers, *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), out.getvalue(), encoding=encoding)
        _, tally, found = load(path, ReadOptions(delimiter=delimiter))
    assert tally.set_aside == []
    assert found == [(number, *row) for number, row in enumerate(rows, start=2)]


# Encoding


def test_an_accent_in_the_last_row_of_a_large_file_decides_the_encoding(tmp_path):
    body = "id,name\n" + "1,abc\n" * 1_000_000
    path = write(tmp_path, body.encode() + "2,Zoé\n".encode("cp1252"))
    shape, _, rows = load(path)
    assert (shape.encoding, rows[-1]) == ("cp1252", (1_000_002, "2", "Zoé"))


def test_a_broken_byte_of_utf8_sets_its_row_aside_and_spoils_no_other(tmp_path):
    text = "id,name\n1,Zoé\n2,Hélène\n3,bad\n4,Noël\n".encode().replace(b"bad", b"b\xe9d")
    shape, tally, rows = load(write(tmp_path, text))
    assert (shape.encoding, rows) == ("utf-8", [(2, "1", "Zoé"), (3, "2", "Hélène"), (5, "4", "Noël")])
    assert codes(tally) == [("bad_encoding", "deals.csv:4")]
    assert tally.set_aside[0].params == {"column": "name", "value": "b?d"}


def test_a_byte_that_cp1252_does_not_know_sets_its_row_aside(tmp_path):
    _, tally, rows = load(write(tmp_path, b"id,name\n1,Zo\xe9\n2,\x81x\n"))
    assert rows == [(2, "1", "Zoé")]
    assert codes(tally) == [("bad_encoding", "deals.csv:3")]


def test_a_file_that_mixes_encodings_says_so(tmp_path):
    shape, _, rows = load(write(tmp_path, "id,name\n1,Zoé\n2,Noël\n3,Anaïs\n".encode("cp1252") + "4,é\n".encode()))
    assert [issue.code for issue in shape.issues] == ["mixed_encoding"]
    assert rows[0] == (2, "1", "Zoé")


def test_an_encoding_that_is_given_wins(tmp_path):
    path = write(tmp_path, "id,name\n1,Zoé\n".encode("mac-roman"))
    assert load(path, ReadOptions(encoding="mac-roman"))[2] == [(2, "1", "Zoé")]


def test_an_encoding_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no text encoding named klingon"):
        inspect(write(tmp_path, "a,b\n"), ReadOptions(encoding="klingon"))


def test_utf16_cut_in_the_middle_is_refused(tmp_path):
    with pytest.raises(SourceError, match="utf-16"):
        load(write(tmp_path, "id,name\n1,Zoé\n".encode("utf-16")[:-1]))


# Delimiter


def test_decimal_commas_are_not_delimiters(tmp_path):
    shape, _, rows = load(write(tmp_path, "nom;montant;taux\nA;1,5;0,2\nB;2,5;0,3\n"))
    assert (shape.delimiter, rows[0]) == (";", (2, "A", "1,5", "0,2"))


def test_delimiters_between_quotes_do_not_count(tmp_path):
    text = 'id,note\n1,"a;b;c"\n2,"d;e;f"\n3,"g;h;i"\n'
    assert inspect(write(tmp_path, text)).delimiter == ","


def test_one_column_of_prose_is_one_column(tmp_path):
    shape, _, rows = load(write(tmp_path, "Note\nbonjour\noui, merci\nnon\nd'accord\n"))
    assert (shape.headers, shape.delimiter, len(rows)) == (("Note",), "", 4)


def test_the_separator_line_of_excel_names_the_delimiter(tmp_path):
    shape, _, rows = load(write(tmp_path, "sep=;\nid;name\n1;a\n"))
    assert (shape.delimiter, shape.header_row, rows) == (";", 2, [(3, "1", "a")])


def test_a_delimiter_is_one_character(tmp_path):
    assert load(write(tmp_path, "a\tb\n1\t2\n"), ReadOptions(delimiter="tab"))[2] == [(2, "1", "2")]
    with pytest.raises(SourceError, match="not one character"):
        inspect(write(tmp_path, "a,b\n"), ReadOptions(delimiter=",;"))


# Header and preamble

GOOGLE_ADS = (
    "Campaign report\n"
    '"January 1, 2026 - January 31, 2026"\n'
    "Campaign,Campaign state,Currency code,Cost,Clicks\n"
    'Brand,Enabled,EUR,"1,234.50",10\n'
    "Total Energies,Enabled,EUR,5.00,1\n"
    "Total,Enabled,EUR,5.00,1\n"
    'Total: Campaigns, --,EUR,"1,244.50",12\n'
    'Total: Account, --,EUR,"1,244.50",12\n'
)


def test_google_ads_preamble_and_totals_are_left_out_and_counted(tmp_path):
    shape, tally, rows = load(write(tmp_path, GOOGLE_ADS))
    assert shape.header_row == 3
    assert shape.preamble == ("Campaign report", "January 1, 2026 - January 31, 2026")
    assert [row[1] for row in rows] == ["Brand", "Total Energies", "Total"]
    assert (tally.n_read, tally.n_totals) == (5, 2)


def test_google_ads_excel_csv_is_utf16_with_tabs(tmp_path):
    rows = csv.reader(io.StringIO(GOOGLE_ADS))
    text = "\n".join("\t".join(row) for row in rows)
    shape, tally, _ = load(write(tmp_path, text, encoding="utf-16"))
    assert (shape.delimiter, shape.header_row, tally.n_totals) == ("\t", 3, 2)


def test_linkedin_preamble_gives_the_instant_of_the_export(tmp_path):
    text = (
        "Campaign Performance Report (in UTC)\n"
        "Report Start: January 1, 2026, 12:00 AM\n"
        "Report End: January 31, 2026, 11:59 PM\n"
        "Date Generated: February 2, 2026, 3:05 PM\n"
        "\n"
        "Start Date (in UTC)\tCampaign Name\tCurrency\tTotal Spent\tImpressions\n"
        "1/5/2026\tBrand\tEUR\t12.50\t100\n"
    )
    shape, _, rows = load(write(tmp_path, text, encoding="utf-16"))
    assert shape.header_row == 6
    assert shape.exported_at == dt.datetime(2026, 2, 2, 15, 5)
    assert rows == [(7, "1/5/2026", "Brand", "EUR", "12.50", "100")]


GA4 = """# ----------------------------------------
# Traffic acquisition: Session primary channel group
# Account: Acme, Inc.
# ----------------------------------------
#
# All Users
# Start date: 20260101
# End date: 20260131
Session primary channel group,Sessions,Engaged sessions
,150,70
Direct,100,50
(not set),50,20

# All Users
# Start date: 20260101
# End date: 20260131
Country,Sessions
France,90
"""


def test_the_first_table_of_a_ga4_file_is_read_and_the_others_are_reported(tmp_path):
    shape, tally, rows = load(write(tmp_path, GA4))
    assert shape.header_row == 9
    assert shape.exported_at == dt.datetime(2026, 1, 31, 23, 59, 59)
    assert rows == [(11, "Direct", "100", "50"), (12, "(not set)", "50", "20")]
    assert (tally.n_totals, tally.n_blank, tally.n_other) == (1, 1, 5)
    assert [(issue.code, issue.where, issue.n_rows) for issue in tally.issues] == [("other_tables", "deals.csv:14", 5)]


def test_the_known_table_of_a_ga4_file_is_read_wherever_it_is(tmp_path):
    shape, _, rows = load(write(tmp_path, GA4), knows=lambda headers: "Country" in headers)
    assert (shape.header_row, rows) == (17, [(18, "France", "90")])
    assert [(issue.code, issue.where, issue.n_rows) for issue in shape.issues] == [("other_tables", "deals.csv:9", 4)]


def test_the_grand_total_of_an_exploration_may_stand_in_a_column_of_its_own(tmp_path):
    text = "# Free form 1\n# 20260101-20260131\n\nEvent name,Event count\n,300,Grand total\npage_view,200\nclick,100\n"
    _, tally, rows = load(write(tmp_path, text))
    assert ([row[1] for row in rows], tally.n_totals, tally.set_aside) == (["page_view", "click"], 1, [])


def test_a_header_that_a_profile_knows_is_preferred(tmp_path):
    text = "Made by,Ann,Paris\nRecord ID,Deal Name,Amount\n1,a,2\n"
    assert load(write(tmp_path, text))[0].header_row == 1
    assert load(write(tmp_path, text), knows=lambda headers: "Record ID" in headers)[0].header_row == 2


def test_the_row_of_the_header_can_be_given(tmp_path):
    text = "Made by,Ann,Paris\nRecord ID,Deal Name,Amount\n1,a,2\n"
    assert load(write(tmp_path, text), ReadOptions(header_row=2))[2] == [(3, "1", "a", "2")]
    with pytest.raises(SourceError, match="no header in row 9"):
        inspect(write(tmp_path, text), ReadOptions(header_row=9))


def test_headers_lose_their_decoration_and_become_different(tmp_path):
    shape = inspect(write(tmp_path, "\ufeff Deal - Title*,Name,\u00a0Name ,,Name (2),_row\n1,2,3,4,5,6\n"))
    assert shape.headers == ("Deal - Title", "Name", "Name (3)", "Column 4", "Name (2)", "_row (2)")


def test_a_second_name_gets_a_number():
    assert unique_names(("Name", "Name", "Name")) == ("Name", "Name (2)", "Name (3)")


def test_a_first_column_without_a_header_does_not_promote_a_data_row(tmp_path):
    shape, _, rows = load(write(tmp_path, ",name,city\nx,Bob,Paris\ny,Zoé,Lyon\n"))
    assert (shape.headers, len(rows)) == (("Column 1", "name", "city"), 2)


def test_rows_that_end_with_a_delimiter_which_their_header_lacks_keep_their_header(tmp_path):
    shape, tally, rows = load(write(tmp_path, "id,name,city\n1,a,x,\n2,b,y,\n"))
    assert (shape.headers, tally.set_aside) == (("id", "name", "city"), [])
    assert rows == [(2, "1", "a", "x"), (3, "2", "b", "y")]


def test_a_file_of_a_header_only_has_no_row(tmp_path):
    shape, tally, rows = load(write(tmp_path, "id,name\n"))
    assert (shape.headers, rows, tally.n_read) == (("id", "name"), [], 0)
    assert shape.sample.column_names == ["id", "name", "_row"]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path, content):
    with pytest.raises(SourceError):
        inspect(write(tmp_path, content))


def test_a_web_page_named_xls_is_refused(tmp_path):
    with pytest.raises(SourceError, match="web page"):
        inspect(write(tmp_path, "<html><table></table></html>", "report.xls"))


def test_text_named_xls_is_read_as_text(tmp_path):
    assert load(write(tmp_path, "id\tname\n1\ta\n", "report.xls"))[2] == [(2, "1", "a")]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"no file none\.csv"):
        inspect(tmp_path / "none.csv")


# What is not data

SALESFORCE = (
    '"Opportunity Name","Account Name","Amount"\n'
    '"A","Total SA","10"\n'
    '"B","Grand Hotel","20"\n'
    '"Grand Totals (2 records)","","30"\n'
    "\n"
    "\n"
    '"Pipeline by owner"\n'
    '"Copyright (c) 2000-2026 salesforce.com, inc. All rights reserved."\n'
    '"Confidential Information - Do Not Distribute"\n'
    '"Generated By:  Ann Lee  10/1/2026 12:00 PM"\n'
    '"Acme"\n'
)


def test_the_footer_of_a_salesforce_report_is_left_out_and_counted(tmp_path):
    _, tally, rows = load(write(tmp_path, SALESFORCE))
    assert [row[1] for row in rows] == ["A", "B"]
    assert (tally.n_read, tally.n_totals, tally.n_blank, tally.n_footers) == (10, 1, 2, 5)


def test_the_footer_of_a_salesforce_report_saved_as_a_workbook_is_left_out(tmp_path):
    book = openpyxl.Workbook()
    for row in csv.reader(io.StringIO(SALESFORCE)):
        book.active.append(row)
    book.save(tmp_path / "report.xlsx")
    _, tally, rows = load(tmp_path / "report.xlsx")
    assert ([row[1] for row in rows], tally.n_footers, tally.n_blank) == (["A", "B"], 5, 2)


def test_a_plain_total_is_dropped_at_the_end_only(tmp_path):
    text = "Campaign,Cost,Clicks\nTotal,5,1\nBrand,10,2\nTotal,15,3\n\n"
    _, tally, rows = load(write(tmp_path, text))
    assert [row[:2] for row in rows] == [(2, "Total"), (3, "Brand")]
    assert (tally.n_totals, tally.n_blank) == (1, 1)


@pytest.mark.parametrize(
    "name", ["Total", "Total SA", "Total Energies", "Grand Total Consulting", "Total: the company"]
)
def test_a_company_whose_name_begins_with_total_stays(tmp_path, name):
    text = f"Company name,Domain,Employees\nZed,zed.com,5\n{name},total.com,100000\n"
    _, tally, rows = load(write(tmp_path, text))
    assert ([row[1] for row in rows], tally.n_totals) == (["Zed", name], 0)


@pytest.mark.parametrize("label", ["Total général", "Grand total", "Total : Compte", "Total: Search", "Sous-total"])
def test_a_labelled_total_of_figures_is_dropped_anywhere(tmp_path, label):
    text = f"Campagne;Coût;Part\nA;1 234,50 €;10 %\n{label};2 000,00 €;--\nB;5;1 %\n"
    _, tally, rows = load(write(tmp_path, text))
    assert ([row[1] for row in rows], tally.n_totals) == (["A", "B"], 1)


def test_a_last_row_with_a_name_only_is_data_in_a_workbook(tmp_path):
    book = openpyxl.Workbook()
    for row in [("Name", "Domain"), ("A", "a.com"), ("B", None), ("C", None)]:
        book.active.append(row)
    book.save(tmp_path / "accounts.xlsx")
    assert [row[1] for row in load(tmp_path / "accounts.xlsx")[2]] == ["A", "B", "C"]


def test_a_download_cut_in_its_last_row_sets_that_row_aside(tmp_path):
    _, tally, rows = load(write(tmp_path, "id,name\n1,a\n2,b\n12"))
    assert (len(rows), codes(tally)) == (2, [("bad_width", "deals.csv:4")])


# Broken rows


def test_a_row_of_another_width_is_set_aside_and_shifts_nothing(tmp_path):
    _, tally, rows = load(write(tmp_path, "id,name,city\n1,a,x\n2,b\n3,c,y,z\n4,d,w,,\n"))
    assert rows == [(2, "1", "a", "x"), (5, "4", "d", "w")]
    assert codes(tally) == [("bad_width", "deals.csv:3"), ("bad_width", "deals.csv:4")]
    assert tally.set_aside[1].params == {"found": 4, "expected": 3, "value": "3 | c | y | z"}


def test_blank_rows_count_and_keep_the_row_numbers(tmp_path):
    _, tally, rows = load(write(tmp_path, "id,name\n\n1,a\n,\n  ,\n2,b\n"))
    assert (rows, tally.n_blank) == ([(3, "1", "a"), (6, "2", "b")], 3)


def test_a_line_break_between_quotes_is_one_row(tmp_path):
    assert load(write(tmp_path, 'id,note\n1,"a\r\nb\n\nc"\n2,x\n'))[2] == [(2, "1", "a\r\nb\n\nc"), (3, "2", "x")]


def test_quotes_are_doubled_between_quotes_and_plain_inside_a_cell(tmp_path):
    assert load(write(tmp_path, 'id,note\n1,"a ""b"" c"\n2,5" pipe\n'))[2] == [(2, "1", 'a "b" c'), (3, "2", '5" pipe')]


def many_rows(n, odd):
    return "id,name,city,stage\n" + "".join(odd.get(i, f"{i},name {i},Paris,won\n") for i in range(1, n + 1))


def test_a_quote_that_is_never_closed_is_noticed_and_swallows_no_row(tmp_path):
    _, tally, rows = load(write(tmp_path, many_rows(20_000, {10: '10,"name 10,Paris,won\n'})))
    assert (len(rows), codes(tally)) == (19_999, [("bad_quote", "deals.csv:11")])
    assert rows[-1] == (20_001, "20000", "name 20000", "Paris", "won")
    assert tally.set_aside[0].params["value"] == '10,"name 10,Paris,won'


def test_two_stray_quotes_do_not_join_the_rows_between_them(tmp_path):
    odd = {10: '10,"name 10,Paris,won\n', 5_000: '5000,7",Paris,won\n'}
    _, tally, rows = load(write(tmp_path, many_rows(6_000, odd)))
    assert (len(rows), codes(tally)) == (5_999, [("bad_quote", "deals.csv:11")])


def test_a_stray_quote_before_good_quotes_costs_its_own_row_only(tmp_path):
    odd = {10: '10,"name 10,Paris,won\n', 14: '14,"Acme, Inc.",Paris,won\n'}
    _, tally, rows = load(write(tmp_path, many_rows(30, odd)))
    assert codes(tally) == [("bad_quote", "deals.csv:11")]
    assert rows[12] == (15, "14", "Acme, Inc.", "Paris", "won")


def test_a_note_of_many_lines_is_no_broken_quote(tmp_path):
    note = "\n".join(f"line {n}, and more" for n in range(500))
    _, tally, rows = load(write(tmp_path, f'id,note\n1,"{note}"\n2,x\n'))
    assert (rows, tally.set_aside) == ([(2, "1", note), (3, "2", "x")], [])


def test_a_record_longer_than_what_is_read_at_once_stays_whole(tmp_path):
    note = "word " * 200_000
    assert load(write(tmp_path, f'id,note\n1,"{note}\n{note}"\n2,x\n'))[2] == [
        (2, "1", f"{note}\n{note}"),
        (3, "2", "x"),
    ]


def test_many_broken_rows_are_counted_without_being_listed(tmp_path):
    _, tally, rows = load(write(tmp_path, "id,name,city\n1,a,x\n" + "2,b\n" * 3_000 + "3,c,y\n" * 4_000))
    assert (len(rows), tally.n_set_aside, len(tally.set_aside)) == (4_001, 3_000, 1_001)
    assert str(tally.set_aside[-1]) == "deals.csv: 2000 more rows were set aside."


def test_rows_come_in_batches_and_progress_is_told(tmp_path):
    path, told = write(tmp_path, many_rows(150_000, {})), []
    shape, tally = inspect(path), Tally()
    batches = list(read(path, shape, tally, told.append))
    assert [told[-1], sum(batch.num_rows for batch in batches), len(told)] == [150_000, 150_000, len(batches)]
    assert max(batch.num_rows for batch in batches) < 80_000
    assert [n for batch in batches for n in batch["_row"].to_pylist()] == list(range(2, 150_002))
    assert shape.sample.num_rows == 1_000


# Workbooks


def workbook(folder, rows, name="book.xlsx"):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(folder / name)
    return folder / name


def test_numbers_dates_and_errors_of_a_workbook_are_written_without_artefacts(tmp_path):
    cells = {
        "1": 1,
        "1.5": 1.5,
        "0.3": 0.1 + 0.2,
        "100000": 1e5,
        "0.0000001": 1e-7,
        "123456789012345": 123456789012345,
        "-12.34": -12.34,
        "true": True,
        "2026-01-31": dt.date(2026, 1, 31),
        "2026-01-31 10:15:07": dt.datetime(2026, 1, 31, 10, 15, 7),
        "10:15:00": dt.time(10, 15),
        "26:30:00": dt.timedelta(hours=26, minutes=30),
        "#REF!": "#REF!",
        "#N/A": "#N/A",
        "012": "012",
        "two\nlines": "two\nlines",
    }
    shape, _, rows = load(workbook(tmp_path, [("id", "value"), *(("x", cell) for cell in cells.values())]))
    assert [row[2] for row in rows] == list(cells)
    assert shape.decimal == "."


def test_dates_of_a_workbook_of_1904_are_the_same_days(tmp_path):
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    for row in [("id", "on"), (1, dt.date(2026, 1, 31))]:
        book.active.append(row)
    book.save(tmp_path / "mac.xlsx")
    assert load(tmp_path / "mac.xlsx")[2] == [(2, "1", "2026-01-31")]


def test_a_number_too_long_for_a_workbook_is_reported(tmp_path):
    _, tally, rows = load(workbook(tmp_path, [("id", "name"), (9007199254740993, "a"), (5, "b")]))
    assert len(rows) == 2
    assert [(issue.code, issue.where, issue.n_rows) for issue in tally.issues] == [
        ("imprecise_number", "book.xlsx:2", 1)
    ]


def test_the_first_sheet_that_holds_something_is_read_and_the_others_are_named(tmp_path):
    book = openpyxl.Workbook()
    book.create_sheet("Deals").append(("id", "name"))
    book["Deals"].append((1, "a"))
    book.create_sheet("Notes").append(("hello", "you"))
    hidden = book.create_sheet("Cache", 0)
    hidden.append(("x", "y"))
    hidden.sheet_state = "hidden"
    book.save(tmp_path / "b.xlsx")
    shape, _, rows = load(tmp_path / "b.xlsx")
    assert (shape.sheet, rows) == ("Deals", [(2, "1", "a")])
    assert [(issue.code, issue.params["others"]) for issue in shape.issues] == [("other_sheets", "Notes, Cache")]
    assert load(tmp_path / "b.xlsx", ReadOptions(sheet="Notes"))[0].headers == ("hello", "you")
    assert load(tmp_path / "b.xlsx", knows=lambda headers: "hello" in headers)[0].sheet == "Notes"
    with pytest.raises(SourceError, match="no sheet named Deal") as caught:
        inspect(tmp_path / "b.xlsx", ReadOptions(sheet="Deal"))
    assert fill(caught.value.hint, caught.value.params) == "Did you mean Deals?"


def test_a_title_above_the_table_of_a_workbook_is_preamble(tmp_path):
    rows = [("Pipeline report",), ("Exporté le 31 janvier 2026 à 10h05",), (), ("id", "name", "amount"), (1, "a", 2)]
    shape, tally, found = load(workbook(tmp_path, rows))
    assert (shape.header_row, shape.exported_at) == (4, dt.datetime(2026, 1, 31, 10, 5))
    assert (found, tally.n_read) == ([(5, "1", "a", "2")], 1)


def test_a_damaged_workbook_is_refused(tmp_path):
    with pytest.raises(SourceError, match="not a workbook"):
        inspect(write(tmp_path, b"PK\x03\x04 nonsense", "x.xlsx"))


# JSON and Parquet


def test_json_numbers_stay_as_written_and_nested_values_become_json(tmp_path):
    text = '{"id": 12345678901234567890, "amount": 1.10, "raw": {"a": [1.50, true, null, "é"]}}\n\n{"id": 2, "new": null}\nnot json\n[1]\n'
    shape, tally, rows = load(write(tmp_path, text, "deals.jsonl"))
    assert shape.headers == ("id", "amount", "raw", "new")
    assert rows == [
        (1, "12345678901234567890", "1.10", '{"a": [1.50, true, null, "é"]}', None),
        (3, "2", None, None, None),
    ]
    assert tally.n_blank == 1
    assert codes(tally) == [("bad_json", "deals.jsonl:4"), ("bad_json", "deals.jsonl:5")]


def test_json_records_are_never_taken_for_totals_or_footers(tmp_path):
    text = '{"name": "Total", "amount": 3, "_row": 9}\n{"name": "Copyright"}\n'
    shape, _, rows = load(write(tmp_path, text, "deals.ndjson"))
    assert shape.headers == ("name", "amount", "_row (2)")
    assert rows == [(1, "Total", "3", "9"), (2, "Copyright", None, None)]


def test_a_json_array_is_read_as_its_objects(tmp_path):
    _, tally, rows = load(write(tmp_path, '\n[{"id": 1},\n {"id": 2}, 3]', "deals.json"))
    assert (rows, codes(tally)) == ([(1, "1"), (2, "2")], [("bad_json", "deals.json:3")])


def test_parquet_columns_keep_their_types(tmp_path):
    table = pa.table(
        {
            "on": pa.array([dt.date(2026, 1, 31)]),
            "at": pa.array([dt.datetime(2026, 1, 31, 10)], pa.timestamp("ns")),
            "stage": pa.array(["won"]).dictionary_encode(),
            "raw": pa.array([{"a": [1]}]),
            "text": pa.array([b"abc"]),
            "bytes": pa.array([b"\xff"]),
            "long": pa.array(["x"], pa.large_string()),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    assert load(tmp_path / "t.parquet")[2] == [
        (1, dt.date(2026, 1, 31), dt.datetime(2026, 1, 31, 10), "won", '{"a": [1]}', "abc", "ff", "x")
    ]


def test_a_damaged_parquet_file_is_refused(tmp_path):
    with pytest.raises(SourceError, match="not a Parquet file"):
        inspect(write(tmp_path, b"PAR1 nonsense", "x.parquet"))


# When it was exported


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("deals-2026-10-01.csv", dt.datetime(2026, 10, 1, 23, 59, 59)),
        ("hubspot-crm-exports-all-deals-2026-10-01-2.csv", dt.datetime(2026, 10, 1, 23, 59, 59)),
        ("deals_20261001.csv", dt.datetime(2026, 10, 1, 23, 59, 59)),
        ("deals_20261001_1015.csv", dt.datetime(2026, 10, 1, 10, 15)),
        ("deals_20261001T101530Z.csv", dt.datetime(2026, 10, 1, 10, 15, 30, tzinfo=dt.UTC)),
        ("Deals 2026-10-01 at 10.15.30.csv", dt.datetime(2026, 10, 1, 10, 15, 30)),
        ("ga4_2026-01-01_2026-03-31.csv", dt.datetime(2026, 3, 31, 23, 59, 59)),
        ("ga4_20260101-20260131.csv", dt.datetime(2026, 1, 31, 23, 59, 59)),
        ("deals-2026-13-01.csv", None),
        ("deals-2026-02-30.csv", None),
        ("report1720261001999.csv", None),
        ("deals.csv", None),
    ],
)
def test_the_name_of_a_file_says_when_it_was_exported(name, expected):
    assert from_name(name) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Date Generated: 2026-02-02 15:05 UTC", dt.datetime(2026, 2, 2, 15, 5, tzinfo=dt.UTC)),
        ("Exporté le 1er février 2026", dt.datetime(2026, 2, 1, 23, 59, 59)),
        ("Exporté le 31/01/2026", dt.datetime(2026, 1, 31, 23, 59, 59)),
        ("Export date: 1/31/2026 12:30 AM", dt.datetime(2026, 1, 31, 0, 30)),
        ("Exporté le 03/04/2026", None),
        ("# End date: 20260131", dt.datetime(2026, 1, 31, 23, 59, 59)),
        ("January 1, 2026 - January 31, 2026", None),
        ("Exported on: soon", None),
    ],
)
def test_the_lines_above_a_header_say_when_it_was_exported(line, expected):
    assert from_preamble((line,)) == expected


def test_the_name_of_the_file_wins_over_its_preamble(tmp_path):
    path = write(tmp_path, GA4, "ga4-2026-02-05.csv")
    assert inspect(path).exported_at == dt.datetime(2026, 2, 5, 23, 59, 59)


def test_findings_name_the_file_as_they_are_told_to(tmp_path):
    path = write(tmp_path, GA4.replace("Direct,100,50", "Direct,100"))
    shape, tally = replace(inspect(path), file="ga4/deals.csv"), Tally()
    list(read(path, shape, tally))
    assert codes(tally) == [("bad_width", "ga4/deals.csv:11")]


def test_findings_about_the_whole_file_are_kept_with_its_rows(tmp_path):
    _, tally, _ = load(write(tmp_path, GA4), knows=lambda headers: "Country" in headers)
    assert [(issue.code, issue.n_rows) for issue in tally.issues] == [("other_tables", 4)]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_happens_to_a_file_every_row_of_it_is_accounted_for(data):
    text = data.draw(st.sampled_from([GOOGLE_ADS, GA4, SALESFORCE, as_csv(";"), many_rows(40, {})]))
    content = bytearray(text.encode(data.draw(st.sampled_from(["utf-8", "utf-16"]))))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.sampled_from([b'"', b"\n", b",", b"\xe9", b"\x00", b"", b"#"])
        )
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), bytes(content))
        try:
            load(path)  # checks that the rows add up
        except SourceError as error:
            assert str(error)  # noqa: PT017 - either is right


def test_long_json_files_come_in_several_chunks(tmp_path):
    text = "\n".join(
        json.dumps({"id": number, "ok": number % 2 == 0, "list": [1, {"a": "é"}]}) for number in range(3_000)
    )
    _, _, rows = load(write(tmp_path, text, "deals.jsonl"))
    assert (len(rows), rows[-1]) == (3_000, (3_000, "2999", "false", '[1, {"a": "é"}]'))


def test_json_that_is_not_valid_names_its_line(tmp_path):
    with pytest.raises(SourceError) as caught:
        inspect(write(tmp_path, '[{"id": 1},\n {"id": }]', "deals.json"))
    assert caught.value.where == "deals.json:2"


def test_an_empty_workbook_is_refused(tmp_path):
    with pytest.raises(SourceError, match="empty"):
        inspect(workbook(tmp_path, []))


def test_errors_of_far_columns_are_placed_where_they_are(tmp_path):
    header = [f"c{number}" for number in range(30)]
    _, _, rows = load(workbook(tmp_path, [header, [1] * 27 + ["#DIV/0!", "#NAME?", 2]]))
    assert rows[0][27:] == ("1", "#DIV/0!", "#NAME?", "2")


def test_a_file_that_may_not_be_opened_is_told(tmp_path):
    with pytest.raises(SourceError, match="cannot be read") as caught:
        inspect(tmp_path)
    assert not caught.value.permanent


def test_a_preamble_with_an_impossible_day_says_nothing():
    assert from_preamble(("Exported on 2026-02-30", "Exported on 31 smarch 2026")) is None
    assert from_preamble(("Exported on 2026-02-03 99:10",)) == dt.datetime(2026, 2, 3, 23, 59, 59)
