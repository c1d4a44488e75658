"""Records as they are compared: one table of keys, made by the rules of `canonical.identity`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from cadran.canonical.identity import domain_key, email_key, name_key, phone_key, tax_key
from cadran.deferred import ibis

if TYPE_CHECKING:
    import ibis.expr.types as ir

#: What is known of a record; every column is text, NULL where nothing is.
COLUMNS = ("id", "name", "company", "email", "phone", "domain", "country", "tax_id")
#: Names from which on an address or a number is that of a desk or a switchboard, not of a person.
MOST_NAMES = 4

SCHEMA = pa.schema([(name, pa.string()) for name in COLUMNS])


def keyed(rows: pa.Table) -> pa.Table:
    """One row per record, in the order of ids, with what is compared.

    Columns: id; name (plain words), first and last (its first word, and the others run together);
    company (plain words without the legal form); email, local (letters before the at sign) and domain
    (of the site or the address; NULL for free mail); phone; tax_id; country.

    An address or a number that more than `MOST_NAMES` last names share is nobody's own and left out.

    Args:
        rows: Columns `COLUMNS`.
    """
    table = ibis.memtable(rows.cast(SCHEMA) if rows.num_rows else SCHEMA.empty_table())
    words = table.mutate(plain=name_key(table.name))
    words = words.mutate(
        first=words.plain.re_replace(" .*$", "").nullif(""),
        last=words.plain.re_replace("^[^ ]*", "").re_replace(" ", "").nullif(""),
    )
    found = words.select(
        "id",
        "first",
        "last",
        name="plain",
        company=name_key(words.company),
        email=email_key(words.email),
        phone=phone_key(words.phone),
        domain=domain_key(words.domain).coalesce(domain_key(words.email)),
        local=words.email.lower().re_replace("@.*$", "").re_replace("[^a-z]", "").nullif(""),
        tax_id=tax_key(words.tax_id),
        country=words.country.strip().lower().nullif(""),
    )
    found = _personal(_personal(found, "email"), "phone").order_by("id")
    return ibis.duckdb.connect().to_pyarrow(found)


def _personal(table: ir.Table, key: str) -> ir.Table:
    """The table without the values of a key that several names share."""
    names = table.group_by(key).agg(n_names=table["last"].nunique())
    shared = names.filter(names.n_names > MOST_NAMES, names[key].notnull()).select(shared_key=key)
    found = table.left_join(shared, table[key] == shared.shared_key)
    own = ibis.ifelse(found.shared_key.notnull(), ibis.null("string"), found[key])
    return found.mutate(**{key: own}).drop("shared_key")
