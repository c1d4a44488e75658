"""Cold messages that arrived, by person and run of a sequence, with the one answer that each run got.

A person counts once a run, however many answers it wrote: the first human one, which is credited to the
message it answers (T-27). What bounced did not arrive; an automatic reply is no answer; a refusal is
one (T-26).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.days import SECONDS_IN_DAY
from cadran.canonical.dimensions import with_account, with_owner, with_title
from cadran.canonical.schema import TYPES, Expr
from cadran.canonical.shape import pick, publish, running, window
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

INSTANT = TYPES["timestamp"]
KEYS = ["person_id", "sequence"]
RUN = [*KEYS, "run"]
IN_ORDER = ["delivered_at", "step", "message_id"]


def outreach_delivery(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per message that reached a person, numbered by run of its sequence.

    A person is a contact, else the contact of a lead, else a lead, else its key in the tool. The same
    sequence after `Settings.recycle_days` of silence is another run. ``replied_at`` is the run's
    first human answer, on the row of the message it answers: the last one delivered before it among
    those that the tool marks as answered then. ``run_replied_at``, ``run_sentiment`` and
    ``run_meeting_at`` are on every row of the run; ``is_first`` marks one row a run.
    Dimensions are as of the first message; ``channel`` is that of the message. Order is not defined.
    """
    rows = _numbered(_arrived(t), settings)
    rows = _answered(rows)
    rows = with_owner(with_account(rows, t, at="started_at"), t, at="started_at")
    rows = with_title(rows, t["contact"], key="contact_id")
    return publish(rows, "outreach_delivery", settings)


def _arrived(t: Mapping[str, ir.Table]) -> ir.Table:
    """Messages that did not bounce, with whom they reached."""
    message = t["outreach_message"]
    lead = t["lead"].select(of_lead="id", lead_contact="contact_id", lead_account="account_id")
    contact = t["contact"].select(of_contact="id", contact_account="account_id")
    found = message.filter(message.deleted_at.isnull(), message.bounced_at.isnull(), message.sequence.notnull())
    found = found.left_join(lead, found.lead_id == lead.of_lead)
    found = found.mutate(contact_id=found.contact_id.coalesce(found.lead_contact))
    found = found.left_join(contact, found.contact_id == contact.of_contact)
    key = found.person_key.lower().strip().nullif("")
    found = found.select(
        "sequence",
        "channel",
        "contact_id",
        "owner_id",
        "reply_sentiment",
        "meeting_booked_at",
        "unsubscribed_at",
        message_id="id",
        account_id=found.account_id.coalesce(found.lead_account, found.contact_account),
        person_id=found.contact_id.coalesce(found.lead_id, key, found.id),
        step=found.step_position.fill_null(1),
        message=found.step_name.coalesce(found.step_position.cast("string")),
        is_abm=found.is_abm.fill_null(False),
        delivered_at=found.delivered_at.coalesce(found.sent_at),
        human_at=_human(found),
    )
    return found.filter(found.delivered_at.notnull())


def _human(message: ir.Table) -> Expr:
    """When a person answered; an answer older than its message is none."""
    sent = message.sent_at.coalesce(message.delivered_at)
    is_human = ~message.is_auto_reply.fill_null(False) & (message.replied_at >= sent).fill_null(True)
    return pick(is_human, message.replied_at, ibis.null(INSTANT))


def _numbered(messages: ir.Table, settings: Settings) -> ir.Table:
    """Messages with the number of their run."""
    before = messages.delivered_at.lag().over(window(KEYS, IN_ORDER))
    gap = messages.delivered_at.epoch_seconds() - before.epoch_seconds()
    starts = pick((gap >= settings.recycle_days * SECONDS_IN_DAY).fill_null(False), 1, 0)
    marked = messages.mutate(starts=starts)
    return marked.mutate(run=(marked.starts.sum().over(running(KEYS, IN_ORDER)) + 1).cast("int64")).drop("starts")


def _answered(rows: ir.Table) -> ir.Table:
    """Rows with the first answer of their run, credited to one message."""
    whole = window(RUN)
    rows = rows.mutate(
        started_at=rows.delivered_at.min().over(whole),
        place=ibis.row_number().over(window(RUN, IN_ORDER)),
        run_replied_at=rows.human_at.min().over(whole),
        run_meeting_at=rows.meeting_booked_at.min().over(whole),
    )
    order = [ibis._.human_at.asc(), ibis._.delivered_at.desc(), ibis._.step.desc(), ibis._.message_id.asc()]
    ranked = rows.mutate(answer=ibis.row_number().over(ibis.window(group_by=RUN, order_by=order)))  # type: ignore[no-untyped-call]
    is_credited = ranked.human_at.notnull() & (ranked.answer == 0)
    mood = pick(is_credited, ranked.reply_sentiment.lower(), ibis.null("string"))
    found = ranked.mutate(
        is_first=ranked.place == 0,
        replied_at=pick(is_credited, ranked.human_at, ibis.null(INSTANT)),
        mood=mood,
        prospect_id=ranked.person_id.concat(" · ", ranked.sequence, " · ", ranked.run.cast("string")),
    )
    return found.mutate(run_sentiment=found.mood.max().over(window(RUN)))
