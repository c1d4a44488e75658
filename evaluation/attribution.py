"""Attribution of won revenue to channels.

Distance of each model's channel shares to the planted truth, on journeys in which every touch converts
with its own probability after its own delay; agreement with exact answers on public journeys; and time
for ten million touches.
"""

from __future__ import annotations

import csv
import gzip
import json
import time
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa

from cadran.stats.attribution import RULES, Credit, rule_credit, shapley_credit
from cadran.stats.hazard import hazard_credit
from cadran.stats.journeys import Journeys
from cadran.stats.markov import markov_chain, markov_credit, removal_effects
from evaluation.line import Line

if TYPE_CHECKING:
    from pathlib import Path

CHANNELS, JOURNEYS, WORLDS, DAYS = 8, 40_000, 10, 90.0
BASELINE = {"last": 0.17, "time_decay": 0.19, "linear": 0.22, "markov_1": 0.26, "markov_2": 0.28, "hazard": 0.046}
MANY = 10_000_000


def evaluate(seed: int, shared: Path | None) -> list[Line]:
    """Figures of every model."""
    lines = [*_exact(shared)] if shared else []
    distances: dict[str, list[float]] = {}
    for world in range(WORLDS):
        journeys, truth = delayed_world(np.random.default_rng(seed + world))
        for credit in every_credit(journeys):
            share = credit.wins / credit.wins.sum()
            distances.setdefault(credit.model, []).append(float(0.5 * np.abs(share - truth).sum()))
    for model, found in sorted(distances.items(), key=lambda pair: float(np.mean(pair[1]))):
        target, way = (0.046, "at most") if model == "hazard" else (None, "shown")
        note = f"mean of {WORLDS} worlds, delayed effects; standard error {np.std(found) / WORLDS**0.5:.3f}"
        lines.append(Line(f"distance to truth, {model}", float(np.mean(found)), BASELINE.get(model), target, way, note))
    lines.append(_many(seed))
    return lines


def every_credit(journeys: Journeys) -> list[Credit]:
    """What every model gives."""
    rules = [rule_credit(journeys, rule) for rule in RULES]
    chains = [markov_credit(journeys, order=order) for order in (1, 2)]
    return [*rules, shapley_credit(journeys), *chains, hazard_credit(journeys)]


def delayed_world(rng: np.random.Generator) -> tuple[Journeys, np.ndarray]:
    """Journeys and the true share of each channel in the wins that a touch caused.

    Each touch converts with its channel's probability after an exponential delay; some wins come by
    themselves; journeys are watched for ninety days.
    """
    chance = np.clip(rng.lognormal(-4.0, 0.9, CHANNELS), 0, 0.3)
    delay = rng.uniform(1, 14, CHANNELS)
    mix, first = rng.dirichlet(np.full(CHANNELS, 3.0)), rng.dirichlet(np.full(CHANNELS, 3.0))
    lengths = 1 + rng.poisson(3.5, JOURNEYS)
    starts = np.cumsum(lengths) - lengths
    total = int(lengths.sum())
    channel = rng.choice(CHANNELS, total, p=mix)
    channel[starts] = rng.choice(CHANNELS, JOURNEYS, p=first)
    gaps = rng.exponential(8, total)
    gaps[starts] = 0
    journey = np.repeat(np.arange(JOURNEYS), lengths)
    day = np.cumsum(gaps) - np.repeat(np.cumsum(gaps)[starts], lengths)
    wins_at = np.where(rng.random(total) < chance[channel], day + rng.exponential(delay[channel]), np.inf)
    wins_at[day >= DAYS] = np.inf
    caused = np.minimum.reduceat(wins_at, starts)
    organic = rng.exponential(4000, JOURNEYS)
    end = np.minimum(np.minimum(caused, organic), DAYS)
    won = end < DAYS
    by_touch = np.flatnonzero((wins_at == end[journey]) & won[journey])
    truth = np.bincount(channel[by_touch], minlength=CHANNELS).astype(float)
    keep = day < end[journey]
    counts = np.bincount(journey[keep], minlength=JOURNEYS)
    seen = counts > 0
    sizes = counts[seen]
    outcome = won[seen].astype(float)
    names = tuple(f"c{place}" for place in range(CHANNELS))
    age = (end[journey] - day)[keep]
    return Journeys(
        names, channel[keep], age, np.cumsum(sizes) - sizes, outcome, 1 - outcome, outcome * 1000
    ), truth / truth.sum()


def _exact(shared: Path) -> list[Line]:
    """Largest difference with answers computed by others on public journeys."""
    folder = shared / "data" / "attribution"
    if not folder.is_dir():
        return []
    journeys, place = path_data(folder)
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))["values"]
    exact = json.loads((folder / "expected_markov.json").read_text(encoding="utf-8"))
    rules = {
        "first_touch": rule_credit(journeys, "first"),
        "last_touch": rule_credit(journeys, "last"),
        "linear_every_touch": rule_credit(journeys, "linear"),
        "position_based_40_20_40": rule_credit(journeys, "u_shaped"),
        "linear_distinct_channels": shapley_credit(journeys),
    }
    lines = []
    for name, credit in rules.items():
        gap = max(abs(credit.wins[place[row["chan"]]] - row["conversions"]) for row in expected[name]["rows"])
        lines.append(Line(f"largest difference, {name}", float(gap), None, 1e-4, "at most", "answers have 6 decimals"))
    chain = markov_chain(journeys)
    effects = removal_effects(chain, chain.wins)
    for name, answer in exact.items():
        gap = max(abs(effects[place[channel]] - value) for channel, value in answer["removal_effect"].items())
        lines.append(Line(f"largest difference, {name}", float(gap), None, 1e-9, "at most", "removal effects"))
    return lines


def path_data(folder: Path) -> tuple[Journeys, dict[str, int]]:
    """The public journeys of that folder, and the code of each channel."""
    with gzip.open(folder / "PathData.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    paths = [row["path"].split(" > ") for row in rows]
    channels = sorted({channel for path in paths for channel in path})
    place = {channel: code for code, channel in enumerate(channels)}
    lengths = np.array([len(path) for path in paths])
    columns = [
        np.array([float(row[name]) for row in rows])
        for name in ("total_conversions", "total_null", "total_conversion_value")
    ]
    age = np.concatenate([np.arange(length)[::-1].astype(float) for length in lengths])
    codes = np.array([place[channel] for path in paths for channel in path])
    won, lost, value = columns
    return Journeys(tuple(channels), codes, age, np.cumsum(lengths) - lengths, won, lost, value), place


def _many(seed: int) -> Line:
    """Processor seconds for every model on ten million touches: on a shared machine the clock says little."""
    rng = np.random.default_rng(seed)
    lengths = 1 + rng.geometric(0.22, MANY // 5)
    lengths = lengths[np.cumsum(lengths) <= MANY]
    starts = np.cumsum(lengths) - lengths
    total = int(lengths.sum())
    gaps = rng.exponential(6.0, total)
    upto = np.cumsum(gaps)
    end = np.repeat(upto[starts + lengths - 1], lengths)
    channel = np.minimum(rng.geometric(0.25, total) - 1, 11)
    won = (rng.random(starts.size) < 0.08).astype(float)
    names = tuple(f"c{place}" for place in range(12))
    value = won * rng.integers(1000, 90_000, won.size)
    journeys = Journeys(names, channel, end - upto + 1.0, starts, won, 1 - won, value)
    started = time.process_time()
    found = every_credit(journeys)
    seconds = time.process_time() - started
    whole = journeys.value.sum()
    worst = max(abs(credit.value.sum() + credit.organic_value - whole) / whole for credit in found)
    simple = _as_lists(journeys)
    note = (
        f"{total:,} touches, {starts.size:,} journeys, {len(found)} models; credits sum within {worst:.0e}; "
        f"{seconds / simple:.1f} times what DuckDB takes to make lists of channels of the same touches in this run"
    )
    return Line("processor seconds for ten million touches, every model", seconds, None, 60.0, "at most", note)


def _as_lists(journeys: Journeys) -> float:
    """Processor seconds of the plain way to paths alone: the channels of each journey as a list of texts, in order."""
    of_touch = np.repeat(np.arange(journeys.starts.size), journeys.lengths)
    names = pa.DictionaryArray.from_arrays(journeys.channel.astype(np.int32), list(journeys.channels))
    touches = pa.table({"journey": of_touch, "age": journeys.age, "channel": names.cast(pa.string())})
    with duckdb.connect() as con:
        con.execute("SET threads = 1")
        con.register("touches", touches)
        started = time.process_time()
        con.execute(
            "CREATE TABLE paths AS SELECT journey, list(channel ORDER BY age DESC) FROM touches GROUP BY journey"
        )
        return time.process_time() - started
