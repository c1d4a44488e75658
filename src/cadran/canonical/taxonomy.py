"""UTM tags and lead sources → one of eleven channels, by a table that anyone can read.

The words are those of HubSpot, Salesforce, Pipedrive, GA4 and of people who write tags by hand, in
English and French, and stand in ``channels.yml`` beside this module. What the table does not have is
NULL and listed by `unmapped`: the share of an unknown channel is shown, never guessed (rule T-64).
A change of this table changes numbers.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from cadran.canonical import normalise as n
from cadran.canonical.rules import fold
from cadran.deferred import ibis
from cadran.errors import ConfigError
from cadran.record import shipped_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import ibis.expr.types as ir

    from cadran.canonical.schema import Expr

#: Words as `fold` writes them, with ``_`` and ``-`` as spaces, and their channel; they go before the table below.
OwnWords: TypeAlias = tuple[tuple[str, str], ...]

CHANNELS = (
    "organic_search", "paid_search", "paid_social", "organic_social", "email", "referral", "direct", "partner",
    "event", "outbound", "other",
)  # fmt: skip

#: The table that comes with Cadran, beside this module.
SHIPPED = "channels.yml"
#: The name of the site that a host or address belongs to: ``linkedin`` of ``https://fr.linkedin.com/feed``.
_SITE = r"^(?:[a-z]+://)?(?:[a-z0-9 -]+\.)*?([a-z0-9 -]+)\.(?:(?:co|com)\.)?[a-z]{2,}(?:[:/?#].*)?$"
#: Hosts of a search engine other than these are its products, such as its mail.
_ENGINE = r"^(?:[a-z]+://)?(?:(?:www|m|[a-z]{2})\.)?([a-z0-9 -]+)\.(?:(?:co|com)\.)?[a-z]{2,}(?:[:/?#].*)?$"


@dataclass(frozen=True)
class Words:
    """What words stand for; all of them as `_word` writes them.

    Attributes:
        labels: Labels of a source or channel as a whole, by channel.
        mediums: Media that settle the channel, by channel.
        paid_mediums: Media that were paid for.
        organic_mediums: Media that were not.
        paid_labels: Labels that say no more than that.
        social_sites: Sources that are social sites.
        search_engines: Sources that are search engines.
    """

    labels: Mapping[str, tuple[str, ...]]
    mediums: Mapping[str, tuple[str, ...]]
    paid_mediums: tuple[str, ...]
    organic_mediums: tuple[str, ...]
    paid_labels: tuple[str, ...]
    social_sites: tuple[str, ...]
    search_engines: tuple[str, ...]


@functools.cache
def shipped_words() -> Words:
    """The table that comes with Cadran.

    Raises:
        ConfigError: It cannot be read, or names a channel that does not exist.
    """
    written = shipped_yaml("canonical", SHIPPED)
    for part in ("labels", "mediums"):
        for channel in written[part]:
            _check(channel, written[part].where(channel))
    by_channel = {p: {name: tuple(words) for name, words in written[p].items()} for p in ("labels", "mediums")}
    return Words(
        labels=by_channel["labels"],
        mediums=by_channel["mediums"],
        **{part: tuple(words) for part, words in written.items() if part not in by_channel},
    )


#: Entities whose ``channel`` is a channel of acquisition, and the columns it is read from:
#: tags (source, medium, campaign) first, then the source that a person chose.
FROM: dict[str, tuple[tuple[str, str, str], tuple[str, ...]]] = {
    "lead": (("utm_source", "utm_medium", "utm_campaign"), ("source", "sub_source")),
    "opportunity": (("", "", ""), ("lead_source",)),
    "marketing_touch": (("source", "medium", "campaign"), ("source",)),
    "web_session_daily": (("source", "medium", "campaign"), ()),
    "spend": (("", "", ""), ("platform",)),
}


def label_channel(text: Expr) -> Expr:
    """The channel that a label names, else NULL.

    Args:
        text: A lead source, or a channel group, in English or French; a canonical name is itself.
    """
    return _by_label(_word(text))


def _by_label(word: Expr) -> Expr:
    labels = shipped_words().labels
    return ibis.cases(
        *((word.isin((channel.replace("_", " "), *labels[channel])), channel) for channel in CHANNELS),
        else_=ibis.null("string"),
    )


def tag_channel(source: Expr, medium: Expr) -> Expr:
    """The channel that UTM tags say, else NULL: the medium first, the source where it is needed."""
    return _by_tags(_word(source), _word(medium))


def _by_tags(said: Expr, by: Expr) -> Expr:
    known = shipped_words()
    social = (said.isin(known.social_sites) | _site(said, _SITE).isin(known.social_sites)).fill_null(False)
    search = (said.isin(known.search_engines) | _site(said, _ENGINE).isin(known.search_engines)).fill_null(False)
    is_direct = said.isin(("(direct)", "direct"))
    is_told = by.isnull() | by.isin(known.mediums["referral"])
    return ibis.cases(
        (by.isin(known.paid_mediums) & social, "paid_social"),
        (by.isin(known.paid_mediums), "paid_search"),
        (is_told & social, "organic_social"),
        (is_told & search, "organic_search"),
        *((by.isin(words), channel) for channel, words in known.mediums.items() if channel != "direct"),
        (by.isin(known.organic_mediums) & social, "organic_social"),
        (by.isin(known.organic_mediums), "organic_search"),
        ((by.isnull() | by.isin(known.mediums["direct"])) & is_direct, "direct"),
        else_=ibis.null("string"),
    )


def _site(said: Expr, pattern: str) -> Expr:
    """The name of the site, where the source is a host or an address; else an empty text."""
    return said.re_extract(pattern, 1)


def own_words(written: Mapping[str, object], where: Callable[[str], str]) -> OwnWords:
    """What a company calls its channels, ready to be looked up: see `with_channel`.

    Args:
        written: Channel by word: a source, or ``source / medium``.
        where: ``file:line`` of a word.

    Raises:
        ConfigError: A word is given to a channel that does not exist.
    """
    for word, channel in written.items():
        _check(channel, where(word))
    return tuple((fold(word).replace("_", " ").replace("-", " "), str(channel)) for word, channel in written.items())


def _check(channel: object, where: str) -> None:
    if channel not in CHANNELS:
        raise ConfigError(
            "{channel} is no channel.",
            hint="Choose one of {known}.",
            where=where,
            channel=str(channel),
            known=", ".join(CHANNELS),
        )


def with_channel(entity: str, table: ir.Table, own: OwnWords = ()) -> ir.Table:
    """The table with ``channel`` where it was empty: by its tags, else by the source that was chosen.

    Args:
        entity: Canonical entity; one that has no channel of acquisition is returned as it is.
        table: Its rows, with every column of the entity.
        own: Words of the company, as `own_words` gives them; they go before tags and the words known here.
    """
    if entity not in FROM:
        return table
    (source, medium, _), labels = FROM[entity]
    # the folded words are a step of their own: they are compared with hundreds of others
    columns = dict.fromkeys(name for name in (source, medium, *labels) if name)
    words = table.mutate(**{f"_word|{name}": _word(table[name]) for name in columns})
    found = [words["channel"]]
    if own:
        said = [words[f"_word|{name}"] for name in dict.fromkeys((*([source] if source else []), *labels))]
        both = [said[0].concat(" / ", words[f"_word|{medium}"])] if medium else []
        texts = [*both, *said]
        found += [
            ibis.cases(*((text == word, channel) for word, channel in own), else_=ibis.null("string")) for text in texts
        ]
    if medium:
        found.append(_by_tags(words[f"_word|{source}"], words[f"_word|{medium}"]))
    found += [_by_label(words[f"_word|{name}"]) for name in labels]
    return words.mutate(channel=ibis.coalesce(*found)).select(table.columns)


def unmapped(entity: str, table: ir.Table) -> ir.Table:
    """One row per source that has no channel, most frequent first: ``source``, ``medium``, ``n``."""
    (source, medium, _), labels = FROM[entity]
    shown = ibis.coalesce(*(table[name] for name in dict.fromkeys((*labels, *([source] if source else [])))))
    tag = table[medium] if medium else ibis.null("string")
    without = table.filter(table["channel"].isnull()).select(source=shown, medium=tag)
    named = without.filter(without["source"].notnull() | without["medium"].notnull())
    return named.group_by("source", "medium").agg(n=named.count()).order_by(ibis.desc("n"), "source", "medium")


def _word(text: Expr) -> Expr:
    """A label as the table above writes it."""
    return n.folded(text).translate("_-", "  ").re_replace(" +", " ").strip()
