"""Open deals: how likely each is to be won, why, what that is worth, and which have gone silent.

A chance rests on the model only where the model told past deals better than simpler ways did; else on the
share of the deals that stood in the same stage, on the percentages set by hand where nothing beats
them, or on the share of all deals, and says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from cadran.insights.deal_stays import pipelines_of
from cadran.period import midnight_utc
from cadran.stats.breaks import fit_adjusted
from cadran.stats.intervals import score_interval
from cadran.stats.stalls import usual_days
from cadran.stats.win_probability import EDGE
from cadran.stats.win_skill import WORTH, skill_of, stage_cases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime
    from typing import Any
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from cadran.engine.deals import DealResult
    from cadran.period import Calendar
    from cadran.stats.breaks import Break
    from cadran.stats.stays import Stays
    from cadran.stats.win_skill import Skill

    Array = NDArray[np.float64]

#: Days without a touch after which an open deal has no activity; the same as in the table of deals.
QUIET_DAYS = 30
#: Reasons told of a deal, and the least difference in chance that is one.
MOST_REASONS, LEAST_REASON = 3, 0.01
#: Seed of the models that are drawn for intervals.
SEED = 2026
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Reason:
    """Something known of a deal that makes it more or less likely to be won.

    Attributes:
        kind: Dimension, ``amount``, ``touches`` or ``time`` (in the stage).
        label: Its value where it is a dimension, else empty.
        effect: Difference in the chance, as a share.
    """

    kind: str
    label: str
    effect: float


@dataclass(frozen=True)
class OpenDeal:
    """One open deal.

    Attributes:
        id: Readable id.
        name: Name, or empty.
        owner: Owner, or None.
        segment: Segment, or None.
        pipeline: Pipeline, or empty.
        stage: Stage.
        amount: In the base currency, or None.
        chance: Chance of being won, in (0, 1), or None where no deal was decided yet.
        low: Lower edge of the chance, or None.
        high: Upper edge.
        expected: Amount × chance, to the cent, or None.
        by_hand: Percentage set by hand, as a share, or None.
        days: Days in the stage.
        usual_days: Days after which nine stays in ten are over in that stage, or None.
        close_on: Planned close, or None.
        reasons: Those that weigh most, the strongest first.
        silent: Why it counts as silent: ``past_close``, ``no_activity``, ``stalled``; empty when it does not.
    """

    id: str
    name: str
    owner: str | None
    segment: str | None
    pipeline: str
    stage: str
    amount: Decimal | None
    chance: float | None
    low: float | None
    high: float | None
    expected: Decimal | None
    by_hand: float | None
    days: float
    usual_days: float | None
    close_on: date | None
    reasons: tuple[Reason, ...]
    silent: tuple[str, ...]


@dataclass(frozen=True)
class PipelineChances:
    """What the chances of one pipeline rest on.

    Attributes:
        pipeline: Its name, or empty.
        stages: Names of its stages.
        skill: How good chances were on past days.
        breaks: Stages whose conversion broke of late, taken into account.
        n_decided: Deals that were won or lost.
    """

    pipeline: str
    stages: tuple[str, ...]
    skill: Skill
    breaks: tuple[Break, ...]
    n_decided: int


@dataclass(frozen=True)
class OpenDeals:
    """Open deals, those worth most first.

    Attributes:
        deals: Deals asked for.
        pipelines: What their chances rest on.
        amount: Sum of the amounts.
        expected: Sum of amount × chance.
        at_risk: Sum of the amounts of silent deals.
        expected_at_risk: Sum of amount × chance of silent deals.
        has_stages: False where stages of closed deals are not recorded.
        has_touches: False where no touch of a deal is recorded, so that none has gone without activity.
        without_amount: Deals without an amount, or without a rate to convert it.
        seed: Seed of the intervals.
        currency: Base currency.
        as_of: Instant up to which the data was known.
    """

    deals: tuple[OpenDeal, ...]
    pipelines: tuple[PipelineChances, ...]
    amount: Decimal
    expected: Decimal
    at_risk: Decimal
    expected_at_risk: Decimal
    has_stages: bool
    has_touches: bool
    without_amount: int
    seed: int
    currency: str
    as_of: datetime


@dataclass(frozen=True)
class _Told:
    """Chances of the open deals of a pipeline."""

    stays: Stays
    chance: Array
    low: Array
    high: Array
    reasons: Mapping[str, Array]
    usual: Array


def open_deals(
    result: DealResult, closings: tuple[datetime, ...] = (), *, silent: bool = False, seed: int = SEED
) -> OpenDeals:
    """The open deals of a company, with chances learnt from its closed ones.

    Args:
        result: Deals and stays.
        closings: Ends of quarters, ascending, some of them to come.
        silent: Only those that have gone silent.
        seed: Seed of the intervals.
    """
    ways = pipelines_of(result, closings)
    facts = result.deals.to_pylist()
    has_touches = bool(result.touches.num_rows)
    found: list[OpenDeal] = []
    pipelines = []
    for name, stays in ways.stays.items():
        hand = _by_hand(stays, facts)
        told, rests = _tell(name, stays, ways.day, hand, seed)
        pipelines.append(rests)
        for place, row in enumerate(told.stays.deal.tolist()):
            if facts[row]["is_asked"] and not facts[row]["is_closed"]:
                found.append(_deal(facts[row], told, place, ways.day, has_touches=has_touches))
    kept = [deal for deal in found if deal.silent or not silent]
    kept.sort(key=lambda deal: (-(deal.expected or Decimal(-1)), -(deal.chance or 0), deal.id))
    quiet = [deal for deal in kept if deal.silent]
    return OpenDeals(
        deals=tuple(kept),
        pipelines=tuple(pipelines),
        amount=_sum(deal.amount for deal in kept),
        expected=_sum(deal.expected for deal in kept),
        at_risk=_sum(deal.amount for deal in quiet),
        expected_at_risk=_sum(deal.expected for deal in quiet),
        has_stages=ways.is_recorded,
        has_touches=has_touches,
        without_amount=sum(deal.amount is None for deal in kept),
        seed=seed,
        currency=result.currency,
        as_of=result.as_of,
    )


def quarter_ends(calendar: Calendar, as_of: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Ends of the quarters that win probabilities are learnt and told with: three years back, two ahead."""
    day = as_of.date()
    periods = calendar.periods("quarter", day - timedelta(days=1100), day + timedelta(days=730))
    return tuple(midnight_utc(period.end, zone) for period in periods)


def _tell(name: str, stays: Stays, day: float, hand: Array, seed: int) -> tuple[_Told, PipelineChances]:
    skill = skill_of(stays, day, hand)
    known = stays.known_at(day)
    deals = known.open_at(day)
    won, cases = stage_cases(known, day)
    n_decided = int(((known.to == known.won) | (known.to == -1)).sum())
    model, breaks = fit_adjusted(known, day) if skill.basis == "model" else (None, ())
    usual = usual_days(known, day)
    rests = PipelineChances(name, stays.stages, skill, breaks, n_decided)
    if model is not None:
        low, high = model.interval(deals, day, seed=seed)
        return _Told(deals, model.ever(deals, day), low, high, model.reasons(deals, day), usual), rests
    chance, low, high = (part[deals.stage] for part in _shares(won, cases, hand, skill.basis))
    return _Told(deals, chance, low, high, {}, usual), rests


def _shares(won: Array, cases: Array, hand: Array, basis: str) -> tuple[Array, Array, Array]:
    """Chance and interval of each stage, shape (n_stages,): shrunk shares; NaN where nothing is decided."""
    n_won, n = float(won.sum()), float(cases.sum())
    if not n:
        nothing = np.full(won.size, np.nan)
        return nothing, nothing, nothing
    overall = (n_won + 0.5) / (n + 1)
    share, worth = np.full(won.size, overall), np.full(won.size, n + 1)
    if basis in ("stages", "hand"):
        share, worth = (won + WORTH * overall) / (cases + WORTH), cases + WORTH
    edges = [score_interval(float(each), float(size)) for each, size in zip(share, worth, strict=True)]
    if basis == "hand":
        share = np.where(np.isnan(hand), share, hand)
    low, high = np.array([edge.low for edge in edges]), np.array([edge.high for edge in edges])
    return tuple(np.clip(part, EDGE, 1 - EDGE) for part in (share, np.minimum(low, share), np.maximum(high, share)))


def _by_hand(stays: Stays, facts: Sequence[Mapping[str, Any]]) -> Array:
    """Median of the percentages set by hand of the open deals of each stage; NaN without any."""
    last = stays.chosen(~np.isfinite(stays.left))
    given = np.array([_share(facts[row]["probability"]) for row in last.deal.tolist()], dtype=float)
    found = np.full(len(stays.stages), np.nan)
    for stage in range(found.size):
        own = given[(last.stage == stage) & ~np.isnan(given)] if given.size else given
        if own.size:
            found[stage] = float(np.median(own))
    return found


def _share(value: float | None) -> float:
    """A percentage set by hand as a share, whether written 40 or 0.4."""
    if value is None:
        return float("nan")
    return value / 100 if value > 1 else value


def _deal(fact: Mapping[str, Any], told: _Told, place: int, day: float, *, has_touches: bool) -> OpenDeal:
    stays = told.stays
    stage = int(stays.stage[place])
    days, usual = day - float(stays.entered[place]), float(told.usual[stage])
    chance, low, high = (_known(part[place]) for part in (told.chance, told.low, told.high))
    amount = fact["amount"]
    by_hand = _share(fact["probability"])
    is_late = not np.isnan(usual) and days > usual
    since = fact["last_touch_at"] or fact["created_at"]
    is_quiet = has_touches and day - float(np.datetime64(since, "us").astype(np.int64)) / 86400e6 > QUIET_DAYS
    flags = {"past_close": bool(fact["is_stale"]), "no_activity": is_quiet, "stalled": is_late}
    return OpenDeal(
        id=fact["deal"],
        name=fact["name"] or "",
        owner=fact["owner"],
        segment=fact["segment"],
        pipeline=fact["pipeline"] or "",
        stage=fact["stage"] or stays.stages[stage],
        amount=amount,
        chance=chance,
        low=low,
        high=high,
        expected=(amount * Decimal(str(chance))).quantize(_CENT) if amount is not None and chance is not None else None,
        by_hand=_known(by_hand),
        days=days,
        usual_days=_known(usual),
        close_on=fact["expected_close_on"],
        reasons=_reasons(told.reasons, stays, place),
        silent=tuple(name for name, is_so in flags.items() if is_so),
    )


def _reasons(effects: Mapping[str, Array], stays: Stays, place: int) -> tuple[Reason, ...]:
    every = [
        Reason(kind, str(stays.labels[kind][place]) if kind in stays.labels else "", float(values[place]))
        for kind, values in effects.items()
    ]
    strong = [reason for reason in every if abs(reason.effect) >= LEAST_REASON]
    return tuple(sorted(strong, key=lambda reason: (-abs(reason.effect), reason.kind))[:MOST_REASONS])


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _sum(amounts: Any) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal(0)).quantize(_CENT)
