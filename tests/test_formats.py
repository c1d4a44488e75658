"""The same deals written by other countries' machines give the same figures, or a question."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, timedelta

import pytest

from cadran.config import load_project
from cadran.engine.query import KpiQuery
from cadran.errors import MappingError
from cadran.i18n import error_text
from cadran.jobs.build import build_project
from cadran.jobs.start import init_project
from cadran.jobs.sync import sync_project
from cadran.workspace import open_workspace

pytestmark = pytest.mark.slow
HEADERS = [
    "Record ID",
    "Deal Name",
    "Amount",
    "Currency",
    "Deal Stage",
    "Create Date",
    "Close Date",
    "Deal owner",
    "Pipeline",
]
NOW = datetime(2026, 7, 2)
ISO, DMY, MDY = "%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"


def deals(dates: str, decimal: str, days=60):
    """Sixty deals; days of the month beyond 12 tell day from month unless `days` is small."""
    for number in range(60):
        opened = datetime(2025, 1, 1, 9) + timedelta(days=(7 * number) % days)
        closed = opened + timedelta(days=20 + number % 5 if days > 12 else 31)
        stage = "Closed Won" if number % 3 == 0 else "Closed Lost"
        amount = f"{1000 + 137 * number}{decimal}{number % 100:02d}"
        yield [
            str(number),
            f"Société n°{number} €",
            amount,
            "EUR",
            stage,
            opened.strftime(dates),
            closed.strftime(dates),
            "Zoé",
            "Ventes",
        ]


def figures(folder, text: bytes):
    init_project(folder)
    (folder / "exports" / "deals-2026-07-01.csv").write_bytes(text)
    project = load_project(folder)
    found = sync_project(project, now=NOW)
    report = build_project(project, now=NOW, found=found.issues)
    assert [issue for issue in report.issues if issue.level == "error"] == []
    query = KpiQuery(
        ("win_rate", "win_rate_by_value", "acv", "sales_cycle_days", "new_opportunities"),
        grain="quarter",
        start=date(2025, 1, 1),
        end=date(2025, 7, 1),
    )
    return [
        (r.kpi.id, r.figure.start, r.value, r.figure.numerator, r.figure.denominator)
        for r in open_workspace(folder).view().ask(query).readings
    ]


def written(dates=ISO, decimal=".", encoding="utf-8", delimiter=",", days=60) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([HEADERS, *deals(dates, decimal, days)])
    return text.getvalue().encode(encoding)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    found = figures(tmp_path_factory.mktemp("iso"), written())
    assert any(value for _, _, value, _, _ in found)
    return found


@pytest.mark.parametrize(
    "form",
    [
        {"dates": DMY, "decimal": ",", "encoding": "cp1252", "delimiter": ";"},
        {"dates": MDY, "encoding": "utf-16", "delimiter": "\t"},
        {"dates": DMY, "encoding": "utf-8-sig", "delimiter": "|"},
        {"dates": MDY, "decimal": ",", "delimiter": ";"},
    ],
    ids=lambda form: "-".join(form.values()).replace("%", ""),
)
def test_the_same_deals_give_the_same_figures(tmp_path, expected, form):
    assert figures(tmp_path, written(**form)) == expected


def test_days_that_could_be_months_are_asked_about_and_the_answer_is_taken(tmp_path):
    init_project(tmp_path)
    (tmp_path / "exports" / "deals-2026-07-01.csv").write_bytes(written(dates=DMY, days=12))
    project = load_project(tmp_path)
    sync_project(project, now=NOW)
    with pytest.raises(MappingError) as question:
        build_project(project, now=NOW)
    assert "dates: DMY" in error_text(question.value, "en")
    answer = "name: our_deals\nextends: hubspot_deals\nmatch: {files: ['deals*']}\noptions: {dates: DMY}\n"
    (tmp_path / "mappings" / "deals.yml").write_text(answer)
    found = sync_project(project, now=NOW)
    (counts,) = build_project(project, now=NOW, found=found.issues).files
    assert (counts["read"], counts["loaded"], counts["set_aside"]) == (60, 60, 0)
