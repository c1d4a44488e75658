"""Whether win probabilities are worth anything: told on past days, set against how the deals ended.

On each of a few past days a model learns from what was known then and tells the chance of every open
deal. Beside it stand the share of all deals that were won, the share of those that stood in the same
stage, and the percentages that somebody set by hand. The model counts only where it beats them by more
than chance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from cadran.stats.stays import outcomes
from cadran.stats.win_probability import EDGE, fit_win

if TYPE_CHECKING:
    from cadran.stats.stays import Array, Stays, Whole

Basis = Literal["model", "stages", "hand", "nothing", "too_few"]

#: Days before today on which chances are told again.
DAYS_BACK = (360.0, 270.0, 180.0, 120.0)
#: Days between two looks at how deals stood, and looks.
STEP, LOOKS = 30.0, 24
#: Deals, and of each outcome, below which nothing can be said.
LEAST, LEAST_OF_EACH = 40, 8
#: Standard errors by which one way must beat another.
BEATS = 1.28
#: Groups of the reliability diagram.
GROUPS = 10
#: Cases that the share of all deals is worth to a stage.
WORTH = 20.0


@dataclass(frozen=True)
class Group:
    """Deals with about the same chance: one point of the reliability diagram.

    Attributes:
        chance: Mean chance told, in 0..1.
        won: Share won.
        n: Deals.
    """

    chance: float
    won: float
    n: int


@dataclass(frozen=True)
class Skill:
    """How good chances were on past days.

    Attributes:
        basis: What chances should rest on: ``model``, ``stages`` (the share of each stage), ``hand`` (the
            percentages set by hand, where nothing beats them), ``nothing`` (the share of
            all deals: nothing can be learnt), or ``too_few``.
        n: Open deals, over the past days, whose end is known by now.
        n_open: Those that were left out because they are still open.
        brier: Mean squared error by way: ``model``, ``stages``, ``all``, and ``hand`` where percentages are set.
        auc: Chance that a won deal was told above a lost one; 0.5 tells nothing.
        calibration: Mean gap between what was told and what came, over groups of equal size.
        groups: Reliability of the model.
        beats_hand: True when the model's error is below that of the percentages set by hand.
    """

    basis: Basis
    n: int
    n_open: int
    brier: dict[str, float]
    auc: float
    calibration: float
    groups: tuple[Group, ...]
    beats_hand: bool


def skill_of(stays: Stays, day: float, hand: Array | None = None) -> Skill:
    """How good chances were on past days.

    Args:
        stays: Stays; what happened after `day` is not looked at.
        day: Today.
        hand: Shape (n_stages,), percentages set by hand as shares, NaN for none; None without any.
    """
    known = stays.known_at(day)
    ends = outcomes(known)
    told: dict[str, list[Array]] = {"model": [], "stages": [], "all": [], "hand": []}
    deals: list[Whole] = []
    for back in DAYS_BACK:
        seen = known.open_at(day - back)
        if not seen.deal.size or (model := fit_win(known, day - back)) is None:
            continue
        by_stage, overall = stage_shares(known, day - back)
        told["model"].append(model.ever(seen, day - back))
        told["stages"].append(by_stage[seen.stage])
        told["all"].append(np.full(seen.deal.size, overall))
        told["hand"].append(np.full(seen.deal.size, np.nan) if hand is None else hand[seen.stage])
        deals.append(seen.deal)
    every = np.concatenate([np.zeros(0, dtype=np.int64), *deals])
    won = ends[every] if every.size else np.zeros(0)
    over = ~np.isnan(won)
    chances = {name: np.concatenate([np.zeros(0), *parts])[over] for name, parts in told.items()}
    return _judged(chances, won[over], every[over], int((~over).sum()))


def stage_shares(stays: Stays, day: float) -> tuple[Array, float]:
    """Share won of deals that stood in each stage on past days, drawn towards the share of all, and that share."""
    won, cases = stage_cases(stays, day)
    overall = float(np.clip((won.sum() + 0.5) / (cases.sum() + 1), EDGE, 1 - EDGE))
    return np.asarray((won + WORTH * overall) / (cases + WORTH)), overall


def stage_cases(stays: Stays, day: float) -> tuple[Array, Array]:
    """Deals that stood in each stage on a day of every past month and have ended: won, and all.

    A deal that stood there for months is seen more often, as it is among the open deals of today, but all
    in all a stage counts as many cases as it had deals.
    """
    known = stays.known_at(day)
    ends = outcomes(known)
    n = len(known.stages)
    looks = [known.open_at(day - STEP * back) for back in range(1, LOOKS + 1)]
    deal, stage = (np.concatenate([getattr(part, name) for part in looks]) for name in ("deal", "stage"))
    over = ~np.isnan(ends[deal]) if deal.size else np.zeros(0, dtype=bool)
    deal, stage = deal[over], stage[over]
    won, seen = np.bincount(stage, ends[deal], n), np.bincount(stage, minlength=n)
    cases = np.bincount(np.unique(deal * n + stage) % n, minlength=n).astype(float)
    return won * cases / np.maximum(seen, 1), cases


def reliability(chance: Array, won: Array) -> tuple[Group, ...]:
    """Groups of equal size, from the least to the most likely deals."""
    order = np.argsort(chance, kind="stable")
    parts = [part for part in np.array_split(order, GROUPS) if part.size]
    return tuple(Group(float(chance[part].mean()), float(won[part].mean()), part.size) for part in parts)


def calibration_error(groups: tuple[Group, ...]) -> float:
    """Mean gap between what was told and what came, over groups."""
    n = sum(group.n for group in groups)
    return sum(group.n * abs(group.chance - group.won) for group in groups) / n if n else float("nan")


def ranking(chance: Array, won: Array) -> float:
    """Chance that a won deal was told above a lost one (the area under the ROC curve); NaN without both."""
    n_won = float(won.sum())
    n_lost = won.size - n_won
    if not n_won or not n_lost:
        return float("nan")
    from scipy import stats  # noqa: PLC0415 - half a second to load, which only this needs

    ranks = stats.rankdata(chance)
    return float((ranks[won == 1].sum() - n_won * (n_won + 1) / 2) / (n_won * n_lost))


def learns(told: Array, share: Array, won: Array, cases: Whole) -> bool:
    """True when chances beat one share for all by more than chance, and not by their level alone.

    Args:
        told: Shape (n,), chances.
        share: Shape (n,), the share of all, as known when the chances were told.
        won: Shape (n,), 1 or 0.
        cases: Shape (n,), whom each is about: one told of several times is one case.
    """
    return _tells_apart(told, won, cases) and _beats(told, share, won, cases)


def _judged(chances: dict[str, Array], won: Array, deals: Whole, n_open: int) -> Skill:
    groups = reliability(chances["model"], won)
    brier = {name: float(np.mean((told - won) ** 2)) for name, told in chances.items() if told.size}
    has_hand = "hand" in brier and not np.isnan(brier["hand"])
    if not has_hand:
        brier.pop("hand", None)
    found = Skill(
        "too_few",
        won.size,
        n_open,
        brier,
        ranking(chances["model"], won),
        calibration_error(groups),
        groups,
        has_hand and brier["model"] < brier["hand"],
    )
    if won.size < LEAST or min(won.sum(), won.size - won.sum()) < LEAST_OF_EACH:
        return found
    return replace(found, basis=_basis(chances, won, deals))


def _basis(chances: dict[str, Array], won: Array, deals: Whole) -> Basis:
    # the shares of the stages know nothing of time: they stay only where they are better by more than chance
    is_beaten = _beats(chances["stages"], chances["model"], won, deals)
    best: Literal["model", "stages"] = "stages" if is_beaten else "model"
    error = {name: float(np.mean((chances[name] - won) ** 2)) for name in (best, "hand")}
    # NaN, where nothing is set by hand, is no smaller than anything
    if error["hand"] <= error[best] and learns(chances["hand"], chances["all"], won, deals):
        return "hand"
    if learns(chances[best], chances["all"], won, deals):
        return best
    return "stages" if learns(chances["stages"], chances["all"], won, deals) else "nothing"


def _tells_apart(chance: Array, won: Array, deals: Whole) -> bool:
    """True when won deals were told above lost ones by more than chance; the right level alone tells none apart."""
    n_won = float(won.sum())
    # of a ranking by chance alone (Mann and Whitney), a deal told of on several days being one case
    repeated = won.size / np.unique(deals).size
    error = np.sqrt((won.size + 1) * repeated / (12 * n_won * (won.size - n_won)))
    return ranking(chance, won) - 0.5 > BEATS * float(error)


def _beats(ours: Array, theirs: Array, won: Array, deals: Whole) -> bool:
    """True when the error is smaller by more than chance, a deal told of on several days being one case."""
    gain = np.bincount(deals, (theirs - won) ** 2 - (ours - won) ** 2)
    gain = gain[np.unique(deals)]
    error = float(gain.std(ddof=1) * np.sqrt(gain.size))
    return bool(gain.sum() > BEATS * error)
