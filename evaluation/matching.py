"""Matching of contacts and companies.

Precision, recall and F1 of pairs: people without any labelled pair, companies after a hundred decisions.
"""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
from rapidfuzz import fuzz, process

from cadran.jobs.match import CERTAIN
from cadran.matching.companies import companies
from cadran.matching.groups import SUPPORT, groups
from cadran.matching.people import people
from cadran.matching.rows import SCHEMA, keyed
from evaluation.line import Line
from evaluation.worlds.companies import company_world
from evaluation.worlds.contacts import namesakes, simulated, simulator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cadran.matching.groups import Pair

    Pairs = set[tuple[str, str]]

CONTACTS, POOL, WORLDS, DECISIONS, ROUND = 100_000, 10_000, 5, 100, 20


def evaluate(seed: int, shared: Path | None, contacts: int = CONTACTS, worlds: int = WORLDS) -> list[Line]:
    """Figures of both models, beside their baselines."""
    lines = _pool(seed)
    if shared:
        lines = [*_contacts(shared, seed, contacts), *lines, *_fake(shared), *_companies(shared, seed, worlds)]
    return lines


def scores(found: Pairs, truth: Pairs) -> tuple[float, float, float]:
    """Precision, recall and F1."""
    right = len(found & truth)
    precision, recall = right / max(len(found), 1), right / max(len(truth), 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def true_pairs(ids: Sequence[str], owner: Sequence[int]) -> Pairs:
    """Every two records of one owner."""
    found: dict[int, list[str]] = defaultdict(list)
    for record, cluster in zip(ids, owner, strict=True):
        found[cluster].append(record)
    return _within(found.values())


def closed(pairs: Iterable[Pair], least: float) -> Pairs:
    """Pairs within the groups that certain pairs make."""
    return _within(groups(pairs, least=least, support=SUPPORT))


def _within(clusters: Iterable[Sequence[str]]) -> Pairs:
    return {ids for cluster in clusters for ids in itertools.combinations(sorted(cluster), 2)}


def _contacts(shared: Path, seed: int, n: int) -> list[Line]:
    names = simulator(shared)
    rows, owner = simulated(names, n, seed)
    truth = true_pairs(rows["id"].to_pylist(), owner)
    started, spent = time.perf_counter(), time.process_time()
    found = people(rows)
    wall, cpu = time.perf_counter() - started, time.process_time() - spent
    precision, recall, f1 = scores(closed(found, CERTAIN["contact"]), truth)
    turned = people(rows.take(np.random.default_rng(seed).permutation(rows.num_rows)))
    plain = _plain_contacts(names, rows)
    exact = _exact(rows, ("email", "phone"))
    note = f"{rows.num_rows} simulated contacts in five languages; recall {recall:.3f}"
    return [
        Line("contacts, F1", f1, scores(plain, truth)[2], 0.945, "at least", f"{note}; baseline: plain Splink, closed"),
        Line("contacts, precision", precision, scores(plain, truth)[0], 0.995, "at least", note),
        Line("contacts, F1 of the same e-mail or telephone", scores(exact, truth)[2], None, None, "shown", note),
        Line("contacts, processor seconds", cpu, None, 60.0, "at most", "two cores for thirty seconds"),
        Line("contacts, seconds", wall, None, None, "shown", "while others use the machine"),
        Line("contacts, same pairs in another order", float(turned == found), None, 1.0, "at least"),
    ]


def _plain_contacts(names: dict[str, Any], rows: pa.Table) -> Pairs:
    """Splink as its own examples configure it, at 0.9, closed."""
    import splink.comparison_library as cl  # noqa: PLC0415
    from splink import block_on  # noqa: PLC0415

    likeness = [
        cl.JaroWinklerAtThresholds(name, [0.92, 0.8]).configure(term_frequency_adjustments=True)
        for name in ("first", "last")
    ]
    likeness += [
        cl.JaroWinklerAtThresholds("company", [0.92, 0.85]).configure(term_frequency_adjustments=True),
        cl.ExactMatch("phone"),
        cl.JaroWinklerAtThresholds("email", [0.95]),
    ]  # fmt: skip
    keys = (
        ("email",),
        ("phone",),
        ("last", "company"),
        ("first", "last"),
        ("first", "company"),
        ("dom", "last"),
        ("dom", "first"),
    )
    shared = [block_on("email"), block_on("phone")]
    table = keyed(rows).to_pandas().rename(columns={"domain": "dom"})
    found, _, _ = names["splink_run"](
        table, "id", likeness, [block_on(*each) for each in keys], shared, shared, recall=0.7
    )
    return set(names["closure"](found[0.9]))


def _exact(rows: pa.Table, keys: Sequence[str]) -> Pairs:
    """Records that have the same value of any key."""
    table, found = keyed(rows), set()
    for key in keys:
        clusters: dict[str, list[str]] = defaultdict(list)
        for record, value in zip(table["id"].to_pylist(), table[key].to_pylist(), strict=True):
            if value is not None:
                clusters[value].append(record)
        found |= _within(clusters.values())
    return found


def _pool(seed: int) -> list[Line]:
    rows, owner = namesakes(POOL, np.random.default_rng(seed))
    truth = true_pairs(rows["id"].to_pylist(), owner)
    found = people(rows)
    precision, recall, _ = scores(closed(found, CERTAIN["contact"]), truth)
    note = f"{rows.num_rows} records of people of 270 names, with shared telephones and free mail; recall {recall:.3f}"
    return [
        Line("namesakes, precision", precision, 0.16, 0.99, "at least", f"{note}; baseline: a model blocked on names")
    ]


def _fake(shared: Path) -> list[Line]:
    """The public list of a thousand people, whose date of birth stands for a telephone number."""
    path = shared / "data" / "dedupe" / "fake_1000.csv"
    frame = duckdb.sql(f"SELECT * FROM read_csv('{path}', all_varchar = true)").to_arrow_table()
    columns = {name: frame[name].to_pylist() for name in frame.column_names}
    name = [
        f"{first or ''} {last or ''}".strip()
        for first, last in zip(columns["first_name"], columns["surname"], strict=True)
    ]
    n = frame.num_rows
    told = {
        "id": [each.zfill(4) for each in columns["unique_id"]],
        "name": name,
        "company": columns["city"],
        "email": columns["email"],
        "phone": columns["dob"],
    }
    rows = pa.table({each: pa.array(told.get(each, [None] * n), pa.string()) for each in SCHEMA.names}, schema=SCHEMA)
    truth = true_pairs(told["id"], [int(each) for each in columns["cluster"]])
    ours = scores(closed(people(rows), 0.9), truth)
    plain = scores(_plain_fake(frame), truth)
    note = f"precision {ours[0]:.3f}, recall {ours[1]:.3f}; baseline: plain Splink, "
    note += f"precision {plain[0]:.3f}, recall {plain[1]:.3f}"
    return [Line("fake_1000, F1 at 0.9", ours[2], plain[2], None, "shown", note)]


def _plain_fake(frame: pa.Table) -> Pairs:
    import splink.comparison_library as cl  # noqa: PLC0415
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on  # noqa: PLC0415

    connection = duckdb.connect()
    connection.register("given", frame)
    connection.execute(
        "CREATE TABLE fake AS SELECT * REPLACE (lpad(unique_id, 4, '0') AS unique_id) FROM given ORDER BY unique_id"
    )
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[
            cl.NameComparison("first_name"), cl.NameComparison("surname"), cl.LevenshteinAtThresholds("dob", [1, 2]),
            cl.ExactMatch("city").configure(term_frequency_adjustments=True), cl.EmailComparison("email"),
        ],
        blocking_rules_to_generate_predictions=[block_on(key) for key in ("first_name", "surname", "dob", "email")],
    )  # fmt: skip
    linker = Linker(DuckDBAPI(connection=connection).register(connection.table("fake")), settings, log_level=50)
    linker.training.estimate_probability_two_random_records_match(
        [block_on("first_name", "surname"), block_on("email")], recall=0.7
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6)
    for key in ("dob", "email"):
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(key))
    found = linker.inference.predict(threshold_match_probability=0.9).as_duckdbpyrelation()
    return {(min(pair), max(pair)) for pair in found.select("unique_id_l", "unique_id_r").fetchall()}


def _companies(shared: Path, seed: int, worlds: int) -> list[Line]:
    path = shared / "data" / "dedupe" / "company-names.csv"
    found: dict[str, list[float]] = defaultdict(list)
    for world in range(worlds):
        rng = np.random.default_rng([seed, world])
        rows, owner = company_world(path, rng)
        held_out = {record for record, cluster in owner.items() if cluster % 2}
        truth = _only(true_pairs(list(owner), list(owner.values())), held_out)
        decided: dict[tuple[str, str], bool] = {}
        pairs = companies(rows, decided)
        found["before any decision"].append(scores(_only(_likely(pairs), held_out), truth)[2])
        while len(decided) < DECISIONS:
            decided |= {ids: owner[ids[0]] == owner[ids[1]] for ids in _asked(pairs, decided, held_out, rng)}
            pairs = companies(rows, decided)
        found["F1"].append(scores(_only(_likely(pairs), held_out), truth)[2])
        score = scores(_only(closed(pairs, 0.5), held_out), truth)
        for name, value in zip(("precision", "recall", "grouped F1"), score, strict=True):
            found[name].append(value)
        found["exact"].append(scores(_only(_exact(rows, ("name",)), held_out), truth)[2])
        found["rule"].append(_tuned_rule(rows, pairs, held_out, truth))
    mean = {name: float(np.mean(values)) for name, values in found.items()}
    note = (
        f"{worlds} worlds of real names recorded otherwise, held-out companies; precision {mean['precision']:.3f}, "
        f"recall {mean['recall']:.3f}; standard error {np.std(found['grouped F1']) / worlds**0.5:.4f}; "
        "baseline: likeness of names with its threshold tuned on the truth"
    )
    return [
        Line(f"companies, F1 after {DECISIONS} decisions", mean["grouped F1"], mean["rule"], 0.94, "at least", note),
        Line("companies, F1 after decisions, pair by pair", mean["F1"], None, None, "shown", "without groups"),
        Line("companies, F1 before any decision", mean["before any decision"], None, None, "shown"),
        Line("companies, F1 of the same name", mean["exact"], None, None, "shown", "legal forms left out"),
    ]


def _asked(
    pairs: Sequence[Pair], decided: Mapping[tuple[str, str], bool], held_out: set[str], rng: np.random.Generator
) -> list[tuple[str, str]]:
    """The pairs that a person would be asked about next: the most doubtful, and some at random."""
    pool = [each for each in pairs if each.ids not in decided and not held_out & {*each.ids}]
    pool.sort(key=lambda each: (abs(each.chance - 0.5), each.ids))
    doubtful, others = pool[: 2 * ROUND], [each for each in pool[2 * ROUND :] if each.chance > 0.2]
    drawn = [doubtful[at] for at in rng.permutation(len(doubtful))[: ROUND * 3 // 5]]
    drawn += [others[at] for at in rng.permutation(len(others))[: ROUND - len(drawn)]]
    return [each.ids for each in drawn]


def _likely(pairs: Iterable[Pair]) -> Pairs:
    return {each.ids for each in pairs if each.chance >= 0.5}


def _only(pairs: Pairs, records: set[str]) -> Pairs:
    return {ids for ids in pairs if {*ids} <= records}


def _tuned_rule(rows: pa.Table, pairs: Sequence[Pair], held_out: set[str], truth: Pairs) -> float:
    """F1 of one likeness of names at the threshold that the truth likes best."""
    table = keyed(rows)
    names = dict(zip(table["id"].to_pylist(), table["name"].to_pylist(), strict=True))
    own = [each.ids for each in pairs if {*each.ids} <= held_out]
    left, right = [names[one] or "" for one, _ in own], [names[other] or "" for _, other in own]
    likeness = process.cpdist(left, right, scorer=fuzz.token_sort_ratio)
    levels = range(60, 100, 2)
    return max(
        scores({ids for ids, like in zip(own, likeness, strict=True) if like >= level}, truth)[2] for level in levels
    )
