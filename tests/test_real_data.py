"""Real data through ordinary mapping files, as a user would read it, against answers computed elsewhere.

Every figure of the answers is either checked here or listed with the reason why these KPIs do not
tell it; the list is printed.
"""

from __future__ import annotations

import json
import shutil
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cadran.config import load_project
from cadran.engine.query import KpiQuery
from cadran.jobs.build import build_project
from cadran.jobs.start import init_project
from cadran.jobs.sync import sync_project
from cadran.workspace import open_workspace
from engines import database, database_name, postgres_url

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
MAPPINGS = Path(__file__).parent / "data"
NOW = datetime(2026, 1, 1)

__all__ = ["database", "database_name", "postgres_url"]
pytestmark = pytest.mark.slow


class Company:
    """One data set, read as a user would, beside its expected answers."""

    def __init__(self, name: str, root: Path, files: list[str], first: date, last: date, database: Any) -> None:
        if not (DATA / name).is_dir():
            pytest.skip(f"the data set {name} is not on this machine")
        self.expected = json.loads((DATA / name / "expected.json").read_text())["values"]
        self.covered: set[str] = set()
        self.first, self.last = first, last
        init_project(root, name=name)
        settings = (root / "cadran.toml").read_text().replace("Europe/Paris", "UTC")
        (root / "cadran.toml").write_text(settings)
        database.choose(root)
        for file in files:
            shutil.copy(DATA / name / file, root / "exports" / file)
        for mapping in (MAPPINGS / name / "mappings").glob("*.yml"):
            shutil.copy(mapping, root / "mappings" / mapping.name)
        project = load_project(root)
        found = sync_project(project, now=NOW)
        self.report = build_project(project, now=NOW, found=found.issues)
        self.view = open_workspace(root).view()

    def answer(self, key: str):
        self.covered.add(key)
        return self.expected[key]["rows"]

    def ask(self, kpi: str, **question):
        return self.view.ask(KpiQuery((kpi,), **question)).readings

    def one(self, kpi: str, **question):
        (reading,) = self.ask(kpi, **question)
        return reading

    def by(self, kpi: str, dimension: str, **question):
        return {r.figure.segment[dimension]: r for r in self.ask(kpi, by=(dimension,), **question)}

    def months(self, kpi: str, grain="month", **question):
        question = {"start": self.first, "end": self.last} | question
        return {r.figure.start: r for r in self.ask(kpi, grain=grain, **question)}


def close(found, expected, places=6):
    return round(float(found), places) == round(float(expected), places)


def covered_and_not(company, reasons, capsys):
    """Print what is checked and what is not; nothing may be in neither list."""
    left = set(company.expected) - company.covered
    with capsys.disabled():
        for key in company.expected:
            print(f"  {'checked' if key in company.covered else 'not covered'}: {key}", reasons.get(key, ""))
    assert left == set(reasons)


@pytest.fixture(scope="module")
def maven(tmp_path_factory, database):
    files = ["accounts.csv", "sales_pipeline.csv", "sales_teams.csv"]
    return Company("maven-crm", tmp_path_factory.mktemp("maven"), files, date(2016, 10, 1), date(2018, 1, 1), database)


@pytest.fixture(scope="module")
def olist(tmp_path_factory, database):
    files = ["olist_closed_deals_dataset.csv", "olist_marketing_qualified_leads_dataset.csv"]
    return Company("olist", tmp_path_factory.mktemp("olist"), files, date(2017, 6, 1), date(2018, 12, 1), database)


@pytest.fixture(scope="module")
def playbook(tmp_path_factory, database):
    files = ["subscription_periods.csv"]
    return Company(
        "mrr-playbook", tmp_path_factory.mktemp("playbook"), files, date(2017, 9, 1), date(2020, 3, 1), database
    )


@pytest.mark.parametrize("name", ["maven", "olist", "playbook"])
def test_every_row_is_loaded_and_nothing_is_asked(name, database, request):  # the data sets are kept in each engine
    report = request.getfixturevalue(name).report
    assert [issue for issue in report.issues if issue.level == "error"] == []
    for file in report.files:
        assert file["read"] == file["loaded"] + file["set_aside"] + file["filtered"] + file["skipped"]
        assert file["set_aside"] == 0


def test_maven_overall(maven):
    expected = maven.answer("overall")
    rate = maven.one("win_rate")
    assert (
        (rate.figure.numerator, rate.figure.denominator)
        == (expected["won"], expected["won"] + expected["lost"])
        == (4238, 6711)
    )
    assert close(rate.value, expected["win_rate_closed"])
    value = maven.one("win_rate_by_value")
    assert value.figure.numerator == expected["won_value"]
    assert close(maven.one("asp").value, expected["avg_won_value"], 4)
    assert close(maven.one("acv").value, expected["avg_won_value"], 4)
    assert maven.one("open_pipeline_count").value == expected["open"]


def test_maven_by_stage(maven):
    stages = {row["deal_stage"]: row["n"] for row in maven.answer("by_stage")}
    assert maven.one("open_pipeline_count").value == stages["Engaging"] + stages["Prospecting"]
    assert maven.one("qualified_pipeline_count").value == stages["Engaging"]


def test_maven_cycles(maven):
    expected = maven.answer("sales_cycle_days")
    assert close(maven.one("sales_cycle_days").value, expected["won_mean"])
    assert close(maven.one("sales_cycle_median").value, expected["won_median"])
    assert close(maven.one("sales_cycle_closed").value, expected["closed_mean"])


@pytest.mark.parametrize(
    ("key", "column", "dimension"),
    [
        ("win_rate_by_product", "product", "product"),
        ("win_rate_by_sector", "sector", "industry"),
        ("win_rate_by_region", "regional_office", "owner_region"),
        ("win_rate_by_manager", "manager", "manager"),
        ("win_rate_by_agent", "sales_agent", "owner"),
    ],
)
def test_maven_by_dimension(maven, key, column, dimension):
    expected = maven.answer(key)
    rates, values = maven.by("win_rate", dimension), maven.by("win_rate_by_value", dimension)
    cycles = maven.by("sales_cycle_days", dimension)
    # a group of which nothing is closed yet has no rate, and no line in the answers
    closed = {name for name, reading in rates.items() if reading.figure.denominator}
    assert len(closed) == len([row for row in expected if row["closed"]])
    for row in (row for row in expected if row["closed"]):
        name = None if row[column] == "(no account)" else row[column]
        found = rates[name]
        assert (found.figure.numerator, found.figure.denominator) == (row["won"], row["closed"]), row
        assert close(found.value, row["win_rate"])
        assert values[name].figure.numerator == row["won_value"]
        if "won_cycle_mean" in row:
            assert close(cycles[name].value, row["won_cycle_mean"])


@pytest.mark.parametrize(("key", "grain"), [("closed_by_month", "month"), ("closed_by_quarter", "quarter")])
def test_maven_by_time(maven, key, grain):
    expected = maven.answer(key)
    rates, values = maven.months("win_rate", grain), maven.months("win_rate_by_value", grain)
    cycles, prices = maven.months("sales_cycle_days", grain), maven.months("asp", grain)
    for row in expected:
        day = day_of(row.get("close_month") or row["q"])
        assert (rates[day].figure.numerator, rates[day].figure.denominator) == (row["won"], row["closed"]), row
        assert values[day].figure.numerator == row["won_value"]
        assert close(cycles[day].value, row["won_cycle_mean"])
        assert close(prices[day].value, row["avg_won"], 4)


def day_of(text: str) -> date:
    year, part = text.split("-")
    return date(int(year), 3 * int(part[1]) - 2, 1) if part.startswith("Q") else date(int(year), int(part), 1)


def test_maven_engaged_cohorts(maven):
    found = maven.months("win_rate_engaged")
    for row in maven.answer("engage_cohort_win_rate"):
        figure = found[day_of(row["engage_month"])].figure
        assert (figure.numerator, figure.denominator) == (row["won"], row["engaged"]), row


def test_maven_velocity(maven):
    expected = maven.answer("pipeline_velocity")
    found = maven.one("sales_velocity")
    assert found.figure.parts["opportunities"] == expected["open_engaging"]
    assert close(found.value, expected["velocity_engaging"], 2)


def test_maven_velocity_by_region(maven):
    found = maven.by("sales_velocity", "owner_region")
    for row in maven.answer("velocity_by_region_open_engaging"):
        assert close(found[row["regional_office"]].value, row["velocity"], 2)


def test_maven_age_of_open_deals(maven):
    expected = maven.answer("age_of_open_engaging_at_2017_12_31")
    found = maven.one("open_age_days", where=("stage = 'Engaging'",))
    assert (found.value, found.figure.n) == (expected["median_age"], expected["n"])


def test_maven_problems_are_seen(maven):
    expected = maven.answer("data_problems")
    assert maven.by("new_opportunities_all_types", "industry")[None].figure.n + 500 >= expected["null_account"]
    assert maven.one("sales_cycle_closed").figure.n == 6711 - expected["close_before_engage"]


def test_maven_says_what_it_covers(maven, capsys):
    reasons = {
        "open_pipeline_at_list_price": "- open deals have no amount; a list price is not an amount of the deal",
        "pipeline_coverage_q4_target": "- coverage needs quotas, which this data has not",
    }
    covered_and_not(maven, reasons, capsys)


def test_olist_overall(olist):
    expected = olist.answer("mql_to_won_overall")
    found = olist.one("lead_to_customer_to_date")
    assert (found.figure.numerator, found.figure.denominator) == (expected["won"], expected["mqls"]) == (842, 8000)
    assert close(found.value, expected["conversion"])
    olist.answer("row_counts")


def test_olist_by_origin(olist):
    found = olist.by("lead_to_customer_to_date", "source")
    for row in olist.answer("mql_to_won_by_origin"):
        figure = found[None if row["origin"] == "(null)" else row["origin"]].figure
        assert (figure.numerator, figure.denominator) == (row["won"], row["mqls"]), row


def test_olist_cohorts(olist):
    found = olist.months("lead_to_customer_to_date")
    for row in olist.answer("mql_to_won_by_first_contact_month"):
        figure = found[day_of(row["cohort_month"])].figure
        assert (figure.numerator, figure.denominator) == (row["won"], row["mqls"]), row


def test_olist_won_by_month(olist):
    found = olist.months("win_rate")
    for row in olist.answer("won_by_won_month"):
        assert found[day_of(row["won_month"])].figure.numerator == row["won"]


def test_olist_by_representative(olist):
    found = olist.by("win_rate", "owner")
    for row in olist.answer("won_by_sales_rep"):
        assert found[row["sr_id"]].figure.numerator == row["won"]


def test_olist_by_segment(olist):
    found = olist.by("win_rate", "segment")
    for row in olist.answer("won_by_business_segment"):
        assert found[None if row["segment"] == "(null)" else row["segment"]].figure.numerator == row["won"]


MOVEMENTS = {
    "new_mrr": ("mrr_new", 1),
    "reactivation": ("mrr_reactivation", 1),
    "expansion": ("mrr_expansion", 1),
    "contraction": ("mrr_contraction", -1),
    "churn": ("mrr_churn", -1),
    "net": ("net_new_mrr", 1),
    "mrr": ("mrr", 1),
    "customers": ("customers", 1),
}


def test_thirty_months_of_movements(playbook):
    expected = playbook.answer("movements_by_month")
    assert len(expected) == 30
    for name, (kpi, sign) in MOVEMENTS.items():
        found = playbook.months(kpi)
        for row in expected:
            assert sign * found[date.fromisoformat(row["m"])].value == Decimal(str(row[name])), (name, row)


def test_monthly_retention(playbook):
    monthly, churned = playbook.months("nrr_monthly"), playbook.months("logo_churn_rate")
    for row in playbook.answer("nrr_grr_by_month"):
        day = date.fromisoformat(row["m"])
        assert close(monthly[day].value, row["nrr"]), row
        assert close(churned[day].value, row["logo_churn"]), row


def test_a_question_as_of_a_past_day_is_answered_the_same_today(playbook):
    """G-11."""
    before = playbook.one("mrr", as_of=date(2019, 6, 30), start=date(2019, 6, 1), end=date(2019, 7, 1))
    again = playbook.one("mrr", as_of=date(2019, 6, 30), start=date(2019, 6, 1), end=date(2019, 7, 1))
    row = next(r for r in playbook.expected["movements_by_month"]["rows"] if r["m"] == "2019-06-01")
    assert before.value == again.value == Decimal(str(row["mrr"]))
