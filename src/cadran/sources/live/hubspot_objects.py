"""The kinds of records of HubSpot that are read, and the properties of HubSpot's own that are asked for."""

from __future__ import annotations

from dataclasses import dataclass

#: Property that lists the records that were merged into one.
MERGED = "hs_merged_object_ids"


@dataclass(frozen=True)
class Object:
    """One kind of record.

    Attributes:
        kind: HubSpot's word.
        properties: Properties of HubSpot's own that are read; the company's own ones are read besides.
        to: Kinds that it is associated with.
        cursor: Property that says when it changed.
        has_bin: True when HubSpot lists what is in its bin.
        history: Properties whose history is read.
        needed: See `Stream.needed`.
    """

    kind: str
    properties: tuple[str, ...]
    to: tuple[str, ...] = ()
    cursor: str = "hs_lastmodifieddate"
    has_bin: bool = True
    history: tuple[str, ...] = ()
    needed: bool = False


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_TOUCH = "hs_timestamp hs_createdate hs_lastmodifieddate hubspot_owner_id hs_object_source "
_ALL = ("contacts", "companies", "deals")
OBJECTS = (
    Object(
        "companies",
        _words(
            "name phone domain industry numberofemployees annualrevenue country state hubspot_owner_id createdate "
            "hs_lastmodifieddate hs_parent_company_id hs_is_target_account hs_ideal_customer_profile timezone"
        ),
        needed=True,
    ),
    Object(
        "contacts",
        _words(
            "firstname lastname email phone mobilephone jobtitle hs_persona hs_seniority country hubspot_owner_id "
            "createdate lastmodifieddate hs_lead_status lifecyclestage hs_analytics_source hs_analytics_source_data_1 "
            "company hs_timezone hs_sa_first_engagement_date"
        ),
        ("companies",),
        cursor="lastmodifieddate",
        history=("lifecyclestage",),
        needed=True,
    ),
    Object(
        "deals",
        _words(
            "dealname dealstage pipeline amount deal_currency_code dealtype hs_is_closed hs_is_closed_won createdate "
            "hs_lastmodifieddate closedate hubspot_owner_id hs_deal_stage_probability hs_manual_forecast_category "
            "hs_forecast_category closed_lost_reason hs_analytics_source hs_acv hs_tcv"
        ),
        ("companies", "contacts"),
        history=_words("dealstage pipeline amount closedate hs_manual_forecast_category"),
        needed=True,
    ),
    Object(
        "leads",
        _words(
            "hs_lead_name hs_pipeline hs_pipeline_stage hs_lead_type hs_lead_label hubspot_owner_id hs_createdate "
            "hs_lastmodifieddate hs_primary_contact_id hs_primary_company_id hs_lead_source"
        ),
        ("contacts", "companies"),
    ),
    Object(
        "calls",
        _words(_TOUCH + "hs_call_title hs_call_direction hs_call_duration hs_call_disposition hs_call_status"),
        _ALL,
    ),
    Object(
        "emails",
        _words(
            _TOUCH + "hs_email_subject hs_email_direction hs_email_status hs_email_thread_id hs_email_message_id "
            "hs_sequence_id"
        ),
        _ALL,
    ),
    Object(
        "meetings",
        _words(_TOUCH + "hs_meeting_title hs_meeting_outcome hs_meeting_start_time hs_meeting_end_time"),
        _ALL,
        has_bin=False,
    ),
    Object("tasks", _words(_TOUCH + "hs_task_subject hs_task_status hs_task_type hs_task_completion_date"), _ALL),
    Object("notes", _words(_TOUCH), _ALL),
    Object(
        "communications",
        _words(_TOUCH + "hs_communication_channel_type hs_communication_logged_from"),
        _ALL,
        has_bin=False,
    ),
)
