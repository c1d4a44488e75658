"""The truths of the sample company, told in the words of `demo_planted`.

Everything here is computed from the objects of the generator, never from the files.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from cadran.period import Calendar, Period, shift_months
from cadran.sources.demo_chance import paris_day, utc_at
from cadran.sources.demo_deals import DROP_NEXT, DROP_SEGMENT, DROP_STAGE, LOST, STAGES, WON, drop_day
from cadran.sources.demo_plans import rates
from cadran.sources.demo_planted import (
    Drop,
    Duplicate,
    PlantedDeal,
    PlantedFile,
    PlantedMovement,
    Rate,
    Responses,
    Retention,
    Truths,
)
from cadran.sources.demo_revenue import movements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cadran.sources.demo_files import Export
    from cadran.sources.demo_planted import AdTotals
    from cadran.sources.demo_world import Customer, Deal, Lead, World

ZERO = Decimal(0)
FATES = ("new", "expansion", "contraction", "churn", "reactivation")
#: Reasons that say that nobody else won the deal.
_LOST_AS = {"Pas de décision": "no_decision", "Hors cible": "disqualified"}


def truths(
    world: World,
    exports: Iterable[Export],
    outreach: Mapping[str, tuple[int, int]],
    advertising: AdTotals,
    commits: Mapping[tuple[date, str], Decimal],
) -> Truths:
    """What was planted in a world whose story is told."""
    new = [deal for deal in world.deals if deal.type == "new" and not deal.is_test]
    return Truths(
        seed=world.seed,
        start=world.span.start,
        until=world.span.until,
        known_at=world.span.end - timedelta(seconds=1),
        deals=tuple(_planted(deal) for deal in world.deals),
        drop=_drop(world, new),
        mrr=_balances(world),
        rates=rates(world),
        movements=tuple(_movements(world)),
        retention={currency: _retention(world, currency) for currency in ("EUR", "USD")},
        duplicates=tuple(_duplicates(world)),
        unmapped_utms=Counter(lead.utm for lead in world.leads if lead.has_unmapped_utm),
        responses=_responses(world),
        test_leads=tuple(lead.id for lead in world.leads if lead.is_test),
        n_leads=len(world.leads),
        n_regressed=sum(_regresses(deal) for deal in world.deals),
        n_skipped=sum(_skips(deal) for deal in new),
        n_reopened=sum(LOST in [stage for stage, _ in deal.path[:-1]] for deal in world.deals),
        outreach=dict(outreach),
        commits=dict(commits),
        advertising=advertising,
        files={e.name: PlantedFile(e.entity, len(e.rows), e.n_malformed, len(e.after)) for e in exports},
    )


def _planted(deal: Deal) -> PlantedDeal:
    return PlantedDeal(
        id=deal.id,
        type=deal.type,
        segment=deal.company.segment,
        market=deal.company.market,
        owner=(deal.reassigned or deal.owner).name,
        created_on=paris_day(deal.created),
        closed_on=paris_day(deal.closed_at) if deal.closed_at else None,
        outcome=_outcome(deal),
        lost_reason=deal.lost_reason,
        amount=deal.amount,
        currency=deal.currency,
        path=tuple(deal.path),
        is_test=deal.is_test,
        is_import=deal.is_import,
    )


def _outcome(deal: Deal) -> str:
    if not deal.is_closed:
        return "open"
    return "won" if deal.is_won else _LOST_AS.get(deal.lost_reason, "lost")


def _positions(deal: Deal) -> list[int]:
    return [STAGES.index(stage) for stage, _ in deal.path if stage in STAGES]


def _regresses(deal: Deal) -> bool:
    places = _positions(deal)
    return any(after < before for before, after in pairwise(places))


def _skips(deal: Deal) -> bool:
    places = _positions(deal)
    return any(after > before + 1 for before, after in pairwise(places))


def decision(deal: Deal, stage: int, *, implied: bool) -> tuple[datetime | None, bool]:
    """When the fate of a deal in a stage was decided, and whether it advanced: it first went further, or was lost."""
    later = [at for name, at in deal.path if name == WON or (name in STAGES and STAGES.index(name) > stage)]
    entered = [at for name, at in deal.path if name == STAGES[stage]]
    first = entered[0] if entered else min(later) if implied and later else None
    advanced = [at for at in later if first is not None and at >= first]
    if advanced:
        return min(advanced), True
    is_lost_here = deal.stage == LOST and first is not None and deal.path[-2][0] == STAGES[stage]
    return (deal.path[-1][1] if is_lost_here else None), False


def _drop(world: World, deals: list[Deal]) -> Drop:
    day, stage = drop_day(world), STAGES.index(DROP_STAGE)
    spans = (Period(shift_months(day, -12), day), Period(day, world.span.until + timedelta(days=1)))
    inside = [deal for deal in deals if deal.company.segment == DROP_SEGMENT]
    found: list[Rate] = []
    for implied in (False, True):
        decisions = [decision(deal, stage, implied=implied) for deal in inside]
        for span in spans:
            decided = [advanced for at, advanced in decisions if at and span.contains(paris_day(at))]
            found.append(Rate(sum(decided), len(decided)))
    return Drop(DROP_SEGMENT, DROP_STAGE, DROP_NEXT, day, *found)


def _month_ends(world: World) -> list[date]:
    months = Calendar().periods("month", world.span.start, world.span.until + timedelta(days=1))
    return [month.end - timedelta(days=1) for month in months]


def _after(day: date) -> datetime:
    """The instant at which a day is over in Paris."""
    return utc_at(day + timedelta(days=1), datetime.min.time(), "FR")


def _balances(world: World) -> dict[tuple[date, str], Decimal]:
    found: dict[tuple[date, str], Decimal] = {}
    for day in _month_ends(world):
        last = _after(day) - timedelta(seconds=1)
        for customer in world.customers:
            key = (day, customer.currency)
            found[key] = found.get(key, Decimal(0)) + customer.mrr_at(last)
    return found


def _movements(world: World) -> list[PlantedMovement]:
    return [
        PlantedMovement(
            customer.id,
            customer.company.segment,
            customer.company.market,
            customer.currency,
            paris_day(at),
            kind,
            delta,
        )
        for customer in world.customers
        for at, kind, delta in movements(customer, world.span.end)
        if at >= world.span.opens
    ]


def _retention(world: World, currency: str) -> Retention:
    start_at = _after(shift_months(world.span.until + timedelta(days=1), -12) - timedelta(days=1))
    moved: dict[str, Decimal] = {"start": ZERO, "end": ZERO, **dict.fromkeys(FATES, ZERO)}
    n_customers = 0
    for customer in world.customers:
        if customer.currency == currency:
            before = customer.mrr_at(start_at - timedelta(seconds=1))
            end = customer.mrr_at(world.span.end - timedelta(seconds=1))
            moved["start"] += before
            moved["end"] += end
            n_customers += before > 0
            for fate, amount in _fates(world, customer, start_at, before, end):
                moved[fate] += amount
    return Retention(currency=currency, n_customers=n_customers, **moved)


def _fates(
    world: World, customer: Customer, start_at: datetime, before: Decimal, end: Decimal
) -> Iterator[tuple[str, Decimal]]:
    """What one customer's revenue became over the window."""
    moves = list(movements(customer, world.span.end))
    left = any(kind == "churn" and at >= start_at for at, kind, _ in moves)
    if before and end and not left:
        yield ("expansion", end - before) if end > before else ("contraction", before - end)
        return
    if before:
        yield "churn", before
    if end:
        paid_earlier = any(at < start_at for at, _, _ in moves)
        yield "reactivation" if paid_earlier else "new", end


def _duplicates(world: World) -> Iterable[Duplicate]:
    kept = {lead.id: lead for lead in world.leads}
    for lead in world.leads:
        if lead.duplicate_of:
            same = lead.email.casefold() == kept[lead.duplicate_of].email.casefold()
            yield Duplicate(lead.duplicate_of, lead.id, "email" if same else "domain_name")


def _responses(world: World) -> Responses:
    leads = [lead for lead in world.leads if not lead.is_test and not lead.duplicate_of]
    early = [lead for lead in leads if lead.responded_at and lead.responded_at < lead.created]
    answered = [lead for lead in leads if lead.responded_at and lead.responded_at >= lead.created]
    silent = [lead for lead in leads if lead.responded_at is None]
    minutes = sorted(_minutes(world, lead) for lead in answered)
    half = len(minutes) // 2
    return Responses(
        n=len(leads),
        n_answered=len(answered),
        n_unanswered=len(silent),
        n_early=len(early),
        n_robot_only=sum(lead.auto_reply_at is not None for lead in silent),
        median_minutes=(minutes[half] + minutes[~half]) / 2,
        survival_minutes=_survival(
            [(_minutes(world, lead), lead.responded_at is not None) for lead in answered + silent]
        ),
    )


def _minutes(world: World, lead: Lead) -> int:
    end = lead.responded_at or world.span.end - timedelta(seconds=1)
    return world.hours.minutes(lead.created, end, lead.owner.market)


def _survival(waits: list[tuple[int, bool]]) -> int | None:
    """The shortest wait after which half had an answer, by Kaplan and Meier; None when it was never reached."""
    ended = Counter(wait for wait, is_over in waits if is_over)
    at_risk, left = 1.0, len(waits)
    gone = Counter(wait for wait, _ in waits)
    for wait in sorted(gone):
        at_risk *= 1 - ended[wait] / left
        if at_risk <= 0.5:
            return wait
        left -= gone[wait]
    return None
