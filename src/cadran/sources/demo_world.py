"""The sample company's cast: its own people, the companies it sells to, and the records they leave."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.period import shift_months
from cadran.sources.demo_chance import Chance, Seasons, WorkingTime, stream, utc_at
from cadran.sources.demo_names import address

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPANY = "Lisière Logiciels"
DOMAIN = "lisiere.example"
MONTHS = 24
SEGMENTS = ("SMB", "Mid-market", "Enterprise")
CURRENCY = {"FR": "EUR", "US": "USD"}


@dataclass(frozen=True)
class Span:
    """The months that the sample covers.

    Attributes:
        start: First day.
        until: Last day.
    """

    start: date
    until: date

    @property
    def end(self) -> datetime:
        """First instant that nobody knows about yet: midnight in Paris after the last day."""
        return utc_at(self.until + timedelta(days=1), datetime.min.time(), "FR")

    @property
    def opens(self) -> datetime:
        """First instant of the first day in Paris."""
        return utc_at(self.start, datetime.min.time(), "FR")

    @property
    def us_entry(self) -> date:
        """The day on which the company starts to sell in the United States: month 9."""
        return shift_months(self.start, 8)

    @property
    def exported_on(self) -> date:
        """The day on whose evening the last exports were made."""
        return self.until

    @property
    def earlier_export_on(self) -> date:
        """The day of the earlier export of the deals, three months before the last one."""
        return shift_months(self.until.replace(day=1), -2) - timedelta(days=1)

    def days(self) -> Iterator[date]:
        """Every day, in order."""
        for offset in range((self.until - self.start).days + 1):
            yield self.start + timedelta(days=offset)


@dataclass(frozen=True)
class Rep:
    """One person of the sample company."""

    id: str
    name: str
    role: str
    market: str
    segments: tuple[str, ...]
    start: date
    end: date | None = None
    manager: str = ""

    @property
    def team(self) -> str:
        """Team as the CRM names it."""
        return {"sdr": "SDR ", "ae": "Ventes ", "csm": "CSM ", "manager": "Ventes "}.get(self.role, "Marketing ") + (
            self.market
        )

    @property
    def email(self) -> str:
        """Work address."""
        return address(self.name, DOMAIN)

    def works_on(self, day: date) -> bool:
        """True while the person is employed."""
        return self.start <= day and (self.end is None or day < self.end)


@dataclass
class Company:
    """One company that is sold to; a second deal does not open while `is_free` is false or before `busy_until`."""

    id: str
    name: str
    domain: str
    industry: str
    segment: str
    market: str
    employees: int
    country: str
    created: datetime
    is_target: bool
    owner: Rep
    busy_until: datetime | None = None
    is_free: bool = True
    is_customer: bool = False


@dataclass
class Lead:
    """One enquiry of one person."""

    id: str
    first_name: str
    last_name: str
    email: str
    title: str
    company: Company
    created: datetime
    source: str
    utm: tuple[str, str, str]
    owner: Rep
    is_test: bool = False
    is_outbound: bool = False
    events: list[tuple[str, str, datetime]] = field(default_factory=list)
    auto_reply_at: datetime | None = None
    responded_at: datetime | None = None
    duplicate_of: str = ""
    has_unmapped_utm: bool = False
    deal_at: datetime | None = None

    @property
    def status(self) -> str:
        """Lifecycle stage that the person is in now."""
        return self.events[-1][1] if self.events else "lead"


@dataclass
class Deal:
    """One deal and every stage that it entered."""

    id: str
    name: str
    company: Company
    owner: Rep
    pipeline: str
    type: str
    created: datetime
    path: list[tuple[str, datetime]]
    amount: Decimal | None
    currency: str
    source: str = ""
    lead: Lead | None = None
    expected_on: date | None = None
    lost_reason: str = ""
    competitor: str = ""
    setup: Decimal = Decimal(0)
    term_months: int = 12
    is_test: bool = False
    is_import: bool = False
    reassigned: Rep | None = None
    seats: int = 0
    interval: str = "year"

    @property
    def stage(self) -> str:
        """Stage that it is in now."""
        return self.path[-1][0]

    @property
    def is_won(self) -> bool:
        """True when it ended well."""
        return self.stage == "Gagné"

    @property
    def is_closed(self) -> bool:
        """True when it ended."""
        return self.stage in {"Gagné", "Perdu"}

    @property
    def closed_at(self) -> datetime | None:
        """The instant at which it ended for good, or None while it is open."""
        return self.path[-1][1] if self.is_closed else None

    def at(self, moment: datetime) -> list[tuple[str, datetime]]:
        """The stages that it had entered by then."""
        return [step for step in self.path if step[1] <= moment]


@dataclass
class Subscription:
    """One span of time in which one customer pays one recurring amount, as the billing system keeps it."""

    id: str
    plan: str
    seats: int
    unit: Decimal
    interval: str
    started: datetime
    ended: datetime | None = None
    cancel_requested: datetime | None = None
    trial_ended: datetime | None = None
    discount: Decimal = Decimal(0)
    status: str = "active"

    @property
    def amount(self) -> Decimal:
        """What one interval costs."""
        return self.unit * self.seats * (1 - self.discount)

    @property
    def mrr(self) -> Decimal:
        """Monthly recurring revenue while it is paid for."""
        if self.status == "paused":
            return Decimal(0)
        return self.amount / (12 if self.interval == "year" else 1)

    @property
    def pays_from(self) -> datetime:
        """The instant from which it is paid for: its start, or the end of its trial."""
        return max(self.started, self.trial_ended or self.started)

    def mrr_at(self, moment: datetime) -> Decimal:
        """Monthly recurring revenue at an instant."""
        runs = self.pays_from <= moment and (self.ended is None or moment < self.ended)
        return self.mrr if runs else Decimal(0)


@dataclass
class Customer:
    """One company that has, or had, a subscription."""

    id: str
    company: Company
    currency: str
    subscriptions: list[Subscription] = field(default_factory=list)

    def mrr_at(self, moment: datetime) -> Decimal:
        """Monthly recurring revenue of all its subscriptions at an instant."""
        return sum((s.mrr_at(moment) for s in self.subscriptions), Decimal(0))

    def changes(self) -> list[datetime]:
        """The instants at which its revenue may change, in order."""
        found = {s.pays_from for s in self.subscriptions}
        return sorted(found | {s.ended for s in self.subscriptions if s.ended})


@dataclass
class World:
    """Everything that happens in the sample, filled part by part."""

    seed: int
    span: Span
    seasons: Seasons
    hours: WorkingTime
    reps: list[Rep]
    companies: list[Company]
    leads: list[Lead] = field(default_factory=list)
    deals: list[Deal] = field(default_factory=list)
    customers: list[Customer] = field(default_factory=list)

    def stream(self, name: str) -> Chance:
        """The stream of draws of one part."""
        return stream(self.seed, name)

    def team(self, role: str, market: str, day: date, segment: str = "") -> list[Rep]:
        """Who holds that role on that day, for that segment if it is given; the manager when nobody does."""
        found = [
            rep
            for rep in self.reps
            if rep.role == role
            and rep.market == market
            and rep.works_on(day)
            and (not segment or segment in rep.segments)
        ]
        return found or [rep for rep in self.reps if rep.role == "manager" and rep.market == "FR"]
