"""Every KPI, target and benchmark that the requirements ask for is governed here, with its source and its grade.

The list of requirements is read where it lies beside the repository, so that a new one fails this
test until it has an answer.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from shipped import CATALOGUE

LIST = Path(os.environ.get("CADRAN_REQUIREMENTS") or Path(__file__).parents[2] / "shared" / "requirements.md")


@dataclass(frozen=True)
class Level:
    """A level that the requirement gives: a target, or a benchmark with its source and grade.

    Attributes:
        kpi: KPI that it is about.
        low: Lower edge as written, or None.
        high: Upper edge as written, or None.
        segment: Values of the segment or market that it holds for.
    """

    kpi: str
    low: str | None = None
    high: str | None = None
    segment: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limit:
    """A level that raises an alert."""

    kpi: str
    edge: str
    level: str


#: What answers each requirement of type K or T: KPI ids, levels and limits.
ANSWERS = {
    "S-05": ["stage_conversion", "stage_conversion_expected"],
    "S-07": ["stage_conversion"],
    "S-10": ["sales_velocity", "sales_velocity_30d"],
    "S-13": ["lead_response_hours", "lead_response_hours_elapsed", "lead_never_answered_share"],
    "S-14": [Limit("lead_response_hours", "1", "warn"), Level("lead_response_within_1h_elapsed", "0.37", "0.37")],
    "S-15": [Limit("lead_response_hours_elapsed", "48", "alert"), Level("lead_response_hours_elapsed", None, "48")],
    "S-16": ["win_rate", Level("win_rate_qualified", "0.20", "0.30")],
    "S-20": ["new_opportunities"],
    "S-22": ["touches_per_advance", "activities_per_deal"],
    "S-23": [Level("touches_to_meeting", "6", "8")],
    "S-24": ["reply_rate", "reply_rate_by_message"],
    "S-25": [
        Limit("reply_rate", "0.05", "warn"),
        Limit("reply_rate", "0.03", "alert"),
        Level("reply_rate", "0.03", "0.05"),
    ],
    "S-27": ["cac", "cac_lagged", "cac_paid"],
    "S-28": ["acv"],
    "S-29": ["mrr", "arr"],
    "S-31": [Level("ltv_to_cac", "3"), Limit("ltv_to_cac", "1", "alert")],
    "S-32": ["ltv", "ltv_revenue"],
    "S-41": [Level("new_customers_per_quarter", "6", None, ("US",))],
    "S-63": ["lead_to_opportunity_days", "lead_to_opportunity_expected", "cac"],
    "S-67": [
        Level("mql_to_sql", "0.25", "0.40", ("Mid-market",)),
        Level("mql_to_sql", "0.15", "0.25", ("Enterprise",)),
    ],
    "S-69": [Level("cac_payback_months", None, "12"), Level("cac_payback_months", None, "18", ("Enterprise",))],
    "S-71": [Level("pipeline_coverage", "3", "4"), Limit("pipeline_coverage", "2.5", "alert")],
    "S-74": [Level("organic_pipeline_share", "0.25", "0.40"), "seo_pipeline_share"],
    "S-75": ["search_impressions", "search_ctr", "pages_per_session"],
    "S-76": [Level("abm_engagement", "0.20", "0.35")],
    "S-80": [Level("selling_time_share", "0.28", "0.28")],
    "S-82": [Level("nrr", "1.20")],
    "S-84": [Level("win_rate_engaged", "0.20", "0.35")],
    "S-86": ["sales_cycle_days", Level("sales_cycle_vs_baseline", "-0.20", "-0.10")],
    "S-88": ["acv", "asp", Level("acv_growth", "0.10", "0.20")],
    "S-90": [Level("nrr", "1.10", "1.30"), "nrr_literal", "nrr_ending"],
    "S-91": [Level("grr", "0.90")],
    "S-93": [Level("forecast_accuracy", "0.85"), "forecast_wape", "forecast_bias"],
}
#: Where a benchmark comes from decides how far it can be believed: claim, KPI, year, grade, word of its source.
PROVENANCE = [
    ("response in the first hour", "lead_response_within_1h_elapsed", 2011, "A", "Harvard Business Review"),
    ("leads that are never answered", "lead_never_answered_share", 2011, "A", "Harvard Business Review"),
    ("mean time of an answer", "lead_response_hours_elapsed", 2011, "A", "Harvard Business Review"),
    ("win rate", "win_rate", None, "C", "Gartner"),
    ("touchpoints to a meeting", "touches_to_meeting", None, "C", "Salesforce"),
    ("share of time spent selling", "selling_time_share", 2023, "C", "Salesforce"),
    ("floor of cold e-mail", "reply_rate", 2026, "B", "endor"),
    ("cold e-mail", "reply_rate", None, "C", "article"),
    ("best net retention", "nrr", 2023, "C", "Bain"),
    ("gross retention", "grr", 2024, "B", "KBCM"),
    ("coverage", "pipeline_coverage", None, "C", "article"),
]


def asked():
    """Every requirement about a KPI or a level, by id."""
    if not LIST.exists():
        pytest.skip(f"the list of requirements is not here: {LIST.name}")
    rows = re.findall(r"^\| (S-\d+) \| ([A-Z/]+) \|", LIST.read_text(encoding="utf-8"), re.MULTILINE)
    return [name for name, kinds in rows if {"K", "T"} & set(kinds.split("/"))]


def test_every_requirement_about_a_kpi_or_a_level_has_an_answer():
    assert sorted(set(asked()) ^ set(ANSWERS)) == []
    assert len(ANSWERS) >= 30


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer_is_governed(name):
    for answer in ANSWERS[name]:
        if isinstance(answer, str):
            governed(CATALOGUE.kpi(answer))
        elif isinstance(answer, Limit):
            rules = CATALOGUE.kpi(answer.kpi).alerts
            edges = {(rule.level, edge) for rule in rules for edge in (rule.below, rule.above)}
            assert (answer.level, Decimal(answer.edge)) in edges
        else:
            level(answer)


def governed(kpi):
    """A KPI has an owner, a cadence, words in both languages and an independent check."""
    assert kpi.owner
    assert kpi.cadence
    assert kpi.oracle
    for texts in (kpi.names, kpi.descriptions, kpi.formula, kpi.hypothesis):
        assert texts["fr"]
        assert texts["en"]


def level(wanted):
    """The level is a target or a benchmark, and some benchmark of the KPI says where levels come from."""
    kpi = CATALOGUE.kpi(wanted.kpi)
    governed(kpi)
    edges = tuple(None if edge is None else Decimal(edge) for edge in (wanted.low, wanted.high))
    found = {(t.value, t.high, tuple(t.segment.values())) for t in kpi.targets}
    # a target that is to be stayed under has one edge
    found |= {(None, t.value, tuple(t.segment.values())) for t in kpi.targets if kpi.direction == "down"}
    for each in kpi.benchmarks:
        segment = tuple(each.segment.values())
        found |= {(each.low, each.high, segment), (each.low, each.high, (each.market,))}
    assert (*edges, wanted.segment) in found
    assert all(each.source and each.grade in "ABC" for each in kpi.benchmarks)
    assert kpi.benchmarks


@pytest.mark.parametrize(("claim", "name", "year", "grade", "word"), PROVENANCE, ids=str)
def test_benchmarks_carry_where_they_come_from_and_their_caveats(claim, name, year, grade, word):
    found = [b for b in CATALOGUE.kpi(name).benchmarks if (b.year, b.grade) == (year, grade) and word in b.source]
    assert found, claim
    assert all(b.note.get("fr") and b.note.get("en") for b in found)


def test_no_benchmark_is_believed_more_than_its_source_allows():
    """Grade A only for what was read at its source; a claim without a year is never better than C."""
    every = [b for versions in CATALOGUE.kpis.values() for kpi in versions for b in kpi.benchmarks]
    assert every
    assert [b.source for b in every if b.grade in "AB" and b.year is None] == []
    assert [b.source for b in every if "article" in b.source and b.grade != "C"] == []


def test_conversion_is_reviewed_weekly_and_new_opportunities_are_counted_by_week():
    """S-07, S-20."""
    assert CATALOGUE.kpi("stage_conversion").cadence == "weekly"
    assert CATALOGUE.kpi("new_opportunities").cadence == "weekly"
    assert "week" in CATALOGUE.kpi("new_opportunities").grains


def test_market_and_segment_profiles_are_kept_apart():
    """S-17, S-43: what holds in one market or segment is never said of another."""
    markets = {b.market for versions in CATALOGUE.kpis.values() for b in versions[-1].benchmarks}
    assert {"", "US"} <= markets <= {"", "US", "FR"}
    segmented = {name for name, versions in CATALOGUE.kpis.items() if any(t.segment for t in versions[-1].targets)}
    assert {"mql_to_sql", "new_customers_per_quarter"} <= segmented
