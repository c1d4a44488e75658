"""Mapping files: every mistake has its file and line, and each file finds its mapping."""

import ast
import io
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from cadran import canonical
from cadran.canonical.mapping import bind, load_mappings, match, named, shipped_mappings
from cadran.errors import MappingError, fill
from landing import from_text, land, mapping_of

GOOD = """
name: deals
system: crm
match: {headers: [Id, Name]}
entities:
  opportunity:
    id: Id
    columns:
      name: [Name, Nom]
      amount: Amount
"""


def refused(tmp_path, text):
    """The message, hint and place of the error that a mapping gives."""
    with pytest.raises(MappingError) as found:
        mapping_of(tmp_path, text)
    error = found.value
    return str(error), fill(error.hint, error.params), error.where


@pytest.mark.parametrize(
    ("old", "new", "message", "hint", "line"),
    [
        ("amount: Amount", "amuont: Amount", "opportunity has no column amuont.", "Did you mean amount?", 10),
        ("  opportunity:", "  oportunity:", "No entity is named oportunity.", "Did you mean opportunity?", 6),
        ("  opportunity:", "  stage_interval:", "No entity is named stage_interval.", "", 6),
        ("system: crm", "sistem: crm", "There is no key sistem here.", "Did you mean system?", 3),
        ("    id: Id\n", "    ids: Id\n", "There is no key ids here.", "Did you mean id?", 7),
        ("    id: Id\n", "", "opportunity has no id.", "", 7),
        ("amount: Amount", "amount: {form: Amount}", "There is no key form here.", "Did you mean from?", 10),
        ("amount: Amount", "amount: {from: Amount, decimal: ;}", "decimal cannot be ;.", "", 10),
        ("amount: Amount", "amount: {from: Amount, else: kep}", "else cannot be kep.", "Did you mean keep?", 10),
        ("amount: Amount", "amount: {decimal: ','}", "amount says neither from, join, first nor value.", "", 10),
        ("amount: Amount", "amount:", "amount says nothing.", "", 10),
        ("amount: Amount", "valid_from: Amount", "opportunity has no column valid_from.", "", 10),
        ("amount: Amount", "closed_on: Amount", "opportunity has no column closed_on.", "Did you mean closed_at?", 10),
        ("amount: Amount", "account_id: {from: Amount, ref: nom}", "ref cannot be nom.", "", 10),
        ("system: crm", "options: {dates: DYM}", "dates cannot be DYM.", "Did you mean YMD?", 3),
        ("system: crm", "options: {datse: DMY}", "There is no key datse here.", "Did you mean dates?", 3),
        ("system: crm", "where: {Stage: {only: x}}", "A test is a value, a list of values, or {not: value}.", "", 3),
        ("match: {headers: [Id, Name]}\n", "", "The mapping says neither `match`, `table` nor `stream`.", "", 1),
        ("system: crm", "options: {exported_at: tomorrow}", "tomorrow is not a day.", "Write it as 2026-03-31.", 3),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_was_meant(tmp_path, old, new, message, hint, line):
    text = GOOD.strip("\n").replace("name: deals", "\nname: deals", 1)
    found, told, where = refused(tmp_path, text.replace(old, new, 1))
    assert found == message
    assert told.startswith(hint)
    assert where.startswith("mappings/file.yml:")
    if hint:
        assert abs(int(where.rsplit(":", 1)[1]) - line) <= 1


def test_a_bad_regular_expression_is_told(tmp_path):
    message, _, where = refused(tmp_path, GOOD.replace("    id: Id", "    id: Id\n    unpivot: 'Date (?P<x'"))
    assert message.startswith("This is not a regular expression")
    assert where == "mappings/file.yml:8"


def test_a_file_that_is_no_yaml_is_the_mistake_of_its_mapping(tmp_path):
    message, _, where = refused(tmp_path, "name: [")
    assert message.startswith("This is not valid YAML")
    assert where.startswith("mappings/file.yml:")


def test_two_mappings_of_one_name_are_refused(tmp_path):
    (tmp_path / "a.yml").write_text(GOOD)
    (tmp_path / "b.yml").write_text(GOOD)
    with pytest.raises(MappingError, match="Two mappings are named deals"):
        load_mappings(tmp_path)


def test_a_project_without_mappings_has_none(tmp_path):
    assert load_mappings(tmp_path / "nowhere") == ()


def test_a_header_that_the_file_lacks_is_told_with_the_nearest(tmp_path):
    mapping = mapping_of(tmp_path, GOOD)
    with pytest.raises(MappingError) as found:
        bind(mapping, ["Id", "Name", "Amuont"])
    assert str(found.value) == "The file has no column Amount."
    assert fill(found.value.hint, found.value.params) == "Did you mean Amuont?"
    assert found.value.where == "mappings/file.yml:10"


def test_headers_are_found_without_regard_to_case_accents_quotes_and_spaces(tmp_path):
    mapping = mapping_of(tmp_path, GOOD.replace("Amount", '"Chiffre d\'affaires prévu"'))
    bound = bind(mapping, ["\ufeffID", "NOM *", "CHIFFRE  D’AFFAIRES\u00a0PREVU"])
    assert [rule.headers for rule in bound.rules()] == [("\ufeffID",), ("NOM *",), ("CHIFFRE  D’AFFAIRES\u00a0PREVU",)]


def test_the_earliest_alias_holds_when_a_file_has_several(tmp_path):
    bound = bind(mapping_of(tmp_path, GOOD), ["Id", "Nom", "Name", "Amount"])
    assert bound.rules()[1].headers == ("Name",)


def test_a_header_of_match_stands_for_all_its_aliases(tmp_path):
    mapping = mapping_of(tmp_path, GOOD)
    assert match("x.csv", ["id", "nom", "amount"], [mapping]) is mapping
    assert match("x.csv", ["id", "titre", "amount"], [mapping]) is None


def test_a_project_mapping_goes_before_a_shipped_one(tmp_path):
    headers = ["Record ID", "Deal Name", "Deal Stage", "Amount"]
    shipped = shipped_mappings()
    assert match("deals.csv", headers, shipped).name == "hubspot_deals"
    own = mapping_of(
        tmp_path, GOOD.replace("headers: [Id, Name]", 'files: ["*deals*"]').replace("id: Id", "id: Record ID")
    )
    assert match("All DEALS 2026.csv", headers, (own, *shipped)) is own
    assert match("other.csv", headers, (own, *shipped)).name == "hubspot_deals"


def test_the_most_specific_mapping_wins_and_a_tie_names_both(tmp_path):
    one = mapping_of(tmp_path, GOOD, "one.yml")
    two = mapping_of(tmp_path, GOOD.replace("name: deals", "name: deals2"), "two.yml")
    more = GOOD.replace("name: deals", "name: deals3").replace("[Id, Name]", "[Id, Name, Amount]")
    three = mapping_of(tmp_path, more, "three.yml")
    headers = ["Id", "Name", "Amount"]
    assert match("x.csv", headers, [one, three, two]) is three
    with pytest.raises(MappingError) as found:
        match("x.csv", headers, [two, one])
    assert str(found.value) == "Two mappings fit x.csv equally well: deals and deals2."


def test_a_mapping_is_found_by_its_name_or_the_nearest_is_told():
    shipped = shipped_mappings()
    assert named("hubspot_deals", shipped).name == "hubspot_deals"
    with pytest.raises(MappingError) as found:
        named("hubspot_deal", shipped)
    assert fill(found.value.hint, found.value.params) == "Did you mean hubspot_deals?"


def test_a_project_extends_a_shipped_mapping_with_its_own_columns_and_options(tmp_path):
    text = """
extends: hubspot_deals
options: {dates: DMY, currency: USD}
entities:
  opportunity:
    columns:
      competitor: Notre concurrent
"""
    mapping = mapping_of(tmp_path, text, "hubspot_deals.yml")
    table = from_text(
        "Record ID | Deal Name | Deal Stage | Create Date | Notre concurrent | Amount\n1 | A | Closed Won | 03/04/2026 | Rival | 12.5"
    )
    found = land(table, mapping)
    assert (mapping.name, mapping.is_shipped, mapping.system) == ("hubspot_deals", False, "hubspot")
    assert found.only("opportunity", "created_at", "competitor", "is_won", "currency") == [
        (datetime(2026, 4, 2, 22), "Rival", True, "USD")
    ]


def test_a_mapping_that_extends_nothing_known_is_told(tmp_path):
    message, hint, where = refused(tmp_path, "extends: hubspot_deal\n")
    assert (message, hint, where) == (
        "No mapping is named hubspot_deal.",
        "Did you mean hubspot_deals?",
        "mappings/file.yml:1",
    )


def test_values_constants_defaults_and_joins(tmp_path):
    text = """
name: d
system: s
match: {files: [x]}
entities:
  opportunity:
    id: {join: [Team, Number]}
    columns:
      name: {join: [First, Last], with: " "}
      product: {from: Product, values: {GTXPro: GTX Pro}}
      type: {value: new}
      currency: {from: Cur, default: usd}
      stage: {from: Stage, values: {a: A, b: null}, else: "null"}
      term_months: {first: [M1, M2]}
"""
    table = from_text(
        """
Team | Number | First | Last | Product | Cur | Stage | M1 | M2
N    | 1      | Zoé   | M    | gtxpro  |     | A     |    | 12
N    | 2      |       | M    | Other   | £   | b     | 3  | 12
     | 3      |       |      |         | eur | zzz   |    |
"""
    )
    found = land(table, mapping_of(tmp_path, text))
    columns = ("source_id", "name", "product", "type", "currency", "stage", "term_months")
    assert found.only("opportunity", *columns) == [
        ("N:1", "Zoé M", "GTX Pro", "new", "USD", "A", Decimal(12)),
        ("N:2", "M", "Other", "new", "GBP", None, Decimal(3)),
        (":3", None, None, "new", "EUR", None, None),
    ]


def test_a_value_that_the_map_lacks_sets_its_row_aside_when_the_mapping_says_so(tmp_path):
    text = GOOD.replace("amount: Amount", "stage: {from: Amount, values: {a: A}, else: error}")
    found = land(from_text("Id | Name | Amount\n1 | x | a\n2 | y | b\n3 | z |"), mapping_of(tmp_path, text))
    assert found.only("opportunity", "stage") == ["A", None]
    assert [(row["code"], row["_row"], row["value"]) for row in found.aside] == [("bad_value", 3, "b")]


def test_filtered_rows_are_counted_and_the_others_loaded(tmp_path):
    text = GOOD + "where: {Pipeline: {not: [Test, null]}, Kind: deal}\n"
    table = from_text(
        "Id | Name | Amount | Pipeline | Kind\n1|a|1|Sales|Deal\n2|b|2|TEST|deal\n3|c|3||deal\n4|d|4|Sales|lead\n5|e|oops|Test|deal"
    )
    found = land(table, mapping_of(tmp_path, text))
    assert found.only("opportunity", "source_id") == ["1"]
    assert (found.filtered, found.aside) == ([3, 4, 5, 6], [])


def test_rows_read_are_rows_landed_set_aside_and_filtered(tmp_path):
    text = GOOD + "where: {Kind: deal}\n"
    lines = [f"{n % 40 or ''} | a | {'x' if n % 7 == 0 else n} | {'deal' if n % 3 else 'lead'}" for n in range(200)]
    found = land(from_text("Id | Name | Amount | Kind\n" + "\n".join(lines)), mapping_of(tmp_path, text))
    landed, aside = len(found.tables["opportunity"]), len(found.aside)
    assert landed + aside + len(found.filtered) == 200
    assert len({row["_row"] for row in found.aside} | set(found.filtered)) == aside + len(found.filtered)
    assert {row["code"] for row in found.aside} == {"missing_id", "duplicate_id", "bad_number"}


def test_a_row_without_its_id_is_set_aside_and_of_two_with_one_id_the_last_is_kept(tmp_path):
    found = land(from_text("Id | Name | Amount\n1|a|1\n|b|2\n1|c|3"), mapping_of(tmp_path, GOOD))
    assert found.only("opportunity", "name") == ["c"]
    assert [(row["_row"], row["code"], row["column"]) for row in found.aside] == [
        (2, "duplicate_id", "Id"),
        (3, "missing_id", "Id"),
    ]


def test_a_bad_row_does_not_hide_a_good_one_of_the_same_id(tmp_path):
    found = land(from_text("Id | Name | Amount\n1|a|1\n1|b|oops"), mapping_of(tmp_path, GOOD))
    assert found.only("opportunity", "name") == ["a"]
    assert [row["code"] for row in found.aside] == ["bad_number"]


def test_lines_of_one_key_are_kept_apart_when_the_mapping_numbers_them(tmp_path):
    text = "name: s\nsystem: s\nmatch: {files: [x]}\nentities: {spend: {id: {join: [D, C]}, numbered: true, columns: {day_on: D, campaign: C, amount: A}}}"
    table = from_text("D | C | A\n2026-01-01 | x | 1\n2026-01-01 | x | 2\n2026-01-01 | y | 3")
    found = land(table, mapping_of(tmp_path, text))
    assert found.aside == []
    assert found.only("spend", "source_id", "amount") == [
        ("2026-01-01:x", Decimal(1)),
        ("2026-01-01:x:2", Decimal(2)),
        ("2026-01-01:y", Decimal(3)),
    ]


def test_a_file_feeds_several_entities_and_mentions_of_one_are_one_row(tmp_path):
    text = GOOD + "  account:\n    id: Company\n    columns: {name: Company, country: Country}\n"
    table = from_text("Id | Name | Amount | Company | Country\n1|a|1|Acme|FR\n2|b|2|Acme|\n3|c|3||FR")
    found = land(table, mapping_of(tmp_path, text))
    assert found.only("account", "id", "country") == [("crm:Acme", "FR")]
    assert len(found.tables["opportunity"]) == 3


def test_what_a_row_says_once_it_was_exported_is_known_since_then(tmp_path):
    found = land(from_text("Id | Name | Amount\n1|a|1"), mapping_of(tmp_path, GOOD), at=datetime(2026, 9, 30, 12))
    (row,) = found.tables["opportunity"]
    assert row["valid_from"] == row["first_seen_at"] == datetime(2026, 9, 30, 12)
    assert (row["id"], row["connection_id"], row["source_system"], row["is_inferred"]) == ("crm:1", "crm", "crm", False)


def test_headers_that_a_pattern_knows_are_rows_of_their_own(tmp_path):
    text = """
name: d
system: s
match: {files: [x]}
entities:
  opportunity: {id: Id, columns: {name: Id}}
  field_history:
    id: Id
    unpivot: ['Entered (?P<new_value>.+)']
    columns:
      entity_type: {value: opportunity}
      entity_id: {from: Id, ref: id}
      field: {value: stage}
      new_value: {values: {Skip: null, Démo: Demo}}
"""
    table = from_text(
        "Id | Entered Qualif | ENTERED Démo | Entered skip\n1 | 2026-01-01 | | 2026-01-03\n2 | 2026-01-02 | 2026-01-05 |"
    )
    found = land(table, mapping_of(tmp_path, text), zone="UTC")
    assert sorted(found.only("field_history", "entity_id", "new_value", "changed_at")) == [
        ("s:1", "Qualif", datetime(2026, 1, 1)),
        ("s:2", "Demo", datetime(2026, 1, 5)),
        ("s:2", "Qualif", datetime(2026, 1, 2)),
    ]
    assert len({row["id"] for row in found.tables["field_history"]}) == 3


def test_the_day_of_an_export_and_the_table_of_a_database_are_read(tmp_path):
    text = GOOD.replace("match: {headers: [Id, Name]}", "table: public.deals\ndatabase: env:CRM_URL")
    mapping = mapping_of(tmp_path, text + "options: {exported_at: 2026-10-01, header_row: 3, encoding: cp1252}\n")
    assert (mapping.table, mapping.database) == ("public.deals", "CRM_URL")
    assert mapping.options.exported_at == date(2026, 10, 1)
    assert (mapping.options.header_row, mapping.options.encoding) == (3, "cp1252")
    assert match("public.deals", ["Id", "Name", "Amount"], [mapping]) is None


def test_every_question_and_mistake_is_said_in_french():
    """A message without its translation would reach a French reader in English."""
    folder = Path(canonical.__file__).parent
    catalogues = (folder.parent / "locale" / "fr").glob("*.po")
    known = {
        message.id
        for path in catalogues
        for message in read_po(io.BytesIO(path.read_bytes()))
        if message.id and message.string
    }
    for name in ("binding", "mapping", "parse", "evidence", "landing"):
        tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
        texts = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        told = {
            text
            for text in texts
            if " " in text and "\n" not in text and re.search(r"[.?]$", text) and text[0].isupper()
        }
        docstrings = {
            ast.get_docstring(n, clean=False)
            for n in ast.walk(tree)
            if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Module)
        }
        assert told - docstrings <= known, (name, told - docstrings - known)


def test_a_file_in_canonical_words_shares_the_ids_of_a_system_when_its_mapping_says_so(tmp_path):
    text = "extends: cadran_activity\nname: calls\nconnection: hubspot\noptions: {dates: DMY}\n"
    mapping = mapping_of(tmp_path, text)
    table = from_text("id | type | occurred_at | opportunity_id\n1 | call | 03/04/2026 | 99")
    assert match("activities.csv", table.column_names, (mapping, *shipped_mappings())) is mapping
    found = land(table, mapping, zone="UTC")
    assert found.only("activity", "id", "opportunity_id", "occurred_at") == [
        ("hubspot:1", "hubspot:99", datetime(2026, 4, 3))
    ]
    message, _, _ = refused(tmp_path, "extends: cadran_activity\nentities: {}\n")
    assert message == "There is no key entities here."
    assert refused(tmp_path, "extends: cadran_quotas\n")[1] == "Did you mean cadran_quota?"


def test_what_a_row_was_merged_into_is_an_id_of_its_connection(tmp_path):
    text = (
        "name: crm\nmatch: {headers: [Id]}\nentities:\n  contact:\n    id: Id\n    columns: {merged_into_id: Master}\n"
    )
    (tmp_path / "crm.yml").write_text(text)
    (mapping,) = load_mappings(tmp_path)
    (rule,) = mapping.entities[0].columns
    assert rule.ref == "id"
