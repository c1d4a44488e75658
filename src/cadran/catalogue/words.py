"""Targets, benchmarks and bases as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.i18n import format_interval, format_value, say

if TYPE_CHECKING:
    from cadran.catalogue.definition import Benchmark, Kpi, Target

#: How each basis dates its cases.
DATED = {
    "period": "Each part is dated by the day it happened.",
    "cohort": "Each case is dated by the day it started.",
    "balance": "What there is at the end of the period.",
}
CADENCES = {
    "daily": "Reviewed daily",
    "weekly": "Reviewed weekly",
    "monthly": "Reviewed monthly",
    "quarterly": "Reviewed quarterly",
}


def target_text(kpi: Kpi, target: Target, currency: str, language: str) -> str:
    """The level to reach, with its sense, such as ``≥ 28 %``."""
    if target.high is not None:
        return format_interval(target.value, target.high, kpi.unit, currency, language, style="round")
    sign = {"up": "≥ ", "down": "≤ "}.get(kpi.direction, "")
    return sign + format_value(target.value, kpi.unit, currency, language, style="round")


def level_text(kpi: Kpi, benchmark: Benchmark, currency: str, language: str) -> str:
    """What others reach, such as ``20–30 %``; one value where both edges are the same."""
    if benchmark.low == benchmark.high:
        return format_value(benchmark.low, kpi.unit, currency, language, style="round")
    return format_interval(benchmark.low, benchmark.high, kpi.unit, currency, language, style="round")


def benchmark_text(kpi: Kpi, benchmark: Benchmark, currency: str, language: str) -> str:
    """What others reach, with its market, segment, source, year and grade."""
    parts = [benchmark.market, *benchmark.segment.values(), say(benchmark.source, {}, language)]
    parts.append(str(benchmark.year) if benchmark.year else say("not dated", {}, language))
    parts.append(say("grade {grade}", {"grade": benchmark.grade}, language))
    edges = level_text(kpi, benchmark, currency, language)
    return f"{edges} · " + ", ".join(part for part in parts if part)
