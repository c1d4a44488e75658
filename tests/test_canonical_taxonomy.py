"""Sources and tags → channels, in both languages; what is not known is listed and never guessed."""

import ibis
import pytest

from cadran.canonical.schema import schema_of
from cadran.canonical.taxonomy import (
    CHANNELS,
    label_channel,
    own_words,
    shipped_words,
    tag_channel,
    unmapped,
    with_channel,
)
from cadran.errors import ConfigError


def labels(*texts):
    table = ibis.memtable({"text": list(texts)}, schema={"text": "string"})
    found = ibis.duckdb.connect().to_pyarrow(table.select("text", channel=label_channel(table.text))).to_pylist()
    return {row["text"]: row["channel"] for row in found}


def tags(source, medium):
    table = ibis.memtable({"s": [source], "m": [medium]}, schema={"s": "string", "m": "string"})
    return ibis.duckdb.connect().execute(table.select(c=tag_channel(table.s, table.m)))["c"][0]


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("organic_search", ["Organic Search", "ORGANIC_SEARCH", "SEO", "Recherche organique", "Référencement naturel"]),
        ("paid_search", ["Paid Search", "PAID_SEARCH", "Google Ads", "Recherche payante", "SEA", "google_ads"]),
        ("paid_social", ["Paid Social", "LinkedIn Ads", "Réseaux sociaux payants", "linkedin_ads"]),
        ("organic_social", ["Organic Social", "SOCIAL_MEDIA", "Réseaux sociaux organiques", "LinkedIn"]),
        ("email", ["Email Marketing", "E-mail", "Newsletter", "Marketing par e-mail"]),
        ("referral", ["Referral", "REFERRALS", "Employee Referral", "Bouche à oreille", "Sites référents"]),
        ("direct", ["Direct Traffic", "DIRECT_TRAFFIC", "Trafic direct", "(direct)"]),
        ("partner", ["Partner Referral", "Partenaire", "Affiliates", "Apporteur d’affaires"]),
        ("event", ["Trade Show", "Webinar", "Salon", "Événement", "Séminaire"]),
        ("outbound", ["Outbound", "Cold Call", "Prospection", "Liste achetée"]),
        ("other", ["Other", "Autre", "Offline Sources", "Sources hors ligne", "Display"]),
        (None, ["unknown", "Web", "n/c", "zzz"]),
    ],
)
def test_labels_of_known_systems_have_their_channel(channel, words):
    assert labels(*words) == dict.fromkeys(words, channel)


def test_each_channel_is_its_own_label_and_no_label_has_two():
    assert labels(*CHANNELS) == {channel: channel for channel in CHANNELS}
    known = shipped_words().labels
    every = [label for words in known.values() for label in words]
    assert len(every) == len(set(every))
    assert set(known) == set(CHANNELS)


@pytest.mark.parametrize(
    ("source", "medium", "channel"),
    [
        ("google", "organic", "organic_search"),
        ("google", "cpc", "paid_search"),
        ("Bing", "PPC", "paid_search"),
        ("linkedin", "cpc", "paid_social"),
        ("facebook", "paid_social", "paid_social"),
        ("linkedin", "paid-social", "paid_social"),
        ("linkedin", "social", "organic_social"),
        ("linkedin", None, "organic_social"),
        ("google", None, "organic_search"),
        ("hubspot", "email", "email"),
        ("newsletter", "E-mail", "email"),
        ("blog.example.com", "referral", "referral"),
        ("fr.linkedin.com", "referral", "organic_social"),
        ("https://www.linkedin.com/feed/", None, "organic_social"),
        ("t.co", "referral", "organic_social"),
        ("m.facebook.com", "cpc", "paid_social"),
        ("www.google.co.uk", "referral", "organic_search"),
        ("google.fr", None, "organic_search"),
        ("mail.google.com", "referral", "referral"),
        ("notlinkedin.com", "referral", "referral"),
        ("linkedin.example.com", "referral", "referral"),
        ("example.com", None, None),
        ("acme", "partner", "partner"),
        ("salon-2026", "event", "event"),
        ("lemlist", "outbound", "outbound"),
        ("(direct)", "(none)", "direct"),
        ("criteo", "display", "other"),
        ("mystery", "mystery", None),
        ("mystery", None, None),
        (None, None, None),
        (None, "cpc", "paid_search"),
    ],
)
def test_the_medium_settles_the_channel_and_the_source_tells_social_from_search(source, medium, channel):
    """T-65."""
    assert tags(source, medium) == channel


def rows_of(entity, *records):
    kinds = schema_of(entity)
    return ibis.memtable({name: [r.get(name) for r in records] for name in kinds}, schema=kinds)


def test_tags_go_before_the_source_that_a_person_chose_and_a_given_channel_before_both():
    table = rows_of(
        "lead",
        {"id": "1", "utm_source": "google", "utm_medium": "cpc", "source": "Organic Search"},
        {"id": "2", "source": "Mystery", "sub_source": "Webinar"},
        {"id": "3", "source": "SEO", "channel": "partner"},
        {"id": "4", "source": "Mystery"},
        {"id": "5"},
    )
    found = ibis.duckdb.connect().to_pyarrow(with_channel("lead", table)).to_pylist()
    assert {row["id"]: row["channel"] for row in found} == {
        "1": "paid_search",
        "2": "event",
        "3": "partner",
        "4": None,
        "5": None,
    }


def test_the_channel_of_an_activity_is_not_a_channel_of_acquisition():
    table = rows_of("activity", {"id": "1", "channel": "phone"})
    assert with_channel("activity", table) is table


def test_sources_without_a_channel_are_listed_most_frequent_first():
    """T-64, T-65: an unmapped source is shown, and a missing one is not a source."""
    con = ibis.duckdb.connect()
    table = with_channel(
        "lead",
        rows_of("lead", *({"source": s} for s in ["Mystery", "Mystery", "Web", "SEO", None]), {"utm_medium": "odd"}),
    )
    assert con.to_pyarrow(unmapped("lead", table)).to_pylist() == [
        {"source": "Mystery", "medium": None, "n": 2},
        {"source": "Web", "medium": None, "n": 1},
        {"source": None, "medium": "odd", "n": 1},
    ]


def own(entity, words, **row):
    schema = schema_of(entity)
    table = ibis.memtable({name: [row.get(name)] for name in schema.names}, schema=schema)
    found = with_channel(entity, table, own_words(words, lambda _: "channels.yml:1"))
    return ibis.duckdb.connect().to_pyarrow(found)["channel"].to_pylist()[0]


def test_a_company_s_own_words_go_before_the_table():
    words = {"Club-Partenaires 2026": "partner", "linkedin": "outbound", "crm / blast": "email"}
    assert own("lead", words, source="club partenaires 2026") == "partner"
    assert own("lead", words, source="LinkedIn") == "outbound"
    assert own("lead", words, utm_source="CRM", utm_medium="Blast") == "email"
    assert own("lead", words, source="Salon") == "event"
    assert own("lead", words, source="club") is None


def test_a_word_is_given_to_a_channel_that_exists():
    with pytest.raises(ConfigError, match="no channel") as stopped:
        own_words({"club": "clubs"}, lambda _: "channels.yml:3")
    assert stopped.value.where == "channels.yml:3"
