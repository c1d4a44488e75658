"""Straightforward analyst SQL: one query for each KPI and breakdown, each of them good SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from benchmarks.fused import LIVE
from benchmarks.scale import END, START
from benchmarks.work import ALL, BREAKDOWNS, CELLS, NONE, STAGES, stage_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb

#: Series, its table, day, rows and value.
KPIS = [
    (
        "new opportunities",
        "opportunity",
        "created_on",
        f"coalesce(opportunity_type, 'new') = 'new' AND is_imported IS NOT TRUE AND {LIVE}",
        "count(*)",
    ),
    ("win rate", "opportunity", "closed_on", f"is_closed AND {LIVE}", "count(*) FILTER (is_won) / count(*)"),
    ("ACV", "opportunity", "closed_on", f"is_won AND acv_base > 0 AND {LIVE}", "sum(acv_base) / count(*)"),
    ("sales cycle", "opportunity", "closed_on", f"is_won AND is_cycle_valid AND {LIVE}", "avg(cycle_days)"),
    (
        "MQL to SQL",
        "lead_cycle",
        "mql_on",
        f"mql_on + 90 < DATE '{END}' AND is_direct_sql IS NOT TRUE",
        "count(*) FILTER (sql_on - mql_on BETWEEN 0 AND 90) / count(*)",
    ),
    (
        "response under 1 h",
        "lead_response",
        "created_on",
        "is_valid AND (is_answered OR working_hours >= 1)",
        "count(*) FILTER (is_answered AND working_hours <= 1) / count(*)",
    ),
    (
        "NRR",
        "customer_month",
        "month_on",
        "is_final AND mrr_12m_before > 0",
        "sum(mrr_12m_before + expansion_12m - contraction_12m - churn_12m) / nullif(sum(mrr_12m_before), 0)",
    ),
    (
        "GRR",
        "customer_month",
        "month_on",
        "is_final AND mrr_12m_before > 0",
        "sum(retained_12m) / nullif(sum(mrr_12m_before), 0)",
    ),
    (
        "organic share",
        "opportunity",
        "created_on",
        f"coalesce(opportunity_type, 'new') = 'new' AND amount_base > 0 AND is_imported IS NOT TRUE AND {LIVE}",
        (
            "coalesce(sum(amount_base) FILTER (origin IN ('organic_search', 'organic_social', 'direct', 'referral')), 0) "
            "/ nullif(sum(amount_base), 0)"
        ),
    ),
    ("activities per deal", "opportunity", "closed_on", f"is_closed AND {LIVE}", "sum(n_touches) / count(n_touches)"),
    (
        "ABM rate",
        "target_account",
        "month_on",
        "true",
        "count(*) FILTER (n_people >= 2 OR n_touches >= 3) / count(*)",
    ),
    (
        "reply rate",
        "outreach_delivery",
        "started_on",
        f"is_first AND started_on + 30 < DATE '{END}'",
        "count(*) FILTER (run_replied_on - started_on BETWEEN 0 AND 30) / count(*)",
    ),
    (
        "forecast accuracy",
        "forecast_outcome",
        "last_on",
        "horizon = 'start' AND forecast_type = 'commit' AND is_final AND is_submitted",
        "1 - abs(sum(forecast) - sum(actual)) / nullif(sum(actual), 0)",
    ),
    (
        "LTV",
        "customer_month",
        "month_on",
        "true",
        (
            "sum(margin_end_base) / nullif(count(*) FILTER (mrr_end > 0), 0) * CASE WHEN "
            "count(*) FILTER (is_final AND mrr_1m_before > 0 AND churn_1m > 0) > 0 THEN least("
            "count(*) FILTER (is_final AND mrr_1m_before > 0) / "
            "count(*) FILTER (is_final AND mrr_1m_before > 0 AND churn_1m > 0), 60) END"
        ),
    ),
    *(
        (
            stage_series(stage),
            "stage_passage",
            "entered_on",
            f"stage = '{stage}'",
            "count(*) FILTER (advanced_on >= entered_on) / count(*)",
        )
        for stage in STAGES
    ),
]


#: Breakdowns of the series that have not all of them.
HAS = {
    "ABM rate": ("segment", "industry", "region", "owner"),
    "reply rate": ("segment", "industry", "region", "owner"),
    "forecast accuracy": ("owner",),
}


def moved(segment: str) -> str:
    """Recurring revenue as the balance of its movements."""
    return balance("mrr_movement", "mrr_delta_base", segment)


def queries(revenue: Callable[[str], str]) -> Iterator[tuple[str, str, str]]:
    """Series, breakdown and query of everything; recurring revenue by what makes a query of a segment."""
    for breakdown in (ALL, *BREAKDOWNS):
        segment = "''" if breakdown == ALL else f"coalesce({breakdown}, '{NONE}')"
        for series, table, day, where, value in KPIS:
            if breakdown in (ALL, *HAS.get(series, BREAKDOWNS)):
                yield series, breakdown, simple(table, day, where, value, segment)
        if breakdown in (ALL, "channel"):
            for series in ("CAC", "LTV/CAC", "CAC payback"):
                yield series, breakdown, economics(series, segment)
        if breakdown in (ALL, "segment", "owner", "channel"):
            yield "coverage", breakdown, coverage(segment)
        yield "MRR", breakdown, revenue(segment)
        yield "velocity", breakdown, velocity(segment)
        yield "response median", breakdown, median(segment)


def simple(table: str, day: str, where: str, value: str, segment: str) -> str:
    """A KPI of the rows of each month."""
    return f"""
    SELECT {segment} AS segment, CAST(date_trunc('month', {day}) AS DATE) AS month, {value} AS value
    FROM {table} WHERE {day} >= DATE '{START}' AND {day} < DATE '{END}' AND {where} GROUP BY ALL"""


def balance(table: str, amount: str, segment: str) -> str:
    """A KPI that runs: everything that moved up to the end of each month."""
    return f"""
    SELECT segment, month, value FROM (
      SELECT segment, month, sum(sum(amount)) OVER (PARTITION BY segment ORDER BY month) AS value
      FROM (SELECT {segment} AS segment, CAST(date_trunc('month', moved_on) AS DATE) AS month, {amount} AS amount
            FROM {table} WHERE moved_on < DATE '{END}'
            UNION ALL
            SELECT s.segment, CAST(m.month AS DATE), 0
            FROM (SELECT DISTINCT {segment} AS segment FROM {table} WHERE moved_on < DATE '{END}') AS s,
                 generate_series(DATE '{START}', DATE '{END}' - 1, INTERVAL 1 MONTH) AS m(month))
      GROUP BY segment, month
    ) WHERE month >= DATE '{START}'"""


def velocity(segment: str) -> str:
    """Qualified deals × win rate × ACV ÷ cycle."""
    closed = {series: rest for series, *rest in KPIS if series in ("win rate", "ACV", "sales cycle")}
    parts = {series: simple(*rest, segment) for series, rest in closed.items()}
    return f"""
    WITH w AS ({parts["win rate"]}), a AS ({parts["ACV"]}), c AS ({parts["sales cycle"]}),
         q AS ({balance("pipeline_movement", "qualified_n_delta", segment)})
    SELECT segment, month, coalesce(q.value, 0) * w.value * a.value / nullif(c.value, 0) AS value
    FROM w JOIN a USING (segment, month) JOIN c USING (segment, month) LEFT JOIN q USING (segment, month)"""


def economics(series: str, segment: str) -> str:
    """What a new customer costs, and what it brings for that."""
    cost = simple("cost", "day_on", "true", "sum(amount_base)", segment)
    count = simple("mrr_movement", "moved_on", "type = 'new' AND n_delta > 0", "count(*)", segment)
    cac = "cost.value / nullif(new.value, 0)"
    if series == "CAC":
        more, value = "", cac
    elif series == "LTV/CAC":
        ltv = next(rest for name, *rest in KPIS if name == "LTV")
        more, value = f"JOIN ({simple(*ltv, segment)}) AS ltv USING (segment, month)", f"ltv.value / nullif({cac}, 0)"
    else:
        margin = simple("mrr_movement", "moved_on", "type = 'new'", "sum(margin_delta_base)", segment)
        more = f"JOIN ({margin}) AS margin USING (segment, month)"
        value = f"{cac} / nullif(margin.value / nullif(new.value, 0), 0)"
    return f"""
    SELECT segment, month, {value} AS value
    FROM ({cost}) AS cost JOIN ({count}) AS new USING (segment, month) {more}"""


def coverage(segment: str) -> str:
    """Qualified pipeline that is to close in the quarter, for each unit of its quota."""
    parts = {
        "amount": "amount_delta",
        "quota": "CASE WHEN movement = 'quota' THEN quota_delta ELSE 0 END",
        "unrated": "unrated_delta",
    }
    current = "(SELECT * FROM coverage_movement WHERE horizon = 'current')"
    a, q, u = (balance(current, value, segment) for value in parts.values())
    return f"""
    SELECT segment, month, coalesce(a.value, 0) / q.value AS value
    FROM ({a}) AS a JOIN ({q}) AS q USING (segment, month) JOIN ({u}) AS u USING (segment, month)
    WHERE q.value > 0 AND coalesce(u.value, 0) = 0"""


def median(segment: str) -> str:
    """The Kaplan-Meier median of the time to an answer."""
    return f"""
    WITH waited AS (
      SELECT {segment} AS segment, CAST(date_trunc('month', created_on) AS DATE) AS month,
             round(working_hours, 4) AS hours, count(*) FILTER (is_answered) AS gone, count(*) AS n
      FROM lead_response
      WHERE created_on >= DATE '{START}' AND created_on < DATE '{END}' AND is_valid AND working_hours IS NOT NULL
      GROUP BY ALL
    ), risk AS (
      SELECT *, sum(n) OVER (PARTITION BY segment, month ORDER BY hours DESC) AS at_risk FROM waited
    ), curve AS (
      SELECT *, product(1 - gone / at_risk) OVER (PARTITION BY segment, month ORDER BY hours) AS surviving FROM risk
    )
    SELECT segment, month, min(hours) FILTER (surviving <= 0.5 + 1e-12) AS value FROM curve GROUP BY ALL"""


def answer(connection: duckdb.DuckDBPyConnection, revenue: Callable[[str], str] = moved) -> pa.Table:
    """The cells of the dashboard, from tables or views of the canonical names."""
    found = [
        connection.execute(
            f"SELECT '{series}' AS series, '{breakdown}' AS breakdown, segment, month, value::DOUBLE AS value "
            f"FROM ({query}) WHERE value IS NOT NULL"
        ).to_arrow_table()
        for series, breakdown, query in queries(revenue)
    ]
    return pa.concat_tables([table.cast(CELLS) for table in found])
