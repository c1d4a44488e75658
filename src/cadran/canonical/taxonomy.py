"""UTM tags and lead sources → one of eleven channels, by a table that anyone can read.

The words are those of HubSpot, Salesforce, Pipedrive, GA4 and of people who write tags by hand, in
English and French. What the table does not have is NULL and listed by `unmapped`: the share of an
unknown channel is shown, never guessed (rule T-64). A change of this table changes numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import ibis

from cadran.canonical import normalise as n
from cadran.canonical.rules import fold
from cadran.errors import ConfigError

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

#: Labels of a source or channel as a whole, folded, with `_` and `-` as spaces.
LABELS: dict[str, tuple[str, ...]] = {
    "organic_search": (
        "organic search", "seo", "organic", "natural search", "search organic", "recherche organique",
        "recherche naturelle", "referencement naturel", "referencement", "google organic", "organic shopping",
        "recherche organique (seo)", "organique",
    ),
    "paid_search": (
        "paid search", "sea", "sem", "ppc", "cpc", "google ads", "adwords", "google adwords", "bing ads",
        "microsoft ads", "recherche payante", "referencement payant", "liens sponsorises", "paid shopping",
        "recherche payee", "search ads", "search",
    ),
    "paid_social": (
        "paid social", "linkedin ads", "facebook ads", "meta ads", "social ads", "reseaux sociaux payants",
        "social paid", "social payant", "publicite sur les reseaux sociaux", "instagram ads", "tiktok ads",
    ),
    "organic_social": (
        "organic social", "social", "social media", "social network", "social organic", "reseaux sociaux",
        "reseaux sociaux organiques", "social organique", "linkedin", "facebook", "instagram", "twitter", "x",
        "youtube", "organic video", "medias sociaux",
    ),
    "email": (
        "email", "e mail", "email marketing", "e mail marketing", "marketing par e mail", "newsletter", "emailing",
        "mail", "courriel", "infolettre", "marketing email",
    ),
    "referral": (
        "referral", "referrals", "referral traffic", "site referent", "sites referents", "references", "reference",
        "external referral", "employee referral", "customer referral", "word of mouth", "bouche a oreille",
        "recommandation", "recommandation client", "recommandation d'un employe", "recommandation externe",
        "ai referrals", "ai referral", "cooptation", "parrainage",
    ),
    "direct": ("direct", "direct traffic", "trafic direct", "(direct)", "acces direct"),
    "partner": (
        "partner", "partners", "partner referral", "partenaire", "partenaires", "partenariat", "affiliate",
        "affiliates", "affiliation", "reseller", "revendeur", "recommandation d'un partenaire", "apporteur d'affaires",
        "channel partner", "marketplace", "app marketplace", "place de marche",
    ),
    "event": (
        "event", "events", "trade show", "tradeshow", "conference", "webinar", "webinaire", "seminar", "seminaire",
        "salon", "salon professionnel", "evenement", "evenements", "customer event", "evenement client",
        "seminar internal", "seminar partner", "meetup", "petit dejeuner",
    ),
    "outbound": (
        "outbound", "cold call", "cold calling", "cold email", "prospecting", "prospection", "sales outreach",
        "outreach", "purchased list", "liste achetee", "sdr", "bdr", "appel a froid", "prospection telephonique",
        "linkedin outreach", "sales navigator", "prospector", "hunting", "chasse", "phoning", "emailing a froid",
    ),
    "other": (
        "other", "autre", "autres", "other campaigns", "autres campagnes", "other publicities", "offline sources",
        "offline", "sources hors ligne", "hors ligne", "display", "cross network", "paid other", "paid video",
        "advertisement", "publicite", "public relations", "relations publiques", "audio", "sms", "affichage",
        "mobile push notifications",
    ),
}  # fmt: skip

#: Values of ``utm_medium``, folded likewise, that settle the channel.
MEDIUMS: dict[str, tuple[str, ...]] = {
    "paid_social": ("paid social", "paidsocial", "social paid", "socialads", "social ads", "sponsored", "paid sm"),
    "organic_social": ("social", "social network", "social media", "sm", "organic social"),
    "email": ("email", "e mail", "e_mail", "newsletter", "mail", "emailing"),
    "referral": ("referral", "link", "app"),
    "partner": ("partner", "partenaire", "affiliate", "affiliation", "affiliates"),
    "event": ("event", "webinar", "salon", "evenement"),
    "outbound": ("outbound", "cold email", "sequence", "prospection"),
    "direct": ("(none)", "none", "direct"),
    "other": ("display", "banner", "cpm", "interstitial", "expandable", "audio", "sms", "push", "video", "qr", "print"),
}  # fmt: skip
PAID = ("cpc", "ppc", "paid", "paidsearch", "paid search", "sem", "sea", "adwords", "retargeting", "cpv", "cpa", "ads")
SOCIAL = (
    "facebook", "fb", "instagram", "ig", "linkedin", "twitter", "x", "t.co", "tiktok", "youtube", "reddit", "pinterest",
    "meta", "snapchat", "lnkd.in", "linkedin.com", "facebook.com",
)  # fmt: skip
SEARCH = ("google", "bing", "yahoo", "duckduckgo", "ecosia", "qwant", "baidu", "yandex", "brave", "msn", "lilo")

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
    return ibis.cases(
        *((word.isin((channel.replace("_", " "), *LABELS[channel])), channel) for channel in CHANNELS),
        else_=ibis.null("string"),
    )


def tag_channel(source: Expr, medium: Expr) -> Expr:
    """The channel that UTM tags say, else NULL: the medium first, the source where it is needed."""
    return _by_tags(_word(source), _word(medium))


def _by_tags(said: Expr, by: Expr) -> Expr:
    social, search = said.isin(SOCIAL), said.isin(SEARCH)
    return ibis.cases(
        (by.isin(PAID) & social, "paid_social"),
        (by.isin(PAID), "paid_search"),
        *((by.isin(words), channel) for channel, words in MEDIUMS.items() if channel != "direct"),
        (by.isin(("organic", "seo")) & social, "organic_social"),
        (by.isin(("organic", "seo")), "organic_search"),
        (by.isin(MEDIUMS["direct"]) & said.isin(("(direct)", "direct")), "direct"),
        (by.isnull() & social, "organic_social"),
        (by.isnull() & search, "organic_search"),
        (by.isnull() & said.isin(("(direct)", "direct")), "direct"),
        else_=ibis.null("string"),
    )


def own_words(written: Mapping[str, object], where: Callable[[str], str]) -> OwnWords:
    """What a company calls its channels, ready to be looked up: see `with_channel`.

    Args:
        written: Channel by word: a source, or ``source / medium``.
        where: ``file:line`` of a word.

    Raises:
        ConfigError: A word is given to a channel that does not exist.
    """
    for word, channel in written.items():
        if channel not in CHANNELS:
            raise ConfigError(
                "{channel} is no channel.",
                hint="Choose one of {known}.",
                where=where(word),
                channel=str(channel),
                known=", ".join(CHANNELS),
            )
    return tuple((fold(word).replace("_", " ").replace("-", " "), str(channel)) for word, channel in written.items())


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


def _own(text: Expr, own: OwnWords) -> Expr:
    return ibis.cases(*((text == word, channel) for word, channel in own), else_=ibis.null("string"))


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
