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
    import duckdb
    import pyarrow as pa

DIMS = ", ".join(BREAKDOWNS)
LIVE = "is_test IS NOT TRUE AND deleted_at IS NULL AND merged_into_id IS NULL"


def month(day: str) -> str:
    """The month of a day as one number."""
    return f"(year({day}) * 12 + month({day}) - 1)::SMALLINT"


def sets(*more: str) -> str:
    """The grouping sets of the dashboard."""
    keys = ", ".join(("m", *more))
    return f"GROUPING SETS (({keys}), " + ", ".join(f"({keys}, {name})" for name in BREAKDOWNS) + ")"


#: Which breakdown a row of GROUPING SETS belongs to, and its segment.
WHICH = (
    "CASE "
    + " ".join(f"WHEN grouping({name}) = 0 THEN '{name}'" for name in BREAKDOWNS)
    + f" ELSE '{ALL}' END AS breakdown, CASE "
    + " ".join(f"WHEN grouping({name}) = 0 THEN coalesce({name}, '{NONE}')" for name in BREAKDOWNS)
    + " ELSE '' END AS segment"
)


def scan(table: str, day: str, where: str, columns: str, sums: str, *more: str) -> str:
    """One pass over the rows of the span."""
    rows = f"{day} >= DATE '{START}' AND {day} < DATE '{END}'" + (f" AND {where}" if where else "")
    keys = "".join(f"{name}, " for name in more)
    return f"""
    SELECT {WHICH}, m, {keys}{sums}
    FROM (SELECT {month(day)} AS m, {DIMS}, {keys}{columns} FROM {table} WHERE {rows})
    GROUP BY {sets(*more)}"""


def balance(table: str, day: str, amount: str) -> str:
    """The running sum of signed movements at every month end, from before the span on."""
    moved = f"greatest({month(day)}, {FROM_MONTH - 1}::SMALLINT)"
    return f"""
    WITH moved AS (
      SELECT {WHICH}, m, sum(amount) AS amount
      FROM (SELECT {moved} AS m, {DIMS}, {amount} AS amount FROM {table} WHERE {day} < DATE '{END}')
      GROUP BY {sets()}
    ), grid AS (
      SELECT breakdown, segment, m::SMALLINT AS m
      FROM (SELECT DISTINCT breakdown, segment FROM moved), range({FROM_MONTH - 1}, {TO_MONTH}) AS r(m)
    )
    SELECT breakdown, segment, m,
           sum(amount) OVER (PARTITION BY breakdown, segment ORDER BY m) AS amount
    FROM grid LEFT JOIN moved USING (breakdown, segment, m) QUALIFY m >= {FROM_MONTH}"""


#: One statement for each table and day.
SCANS = {
    "created": scan(
        "opportunity",
        "created_on",
        f"coalesce(opportunity_type, 'new') = 'new' AND is_imported IS NOT TRUE AND {LIVE}",
        "1 AS one",
        "count(*) AS n",
    ),
    "closed": scan(
        "opportunity",
        "closed_on",
        f"is_closed AND {LIVE}",
        "is_won, CASE WHEN is_won AND acv_base > 0 THEN acv_base END AS acv, "
        "CASE WHEN is_won AND is_cycle_valid THEN cycle_days::INTEGER END AS cycle",
        "count(*) AS n, count(*) FILTER (is_won) AS won, sum(acv) / count(acv) AS acv, "
        "sum(cycle) / count(cycle) AS cycle",
    ),
    "passed": scan(
        "stage_passage",
        "entered_on",
        "",
        "stage, advanced_on >= entered_on AS further",
        "count(*) AS n, count(*) FILTER (further) AS k",
        "stage",
    ).replace("stage, stage, ", "stage, "),
    "qualified": balance("pipeline_movement", "moved_on", "qualified_n_delta"),
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
    ).replace("hours, round", "round"),
    "mrr": balance("mrr_movement", "moved_on", "mrr_delta_base"),
    "retained": scan(
        "customer_month",
        "month_on",
        "is_final AND mrr_12m_before > 0",
        "mrr_12m_before AS b, mrr_12m_before + expansion_12m - contraction_12m - churn_12m AS net, retained_12m AS kept",
        "sum(net) / nullif(sum(b), 0) AS nrr, sum(kept) / nullif(sum(b), 0) AS grr",
    ),
}
#: The Kaplan-Meier median: the first time at which at most half are still waiting.
MEDIAN = """
    SELECT breakdown, segment, m, min(hours) FILTER (ln_left <= ln(0.5) + 1e-12) AS median
    FROM (SELECT *, sum(CASE WHEN gone = at_risk THEN -1e9 ELSE ln(1 - gone / at_risk) END) OVER so_far AS ln_left
          FROM (SELECT *, sum(n) OVER (PARTITION BY breakdown, segment, m ORDER BY hours DESC) AS at_risk FROM waited)
          WINDOW so_far AS (PARTITION BY breakdown, segment, m ORDER BY hours))
    GROUP BY breakdown, segment, m"""
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
      UNION ALL SELECT 'NRR', breakdown, segment, m, nrr FROM retained
      UNION ALL SELECT 'GRR', breakdown, segment, m, grr FROM retained
    ) WHERE value IS NOT NULL"""


def answer(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """The cells of the dashboard, from tables or views of the canonical names."""
    for name, statement in SCANS.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {statement}")
    return connection.execute(CELLS).to_arrow_table()
