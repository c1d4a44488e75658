"""What the sample company's people do: mails, calls and meetings, and sequences of cold messages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from cadran.sources.demo_chance import Chance, utc_clock
from cadran.sources.demo_files import Export, Row, words
from cadran.sources.demo_names import FIRST_NAMES, LAST_NAMES, slug

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cadran.sources.demo_world import Company, Deal, Lead, World

TOUCHES = {
    ("email", "outbound"): 0.46,
    ("email", "inbound"): 0.14,
    ("call", "outbound"): 0.22,
    ("linkedin_message", "outbound"): 0.06,
    ("meeting", "outbound"): 0.12,
}
CALL_OUTCOMES = {"connected": 0.38, "no_answer": 0.44, "left_voicemail": 0.18}
SEQUENCES = (
    ("FR - Directeurs commerciaux", "FR", False, 0.062),
    ("FR - RevOps", "FR", False, 0.081),
    ("FR - Comptes cibles", "FR", True, 0.115),
    ("US - VP Sales cold", "US", False, 0.031),
    ("US - RevOps leaders", "US", False, 0.055),
    ("US - Target accounts", "US", True, 0.094),
)
STEP_DAYS = (0, 3, 7, 12)
N_PROSPECTS = 3400


def activities(world: World) -> Export:
    """Every touch that was logged, by people and by robots."""
    chance = world.stream("activities")
    rows: list[Row] = []
    for lead in world.leads:
        rows.extend(_of_lead(chance, lead, world))
    for deal in world.deals:
        if not deal.is_test and not deal.is_import:
            rows.extend(_of_deal(chance, deal, world))
    rows.sort(key=lambda row: (row[-1], row))
    numbered = [[str(70_000_000 + number * 17), *row] for number, row in enumerate(rows)]
    broken = [*numbered[1200]]
    broken[0], broken[-1] = "69999999", "2025-02-30T09:15:00Z"
    numbered.insert(1200, broken)
    headers = words(
        "id type direction subject outcome duration_s owner_id account_id lead_id opportunity_id is_automated "
        "message_key occurred_at"
    )
    name = f"activities_{world.span.exported_on}.csv"
    return Export(name, headers, numbered, "activity", world.span.exported_on, n_malformed=1)


def _of_lead(chance: Chance, lead: Lead, world: World) -> Iterator[Row]:
    ends = (lead.company.id, lead.id, "")
    if lead.auto_reply_at and lead.auto_reply_at < world.span.end:
        robot = _Touch("email", "outbound", "Merci de votre demande", lead.owner.id, ends, lead.auto_reply_at)
        yield replace(robot, is_automated=True).row
    if lead.responded_at is None:
        return
    kind = "call" if chance.hits(0.35) else "email"
    moment = lead.responded_at
    yield _Touch(kind, "outbound", "Votre demande", lead.owner.id, ends, moment, _outcome(chance, kind)).row
    for _ in range(chance.times(0.5 if lead.status in {"lead", "disqualified"} else 1.3)):
        moment = world.seasons.later(chance, moment, chance.near(3), lead.owner.market)
        if moment >= world.span.end:
            return
        kind, way = chance.pick(TOUCHES)
        yield _Touch(kind, way, "Relance", lead.owner.id, ends, moment, _outcome(chance, kind)).row


def _of_deal(chance: Chance, deal: Deal, world: World) -> Iterator[Row]:
    ends = (deal.company.id, deal.lead.id if deal.lead else "", deal.id)
    steps = [*deal.path, ("", min(deal.closed_at or world.span.end, world.span.end))]
    for (stage, entered), (_, left) in pairwise(steps):
        if stage in {"Gagné", "Perdu"}:
            continue
        if stage == "Démo":
            yield _Touch("meeting", "outbound", "Démonstration", deal.owner.id, ends, entered, "completed", 2700).row
        for moment in _moments(chance, entered, left):
            if moment >= world.span.end:
                continue
            kind, way = chance.pick(TOUCHES)
            key = f"m{deal.id[-6:]}{moment:%j%H%M}" if kind == "email" and chance.hits(0.1) else ""
            touch = _Touch(kind, way, stage, deal.owner.id, ends, moment, _outcome(chance, kind), key=key)
            for _ in range(chance.randint(2, 5) if key else 1):  # one mail to several people of the account
                yield touch.row


def _moments(chance: Chance, entered: datetime, left: datetime) -> Iterator[datetime]:
    """When people touched a deal while it was in one stage: more often, the longer it stayed."""
    days = min(60, (left - entered).days)
    for _ in range(chance.times(min(0.7 + days * 0.11, 5.0))):
        minutes = chance.randint(1, max(2, min(86_400, int((left - entered).total_seconds() // 60))))
        yield _at_work(entered + timedelta(minutes=minutes), entered)


def _at_work(moment: datetime, floor: datetime) -> datetime:
    """The instant, moved into European or American working hours."""
    moved = moment.replace(hour=8 + moment.hour % 11)
    return moved if moved > floor else moment


def _outcome(chance: Chance, kind: str) -> str:
    return chance.pick(CALL_OUTCOMES) if kind == "call" else "completed" if kind == "meeting" else ""


@dataclass(frozen=True)
class _Touch:
    """One touch before it is written."""

    type: str
    direction: str
    subject: str
    owner_id: str
    ends: tuple[str, str, str]
    at: datetime
    outcome: str = ""
    seconds: int = 0
    is_automated: bool = False
    key: str = ""

    @property
    def row(self) -> Row:
        """Its cells, but for the id."""
        length = self.seconds or {"call": 240, "meeting": 1800}.get(self.type, 0)
        automated = "true" if self.is_automated else "false"
        return [
            self.type, self.direction, self.subject, self.outcome, str(length or ""), self.owner_id, *self.ends,
            automated, self.key, utc_clock(self.at),
        ]  # fmt: skip


def outreach(world: World) -> tuple[Export, dict[str, tuple[int, int]]]:
    """Cold sequences, and for each of them how many people were reached and how many answered.

    An out-of-office reply is no answer; a negative reply is one.
    """
    chance = world.stream("outreach")
    rows: list[Row] = []
    planted: dict[str, tuple[int, int]] = {}
    pools = {m: [c for c in world.companies if c.market == m] for m in ("FR", "US")}
    targets = {m: [c for c in pool if c.is_target] for m, pool in pools.items()}
    days = list(world.span.days())
    for number in range(N_PROSPECTS):
        sequence = chance.choice(SEQUENCES)
        name, market, is_abm, share = sequence
        day = chance.choice(days)
        if not world.seasons.is_working(day, market) or (market == "US" and day < world.span.us_entry):
            continue
        company = chance.choice(targets[market] if is_abm else pools[market])
        person = f"p{number:05d}.{slug(chance.choice(FIRST_NAMES[market]))}.{slug(chance.choice(LAST_NAMES[market]))}"
        start = world.seasons.office(chance, day, market)
        reached, answered = planted.get(name, (0, 0))
        sent = _sequence(world, chance, (name, is_abm, share), (company, person, market), start)
        rows.extend(sent)
        was_reached, has_answered = any(row[9] for row in sent), any(row[11] and row[13] == "false" for row in sent)
        planted[name] = (reached + was_reached, answered + has_answered)
    numbered = [[f"o{number + 1:06d}", *row] for number, row in enumerate(rows)]
    headers = words(
        "id sequence step_position step_name channel account_id person_key owner_id is_abm sent_at "
        "delivered_at bounced_at replied_at reply_sentiment is_auto_reply unsubscribed_at meeting_booked_at"
    )
    name = f"outreach_messages_{world.span.exported_on}.csv"
    return Export(name, headers, numbered, "outreach_message", world.span.exported_on), planted


def _sequence(
    world: World, chance: Chance, sequence: tuple[str, bool, float], prospect: tuple[Company, str, str], start: datetime
) -> list[Row]:
    """The messages that one person got, until an answer, a bounce or a removal."""
    name, is_abm, share = sequence
    company, person, market = prospect
    owner = chance.choice(world.team("sdr", market, start.date())).id
    rows: list[Row] = []
    answers_at = chance.randint(0, len(STEP_DAYS) - 1) if chance.hits(share) else -1
    for position, days in enumerate(STEP_DAYS):
        sent = start if position == 0 else world.seasons.office(chance, start.date() + timedelta(days=days), market)
        if sent >= world.span.end:
            break
        channel = "linkedin" if position == 2 else "email"
        bounced = position == 0 and chance.hits(0.035)
        fate = _fate(world, chance, sent, answers=position == answers_at and not bounced)
        base = [name, str(position + 1), f"Étape {position + 1}", channel, company.id, person, owner]
        delivered = "" if bounced else utc_clock(sent + timedelta(minutes=1))
        rows.append(
            [*base, "true" if is_abm else "false", utc_clock(sent), delivered,
             utc_clock(sent + timedelta(minutes=2)) if bounced else "", *fate]
        )  # fmt: skip
        if bounced or (fate[0] and fate[2] == "false") or fate[3]:
            break
    return rows


def _fate(world: World, chance: Chance, sent: datetime, *, answers: bool) -> Row:
    """replied_at, reply_sentiment, is_auto_reply, unsubscribed_at and meeting_booked_at of one message."""
    if answers:
        at = sent + timedelta(minutes=chance.randint(20, 5200))
        if at < world.span.end:
            mood = chance.pick({"positive": 0.42, "neutral": 0.26, "negative": 0.32})
            met = mood == "positive" and chance.hits(0.6) and at + timedelta(hours=4) < world.span.end
            return [utc_clock(at), mood, "false", "", utc_clock(at + timedelta(hours=4)) if met else ""]
    elif chance.hits(0.025):
        return [utc_clock(sent + timedelta(minutes=3)), "", "true", "", ""]
    elif chance.hits(0.008):
        return ["", "", "false", utc_clock(sent + timedelta(minutes=55)), ""]
    return ["", "", "false", "", ""]
