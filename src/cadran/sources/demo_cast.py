"""The sample company's own people, and the companies that it sells to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cadran.period import shift_months
from cadran.sources.demo_chance import Chance, Seasons, WorkingTime, stream
from cadran.sources.demo_names import ENDINGS, FIRST_NAMES, LAST_NAMES, STEMS, slug
from cadran.sources.demo_world import MONTHS, Company, Rep, Span, World

if TYPE_CHECKING:
    from datetime import date

#: Companies by market and segment.
N_COMPANIES = {
    ("FR", "SMB"): 520,
    ("FR", "Mid-market"): 290,
    ("FR", "Enterprise"): 110,
    ("US", "SMB"): 260,
    ("US", "Mid-market"): 190,
    ("US", "Enterprise"): 95,
}
EMPLOYEES = {"SMB": (12, 99), "Mid-market": (100, 999), "Enterprise": (1000, 18000)}


def make_world(seed: int, until: date) -> World:
    """The cast before anything has happened."""
    span = Span(shift_months(until + timedelta(days=1), -MONTHS), until)
    reach = (shift_months(span.start, -40), shift_months(until, 8))
    seasons = Seasons(*reach)
    reps = make_reps(seed, span)
    companies = make_companies(seed, span, seasons, reps)
    return World(seed, span, seasons, WorkingTime(*reach, seasons), reps, companies)


#: role, market, segments, months after the first day at which they start, month at which they leave.
_HIRES: tuple[tuple[str, str, str, int, int | None], ...] = (
    ("manager", "FR", "SMB Mid-market Enterprise", -40, None),
    ("ae", "FR", "SMB", -30, None),
    ("ae", "FR", "SMB Mid-market", -26, None),
    ("ae", "FR", "Mid-market", -20, None),
    ("ae", "FR", "Mid-market", -8, 22),
    ("ae", "FR", "Enterprise", -14, None),
    ("ae", "FR", "SMB", 6, None),
    ("sdr", "FR", "SMB Mid-market Enterprise", -18, None),
    ("sdr", "FR", "SMB Mid-market Enterprise", -7, None),
    ("csm", "FR", "SMB Mid-market Enterprise", -22, None),
    ("csm", "FR", "SMB Mid-market Enterprise", 2, None),
    ("marketing", "FR", "", -25, None),
    ("manager", "US", "SMB Mid-market Enterprise", 7, None),
    ("ae", "US", "SMB Mid-market", 8, None),
    ("ae", "US", "Mid-market Enterprise", 8, None),
    ("ae", "US", "Enterprise", 12, None),
    ("ae", "US", "SMB", 15, None),
    ("sdr", "US", "SMB Mid-market Enterprise", 8, None),
    ("sdr", "US", "SMB Mid-market Enterprise", 11, None),
    ("csm", "US", "SMB Mid-market Enterprise", 14, None),
    ("marketing", "US", "", 9, None),
)


def make_reps(seed: int, span: Span) -> list[Rep]:
    """The company's own people: a French team, and an American one that grows from month 9."""
    chance = stream(seed, "reps")
    found: list[Rep] = []
    for number, (role, market, segments, joins, leaves) in enumerate(_HIRES):
        name = _name(chance, market, {rep.name for rep in found})
        boss = next((rep.id for rep in found if rep.role == "manager" and rep.market == market), "")
        end = shift_months(span.start, leaves) if leaves is not None else None
        start = shift_months(span.start, joins)
        found.append(Rep(str(7410 + number * 13), name, role, market, _words(segments), start, end, boss))
    return found


def _words(segments: str) -> tuple[str, ...]:
    return tuple(segments.split())


def _name(chance: Chance, market: str, taken: set[str]) -> str:
    while True:
        name = f"{chance.choice(FIRST_NAMES[market])} {chance.choice(LAST_NAMES[market])}"
        if name not in taken:
            return name


def make_companies(seed: int, span: Span, seasons: Seasons, reps: list[Rep]) -> list[Company]:
    """The companies that are sold to, with one name and one domain each."""
    chance = stream(seed, "companies")
    found: list[Company] = []
    names = {market: _company_names(chance, market) for market in STEMS}
    owners = {
        key: [rep for rep in reps if rep.role == "ae" and rep.market == key[0] and key[1] in rep.segments]
        for key in N_COMPANIES
    }
    for (market, segment), count in N_COMPANIES.items():
        for _ in range(count):
            name, industry = names[market].pop()
            first = span.start if market == "FR" else span.us_entry
            lead_time = chance.randint(-300, 200) if market == "FR" else chance.randint(-20, 330)
            day = seasons.working_day(first + timedelta(days=lead_time), market)
            found.append(
                Company(
                    id=str(18_000_000_000 + len(found) * 7919 + chance.randint(1, 7000)),
                    name=name,
                    domain=f"{slug(name)}.example",
                    industry=industry,
                    segment=segment,
                    market=market,
                    employees=int(chance.triangular(*EMPLOYEES[segment], EMPLOYEES[segment][0] * 2)),
                    country=_country(chance, market),
                    created=seasons.office(chance, day, market),
                    is_target=segment != "SMB" and chance.hits(0.3),
                    owner=chance.choice(owners[market, segment]),
                )
            )
    chance.shuffle(found)
    return found


def _company_names(chance: Chance, market: str) -> list[tuple[str, str]]:
    pairs = [(f"{stem} {end}", field_) for stem in STEMS[market] for end, field_ in ENDINGS[market].items()]
    chance.shuffle(pairs)
    return pairs


def _country(chance: Chance, market: str) -> str:
    if market == "US":
        return "United States"
    return chance.pick({"France": 0.88, "Belgium": 0.07, "Switzerland": 0.05})
