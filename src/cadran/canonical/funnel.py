"""The funnel by person: each pass from lead to customer is one cycle.

A person is a contact, or an unconverted lead by its e-mail. Recycling starts another cycle after
`Settings.recycle_days` without news, so that one person counts once a cycle, however often a
stage was set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.days import SECONDS_IN_DAY
from cadran.canonical.dimensions import OF_TITLE, with_account, with_owner
from cadran.canonical.schema import TYPES, Expr
from cadran.canonical.shape import earliest, pick, publish, running, stacked, window
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

INSTANT = TYPES["timestamp"]

#: Steps of the funnel in order, and the words (lower case, plain) that CRMs have for them.
STEPS: dict[str, tuple[str, ...]] = {
    "lead": ("lead", "subscriber", "prospect", "new", "nouveau", "inquiry", "raw lead"),
    "mql": ("mql", "marketing qualified lead", "marketing qualified", "marketingqualifiedlead", "sal"),
    "sql": (
        *("sql", "sales qualified lead", "sales qualified", "salesqualifiedlead", "qualified", "qualifie"),
        *("converted", "closed - converted", "converti"),
    ),
    "opportunity": ("opportunity", "opportunite"),
    "customer": ("customer", "client", "won", "gagne", "evangelist"),
    "disqualified": ("disqualified", "unqualified", "disqualifie", "closed - not converted", "junk", "lost", "perdu"),
}
RANKS = {step: rank for rank, step in enumerate(STEPS)}


def lead_cycle(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per person and cycle, with the first time that each step was reached in it.

    Steps come from lifecycle events, then from recorded changes of the status of leads; opportunities
    and wins also from the deals of the person. Where a person has no event, steps are inferred from
    the lead itself and ``is_inferred`` is true. ``is_direct_sql`` is true when the person was an SQL
    without being an MQL first: these are no part of an MQL cohort. A person that became an opportunity
    or a customer without passing SQL passed it then, and ``is_inferred`` is true. Dimensions are as of the MQL, else
    of the SQL, else of the start. Test and deleted leads are left out. Order is not defined.
    """
    leads = _leads(t)
    events = _events(t, leads, settings)
    cycles = _summed(_cycled(events, settings))
    dealt = _with_deals(cycles, _deals(t, leads))
    rows = _described(dealt, leads, t)
    return publish(rows.mutate(observed_until=ibis.literal(settings.known_at, INSTANT)), "lead_cycle", settings)


def _leads(t: Mapping[str, ir.Table]) -> ir.Table:
    """Leads that count, with the person each is of."""
    lead = t["lead"]
    kept = lead.filter(~lead.is_test.fill_null(False), lead.deleted_at.isnull())
    kept = kept.mutate(email_key=kept.email.lower().strip().nullif(""))
    contact = t["contact"].filter(t["contact"].deleted_at.isnull())
    contact = contact.mutate(contact_key=contact.email.lower().strip().nullif(""))
    by_mail = contact.filter(contact.contact_key.notnull()).group_by("contact_key").agg(same_id=contact.id.min())
    found = kept.left_join(by_mail, kept.email_key == by_mail.contact_key)
    found = found.mutate(contact_id=found.contact_id.coalesce(found.same_id))
    return found.mutate(person_id=found.contact_id.coalesce(found.email_key, found.id))


def _step(text: Expr) -> Expr:
    """The step that a stage or status stands for, NULL for any other."""
    plain = text.lower().strip().replace("é", "e").replace("_", " ")
    return ibis.cases(*((plain.isin(words), step) for step, words in STEPS.items()), else_=ibis.null("string"))


def _events(t: Mapping[str, ir.Table], leads: ir.Table, settings: Settings) -> ir.Table:
    """One row per person and step that it reached.

    Columns: person_id, lead_id, contact_id, account_id, step, happened_at, is_inferred.
    """
    known = ibis.literal(settings.known_at, INSTANT)
    told = stacked(_lifecycle(t, leads), _status_changes(t, leads))
    told = told.filter(told.step.notnull(), told.happened_at <= known)
    begun = leads.select(
        "person_id",
        "contact_id",
        "account_id",
        lead_id="id",
        step=ibis.literal("lead"),
        happened_at="created_at",
        is_inferred=ibis.literal(False),
    )
    guessed = _guessed(leads).anti_join(told.select("person_id").distinct(), "person_id")
    every = stacked(told, begun, guessed)
    return every.filter(every.happened_at.notnull(), every.happened_at <= known)


def _lifecycle(t: Mapping[str, ir.Table], leads: ir.Table) -> ir.Table:
    """Lifecycle events of persons; those of leads that do not count are left out."""
    event = t["lifecycle_event"]
    of_lead = leads.select(known_lead="id", lead_person="person_id", lead_account="account_id")
    found = event.left_join(of_lead, event.lead_id == of_lead.known_lead)
    found = found.filter(found.lead_id.isnull() | found.known_lead.notnull())
    return found.select(
        "contact_id",
        "lead_id",
        person_id=found.lead_person.coalesce(found.contact_id),
        account_id=found.account_id.coalesce(found.lead_account),
        step=_step(found.to_stage),
        happened_at=found.occurred_at,
        is_inferred=ibis.literal(False),
    ).filter(lambda r: r.person_id.notnull())


def _status_changes(t: Mapping[str, ir.Table], leads: ir.Table) -> ir.Table:
    """Recorded changes of the status of leads, as events; between two exports the time is inferred."""
    history = t["field_history"]
    changes = history.filter(history.entity_type == "lead", history.field == "status").select(
        "entity_id", "new_value", "changed_at", inferred_change="is_inferred"
    )
    found = changes.join(leads, changes.entity_id == leads.id)
    return found.select(
        "contact_id",
        "person_id",
        "account_id",
        lead_id="id",
        step=_step(found.new_value),
        happened_at="changed_at",
        is_inferred=found.inferred_change.fill_null(False),
    )


def _guessed(leads: ir.Table) -> ir.Table:
    """What a lead says of itself: its status now, dated its creation, conversion or last update."""
    step = _step(leads.status)
    early = step.isin(["lead", "mql"])
    dated = pick(early, leads.created_at, leads.converted_at.coalesce(leads.updated_at, leads.created_at))
    now = leads.mutate(step=step, happened_at=dated)
    converted = leads.filter(leads.converted_at.notnull()).mutate(step=ibis.literal("sql"))
    columns = ["person_id", "contact_id", "account_id", "step", "happened_at"]
    stated = now.filter(now.step.notnull(), now.step != "lead").select(*columns, lead_id="id")
    implied = converted.mutate(happened_at=converted.converted_at).select(*columns, lead_id="id")
    return stacked(stated, implied).mutate(is_inferred=ibis.literal(True))


def _cycled(events: ir.Table, settings: Settings) -> ir.Table:
    """The events with the number of their cycle.

    A cycle ends when, after the gap, a person is back at a step that it had already reached; going
    further after a long silence is the same cycle, only slow.
    """
    rank: Expr = ibis.cases(*((events.step == step, number) for step, number in RANKS.items()), else_=0)
    ranked = events.mutate(rank=rank)
    order = window("person_id", ["happened_at", "rank"])
    seen = ranked.mutate(
        gap=ranked.happened_at.epoch_seconds() - ranked.happened_at.lag().over(order).epoch_seconds(),
        previous=ranked["rank"].lag().over(order),
    )
    late = seen.gap >= settings.recycle_days * SECONDS_IN_DAY
    back = (seen["rank"] <= seen.previous) & (seen.step != "disqualified")
    started = seen.mutate(starts=pick((late & back).fill_null(False), 1, 0))
    so_far = running("person_id", ["happened_at", "rank"])
    return started.mutate(cycle=(started.starts.sum().over(so_far) + 1).cast("int64"))


def _summed(events: ir.Table) -> ir.Table:
    """One row per person and cycle: when each step was first reached, and when the next cycle starts."""
    reached = {f"{step}_at": pick(events.step == step, events.happened_at, ibis.null(INSTANT)).min() for step in STEPS}
    cycles = events.group_by("person_id", "cycle").agg(
        lead_id=events.lead_id.argmin(events.happened_at),
        contact_id=events.contact_id.max(),
        account_id=events.account_id.max(),
        started_at=events.happened_at.min(),
        n_inferred=pick(events.is_inferred, 1, 0).sum(),
        **reached,
    )
    order = window("person_id", "cycle")
    return cycles.mutate(next_at=cycles.started_at.lead().over(order), is_inferred=cycles.n_inferred > 0)


def _deals(t: Mapping[str, ir.Table], leads: ir.Table) -> ir.Table:
    """One row per person and deal of theirs, by the lead, its conversion, or the main contact."""
    deal = t["opportunity"]
    deal = deal.filter(deal.deleted_at.isnull(), ~deal.is_test.fill_null(False))
    links = stacked(
        leads.filter(leads.converted_opportunity_id.notnull()).select("person_id", deal_id="converted_opportunity_id"),
        _by_lead(deal, leads),
        deal.filter(deal.primary_contact_id.notnull()).select(person_id="primary_contact_id", deal_id="id"),
    ).distinct()
    dated = deal.select("id", "is_won", "closed_at", deal_at=earliest(deal.created_at, deal.closed_at))
    return links.join(dated, links.deal_id == dated.id).drop("id")


def _by_lead(deal: ir.Table, leads: ir.Table) -> ir.Table:
    own = deal.select(deal_id="id", deal_lead="lead_id")
    return leads.join(own, leads.id == own.deal_lead).select("person_id", "deal_id")


def _with_deals(cycles: ir.Table, deals: ir.Table) -> ir.Table:
    """The cycles with the deal of each: the first won one, else the first one.

    A deal belongs to the cycle in which it was created; one that is older than the first cycle
    belongs to that.
    """
    dealt = cycles.select("person_id", "cycle", "started_at", "next_at").join(deals, "person_id")
    begun = (dealt.deal_at >= dealt.started_at) | (dealt.cycle == 1)
    inside = dealt.filter(begun, dealt.next_at.isnull() | (dealt.deal_at < dealt.next_at))
    won = inside.is_won.fill_null(False) & inside.closed_at.notnull()
    inside = inside.mutate(won_at=pick(won, inside.closed_at, ibis.null(INSTANT)))
    inside = inside.mutate(place=ibis.row_number().over(_by_merit()))
    summary = inside.group_by("person_id", "cycle").agg(
        first_deal_at=inside.deal_at.min(),
        won_at=inside.won_at.min(),
        opportunity_id=pick(inside.place == 0, inside.deal_id, ibis.null("string")).max(),
    )
    found = cycles.left_join(summary, ["person_id", "cycle"], rname="{name}_deal")
    found = found.mutate(
        opportunity_at=earliest(found.opportunity_at, found.first_deal_at),
        customer_at=found.won_at.coalesce(found.customer_at),
    )
    beyond = earliest(found.opportunity_at, found.customer_at)
    found = found.mutate(
        sql_at=found.sql_at.coalesce(beyond),
        is_inferred=found.is_inferred | (found.sql_at.isnull() & beyond.notnull()),
    )
    is_direct = found.sql_at.notnull() & (found.mql_at.isnull() | (found.sql_at < found.mql_at))
    return found.mutate(is_direct_sql=is_direct.fill_null(False)).drop(
        "first_deal_at", "won_at", "person_id_deal", "cycle_deal"
    )


def _by_merit() -> Expr:
    """Deals of one cycle: won before others, then by time."""
    return window(["person_id", "cycle"], [ibis._.won_at.asc(), ibis._.deal_at.asc(), ibis._.deal_id.asc()])


def _described(cycles: ir.Table, leads: ir.Table, t: Mapping[str, ir.Table]) -> ir.Table:
    """The cycles with their dimensions as of the MQL, else of the SQL, else of the start (T-56)."""
    lead = leads.select(
        "channel",
        "source",
        "owner_id",
        of_lead="id",
        own_account="account_id",
        own_segment="segment",
        own_industry="industry",
        own_industry_group="industry_group",
        own_country="country",
    )
    contact = t["contact"].select(*OF_TITLE, of_contact="id", contact_account="account_id")
    found = cycles.left_join(lead, cycles.lead_id == lead.of_lead)
    found = found.left_join(contact, found.contact_id == contact.of_contact)
    found = found.mutate(
        account_id=found.account_id.coalesce(found.own_account, found.contact_account),
        described_at=found.mql_at.coalesce(found.sql_at, found.started_at),
    )
    found = with_owner(with_account(found, t, at="described_at"), t, at="described_at")
    own = ("segment", "industry", "industry_group", "country")
    return found.mutate(**{name: found[name].coalesce(found[f"own_{name}"]) for name in own})
