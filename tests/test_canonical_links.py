"""References by name, mail address or domain become ids; several files make one row."""

from datetime import datetime

import ibis
import pytest

from cadran.canonical.assemble import assembled
from cadran.canonical.links import links_of, resolved, shared_names
from landing import from_text, land, mapping_of

DEALS = """
name: deals
system: crm
match: {files: [x]}
entities:
  opportunity:
    id: Id
    columns:
      name: Id
      account_id: {from: Account, ref: name, optional: true}
      owner_id: {from: Owner, ref: email, optional: true}
      primary_contact_id: {from: Contact, ref: id, optional: true}
"""
ACCOUNTS = "name: accounts\nsystem: crm\nmatch: {files: [y]}\nentities: {account: {id: Id, columns: {name: Name, domain: {from: Domain, optional: true}}}}"
CUSTOMERS = "name: customers\nsystem: billing\nmatch: {files: [z]}\nentities: {customer: {id: Id, columns: {name: Id, account_id: {from: Mail, ref: domain}}}}"


@pytest.fixture
def build(tmp_path):
    """Lands files on one connection and puts their rows together."""
    con = ibis.duckdb.connect()

    def made(*files, at=None):
        parts, bounds = [], []
        for number, (text, table) in enumerate(files):
            mapping = mapping_of(tmp_path, text.replace("name: ", f"name: n{number}_", 1), f"f{number}.yml")
            when = at[number] if at else datetime(2026, 10, 1 + number)
            found = land(from_text(table), mapping, con=con, at=when, zone="UTC")
            assert found.aside == []
            tables = {
                name: con.create_table(f"p{len(con.list_tables())}", rows) for name, rows in found.expressions.items()
            }
            parts.append((found.bound, tables))
            bounds.append(found.bound)
        links = links_of(bounds)
        every = assembled(parts)
        rows = {name: con.to_pyarrow(table).to_pylist() for name, table in resolved(every, links).items()}
        shared = shared_names(every, links)
        return rows, [] if shared is None else con.to_pyarrow(shared).to_pylist()

    return made


def values(rows, *columns):
    return sorted(tuple(row[c] for c in columns) for row in rows)


def test_a_name_becomes_the_id_of_the_row_that_has_it(build):
    rows, shared = build((DEALS, "Id | Account\n1 | ÁCME\n2 | Beta\n3 |"), (ACCOUNTS, "Id | Name\n7 | Acme\n8 | Beta"))
    assert values(rows["opportunity"], "id", "account_id")[:2] == [("crm:1", "crm:7"), ("crm:2", "crm:8")]
    assert next(r for r in rows["opportunity"] if r["id"] == "crm:3")["account_id"] is None
    assert len(rows["account"]) == 2
    assert shared == []


def test_a_name_that_no_row_has_becomes_a_row_that_is_inferred(build):
    rows, _ = build((DEALS, "Id | Account\n1 | Acme SA\n2 | acme sa\n3 | Beta"))
    ids = values(rows["opportunity"], "id", "account_id")
    assert ids == [("crm:1", "crm:~name:acme sa"), ("crm:2", "crm:~name:acme sa"), ("crm:3", "crm:~name:beta")]
    assert values(rows["account"], "id", "name", "is_inferred", "connection_id", "valid_from") == [
        ("crm:~name:acme sa", "Acme SA", True, "crm", datetime(2026, 10, 1)),
        ("crm:~name:beta", "Beta", True, "crm", datetime(2026, 10, 1)),
    ]


def test_a_mail_address_finds_the_person_or_makes_one(build):
    owners = "name: owners\nsystem: crm\nmatch: {files: [w]}\nentities: {owner: {id: Id, columns: {name: Name, email: Mail}}}"
    rows, _ = build(
        (DEALS, "Id | Owner\n1 | ANNA@us.com\n2 | bob@us.com"), (owners, "Id | Name | Mail\n5 | Anna | anna@US.com")
    )
    assert values(rows["opportunity"], "id", "owner_id") == [("crm:1", "crm:5"), ("crm:2", "crm:~email:bob@us.com")]
    assert values(rows["owner"], "id", "name", "email")[1] == ("crm:~email:bob@us.com", "bob@us.com", "bob@us.com")


def test_an_id_is_kept_as_it_is_and_makes_no_row(build):
    rows, _ = build((DEALS, "Id | Contact\n1 | 99"))
    assert values(rows["opportunity"], "primary_contact_id") == [("crm:99",)]
    assert "contact" not in rows


def test_a_customer_finds_its_company_in_another_system_by_its_domain(build):
    rows, _ = build(
        (ACCOUNTS, "Id | Name | Domain\n7 | Acme | https://www.acme.com/fr\n8 | Beta | beta.io\n9 | Beta 2 | beta.io"),
        (CUSTOMERS, "Id | Mail\nc1 | ann@acme.com\nc2 | bob@gmail.com\nc3 | zoe@new.org\nc4 | x@beta.io"),
    )
    assert values(rows["customer"], "id", "account_id")[0] == ("billing:c1", "crm:7")
    found = {row["id"]: row["account_id"] for row in rows["customer"]}
    assert found["billing:c2"] is None
    assert found["billing:c3"] == "billing:~domain:new.org"
    # two companies have that domain: which of them is not guessed
    assert found["billing:c4"] == "billing:~domain:beta.io"
    stubs = [row for row in rows["account"] if row["is_inferred"]]
    assert values(stubs, "id", "domain", "name") == [
        ("billing:~domain:beta.io", "beta.io", "beta.io"),
        ("billing:~domain:new.org", "new.org", "new.org"),
    ]


def test_of_two_rows_of_one_name_the_last_seen_is_meant_and_both_are_told(build):
    rows, shared = build(
        (ACCOUNTS, "Id | Name\n7 | Acme"), (ACCOUNTS, "Id | Name\n9 | Acme"), (DEALS, "Id | Account\n1 | Acme")
    )
    assert values(rows["opportunity"], "account_id") == [("crm:9",)]
    assert shared == [{"entity": "account", "name": "acme", "n": 2}]


def test_a_company_that_was_renamed_is_found_by_either_name(build):
    rows, shared = build(
        (ACCOUNTS, "Id | Name\n7 | Acme"),
        (ACCOUNTS, "Id | Name\n7 | Acme Group"),
        (DEALS, "Id | Account\n1 | Acme\n2 | Acme Group"),
    )
    assert values(rows["opportunity"], "account_id") == [("crm:7",), ("crm:7",)]
    assert shared == []


LEADS = "name: leads\nsystem: m\nmatch: {files: [a]}\nentities: {lead: {id: Id, merge: true, columns: {source: Source, created_at: Date}}}"
WON = "name: won\nsystem: m\nmatch: {files: [b]}\nentities: {lead: {id: Id, merge: true, columns: {segment: Segment, converted_at: Won, created_at: {from: Date, optional: true}}}}"
DAY, NEXT = datetime(2026, 10, 1, 9), datetime(2026, 10, 2, 9)


@pytest.mark.parametrize("order", [0, 1])
def test_two_files_of_one_day_make_one_row_whichever_came_first(build, order):
    files = [
        (LEADS, "Id | Source | Date\n1 | SEO | 2026-01-01\n2 | SEA | 2026-01-02"),
        (WON, "Id | Segment | Won\n1 | SMB | 2026-02-01"),
    ]
    rows, _ = build(*(files[::-1] if order else files), at=[DAY, datetime(2026, 10, 1, 10)])
    assert len(rows["lead"]) == 2
    one = next(row for row in rows["lead"] if row["id"] == "m:1")
    assert (one["source"], one["segment"], one["converted_at"], one["channel"]) == (
        "SEO",
        "SMB",
        datetime(2026, 2, 1),
        "organic_search",
    )


def test_a_newer_file_keeps_what_the_other_said_and_changes_what_it_maps(build):
    rows, _ = build(
        (LEADS, "Id | Source | Date\n1 | SEO | 2026-01-01"),
        (WON, "Id | Segment | Won\n1 | SMB | 2026-02-01"),
        (LEADS, "Id | Source | Date\n1 | | 2026-01-05"),
        at=[DAY, NEXT, datetime(2026, 10, 3)],
    )
    assert values(rows["lead"], "valid_from", "source", "segment")[:2] == [(DAY, "SEO", None), (NEXT, "SEO", "SMB")]
    last = max(rows["lead"], key=lambda row: row["valid_from"])
    # the file that maps the source says now that it is empty; the segment is the other file's
    assert (last["source"], last["segment"], last["created_at"]) == (None, "SMB", datetime(2026, 1, 5))


def test_of_two_files_of_one_day_that_map_a_column_the_newer_word_holds_and_an_empty_cell_is_none(build):
    rows, _ = build(
        (LEADS, "Id | Source | Date\n1 | SEO | 2026-01-01\n2 | SEO | 2026-01-01"),
        (WON, "Id | Segment | Won | Date\n1 | SMB | | 2026-03-03\n2 | SMB | |"),
        at=[DAY, datetime(2026, 10, 1, 10)],
    )
    assert values(rows["lead"], "id", "created_at") == [("m:1", datetime(2026, 3, 3)), ("m:2", datetime(2026, 1, 1))]


def test_versions_of_rows_that_are_not_merged_are_all_kept(build):
    rows, _ = build((ACCOUNTS, "Id | Name\n7 | Acme"), (ACCOUNTS, "Id | Name\n7 | Acme Group"))
    assert values(rows["account"], "valid_from", "name") == [
        (datetime(2026, 10, 1), "Acme"),
        (datetime(2026, 10, 2), "Acme Group"),
    ]
