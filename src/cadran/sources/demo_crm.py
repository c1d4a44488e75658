"""The CRM of the sample company as HubSpot exports it, and the lists that its RevOps team keeps beside it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from cadran.sources.demo_chance import ZONES, paris_clock, utc_at, utc_clock
from cadran.sources.demo_deals import CENT, LOST, STAGES, WON
from cadran.sources.demo_files import Export, Row, plain, words

if TYPE_CHECKING:
    from decimal import Decimal

    from cadran.sources.demo_world import Company, Deal, Lead, Rep, World

#: Spellings that have crept into the segment field, for each segment.
SPELLINGS = {
    "SMB": ("SMB", "SMB", "SMB", "smb", "PME", "SMB "),
    "Mid-market": ("Mid-market", "Mid-market", "Mid market", "mid-market", "ETI", " Mid-Market"),
    "Enterprise": ("Enterprise", "Enterprise", "enterprise", "Grand compte", "Enterprise  "),
}
COUNTRIES = {"France": ("France", "France", "FR", "france"), "United States": ("United States", "USA", "US")}
DEAL_TYPES = {"new": "New business", "renewal": "Renewal", "expansion": "Upsell"}
PROBABILITIES = (0.05, 0.1, 0.3, 0.55, 0.8)
CATEGORIES = ("Pipeline", "Pipeline", "Pipeline", "Best case", "Commit")
LIFECYCLE = {
    "lead": "Lead", "mql": "Marketing Qualified Lead", "sql": "Sales Qualified Lead", "opportunity": "Opportunity",
    "customer": "Customer", "disqualified": "Other",
}  # fmt: skip


def crm(world: World) -> list[Export]:
    """Every export of the CRM, and the lists beside it."""
    return [
        _owners(world),
        _stages(world),
        _companies(world),
        _contacts(world),
        _deals_in_french(world),
        _deals(world),
        _changes(world),
        _lifecycle(world),
    ]


def _owners(world: World) -> Export:
    managers = {rep.id: rep.name for rep in world.reps}
    rows = [
        [rep.id, rep.name, rep.email, rep.role, rep.team, rep.market, managers.get(rep.manager, ""),
         ZONES[rep.market].key, "false" if rep.end and rep.end <= world.span.until else "true", str(rep.start),
         str(rep.end or "")]
        for rep in world.reps if rep.start <= world.span.until
    ]  # fmt: skip
    headers = words("id name email role team region manager zone is_active start_on end_on")
    return Export(f"owners_{world.span.exported_on}.csv", headers, rows, "owner", world.span.exported_on)


def _stages(world: World) -> Export:
    """Both pipelines; renewals and upsells have no first contact and no demonstration."""
    rows: list[Row] = []
    for pipeline, names in {"Ventes": STAGES, "Clients": (STAGES[1], *STAGES[3:])}.items():
        for position, name in enumerate((*names, WON, LOST), start=1):
            ends = {WON: ("won", "1", "closed_won"), LOST: ("lost", "0", "closed_lost")}
            usual = ("open", "", "") if name in ends else ("", "", "")
            category, probability, forecast = ends.get(name, usual)
            if name in STAGES:
                probability, forecast = str(PROBABILITIES[STAGES.index(name)]), CATEGORIES[STAGES.index(name)].lower()
            qualified = "false" if name in {STAGES[0], LOST} else "true"
            rows.append([pipeline, name, str(position), probability, category, forecast, qualified])
    headers = words("pipeline name position probability category forecast_category is_qualified")
    return Export(f"stages_{world.span.exported_on}.csv", headers, rows, "stage", world.span.exported_on)


def _companies(world: World) -> Export:
    chance = world.stream("spelling")
    rows = []
    for company in sorted(_known(world), key=lambda c: c.id):
        country = chance.choice(COUNTRIES.get(company.country, (company.country,)))
        size = company.employees
        rows.append(
            [company.id, company.name, company.domain, company.owner.name, company.industry, str(size), country,
             chance.choice(SPELLINGS[company.segment]), "true" if company.is_target else "false",
             chance.choice(["Tier 1", "Tier 2"]) if company.is_target else "", paris_clock(company.created)]
        )  # fmt: skip
    headers = [
        "Record ID", "Company name", "Company Domain Name", "Company owner", "Industry", "Number of Employees",
        "Country/Region", "Segment", "Target Account", "ICP Tier", "Create Date",
    ]  # fmt: skip
    name = f"hubspot-crm-exports-all-companies-{world.span.exported_on}.csv"
    return Export(name, headers, rows, "account", world.span.exported_on, encoding="utf-8-sig")


def _known(world: World) -> list[Company]:
    """The companies that are in the CRM by the end."""
    return [company for company in world.companies if company.created < world.span.end]


def _contacts(world: World) -> Export:
    rows = [_contact(lead) for lead in world.leads]
    broken = [*rows[321]]
    broken[0], broken[3], broken[-1] = "90999999999", "date.impossible@nulle-part.example", "2025-02-30 10:15"
    rows.insert(321, broken)
    headers = [
        "Record ID", "First Name", "Last Name", "Email", "Job Title", "Associated Company (Primary)", "Contact owner",
        "Lifecycle Stage", "Original Source", "UTM Source", "UTM Medium", "UTM Campaign", "Contact de test",
        "Create Date",
    ]  # fmt: skip
    name = f"hubspot-crm-exports-all-contacts-{world.span.exported_on}.csv"
    return Export(name, headers, rows, "lead", world.span.exported_on, encoding="utf-8-sig", n_malformed=1)


def _contact(lead: Lead) -> Row:
    company = "" if lead.is_test else lead.company.name
    return [
        lead.id, lead.first_name, lead.last_name, lead.email, lead.title, company, lead.owner.name,
        LIFECYCLE[lead.status], lead.source, *lead.utm, "Oui" if lead.is_test else "Non", paris_clock(lead.created),
    ]  # fmt: skip


def _lifecycle(world: World) -> Export:
    rows = [
        [lead.id, "" if lead.is_test else lead.company.id, before, after, utc_clock(moment)]
        for lead in world.leads
        for before, after, moment in lead.events
        if moment < world.span.end
    ]
    headers = words("lead_id account_id from_stage to_stage occurred_at")
    name = f"lifecycle_events_{world.span.exported_on}.csv"
    return Export(name, headers, rows, "lifecycle_event", world.span.exported_on)


def _deals(world: World) -> Export:
    """The last export, made by the American team in English, with the day each stage was last entered."""
    rows = [_deal(deal) for deal in world.deals]
    broken = [*rows[77]]
    broken[0], broken[1], broken[4] = "39999999999", "Montant illisible", "12 k€ ou 15 k€"
    rows.insert(77, broken)
    headers = [
        "Record ID", "Deal Name", "Deal Stage", "Pipeline", "Amount", "Currency", "Close Date", "Create Date",
        "Deal owner", "Associated Company (Primary)", "Associated Contact IDs", "Deal Type", "Forecast category",
        "Original Source", "Closed Lost Reason", "Competitor", "Setup amount", "Term in months",
        *(f'Date entered "{stage}"' for stage in (*STAGES, WON, LOST)),
    ]  # fmt: skip
    name = f"hubspot-crm-exports-all-deals-{world.span.exported_on}.csv"
    return Export(name, headers, rows, "opportunity", world.span.exported_on, encoding="utf-8-sig", n_malformed=1)


def _deal(deal: Deal) -> Row:
    owner = deal.reassigned or deal.owner
    entered = dict(deal.path)
    category = "Closed won" if deal.is_won else "Not forecasted"
    if deal.stage in STAGES:
        category = CATEGORIES[STAGES.index(deal.stage)]
    return [
        deal.id, deal.name, deal.stage, deal.pipeline, plain(deal.amount), deal.currency, _close_date(deal),
        paris_clock(deal.created), owner.name, deal.company.name, deal.lead.id if deal.lead else "",
        DEAL_TYPES[deal.type], category, deal.source, deal.lost_reason, deal.competitor,
        plain(deal.setup) if deal.setup else "", str(deal.term_months),
        *(paris_clock(entered[stage]) if stage in entered else "" for stage in (*STAGES, WON, LOST)),
    ]  # fmt: skip


def _close_date(deal: Deal) -> str:
    """HubSpot keeps one date: the plan while the deal is open, the real one once it is closed."""
    if deal.closed_at:
        return paris_clock(deal.closed_at)
    return f"{deal.expected_on} 18:00" if deal.expected_on else ""


def _deals_in_french(world: World) -> Export:
    """An earlier export, made in French three months before, as the deals were then."""
    day = world.span.earlier_export_on
    then = utc_at(day, time(23, 59), "FR")
    rows = [_deal_then(deal, then, day) for deal in world.deals if deal.created <= then]
    headers = [
        "ID de fiche d'informations", "Nom de la transaction", "Phase de la transaction", "Pipeline", "Montant",
        "Devise", "Date de fermeture", "Date de création", "Propriétaire de la transaction",
        "Associated Company (Primary)", "Type de transaction", "Motif de la perte",
    ]  # fmt: skip
    name = f"hubspot-crm-exports-toutes-les-transactions-{day}.csv"
    return Export(name, headers, rows, "opportunity", day, encoding="utf-8-sig")


def _deal_then(deal: Deal, then: datetime, day: date) -> Row:
    stage, moment = deal.at(then)[-1]
    owner: Rep = deal.reassigned if deal.reassigned and deal.owner.end and deal.owner.end <= day else deal.owner
    closed = stage in {WON, LOST}
    reason = deal.lost_reason if stage == LOST else ""
    if closed:
        due = paris_clock(moment)
    else:
        planned = deal.expected_on or (deal.closed_at or moment).date() + timedelta(days=12)
        due = f"{min(planned, day + timedelta(days=120))} 18:00"
    return [
        deal.id, deal.name, stage, deal.pipeline, _amount_then(deal, stage), deal.currency, due,
        paris_clock(deal.created), owner.name, deal.company.name, DEAL_TYPES[deal.type], reason,
    ]  # fmt: skip


def _amount_then(deal: Deal, stage: str) -> str:
    """Some amounts were negotiated down afterwards, by a tenth."""
    if deal.amount is None:
        return ""
    higher = stage in STAGES[3:] and int(deal.id) % 5 == 0 and deal.is_closed
    amount: Decimal = (deal.amount * 10 / 9).quantize(CENT) if higher else deal.amount
    return f"{amount:.2f}".replace(".", ",")


def _changes(world: World) -> Export:
    """What HubSpot's own columns cannot say: entries into a stage that was entered again later."""
    rows: list[Row] = []
    for deal in world.deals:
        latest = dict(deal.path)
        before = ""
        for stage, moment in deal.path:
            if latest[stage] != moment:
                rows.append([deal.id, "opportunity", "stage", before, stage, utc_clock(moment)])
            before = stage
    headers = words("entity_id entity_type field old_value new_value changed_at")
    return Export(f"stage_history_{world.span.exported_on}.csv", headers, rows, "field_history", world.span.exported_on)
