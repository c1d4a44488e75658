"""The canonical tables: what a B2B company is made of, whatever the source.

Standard nouns (Salesforce objects in snake case, Fivetran names for history and adverts,
ChartMogul names for revenue movements). Every landed entity has the `COMMON` columns; every
timestamp ``x_at`` has a companion ``x_on``, the same instant as a day in the company's zone,
which is what periods are cut on. Derived tables are functions of the landed ones.
"""

from __future__ import annotations

import functools

from cadran.canonical.columns import COMMON, DIMENSIONS, Column, Entity, columns, day_of
from cadran.canonical.derived import DERIVED, PUBLISHED_EXTRAS
from cadran.errors import QueryError, did_you_mean

__all__ = [
    "COMMON",
    "DIMENSIONS",
    "ENTITIES",
    "PUBLISHED_EXTRAS",
    "Column",
    "Entity",
    "day_of",
    "entity",
    "published_columns",
]

_LANDED = [
    Entity(
        "account",
        "One company.",
        columns(
            "name domain industry employee_count:int annual_revenue:money currency country region market segment "
            "size_band phone tax_id industry_group "
            "icp_tier icp_fit_score:float icp_reasons is_target_abm:bool parent_account_id>account owner_id>owner zone"
        ),
        "created_at",
        versioned=True,
    ),
    Entity(
        "contact",
        "One person.",
        columns(
            "account_id>account name email phone title persona seniority title_level title_function country "
            "owner_id>owner lead_source utm_source utm_medium utm_campaign"
        ),
        "created_at",
        versioned=True,
    ),
    Entity(
        "lead",
        "One enquiry or prospect, before it is an opportunity.",
        columns(
            "contact_id>contact account_id>account name email phone company status source sub_source channel "
            "utm_source utm_medium utm_campaign owner_id>owner segment industry industry_group country "
            "converted_at:timestamp converted_opportunity_id>opportunity first_response_at:timestamp is_test:bool zone"
        ),
        "created_at",
        versioned=True,
    ),
    Entity(
        "identity_link",
        "What people decided of one record: whose group it is in, or that rules leave it alone.",
        columns("entity_type record_id group_id is_apart:bool decided_at:timestamp"),
        "decided_at",
    ),
    Entity(
        "lifecycle_event",
        "One change of lifecycle stage of one lead or contact.",
        columns("lead_id>lead contact_id>contact account_id>account from_stage to_stage reason occurred_at:timestamp"),
        "occurred_at",
    ),
    Entity(
        "stage",
        "One stage of one pipeline.",
        columns(
            "pipeline name position:int probability:float category forecast_category is_qualified:bool "
            "ended_at:timestamp replaced_by"
        ),
        "created_at",
    ),
    Entity(
        "opportunity",
        "One deal.",
        columns(
            "account_id>account primary_contact_id>contact lead_id>lead owner_id>owner pipeline stage name type "
            "amount:money setup_amount:money currency acv:money tcv:money term_months:decimal probability:float "
            "forecast_category expected_close_on:date closed_at:timestamp business_created_at:timestamp is_closed:bool "
            "is_won:bool outcome lost_reason competitor lead_source channel campaign_id product is_imported:bool "
            "is_test:bool"
        ),
        "created_at",
        versioned=True,
    ),
    Entity(
        "deal_split",
        "One person's share of the credit of one deal.",
        columns("opportunity_id>opportunity owner_id>owner share:float"),
        "created_at",
    ),
    Entity(
        "field_history",
        "One change of one field of one record.",
        columns(
            "entity_type entity_id field old_value new_value changed_by changed_at:timestamp uncertainty_from:timestamp"
        ),
        "changed_at",
    ),
    Entity(
        "activity",
        "One touch: a mail, call, meeting or message.",
        columns(
            "type direction channel subject outcome duration_s:int status owner_id>owner account_id>account "
            "contact_id>contact lead_id>lead opportunity_id>opportunity is_automated:bool sequence_id message_key "
            "occurred_at:timestamp logged_at:timestamp"
        ),
        "occurred_at",
    ),
    Entity(
        "outreach_message",
        "One message of a sequence to one person.",
        columns(
            "sequence step_position:int step_name channel contact_id>contact lead_id>lead account_id>account "
            "person_key "
            "owner_id>owner is_abm:bool sent_at:timestamp delivered_at:timestamp bounced_at:timestamp "
            "opened_at:timestamp "
            "clicked_at:timestamp replied_at:timestamp reply_sentiment is_auto_reply:bool unsubscribed_at:timestamp "
            "meeting_booked_at:timestamp"
        ),
        "sent_at",
    ),
    Entity(
        "marketing_touch",
        "One touch of a person or account by marketing.",
        columns(
            "contact_id>contact lead_id>lead account_id>account opportunity_id>opportunity anonymous_id channel source "
            "medium campaign content landing_page touch_type occurred_at:timestamp"
        ),
        "occurred_at",
    ),
    Entity(
        "web_session_daily",
        "One day of web sessions for one combination of source and page.",
        columns(
            "property day_on:date channel source medium campaign landing_page sessions:int engaged_sessions:int "
            "users:int "
            "new_users:int page_views:int key_events:int flags"
        ),
        "day_on",
    ),
    Entity(
        "search_performance",
        "One day of search results for one combination of query and page.",
        columns(
            "site day_on:date query page country device clicks:int impressions:int position_sum:float is_total:bool"
        ),
        "day_on",
    ),
    Entity(
        "spend",
        "One line of sales or marketing cost on one day.",
        columns(
            "day_on:date platform campaign category department market channel amount:money currency allocation_key "
            "impressions:int clicks:int conversions:decimal"
        ),
        "day_on",
    ),
    Entity(
        "customer",
        "One paying company.",
        columns(
            "account_id>account name segment industry industry_group country market "
            "customer_since:timestamp gross_margin_share:float"
        ),
        "created_at",
        versioned=True,
    ),
    Entity(
        "subscription",
        "One span of time in which one customer pays one recurring amount.",
        columns(
            "customer_id>customer account_id>account name status plan started_at:timestamp ended_at:timestamp "
            "cancel_requested_at:timestamp trial_ended_at:timestamp amount:money currency interval interval_count:int "
            "quantity:decimal discount_share:float mrr:money gross_margin_share:float is_escalator:bool"
        ),
        "started_at",
        versioned=True,
    ),
    Entity(
        "invoice",
        "One invoice.",
        columns(
            "customer_id>customer number status issued_at:timestamp paid_at:timestamp amount:money tax:money currency "
            "period_start_on:date period_end_on:date is_recurring:bool"
        ),
        "issued_at",
    ),
    Entity(
        "quota",
        "One target amount for one scope and period.",
        columns(
            "metric scope_type scope owner_id>owner segment market channel start_on:date end_on:date amount:money "
            "currency"
        ),
        "start_on",
        versioned=True,
    ),
    Entity(
        "forecast_submission",
        "One forecast of one period, as submitted.",
        columns(
            "start_on:date end_on:date scope_type scope owner_id>owner segment category amount:money currency method "
            "submitted_at:timestamp"
        ),
        "submitted_at",
    ),
    Entity(
        "owner",
        "One person of the company.",
        columns("name email role team region manager zone is_active:bool start_on:date end_on:date"),
        "created_at",
        versioned=True,
    ),
    Entity(
        "time_entry",
        "Minutes of one person on one day in one category.",
        columns("owner_id>owner day_on:date category is_selling:bool minutes:int"),
        "day_on",
    ),
    Entity(
        "fx_rate",
        "The price of one unit of a currency in another on one day.",
        columns("day_on:date from_currency to_currency rate:decimal"),
        "day_on",
    ),
]

#: Every canonical table by name.
ENTITIES: dict[str, Entity] = {entity.name: entity for entity in [*_LANDED, *DERIVED]}


def entity(name: str) -> Entity:
    """The canonical entity of that name.

    Raises:
        QueryError: No entity has that name.
    """
    if name in ENTITIES:
        return ENTITIES[name]
    near = did_you_mean(name, ENTITIES)
    hint = "Did you mean {near}?" if near else ""
    raise QueryError("No entity is named {name}.", hint=hint, name=name, near=near)


@functools.cache
def published_columns(name: str) -> tuple[Column, ...]:
    """Every column that the published table of that entity has, extras included."""
    found = {c.name: c for c in entity(name).all_columns}
    found.update({c.name: c for c in PUBLISHED_EXTRAS.get(name, ())})
    return tuple(found.values())
