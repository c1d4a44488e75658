"""Who buys, who sells, and what is planned and spent: SQL of the small tables and of leads.

Each function takes how many deals a chunk has and the number of its first one.
"""

from __future__ import annotations

from benchmarks.scale import FIRST, KNOWN_AT

OWNERS = 200
CHANNELS = "['organic_search', 'paid_search', 'paid_social', 'outbound', 'partner', 'event', 'referral', 'direct']"
INDUSTRIES = (
    "['Software', 'Manufacturing', 'Retail', 'Health', 'Finance', 'Logistics', 'Energy', 'Media', 'Education', "
    "'Public sector', 'Telecom']"
)
MONTHS = f"(SELECT unnest(generate_series(DATE '{FIRST}', DATE '2026-06-01', INTERVAL 1 MONTH))::DATE AS month)"
QUARTERS = f"(SELECT unnest(generate_series(DATE '{FIRST}', DATE '2026-06-01', INTERVAL 3 MONTH))::DATE AS quarter)"


def _range(n: int, first: int) -> str:
    return f"(SELECT range AS i FROM range({first}, {first + n}))"


def account(n: int, first: int) -> str:
    return f"""
    SELECT 'a' || i AS id, 'Company ' || i AS name, 'company' || i || '.example' AS domain,
           CASE WHEN u(i, 1) < 0.04 THEN NULL ELSE of({INDUSTRIES}, i, 2) END AS industry,
           CASE WHEN u(i, 3) < 0.58 THEN 'SMB' WHEN u(i, 3) < 0.88 THEN 'Mid-market' ELSE 'Enterprise' END AS segment,
           CASE WHEN u(i, 4) < 0.05 THEN NULL WHEN u(i, 4) < 0.5 THEN 'EMEA' WHEN u(i, 4) < 0.8 THEN 'North America'
                WHEN u(i, 4) < 0.92 THEN 'APAC' ELSE 'LATAM' END AS region,
           of(['FR', 'DE', 'GB', 'US', 'CA', 'JP', 'BR'], i, 5) AS country, of(['FR', 'US', 'UK'], i, 6) AS market,
           of(['1-49', '50-249', '250-999', '1000+'], i, 7) AS size_band, u(i, 8) < 0.12 AS is_target_abm,
           'o' || k(i, 9, {OWNERS}) AS owner_id, TIMESTAMP '2022-01-03 08:00:00' AS created_at
    FROM {_range(n // 5, first // 5)}"""


def contact(n: int, first: int) -> str:
    return f"""
    SELECT 'c' || i AS id, 'a' || (i // 2) AS account_id, 'Person ' || i AS name,
           'p' || i || '@company' || (i // 2) || '.example' AS email,
           of(['C-level', 'VP', 'Director', 'Manager'], i, 11) AS title_level, 'o' || k(i, 12, {OWNERS}) AS owner_id,
           TIMESTAMP '2022-01-03 08:00:00' AS created_at
    FROM {_range(2 * (n // 5), 2 * (first // 5))}"""


def owner(_n: int, _first: int) -> str:
    return f"""
    SELECT 'o' || i AS id, 'Seller ' || lpad(i::VARCHAR, 3, '0') AS name, 'seller' || i || '@cadran.example' AS email,
           'account executive' AS role, 'Team ' || (i % 20) AS team, of(['EMEA', 'North America', 'APAC'], i, 21) AS region,
           'Manager ' || (i % 10) AS manager, true AS is_active, TIMESTAMP '2022-01-03 08:00:00' AS created_at
    FROM range({OWNERS}) AS r(i)"""


def stage(_n: int, _first: int) -> str:
    return """
    SELECT 's' || i AS id, ['Discovery', 'Qualification', 'Demo', 'Proposal', 'Negotiation', 'Won', 'Lost'][i] AS name,
           'Sales' AS pipeline, i AS position, [0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 0.0][i] AS probability,
           CASE i WHEN 6 THEN 'won' WHEN 7 THEN 'lost' ELSE 'open' END AS category, i BETWEEN 2 AND 6 AS is_qualified,
           TIMESTAMP '2022-01-03 08:00:00' AS created_at
    FROM range(1, 8) AS r(i)"""


def fx_rate(_n: int, _first: int) -> str:
    return """
    SELECT 'fx' || i AS id, DATE '2022-01-01' + CAST(i AS INTEGER) AS day_on, 'USD' AS from_currency,
           'EUR' AS to_currency, CAST(round(0.92 + 0.04 * sin(i / 90.0), 6) AS DECIMAL(18, 9)) AS rate,
           TIMESTAMP '2022-01-01 08:00:00' AS created_at
    FROM range(1700) AS r(i)"""


def spend(n: int, _first: int) -> str:
    return f"""
    SELECT 'sp' || (d * 100 + c) AS id, DATE '{FIRST}' + CAST(d AS INTEGER) AS day_on, {CHANNELS}[1 + c % 8] AS channel,
           ['FR', 'US', 'UK'][1 + c % 3] AS market,
           CASE WHEN c % 6 = 5 THEN 'salaries' WHEN c % 6 = 4 THEN 'tools' ELSE 'media' END AS category,
           CASE WHEN c < 30 THEN 'marketing' ELSE 'sales' END AS department, 'campaign ' || c AS campaign,
           cents(({n} / 900.0) * (0.5 + u(d * 100 + c, 31))) AS amount, 'EUR' AS currency,
           CAST(DATE '{FIRST}' + CAST(d AS INTEGER) AS TIMESTAMP) AS created_at
    FROM range((DATE '2026-07-01' - DATE '{FIRST}')) AS r(d), range(48) AS s(c)"""


def quota(n: int, _first: int) -> str:
    return f"""
    SELECT 'q' || o || '-' || quarter AS id, 'bookings' AS metric, 'owner' AS scope_type, 'o' || o AS scope,
           'o' || o AS owner_id, quarter AS start_on, CAST(quarter + INTERVAL 3 MONTH AS DATE) AS end_on,
           cents({n} * 4.0 * (0.8 + 0.4 * u(o, 41))) AS amount, 'EUR' AS currency,
           CAST(quarter - INTERVAL 10 DAY AS TIMESTAMP) AS created_at
    FROM {QUARTERS}, range({OWNERS}) AS r(o)"""


def forecast_submission(n: int, _first: int) -> str:
    return f"""
    SELECT 'f' || o || '-' || quarter || '-' || w AS id, quarter AS start_on,
           CAST(quarter + INTERVAL 3 MONTH AS DATE) AS end_on, 'owner' AS scope_type, 'o' || o AS scope,
           'o' || o AS owner_id, 'commit' AS category, 'EUR' AS currency, 'manual' AS method,
           cents({n} * 3.2 * (0.7 + 0.6 * u(o * 100 + w, 42))) AS amount,
           CAST(quarter AS TIMESTAMP) + to_days(CAST(w * 7 AS INTEGER)) - INTERVAL 12 HOUR AS submitted_at,
           CAST(quarter AS TIMESTAMP) + to_days(CAST(w * 7 AS INTEGER)) - INTERVAL 12 HOUR AS created_at
    FROM {QUARTERS}, range({OWNERS}) AS r(o), range(0, 12, 4) AS s(w)"""


def customer(n: int, first: int) -> str:
    return f"""
    SELECT 'k' || i AS id, 'a' || i AS account_id, 'Company ' || i AS name,
           TIMESTAMP '2022-01-03 08:00:00' AS created_at, 0.78 AS gross_margin_share
    FROM {_range(n // 8, first // 8)}"""


def subscription(n: int, first: int) -> str:
    """Two of each customer, one after the other: it stays, pays more or less, pauses, or leaves."""
    return f"""
    SELECT 'b' || (2 * i + part) AS id, 'k' || i AS customer_id, 'a' || i AS account_id, 'Plan ' || k(i, 51, 3) AS plan,
           CASE WHEN part = 0 THEN begun ELSE turned + to_days(CASE WHEN u(i, 52) < 0.05 THEN 45 ELSE 0 END) END
             AS started_at,
           CASE WHEN part = 0 THEN known(turned) ELSE known(left_at) END AS ended_at,
           CASE WHEN CASE WHEN part = 0 THEN known(turned) ELSE known(left_at) END IS NULL THEN 'active'
                ELSE 'canceled' END AS status,
           cents(CASE WHEN part = 0 THEN base ELSE base * (0.75 + 0.7 * u(i, 53)) END) AS amount,
           cents(CASE WHEN part = 0 THEN base ELSE base * (0.75 + 0.7 * u(i, 53)) END) AS mrr,
           CASE WHEN u(i, 54) < 0.15 THEN 'USD' ELSE 'EUR' END AS currency, 'month' AS interval, 1 AS interval_count,
           0.78 AS gross_margin_share, begun AS created_at
    FROM (SELECT i, part, begun, turned, turned + to_seconds(wait(i, 56, 900)) + INTERVAL 60 DAY AS left_at, base
          FROM (SELECT i, TIMESTAMP '2022-06-01 09:00:00' + to_seconds(CAST(u(i, 57) * 1400 * 86400 AS BIGINT)) AS begun,
                       begun + INTERVAL 90 DAY + to_seconds(wait(i, 58, 400)) AS turned,
                       40 * exp(2.2 * u(i, 59) + 1.6 * u(i, 60)) AS base
                FROM {_range(n // 8, first // 8)}),
               range(2) AS s(part)
          WHERE part = 0 OR (turned < TIMESTAMP '{KNOWN_AT}' - INTERVAL 46 DAY AND u(i, 61) < 0.86))"""


#: Entities that do not grow with the number of chunks.
ONCE = frozenset({"owner", "stage", "fx_rate", "spend", "quota", "forecast_submission"})
PLANS: dict = {}
ENTITIES = {
    made.__name__: made
    for made in (
        account,
        contact,
        owner,
        stage,
        fx_rate,
        spend,
        quota,
        forecast_submission,
        customer,
        subscription,
    )
}
