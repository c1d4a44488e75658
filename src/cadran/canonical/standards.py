"""One way to write countries, sizes, industries, levels and functions; what nobody knows stays as it is.

A country becomes its ISO 3166 code, a size one of the bands of LinkedIn, an industry is put in a group, a
title has a level and a function. Names of countries are those of Unicode's CLDR in seven languages; the
other words stand in ``standards.yml``; a company's own, in its ``values.yml``, go before both. Nothing is
guessed: a country, size or title that is not known stays as it was written.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from babel import Locale
from babel.core import get_global

from cadran.canonical import normalise as n
from cadran.canonical.rules import fold
from cadran.deferred import ibis
from cadran.errors import ConfigError, did_you_mean
from cadran.record import shipped_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import ibis.expr.types as ir

    from cadran.canonical.schema import Expr

    #: Values by kind and word, as `word_of` writes words.
    Own = Mapping[str, Mapping[str, str]]

SHIPPED = "standards.yml"
#: What can be told of a value, and whether the words of `SHIPPED` are looked for within it.
KINDS = ("country", "industry_group", "title_level", "title_function")
WITHIN = frozenset({"title_level", "title_function"})
#: What marks a word of a title that counts only as all of it.
WHOLE = "="
#: Languages in which countries are known by name, and codes that are no country.
LANGUAGES = ("en", "fr", "de", "es", "it", "nl", "pt")
NO_COUNTRY = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})
ISO_CODE = 2
#: Names of countries that CLDR does not have.
ALSO = {
    "united states of america": "US", "u.s.": "US", "u.s.a.": "US", "etats unis d'amerique": "US", "uae": "AE",
    "great britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "northern ireland": "GB", "u.k.": "GB",
    "grande bretagne": "GB", "angleterre": "GB", "ecosse": "GB", "holland": "NL", "hollande": "NL",
    "the netherlands": "NL", "south korea": "KR", "republic of korea": "KR", "russian federation": "RU",
    "viet nam": "VN", "czech republic": "CZ", "republique tcheque": "CZ", "turkey": "TR", "ivory coast": "CI",
    "france metropolitaine": "FR", "hong kong": "HK", "macau": "MO",
}  # fmt: skip
#: Names that two countries go by.
SHARED = frozenset({"congo", "korea", "guyana", "samoa", "saint martin", "st. martin"})
#: Bands of sizes, with the most people of each.
BANDS = (
    ("1-10", 10), ("11-50", 50), ("51-200", 200), ("201-500", 500), ("501-1000", 1000), ("1001-5000", 5000),
    ("5001-10000", 10000),
)  # fmt: skip
LARGEST = "10001+"
#: What people write beside the numbers of a band.
_PEOPLE = r"\s*(employees|employes|salaries|personnes|people|collaborateurs)\s*$"

#: Per entity, the columns that are told, each with its kind and what it is read from.
FROM: dict[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    "account": (("country", "country", ("country",)), ("industry_group", "industry_group", ("industry",))),
    "contact": (
        ("country", "country", ("country",)),
        ("title_level", "title_level", ("seniority", "title")),
        ("title_function", "title_function", ("title",)),
    ),
    "lead": (("country", "country", ("country",)), ("industry_group", "industry_group", ("industry",))),
    "customer": (("country", "country", ("country",)), ("industry_group", "industry_group", ("industry",))),
}


@dataclass(frozen=True)
class Standards:
    """What words stand for, the company's own first.

    Attributes:
        own: Words of the company.
    """

    own: Own = field(default_factory=dict)

    def words(self, kind: str) -> list[tuple[str, str]]:
        """Every word that is compared as a whole, with its value; each word once."""
        known = countries() if kind == "country" else _whole(kind)
        return list({**known, **self.own.get(kind, {})}.items())


def word_of(text: str) -> str:
    """A value as words are compared: see `standards.yml`."""
    return re.sub(" +", " ", re.sub("[_/&-]", " ", fold(text))).strip()


def _word(text: Expr) -> Expr:
    return n.folded(text).translate("_-/&", "    ").re_replace(" +", " ").strip()


@functools.cache
def shipped() -> dict[str, dict[str, tuple[str, ...]]]:
    """Words by kind and value, as they come with Cadran."""
    written = shipped_yaml("canonical", SHIPPED)
    return {kind: {value: tuple(words) for value, words in written[kind].items()} for kind in written}


@functools.cache
def countries() -> dict[str, str]:
    """ISO 3166 code by word: names in `LANGUAGES`, codes of two and three letters; none that two countries share."""
    found: dict[str, set[str]] = {}
    every = map(str, Locale("en").territories)
    codes = {code for code in every if len(code) == ISO_CODE and code.isalpha()} - NO_COUNTRY
    for code in codes:
        names = [code, *(Locale(language).territories.get(code, code) for language in LANGUAGES)]
        for name in names:
            found.setdefault(word_of(str(name)), set()).add(code)
    for alias, targets in get_global("territory_aliases").items():
        if len(targets) == 1 and targets[0] in codes and alias.isalpha():
            found.setdefault(word_of(alias), set()).add(targets[0])
    return {word: next(iter(names)) for word, names in found.items() if len(names) == 1 and word not in SHARED} | ALSO


def values(kind: str) -> tuple[str, ...]:
    """The values that words of a kind can be given."""
    return tuple(sorted(set(countries().values()))) if kind == "country" else tuple(shipped()[kind])


def _whole(kind: str) -> dict[str, str]:
    """Values by the words that are compared as a whole: all of them, or of titles those marked so."""
    found = {value.replace("_", " "): value for value in shipped()[kind]}
    for value, words in shipped()[kind].items():
        chosen = [word for word in words if word.startswith(WHOLE) or kind not in WITHIN]
        found |= {word.removeprefix(WHOLE): value for word in chosen}
    return found


def own_values(written: Mapping[str, object], where: Callable[[str, str], str]) -> Own:
    """What a company says that words stand for, checked.

    Args:
        written: Value by word, by kind.
        where: ``file:line`` of a kind, or of a word of it.

    Raises:
        ConfigError: A kind or value does not exist.
    """
    for kind, words in written.items():
        if kind not in KINDS or not isinstance(words, dict):
            raise _unknown(kind, KINDS, where(kind, ""))
        for word, value in words.items():
            if value not in values(kind):
                raise _unknown(value, values(kind), where(kind, word))
    return {
        kind: {word_of(str(word)): str(value) for word, value in words.items()}
        for kind, words in written.items()
        if isinstance(words, dict)
    }


def _unknown(value: object, known: Iterable[str], where: str) -> ConfigError:
    near = did_you_mean(str(value), known)
    return ConfigError(
        "{value} is not one of the values that are told apart.",
        hint="Did you mean {near}?" if near else "Choose one of {known}.",
        where=where,
        value=str(value),
        near=near,
        known=", ".join(known),
    )


def standardised(name: str, table: ir.Table, words: Mapping[str, ir.Table]) -> ir.Table:
    """The rows of an entity with what their values stand for; the same columns.

    A country is replaced by its code; the other columns are filled where they are empty.

    Args:
        name: Canonical entity.
        table: Its rows, with every landed column.
        words: Per kind, a table of `Standards.words`: word, value.
    """
    columns = table.columns
    for column, kind, sources in FROM.get(name, ()):
        told = {source: f"_told_{source}" for source in sources}
        for source, into in told.items():
            table = _looked_up(table, source, words[kind], into)
        found = [table[into] for into in told.values()]
        if kind in WITHIN:
            found += [_within(_word(table[source]), shipped()[kind]) for source in sources]
        # what is read from the column itself replaces it; what is read from others fills it
        found = [*found, table[column]] if column in told else [table[column], *found]
        table = table.mutate(**{column: ibis.coalesce(*found)}).drop(*told.values())
    if "size_band" in columns:
        table = table.mutate(size_band=ibis.coalesce(_band_of(table["size_band"]), _band(table["employee_count"])))
    return table.select(columns)


def _looked_up(table: ir.Table, source: str, words: ir.Table, into: str) -> ir.Table:
    """The table with the value of the word in a column, NULL where it is not known."""
    worded = table.mutate(_word=_word(table[source]))
    known = words.select(known_word="word", known_value="value")
    joined = worded.left_join(known, worded["_word"] == known.known_word)
    return joined.rename({into: "known_value"}).drop("_word", "known_word")


def _within(word: Expr, words: Mapping[str, tuple[str, ...]]) -> Expr:
    """The first value of which a word stands in the text."""
    return ibis.cases(
        *((word.re_search(_any(several)), value) for value, several in words.items()), else_=ibis.null("string")
    )


def _any(words: Iterable[str]) -> str:
    some = "|".join(re.escape(word).replace("\\ ", " ") for word in words if not word.startswith(WHOLE))
    return f"(^|[^a-z0-9])({some})([^a-z0-9]|$)"


def _band_of(text: Expr) -> Expr:
    """A band in its usual writing; another text as it is."""
    plain = n.folded(text).re_replace(_PEOPLE, "").re_replace(r"(\d)[ ,.](\d{3})", r"\1\2")
    plain = plain.re_replace(r"\s*(-|–|—| to | a )\s*", "-").re_replace(r"\s*\+", "+").strip()
    return ibis.ifelse(plain.isin([*(band for band, _ in BANDS), LARGEST]), plain, text)


def _band(count: Expr) -> Expr:
    """The band of a number of people; NULL for none."""
    bands = ((count.between(1, most), band) for band, most in BANDS)
    return ibis.cases(*bands, (count > BANDS[-1][1], LARGEST), else_=ibis.null("string"))


def unknown(name: str, table: ir.Table) -> list[tuple[str, ir.Table]]:
    """Per kind, one row per value of an entity that nothing is known of, most frequent first: ``value``, ``n``."""
    found = []
    for column, kind, sources in FROM[name]:
        said = table[sources[-1]]
        lacks = ~table[column].isin(values(kind)) if column in sources else table[column].isnull()
        rows = table.filter(said.notnull() & lacks.fill_null(True)).group_by(value=said)
        found.append((kind, rows.agg(n=lambda t: t.count()).order_by(ibis.desc("n"), "value")))
    return found
