"""New-business deals of the sample company: the stages they pass, skip, leave and come back to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.period import Calendar, shift_months
from cadran.sources.demo_chance import Chance, paris_day, unambiguous, utc_at
from cadran.sources.demo_world import CURRENCY, Company, Deal, Lead, Rep, World

if TYPE_CHECKING:
    from collections.abc import Sequence

STAGES = ("Premier contact", "Qualification", "Démo", "Proposition", "Négociation")
WON, LOST = "Gagné", "Perdu"
CONTACT, QUALIFICATION, DEMO, PROPOSITION, NEGOTIATION = range(5)
#: Share that advances from each stage.
ADVANCES = {
    "SMB": (0.76, 0.74, 0.60, 0.70, 0.78),
    "Mid-market": (0.74, 0.72, 0.57, 0.67, 0.76),
    "Enterprise": (0.70, 0.69, 0.54, 0.62, 0.72),
}
#: Median days spent in each stage.
DWELLS = {
    "SMB": (4, 6, 8, 8, 7),
    "Mid-market": (7, 11, 14, 16, 15),
    "Enterprise": (12, 20, 26, 30, 30),
}
#: The fall that is planted: Qualification → Démo, SMB, four months before the end: ten decisions a week,
#: so that two weeks of them tell it.
DROP_SEGMENT, DROP_STAGE, DROP_NEXT, DROP_RATE = "SMB", "Qualification", "Démo", 0.16
REASONS = {
    "Prix": 0.2,
    "Concurrent": 0.24,
    "Pas de décision": 0.26,
    "Budget gelé": 0.12,
    "Fonctionnalité manquante": 0.13,
    "Ne répond plus": 0.05,
}
COMPETITORS = ("Tableau Bord", "PipeSense", "RevMetrics", "Clarté BI")
#: Price of one seat a month, and how many seats are bought.
PRICES = {"SMB": Decimal("29.90"), "Mid-market": Decimal("27.50"), "Enterprise": Decimal("24.90")}
SEATS = {"SMB": 11, "Mid-market": 70, "Enterprise": 310}
YEARLY = {"SMB": 0.45, "Mid-market": 0.85, "Enterprise": 1.0}
N_IMPORTED, N_TESTS, REOPENED_SHARE = 60, 8, 0.035
CENT = Decimal("0.01")
#: Days before the first one whose deals were still open when the CRM was set up, and came along.
EARLIER_DAYS = 120


def drop_day(world: World) -> date:
    """First day of the planted fall: a Monday, four months before the end."""
    day = shift_months(world.span.until + timedelta(days=1), -4)
    return day + timedelta(days=-day.weekday() % 7)


@dataclass
class _Walk:
    """One deal on its way."""

    world: World
    chance: Chance
    company: Company
    path: list[tuple[str, datetime]]

    def run(self) -> list[tuple[str, datetime]]:
        """Every stage entered up to the end of the sample."""
        stage = STAGES.index(self.path[-1][0])
        while stage >= 0:
            stage = self._step(stage)
        return self.path

    def _step(self, stage: int) -> int:
        """Index of the next stage, or -1 when the deal has ended, stopped moving, or reached the last day."""
        entered = self.path[-1][1]
        share = self._share(stage, entered)
        luck = self.chance.random()
        advances = luck < share
        if not advances and self.chance.hits(0.04):
            return -1
        days = self.chance.near(DWELLS[self.company.segment][stage] * (1 if advances else 1.35), 0.55)
        days *= 0.85 if self.company.market == "US" else 1
        moment = self.world.seasons.later(self.chance, entered, max(days, 0.6), self.company.market)
        if self._falls(stage, moment):
            advances = luck < min(share, DROP_RATE)
        return self._enter(stage, moment) if advances else self._close(LOST, moment)

    def _falls(self, stage: int, moment: datetime) -> bool:
        """True for what is decided in the stage, the segment and the months of the planted fall."""
        is_there = self.company.segment == DROP_SEGMENT and STAGES[stage] == DROP_STAGE
        return is_there and paris_day(moment) >= drop_day(self.world)

    def _share(self, stage: int, entered: datetime) -> float:
        segment, market = self.company.segment, self.company.market
        share = ADVANCES[segment][stage]
        if market == "US" and stage >= DEMO:
            months = (entered.date() - self.world.span.us_entry).days / 30.4
            share *= min(1.05, 0.78 + 0.025 * max(0.0, months))
        return share

    def _enter(self, stage: int, moment: datetime) -> int:
        following = stage + 1
        if following == DEMO and self.chance.hits(0.07):
            following = PROPOSITION
        went_back = sum(1 for name, _ in self.path if name == STAGES[stage]) > 1
        if stage in {PROPOSITION, NEGOTIATION} and not went_back and self.chance.hits(0.06):
            following = stage - 1
        if following > NEGOTIATION:
            return self._close(WON, moment)
        if moment >= self.world.span.end:
            return -1
        self.path.append((STAGES[following], moment))
        return following

    def _close(self, outcome: str, moment: datetime) -> int:
        moment = self._hurried(moment) if outcome == WON or self.chance.hits(0.35) else moment
        if moment < self.world.span.end:
            self.path.append((outcome, moment))
            if outcome == LOST and self.path[-2][0] in STAGES[DEMO:] and self.chance.hits(REOPENED_SHARE):
                return self._reopen(moment)
        return -1

    def _hurried(self, moment: datetime) -> datetime:
        """Deals that would close near the end of a quarter are pulled to its last days."""
        market = self.company.market
        day = moment.date()
        quarter = Calendar().containing(day, "quarter")
        left = (quarter.end - day).days
        if left > 50 or not self.chance.hits(0.5):
            return moment
        chosen = quarter.end - timedelta(days=min(left, self.chance.randint(1, 12)))
        while not self.world.seasons.is_working(chosen, market):
            chosen -= timedelta(days=1)
        found = self.world.seasons.office(self.chance, chosen, market)
        return found if found > self.path[-1][1] else moment

    def _reopen(self, lost_at: datetime) -> int:
        moment = self.world.seasons.later(self.chance, lost_at, self.chance.randint(20, 70), self.company.market)
        if moment >= self.world.span.end:
            return -1
        self.path.append((STAGES[PROPOSITION], moment))
        return PROPOSITION


def make_deals(world: World) -> None:
    """Add the new-business deals to the world: from leads, from prospecting, imported and made as tests."""
    chance = world.stream("deals")
    for created, company, lead in sorted(_openings(world, chance), key=lambda o: (o[0], o[1].id)):
        ready = company.busy_until is None or company.busy_until <= created
        if ready and company.is_free and not company.is_customer:
            _open(world, chance, company, created, lead)
    # what had ended before the CRM was set up was not taken over
    world.deals = [deal for deal in world.deals if deal.path[-1][1] >= world.span.opens or not deal.is_closed]
    _import(world, chance)
    _test_deals(world, chance)
    _outlier(world)


def _openings(world: World, chance: Chance) -> list[tuple[datetime, Company, Lead | None]]:
    found: list[tuple[datetime, Company, Lead | None]] = [
        (lead.deal_at, lead.company, lead) for lead in world.leads if lead.deal_at
    ]
    early = [world.span.start - timedelta(days=back) for back in range(EARLIER_DAYS, 0, -1)]
    for market, mean in {"FR": 2.0, "US": 2.6}.items():
        pool = [c for c in world.companies if c.market == market]
        for day in (*early, *world.span.days()):
            since = (day - world.span.us_entry).days / 30.4
            ramp = 1.0 if market == "FR" else max(0.0, min(1.0, 0.2 + 0.12 * since)) if since >= 0 else 0.02
            for _ in range(chance.times(mean * ramp * world.seasons.weight(day, market))):
                company = chance.choice(pool)
                moment = world.seasons.office(chance, day, market)
                if company.created <= moment < world.span.end:
                    found.append((moment, company, None))
    return found


def _open(world: World, chance: Chance, company: Company, created: datetime, lead: Lead | None) -> Deal:
    created = unambiguous(created)
    first = STAGES[QUALIFICATION] if lead and chance.hits(0.55) else STAGES[CONTACT]
    deal = new_deal(world, chance, company, created, [(first, created)])
    deal.lead = lead
    deal.source = lead.source if lead else "Offline Sources"
    deal.path = _Walk(world, chance, company, deal.path).run()
    _finish(world, chance, deal)
    if lead:
        lead.events.append(("sql", "opportunity", created))
        if deal.is_won and deal.closed_at:
            lead.events.append(("opportunity", "customer", deal.closed_at))
    return deal


def new_deal(
    world: World, chance: Chance, company: Company, created: datetime, path: list[tuple[str, datetime]]
) -> Deal:
    """A new-business deal, priced, and added to the world."""
    seats = max(3, round(chance.near(SEATS[company.segment], 0.45)))
    interval = "year" if chance.hits(YEARLY[company.segment]) else "month"
    deal = Deal(
        id=str(31_000_000_000 + len(world.deals) * 4241 + chance.randint(1, 4000)),
        name=f"{company.name} - {seats} postes" if company.market == "FR" else f"{company.name} - {seats} seats",
        company=company,
        owner=_seller(world, chance, company, created),
        pipeline="Ventes",
        type="new",
        created=created,
        path=path,
        amount=None,
        currency=CURRENCY[company.market],
        seats=seats,
        interval=interval,
    )
    world.deals.append(deal)
    return deal


def unit_price(company: Company, interval: str) -> Decimal:
    """The price of one seat for one interval, in the currency of the market.

    A year costs ten months, rounded to six cents so that a twelfth of it, even less 10 %, is exact
    to the ten-thousandth, which is how finely money is kept.
    """
    monthly = PRICES[company.segment] * (Decimal("1.10") if company.market == "US" else 1)
    return monthly.quantize(CENT) if interval == "month" else Decimal(int(monthly * 1000) // 6 * 6) / 100


def yearly_value(deal: Deal) -> Decimal:
    """What one year of the deal is worth."""
    return unit_price(deal.company, deal.interval) * deal.seats * (1 if deal.interval == "year" else 12)


def _seller(world: World, chance: Chance, company: Company, created: datetime) -> Rep:
    day = created.date()
    team = world.team("ae", company.market, day, company.segment)
    return company.owner if company.owner in team and chance.hits(0.7) else chance.choice(team)


def _finish(world: World, chance: Chance, deal: Deal) -> None:
    """Amount, term, expected close, reasons: what a rep fills in, or forgets to."""
    company = deal.company
    furthest = max((STAGES.index(name) for name, _ in deal.path if name in STAGES), default=0)
    if company.segment != "SMB" and chance.hits(0.07):
        deal.term_months = 36
    if company.segment != "SMB" and chance.hits(0.25):
        deal.setup = Decimal(chance.randint(4, 30)) * 500
    forgotten = not deal.is_won and chance.hits(0.28 if furthest <= QUALIFICATION else 0.03)
    if not forgotten:
        deal.amount = yearly_value(deal) * deal.term_months / 12 + deal.setup
    if deal.stage == LOST:
        early = furthest <= CONTACT
        deal.lost_reason = "Hors cible" if early and chance.hits(0.6) else chance.pick(REASONS)
        if deal.lost_reason == "Concurrent":
            deal.competitor = chance.choice(COMPETITORS)
    deal.expected_on = _expected(chance, deal)
    company.busy_until, company.is_free = deal.closed_at, deal.is_closed
    company.is_customer = company.is_customer or deal.is_won
    _hand_over(world, chance, deal)


def _expected(chance: Chance, deal: Deal) -> date | None:
    """Planned close of an open deal: some have slipped past it, a few have none."""
    if deal.is_closed:
        return None
    if chance.hits(0.05):
        return None
    left = sum(DWELLS[deal.company.segment][STAGES.index(deal.stage) :])
    planned = deal.path[-1][1].date() + timedelta(days=round(chance.near(left * 1.2, 0.4)))
    quarter = Calendar().containing(planned, "quarter")
    return quarter.end - timedelta(days=1) if chance.hits(0.35) else planned


def _hand_over(world: World, chance: Chance, deal: Deal) -> None:
    """Deals left open by somebody who is gone are given to a colleague."""
    last = deal.closed_at or world.span.end
    if deal.owner.end and last.date() >= deal.owner.end:
        left = [rep for rep in world.team("ae", deal.company.market, deal.owner.end) if rep is not deal.owner]
        deal.reassigned = chance.choice(left)


def _import(world: World, chance: Chance) -> None:
    """A list bought for the American launch, imported in one minute; nearly all of it comes to nothing."""
    day = world.seasons.working_day(world.span.us_entry + timedelta(days=4), "US")
    created = utc_at(day, datetime.min.time().replace(hour=9, minute=12), "US")
    pool: Sequence[Company] = [c for c in world.companies if c.market == "US" and c.is_free and c.busy_until is None]
    for company in chance.sample(list(pool), N_IMPORTED):
        company.created = min(company.created, created)
        deal = new_deal(world, chance, company, created, [(STAGES[CONTACT], created)])
        deal.is_import, deal.source = True, "Offline Sources"
        if chance.hits(0.15):
            deal.path.append((STAGES[QUALIFICATION], world.seasons.later(chance, created, chance.randint(5, 40), "US")))
        if chance.hits(0.9):
            deal.path.append((LOST, world.seasons.later(chance, deal.path[-1][1], chance.randint(20, 80), "US")))
        _finish(world, chance, deal)


def _test_deals(world: World, chance: Chance) -> None:
    for number in range(N_TESTS):
        day = chance.choice([d for d in world.span.days() if world.seasons.is_working(d, "FR")][:-5])
        created = world.seasons.office(chance, day, "FR")
        deal = new_deal(world, chance, world.companies[number], created, [(STAGES[CONTACT], created)])
        deal.name, deal.pipeline, deal.is_test = f"TEST {number + 1} ne pas utiliser", "Test", True
        deal.amount = Decimal(1)
        if number % 2:
            deal.path.append((WON, created + timedelta(minutes=20)))


def _outlier(world: World) -> None:
    """One deal of two million, in negotiation at the end, that makes every mean lie."""
    running = [d for d in world.deals if d.type == "new" and d.stage in STAGES[PROPOSITION:] and not d.is_test]
    fits = lambda d: (d.currency == "EUR", d.company.segment == "Enterprise", d.path[-1][1])  # noqa: E731
    deal = max(running, key=fits)
    deal.term_months, deal.setup, deal.amount = 36, Decimal(200_000), Decimal(2_000_000)
    deal.expected_on = Calendar().containing(world.span.exported_on, "year").end - timedelta(days=1)
