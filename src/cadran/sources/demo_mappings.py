"""Mapping files of the sample company: its own fields and words, which no shipped mapping can know.

HubSpot, Stripe and the team's own lists are one connection, so that a subscription can point at a
company of the CRM and an activity at a deal, by their ids there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cadran.sources.demo_files import Export

_DEALS = """\
# Deals of HubSpot, exported in English by one team and in French by the other.
name: lisiere_deals
system: hubspot
connection: hubspot
match: {files: ["hubspot*deals*", "hubspot*transactions*"], headers: [Record ID, Deal Name]}
optional: true
entities:
  opportunity:
    id: [Record ID, ID de fiche d'informations]
    columns:
      name: [Deal Name, Nom de la transaction]
      stage: [Deal Stage, Phase de la transaction]
      pipeline: Pipeline
      amount: [Amount, Montant]
      currency: [Currency, Devise]
      expected_close_on: [Close Date, Date de fermeture]
      closed_at: {from: [Close Date, Date de fermeture], when: is_closed}
      is_closed: {from: [Deal Stage, Phase de la transaction], values: {Gagné: true, Perdu: true, "/./": false}}
      is_won: {from: [Deal Stage, Phase de la transaction], values: {Gagné: true, Perdu: false}, else: null}
      created_at: [Create Date, Date de création]
      owner_id: {from: [Deal owner, Propriétaire de la transaction], ref: name}
      account_id: {from: Associated Company (Primary), ref: name}
      primary_contact_id: Associated Contact IDs
      lead_id: Associated Contact IDs
      type: {from: [Deal Type, Type de transaction], values: {New business: new, Renewal: renewal, Upsell: expansion}}
      forecast_category:
        from: Forecast category
        values: {Best case: best_case, Closed won: closed, Not forecasted: omitted}
      lead_source: Original Source
      channel: {from: Original Source, values: *channels}
      lost_reason: [Closed Lost Reason, Motif de la perte]
      competitor: Competitor
      setup_amount: Setup amount
      term_months: Term in months
      is_test: {from: Pipeline, values: {Test: true, "/./": false}}
  field_history:
    id: Record ID
    unpivot: 'Date entered "(?P<new_value>[^"]+)"'
    columns:
      entity_type: {value: opportunity}
      entity_id: {from: Record ID, ref: id}
      field: {value: stage}
"""

_CONTACTS = """\
# Contacts of HubSpot are at once the people and the enquiries. Lifecycle dates come from another list.
name: lisiere_contacts
system: hubspot
connection: hubspot
match: {files: ["hubspot*contacts*"], headers: [Record ID, Email]}
entities:
  lead:
    id: Record ID
    columns:
      name: {join: [First Name, Last Name], with: " "}
      email: Email
      company: Associated Company (Primary)
      account_id: {from: Associated Company (Primary), ref: name}
      owner_id: {from: Contact owner, ref: name}
      status: Lifecycle Stage
      source: Original Source
      channel: {from: Original Source, values: *channels}
      utm_source: UTM Source
      utm_medium: UTM Medium
      utm_campaign: UTM Campaign
      is_test: {from: Contact de test, values: {Oui: true, Non: false}}
      created_at: Create Date
  contact:
    id: Record ID
    columns:
      name: {join: [First Name, Last Name], with: " "}
      email: Email
      title: Job Title
      title_level:
        from: Job Title
        values: {"/^(vp|c[efr]o|chief|head|direct)/": Décideur, "/./": Opérationnel}
      account_id: {from: Associated Company (Primary), ref: name}
      owner_id: {from: Contact owner, ref: name}
      lead_source: Original Source
      utm_source: UTM Source
      utm_medium: UTM Medium
      utm_campaign: UTM Campaign
      created_at: Create Date
"""

_COMPANIES = """\
# Companies of HubSpot. People have written the segment and the country in many ways.
name: lisiere_companies
system: hubspot
connection: hubspot
match: {files: ["hubspot*companies*"], headers: [Record ID, Company name]}
entities:
  account:
    id: Record ID
    columns:
      name: Company name
      domain: Company Domain Name
      owner_id: {from: Company owner, ref: name}
      industry: Industry
      employee_count: Number of Employees
      size_band:
        from: Number of Employees
        values:
          {"/^[0-9]{1,2}$/": "1-99", "/^[1-4][0-9]{2}$/": "100-499", "/^[5-9][0-9]{2}$/": "500-999", "/./": "1000+"}
      country: {from: Country/Region, values: {FR: France, france: France, USA: United States, US: United States}}
      market: {from: Country/Region, values: {USA: US, US: US, United States: US, "/./": FR}}
      region: {from: Country/Region, values: {USA: AMER, US: AMER, United States: AMER, "/./": EMEA}}
      segment:
        from: Segment
        values: {SMB: SMB, PME: SMB, Mid-market: Mid-market, Mid market: Mid-market, ETI: Mid-market,
          Enterprise: Enterprise, Grand compte: Enterprise}
        else: error
      is_target_abm: Target Account
      icp_tier: ICP Tier
      created_at: Create Date
"""

_CHANNELS = """\
{Organic Search: Organique, Paid Search: Payant, Paid Social: Payant, Organic Social: Réseaux sociaux,
        Direct Traffic: Direct, Referrals: Partenaires, Email Marketing: E-mail, Offline Sources: Prospection}"""

_SUBSCRIPTIONS = """\
# Subscriptions of Stripe; the company of the CRM is in the metadata, hence the connection of the CRM.
name: lisiere_subscriptions
system: stripe
connection: hubspot
match: {files: ["stripe*subscriptions*"], headers: [id, Customer ID, Status]}
options: {zone: UTC}
entities:
  subscription:
    id: id
    columns:
      customer_id: Customer ID
      account_id: hubspot_company_id (metadata)
      name: Customer Description
      status: Status
      plan: Plan
      quantity: Quantity
      currency: Currency
      interval: Interval
      amount: Amount
      created_at: Created (UTC)
      started_at: Start (UTC)
      trial_ended_at: Trial End (UTC)
      cancel_requested_at: Canceled At (UTC)
      ended_at: Ended At (UTC)
      discount_share: {from: Discount %, scale: 0.01}
      gross_margin_share: gross_margin (metadata)
  customer:
    id: Customer ID
    columns:
      account_id: hubspot_company_id (metadata)
      name: Customer Description
      customer_since: Start (UTC)
      gross_margin_share: gross_margin (metadata)
"""

_INVOICES = """\
# Invoices of Stripe.
name: lisiere_invoices
system: stripe
connection: hubspot
match: {files: ["stripe*invoices*"], headers: [id, Number, Customer ID]}
options: {zone: UTC}
entities:
  invoice:
    id: id
    columns:
      customer_id: Customer ID
      number: Number
      status: Status
      currency: Currency
      amount: Subtotal
      tax: Tax
      issued_at: Created (UTC)
      paid_at: Paid At (UTC)
      period_start_on: Period Start (UTC)
      period_end_on: Period End (UTC)
      is_recurring: {value: "true"}
"""

_GOOGLE_ADS = """\
# Costs of Google Ads, which Cadran knows by itself, but for the market: it is the start of the name of the campaign.
name: lisiere_google_ads
system: google_ads
match: {files: ["google-ads*"], headers: [Day, Campaign, Cost]}
entities:
  spend:
    id: {join: [Day, Campaign]}
    columns:
      day_on: Day
      platform: {value: google_ads}
      category: {value: ads}
      department: {value: marketing}
      market: {from: Campaign, values: {"/^us/": US, "/^fr/": FR}, else: null}
      channel: {value: paid_search}
      campaign: Campaign
      amount: Cost
      currency: Currency code
      impressions: Impr.
      clicks: Clicks
      conversions: Conversions
"""

_LINKEDIN_ADS = """\
# Costs of LinkedIn, which Cadran knows by itself, but for the market: there is one account for each market.
name: lisiere_linkedin_ads
system: linkedin_ads
match: {files: ["linkedin*"], headers: [Start Date (in UTC), Campaign Name, Total Spent]}
entities:
  spend:
    id: {join: [Start Date (in UTC), Account Name, Campaign Group Name, Campaign Name]}
    columns:
      day_on: Start Date (in UTC)
      platform: {value: linkedin_ads}
      category: {value: ads}
      department: {value: marketing}
      market: {from: Account Name, values: {"/us$/": US, "/fr$/": FR}, else: null}
      channel: {value: paid_social}
      campaign: Campaign Name
      amount: Total Spent
      currency: Currency
      impressions: Impressions
      clicks: Clicks
      conversions: Leads
"""

#: Headers that together name a row of a list that has no id of its own.
_KEYS: dict[str, tuple[str, ...]] = {
    "stage": ("pipeline", "name"),
    "field_history": ("entity_id", "changed_at", "new_value"),
    "lifecycle_event": ("lead_id", "to_stage", "occurred_at"),
    "quota": ("owner_id", "segment", "start_on"),
    "forecast_submission": ("owner_id", "start_on", "category", "submitted_at"),
    "time_entry": ("owner_id", "day_on", "category"),
}
#: Lists whose words are Cadran's own and that point at nothing of the CRM: no mapping is needed.
_PLAIN = ("spend", "fx_rate")


def mapping_files(exports: Iterable[Export]) -> dict[str, str]:
    """The text of every mapping file of the project, by file name."""
    found = {
        "deals.yml": _DEALS.replace("*channels", _CHANNELS),
        "contacts.yml": _CONTACTS.replace("*channels", _CHANNELS),
        "companies.yml": _COMPANIES,
        "subscriptions.yml": _SUBSCRIPTIONS,
        "invoices.yml": _INVOICES,
        "google_ads.yml": _GOOGLE_ADS,
        "linkedin_ads.yml": _LINKEDIN_ADS,
    }
    for export in exports:
        stem, _, rest = export.name.rpartition("_")
        if stem and rest[:2] == "20" and export.entity not in _PLAIN:
            found[f"{stem}.yml"] = _list_mapping(stem, export)
    return found


def _list_mapping(stem: str, export: Export) -> str:
    """A mapping of a list of the team: its headers are Cadran's words, its ids are those of HubSpot."""
    key = "id" if "id" in export.headers else f"{{join: [{', '.join(_KEYS[export.entity])}]}}"
    lines = [
        "# A list of the RevOps team in Cadran's own words; its ids are those of HubSpot.",
        f"name: lisiere_{stem}",
        "system: revops",
        "connection: hubspot",
        f'match: {{files: ["{stem}_*"]}}',
        "entities:",
        f"  {export.entity}:",
        f"    id: {key}",
        "    columns:",
    ]
    for header in export.headers:
        if header != "id":
            source = "{from: entity_id, ref: id}" if header == "entity_id" else header
            lines.append(f"      {header}: {source}")
    return "\n".join(lines) + "\n"
