"""Names of tables and addresses of databases: as SQL, and as they may be shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cadran.errors import SourceError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

_QUERY = re.compile(r"\s*(?:SELECT|WITH)\s", re.IGNORECASE)
_NAME = re.compile(r'"((?:[^"]|"")+)"|([^."]+)')


def name_parts(table: str) -> list[str]:
    """The parts of a name such as ``public.deals`` or ``"My schema"."My table"``."""
    return [inner.replace('""', '"') or plain for inner, plain in _NAME.findall(table)]


def quoted(names: Sequence[str]) -> str:
    """An identifier as SQL, whatever characters its parts hold."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def is_query(table: str) -> bool:
    """True for a SELECT, which is read like a view that the database does not have."""
    return _QUERY.match(table) is not None


def relation(table: str) -> str:
    """What stands after FROM for the name of a table, or for a SELECT."""
    return f"({table.strip().rstrip(';')}) AS asked" if is_query(table) else quoted(name_parts(table))


def no_table(names: Sequence[str], known: Sequence[str], where: str) -> SourceError:
    """The error that a database has no such table, with the nearest one it has."""
    wanted = ".".join(names)
    near = did_you_mean(wanted, known)
    return SourceError(
        "There is no table {table}.",
        hint="Did you mean {near}?" if near else "Its tables are: {tables}.",
        where=where,
        table=wanted,
        near=near,
        tables=", ".join(known[:20]),
    )


def place(url: str, table: str) -> str:
    """The database and table as they may be shown: without user and password, and without what a query says."""
    parts = urlsplit(url)
    host = f"{parts.hostname or ''}:{parts.port}" if parts.port else parts.hostname or ""
    return f"{parts.scheme}://{host}{parts.path} {'SELECT' if is_query(table) else table}"
