"""Effect of decisions, and what a review takes for news.

Two segments before and after a decision, with a season that moves both by four points; the decision moves
one of them by three points, or by nothing. For flows, weeks that resemble their neighbours. For reviews,
KPIs on which nothing happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cadran.insights.review import PAST, SURE, SURE_BY_RANK
from cadran.stats.contrast import Estimate, certainty, contrast, rank_certainty, series_mean
from cadran.stats.intervals import mean_interval, wilson_interval
from evaluation.line import Line

if TYPE_CHECKING:
    from pathlib import Path

WORLDS, SEASON, EFFECT = 4000, 0.04, 0.03
CASES = (100, 400, 3000)


def evaluate(seed: int, shared: Path | None) -> list[Line]:  # noqa: ARG001 - the worlds are drawn here
    """Coverage of the interval, false effects, and false items of a review."""
    lines = []
    for n in CASES:
        lines += _rates(np.random.default_rng([seed, n]), n)
    for likeness in (0.0, 0.3, 0.6):
        lines.append(_flows(np.random.default_rng([seed, round(10 * likeness)]), likeness))
    return [*lines, *_reviews(np.random.default_rng([seed, 99]))]


def _rates(draw: np.random.Generator, n: int) -> list[Line]:
    held, alone, wald, false, found = 0, 0, 0, 0, 0
    for world in range(WORLDS):
        effect = EFFECT if world % 2 else 0.0
        rates = (0.2 + SEASON + effect, 0.2, 0.2 + SEASON, 0.2)
        wins = [int(draw.binomial(n, rate)) for rate in rates]
        cells = [_rate(k, n) for k in wins]
        measured = contrast(cells, (1, -1, -1, 1))
        held += measured.holds(effect)
        alone += contrast(cells[:2], (1, -1)).holds(effect)
        shares = np.array(wins) / n
        half = 1.96 * float(np.sqrt(np.sum(shares * (1 - shares) / n)))
        wald += abs(measured.value - effect) <= half
        false += not effect and not measured.holds(0)
        found += bool(effect) and not measured.holds(0)
    name = f"rates, {n} cases in each window and segment"
    told = f"{WORLDS} worlds, half with +3 points, half with none"
    return [
        Line(f"coverage, {name}", held / WORLDS, wald / WORLDS, (0.93, 0.975), "between", f"{told}; baseline: Wald"),
        Line(f"coverage without a control, {name}", alone / WORLDS, note="the season is taken for the decision"),
        Line(f"false effects, {name}", 2 * false / WORLDS, None, 0.06, "at most", ""),
        Line(f"+3 points told from none, {name}", 2 * found / WORLDS, note="power, not accuracy"),
    ]


def _rate(wins: int, n: int) -> Estimate:
    found = wilson_interval(wins, n)
    assert found is not None
    return Estimate(wins / n, found.low, found.high)


def _flows(draw: np.random.Generator, likeness: float) -> Line:
    held = plain = 0
    for _ in range(WORLDS):
        noise = np.zeros(27)
        for week in range(1, 27):
            noise[week] = likeness * noise[week - 1] + draw.normal(0, 4)
        weeks = 40 + noise[1:]
        cells = [_weeks(weeks[13:]), _weeks(weeks[:13])]
        held += contrast(cells, (1, -1)).holds(0)
        plain += contrast([_student(weeks[13:]), _student(weeks[:13])], (1, -1)).holds(0)
    note = "13 weeks before and after, no effect; baseline: Student, as if weeks were independent"
    return Line(
        f"coverage, flows, correlation {likeness} with the week before",
        held / WORLDS,
        plain / WORLDS,
        (0.93, 0.99),
        "between",
        note,
    )


def _weeks(values: np.ndarray) -> Estimate:
    found = series_mean([float(value) for value in values])
    assert found is not None
    return found


def _student(values: np.ndarray) -> Estimate:
    found = mean_interval(len(values), float(values.sum()), float((values**2).sum()))
    assert found is not None
    return Estimate(float(values.mean()), found.low, found.high)


def _reviews(draw: np.random.Generator) -> list[Line]:
    """Items per KPI and quarter of 13 weekly reviews where nothing happens."""
    rates = counts = 0
    for _ in range(WORLDS):
        first, second = (_rate(int(draw.binomial(150, 0.25)), 150) for _ in range(2))
        rates += certainty(contrast([second, first], (1, -1))) >= SURE
        steps = np.diff(draw.poisson(40, PAST + 2))
        counts += rank_certainty(float(steps[-1]), [float(step) for step in steps[:-1]]) >= SURE_BY_RANK
    note = "share of weekly reviews in which a KPI on which nothing happens becomes an item"
    return [
        Line("false items, rates", rates / WORLDS, None, 0.06, "at most", note),
        Line("false items, counts", counts / WORLDS, None, 0.1, "at most", f"{note}; 1 in 13 by its rule"),
    ]
