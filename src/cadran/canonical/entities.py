"""The canonical tables: what a B2B company is made of, whatever the source.

Standard nouns (Salesforce objects in snake case, Fivetran names for history and adverts,
ChartMogul names for revenue movements). Every landed entity has the `COMMON` columns; every
timestamp ``x_at`` has a companion ``x_on``, the same instant as a day in the company's zone,
which is what periods are cut on. Derived tables are functions of the landed ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cadran.errors import QueryError, did_you_mean

Type = Literal["text", "int", "float", "bool", "date", "timestamp", "money", "decimal"]


@dataclass(frozen=True)
class Column:
    """One column of a canonical table.

    Attributes:
        name: Column name.
        type: Logical type; ``money`` is decimal(18,4), ``timestamp`` is naive UTC.
        ref: Entity that an id column points at, or empty.
    """

    name: str
    type: Type = "text"
    ref: str = ""


@dataclass(frozen=True)
class Entity:
    """One canonical table.

    Attributes:
        name: Table name, singular.
        grain: What one row is, in a sentence.
        columns: Own columns, without `COMMON` and without the ``_on`` companions.
        time: Column on which its rows are dated by default.
        versioned: True when past versions are kept in ``<name>_history``.
        derived: True when it is computed from other entities rather than mapped from a source.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    time: str
    versioned: bool = False
    derived: bool = False

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Every column of the published table, in order: common, own, and the day of each instant."""
        base = self.columns if self.derived else (*COMMON, *self.columns)
        days = tuple(Column(day_of(c.name), "date") for c in base if c.type == "timestamp")
        return (*base, *days)

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            QueryError: The entity has no such column.
        """
        for column in self.all_columns:
            if column.name == name:
                return column
        near = did_you_mean(name, [c.name for c in self.all_columns])
        hint = "Did you mean {near}?" if near else ""
        raise QueryError("{entity} has no column {name}.", hint=hint, entity=self.name, name=name, near=near)


def day_of(timestamp: str) -> str:
    """Name of the day column that goes with a timestamp column: ``closed_at`` → ``closed_on``."""
    return timestamp.removesuffix("_at") + "_on"


def _columns(text: str) -> tuple[Column, ...]:
    """Columns from a compact list: ``name``, ``name:type`` or ``name>entity`` (a reference)."""
    found: list[Column] = []
    for word in text.split():
        name, _, ref = word.partition(">")
        name, _, kind = name.partition(":")
        found.append(Column(name, kind or "text", ref))  # type: ignore[arg-type]
    return tuple(found)


#: Columns that every landed entity has. `valid_from` is when this version became known.
COMMON = _columns(
    "id connection_id source_system source_id source_url created_at:timestamp updated_at:timestamp "
    "deleted_at:timestamp first_seen_at:timestamp last_seen_at:timestamp merged_into_id merged_at:timestamp "
    "valid_from:timestamp is_inferred:bool"
)

#: Attributes carried by every wide table, as of the event (rule G-10), so that one scan answers.
DIMENSIONS = _columns(
    "segment industry country region market size_band channel source owner team owner_region manager product "
    "pipeline opportunity_type title_level is_target:bool"
)

_LANDED = [
    Entity(
        "account",
        "One company.",
        _columns(
            "name domain industry employee_count:int annual_revenue:money currency country region market segment "
            "size_band "
            "icp_tier icp_fit_score:float is_target_abm:bool parent_account_id>account owner_id>owner zone"
        ),
        "created_at",
        versioned=True,
    ),
    Entity(
        "contact",
        "One person.",
        _columns(
            "account_id>account name email title persona seniority title_level country owner_id>owner lead_source "
            "utm_source utm_medium utm_campaign"
        ),
        "created_at",
        versioned=True,
    ),
    Entity(
        "lead",
        "One enquiry or prospect, before it is an opportunity.",
        _columns(
            "contact_id>contact account_id>account name email company status source sub_source channel utm_source "
            "utm_medium utm_campaign owner_id>owner segment industry country converted_at:timestamp "
            "converted_opportunity_id>opportunity first_response_at:timestamp is_test:bool zone"
        ),
        "created_at",
        versioned=True,
    ),
    Entity(
        "lifecycle_event",
        "One change of lifecycle stage of one lead or contact.",
        _columns("lead_id>lead contact_id>contact account_id>account from_stage to_stage reason occurred_at:timestamp"),
        "occurred_at",
    ),
    Entity(
        "stage",
        "One stage of one pipeline.",
        _columns(
            "pipeline name position:int probability:float category forecast_category is_qualified:bool "
            "ended_at:timestamp replaced_by"
        ),
        "created_at",
    ),
    Entity(
        "opportunity",
        "One deal.",
        _columns(
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
        "field_history",
        "One change of one field of one record.",
        _columns(
            "entity_type entity_id field old_value new_value changed_by changed_at:timestamp uncertainty_from:timestamp"
        ),
        "changed_at",
    ),
    Entity(
        "activity",
        "One touch: a mail, call, meeting or message.",
        _columns(
            "type direction channel subject outcome duration_s:int status owner_id>owner account_id>account "
            "contact_id>contact lead_id>lead opportunity_id>opportunity is_automated:bool sequence_id message_key "
            "occurred_at:timestamp logged_at:timestamp"
        ),
        "occurred_at",
    ),
    Entity(
        "outreach_message",
        "One message of a sequence to one person.",
        _columns(
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
        _columns(
            "contact_id>contact lead_id>lead account_id>account opportunity_id>opportunity anonymous_id channel source "
            "medium campaign content landing_page touch_type occurred_at:timestamp"
        ),
        "occurred_at",
    ),
    Entity(
        "web_session_daily",
        "One day of web sessions for one combination of source and page.",
        _columns(
            "property day_on:date channel source medium campaign landing_page sessions:int engaged_sessions:int "
            "users:int "
            "new_users:int page_views:int key_events:int flags"
        ),
        "day_on",
    ),
    Entity(
        "search_performance",
        "One day of search results for one combination of query and page.",
        _columns(
            "site day_on:date query page country device clicks:int impressions:int position_sum:float is_total:bool"
        ),
        "day_on",
    ),
    Entity(
        "spend",
        "One line of sales or marketing cost on one day.",
        _columns(
            "day_on:date platform campaign category department market channel amount:money currency allocation_key "
            "impressions:int clicks:int conversions:decimal"
        ),
        "day_on",
    ),
    Entity(
        "customer",
        "One paying company.",
        _columns(
            "account_id>account name segment industry country market customer_since:timestamp gross_margin_share:float"
        ),
        "created_at",
        versioned=True,
    ),
    Entity(
        "subscription",
        "One span of time in which one customer pays one recurring amount.",
        _columns(
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
        _columns(
            "customer_id>customer number status issued_at:timestamp paid_at:timestamp amount:money tax:money currency "
            "period_start_on:date period_end_on:date is_recurring:bool"
        ),
        "issued_at",
    ),
    Entity(
        "quota",
        "One target amount for one scope and period.",
        _columns(
            "metric scope_type scope owner_id>owner segment market channel start_on:date end_on:date amount:money "
            "currency"
        ),
        "start_on",
        versioned=True,
    ),
    Entity(
        "forecast_submission",
        "One forecast of one period, as submitted.",
        _columns(
            "start_on:date end_on:date scope_type scope owner_id>owner segment category amount:money currency method "
            "submitted_at:timestamp"
        ),
        "submitted_at",
    ),
    Entity(
        "owner",
        "One person of the company.",
        _columns("name email role team region manager zone is_active:bool start_on:date end_on:date"),
        "created_at",
        versioned=True,
    ),
    Entity(
        "time_entry",
        "Minutes of one person on one day in one category.",
        _columns("owner_id>owner day_on:date category is_selling:bool minutes:int"),
        "day_on",
    ),
    Entity(
        "fx_rate",
        "The price of one unit of a currency in another on one day.",
        _columns("day_on:date from_currency to_currency rate:decimal"),
        "day_on",
    ),
]

_DERIVED = [
    Entity(
        "stage_interval",
        "One stay of one opportunity in one stage.",
        _columns(
            "opportunity_id>opportunity account_id>account owner_id>owner stage position:int seq:int "
            "entered_at:timestamp "
            "exited_at:timestamp exit_to is_regression:bool is_implied:bool is_inferred:bool days:float "
        )
        + DIMENSIONS,
        "entered_at",
        derived=True,
    ),
    Entity(
        "stage_passage",
        "One opportunity and one stage that it entered, or skipped over.",
        _columns(
            "opportunity_id>opportunity account_id>account owner_id>owner stage next_stage position:int "
            "entered_at:timestamp advanced_at:timestamp advanced_strict_at:timestamp lost_at:timestamp state "
            "n_entries:int "
            "n_regressions:int is_implied:bool is_inferred:bool days:float age_days:float is_open:bool "
            "opportunity_is_won:bool opportunity_is_closed:bool amount_base:money"
        )
        + DIMENSIONS,
        "entered_at",
        derived=True,
    ),
    Entity(
        "pipeline_movement",
        "One change of one opportunity's contribution to the open pipeline.",
        _columns(
            "opportunity_id>opportunity account_id>account owner_id>owner moved_at:timestamp type stage "
            "amount_delta:money n_delta:int qualified_amount_delta:money qualified_n_delta:int"
        )
        + DIMENSIONS,
        "moved_at",
        derived=True,
    ),
    Entity(
        "mrr_movement",
        "One change of one customer's monthly recurring revenue.",
        _columns(
            "customer_id>customer account_id>account moved_at:timestamp type currency mrr_delta:money mrr_before:money "
            "mrr_after:money mrr_delta_base:money mrr_delta_constant:money escalator_delta_constant:money n_delta:int "
            "cancel_requested_at:timestamp"
        )
        + DIMENSIONS,
        "moved_at",
        derived=True,
    ),
    Entity(
        "customer_month",
        "One customer and one month end, with what it paid then and before.",
        _columns(
            "customer_id>customer account_id>account month_on:date mrr_end:money mrr_1m_before:money "
            "mrr_12m_before:money "
            "expansion_12m:money contraction_12m:money churn_12m:money reactivation_12m:money new_12m:money "
            "expansion_1m:money contraction_1m:money churn_1m:money reactivation_1m:money new_1m:money is_final:bool "
            "retained_1m:money retained_12m:money escalator_1m:money escalator_12m:money mrr_end_base:money "
            "is_customer:bool"
        )
        + DIMENSIONS,
        "month_on",
        derived=True,
    ),
    Entity(
        "lead_cycle",
        "One pass of one person through the funnel, from lead to customer.",
        _columns(
            "person_id lead_id>lead contact_id>contact account_id>account opportunity_id>opportunity cycle:int "
            "started_at:timestamp lead_at:timestamp mql_at:timestamp sql_at:timestamp opportunity_at:timestamp "
            "customer_at:timestamp disqualified_at:timestamp observed_until:timestamp is_direct_sql:bool "
            "is_inferred:bool"
        )
        + DIMENSIONS,
        "started_at",
        derived=True,
    ),
    Entity(
        "lead_response",
        "One lead that someone should answer.",
        _columns(
            "lead_id>lead account_id>account owner_id>owner created_at:timestamp responded_at:timestamp "
            "responder_id>owner "
            "observed_until:timestamp is_answered:bool elapsed_hours:float working_hours:float is_valid:bool"
        )
        + DIMENSIONS,
        "created_at",
        derived=True,
    ),
]

#: Every canonical table by name.
ENTITIES: dict[str, Entity] = {entity.name: entity for entity in [*_LANDED, *_DERIVED]}

#: Columns added to landed entities when they are published, beside their own.
PUBLISHED_EXTRAS: dict[str, tuple[Column, ...]] = {
    "opportunity": (
        *_columns(
            "amount_base:money acv_base:money tcv_base:money asp_base:money cycle_days:float age_days:float "
            "engaged_at:timestamp engaged_on:date qualified_at:timestamp qualified_on:date is_engaged:bool "
            "is_qualified:bool is_stale:bool n_reopened:int is_cycle_valid:bool is_inferred_history:bool"
        ),
        *(c for c in DIMENSIONS if c.name not in {"channel", "product", "pipeline"}),
    ),
    "spend": _columns("amount_base:money"),
    "quota": _columns("amount_base:money owner team"),
    "forecast_submission": _columns("amount_base:money owner team"),
}


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


def published_columns(name: str) -> tuple[Column, ...]:
    """Every column that the published table of that entity has, extras included."""
    found = {c.name: c for c in entity(name).all_columns}
    found.update({c.name: c for c in PUBLISHED_EXTRAS.get(name, ())})
    return tuple(found.values())
