"""The derived canonical tables: what is computed from the landed ones, for now and for any past day."""

from __future__ import annotations

from cadran.canonical.columns import DIMENSIONS, Column, Entity, columns

#: Every derived table.
DERIVED = [
    Entity(
        "stage_interval",
        "One stay of one opportunity in one stage.",
        columns(
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
        columns(
            "opportunity_id>opportunity account_id>account owner_id>owner stage next_stage position:int "
            "entered_at:timestamp advanced_at:timestamp advanced_strict_at:timestamp lost_at:timestamp "
            "decided_at:timestamp state "
            "n_entries:int "
            "n_regressions:int is_implied:bool is_inferred:bool days:float age_days:float is_open:bool "
            "opportunity_is_won:bool opportunity_is_closed:bool amount_base:money n_touches:int"
        )
        + DIMENSIONS,
        "entered_at",
        derived=True,
    ),
    Entity(
        "pipeline_movement",
        "One change of one opportunity's contribution to the open pipeline.",
        columns(
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
        columns(
            "customer_id>customer account_id>account moved_at:timestamp type currency mrr_delta:money mrr_before:money "
            "mrr_after:money mrr_delta_base:money mrr_delta_constant:money escalator_delta_constant:money n_delta:int "
            "cancel_requested_at:timestamp margin_delta_base:money origin"
        )
        + DIMENSIONS,
        "moved_at",
        derived=True,
    ),
    Entity(
        "customer_month",
        "One customer and one month end, with what it paid then and before.",
        columns(
            "customer_id>customer account_id>account month_on:date mrr_end:money mrr_1m_before:money "
            "mrr_12m_before:money "
            "expansion_12m:money contraction_12m:money churn_12m:money reactivation_12m:money new_12m:money "
            "expansion_1m:money contraction_1m:money churn_1m:money reactivation_1m:money new_1m:money is_final:bool "
            "retained_1m:money retained_12m:money escalator_1m:money escalator_12m:money mrr_end_base:money "
            "is_customer:bool margin_end_base:money"
        )
        + DIMENSIONS,
        "month_on",
        derived=True,
    ),
    Entity(
        "lead_cycle",
        "One pass of one person through the funnel, from lead to customer.",
        columns(
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
        columns(
            "lead_id>lead account_id>account owner_id>owner created_at:timestamp responded_at:timestamp "
            "responder_id>owner "
            "observed_until:timestamp is_answered:bool elapsed_hours:float working_hours:float is_valid:bool"
        )
        + DIMENSIONS,
        "created_at",
        derived=True,
    ),
    Entity(
        "coverage_movement",
        "One change of what covers a quota period, of what was signed in it, or of its quota.",
        columns(
            "opportunity_id>opportunity account_id>account owner_id>owner moved_at:timestamp movement horizon "
            "start_on:date end_on:date amount_delta:money n_delta:int won_delta:money quota_delta:money "
            "unrated_delta:int"
        )
        + DIMENSIONS,
        "moved_at",
        derived=True,
    ),
    Entity(
        "forecast_outcome",
        "One forecast of one period, as known at a horizon, and what was signed.",
        columns(
            "id owner_id>owner scope_type scope start_on:date end_on:date last_on:date horizon forecast_type "
            "submitted_at:timestamp forecast:money actual:money error:money abs_error:money is_submitted:bool "
            "is_final:bool is_unrated:bool"
        )
        + DIMENSIONS,
        "last_on",
        derived=True,
    ),
    Entity(
        "selling_week",
        "One seller and one week, with where the time went.",
        columns("id owner_id>owner week_on:date minutes:float selling_minutes:float is_tracked:bool is_over:bool")
        + DIMENSIONS,
        "week_on",
        derived=True,
    ),
    Entity(
        "touch",
        "One touch: an account, or a person without one, and a message.",
        columns(
            "id account_id>account contact_id>contact lead_id>lead opportunity_id>opportunity owner_id>owner sequence "
            "activity_type occurred_at:timestamp n_records:int is_meeting:bool is_held:bool is_qualified_meeting:bool"
        )
        + DIMENSIONS,
        "occurred_at",
        derived=True,
    ),
    Entity(
        "account_approach",
        "One account, or a person without one, that was touched, up to its first qualified meeting.",
        columns(
            "id account_id>account owner_id>owner started_at:timestamp met_at:timestamp observed_until:timestamp "
            "is_met:bool n_touches:int"
        )
        + DIMENSIONS,
        "started_at",
        derived=True,
    ),
    Entity(
        "outreach_delivery",
        "One message of a sequence that reached one person.",
        columns(
            "prospect_id person_id contact_id>contact account_id>account owner_id>owner sequence run:int step:int "
            "message is_abm:bool is_first:bool delivered_at:timestamp started_at:timestamp replied_at:timestamp "
            "run_replied_at:timestamp run_sentiment run_meeting_at:timestamp"
        )
        + DIMENSIONS,
        "delivered_at",
        derived=True,
    ),
    Entity(
        "cost",
        "One line of sales or marketing cost, or the part of it that one market bears.",
        columns(
            "spend_id>spend day_on:date lagged_on:date lag_days:int platform campaign cost_line department market "
            "channel allocation_key allocation_share:float is_shared:bool is_allocated:bool currency amount:money "
            "amount_base:money"
        ),
        "day_on",
        derived=True,
    ),
    Entity(
        "target_account",
        "One target account and one month, with who of it took part in the three months that end then.",
        columns("account_id>account owner_id>owner month_on:date n_people:int n_touches:int is_final:bool")
        + DIMENSIONS,
        "month_on",
        derived=True,
    ),
    Entity(
        "account_health",
        "One paying customer and one month end, with how it stands.",
        columns(
            "customer_id>customer account_id>account month_on:date is_final:bool mrr_end:money mrr_3m_before:money "
            "last_touch_on:date days_since_touch:int open_pipeline:money observed_months:int"
        )
        + DIMENSIONS,
        "month_on",
        derived=True,
    ),
]

#: Columns added to landed entities when they are published, beside their own.
PUBLISHED_EXTRAS: dict[str, tuple[Column, ...]] = {
    "opportunity": (
        *columns(
            "amount_base:money acv_base:money tcv_base:money asp_base:money cycle_days:float age_days:float "
            "engaged_at:timestamp engaged_on:date qualified_at:timestamp qualified_on:date is_engaged:bool "
            "is_qualified:bool is_stale:bool n_reopened:int is_cycle_valid:bool is_inferred_history:bool n_touches:int "
            "last_touch_at:timestamp last_touch_on:date is_silent:bool creator baseline_cycle_days:float "
            "origin anniversary_on:date"
        ),
        *(c for c in DIMENSIONS if c.name not in {"channel", "product", "pipeline"}),
    ),
    "spend": columns("amount_base:money"),
    "quota": columns("amount_base:money owner team"),
    "forecast_submission": columns("amount_base:money owner team"),
}
