"""The dashboard in SQL from what a connector lands: the tables that `fused` and `analyst` read, then their statements.

What somebody writes who has no Cadran and knows both DuckDB and this company: one CRM, one version of each
account and seller, deals that go upwards through five stages, customers with one currency each, no duplicates, a
rate for every day. The product assumes none of that. Only the columns that the statements read are made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from benchmarks import analyst, fused
from benchmarks.scale import CURRENCY, END, KNOWN_AT, START, SUMMERS
from benchmarks.work import FROM_MONTH, STAGES, TO_MONTH

if TYPE_CHECKING:
    import pyarrow as pa

    from benchmarks.scale import Scale

_SUMMER = " OR ".join(f"happened >= TIMESTAMP '{a} 01:00' AND happened < TIMESTAMP '{b} 01:00'" for a, b in SUMMERS)
# time zones are looked up where a day may change only, for ICU takes twenty times as long
MACROS = f"""
CREATE TEMP MACRO local_day(happened) AS CASE WHEN happened::TIME < TIME '22:00' THEN happened::DATE
    WHEN happened::TIME >= TIME '23:00' OR {_SUMMER} THEN happened::DATE + 1 ELSE happened::DATE END;
CREATE TEMP MACRO month_number(day) AS year(day) * 12 + month(day) - 1;
CREATE TEMP MACRO month_start(m) AS make_date(m // 12, 1 + m % 12, 1);
CREATE TEMP MACRO money(amount) AS amount::DECIMAL(18, 4);
CREATE TEMP MACRO in_base(amount, currency, rate) AS
    CASE WHEN currency = '{CURRENCY}' THEN amount ELSE money(amount * rate) END;
-- seconds of a piece of working time, in minutes of the day, that have passed at a second of the day
CREATE TEMP MACRO passed(second, since, until) AS greatest(least(second, 60 * until) - 60 * since, 0);
"""
_FIRST = ", ".join(f"min(changed_at) FILTER (new_value = '{s}') AS t{i}" for i, s in enumerate((*STAGES, "Won"), 1))
OF_ACCOUNT = "a.segment, a.industry, a.region"
#: Texts of few values, which are grouped by as numbers.
NAMES = {
    "owner_name": "SELECT name FROM landed.owner",
    "channel_name": " UNION ".join(f"SELECT channel FROM landed.{name}" for name in ("spend", "opportunity", "lead")),
    **{f"{name}_name": f"SELECT {name} FROM landed.account" for name in ("segment", "industry", "region")},
}
#: Tables in the order in which they are made.
TABLES = {
    "owner_of": "SELECT id, name::owner_name AS owner FROM landed.owner",
    "account_of": """
    SELECT a.id, a.segment::segment_name AS segment, a.industry::industry_name AS industry,
           a.region::region_name AS region, o.owner, a.is_target_abm AS is_target
    FROM landed.account AS a LEFT JOIN owner_of AS o ON o.id = a.owner_id""",
    "rate": f"""
    SELECT day_on, from_currency AS currency, rate FROM landed.fx_rate WHERE to_currency = '{CURRENCY}'""",
    # the first time that a deal was in each stage or beyond it: a stage that is jumped over is passed then
    "walked": f"""
    SELECT id, t6, least(t5, t6) AS t5, least(t4, t5, t6) AS t4, least(t3, t4, t5, t6) AS t3,
           least(t2, t3, t4, t5, t6) AS t2, least(t1, t2, t3, t4, t5, t6) AS t1
    FROM (SELECT entity_id AS id,
                 {_FIRST}
          FROM landed.field_history WHERE entity_type = 'opportunity' AND field = 'stage' GROUP BY entity_id)""",
    "touched": """
    SELECT t.opportunity_id, count(*) AS n
    FROM landed.activity AS t JOIN landed.opportunity AS d ON d.id = t.opportunity_id
    WHERE t.direction = 'outbound' AND NOT t.is_automated AND d.is_closed AND t.occurred_at <= d.closed_at
    GROUP BY t.opportunity_id""",
    "opportunity": f"""
    WITH deal AS (
      SELECT *, local_day(created_at) AS created_on, local_day(closed_at) AS closed_on,
             CASE WHEN term_months > 12 THEN money(round(amount::DOUBLE * 12 / term_months::DOUBLE, 4)) ELSE amount END
               AS yearly
      FROM landed.opportunity WHERE deleted_at IS NULL AND merged_into_id IS NULL
    )
    SELECT d.account_id, d.owner_id, d.closed_at, d.channel::channel_name AS channel, d.channel::channel_name AS origin,
           d.type AS opportunity_type, d.is_imported, d.is_test, d.deleted_at, d.merged_into_id, d.is_closed, d.is_won,
           d.created_on, d.closed_on, date_trunc('quarter', d.expected_close_on)::DATE AS due_from, {OF_ACCOUNT}, o.owner,
           in_base(d.amount, d.currency, r.rate) AS amount_base,
           in_base(d.yearly, d.currency, r.rate) AS acv_base,
           in_base(d.amount, d.currency, c.rate) AS worth,
           d.closed_on - d.created_on AS cycle_days, d.closed_on >= d.created_on AS is_cycle_valid,
           coalesce(t.n, 0) AS n_touches,
           {", ".join(f"local_day(w.t{i}) AS entered_{i}" for i in range(1, 7))}
    FROM deal AS d
    LEFT JOIN account_of AS a ON a.id = d.account_id LEFT JOIN owner_of AS o ON o.id = d.owner_id
    LEFT JOIN walked AS w ON w.id = d.id LEFT JOIN touched AS t ON t.opportunity_id = d.id
    LEFT JOIN rate AS r ON r.currency = d.currency AND r.day_on = coalesce(d.closed_on, d.created_on)
    LEFT JOIN rate AS c ON c.currency = d.currency AND c.day_on = d.created_on""",
    "stage_passage": " UNION ALL ".join(
        f"""
    SELECT '{stage}' AS stage, entered_{i} AS entered_on, entered_{i + 1} AS advanced_on, segment, industry, region,
           owner, channel
    FROM opportunity WHERE entered_{i} IS NOT NULL AND NOT is_test"""
        for i, stage in enumerate(STAGES, 1)
    ),
    # a deal of the second stage on is qualified until it is closed
    "pipeline_movement": """
    SELECT entered_2 AS moved_on, 1 AS qualified_n_delta, segment, industry, region, owner, channel
    FROM opportunity WHERE entered_2 IS NOT NULL AND NOT is_test
    UNION ALL
    SELECT closed_on, -1, segment, industry, region, owner, channel
    FROM opportunity WHERE entered_2 IS NOT NULL AND is_closed AND NOT is_test""",
    # a qualified deal covers the quarter in which it is due, from when it is both until it is neither
    "coverage_movement": """
    WITH due AS (
      SELECT greatest(entered_2, due_from) AS since,
             least(closed_on, (due_from + INTERVAL 3 MONTH)::DATE) AS until, worth, segment, owner, channel
      FROM opportunity WHERE entered_2 IS NOT NULL AND NOT is_test
    ), quota AS (
      SELECT q.start_on, q.end_on, q.amount, o.owner
      FROM landed.quota AS q LEFT JOIN owner_of AS o ON o.id = q.owner_id
    )
    SELECT 'current' AS horizon, 'deal' AS movement, since AS moved_on, worth AS amount_delta, NULL AS quota_delta,
           0 AS unrated_delta, segment, owner, channel
    FROM due WHERE since < until
    UNION ALL SELECT 'current', 'deal', until, -worth, NULL, 0, segment, owner, channel FROM due WHERE since < until
    UNION ALL SELECT 'current', 'quota', start_on, 0, amount, 0, NULL, owner, NULL FROM quota
    UNION ALL SELECT 'current', 'quota', end_on, 0, -amount, 0, NULL, owner, NULL FROM quota""",
    "forecast_outcome": f"""
    WITH said AS (
      SELECT start_on, end_on, owner_id, arg_max(amount, submitted_at) AS forecast
      FROM landed.forecast_submission
      WHERE local_day(submitted_at) <= start_on AND category = 'commit' AND end_on <= DATE '{END}'
      GROUP BY start_on, end_on, owner_id
    ), signed AS (
      SELECT date_trunc('quarter', closed_on)::DATE AS start_on, owner_id, sum(amount_base) AS actual
      FROM opportunity WHERE is_won AND NOT is_test GROUP BY ALL
    )
    SELECT 'start' AS horizon, 'commit' AS forecast_type, true AS is_final, true AS is_submitted, end_on - 1 AS last_on,
           forecast, coalesce(actual, 0) AS actual, o.owner
    FROM said LEFT JOIN signed USING (start_on, owner_id) LEFT JOIN owner_of AS o ON o.id = owner_id""",
    "lead_of": f"""
    SELECT l.id, l.created_at, l.first_response_at, l.channel::channel_name AS channel, {OF_ACCOUNT}, o.owner
    FROM landed.lead AS l
    LEFT JOIN account_of AS a ON a.id = l.account_id LEFT JOIN owner_of AS o ON o.id = l.owner_id
    WHERE NOT l.is_test AND l.deleted_at IS NULL""",
    "lead_cycle": """
    SELECT local_day(e.mql_at) AS mql_on, local_day(e.sql_at) AS sql_on, e.sql_at < e.mql_at AS is_direct_sql,
           segment, industry, region, owner, channel
    FROM (SELECT lead_id, min(occurred_at) FILTER (to_stage = 'mql') AS mql_at,
                 min(occurred_at) FILTER (to_stage = 'sql') AS sql_at
          FROM landed.lifecycle_event WHERE to_stage IN ('mql', 'sql') GROUP BY lead_id) AS e
    JOIN lead_of ON id = lead_id WHERE e.mql_at IS NOT NULL""",
    "lead_response": f"""
    WITH waited AS (
      SELECT *, coalesce(first_response_at, TIMESTAMP '{KNOWN_AT}') AS ended_at, epoch(created_at::TIME) AS came,
             epoch(coalesce(first_response_at, TIMESTAMP '{KNOWN_AT}')::TIME) AS ended
      FROM lead_of
    )
    SELECT local_day(created_at) AS created_on, first_response_at IS NOT NULL AS is_answered,
           ended_at >= created_at AS is_valid,
           (60 * u.minutes_before + passed(ended, u.first_from, u.first_to) + passed(ended, u.second_from, u.second_to)
            - 60 * f.minutes_before - passed(came, f.first_from, f.first_to) - passed(came, f.second_from, f.second_to))
             / 3600 AS working_hours,
           segment, industry, region, owner, channel
    FROM waited JOIN landed.working_minutes AS f ON f.utc_on = created_at::DATE
    JOIN landed.working_minutes AS u ON u.utc_on = ended_at::DATE""",
    "customer_of": """
    SELECT c.id, c.gross_margin_share::DECIMAL(18, 9) AS margin, a.segment, a.industry, a.region, a.owner, w.channel
    FROM landed.customer AS c LEFT JOIN account_of AS a ON a.id = c.account_id
    LEFT JOIN (SELECT account_id, arg_min_null(channel, closed_at) AS channel
               FROM opportunity WHERE is_won GROUP BY account_id) AS w ON w.account_id = c.account_id""",
    # what starts and ends on one day is one change
    "mrr_day": """
    SELECT *, sum(delta) OVER so_far AS mrr, row_number() OVER so_far = 1 AS is_first
    FROM (SELECT customer_id, day, any_value(currency) AS currency, sum(mrr) AS delta
          FROM (SELECT customer_id, currency, local_day(started_at) AS day, mrr FROM landed.subscription
                UNION ALL SELECT customer_id, currency, local_day(ended_at), -mrr FROM landed.subscription
                WHERE ended_at IS NOT NULL)
          GROUP BY customer_id, day)
    WINDOW so_far AS (PARTITION BY customer_id ORDER BY day)""",
    "mrr_movement": """
    SELECT 'new' AS type, day AS moved_on, 1 AS n_delta, channel,
           money(in_base(money(delta), m.currency, rate) * margin) AS margin_delta_base
    FROM mrr_day AS m JOIN customer_of ON id = customer_id
    LEFT JOIN rate AS r ON r.currency = m.currency AND r.day_on = day
    WHERE is_first""",
    # every change is booked again a month and a year later, so that running sums give both look-backs without a join
    "customer_month": f"""
    WITH month AS (
      SELECT customer_id, any_value(currency) AS currency, month_number(day) AS m, sum(delta) AS delta,
             count(*) FILTER (mrr <= 0) AS churned
      FROM mrr_day GROUP BY ALL
    ), booked AS (
      SELECT customer_id, currency, m, delta AS d0, 0 AS d1, 0 AS d12, churned AS c1, churned AS c12 FROM month
      UNION ALL SELECT customer_id, currency, m + 1, 0, delta, 0, -churned, 0 FROM month
      UNION ALL SELECT customer_id, currency, m + 12, 0, 0, delta, 0, -churned FROM month
    ), stretch AS (
      SELECT customer_id, currency, m, coalesce(lead(m) OVER so_far, {TO_MONTH}) AS until,
             money(sum(sum(d0)) OVER so_far) AS mrr, money(sum(sum(d1)) OVER so_far) AS mrr_1m,
             money(sum(sum(d12)) OVER so_far) AS mrr_12m, sum(sum(c1)) OVER so_far AS churned_1m,
             sum(sum(c12)) OVER so_far AS churned_12m
      FROM booked GROUP BY customer_id, currency, m WINDOW so_far AS (PARTITION BY customer_id ORDER BY m)
    ), rate_of AS (
      SELECT currency, month_number(day_on) AS m, arg_max(rate, day_on) AS rate FROM rate WHERE day_on < DATE '{END}'
      GROUP BY ALL
    ), held AS (
      SELECT s.*, c.*, greatest(s.m, {FROM_MONTH}) AS since,
             in_base(mrr, s.currency, k.rate) AS mrr_end,
             in_base(mrr_1m, s.currency, k.rate) AS mrr_1m_before,
             in_base(mrr_12m, s.currency, k.rate) AS mrr_12m_before,
             mrr > 0 AND mrr_12m > 0 AND churned_12m = 0 AS stayed, mrr > 0 AND churned_1m = 0 AS stayed_1m
      FROM stretch AS s JOIN customer_of AS c ON c.id = s.customer_id
      LEFT JOIN rate_of AS k ON k.currency = s.currency AND k.m = {TO_MONTH - 1}
      WHERE until > {FROM_MONTH} AND s.m < {TO_MONTH} AND (mrr > 0 OR mrr_1m > 0 OR mrr_12m > 0)
    ), laid AS (
      SELECT unnest(range(since, least(until, {TO_MONTH}))) AS m, currency, mrr, margin, mrr_end, mrr_1m_before,
             mrr_12m_before, segment, industry, region, owner, channel,
             CASE WHEN stayed THEN greatest(mrr_end - mrr_12m_before, 0) ELSE 0 END AS expansion_12m,
             CASE WHEN stayed THEN greatest(mrr_12m_before - mrr_end, 0) ELSE 0 END AS contraction_12m,
             CASE WHEN stayed THEN 0 ELSE mrr_12m_before END AS churn_12m,
             CASE WHEN stayed THEN least(mrr_end, mrr_12m_before) ELSE 0 END AS retained_12m,
             CASE WHEN stayed_1m THEN 0 ELSE mrr_1m_before END AS churn_1m
      FROM held
    )
    SELECT * EXCLUDE (m, currency, mrr, margin, rate), month_start(m) AS month_on, true AS is_final,
           in_base(mrr, currency, rate) AS mrr_end_base,
           money(mrr_end_base * margin) AS margin_end_base
    FROM laid LEFT JOIN rate_of USING (currency, m)""",
    # a run is what a person got of a sequence without ninety days of silence
    "outreach_run": """
    WITH sent AS (
      SELECT contact_id, sequence, account_id, owner_id, coalesce(delivered_at, sent_at) AS happened,
             CASE WHEN is_auto_reply IS NOT TRUE AND replied_at >= sent_at THEN replied_at END AS replied_at
      FROM landed.outreach_message WHERE deleted_at IS NULL AND bounced_at IS NULL
    ), marked AS (
      SELECT *, coalesce(happened - lag(happened) OVER in_order >= INTERVAL 90 DAY, false) AS starts FROM sent
      WINDOW in_order AS (PARTITION BY contact_id, sequence ORDER BY happened)
    ), numbered AS (
      SELECT *, countif(starts) OVER (PARTITION BY contact_id, sequence ORDER BY happened) AS run FROM marked
    )
    SELECT contact_id, min(account_id) AS account_id, arg_min(owner_id, happened) AS owner_id,
           min(happened) AS started_at, min(replied_at) AS replied_at
    FROM numbered GROUP BY contact_id, sequence, run""",
    "outreach_delivery": f"""
    SELECT true AS is_first, local_day(started_at) AS started_on, local_day(replied_at) AS run_replied_on, {OF_ACCOUNT},
           o.owner
    FROM outreach_run AS r LEFT JOIN account_of AS a ON a.id = r.account_id
    LEFT JOIN owner_of AS o ON o.id = r.owner_id""",
    # two persons are told by the least and the greatest: distinct ones are not counted
    "target_account": f"""
    WITH done AS (
      SELECT account_id, occurred_at AS happened, contact_id AS who FROM landed.marketing_touch
      UNION ALL SELECT account_id, occurred_at, account_id FROM landed.activity
      WHERE (direction = 'inbound' OR type = 'meeting') AND NOT is_automated
      UNION ALL SELECT account_id, replied_at, contact_id FROM outreach_run WHERE replied_at IS NOT NULL
    ), month AS (
      SELECT d.account_id, month_number(local_day(happened)) AS m, count(*) AS n, min(who) AS one, max(who) AS other
      FROM done AS d JOIN (SELECT id FROM account_of WHERE is_target) ON id = d.account_id
      WHERE happened >= TIMESTAMP '{START}' - INTERVAL 3 MONTH GROUP BY ALL
    ), quarter AS (
      SELECT account_id, m + later AS m, sum(n) AS n_touches,
             CASE WHEN min(one) < max(other) THEN 2 ELSE 1 END AS n_people
      FROM month, range(3) AS r(later) GROUP BY ALL
    )
    SELECT month_start(g.m) AS month_on, n_people, n_touches, segment, industry, region, owner
    FROM (SELECT *, unnest(range({FROM_MONTH}, {TO_MONTH})) AS m FROM account_of WHERE is_target) AS g
    LEFT JOIN quarter AS q ON q.account_id = g.id AND q.m = g.m""",
    "cost": """
    SELECT day_on, channel::channel_name AS channel, amount AS amount_base
    FROM landed.spend WHERE deleted_at IS NULL""",
}


#: Tables that one of the fused statements reads alone: as views they are never written.
ONCE = frozenset(
    [
        "walked",
        "stage_passage",
        "pipeline_movement",
        "coverage_movement",
        "forecast_outcome",
        "lead_cycle",
        "mrr_movement",
        "customer_month",
        "outreach_delivery",
        "target_account",
        "cost",
    ]
)
# the balance of revenue is that of the months of customers, which are there: no movements are summed
_table, _day, _where, _columns, _sums = fused.MONTHS
SCANS = {name: text for name, text in fused.SCANS.items() if name != "mrr"} | {
    "months": fused.scan(_table, _day, _where, f"{_columns}, mrr_end_base", f"{_sums}, sum(mrr_end_base) AS mrr"),
    "mrr": "SELECT breakdown, segment, m, mrr AS amount FROM months",
}


def prepare(connection: duckdb.DuckDBPyConnection, scale: Scale, views: frozenset[str] = frozenset()) -> None:
    """Make the tables from landed Parquet, as temporary ones.

    Args:
        connection: A database of its own.
        scale: Whose data was landed.
        views: Tables that are made as views.
    """
    connection.execute(f"CREATE SCHEMA landed; {MACROS}")
    sources = {each.name: f"{each}/*.parquet" for each in (scale.folder / "landed").iterdir() if each.is_dir()}
    for name, files in {**sources, "working_minutes": scale.minutes}.items():
        connection.execute(f"CREATE VIEW landed.{name} AS FROM read_parquet('{files}')")
    for name, texts in NAMES.items():
        connection.execute(f"CREATE TYPE {name} AS ENUM (SELECT DISTINCT * FROM ({texts}) AS t(n) WHERE n IS NOT NULL)")
    for name, rows in TABLES.items():
        connection.execute(f"CREATE TEMP {'VIEW' if name in views else 'TABLE'} {name} AS {rows}")


def expert(scale: Scale) -> pa.Table:
    """The cells of the dashboard by the statements of `fused`."""
    with duckdb.connect() as connection:
        prepare(connection, scale, ONCE)
        return fused.answer(connection, SCANS)


def straight(scale: Scale) -> pa.Table:
    """The cells of the dashboard by one query for each KPI and breakdown, once the tables are made."""
    with duckdb.connect() as connection:
        prepare(connection, scale)
        return analyst.answer(connection, _revenue)


def _revenue(segment: str) -> str:
    return analyst.simple("customer_month", "month_on", "true", "sum(mrr_end_base)", segment)
