"""Deals, how they went through the stages, and everything that was done about them: SQL of the large tables."""

from __future__ import annotations

from benchmarks.people import CHANNELS, OWNERS, _range
from benchmarks.scale import KNOWN_AT

NAMES = "['Discovery', 'Qualification', 'Demo', 'Proposal', 'Negotiation']"


def deal_plan(n: int, first: int) -> str:
    """One row per deal: when it was created, how far it goes and by when it is over, known or not."""
    return f"""
    SELECT *, created_at + to_seconds(list_sum(gaps[:reached])) AS over_at,
           over_at < TIMESTAMP '{KNOWN_AT}' AS is_over, is_over AND wins AS is_won
    FROM (SELECT i, moment(i, 101) AS created_at, 'a' || (i // 5) AS account_id, u(i, 102) < 0.26 AS wins,
                 CASE WHEN u(i, 102) < 0.26 THEN 5
                      ELSE 1 + least(4, CAST(floor(-ln(1 - u(i, 103)) * 1.3) AS INTEGER)) END AS reached,
                 [wait(i, 110, 9), wait(i, 111, 14), wait(i, 112, 18), wait(i, 113, 16), wait(i, 114, 21)] AS gaps,
                 CASE WHEN u(i, 104) < 0.03 THEN NULL ELSE of({CHANNELS}, i, 106) END AS channel,
                 CAST(floor(pow(u(i, 107), 1.4) * {OWNERS}) AS BIGINT) AS seller, u(i, 108) < 0.02 AS reopens
          FROM {_range(n, first)})"""


def stage_plan(_n: int, _first: int) -> str:
    """One row per stage that a deal enters and that is known."""
    return f"""
    SELECT * FROM (
      SELECT i, s, created_at + to_seconds(coalesce(list_sum(gaps[:s - 1]), 0)) AS happened, {NAMES}[s] AS stage,
             {NAMES}[s - 1] AS before, reopens
      FROM deal_plan, range(1, 6) AS r(s) WHERE s <= reached AND (s IN (1, 2, 5) OR u(i, 120 + s) < 0.94)
    ) WHERE happened < TIMESTAMP '{KNOWN_AT}'"""


def opportunity(_n: int, _first: int) -> str:
    return """
    SELECT 'd' || i AS id, account_id, 'c' || (2 * (i // 5) + i % 2) AS primary_contact_id, 'o' || seller AS owner_id,
           'Sales' AS pipeline, 'Deal ' || i AS name,
           CASE WHEN is_won THEN 'Won' WHEN is_over THEN 'Lost' ELSE coalesce(last.stage, 'Discovery') END AS stage,
           CASE WHEN u(i, 131) < 0.8 THEN 'new' ELSE 'expansion' END AS type,
           CASE WHEN u(i, 132) < 0.03 THEN NULL ELSE cents(900 * exp(3.4 * u(i, 133))) END AS amount,
           CASE WHEN u(i, 134) < 0.15 THEN 'USD' ELSE 'EUR' END AS currency,
           CAST(of([12, 12, 12, 24, 36], i, 135) AS DECIMAL(18, 9)) AS term_months,
           CAST(over_at AS DATE) AS expected_close_on, CASE WHEN is_over THEN over_at END AS closed_at,
           is_over AS is_closed, is_won, of(['price', 'timing', 'no decision', 'competitor'], i, 136) AS lost_reason,
           channel AS lead_source, channel, of(['Core', 'Plus', 'Suite'], i, 137) AS product,
           u(i, 138) < 0.01 AS is_test, false AS is_imported, created_at
    FROM deal_plan LEFT JOIN (SELECT i, arg_max(stage, happened) AS stage FROM stage_plan GROUP BY i) AS last USING (i)"""


def field_history(_n: int, _first: int) -> str:
    """Changes of stage as a CRM records them, won and lost included; some lost deals come back first."""
    return f"""
    SELECT 'h' || i || '-' || s AS id, 'opportunity' AS entity_type, 'd' || i AS entity_id, 'stage' AS field,
           old_value, new_value, happened AS changed_at, happened AS created_at
    FROM (SELECT i, s, before AS old_value, stage AS new_value, happened FROM stage_plan
          UNION ALL
          SELECT i, 9, NULL, CASE WHEN wins THEN 'Won' ELSE 'Lost' END, over_at FROM deal_plan WHERE is_over
          UNION ALL
          SELECT i, 10 + s, NULL, CASE s WHEN 0 THEN 'Lost' ELSE 'Discovery' END,
                 created_at + to_seconds(CAST((0.3 + 0.2 * s) * gaps[1] AS BIGINT))
          FROM deal_plan, range(2) AS r(s) WHERE reopens AND created_at + to_seconds(gaps[1]) < TIMESTAMP '{KNOWN_AT}')"""


def activity(n: int, first: int) -> str:
    """Ten a deal, most of them before its end, some after it; most of deals with a busy owner."""
    return f"""
    SELECT 't' || j AS id, of(['email', 'call', 'meeting', 'linkedin message'], j, 141) AS type,
           CASE WHEN u(j, 142) < 0.7 THEN 'outbound' ELSE 'inbound' END AS direction, 'done' AS outcome,
           u(j, 143) < 0.1 AS is_automated, 'o' || seller AS owner_id, account_id, 'd' || i AS opportunity_id,
           happened AS occurred_at, happened AS logged_at, happened AS created_at
    FROM (SELECT j, i, d.seller, d.account_id, d.created_at + to_seconds(CAST(
                   u(j, 144) * 1.15 * (epoch(least(d.over_at, TIMESTAMP '{KNOWN_AT}')) - epoch(d.created_at)) AS BIGINT
                 )) AS happened
          FROM (SELECT j, {first} + CAST(floor(pow(u(j, 145), 1.25) * {n}) AS BIGINT) AS i
                FROM (SELECT range AS j FROM range({10 * first}, {10 * (first + n)}))) AS a
          JOIN deal_plan AS d USING (i))
    WHERE happened < TIMESTAMP '{KNOWN_AT}'"""


def lead_plan(n: int, first: int) -> str:
    """One row per lead; two in five become the deal of the same number."""
    return f"""
    SELECT l.i, l.u_deal < 0.4 AS converts,
           CASE WHEN converts THEN d.created_at - to_seconds(86400 * 3 + wait(l.i, 152, 20)) ELSE moment(l.i, 153) END
             AS created_at,
           d.created_at AS deal_at, u(l.i, 154) < 0.62 OR converts AS is_mql,
           l.i // 5 AS company, k(l.i, 155, {OWNERS}) AS seller
    FROM (SELECT i * 2 AS i, u(i * 2, 151) AS u_deal FROM {_range(n // 2, first // 2)}) AS l JOIN deal_plan AS d USING (i)"""


def lead(_n: int, _first: int) -> str:
    return f"""
    SELECT 'l' || i AS id, 'a' || company AS account_id, 'Lead ' || i AS name, 'l' || i || '@lead.example' AS email,
           'Company ' || company AS company, of({CHANNELS}, i, 161) AS channel, of({CHANNELS}, i, 161) AS source,
           'o' || seller AS owner_id, CASE WHEN converts THEN 'd' || i END AS converted_opportunity_id,
           CASE WHEN converts THEN deal_at END AS converted_at, u(i, 162) < 0.01 AS is_test,
           CASE WHEN u(i, 163) < 0.86 THEN known(created_at + to_seconds(wait(i, 164, 0.4))) END AS first_response_at,
           CASE WHEN converts THEN 'converted' ELSE 'open' END AS status, created_at
    FROM lead_plan"""


def lifecycle_event(_n: int, _first: int) -> str:
    return f"""
    SELECT 'e' || i || '-' || to_stage AS id, 'l' || i AS lead_id, 'a' || company AS account_id, to_stage,
           happened AS occurred_at, happened AS created_at
    FROM (SELECT i, company, 'lead' AS to_stage, created_at AS happened FROM lead_plan
          UNION ALL SELECT i, company, 'mql', created_at + to_seconds(3600 + wait(i, 171, 0.6)) FROM lead_plan WHERE is_mql
          UNION ALL SELECT i, company, 'sql', coalesce(CASE WHEN converts THEN deal_at END,
                      created_at + INTERVAL 1 DAY + to_seconds(wait(i, 172, 35))) FROM lead_plan
                    WHERE converts OR (is_mql AND u(i, 173) < 0.2))
    WHERE happened < TIMESTAMP '{KNOWN_AT}'"""


def outreach_message(n: int, first: int) -> str:
    return f"""
    SELECT 'm' || j AS id, 'Sequence ' || k(j, 181, 12) AS sequence, 1 + j % 4 AS step_position,
           'Step ' || (1 + j % 4) AS step_name, 'email' AS channel, 'c' || c AS contact_id, 'a' || (c // 2) AS account_id,
           'p' || c AS person_key, 'o' || k(c, 182, {OWNERS}) AS owner_id, sent AS sent_at,
           CASE WHEN u(j, 183) < 0.96 THEN known(sent + INTERVAL 2 MINUTE) END AS delivered_at,
           CASE WHEN u(j, 183) < 0.06 THEN known(sent + to_seconds(wait(j, 184, 2))) END AS replied_at,
           u(j, 183) < 0.008 AS is_auto_reply, sent AS created_at
    FROM (SELECT j, 2 * ({first} // 5) + k(j, 185, 2 * ({n} // 5)) AS c, moment(j, 186) AS sent
          FROM (SELECT range AS j FROM range({first}, {first + n})))"""


def marketing_touch(n: int, first: int) -> str:
    return f"""
    SELECT 'w' || j AS id, 'c' || c AS contact_id, 'a' || (c // 2) AS account_id, of({CHANNELS}, j, 191) AS channel,
           of({CHANNELS}, j, 191) AS source, '/page/' || k(j, 192, 400) AS landing_page, 'visit' AS touch_type,
           happened AS occurred_at, happened AS created_at
    FROM (SELECT j, moment(j, 193) AS happened, 2 * ({first} // 5) + CAST(floor(pow(u(j, 194), 2) * (2 * ({n} // 5))) AS BIGINT) AS c
          FROM (SELECT range AS j FROM range({5 * first}, {5 * (first + n)})))"""


PLANS = {made.__name__: made for made in (deal_plan, stage_plan, lead_plan)}
ENTITIES = {
    made.__name__: made
    for made in (opportunity, field_history, activity, lead, lifecycle_event, outreach_message, marketing_touch)
}
