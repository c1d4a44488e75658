"""The work that every way does: the dashboard of 24 months, one breakdown at a time.

A way answers with cells: series, breakdown, segment, first day of the month, value. A cell that is
left out says that nothing happened: 0 for what adds up, no value for a mean or a ratio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from benchmarks.scale import END, START

if TYPE_CHECKING:
    from collections.abc import Iterable

BREAKDOWNS = ("segment", "industry", "region", "owner", "channel")
#: The breakdown that is none, and the segment of rows that have none.
ALL, NONE = "all", "∅"
STAGES = ("Discovery", "Qualification", "Demo", "Proposal", "Negotiation")
#: Series, and the KPI that answers each; stages are answered by one KPI, broken down by stage too.
SERIES = {
    "new opportunities": "new_opportunities",
    "win rate": "win_rate",
    "ACV": "acv",
    "sales cycle": "sales_cycle_days",
    "velocity": "sales_velocity",
    "MQL to SQL": "mql_to_sql",
    "response median": "lead_response_hours",
    "response under 1 h": "lead_response_within_1h",
    "MRR": "mrr",
    "NRR": "nrr",
    "GRR": "grr",
    "organic share": "organic_pipeline_share",
    "ABM rate": "abm_engagement",
    "forecast accuracy": "forecast_accuracy",
    "activities per deal": "activities_per_deal",
    "coverage": "pipeline_coverage",
    "reply rate": "reply_rate",
    "CAC": "cac",
    "LTV": "ltv",
    "LTV/CAC": "ltv_to_cac",
    "CAC payback": "cac_payback_months",
}
BY_STAGE = "stage_conversion_to_date"
#: Series that are 0, rather than undefined, where no row is.
ADDS_UP = frozenset({"new opportunities", "MRR"})
CELLS = pa.schema(
    [
        ("series", pa.string()),
        ("breakdown", pa.string()),
        ("segment", pa.string()),
        ("month", pa.date32()),
        ("value", pa.float64()),
    ]
)
#: Months of the dashboard as year × 12 + month − 1.
FROM_MONTH, TO_MONTH = START.year * 12 + START.month - 1, END.year * 12 + END.month - 1
Key = tuple[str, str, str, object]
#: Largest relative difference between equal values: the last bits of a quotient of exact sums.
TOLERANCE = 1e-9


def stage_series(stage: str) -> str:
    """The series of one stage's conversion."""
    return f"conversion of {stage}"


def values(cells: pa.Table) -> dict[Key, float]:
    """The cells that say something, by what they are about."""
    columns = (cells[name].to_pylist() for name in CELLS.names)
    found = {}
    for series, breakdown, segment, month, value in zip(*columns, strict=True):
        if value is not None and not (value == 0 and series in ADDS_UP):
            found[series, breakdown, segment, month] = value
    return found


def differences(one: dict[Key, float], other: dict[Key, float], series: Iterable[str] | None = None) -> list[str]:
    """What two ways do not agree on, in words; of these series only when they are given."""
    wanted = None if series is None else set(series)
    found = []
    for key in one.keys() | other.keys():
        if wanted is not None and key[0] not in wanted:
            continue
        left, right = one.get(key), other.get(key)
        if left is None or right is None or abs(left - right) > TOLERANCE * max(abs(left), abs(right)):
            found.append(f"{key}: {left} and {right}")
    return sorted(found)
