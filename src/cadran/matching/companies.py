"""Which companies may be the same: a small model that learns from what the user decided.

Names of companies follow no law that could be assumed: subsidiaries share a domain and most of a name,
abbreviations share nothing. Candidates are gathered by keys; each pair is described by a dozen likenesses;
a logistic model starts from cautious beliefs and is moved by each decision. A shared domain is one
likeness among others and merges nobody by itself; chains of pairs are not closed beyond what the model
says of both ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from cadran.matching.groups import Pair, pair
from cadran.matching.learn import chance, learn
from cadran.matching.library import library
from cadran.matching.rows import keyed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Records that share a key, from which on it gathers no candidates.
LARGEST_BLOCK = 60
#: Chance below which a pair is not worth telling.
LEAST_CHANCE = 0.05
#: Likenesses of a pair, each in [-1, 1], and the coefficient believed before any decision.
BELIEFS: dict[str, float] = {
    "words_in_any_order": 4.0,
    "letters": 4.0,
    "words_of_the_shorter": 1.0,
    "rare_words": 4.0,
    "one_site": 2.0,
    "start": 2.0,
    "initials": 2.0,
    "length": 1.0,
    "same_domain": 2.5,
    "other_domain": -1.5,
    "same_country": 0.5,
    "other_country": -2.5,
    "same_number": 5.0,
    "other_number": -4.0,
    "other_digits": -4.0,
}
#: Intercept believed beforehand.
INTERCEPT = -11.5
#: Weight of the beliefs against decisions: see `learn.learn`.
WEIGHT = 1.0

#: Words that names of companies are often written without.
SMALL_WORDS = frozenset(("the", "le", "la", "les", "de", "du", "des", "and", "et", "of", "und", "y", "e", "d", "l"))
#: Abbreviations that people write, in full.
ABBREVIATIONS = {
    "intl": "international", "int": "international", "nat": "national", "natl": "national", "tech": "technologies",
    "technology": "technologies", "sys": "systems", "system": "systems", "ind": "industries", "inds": "industries",
    "industrie": "industries", "telecom": "telecommunications", "telecoms": "telecommunications",
    "mfg": "manufacturing",
    "svc": "services", "svcs": "services", "service": "services", "hldg": "holding", "hldgs": "holding",
    "holdings": "holding", "pharma": "pharmaceuticals", "pharmaceutical": "pharmaceuticals", "grp": "group",
    "comms": "communications", "communication": "communications", "res": "resources", "resource": "resources",
    "bk": "bank", "ste": "societe", "soc": "societe", "ets": "etablissements", "cie": "compagnie",
    "assoc": "associates", "eng": "engineering", "dev": "development",
    "mgmt": "management", "univ": "university", "labs": "laboratories",
    "solution": "solutions", "consult": "consulting",
}  # fmt: skip

_CANDIDATES = """
WITH words AS (
    SELECT id, unnest(string_split(name, ' ')) AS word FROM keyed WHERE name IS NOT NULL
), keys AS (
    SELECT id, 'd ' || domain AS key FROM keyed WHERE domain IS NOT NULL
    UNION SELECT id, 't ' || tax_id FROM keyed WHERE tax_id IS NOT NULL
    UNION SELECT id, 'p ' || phone FROM keyed WHERE phone IS NOT NULL
    UNION SELECT id, 'w ' || word FROM words WHERE length(word) > 2
    UNION SELECT id, 's ' || left(word, 4) || ' ' || left(lead(word) OVER (PARTITION BY id ORDER BY word), 4) FROM words
    UNION SELECT id, 'o ' || list_aggregate(list_sort(string_split(word, '')), 'string_agg', '') FROM words
        WHERE length(word) > 3
    UNION SELECT id, 'm ' || substr(replace(name, ' ', ''), 4, 5) FROM keyed WHERE length(name) > 9
    UNION SELECT id, 'n ' || left(replace(name, ' ', ''), 5) FROM keyed WHERE name IS NOT NULL
    UNION SELECT id, 'l ' || right(replace(name, ' ', ''), 7) FROM keyed WHERE name IS NOT NULL
    UNION SELECT id, 'i ' || string_agg(left(word, 1), '' ORDER BY place) FROM (
        SELECT id, unnest(string_split(name, ' ')) AS word, generate_subscripts(string_split(name, ' '), 1) AS place
        FROM keyed WHERE name IS NOT NULL
    ) GROUP BY id HAVING count(*) > 2
    UNION SELECT id, 'i ' || name FROM keyed WHERE length(name) BETWEEN 3 AND 6 AND name NOT LIKE '% %'
), small AS (
    SELECT id, key FROM keys WHERE key IS NOT NULL QUALIFY count(*) OVER (PARTITION BY key) BETWEEN 2 AND {most}
)
SELECT DISTINCT one.id AS one, other.id AS other
FROM small AS one JOIN small AS other ON one.key = other.key AND one.id < other.id
ORDER BY ALL
"""


def companies(rows: pa.Table, decided: Mapping[tuple[str, str], bool]) -> list[Pair]:
    """Pairs of companies that may be one, with the probability that they are; in the order of ids.

    The same for the same records and decisions in any order.

    Args:
        rows: Columns `rows.COLUMNS`.
        decided: What people said of pairs of ids, the lesser first; pairs of records that are no longer
            there teach nothing.

    Raises:
        ConfigError: RapidFuzz is not installed.
    """
    table = keyed(rows)
    ones, others = _candidates(table)
    place = {record: number for number, record in enumerate(table["id"].to_pylist())}
    known = [ids for ids in sorted(decided) if ids[0] in place and ids[1] in place]
    taught = _features(table, [place[one] for one, _ in known], [place[other] for _, other in known])
    prior = np.array([INTERCEPT, *BELIEFS.values()])
    beta = learn(taught, np.array([decided[ids] for ids in known], dtype=bool), prior, weight=WEIGHT)
    found = chance(_features(table, [place[one] for one in ones], [place[other] for other in others]), beta)
    pairs = (pair(*each) for each in zip(ones, others, np.round(found, 6).tolist(), strict=True))
    return sorted(each for each in pairs if each.chance >= LEAST_CHANCE)


def _candidates(table: pa.Table) -> tuple[list[str], list[str]]:
    """The pairs of ids that share a key which few records have."""
    connection = duckdb.connect()
    connection.register("keyed", table)
    found = connection.execute(_CANDIDATES.format(most=LARGEST_BLOCK)).to_arrow_table()
    return found["one"].to_pylist(), found["other"].to_pylist()


def _features(table: pa.Table, ones: list[int], others: list[int]) -> Floats:
    """The likenesses of pairs, shape (n_pairs, n_likenesses), in the order of `BELIEFS`."""
    fuzz, process = library("rapidfuzz.fuzz"), library("rapidfuzz.process")
    names = [_spelled_out(name or "") for name in table["name"].to_pylist()]
    left, right = [names[at] for at in ones], [names[at] for at in others]

    def like(scorer: Any, one: list[str] = left, other: list[str] = right) -> Floats:
        if not one:
            return np.zeros(0)
        return np.asarray(process.cpdist(one, other, scorer=scorer), dtype=np.float64) / 100

    bare_left, bare_right = [name.replace(" ", "") for name in left], [name.replace(" ", "") for name in right]
    columns = {
        "words_in_any_order": like(fuzz.token_sort_ratio),
        "letters": like(fuzz.ratio, bare_left, bare_right),
        "words_of_the_shorter": like(fuzz.token_set_ratio),
        "rare_words": _rare_words(names, ones, others),
        "start": like(fuzz.ratio, [name.split(" ")[0] for name in left], [name.split(" ")[0] for name in right]),
        "initials": _each(left, right, _are_initials),
        "length": _each(left, right, lambda one, other: min(len(one), len(other)) / max(len(one), len(other), 1)),
        **_agreement(table, "domain", ones, others),
        **_agreement(table, "country", ones, others),
        **_agreement(table, "tax_id", ones, others, label="number"),
        "other_digits": _each(left, right, _have_other_digits),
    }
    # a shared site says the more the nearer the names are: a group has one site for all that it owns
    columns["one_site"] = columns["same_domain"] * columns["letters"]
    return np.column_stack([columns[name] for name in BELIEFS])


def _spelled_out(name: str) -> str:
    """The name with usual abbreviations written out, and without small words."""
    return " ".join(ABBREVIATIONS.get(word, word) for word in name.split() if word not in SMALL_WORDS)


def _each(left: list[str], right: list[str], test: Any) -> Floats:
    return np.array([float(test(one, other)) for one, other in zip(left, right, strict=True)])


def _agreement(table: pa.Table, column: str, ones: list[int], others: list[int], label: str = "") -> dict[str, Floats]:
    """Whether both have the same value, and whether both have one that is not the same."""
    values = table[column].to_pylist()
    both = [(values[one], values[other]) for one, other in zip(ones, others, strict=True)]
    name = label or column
    return {
        f"same_{name}": np.array([float(one is not None and one == other) for one, other in both]),
        f"other_{name}": np.array([float(None not in {one, other} and one != other) for one, other in both]),
    }


def _rare_words(names: list[str], ones: list[int], others: list[int]) -> Floats:
    """Weight of the words that both names have in that of all their words: rare words weigh more.

    A word weighs the logarithm of how many names lack it; near words count as the same.
    """
    words = [frozenset(name.split()) for name in names]
    counts: dict[str, int] = {}
    for each in words:
        for word in each:
            counts[word] = counts.get(word, 0) + 1
    weight = {word: float(np.log1p(len(names) / n)) for word, n in counts.items()}
    found = []
    for one, other in zip(ones, others, strict=True):
        shared, every = words[one] & words[other], words[one] | words[other]
        total = sum(weight[word] for word in every)
        found.append(sum(weight[word] for word in shared) / total if total else 0.0)
    return np.array(found)


def _are_initials(one: str, other: str) -> bool:
    """True when one name is the initials of the other."""
    short, long = sorted((one, other), key=len)
    words = long.split()
    return len(words) > 2 and short.replace(" ", "") == "".join(word[0] for word in words)


def _have_other_digits(one: str, other: str) -> bool:
    """True when both names hold numbers, and not the same ones."""
    left, right = ({word for word in name.split() if word.isdigit()} for name in (one, other))
    return bool(left and right and left != right)
