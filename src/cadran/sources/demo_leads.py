"""Enquiries of the sample company: where they come from, how fast they are answered, what becomes of them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from cadran.period import shift_months
from cadran.sources.demo_chance import Chance, unambiguous, utc_at
from cadran.sources.demo_names import FIRST_NAMES, LAST_NAMES, TITLES, address
from cadran.sources.demo_world import Company, Lead, Rep, World

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Source as HubSpot names it, with the UTM parameters that came along, and its weight.
SOURCES: dict[tuple[str, str, str, str], float] = {
    ("Organic Search", "google", "organic", ""): 0.25,
    ("Paid Search", "google", "cpc", "marque"): 0.06,
    ("Paid Search", "google", "cpc", "generique-revops"): 0.1,
    ("Paid Social", "linkedin", "paid_social", "livre-blanc-kpi"): 0.13,
    ("Organic Social", "linkedin", "social", ""): 0.06,
    ("Direct Traffic", "", "", ""): 0.12,
    ("Referrals", "partner.example", "referral", ""): 0.07,
    ("Email Marketing", "newsletter", "email", "lettre-mensuelle"): 0.06,
    ("Offline Sources", "", "", "salon"): 0.06,
    ("", "", "", ""): 0.07,
}
#: UTM parameters that no rule knows: nobody told RevOps about these campaigns.
UNMAPPED_UTMS = (("li_boost", "promo42", "test-cmo"), ("annuaire-pme", "fiche", ""), ("webikeo-live", "replay_x", "t3"))
#: Share of leads that become marketing qualified, by source.
_TO_MQL = {"Referrals": 0.6, "Organic Search": 0.5, "Paid Search": 0.46, "Paid Social": 0.3, "Offline Sources": 0.45}
#: Share of marketing qualified leads that sales accept.
_TO_SQL = {"SMB": 0.38, "Mid-market": 0.33, "Enterprise": 0.21}
_PER_DAY = {"FR": 7.6, "US": 6.6}


def make_leads(world: World) -> None:
    """Add the leads to the world, with their lifecycle and the answers they got."""
    chance = world.stream("leads")
    pools = {m: [c for c in world.companies if c.market == m] for m in _PER_DAY}
    names: set[tuple[str, str]] = set()
    for created, market in sorted(_arrivals(world, chance)):
        company = _company(chance, pools[market], created)
        lead = _lead(world, chance, created, company, names)
        _answer(world, chance, lead)
        _live(world, chance, lead)
        world.leads.append(lead)
    _plant_duplicates(world, chance)
    _plant_tests(world, chance)


def _arrivals(world: World, chance: Chance) -> Iterator[tuple[datetime, str]]:
    for day in world.span.days():
        for market, usual in _PER_DAY.items():
            mean = usual * world.seasons.weight(day, market) * _growth(world, day, market)
            for _ in range(chance.times(mean)):
                local = int(chance.triangular(7, 22, 12))
                moment = utc_at(day, datetime.min.time(), market) + timedelta(
                    hours=local, minutes=chance.randint(0, 59)
                )
                if moment < world.span.end:
                    yield unambiguous(moment), market


def _growth(world: World, day: date, market: str) -> float:
    """How many leads a day brings, against the middle of the span."""
    months = (day - world.span.start).days / 30.4
    if market == "FR":
        return 0.85 + 0.013 * months
    since = (day - world.span.us_entry).days / 30.4
    return 0.03 if since < 0 else min(1.3, 0.25 + 0.09 * since)


def _company(chance: Chance, pool: list[Company], created: datetime) -> Company:
    for _ in range(6):
        company = chance.choice(pool)
        if company.created <= created:
            return company
    company.created = min(company.created, created)
    return company


def _lead(world: World, chance: Chance, created: datetime, company: Company, names: set[tuple[str, str]]) -> Lead:
    market = company.market
    while True:
        first, last = chance.choice(FIRST_NAMES[market]), chance.choice(LAST_NAMES[market])
        email = address(f"{first} {last}", company.domain)
        if (email, "") not in names:
            names.add((email, ""))
            break
    source, *utm = chance.pick(SOURCES)
    outbound = chance.hits(0.16)
    unmapped = not outbound and chance.hits(0.012)
    if unmapped:
        source, utm = "", list(chance.choice(UNMAPPED_UTMS))
    day = created.date()
    return Lead(
        id=str(90_100_000_000 + len(world.leads) * 641 + chance.randint(1, 600)),
        first_name=first,
        last_name=last,
        email=email,
        title=chance.choice(TITLES[market]),
        company=company,
        created=created,
        source="Offline Sources" if outbound else source,
        utm=("", "", "prospection") if outbound else (utm[0], utm[1], utm[2]),
        owner=chance.choice(world.team("sdr", market, day)),
        is_outbound=outbound,
        has_unmapped_utm=unmapped,
    )


def _answer(world: World, chance: Chance, lead: Lead) -> None:
    """When somebody of the team first answered, and when the robot did."""
    if not lead.is_outbound and chance.hits(0.6):
        lead.auto_reply_at = lead.created + timedelta(minutes=1)
    if chance.hits(0.11):
        return
    moment = world.hours.after(lead.created, _minutes_to_answer(world, chance, lead), lead.owner.market, world.seasons)
    moment = max(moment, lead.created + timedelta(minutes=2))
    if chance.hits(0.006):  # an imported lead that somebody had already written to
        moment = lead.created - timedelta(days=chance.randint(1, 20))
    if moment < world.span.end:
        lead.responded_at = unambiguous(moment)


def _minutes_to_answer(world: World, chance: Chance, lead: Lead) -> float:
    months = (lead.created.date() - world.span.us_entry).days / 30.4
    median = 150.0 if lead.company.market == "FR" else max(55.0, 420.0 - 38.0 * max(0.0, months))
    return min(chance.near(median, 1.15), 9000.0)


def _live(world: World, chance: Chance, lead: Lead) -> None:
    """The lifecycle of a lead, as far as it has come by the end."""
    known = max(lead.created, lead.responded_at or lead.created)
    moment = world.seasons.later(chance, known, chance.near(5, 0.9), lead.company.market)
    steps = [("", "lead", lead.created), *_outcome(world, chance, lead, moment)]
    if steps[-1][1] == "sql" and chance.hits(0.74):
        lead.deal_at = world.seasons.later(chance, steps[-1][2], chance.near(4, 0.7), lead.company.market)
    lead.events = [step for step in steps if step[2] < world.span.end]
    if lead.deal_at and lead.deal_at >= world.span.end:
        lead.deal_at = None


def _outcome(world: World, chance: Chance, lead: Lead, moment: datetime) -> list[tuple[str, str, datetime]]:
    """What the first look at a lead leads to."""
    if lead.is_outbound:
        return [("lead", "sql", moment)] if lead.responded_at and chance.hits(0.42) else []
    if lead.responded_at is None:  # nobody worked on it
        return [("lead", "mql", moment)] if chance.hits(0.3) else []
    if chance.hits(_TO_MQL.get(lead.source, 0.36)):
        return [("lead", "mql", moment), *_qualify(world, chance, lead, moment)]
    return [("lead", "disqualified", moment)] if chance.hits(0.3) else []


def _qualify(world: World, chance: Chance, lead: Lead, mql_at: datetime) -> list[tuple[str, str, datetime]]:
    """What happens after a lead was marketing qualified; a few come round twice."""
    market = lead.company.market
    moment = world.seasons.later(chance, mql_at, chance.near(9, 0.95), market)
    if chance.hits(_TO_SQL[lead.company.segment]):
        return [("mql", "sql", moment)]
    if not chance.hits(0.5):
        return []
    steps = [("mql", "disqualified", moment)]
    if chance.hits(0.09):
        again = world.seasons.later(chance, moment, chance.randint(100, 190), market)
        steps.append(("disqualified", "mql", again))
        if chance.hits(0.4):
            steps.append(("mql", "sql", world.seasons.later(chance, again, chance.near(12), market)))
    return steps


def _plant_duplicates(world: World, chance: Chance) -> None:
    """The same person twice: the same address in other letters, or another address at the same domain."""
    candidates = [lead for lead in world.leads if lead.responded_at and lead.responded_at > lead.created]
    latest = shift_months(world.span.until, -1)
    for number, lead in enumerate(chance.sample([c for c in candidates if c.created.date() < latest], 90)):
        same_address = number < 60
        local, _, domain = lead.email.partition("@")
        email = f"{local.title()}@{domain.upper()}" if same_address else f"{local[0]}{local.split('.')[1]}@{domain}"
        created = unambiguous(lead.created + timedelta(days=chance.randint(1, 25), minutes=chance.randint(1, 600)))
        world.leads.append(
            Lead(
                id=str(90_600_000_000 + number * 641 + chance.randint(1, 600)),
                first_name=lead.first_name,
                last_name=lead.last_name,
                email=email,
                title=lead.title,
                company=lead.company,
                created=created,
                source=lead.source,
                utm=lead.utm,
                owner=lead.owner,
                events=[("", "lead", created)],
                duplicate_of=lead.id,
            )
        )
    world.leads.sort(key=lambda lead: (lead.created, lead.id))


def _plant_tests(world: World, chance: Chance) -> None:
    """Records that somebody made to try out the forms."""
    for number in range(14):
        day = chance.choice([day for day in world.span.days() if world.seasons.is_working(day, "FR")])
        created = world.seasons.office(chance, day, "FR")
        rep: Rep = chance.choice(world.team("marketing", "FR", day))
        email = f"test+{number + 1}@lisiere.example"
        world.leads.append(
            Lead(
                id=str(90_700_000_000 + number * 37),
                first_name="Test",
                last_name=f"Formulaire {number + 1}",
                email=email,
                title="",
                company=world.companies[0],
                created=created,
                source="Direct Traffic",
                utm=("", "", ""),
                owner=rep,
                is_test=True,
                events=[("", "lead", created)],
            )
        )
