"""Values written in one way, as a project says: what is not known, the line that tells it, and the build's part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cadran.canonical.icp import Icp, fitted, icp_of
from cadran.canonical.schema import schema_of
from cadran.canonical.standards import FROM, KINDS, Standards, own_values, standardised, unknown
from cadran.deferred import ibis
from cadran.errors import ConfigError
from cadran.record import Record, load_yaml, yaml_text
from cadran.store.shelf import shelf_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import ibis.expr.types as ir

    from cadran.config import Project

    #: Makes a table of rows in memory, by its name.
    Memory = Callable[[str, pa.Table], ir.Table]

#: Files of the project: what its words stand for, and which customers it wants.
FILE, ICP_FILE = "values.yml", "icp.yml"


@dataclass(frozen=True)
class Unknown:
    """A value that nothing is known of.

    Attributes:
        kind: One of `standards.KINDS`.
        entity: Table that it stands in.
        value: The value as it is written.
        n: Rows that have it.
    """

    kind: str
    entity: str
    value: str
    n: int


class Standardiser:
    """What a build does to the values of landed tables.

    Args:
        project: Settings of the company.
        memory: Makes a table of rows in memory.

    Attributes:
        made: Names of the tables that were made.

    Raises:
        ConfigError: A file of the project cannot be read.
    """

    def __init__(self, project: Project, memory: Memory) -> None:
        self.icp = icp_of_project(project)
        standards = Standards(_own(project))
        self.made = [f"_words_{kind}" for kind in KINDS]
        self._words = {
            kind: memory(name, _table(standards.words(kind))) for kind, name in zip(KINDS, self.made, strict=True)
        }

    def table(self, name: str, rows: ir.Table) -> ir.Table:
        """The rows of an entity, their values written in one way; accounts with how well they fit."""
        if name not in FROM:
            return rows
        told = standardised(name, rows, self._words)
        return fitted(told, self.icp) if name == "account" else told


def _table(words: list[tuple[str, str]]) -> pa.Table:
    columns = {"word": [word for word, _ in words], "value": [value for _, value in words]}
    return pa.table(columns, schema=pa.schema({"word": pa.string(), "value": pa.string()}))


def _own(project: Project) -> dict[str, dict[str, str]]:
    path = project.root / FILE
    if not path.exists():
        return {}
    written = load_yaml(path, shown_as=FILE)

    def where(kind: str, word: str) -> str:
        words = written.get(kind)
        return words.where(word) if word and isinstance(words, Record) else written.where(kind)

    return {kind: dict(words) for kind, words in own_values(written, where).items()}


def icp_of_project(project: Project) -> Icp:
    """The rules of the project's ``icp.yml``; none without the file.

    Raises:
        ConfigError: It cannot be read.
    """
    path = project.root / ICP_FILE
    return icp_of(load_yaml(path, shown_as=ICP_FILE)) if path.exists() else Icp()


def unknown_values(project: Project) -> list[Unknown]:
    """The values of the newest snapshot that nothing is known of, those of most rows first.

    Raises:
        StoreError: There is no snapshot yet.
    """
    snapshot = shelf_of(project).open()
    try:
        found = [
            Unknown(kind, entity, row["value"], row["n"])
            for entity in FROM
            for kind, rows in unknown(entity, ibis.table(schema_of(entity), name=entity))
            for row in snapshot.execute(snapshot.sql(rows)).to_pylist()
        ]
    finally:
        snapshot.close()
    return sorted(found, key=lambda each: (-each.n, each.kind, each.entity, each.value))


def give_value(project: Project, kind: str, word: str, value: str) -> Path:
    """The file of the project, with one more word that stands for a value.

    Raises:
        ConfigError: The kind or value does not exist, or the word stands for something already.
    """
    path = project.root / FILE
    written: dict[str, Any] = load_yaml(path, shown_as=FILE) if path.exists() else {}
    words = dict(written.get(kind) or {})
    if word in words:
        raise ConfigError(
            "{word} stands for {value} already.",
            hint="Change its line in {file}.",
            where=FILE,
            word=word,
            value=str(words[word]),
            file=FILE,
        )
    own_values({kind: {word: value}}, lambda _, word: "--to" if word else "--of")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(_with_line(text, kind, yaml_text({word: value}).rstrip("\n")), encoding="utf-8")
    return path


def _with_line(text: str, kind: str, line: str) -> str:
    """The text of the file with a line under its kind; everything else stays as people wrote it."""
    lines = text.splitlines()
    if f"{kind}:" in lines:
        lines.insert(lines.index(f"{kind}:") + 1, f"  {line}")
    else:
        lines += [f"{kind}:", f"  {line}"]
    return "\n".join(lines) + "\n"


def fits(project: Project, text: str) -> list[dict[str, Any]]:
    """Accounts whose name holds a text, with how well they fit and why; the best first.

    Raises:
        StoreError: There is no snapshot yet.
    """
    snapshot = shelf_of(project).open()
    try:
        accounts = ibis.table(schema_of("account"), name="account")
        columns = ("id", "name", "icp_tier", "icp_fit_score", "icp_reasons")
        rows = accounts.filter(accounts.name.lower().contains(text.lower())).select(*columns)
        found: list[dict[str, Any]] = snapshot.execute(snapshot.sql(rows)).to_pylist()
    finally:
        snapshot.close()
    return sorted(found, key=lambda row: (row["icp_tier"] is None, row["icp_tier"] or "", -(row["icp_fit_score"] or 0)))
