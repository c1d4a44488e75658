"""How a check of the catalogue says what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.errors import Issue, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cadran.catalogue.definition import Kpi

#: Start of the places of a project's own files; what they lack is a warning and not an error.
PROJECT = "catalogue/"


def where_of(places: Mapping[str, str], key: str, default: str) -> str:
    """``file:line`` of a key, or of the entry."""
    return places.get(key, default)


def finding(code: str, message: str, where: str, *, hint: str = "", **params: object) -> Issue:
    """An error about the catalogue."""
    return Issue(code, "error", message, where=where, hint=hint, params=params)


def of_kpi(kpi: Kpi, code: str, message: str, key: str = "", hint: str = "", **params: object) -> Issue:
    """An error about one key of one KPI; its template may use ``{kpi}``."""
    return finding(code, message, where_of(kpi.places, key, kpi.where), hint=hint, kpi=kpi.id, **params)


def unknown_name(code: str, message: str, name: str, known: Iterable[str], where: str, **params: object) -> Issue:
    """An error about a name that does not exist; its template uses ``{name}``."""
    near = did_you_mean(name, known)
    return finding(code, message, where, hint="Did you mean {near}?" if near else "", name=name, near=near, **params)
