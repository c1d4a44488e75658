"""The dashboard in hand-fused SQL: one scan of each table and day, every breakdown in one GROUPING SETS.

What an expert writes who knows the data: a month index, only the columns that are needed, running
sums instead of range joins, and nothing twice. The same text runs on the tables of a snapshot and on
Parquet. Means and ratios are made of exact decimal sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.scale import END, START
from benchmarks.work import ALL, BREAKDOWNS, FROM_MONTH, NONE, TO_MONTH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb
    import pyarrow as pa

LIVE = "is_test IS NOT TRUE AND deleted_at IS NULL AND merged_into_id IS NULL"


def month(day: str) -> str:
    """The month of a day as one number."""
    return f"(year({day}) * 12 + month({day}) - 1)::SMALLINT"


def sets(dims: Sequence[str], *more: str) -> str:
    """The grouping sets of the dashboard."""
    keys = ", ".join(("m", *more))
    return f"GROUPING SETS (({keys}), " + ", ".join(f"({keys}, {name})" for name in dims) + ")"


def which(dims: Sequence[str]) -> str:
    """Which breakdown a row of GROUPING SETS belongs to, and its segment."""
    names = " ".join(f"WHEN grouping({name}) = 0 THEN '{name}'" for name in dims)
    segments = " ".join(f"WHEN grouping({name}) = 0 THEN coalesce({name}, '{NONE}')" for name in dims)
    return f"CASE {names} ELSE '{ALL}' END AS breakdown, CASE {segments} ELSE '' END AS segment"


def scan(  # noqa: PLR0913, PLR0917 - the parts of a statement
    table: str, day: str, where: str, columns: str, sums: str, more: str = "", dims: Sequence[str] = BREAKDOWNS
) -> str:
    """One pass over the rows of the span, whose columns are made first; ``more`` is a column to group by too."""
    rows = f"{day} >= DATE '{START}' AND {day} < DATE '{END}'" + (f" AND {where}" if where else "")
    key = f"{more}, " if more else ""
    return f"""
    SELECT {which(dims)}, m, {key}{sums}
    FROM (SELECT {month(day)} AS m, {", ".join(dims)}, {columns} FROM {table} WHERE {rows})
    GROUP BY {sets(dims, *([more] if more else []))}"""


def balance(
    table: str, day: str, amounts: dict[str, str], where: str = "true", dims: Sequence[str] = BREAKDOWNS
) -> str:
    """The running sum of signed movements at every month end, from before the span on."""
    moved = f"greatest({month(day)}, {FROM_MONTH - 1}::SMALLINT)"
    made = ", ".join(f"{value} AS {name}" for name, value in amounts.items())
    return f"""
    WITH moved AS (
      SELECT {which(dims)}, m, {", ".join(f"sum({name}) AS {name}" for name in amounts)}
      FROM (SELECT {moved} AS m, {", ".join(dims)}, {made} FROM {table} WHERE {day} < DATE '{END}' AND {where})
      GROUP BY {sets(dims)}
    ), grid AS (
      SELECT breakdown, segment, m::SMALLINT AS m
      FROM (SELECT DISTINCT breakdown, segment FROM moved), range({FROM_MONTH - 1}, {TO_MONTH}) AS r(m)
    )
    SELECT breakdown, segment, m, {", ".join(f"sum({name}) OVER so_far AS {name}" for name in amounts)}
    FROM grid LEFT JOIN moved USING (breakdown, segment, m)
    WINDOW so_far AS (PARTITION BY breakdown, segment ORDER BY m) QUALIFY m >= {FROM_MONTH}"""


#: What is asked of the months of customers.
MONTHS = (
    "customer_month",
    "month_on",
    "",
    (
        "CASE WHEN is_final AND mrr_12m_before > 0 THEN mrr_12m_before END AS b, "
        "CASE WHEN is_final AND mrr_12m_before > 0 "
        "THEN mrr_12m_before + expansion_12m - contraction_12m - churn_12m END AS net, "
        "CASE WHEN is_final AND mrr_12m_before > 0 THEN retained_12m END AS kept, "
        "is_final AND mrr_1m_before > 0 AS had, is_final AND mrr_1m_before > 0 AND churn_1m > 0 AS lost, "
        "margin_end_base AS margin, mrr_end > 0 AS pays"
    ),
    (
        "sum(net) / nullif(sum(b), 0) AS nrr, sum(kept) / nullif(sum(b), 0) AS grr, "
        "sum(margin) / nullif(count(*) FILTER (pays), 0) * CASE WHEN count(*) FILTER (lost) > 0 "
        "THEN least(count(*) FILTER (had) / count(*) FILTER (lost), 60) END AS ltv"
    ),
)
#: One statement for each table and day.
SCANS = {
    "created": scan(
        "opportunity",
        "created_on",
        f"coalesce(opportunity_type, 'new') = 'new' AND is_imported IS NOT TRUE AND {LIVE}",
        "CASE WHEN amount_base > 0 THEN amount_base END AS amount, "
        "origin IN ('organic_search', 'organic_social', 'direct', 'referral') AS organic",
        "count(*) AS n, coalesce(sum(amount) FILTER (organic), 0) / nullif(sum(amount), 0) AS organic",
    ),
    "closed": scan(
        "opportunity",
        "closed_on",
        f"is_closed AND {LIVE}",
        "is_won, CASE WHEN is_won AND acv_base > 0 THEN acv_base END AS acv, "
        "CASE WHEN is_won AND is_cycle_valid THEN cycle_days::INTEGER END AS cycle, n_touches",
        "count(*) AS n, count(*) FILTER (is_won) AS won, sum(acv) / count(acv) AS acv, "
        "sum(cycle) / count(cycle) AS cycle, sum(n_touches) / count(n_touches) AS touches",
    ),
    "passed": scan(
        "stage_passage",
        "entered_on",
        "",
        "stage, advanced_on >= entered_on AS further",
        "count(*) AS n, count(*) FILTER (further) AS k",
        "stage",
    ),
    "qualified": balance("pipeline_movement", "moved_on", {"amount": "qualified_n_delta"}),
    "mql": scan(
        "lead_cycle",
        "mql_on",
        f"mql_on + 90 < DATE '{END}' AND is_direct_sql IS NOT TRUE",
        "sql_on - mql_on BETWEEN 0 AND 90 AS sql",
        "count(*) AS n, count(*) FILTER (sql) AS k",
    ),
    "answered": scan(
        "lead_response",
        "created_on",
        "is_valid AND (is_answered OR working_hours >= 1)",
        "is_answered AND working_hours <= 1 AS soon",
        "count(*) AS n, count(*) FILTER (soon) AS k",
    ),
    "waited": scan(
        "lead_response",
        "created_on",
        "is_valid AND working_hours IS NOT NULL",
        "round(working_hours, 4) AS hours, is_answered",
        "count(*) FILTER (is_answered) AS gone, count(*) AS n",
        "hours",
    ),
    "mrr": balance("mrr_movement", "moved_on", {"amount": "mrr_delta_base"}),
    "months": scan(*MONTHS),
    "targets": scan(
        "target_account",
        "month_on",
        "",
        "n_people >= 2 OR n_touches >= 3 AS engaged",
        "count(*) FILTER (engaged) / count(*) AS share",
        dims=("segment", "industry", "region", "owner"),
    ),
    "replies": scan(
        "outreach_delivery",
        "started_on",
        f"is_first AND started_on + 30 < DATE '{END}'",
        "run_replied_on - started_on BETWEEN 0 AND 30 AS replied",
        "count(*) FILTER (replied) / count(*) AS share",
        dims=("segment", "industry", "region", "owner"),
    ),
    "costs": scan("cost", "day_on", "", "amount_base AS amount", "sum(amount) AS amount", dims=("channel",)),
    "won_new": scan(
        "mrr_movement",
        "moved_on",
        "type = 'new'",
        "margin_delta_base AS margin, n_delta > 0 AS counts",
        "count(*) FILTER (counts) AS n, sum(margin) / nullif(count(*) FILTER (counts), 0) AS margin",
        dims=("channel",),
    ),
    "covered": balance(
        "coverage_movement",
        "moved_on",
        {
            "amount": "amount_delta",
            "quota": "CASE WHEN movement = 'quota' THEN quota_delta END",
            "unrated": "unrated_delta",
        },
        "horizon = 'current'",
        ("segment", "owner", "channel"),
    ),
    "forecasts": scan(
        "forecast_outcome",
        "last_on",
        "horizon = 'start' AND forecast_type = 'commit' AND is_final AND is_submitted",
        "forecast, actual",
        "1 - abs(sum(forecast) - sum(actual)) / nullif(sum(actual), 0) AS accuracy",
        dims=("owner",),
    ),
}
#: The Kaplan-Meier median: the first time at which at most half are still waiting; sorted by a number for each cell.
MEDIAN = """
    WITH cell AS MATERIALIZED (
      SELECT breakdown, segment, m, CAST(row_number() OVER () AS INTEGER) AS g
      FROM (SELECT DISTINCT breakdown, segment, m FROM waited)
    ), coded AS MATERIALIZED (SELECT g, hours, gone, n FROM waited JOIN cell USING (breakdown, segment, m)
    ), risk AS (
      SELECT *, sum(n) OVER (PARTITION BY g ORDER BY hours ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS at_risk
      FROM coded
    ), curve AS (
      SELECT g, hours, sum(CASE WHEN gone = at_risk THEN -1e9 ELSE ln(1 - gone / at_risk) END)
                         OVER (PARTITION BY g ORDER BY hours ROWS UNBOUNDED PRECEDING) AS ln_left
      FROM risk
    )
    SELECT breakdown, segment, m, median
    FROM cell JOIN (SELECT g, min(hours) FILTER (ln_left <= ln(0.5) + 1e-12) AS median FROM curve GROUP BY g) USING (g)"""
CELLS = f"""
    SELECT series, breakdown, segment, make_date(m // 12, 1 + m % 12, 1) AS month, value::DOUBLE AS value FROM (
      SELECT 'new opportunities' AS series, breakdown, segment, m::INTEGER AS m, n::DOUBLE AS value FROM created
      UNION ALL SELECT 'win rate', breakdown, segment, m, won / n FROM closed
      UNION ALL SELECT 'ACV', breakdown, segment, m, acv FROM closed
      UNION ALL SELECT 'sales cycle', breakdown, segment, m, cycle FROM closed
      UNION ALL SELECT 'velocity', breakdown, segment, m, coalesce(amount, 0) * (won / n) * acv / nullif(cycle, 0)
        FROM closed LEFT JOIN qualified USING (breakdown, segment, m)
      UNION ALL SELECT 'conversion of ' || stage, breakdown, segment, m, k / n FROM passed
      UNION ALL SELECT 'MQL to SQL', breakdown, segment, m, k / n FROM mql
      UNION ALL SELECT 'response under 1 h', breakdown, segment, m, k / n FROM answered
      UNION ALL SELECT 'response median', breakdown, segment, m, median FROM ({MEDIAN})
      UNION ALL SELECT 'MRR', breakdown, segment, m, amount FROM mrr
      UNION ALL SELECT 'NRR', breakdown, segment, m, nrr FROM months
      UNION ALL SELECT 'GRR', breakdown, segment, m, grr FROM months
      UNION ALL SELECT 'LTV', breakdown, segment, m, ltv FROM months
      UNION ALL SELECT 'organic share', breakdown, segment, m, organic FROM created
      UNION ALL SELECT 'activities per deal', breakdown, segment, m, touches FROM closed
      UNION ALL SELECT 'ABM rate', breakdown, segment, m, share FROM targets
      UNION ALL SELECT 'reply rate', breakdown, segment, m, share FROM replies
      UNION ALL SELECT 'CAC', breakdown, segment, m, amount / nullif(n, 0)
        FROM won_new JOIN costs USING (breakdown, segment, m)
      UNION ALL SELECT 'LTV/CAC', breakdown, segment, m, ltv / nullif(amount / nullif(n, 0), 0)
        FROM won_new JOIN costs USING (breakdown, segment, m) JOIN months USING (breakdown, segment, m)
      UNION ALL SELECT 'CAC payback', breakdown, segment, m, amount / nullif(n, 0) / nullif(margin, 0)
        FROM won_new JOIN costs USING (breakdown, segment, m)
      UNION ALL SELECT 'coverage', breakdown, segment, m, coalesce(amount, 0) / quota
        FROM covered WHERE quota > 0 AND coalesce(unrated, 0) = 0
      UNION ALL SELECT 'forecast accuracy', breakdown, segment, m, accuracy FROM forecasts
    ) WHERE value IS NOT NULL"""


def answer(connection: duckdb.DuckDBPyConnection, scans: Mapping[str, str] = SCANS) -> pa.Table:
    """The cells of the dashboard, from tables or views of the canonical names."""
    for name, statement in scans.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {statement}")
    return connection.execute(CELLS).to_arrow_table()
