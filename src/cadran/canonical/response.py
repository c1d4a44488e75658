"""How long a lead waits for a human answer, by the clock and by working time.

A lead that nobody has answered is not left out: it has waited until the last known instant, and
may wait longer (``is_answered`` false). Hours are exact differences of UTC instants; working hours
follow the calendar of the buyer's zone, else of the seller's, else of the company.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.changes import as_of, spans_before
from cadran.canonical.dimensions import OF_TITLE, with_account, with_owner
from cadran.canonical.schema import TYPES, Expr
from cadran.canonical.shape import earliest, pick, publish, stacked, window
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

INSTANT = TYPES["timestamp"]
SECONDS_IN_HOUR = 3_600
SECONDS_IN_MINUTE = 60

#: Words of types of activity by which a person can be reached; notes and tasks are none.
TOUCH = "mail|call|appel|meeting|r[eé]union|rendez|linkedin|sms|whatsapp|message|d[eé]mo"

#: Types that count without a direction: the other side does not log its own.
MUTUAL = "call|appel|meeting|r[eé]union|rendez|linkedin|sms|whatsapp|d[eé]mo"

OUTBOUND = "(^|[^a-z])(out|outbound|outgoing|sent|sortante?|envoy[eé]e?)([^a-z]|$)"

#: Subjects of mails that are sent by themselves.
AUTOMATIC = "^ *(automatic reply|auto[ _-]?reply|r[eé]ponse automatique|out of office|absen(ce|t) du bureau)"

#: Outcomes of what is sent by itself, or did not arrive.
NOT_AN_ANSWER = (
    "auto[ _-]?(reply|response|responder)|automatic reply|r[eé]ponse automatique|out of office|absence|ooo|"
    "bounce|fail|cancel|annul|[eé]chec"
)
ROBOT = "(^|[^a-z])(bot|robot|chatbot|integration|int[eé]gration|automation|api|system|syst[eè]me)([^a-z]|$)"


def lead_response(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per lead that someone should answer, with its first answer by a human of the team.

    ``elapsed_hours`` and ``working_hours`` run to the answer, or to ``observed_until`` where there is
    none yet: durations censored there. ``responder_id`` is who answered, NULL where only the source
    says when; ``owner_id`` is who owned the lead when it came. ``is_valid`` is false for an answer
    before the lead, which an import leaves behind. ``working_hours`` is NULL where no calendar covers
    the days. Test and deleted leads are left out. Order is not defined.

    Args:
        t: Tables of `history.current`, and ``working_minutes`` with the columns of `calendars.SCHEMA`.
        settings: See `Settings`.
    """
    known = ibis.literal(settings.known_at, INSTANT)
    lead = t["lead"]
    leads = lead.filter(~lead.is_test.fill_null(False), lead.deleted_at.isnull(), lead.created_at.notnull())
    leads = as_of(
        leads, spans_before(t["field_history"], "lead", "owner_id"), id="id", at="created_at", field="owner_id"
    )
    touches = _first_touches(t, leads, settings)
    found = leads.left_join(touches, leads.id == touches.touched_id)
    given = pick(found.first_response_at <= known, found.first_response_at, ibis.null(INSTANT))
    responded = earliest(found.touched_at, given)
    by_touch = (found.touched_at == responded).fill_null(False)
    found = found.mutate(
        responded_at=responded,
        responder_id=pick(by_touch, found.toucher_id, ibis.null("string")),
        observed_until=known,
    )
    found = found.mutate(
        ended_at=found.responded_at.coalesce(found.observed_until),
        is_answered=found.responded_at.notnull(),
        is_valid=(found.responded_at >= found.created_at).fill_null(True),
    )
    timed = _timed(_with_calendar(found, t, settings), t)
    return publish(_described(timed, t), "lead_response", settings)


def _first_touches(t: Mapping[str, ir.Table], leads: ir.Table, settings: Settings) -> ir.Table:
    """One row per lead that a human reached out to: touched_id, touched_at, toucher_id.

    An activity of the lead counts even before it, so that imports show; one of its contact counts
    from the creation of the lead on, since the contact may be an old one.
    """
    human = _human(t, settings)
    ids = leads.select(touched_id="id")
    by_lead = human.join(ids, human.lead_id == ids.touched_id)
    people = leads.filter(leads.contact_id.notnull())
    people = people.select(touched_id="id", person_id="contact_id", came_at="created_at")
    by_contact = human.join(people, human.contact_id == people.person_id)
    by_contact = by_contact.filter(by_contact.happened_at >= by_contact.came_at)
    columns = ["touched_id", "happened_at", "toucher_id", "activity_id"]
    every = stacked(by_lead.select(*columns), by_contact.select(*columns))
    place = ibis.row_number().over(window("touched_id", ["happened_at", "activity_id"]))
    first = every.mutate(place=place).filter(lambda r: r.place == 0)
    return first.select("touched_id", "toucher_id", touched_at="happened_at")


def by_people(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """Activities that had taken place by then and that no robot logged; their landed columns."""
    activity = t["activity"]
    activity = activity.filter(
        activity.deleted_at.isnull(),
        ~activity.is_automated.fill_null(False),
        activity.occurred_at <= ibis.literal(settings.known_at, INSTANT),
    )
    owner = t["owner"]
    robots = owner.filter(owner.role.lower().re_search(ROBOT).fill_null(False)).select(robot_id="id")
    return activity.anti_join(robots, activity.owner_id == robots.robot_id)


def reached(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """Activities by which a human of the team reached out to somebody, known by then; their landed columns."""
    activity = by_people(t, settings)
    kind = activity.type.lower().fill_null("")
    way = activity.direction.lower()
    said = activity.outcome.fill_null("").concat(" ", activity.status.fill_null("")).lower()
    subject = activity.subject.lower().fill_null("")
    is_out = way.re_search(OUTBOUND).coalesce(kind.re_search(OUTBOUND) | kind.re_search(MUTUAL))
    is_answer = ~said.re_search(NOT_AN_ANSWER) & ~subject.re_search(AUTOMATIC)
    return activity.filter(kind.re_search(TOUCH), is_out, is_answer)


def _human(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """What `reached` gives, as the answers of leads are looked for."""
    kept = reached(t, settings)
    return kept.select(
        "lead_id", "contact_id", activity_id=kept.id, toucher_id=kept.owner_id, happened_at=kept.occurred_at
    )


def _with_calendar(rows: ir.Table, t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """The rows with the zone whose working time counts, among those that have a calendar."""
    accounts = t["account"].select(zoned_account="id", account_zone="zone")
    owners = t["owner"].select(zoned_owner="id", owner_zone="zone")
    found = rows.left_join(accounts, rows.account_id == accounts.zoned_account)
    found = found.left_join(owners, found.owner_id == owners.zoned_owner)
    calendars = t["working_minutes"].select("calendar").distinct()
    names = ["zone", "account_zone", "owner_zone"]
    for name in names:
        known = calendars.select(**{f"known_{name}": "calendar"})
        found = found.left_join(known, found[name] == known[f"known_{name}"])
    choice = found.known_zone.coalesce(found.known_account_zone, found.known_owner_zone, settings.zone)
    return found.mutate(calendar=choice)


def _timed(rows: ir.Table, t: Mapping[str, ir.Table]) -> ir.Table:
    """The rows with the time between ``created_at`` and ``ended_at``, on both clocks."""
    found = _with_worked(rows, t["working_minutes"], at="created_at", name="worked_before")
    found = _with_worked(found, t["working_minutes"], at="ended_at", name="worked_after")
    seconds = (found.ended_at.epoch_seconds() - found.created_at.epoch_seconds()).cast("float64")
    return found.mutate(
        elapsed_hours=seconds / SECONDS_IN_HOUR,
        working_hours=(found.worked_after - found.worked_before) / SECONDS_IN_HOUR,
    )


def _with_worked(rows: ir.Table, calendar: ir.Table, *, at: str, name: str) -> ir.Table:
    """The rows with the working seconds that the calendar of each counts up to an instant of each.

    Seconds are whole, so that an answer after an hour to the second is one after an hour, not after a bit more.
    """
    days = calendar.select(
        "minutes_before", "first_from", "first_to", "second_from", "second_to", of="calendar", utc_on="utc_on"
    )
    found = rows.left_join(days, [rows.calendar == days.of, rows[at].date() == days.utc_on])
    midnight = found.utc_on.cast(INSTANT).epoch_seconds()
    second = (found[at].epoch_seconds() - midnight).cast("float64")
    pieces = (found.first_from, found.first_to), (found.second_from, found.second_to)
    first, other = (_inside(second, start * SECONDS_IN_MINUTE, end * SECONDS_IN_MINUTE) for start, end in pieces)
    worked = found.minutes_before * SECONDS_IN_MINUTE + first + other
    return found.mutate(**{name: worked}).drop(*days.columns)


def _inside(second: Expr, start: Expr, end: Expr) -> Expr:
    """Seconds of a piece of working time that have passed at a second of the day."""
    return pick(second <= start, 0.0, pick(second >= end, end, second) - start)


def _described(rows: ir.Table, t: Mapping[str, ir.Table]) -> ir.Table:
    """The rows with their dimensions as of the creation of the lead."""
    contact = t["contact"].select(*OF_TITLE, of_contact="id")
    own = ("segment", "industry", "industry_group", "country")
    found = rows.mutate(lead_id=rows.id, **{f"own_{name}": rows[name] for name in own})
    found = found.left_join(contact, found.contact_id == contact.of_contact)
    found = with_owner(with_account(found, t, at="created_at"), t, at="created_at")
    return found.mutate(**{name: found[name].coalesce(found[f"own_{name}"]) for name in own})
