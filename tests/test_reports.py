"""Reports: the same figures in every format, with slice, as-of and definitions, in files that open."""

from __future__ import annotations

import io
import sys
import warnings
from datetime import date, datetime

import openpyxl
import pytest
from click.testing import CliRunner
from PIL import Image
from pypdf import PdfReader

import cadran.workspace
from cadran.charts import Words
from cadran.cli import main
from cadran.cli.options import Output
from cadran.errors import NotSupported, QueryError
from cadran.jobs.report import report_of, write_report
from cadran.reports import as_html, as_pdf, as_png, as_xlsx
from cockpit import fake_workspace
from markup import Page

NOW = datetime(2026, 11, 23, 7)
WORKSPACE = fake_workspace()


def made(teams=("sales",), language="en", **more):
    workspace = more.pop("workspace", WORKSPACE)
    return report_of(workspace.view(), teams, language, now=NOW, **more)


def words(language):
    project = WORKSPACE.project
    return Words(language, "EUR", project.calendar, project.zone)


@pytest.fixture(scope="module")
def report():
    return made()


@pytest.fixture(scope="module")
def book(report):
    return opened(as_xlsx(report, words("en")))


def plain(text):
    """A text with single plain spaces, as a page is read."""
    return " ".join(text.split())


def opened(data):
    """A workbook; openpyxl reads no sparklines, and warns of it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparkline")
        return openpyxl.load_workbook(io.BytesIO(data))


def figures(report):
    return [r for line in report.lines for r in line.readings]


def test_the_last_whole_period_is_reported_unless_another_is_asked_for(report):
    assert (report.period.start, report.period.end) == (date(2026, 10, 1), date(2026, 11, 1))
    assert made(start=date(2026, 5, 9)).period.start == date(2026, 5, 1)
    assert made(grain="quarter").period.start == date(2026, 7, 1)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_page_says_slice_as_of_values_and_definitions_and_fetches_nothing(language):
    where = ("segment = 'SMB'",)
    found = made(language=language, where=where)
    page = Page(as_html(found, words(language)))
    assert page.mistakes == []
    assert "segment = 'SMB'" in page.text
    assert words(language).known(found.known_at) in page.text
    for line in found.lines:
        assert line.kpi.name(language) in page.text
        assert plain(line.kpi.formula[language]) in page.text
        assert line.kpi.owner in page.text
    for reading in figures(found):
        assert reading.value is None or plain(words(language).value(reading.value, reading.kpi.unit)) in page.text
    assert "http://" not in page.html.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page.html


def test_every_figure_of_a_workbook_is_a_number_in_its_format(report, book):
    sheet = book["KPIs"]
    heads = {cell.value: cell.column for cell in sheet[1]}
    rows = {(row[heads["KPI"] - 1].value): row for row in sheet.iter_rows(min_row=2)}
    formats = {"rate": "0.0%", "days": "0.0", "money_per_day": '#,##0.00 "€"', "money": '#,##0.00 "€"'}
    seen = set()
    for line in report.lines:
        for reading in line.readings:
            segment = " · ".join(str(v) for v in reading.figure.segment.values() if v)
            row = next(r for name, r in rows.items() if name.startswith(line.kpi.name("en")) and (segment in name))
            cell = row[heads["Value"] - 1]
            if reading.value is None:
                assert cell.value is None
                continue
            assert cell.value == pytest.approx(float(reading.value))
            assert cell.data_type == "n"
            assert cell.number_format == formats[line.kpi.unit]
            assert row[heads["n"] - 1].value == reading.figure.n
            seen.add(line.kpi.unit)
    assert {"rate", "days", "money_per_day"} <= seen


def test_a_workbook_can_be_read_without_the_page(report, book):
    assert book.sheetnames == ["Read me", "KPIs", "Course"]
    told = " ".join(str(cell.value) for row in book["Read me"].iter_rows() for cell in row if cell.value)
    assert "20261121T093800" in told
    assert "everything" in told
    for line in report.lines:
        assert line.kpi.formula["en"] in told
    values = [cell.value for row in book["Course"].iter_rows() for cell in row]
    course = next(line for line in report.lines if line.kpi.id == "win_rate").course
    assert any(v == pytest.approx(float(course[0].value)) for v in values if isinstance(v, float))


def test_a_name_that_looks_like_a_formula_stays_a_name():
    workspace = fake_workspace()
    risky = workspace.one.project.__class__(root=workspace.project.root, company="=1+1")
    object.__setattr__(workspace.one, "project", risky)
    found = opened(as_xlsx(made(workspace=workspace), words("en")))
    assert found["Read me"]["A1"].data_type == "s"
    assert found["Read me"]["A1"].value.startswith("=1+1")


@pytest.mark.slow
def test_paper_has_the_values_the_slice_and_its_fonts(report):
    pdf = PdfReader(io.BytesIO(as_pdf(report, words("en"))))
    text = " ".join(page.extract_text() for page in pdf.pages)
    plain = " ".join(text.split())
    assert len(pdf.pages) >= 2
    for line in report.lines:
        assert line.kpi.name("en") in plain
    assert words("en").value(figures(report)[-1].value, figures(report)[-1].kpi.unit).split("\xa0")[0] in plain
    assert "20261121T093800" in plain
    box = pdf.pages[0].mediabox
    assert box.width > box.height
    fonts = {
        str(font)
        for page in pdf.pages
        for font in page["/Resources"]["/Font"].values()
        for font in [font.get_object()["/BaseFont"]]
    }
    assert all("Inter" in name for name in fonts)


def test_each_image_shows_one_kpi(report):
    found = as_png(report, words("en"))
    assert set(found) == {line.kpi.id for line in report.lines if line.course}
    image = Image.open(io.BytesIO(found["win_rate"]))
    assert image.size[0] == 1440
    assert len(image.convert("L").getcolors(256)) > 20


def test_a_kpi_that_cannot_be_asked_says_why_and_the_others_are_there():
    found = made(workspace=fake_workspace(refused=("win_rate",)))
    page = Page(as_html(found, words("en")))
    assert "win_rate cannot be answered." in page.text
    assert sum(not line.readings for line in found.lines) == 1
    sheet = opened(as_xlsx(found, words("en")))["KPIs"]
    assert any("cannot be answered" in str(cell.value) for row in sheet.iter_rows() for cell in row)


def test_a_board_that_does_not_exist_is_told_with_the_near_one():
    with pytest.raises(QueryError, match="No board"):
        made(teams=("sale",))
    with pytest.raises(QueryError, match="No board was asked"):
        made(teams=())


def test_the_verb_writes_what_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(cadran.workspace, "open_workspace", lambda _: WORKSPACE)
    monkeypatch.setattr(Output, "now", lambda _: NOW)
    words_ = ["report", "sales", "direction", "--to", "html", "--to", "xlsx", "--out", str(tmp_path), "--lang", "fr"]
    found = CliRunner().invoke(main, words_)
    assert found.exit_code == 0, found.output
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == [f"atelier-nord-ventes-direction-et-finance-2026-10-01.{form}" for form in ("html", "xlsx")]
    assert {line.split("/")[-1] for line in found.stdout.split()} == set(written)
    assert "Lisez-moi" in opened((tmp_path / written[1]).read_bytes()).sheetnames


def test_a_folder_that_cannot_be_written_is_told(tmp_path, report):
    (tmp_path / "file").write_text("x")
    with pytest.raises(Exception, match="cannot be written"):
        write_report(WORKSPACE.view(), report, ("html",), tmp_path / "file", "en")


@pytest.mark.parametrize(
    ("module", "write"),
    [
        ("weasyprint", as_pdf),
        ("xlsxwriter", as_xlsx),
        ("resvg_py", as_png),
    ],
)
def test_a_package_that_is_not_installed_is_told_with_how_to_install_it(report, monkeypatch, module, write):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(NotSupported) as refused:
        write(report, words("en"))
    assert "cadran[reports]" in refused.value.hint
