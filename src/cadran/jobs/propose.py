"""A mapping proposed for a file, and written where the project keeps its mappings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.mapping import shipped_mappings
from cadran.canonical.propose import Proposal, propose
from cadran.errors import ConfigError
from cadran.jobs.sync import recognise

if TYPE_CHECKING:
    from pathlib import Path

    from cadran.config import Project


def propose_mapping(path: Path) -> Proposal:
    """A mapping for a file, with what is unsure about it.

    Raises:
        SourceError: The file cannot be read.
    """
    mappings = shipped_mappings()
    _, shape = recognise(path, mappings)
    return propose(path.name, shape.headers, shape.sample, mappings)


def write_mapping(project: Project, proposal: Proposal) -> Path:
    """The file of the project's mappings/ that the proposal was written to.

    Raises:
        ConfigError: A mapping of that name is there already.
    """
    path = project.mappings / f"{proposal.name}.yml"
    if path.exists():
        raise ConfigError(
            "There is already a mapping in {file}.",
            hint="Change it, or remove it and try again.",
            where=f"mappings/{path.name}",
            file=f"mappings/{path.name}",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(proposal.text, encoding="utf-8")
    return path
