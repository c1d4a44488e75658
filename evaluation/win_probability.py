"""Win probability of open deals, by companies whose every deal is known.

Deals open on one day are told from what was known then; the worlds of the published comparison (its seeds 0 to 5), the
same simulator with other seeds, and companies unlike it. Calibration error is over ten groups of equal size; with some
110 open deals it is mostly chance, and even the true odds would show it.
"""

from __future__ import annotations

import csv
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from cadran.engine.prospects import LEAD_DAYS
from cadran.stats.propensity import Prospects, fit_propensity
from cadran.stats.stays import LOST, OPEN, WEEK, Stays
from cadran.stats.win_probability import fit_win
from cadran.stats.win_skill import calibration_error, ranking, reliability, skill_of, stage_shares
from evaluation.line import Line
from evaluation.worlds.pipeline import book_of, draw, shared_simulator
from evaluation.worlds.published import published_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY, PUBLISHED, OTHERS = 820.0, 6, 10
#: Percentages that a CRM holds by default, by stage of the shared simulator.
BY_HAND = np.array([0.1, 0.2, 0.6, 0.8])
#: New deals a day: published Brier scores of the hazard and of the blend, calibration error of the blend.
TARGETS = {1.5: (0.098, 0.066), 6.0: (0.094, 0.030)}
N_SPEED = 100_000
#: Deals and weeks of the comparison with the published hazard, which is slow.
N_BESIDE, PUBLISHED_WEEKS = 10_000, 80


def evaluate(seed: int, shared: Path | None) -> list[Line]:
    """Error, ranking and calibration; what is said of real data; the time that it takes."""
    lines: list[Line] = []
    for per_day, (brier, gap) in TARGETS.items():
        if shared:
            simulate = shared_simulator(shared).simulate
            same = ((book_of(simulate(each, per_day=per_day)).stays) for each in range(PUBLISHED))
            lines += _lines(f"published worlds, {per_day} new deals a day", same, brier, gap, by_hand=BY_HAND)
            others = (book_of(simulate(seed + each, per_day=per_day)).stays for each in range(OTHERS))
            lines += _lines(f"other seeds, {per_day} new deals a day", others, None, None, by_hand=BY_HAND)
        own = (draw(seed + each, per_day).stays for each in range(OTHERS))
        lines += _lines(f"companies drawn here, {per_day} new deals a day", own, None, None)
    if shared:
        lines += [*_maven(shared), *_olist(shared)]
    return [*lines, *_speed(seed), *(_beside(seed, shared) if shared else ())]


def _lines(
    where: str, worlds: Iterator[Stays], brier: float | None, gap: float | None, *, by_hand: np.ndarray | None = None
) -> list[Line]:
    scores: dict[str, list[float]] = {}
    for stays in worlds:
        model, deals = fit_win(stays, DAY), stays.open_at(DAY)
        won = _ends(stays)[deals.deal]
        shares, _ = stage_shares(stays, DAY)
        told = {"ours": model.ever(deals, DAY) if model else shares[deals.stage], "stage": shares[deals.stage]}
        if by_hand is not None:
            told["hand"] = by_hand[deals.stage]
        for name, chance in told.items():
            scores.setdefault(f"{name} brier", []).append(float(np.mean((chance - won) ** 2)))
            scores.setdefault(f"{name} gap", []).append(calibration_error(reliability(chance, won)))
            scores.setdefault(f"{name} auc", []).append(ranking(chance, won))
        scores.setdefault("bias", []).append(float(told["ours"].mean() - won.mean()))
    mean = {name: float(np.mean(values)) for name, values in scores.items()}
    n = len(scores["bias"])
    note = f"{n} worlds; share of the stage {mean['stage brier']:.4f}"
    note += f", percentages by hand {mean['hand brier']:.4f}" if by_hand is not None else ""
    note += f"; mean bias {mean['bias']:+.3f}"
    own = f"{n} worlds; share of the stage {mean['stage gap']:.3f}"
    return [
        Line(f"Brier score, {where}", mean["ours brier"], brier or mean["stage brier"], brier, _at_most(brier), note),
        Line(f"calibration error, {where}", mean["ours gap"], gap or mean["stage gap"], gap, _at_most(gap), own),
        Line(f"AUC, {where}", mean["ours auc"], mean["stage auc"], None, "shown", f"{n} worlds; baseline: stage"),
    ]


def _at_most(target: float | None) -> Any:
    return "shown" if target is None else "at most"


def _ends(stays: Stays) -> np.ndarray:
    found = np.zeros(int(stays.deal.max()) + 1)
    found[stays.deal[stays.to == stays.won]] = 1.0
    return found


def _maven(shared: Path) -> list[Line]:
    """Real opportunities of which the published comparison found that there is nothing to learn."""
    with (shared / "data" / "maven-crm" / "sales_pipeline.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["engage_date"]]
    entered = np.array([date.fromisoformat(row["engage_date"]).toordinal() for row in rows], dtype=float)
    left = np.array([date.fromisoformat(r["close_date"]).toordinal() if r["close_date"] else np.inf for r in rows])
    to = np.array([{"Won": 1, "Lost": LOST}.get(row["deal_stage"], OPEN) for row in rows])
    labels = {name: np.array([row[name] for row in rows]) for name in ("sales_agent", "product")}
    n = np.arange(len(rows))
    stays = Stays(("engaging",), n, np.zeros(n.size, dtype=np.int64), entered, entered, left, to, labels)
    found = skill_of(stays, float(entered.max()) + 1)
    note = f"{found.n} past deals; Brier {found.brier['model']:.4f}, share of all {found.brier['all']:.4f}"
    said = float(found.basis == "nothing")
    return [
        Line("Maven: says that nothing can be learnt", said, None, 1.0, "at least", f"says: {found.basis}; {note}"),
        Line("Maven: AUC of the model that is refused", found.auc, 0.50, None, "shown", note),
    ]


def _olist(shared: Path) -> list[Line]:
    """Real leads, told by origin and landing page from what was known on two days, since closes are recorded."""
    folder = shared / "data" / "olist"
    with (folder / "olist_closed_deals_dataset.csv").open(encoding="utf-8") as file:
        won_on = {row["mql_id"]: _ordinal(row["won_date"]) for row in csv.DictReader(file)}
    with (folder / "olist_marketing_qualified_leads_dataset.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    came = np.array([_ordinal(row["first_contact_date"]) for row in rows])
    won = np.array([won_on.get(row["mql_id"], np.inf) for row in rows])
    labels = {name: np.array([row[name] for row in rows]) for name in ("origin", "landing_page_id")}
    every = Prospects(labels, {}, len(rows))
    is_won = won <= came + LEAD_DAYS
    first, last = _ordinal("2017-12-01"), _ordinal("2018-06-01")
    lines = []
    for day, target in (("2018-04-01", 0.68), ("2018-03-15", None)):
        known = _ordinal(day)
        before = np.flatnonzero((came >= first) & (came < known - LEAD_DAYS))
        after = np.flatnonzero((came >= known) & (came < last))
        model = fit_propensity(every.chosen(before), is_won[before].astype(float), came[before])
        chance, ends = model.chance(every.chosen(after)), is_won[after].astype(float)
        brier, share = (float(np.mean((told - ends) ** 2)) for told in (chance, is_won[before].mean()))
        note = (
            f"{before.size} leads known, {after.size} told; says: {model.basis}; Brier {brier:.4f}, share {share:.4f}"
        )
        auc = ranking(chance, ends)
        way: Any = "shown" if target is None else "at least"
        lines.append(
            Line(f"Olist: AUC of leads after {day}, won within {LEAD_DAYS} days", auc, 0.68, target, way, note)
        )
    return lines


def _ordinal(text: str) -> float:
    return float(date.fromisoformat(text[:10]).toordinal())


def _speed(seed: int) -> list[Line]:
    """Seconds for chances, intervals and reasons of many deals."""
    stays = draw(seed, 6.0).stays
    model, deals = fit_win(stays, DAY), stays.open_at(DAY)
    assert model is not None
    many = deals.chosen(np.arange(N_SPEED) % deals.deal.size)
    taken = {}
    for name, run in {
        "chance": lambda: model.ever(many, DAY),
        "chance in each of 13 weeks": lambda: model.by_week(many, DAY, 13),
        "interval": lambda: model.interval(many, DAY, seed=seed),
        "reasons": lambda: model.reasons(many, DAY),
    }.items():
        started = time.process_time()
        run()
        taken[name] = time.process_time() - started
    note = "; ".join(f"{name} {seconds:.1f}" for name, seconds in taken.items())
    return [Line("processor seconds to score 100,000 deals", taken["chance"], None, None, "shown", note)]


def _beside(seed: int, shared: Path) -> list[Line]:
    """Seconds to score as many deals as the published hazard does, on the same deals in the same run."""
    deals = shared_simulator(shared).simulate(seed, per_day=6.0)
    stays, module = book_of(deals).stays, published_model(shared)
    model, still, now = fit_win(stays, DAY), stays.open_at(DAY), module.snapshot(deals, DAY)
    assert model is not None
    hazard = module.Hazard().fit(deals, DAY)
    repeats = np.arange(N_BESIDE)
    again = now.iloc[repeats % len(now)]
    clock = np.floor(again["sage"].to_numpy() / WEEK).astype(int)
    started = time.process_time()
    for rows in np.array_split(repeats, 10):
        part = again.iloc[rows]
        hazard.run(module.oppX(part), part["stage"].to_numpy(), clock[rows], DAY, PUBLISHED_WEEKS).sum(axis=1)
    published = time.process_time() - started
    many = still.chosen(repeats % still.deal.size)
    started = time.process_time()
    model.ever(many, DAY)
    ratio = (time.process_time() - started) / published
    note = f"{N_BESIDE:,} deals of the shared simulator; baseline: the published hazard, {PUBLISHED_WEEKS} weeks ahead"
    return [Line("processor time to score, over that of the published hazard", ratio, 1.0, 1.0, "at most", note)]
