"""Countries, sizes, industries and titles written in one way; how well accounts fit; what is unknown stays so."""

from __future__ import annotations

import ibis
import pyarrow as pa
import pytest

from cadran.canonical import standards
from cadran.canonical.icp import fitted, icp_of
from cadran.canonical.standards import KINDS, Standards, own_values, standardised
from cadran.errors import ConfigError
from cadran.record import parse_yaml
from tables import collect, landed_table


def told(name, *rows, own=None):
    known = Standards(own or {})
    words = {
        kind: ibis.memtable(pa.table(dict(zip(("word", "value"), zip(*known.words(kind), strict=True), strict=True))))
        for kind in KINDS
    }
    return collect(standardised(name, landed_table(name, list(rows)), words), "id")


def test_words_are_written_as_they_are_compared_and_have_one_value():
    for kind, values in standards.shipped().items():
        every = [word.removeprefix("=") for words in values.values() for word in words]
        assert every == [standards.word_of(word) for word in every]
        if kind not in standards.WITHIN:
            assert len(every) == len(set(every))


def test_a_country_is_its_code_and_one_that_is_not_known_stays_as_it_is():
    texts = {
        "France": "FR", "FRA": "FR", "fr": "FR", "États-Unis": "US", "USA": "US", "UK": "GB", "Allemagne": "DE",
        "Deutschland": "DE", "Côte d’Ivoire": "CI", "Pays Bas": "NL", "Atlantis": "Atlantis", "EU": "EU",
        "Congo": "Congo", None: None,
    }  # fmt: skip
    found = told("account", *({"id": f"{place:02}", "country": text} for place, text in enumerate(texts)))
    assert [row["country"] for row in found] == list(texts.values())


def test_an_industry_has_its_group_and_stays_as_it_was_written():
    texts = ("COMPUTER_SOFTWARE", "Hospital & Health Care", "Édition de logiciels", "Basket weaving", None)
    found = told("account", *({"id": str(place), "industry": text} for place, text in enumerate(texts)))
    assert [row["industry_group"] for row in found] == ["software", "health", "software", None, None]
    assert [row["industry"] for row in found] == list(texts)


def test_a_size_is_the_band_that_was_written_else_that_of_the_number_of_people():
    rows = [
        ("51 to 200 employees", None, "51-200"), ("1 001–5 000 salariés", None, "1001-5000"), ("1-99", 5, "1-99"),
        (None, 10, "1-10"), (None, 11, "11-50"), (None, 10001, "10001+"), (None, 0, None), (None, None, None),
    ]  # fmt: skip
    given = ({"id": str(place), "size_band": band, "employee_count": n} for place, (band, n, _) in enumerate(rows))
    assert [row["size_band"] for row in told("account", *given)] == [band for _, _, band in rows]


@pytest.mark.parametrize(
    ("title", "level", "function"),
    [
        ("Directrice marketing", "director", "marketing"),
        ("CMO", "executive", "marketing"),
        ("VP Sales EMEA", "vp", "sales"),
        ("Senior Vice President, Finance", "vp", "finance"),
        ("Président-directeur général", "executive", "general_management"),
        ("Assistante du directeur général", "contributor", "general_management"),
        ("Account Executive", "contributor", "sales"),
        ("Responsable RH", "manager", "people"),
        ("Product Owner", "contributor", "product"),
        ("DSI", "director", "it"),
        ("Head of Procurement", "director", "procurement"),
        ("Sales Executive", None, "sales"),
        ("RevOps Manager", "manager", "sales"),
        ("Contrôleuse de gestion", None, "finance"),
        ("Directeur artistique", "director", None),
        ("Vizir", None, None),
        ("Recruiter of itinerants", None, None),
    ],
)
def test_a_title_has_a_level_and_a_function_by_whole_words(title, level, function):
    (row,) = told("contact", {"title": title})
    assert (row["title_level"], row["title_function"]) == (level, function)


def test_what_a_source_says_goes_first_then_a_company_s_own_words():
    own = own_values({"title_level": {"Vizir": "executive"}, "country": {"Atlantis": "GR"}}, lambda *_: "values.yml:1")
    rows = told(
        "contact",
        {"id": "1", "title": "CEO", "title_level": "Décideur"},
        {"id": "2", "title": "vizir", "country": "ATLANTIS"},
        {"id": "3", "title": "Responsable", "seniority": "executive"},
        own=own,
    )
    assert [row["title_level"] for row in rows] == ["Décideur", "executive", "executive"]
    assert rows[1]["country"] == "GR"


@pytest.mark.parametrize(
    "written", [{"color": {"a": "b"}}, {"country": {"Atlantis": "ATL"}}, {"industry_group": {"x": "sofware"}}]
)
def test_words_are_given_to_values_that_exist(written):
    with pytest.raises(ConfigError, match="told apart") as stopped:
        own_values(written, lambda *_: "values.yml:3")
    assert stopped.value.where == "values.yml:3"


RULES = """
tiers:
  - {tier: A, when: {industry_group: [software, finance], employee_count: {from: 50, below: 500}}}
  - {tier: B, when: {country: France}}
  - {tier: C, when: {}}
points:
  - {points: 30, name: size, when: {employee_count: {from: 50}}}
  - {points: 10, when: {is_target_abm: true}}
"""


def test_the_first_tier_that_holds_is_the_account_s_and_what_is_not_known_is_not_guessed():
    accounts = [
        {"id": "a", "industry_group": "software", "employee_count": 50, "country": "FR", "is_target_abm": True},
        {"id": "b", "industry_group": "software", "employee_count": 500, "country": "FR", "is_target_abm": False},
        {"id": "c", "industry_group": "health", "country": "DE"},
        {"id": "d", "industry_group": "software", "country": "FR"},
        {"id": "e", "employee_count": 20, "country": "DE", "icp_tier": "vendor"},
    ]
    found = collect(fitted(landed_table("account", accounts), icp_of(parse_yaml(RULES, "icp.yml"))), "id")
    assert [row["icp_tier"] for row in found] == ["A", "B", "C", None, "C"]
    assert [row["icp_fit_score"] for row in found] == [100, 75, None, None, 0]
    assert found[3]["icp_reasons"].startswith("? A: industry_group, employee_count · B: country")


def test_without_rules_what_the_source_says_stays():
    accounts = landed_table("account", [{"icp_tier": "1"}])
    assert fitted(accounts, icp_of(parse_yaml("", "icp.yml"))) is accounts


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        ("tier: A", 1),
        ("tiers:\n  - {tier: A, when: {colour: red}}", 2),
        ("tiers:\n  - {tier: A, when: {employee_count: 50}}", 2),
        ("tiers:\n  - {tier: A}", 2),
        ("points:\n  - {points: -1, when: {country: FR}}", 2),
        ("points:\n  - points: 1\n    when: {country: FR}\n    colour: red", 4),
    ],
)
def test_a_rule_that_cannot_be_read_is_told_with_its_line(rules, line):
    with pytest.raises(ConfigError) as stopped:
        icp_of(parse_yaml(rules, "icp.yml"))
    assert stopped.value.where == f"icp.yml:{line}"
