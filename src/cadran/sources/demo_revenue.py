"""Subscriptions of the sample company, and the renewals and upsells that its CRM opens by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cadran.period import shift_months
from cadran.sources.demo_deals import LOST, WON, unit_price
from cadran.sources.demo_world import CURRENCY, Company, Customer, Deal, Rep, Subscription, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cadran.sources.demo_chance import Chance

#: Customers from before the CRM, by segment.
LEGACY = {"SMB": 52, "Mid-market": 31, "Enterprise": 9}
#: Monthly chances.
CHURN = {"SMB": 0.018, "Mid-market": 0.0065, "Enterprise": 0.0015}
GROWTH = {"SMB": 0.022, "Mid-market": 0.036, "Enterprise": 0.042}
SHRINK = 0.005
PLANS = {"SMB": "Équipe", "Mid-market": "Croissance", "Enterprise": "Grand compte"}
NOTICE_DAYS = 60
N_TRIALS_LEFT = 30


def choose_legacy(world: World) -> list[Company]:
    """The companies that were customers before the CRM was set up; they get no new-business deal."""
    chance = world.stream("legacy")
    found: list[Company] = []
    for segment, count in LEGACY.items():
        pool = [c for c in world.companies if c.market == "FR" and c.segment == segment]
        for company in chance.sample(pool, count):
            company.is_customer = True
            company.created = min(company.created, world.span.opens - timedelta(days=chance.randint(5, 60)))
            found.append(company)
    return found


def make_revenue(world: World, legacy: list[Company]) -> None:
    """Add customers and subscriptions to the world, with their renewals and upsells as deals."""
    chance = world.stream("revenue")
    for company in legacy:
        months, day = chance.randint(2, 34), chance.randint(1, 28)
        first = shift_months(world.span.start, -months).replace(day=day)
        seats = max(3, round(chance.near({"SMB": 10, "Mid-market": 62, "Enterprise": 260}[company.segment], 0.4)))
        interval = "year" if company.segment != "SMB" or chance.hits(0.4) else "month"
        _life(world, chance, company).run(_noon(first), seats, interval)
    won = [deal for deal in world.deals if deal.is_won and deal.type == "new" and not deal.is_test]
    for deal in sorted(won, key=lambda d: (d.path[-1][1], d.id)):
        start = _noon(deal.path[-1][1].date() + timedelta(days=chance.randint(1, 8)))
        if start < world.span.end:
            _life(world, chance, deal.company).run(start, deal.seats, deal.interval)
    _trials(world, chance)


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(10, 30))


def _customer(world: World, chance: Chance, company: Company) -> Customer:
    customer = Customer(_token(chance, "cus_", 14), company, CURRENCY[company.market])
    world.customers.append(customer)
    return customer


def _token(chance: Chance, prefix: str, length: int) -> str:
    return prefix + "".join(chance.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789", k=length))


def _life(world: World, chance: Chance, company: Company) -> _Life:
    """A new customer with draws of its own, so that one customer's story never changes another's."""
    return _Life(world, world.stream(f"customer/{company.id}"), _customer(world, chance, company))


@dataclass
class _Life:
    """One customer from its first subscription on."""

    world: World
    chance: Chance
    customer: Customer

    def run(self, start: datetime, seats: int, interval: str) -> None:
        """Live through every month up to the end of the sample."""
        current = self._subscribe(start, seats, interval)
        self._begin(current)
        month = 1
        while True:
            moment = self._after(start, month)
            if moment >= self.world.span.end + timedelta(days=NOTICE_DAYS):
                return
            following = self._month(current, moment, renews=current.interval == "month" or month % 12 == 0)
            if following is None:
                return
            if following.started > moment + timedelta(days=31):  # it left and came back
                start, month = following.started, 0
            current, month = following, month + 1

    @staticmethod
    def _after(start: datetime, months: int) -> datetime:
        return datetime.combine(shift_months(start.date(), months), start.time())

    def _subscribe(self, start: datetime, seats: int, interval: str) -> Subscription:
        company = self.customer.company
        found = Subscription(
            id=_token(self.chance, "sub_1", 23),
            plan=f"{PLANS[company.segment]} {'annuel' if interval == 'year' else 'mensuel'}",
            seats=seats,
            unit=unit_price(company, interval),
            interval=interval,
            started=start,
        )
        self.customer.subscriptions.append(found)
        return found

    def _begin(self, first: Subscription) -> None:
        """Trials, discounts and second subscriptions with which some customers start."""
        in_span = first.started >= self.world.span.opens
        if in_span and first.interval == "month" and self.chance.hits(0.3):
            first.trial_ended = first.started + timedelta(days=14)
        elif self.chance.hits(0.12):
            first.discount = self.chance.choice([Decimal("0.1"), Decimal("0.2")])
        elif in_span and first.interval == "month" and self.chance.hits(0.08):
            first.discount = Decimal(1)
        if self.customer.company.segment != "SMB" and self.chance.hits(0.16):
            self._add_module(first)

    def _add_module(self, first: Subscription) -> None:
        started = first.started + timedelta(days=self.chance.randint(20, 300), hours=2)
        if started >= self.world.span.end:
            return
        module = Subscription(
            id=_token(self.chance, "sub_1", 23),
            plan="Module Prévision mensuel",
            seats=1,
            unit=Decimal("149.00") if self.customer.company.segment == "Mid-market" else Decimal("390.00"),
            interval="month",
            started=started,
        )
        left = self._after(started, self.chance.randint(3, 8))
        if self.chance.hits(0.4) and left < self.world.span.end:
            module.ended, module.cancel_requested = left, left - timedelta(days=self.chance.randint(2, 25))
        self.customer.subscriptions.append(module)

    def _month(self, current: Subscription, moment: datetime, *, renews: bool) -> Subscription | None:
        """What happens at one monthly anniversary; None when the customer is gone, or the sample ends."""
        if current.status == "paused" and moment < self.world.span.end:
            return self._replace(current, moment, status="active")
        if renews and (gone := self._renewal(current, moment)) is not current:
            return gone
        if moment >= self.world.span.end:
            return current
        if current.discount == 1:
            free_until = current.started + timedelta(days=85)
            ends = moment > free_until and self.chance.hits(0.9)
            return self._replace(current, moment, discount=Decimal(0)) if ends else current
        return self._grow(current, moment)

    def _grow(self, current: Subscription, moment: datetime) -> Subscription:
        segment = self.customer.company.segment
        grows, tries = self.chance.hits(GROWTH[segment]), self.chance.hits(0.012)
        at = _noon(self.world.seasons.working_day(moment.date() + timedelta(days=self.chance.randint(2, 20)), "FR"))
        if not (grows or tries) or at >= self.world.span.end - timedelta(days=2):
            return current
        seats = current.seats + max(1, round(current.seats * self.chance.uniform(0.08, 0.4)))
        self._upsell(current, at, seats, won=grows)
        return self._replace(current, at, seats=seats) if grows else current

    def _replace(self, current: Subscription, moment: datetime, **changes: Any) -> Subscription:
        """End a subscription and start the one that takes its place at the same instant."""
        current.ended = current.cancel_requested = moment
        fresh = replace(current, id=_token(self.chance, "sub_1", 23), started=moment, trial_ended=None)
        following = replace(fresh, ended=None, cancel_requested=None, **changes)
        self.customer.subscriptions.append(following)
        return following

    def _renewal(self, current: Subscription, moment: datetime) -> Subscription | None:
        """The subscription after one renewal: itself, its replacement, or None when the customer leaves for good."""
        segment = self.customer.company.segment
        stay = (1 - CHURN[segment]) ** (12 if current.interval == "year" else 1)
        leaves = not self.chance.hits(stay)
        asked = moment - timedelta(days=self.chance.randint(3, 28), hours=self.chance.randint(0, 4))
        asked = max(asked, current.pays_from + timedelta(days=1))
        if current.interval == "year":
            self._renewal_deal(current, moment, asked, leaves=leaves)
        if leaves:
            return self._leave(current, moment, asked)
        if moment >= self.world.span.end:
            return current
        if current.interval == "month" and current.discount == 0 and self.chance.hits(0.006):
            return self._replace(current, moment, status="paused")
        if current.interval == "month" and current.discount == 0 and self.chance.hits(0.008):
            plan, unit = current.plan.replace("mensuel", "annuel"), unit_price(self.customer.company, "year")
            return self._replace(current, moment, interval="year", plan=plan, unit=unit)
        if self.chance.hits(SHRINK * (12 if current.interval == "year" else 1)) and current.seats > 4:
            return self._replace(current, moment, seats=current.seats - max(1, current.seats // 5))
        return current

    def _leave(self, current: Subscription, moment: datetime, asked: datetime) -> Subscription | None:
        if asked < self.world.span.end:
            current.cancel_requested = asked
        if moment >= self.world.span.end:
            return None
        current.ended = moment
        for other in self.customer.subscriptions:
            if other is not current and other.ended is None and other.started < moment:
                other.ended, other.cancel_requested = moment, asked
        back = moment + timedelta(days=self.chance.randint(65, 150))
        if current.discount == 1 or not self.chance.hits(0.16) or back >= self.world.span.end:
            return None
        seats = max(3, round(current.seats * 0.8))
        return self._subscribe(_noon(back.date()), seats, current.interval)

    def _renewal_deal(self, current: Subscription, moment: datetime, asked: datetime, *, leaves: bool) -> None:
        created = datetime.combine(moment.date() - timedelta(days=NOTICE_DAYS), time(5))
        won_at = moment - timedelta(days=self.chance.randint(0, 14), hours=1)
        path = [
            ("Qualification", created),
            ("Proposition", created + timedelta(days=self.chance.randint(8, 20), hours=4)),
        ]
        if self.chance.hits(0.6):
            path.append(("Négociation", created + timedelta(days=self.chance.randint(21, 30), hours=5)))
        closed = (LOST, asked) if leaves else (WON, won_at)
        path = [*(step for step in path if step[1] < closed[1]), closed]
        self._deal("renewal", created, path, current.amount * (1 if current.interval == "year" else 12), moment.date())

    def _upsell(self, current: Subscription, moment: datetime, seats: int, *, won: bool) -> None:
        if current.interval == "month" and won and self.chance.hits(0.5):
            return  # bought in the product, no deal
        created = moment - timedelta(days=self.chance.randint(18, 45), hours=1)
        path = [("Qualification", created), ("Proposition", created + timedelta(days=self.chance.randint(3, 15)))]
        path.append((WON if won else LOST, moment - timedelta(hours=1)))
        extra = (seats - current.seats) * current.unit * (1 if current.interval == "year" else 12)
        self._deal("expansion", created, path, extra, moment.date())

    def _deal(self, kind: str, created: datetime, path: list[tuple[str, datetime]], amount: Decimal, due: date) -> None:
        """A deal of the customer pipeline, unless it is older than the CRM or not made yet."""
        span, company = self.world.span, self.customer.company
        if not span.opens <= created < span.end:
            return
        path = [step for step in path if step[1] < span.end]
        label = {"renewal": "Renouvellement", "expansion": "Extension"}[kind]
        deal = Deal(
            id=str(32_000_000_000 + len(self.world.deals) * 4241 + self.chance.randint(1, 4000)),
            name=f"{label} {company.name} {due:%m/%Y}",
            company=company,
            owner=self._manager(created.date()),
            pipeline="Clients",
            type=kind,
            created=created,
            path=path,
            amount=amount.quantize(Decimal("0.01")),
            currency=self.customer.currency,
            source="Offline Sources",
        )
        deal.expected_on = None if deal.is_closed else due
        deal.lost_reason = "" if deal.stage != LOST else self.chance.choice(["Prix", "Pas de décision", "Budget gelé"])
        self.world.deals.append(deal)

    def _manager(self, day: date) -> Rep:
        team = self.world.team("csm", self.customer.company.market, day)
        return team[int(self.customer.company.id) % len(team)]


def _trials(world: World, chance: Chance) -> None:
    """People who tried the product by themselves and did not buy."""
    pool = [c for c in world.companies if not c.is_customer and c.segment == "SMB" and c.created < world.span.end]
    for company in chance.sample(pool, N_TRIALS_LEFT):
        latest = (world.span.until - timedelta(days=20) - company.created.date()).days
        if latest < 1:
            continue
        start = _noon(max(company.created.date(), world.span.start) + timedelta(days=chance.randint(0, max(latest, 1))))
        start = min(start, _noon(world.span.until - timedelta(days=16)))
        ended = start + timedelta(days=14)
        trial = Subscription(
            _token(chance, "sub_1", 23), "Équipe mensuel", chance.randint(3, 9), unit_price(company, "month"), "month",
            start, ended, ended - timedelta(days=2), ended,
        )  # fmt: skip
        _customer(world, chance, company).subscriptions.append(trial)


def movements(customer: Customer, end: datetime) -> Iterator[tuple[datetime, str, Decimal]]:
    """Every change of a customer's monthly recurring revenue before `end`: instant, type and amount."""
    before, paid = Decimal(0), False
    for moment in customer.changes():
        after = customer.mrr_at(moment)
        if moment >= end or after == before:
            continue
        if before == 0:
            kind = "reactivation" if paid else "new"
        else:
            kind = "churn" if after == 0 else "expansion" if after > before else "contraction"
        yield moment, kind, after - before
        before, paid = after, True
