"""Rates and counts of segments, drawn towards each other.

Forty segments with few cases each, as in the published comparison; then small companies of three to
twelve segments, for rates and for counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cadran.stats.intervals import wilson_interval
from cadran.stats.pooling import pool_counts, pool_rates
from evaluation.line import Line

if TYPE_CHECKING:
    from pathlib import Path

SEGMENTS, WORLDS, COMPANIES = 40, 300, 500
BASELINE = {"raw": 0.115, "Jeffreys": 0.101, "all together": 0.087}


def evaluate(seed: int, shared: Path | None) -> list[Line]:  # noqa: ARG001 - the worlds are drawn here
    """Error and coverage."""
    errors: dict[str, list[float]] = {}
    held: dict[str, list[bool]] = {}
    for world in range(WORLDS):
        rng = np.random.default_rng([seed, world])
        n = np.maximum(2, rng.lognormal(3.2, 1.1, SEGMENTS).astype(int))
        truth = rng.beta(6, 18, SEGMENTS)
        k = rng.binomial(n, truth)
        pooled = pool_rates(k, n)
        guesses = {
            "raw": k / n,
            "Jeffreys": (k + 0.5) / (n + 1),
            "all together": np.full(SEGMENTS, k.sum() / n.sum()),
            "pooled": np.array([each.value for each in pooled]),
            "population known": (k + 6) / (n + 24),
        }
        for name, guess in guesses.items():
            errors.setdefault(name, []).append(float(np.mean((guess - truth) ** 2)) ** 0.5)
        for level, beliefs in ((95, pooled), (80, pool_rates(k, n, level=0.8))):
            held.setdefault(f"pooled {level}", []).extend(
                each.interval.holds(value) for each, value in zip(beliefs, truth, strict=True)
            )
        for won, decided, value in zip(k, n, truth, strict=True):
            found = wilson_interval(int(won), int(decided))
            held.setdefault("Wilson 95", []).append(found is not None and found.holds(value))
    note = f"{WORLDS} worlds of {SEGMENTS} segments, median 25 cases"
    lines = [
        Line(f"root mean square error, {name}", float(np.mean(errors[name])), old, None, "shown", note)
        for name, old in BASELINE.items()
    ]
    ours = errors["pooled"]
    floor = float(np.mean(errors["population known"]))
    lines.append(Line("root mean square error, population known", floor, None, None, "shown", "nothing can do better"))
    note += f"; standard error {np.std(ours) / WORLDS**0.5:.4f}; baseline: plug-in empirical Bayes"
    lines.append(Line("root mean square error, pooled", float(np.mean(ours)), 0.063, 0.063, "at most", note))
    share = float(np.mean(held["pooled 95"]))
    lines.append(Line("coverage, 95 % interval", share, 0.916, (0.93, 0.97), "between", "baseline: plug-in"))
    lines.append(Line("coverage, 80 % interval", float(np.mean(held["pooled 80"])), None, (0.78, 0.82), "between"))
    lines.append(Line("coverage, Wilson 95 %", float(np.mean(held["Wilson 95"])), None, None, "shown"))
    return [*lines, *_small(seed)]


def _small(seed: int) -> list[Line]:
    """Coverage over small companies whose populations differ."""
    held: dict[str, list[bool]] = {}
    for company in range(COMPANIES):
        rng = np.random.default_rng([seed, company, 1])
        size = int(rng.integers(3, 13))
        n = np.maximum(1, rng.lognormal(2.5, 1.0, size).astype(int))
        mean, worth = rng.uniform(0.05, 0.6), rng.uniform(4, 60)
        truth = rng.beta(mean * worth, (1 - mean) * worth, size)
        k = rng.binomial(n, truth)
        shape, rate = rng.uniform(1, 20), rng.lognormal(0.5, 1)
        pace = rng.gamma(shape, rate / shape, size)
        weeks = rng.integers(4, 27, size).astype(float)
        events = rng.poisson(pace * weeks)
        for level in (0.95, 0.8):
            for what, beliefs, true in (
                ("rates", pool_rates(k, n, level=level), truth),
                ("counts", pool_counts(events, weeks, level=level), pace),
            ):
                held.setdefault(f"{what}, {level * 100:.0f} %", []).extend(
                    each.interval.holds(value) for each, value in zip(beliefs, true, strict=True)
                )
    note = f"{COMPANIES} companies of 3 to 12 segments, median 12 cases"
    return [
        Line(
            f"coverage in small companies, {name}",
            float(np.mean(found)),
            None,
            (0.93, 0.97) if "95" in name else (0.78, 0.82),
            "between",
            note,
        )
        for name, found in held.items()
    ]
