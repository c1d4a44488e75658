"""Which people may be the same: Fellegi and Sunter's model as Splink fits it, without any labelled pair.

The chance of each outcome of a comparison among matches is learned where a mail address or a telephone
number is shared, never where names are: blocked on names, the model of a list full of common names takes
two namesakes for one person. The chance among others is counted on a fixed sample of the records.
Outcomes start from the ones measured on simulated contacts, which serve where too few pairs share anything.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import duckdb

from cadran.matching.groups import Pair, pair
from cadran.matching.library import library
from cadran.matching.rows import keyed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

#: Records that are drawn to count how often others agree: about a million pairs.
SAMPLE = 1500
#: Pairs sharing an address, or a number, from which on they teach the model.
FEWEST_PAIRS = 200
#: Records of one company, domain or full name, from which on it gathers no candidates by itself.
LARGEST_BLOCK = 80
#: Records, and share of all, in which a word stands at either place of a name before it is a name of both kinds.
MOST_TURNED, SHARE_TURNED = 5, 0.0005
#: Chance below which a pair is not worth telling.
LEAST_CHANCE = 0.5
#: Share of matches that share an address or a number, to estimate how many there are.
RECALL = 0.7

#: The name turned round; not of words that are first names of some and last names of others.
_REVERSED = (
    "turns_l and turns_r and jaro_winkler_similarity(first_l, last_r) >= 0.9 "
    "and jaro_winkler_similarity(last_l, first_r) >= 0.9"
)
#: Names that do not contradict one another.
_COMPATIBLE = " and ".join(
    f"({name}_l is null or {name}_r is null or damerau_levenshtein({name}_l, {name}_r) <= 1 "
    f"or jaro_winkler_similarity({name}_l, {name}_r) >= 0.8 "
    f"or (length({name}_l) = 1 or length({name}_r) = 1) and {name}_l[1] = {name}_r[1])"
    for name in ("first", "last")
)
#: Two addresses of free mail are near because the names are: they say nothing more.
_OF_COMPANIES = "domain_l is not null and domain_r is not null"
_NAMED = (
    "local_l = local_r or local_l = first_r || last_r or local_r = first_l || last_l or local_l = first_r or "
    "local_r = first_l"
)
#: Outcomes of each comparison from the closest: condition, chance among matches, chance among others.
OUTCOMES: dict[str, tuple[tuple[str, float, float], ...]] = {
    "first": (
        ("first_l = first_r", 0.57, 1e-3),
        (_REVERSED, 0.04, 1e-6),
        ("(length(first_l) = 1 or length(first_r) = 1) and first_l[1] = first_r[1]", 0.15, 5e-3),
        ("damerau_levenshtein(first_l, first_r) <= 1", 0.2, 2e-3),
        ("jaro_winkler_similarity(first_l, first_r) >= 0.88", 0.01, 1e-3),
        ("ELSE", 0.04, 0.99),
    ),
    "last": (
        ("last_l = last_r", 0.69, 8e-4),
        (_REVERSED, 0.04, 1e-6),
        ("damerau_levenshtein(last_l, last_r) <= 1", 0.24, 6e-4),
        ("jaro_winkler_similarity(last_l, last_r) >= 0.88", 0.01, 6e-4),
        ("ELSE", 0.03, 0.998),
    ),
    "company": (
        ("company_l = company_r", 0.66, 1e-3),
        ("jaro_winkler_similarity(company_l, company_r) >= 0.92", 0.3, 5e-4),
        ("jaro_winkler_similarity(company_l, company_r) >= 0.85", 0.02, 9e-3),
        ("ELSE", 0.02, 0.99),
    ),
    "phone": (
        (f"phone_l = phone_r and ({_COMPATIBLE} or {_REVERSED})", 0.85, 1e-5),
        ("phone_l = phone_r", 0.05, 5e-3),
        ("ELSE", 0.1, 0.995),
    ),
    "email": (
        ("email_l = email_r", 0.6, 1e-5),
        (f"{_OF_COMPANIES} and jaro_winkler_similarity(email_l, email_r) >= 0.96", 0.06, 5e-6),
        ("domain_l = domain_r", 0.03, 2e-4),
        (f"(domain_l is null) <> (domain_r is null) and ({_NAMED})", 0.28, 2e-4),
        ("ELSE", 0.03, 0.9997),
    ),
}
#: Outcomes whose chances are not learned: a switchboard, which colleagues share as often as one person's records.
FIXED = {("phone", 1)}
#: Columns whose rare values say more than common ones.
BY_FREQUENCY = ("first", "last", "company")
#: Columns that two records must share to be compared at all.
BLOCKS = (
    ("email",), ("phone",), ("small_names",), ("small_company",), ("small_domain",), ("company", "last"),
    ("company", "first"), ("domain", "last"), ("domain", "first"),
)  # fmt: skip


def people(rows: pa.Table) -> list[Pair]:
    """Pairs of people that may be one, with the probability that they are; in the order of ids.

    The same for the same records in any order.

    Args:
        rows: Columns `rows.COLUMNS`; ``company`` is the name of whom they work for.

    Raises:
        ConfigError: Splink is not installed.
    """
    if rows.num_rows < 2:
        return []
    connection = duckdb.connect()
    connection.register("keyed", keyed(rows))
    connection.execute(_BLOCKED.format(most=LARGEST_BLOCK, few=MOST_TURNED, share=SHARE_TURNED))
    # numbered by id: probabilities then add up in one order
    linker = _linker(connection, "people", _trained(connection))
    found = linker.inference.predict(threshold_match_probability=LEAST_CHANCE).as_duckdbpyrelation()
    columns = found.select("id_l", "id_r", "match_probability").fetchall()
    return sorted(pair(one, other, round(chance, 6)) for one, other, chance in columns)


_BLOCKED = """
CREATE TABLE people AS
WITH words AS (
    SELECT word, least(sum(is_first), count(*) - sum(is_first))
        > greatest({few}, {share} * (SELECT count(*) FROM keyed)) AS is_both
    FROM (SELECT first AS word, 1 AS is_first FROM keyed UNION ALL SELECT last, 0 FROM keyed) GROUP BY word
)
SELECT own.*, CASE WHEN count(*) OVER (PARTITION BY company) <= {most} THEN company END AS small_company,
    CASE WHEN count(*) OVER (PARTITION BY domain) <= {most} THEN domain END AS small_domain,
    CASE WHEN count(*) OVER (PARTITION BY both_names) <= {most} THEN both_names END AS small_names,
    NOT coalesce(one.is_both, false) AND NOT coalesce(two.is_both, false) AS turns
FROM (SELECT *, least(first, last) || ' ' || greatest(first, last) AS both_names FROM keyed) AS own
LEFT JOIN words AS one ON one.word = own.first LEFT JOIN words AS two ON two.word = own.last
ORDER BY id
"""


def _trained(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The settings of a model whose chances are learned from the records."""
    # a fixed sample rather than a drawn one, so that the same records give the same model
    connection.execute(f"CREATE TABLE sampled AS SELECT * FROM people ORDER BY md5(id), id LIMIT {SAMPLE}")
    splink = library("splink")
    settings = _settings()
    if _number(connection, "SELECT count(*) FROM sampled") == SAMPLE:
        others = _linker(connection, "sampled", settings)
        others.training.estimate_u_using_random_sampling(max_pairs=SAMPLE * SAMPLE)
        settings = others.misc.save_model_to_json()
    # of fewer records too many pairs are matches: what was measured elsewhere says more of the others
    model = _linker(connection, "people", settings)
    model.training.estimate_probability_two_random_records_match(
        [splink.block_on("email"), splink.block_on("phone")], recall=RECALL
    )
    for key in ("email", "phone"):
        if _shared_by(connection, key) >= FEWEST_PAIRS:
            model.training.estimate_parameters_using_expectation_maximisation(splink.block_on(key))
    return dict(model.misc.save_model_to_json())


def _shared_by(connection: duckdb.DuckDBPyConnection, key: str) -> int:
    """How many pairs of records share a value."""
    return _number(
        connection, f"SELECT sum(n * (n - 1) // 2) FROM (SELECT count({key}) AS n FROM people GROUP BY {key})"
    )


def _number(connection: duckdb.DuckDBPyConnection, statement: str) -> int:
    found = connection.execute(statement).fetchone()
    return int(found[0] or 0) if found else 0


def _linker(connection: duckdb.DuckDBPyConnection, table: str, settings: dict[str, Any]) -> Any:
    splink = library("splink")
    api = splink.DuckDBAPI(connection=connection)
    logging.getLogger("splink").setLevel(logging.ERROR)
    return splink.Linker(api.register(connection.table(table)), settings, log_level=logging.ERROR)


def _settings() -> dict[str, Any]:
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "id",
        "comparisons": [_comparison(name) for name in OUTCOMES],
        "blocking_rules_to_generate_predictions": [
            {"blocking_rule": " and ".join(f"l.{name} = r.{name}" for name in names), "sql_dialect": "duckdb"}
            for names in BLOCKS
        ],
        "retain_matching_columns": False,
        "sql_dialect": "duckdb",
    }


def _comparison(name: str) -> dict[str, Any]:
    return {
        "output_column_name": name,
        "comparison_levels": [
            {"sql_condition": f"{name}_l is null or {name}_r is null", "is_null_level": True},
            *_levels(name),
        ],
    }


def _levels(name: str) -> Iterator[dict[str, Any]]:
    for place, (condition, among_matches, among_others) in enumerate(OUTCOMES[name]):
        level: dict[str, Any] = {
            "sql_condition": condition,
            "m_probability": among_matches,
            "u_probability": among_others,
        }
        if (name, place) in FIXED:
            level |= {"fix_m_probability": True, "fix_u_probability": True}
        if place == 0 and name in BY_FREQUENCY:
            level["tf_adjustment_column"] = name
        yield level
