"""Touches: what the team did to reach people, one per account and message.

A mail to eight people of one account is one touch, and so is a step of a sequence that they all got.
Robots, answers of the other side, bounces and cancelled meetings are none. What a sequence sent is
read from the sequence; the copy that a CRM keeps of it is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.days import SECONDS_IN_DAY
from cadran.canonical.dimensions import with_account, with_owner, with_title
from cadran.canonical.response import reached
from cadran.canonical.schema import TYPES, Expr, as_int
from cadran.canonical.shape import pick
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

INSTANT = TYPES["timestamp"]
#: Kinds of touch, by words of their type in lower case; the first that fits.
KINDS = {
    "meeting": "meeting|r[eé]union|rendez|d[eé]mo",
    "call": "call|appel",
    "linkedin": "linkedin",
    "email": "mail",
}
#: Outcomes of meetings that did not take place.
NOT_HELD = "no[ _-]?show|absent|lapin|cancel|annul|resched|report[eé]|planned|scheduled|planifi|pr[eé]vu"
#: Days after a meeting within which a deal of the account makes it a qualified one.
DEAL_WITHIN = 30

#: Columns of a record of a touch.
RECORD = (
    "message",
    "prospect_id",
    "account_id",
    "contact_id",
    "lead_id",
    "opportunity_id",
    "owner_id",
    "sequence",
    "activity_type",
    "occurred_at",
    "is_held",
)


def deal_touches(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per deal and message recorded on it: touched_id (the deal), touched_at. Order is not defined.

    Args:
        t: Tables of `history.current`.
        settings: Known instant.
    """
    own = reached(t, settings)
    own = own.filter(own.opportunity_id.notnull())
    own = own.mutate(message=_message(own))
    return own.group_by(touched_id="opportunity_id", message="message").agg(touched_at=own.occurred_at.min())


def touched(deals: ir.Table, touches: ir.Table) -> ir.Table:
    """The same deals with ``n_touches`` up to their close, or to now, and ``last_touch_at`` among those.

    Args:
        deals: Rows with id and closed_at.
        touches: `deal_touches`.
    """
    ends = deals.select(deal_id="id", until="closed_at")
    own = touches.join(ends, touches.touched_id == ends.deal_id)
    own = own.filter((own.touched_at <= own.until).fill_null(True))
    counts = own.group_by(counted_id="touched_id").agg(n_touches=own.count(), last_touch_at=own.touched_at.max())
    found = deals.left_join(counts, deals.id == counts.counted_id).drop("counted_id")
    return found.mutate(n_touches=found.n_touches.fill_null(0))


def touch(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per touch: an account, or a person without one, and a message.

    Attributes are those of the instant of the touch. ``is_qualified_meeting`` is true for a meeting that
    took place and is recorded on a deal, or was followed by a deal of its account within `DEAL_WITHIN`
    days. Columns of the published entity, beside others. Order is not defined.

    Args:
        t: Tables of `history.current`.
        settings: See `Settings`.
    """
    records = _activities(t, settings).union(_sequences(t, settings))
    names = ("account_id", "contact_id", "lead_id", "opportunity_id", "owner_id", "sequence", "activity_type")
    found = records.group_by("prospect_id", "message").agg(
        **{name: records[name].min() for name in names},
        occurred_at=records.occurred_at.min(),
        n_records=records.count(),
        n_held=as_int(records.is_held).sum(),
    )
    found = found.mutate(
        id=found.prospect_id.concat(" | ", found.message),
        is_meeting=found.activity_type == "meeting",
        is_held=(found.activity_type == "meeting") & (found.n_held > 0),
    )
    led = _led_to_deal(found, t["opportunity"])
    found = found.left_join(led, found.id == led.led_id)
    found = found.mutate(is_qualified_meeting=found.is_held & (found.opportunity_id.notnull() | found.led_id.notnull()))
    found = with_owner(with_account(found, t, at="occurred_at"), t, at="occurred_at")
    return with_title(found, t["contact"], key="contact_id")


def account_approach(touches: ir.Table, settings: Settings) -> ir.Table:
    """One row per account, or person without one, that was touched, up to its first qualified meeting.

    ``n_touches`` counts the touches before that meeting; without one, all of them, and more may come:
    the count is censored. Attributes are those of the first touch. Order is not defined.

    Args:
        touches: `touch`, with ``prospect_id``.
        settings: Known instant.
    """
    met_at = touches.occurred_at.min(where=touches.is_qualified_meeting).over(group_by="prospect_id")
    timed = touches.mutate(met_at=met_at)
    timed = timed.mutate(place=ibis.row_number().over(group_by="prospect_id", order_by=["occurred_at", "id"]))
    before = (timed.occurred_at < timed.met_at).fill_null(True)
    counts = timed.group_by(counted_id="prospect_id").agg(n_touches=as_int(before).sum())
    first = timed.filter(timed.place == 0).drop("id")
    found = first.join(counts, first.prospect_id == counts.counted_id)
    return found.mutate(
        id=found.prospect_id,
        started_at=found.occurred_at,
        is_met=found.met_at.notnull(),
        observed_until=ibis.literal(settings.known_at, INSTANT),
    )


def _activities(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """Records of touches in the CRM, without the copies of what a known sequence sent."""
    own = reached(t, settings)
    sent = t["outreach_message"].filter(t["outreach_message"].sequence.notnull()).select("sequence").distinct()
    own = own.anti_join(sent, own.sequence_id == sent.sequence)
    said = own.outcome.fill_null("").concat(" ", own.status.fill_null("")).lower()
    own = own.mutate(
        message=_message(own),
        sequence=own.sequence_id,
        activity_type=_kind(own.type),
        is_held=~said.re_search(NOT_HELD),
    )
    deal = t["opportunity"].select(deal_id="id", deal_account="account_id")
    lead = t["lead"].select(of_lead="id", lead_account="account_id")
    own = own.left_join(deal, own.opportunity_id == deal.deal_id)
    own = own.left_join(lead, own.lead_id == lead.of_lead)
    return _of_prospects(own, t["contact"], ("account_id", "deal_account", "lead_account"), ("contact_id", "lead_id"))


def _sequences(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """Records of touches that sequences sent."""
    own = t["outreach_message"]
    sent_at = own.sent_at.coalesce(own.delivered_at)
    own = own.filter(
        own.deleted_at.isnull(), own.bounced_at.isnull(), sent_at <= ibis.literal(settings.known_at, INSTANT)
    )
    step = own.step_position.cast("string").fill_null("")
    own = own.mutate(
        message=own.sequence.nullif("").concat(" / ", step).coalesce(own.id),
        activity_type=_kind(own.channel),
        occurred_at=own.sent_at.coalesce(own.delivered_at),
        is_held=ibis.literal(value=False),
        opportunity_id=ibis.null("string"),
    )
    return _of_prospects(own, t["contact"], ("account_id",), ("contact_id", "lead_id", "person_key"))


def _of_prospects(rows: ir.Table, contact: ir.Table, accounts: tuple[str, ...], people: tuple[str, ...]) -> ir.Table:
    """Records with the account that they reached, or the person where no account is known."""
    person = contact.select(of_contact="id", contact_account="account_id")
    found = rows.left_join(person, rows.contact_id == person.of_contact)
    account = ibis.coalesce(*(found[name] for name in (*accounts, "contact_account")))
    found = found.mutate(account_id=account)
    prospect = ibis.coalesce(found.account_id, *(found[name] for name in people), found.id)
    return found.mutate(prospect_id=prospect).select(*RECORD)


def _message(own: ir.Table) -> Expr:
    """What tells a message from the others of its account: its key, else who wrote what in which minute."""
    minute = (own.occurred_at.epoch_seconds() // 60).cast("string")
    subject = own.subject.nullif("")
    written = own.owner_id.fill_null("").concat(" / ", own.type.fill_null(""), " / ", subject, " / ", minute)
    return own.message_key.nullif("").coalesce(written, own.id)


def _kind(text: Expr) -> Expr:
    words = text.lower().fill_null("")
    return ibis.cases(*((words.re_search(pattern), kind) for kind, pattern in KINDS.items()), else_="message")


def _led_to_deal(found: ir.Table, opportunity: ir.Table) -> ir.Table:
    """Meetings after which their account got a deal soon enough: led_id."""
    meetings = found.filter(found.is_held, found.account_id.notnull())
    meetings = meetings.select("account_id", "occurred_at", led_id="id")
    deals = opportunity.filter(opportunity.deleted_at.isnull(), ~opportunity.is_test.fill_null(False))
    deals = deals.select(deal_account="account_id", opened_at="created_at")
    pairs = meetings.join(deals, meetings.account_id == deals.deal_account)
    gap = pairs.opened_at.epoch_seconds() - pairs.occurred_at.epoch_seconds()
    return pairs.filter(gap >= 0, gap <= DEAL_WITHIN * SECONDS_IN_DAY).select("led_id").distinct()


def staying(every: ir.Table, touches: ir.Table) -> ir.Table:
    """The same stays with ``n_touches``: those made during the stay, before the deal first went further from its stage.

    Args:
        every: `stages.stays` and `stages.skipped`.
        touches: `deal_touches`.
    """
    of_stage = ["opportunity_id", "ladder", "pipeline", "stage"]
    timed = every.mutate(first_advanced_at=every.advanced_at.min().over(group_by=of_stage))
    real = timed.filter(~timed.is_implied, (timed.entered_at < timed.first_advanced_at).fill_null(True))
    real = real.select("opportunity_id", "seq", "entered_at", "exited_at")
    inside = real.join(
        touches,
        [
            real.opportunity_id == touches.touched_id,
            touches.touched_at >= real.entered_at,
            (touches.touched_at < real.exited_at).fill_null(True),
        ],
    )
    counts = inside.group_by(counted_id="opportunity_id", counted_seq="seq").agg(n_touches=inside.count())
    found = every.left_join(counts, [every.opportunity_id == counts.counted_id, every.seq == counts.counted_seq])
    n = pick(found.is_implied, 0, found.n_touches.fill_null(0))
    return found.mutate(n_touches=n).drop("counted_id", "counted_seq")
