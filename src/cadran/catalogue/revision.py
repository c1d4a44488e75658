"""A change of a contract before it is in force: as a file of the catalogue, as a version beside the one it follows.

A change is an override with a version and the day from which it counts. It is written down as the text of
the file that it becomes once the owner has approved it, so that what was approved is what is in force.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import yaml

from cadran.catalogue.check import check_kpi
from cadran.catalogue.load import load_catalogue
from cadran.errors import DefinitionError
from cadran.record import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

    from cadran.catalogue.approval import Approval
    from cadran.catalogue.definition import Catalogue, Kpi

#: Keys of a version that the proposal says itself, and those that only tell where it was written.
_OWN = ("version", "effective_from", "effective_to", "approval", "where", "places", "locks", "id")


def revision_text(
    kpi: str, version: str, start: date, keys: Mapping[str, Any], approval: Approval | None = None
) -> str:
    """The file of the catalogue that brings a version in force.

    Args:
        kpi: KPI id.
        version: Name of the version.
        start: First day on which it counts.
        keys: Keys of the contract that it changes, as YAML has them.
        approval: Who agreed to it, once somebody has.
    """
    own = {"version": version, "effective_from": start}
    entry = {**own, **{name: value for name, value in _plain(keys).items() if name not in _OWN}}
    if approval:
        told = {f.name: getattr(approval, f.name) for f in fields(approval)}
        entry["approval"] = {name: value for name, value in told.items() if value is not None}
    return yaml.safe_dump({"overrides": {kpi: entry}}, allow_unicode=True, sort_keys=False, width=110)


def keys_text(keys: Mapping[str, Any]) -> str:
    """The keys of a change as they are kept; `keys_of` reads them."""
    return yaml.safe_dump(_plain(keys), allow_unicode=True, sort_keys=False)


def keys_of(text: str) -> dict[str, Any]:
    """The keys of a change, from how they are kept or from a file that somebody wrote.

    Raises:
        ConfigError: It is not YAML, or does not hold a mapping.
    """
    found = parse_yaml(text, "change")
    return dict(_plain(found))


def revised(folder: Path | None, kpi: str, text: str, name: str) -> tuple[Catalogue, Kpi]:
    """The catalogue with a change, and the version that the change makes.

    Args:
        folder: The project's ``catalogue`` folder.
        kpi: KPI id.
        text: The change, as `revision_text` writes it.
        name: What the change is called in messages.

    Raises:
        ConfigError: The text, or a file of the folder, is not YAML.
        DefinitionError: The version cannot be used: a key is unknown or cannot be read, or a check refuses it.
    """
    known, _ = load_catalogue(folder)
    catalogue, _ = load_catalogue(folder, more=[parse_yaml(text, name)])
    made = catalogue.kpi(kpi)
    before = {(issue.code, issue.message) for issue in check_kpi(known.kpi(kpi), known)}
    for issue in check_kpi(made, catalogue):
        if issue.level == "error" and (issue.code, issue.message) not in before:
            raise DefinitionError(issue.message, hint=issue.hint, where=issue.where, **issue.params)
    return catalogue, made


def alone(catalogue: Catalogue, kpi: Kpi) -> Catalogue:
    """The catalogue in which a KPI has that version only, on every day."""
    only = replace(kpi, effective_from=None, effective_to=None)
    return replace(catalogue, kpis={**catalogue.kpis, kpi.id: (only,)})


def changed(before: Kpi, after: Kpi) -> list[tuple[str, str, str]]:
    """What two versions say differently: key, as it was, as it becomes; in the order of a contract."""
    found = []
    for each in fields(before):
        if each.name in _OWN:
            continue
        was, now = getattr(before, each.name), getattr(after, each.name)
        if was != now:
            found += [(f"{each.name}{key}", old, new) for key, old, new in _parts(was, now)]
    return found


def _parts(was: Any, now: Any) -> list[tuple[str, str, str]]:
    """The parts of a key that differ: those of a measure and of a text in languages one by one."""
    ours, theirs = _split(was), _split(now)
    if ours is None or theirs is None:
        return [("", _text(was), _text(now))]
    names = dict.fromkeys([*ours, *theirs])
    return [
        (f".{name}", _text(ours.get(name)), _text(theirs.get(name)))
        for name in names
        if ours.get(name) != theirs.get(name)
    ]


def _split(value: Any) -> dict[str, Any] | None:
    if isinstance(value, dict):
        return value
    if hasattr(value, "agg"):
        return {f.name: getattr(value, f.name) for f in fields(value) if f.name != "places"}
    return None


def _text(value: Any) -> str:
    if value is None or value in ("", ()):
        return "–"
    if isinstance(value, tuple):
        return "; ".join(_text(each) for each in value)
    if hasattr(value, "__dataclass_fields__"):
        told = {f.name: getattr(value, f.name) for f in fields(value) if f.name != "places"}
        return ", ".join(f"{name} {_text(each)}" for name, each in told.items() if each not in (None, "", (), {}))
    return str(value)


def _plain(value: Any) -> Any:
    """A value read from YAML as one that can be written again."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
