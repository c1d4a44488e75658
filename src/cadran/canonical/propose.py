"""A mapping proposed for a file that none recognises, with what is unsure about it.

What the shipped mappings call a column, in every system and language, is the vocabulary; a header
that says it in other letters is a guess, and is said to be one.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cadran.canonical.entities import ENTITIES
from cadran.canonical.rules import fold
from cadran.errors import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from cadran.canonical.rules import Mapping

#: How alike two headers are from which one is taken for the other.
ALIKE = 0.82
#: Headers that name nothing by themselves: they are worth half a match when the entity is chosen.
COMMON_WORDS = frozenset({"name", "nom", "date", "status", "statut", "currency", "devise", "country", "pays", "amount"})


@dataclass(frozen=True)
class Proposal:
    """A mapping file to look over.

    Attributes:
        name: Name of the mapping.
        text: YAML of the mapping.
        unsure: What to look at before it is used.
    """

    name: str
    text: str
    unsure: tuple[Issue, ...]


@dataclass(frozen=True)
class _Guess:
    """One header taken for one canonical column."""

    header: str
    column: str
    is_exact: bool


def propose(file_name: str, headers: Sequence[str], sample: pa.Table, mappings: Iterable[Mapping]) -> Proposal:
    """A mapping for a file with these headers.

    Args:
        file_name: Name of the file, without its folder.
        headers: Its headers.
        sample: Its first rows, with columns named as the headers.
        mappings: Mappings whose words are known.
    """
    words = _vocabulary(mappings)
    guesses = {entity: _guesses(headers, known) for entity, known in words.items()}
    entity = max(guesses, key=lambda name: (_weight(guesses[name]), -list(words).index(name)))
    chosen = guesses[entity]
    key = _key(headers, chosen, sample)
    name = re.sub(r"[^a-z0-9]+", "_", fold(file_name.rsplit(".", 1)[0])).strip("_") or "file"
    stem = re.sub(r"[-_ ]*\d{4}[-_]?\d{2}([-_]?\d{2})?.*$", "", file_name.rsplit(".", 1)[0])
    unsure = [*_unsure_entity(guesses, entity, file_name), *_unsure_key(key, sample, file_name)]
    unsure += [_unsure_column(guess, file_name) for guess in chosen if not guess.is_exact and guess.column != "id"]
    used = {guess.header for guess in chosen} | {key}
    left = [header for header in headers if header not in used]
    if left:
        text = "{n} columns are not used: {columns}."
        unsure.append(
            Issue("unused_columns", "info", text, where=file_name, params={"n": len(left), "columns": ", ".join(left)})
        )
    return Proposal(name, _yaml(name, stem, entity, key, chosen, left, headers), tuple(unsure))


def _vocabulary(mappings: Iterable[Mapping]) -> dict[str, dict[str, str]]:
    """By entity, the canonical column of each word for it."""
    words: dict[str, dict[str, str]] = defaultdict(dict)
    for mapping in mappings:
        for entity in mapping.entities[:1]:
            for rule in (*entity.ids, *entity.columns):
                for alias in (alias for aliases in rule.sources for alias in aliases):
                    words[entity.entity].setdefault(fold(alias), rule.column)
    for name, known in ENTITIES.items():
        if not known.derived:
            for column in known.columns:
                words[name].setdefault(fold(column.name.replace("_", " ")), column.name)
                words[name].setdefault(fold(column.name), column.name)
    return dict(words)


def _guesses(headers: Sequence[str], known: dict[str, str]) -> list[_Guess]:
    """The headers that say a column of one entity, each column once, exact words first."""
    found: dict[str, _Guess] = {}
    for header in headers:
        word = fold(header.replace("_", " "))
        column = known.get(fold(header)) or known.get(word)
        if column and not (column in found and found[column].is_exact):
            found[column] = _Guess(header, column, is_exact=True)
    taken = {guess.header for guess in found.values()}
    for header in (h for h in headers if h not in taken):
        near = difflib.get_close_matches(fold(header.replace("_", " ")), known, n=1, cutoff=ALIKE)
        if near and known[near[0]] not in found:
            found[known[near[0]]] = _Guess(header, known[near[0]], is_exact=False)
    return list(found.values())


def _weight(guesses: Iterable[_Guess]) -> float:
    return sum((0.5 if fold(g.header) in COMMON_WORDS else 1.0) * (1.0 if g.is_exact else 0.6) for g in guesses)


def _key(headers: Sequence[str], guesses: Sequence[_Guess], sample: pa.Table) -> str:
    """The header of the id: a known word for it, else the first column whose values are all different."""
    told = next((guess.header for guess in guesses if guess.column == "id"), "")
    if told:
        return told
    named = [h for h in headers if re.search(r"(^|[ _-])(id|uuid|key|number|numero|n°)$", fold(h))]
    ranked = [*named, *(h for h in headers if h not in named)]
    return next((header for header in ranked if _is_unique(sample, header)), ranked[0] if ranked else "")


def _is_unique(sample: pa.Table, header: str) -> bool:
    if header not in sample.column_names or sample.num_rows == 0:
        return False
    values = sample.column(header).to_pylist()
    return all(value not in (None, "") for value in values) and len(set(values)) == len(values)


def _unsure_entity(guesses: dict[str, list[_Guess]], entity: str, file: str) -> list[Issue]:
    ranked = sorted(guesses, key=lambda name: -_weight(guesses[name]))
    second = next(name for name in ranked if name != entity)
    if _weight(guesses[entity]) >= 1.5 * _weight(guesses[second]) + 0.5:
        return []
    text = "It is not sure what a row is: {entity} was taken, it may be {other}."
    hint = "Change the name under `entities` if it is wrong."
    return [Issue("unsure_entity", "warning", text, file, hint=hint, params={"entity": entity, "other": second})]


def _unsure_key(key: str, sample: pa.Table, file: str) -> list[Issue]:
    if _is_unique(sample, key):
        return []
    text = "The column {column} was taken for the id, but its values repeat or are missing."
    hint = "Name a column, or several with `join`, that no two rows share."
    return [Issue("unsure_id", "warning", text, where=file, hint=hint, params={"column": key})]


def _unsure_column(guess: _Guess, file: str) -> Issue:
    text = "The column {header} was taken for {column} because the words are alike."
    params = {"header": guess.header, "column": guess.column}
    return Issue("unsure_column", "warning", text, where=file, hint="Check it, or remove the line.", params=params)


def _yaml(  # noqa: PLR0913, PLR0917 - the parts of one text
    name: str, stem: str, entity: str, key: str, guesses: Sequence[_Guess], left: Sequence[str], headers: Sequence[str]
) -> str:
    """The mapping as YAML; names are quoted as JSON is, which YAML reads."""
    quoted = [json.dumps(header, ensure_ascii=False) for header in headers[:4]]
    lines = [
        f"name: {name}",
        f"system: {name.split('_', maxsplit=1)[0]}",
        f"match: {{files: [{json.dumps(stem + '*', ensure_ascii=False)}], headers: [{', '.join(quoted)}]}}",
        "entities:",
        f"  {entity}:",
        f"    id: {json.dumps(key, ensure_ascii=False)}",
        "    columns:",
    ]
    for guess in (g for g in guesses if g.column != "id" and g.header != key):
        told = "" if guess.is_exact else "   # a guess: check it"
        lines.append(f"      {guess.column}: {_reference(entity, guess)}{told}")
    if lines[-1].endswith("columns:"):
        lines[-1] += " {}"
    lines += [f"      # not used: {header}" for header in left]
    return "\n".join(lines) + "\n"


def _reference(entity: str, guess: _Guess) -> str:
    """A header, or for a column that points at another entity, how: people write names more often than ids."""
    header = json.dumps(guess.header, ensure_ascii=False)
    is_reference = any(c.name == guess.column and c.ref for c in ENTITIES[entity].columns)
    if not is_reference:
        return header
    ref = "id" if re.search(r"(^|[ _-])ids?$", fold(guess.header)) else "name"
    return f"{{from: {header}, ref: {ref}}}"
