"""The board of a company, from a few answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.catalogue.choice import choose
from cadran.errors import ConfigError
from cadran.record import yaml_text
from cadran.store.shelf import shelf_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cadran.catalogue.choice import Chosen
    from cadran.catalogue.definition import Catalogue
    from cadran.config import Project

#: Name of the board and of its file.
BOARD = "company"


def chosen_for(project: Project, catalogue: Catalogue, stage: str, pain: str = "") -> tuple[Chosen, ...]:
    """The KPIs that the answers choose, by the data of the newest snapshot where there is one.

    Raises:
        StoreError: The store cannot be reached.
    """
    shelf = shelf_of(project)
    if not shelf.newest():
        return choose(catalogue, stage, pain)
    snapshot = shelf.open()
    try:
        return choose(catalogue, stage, pain, snapshot.meta.counts)
    finally:
        snapshot.close()


def write_board(project: Project, chosen: Sequence[Chosen]) -> Path:
    """The file of the project's catalogue/ that the board was written to.

    Raises:
        ConfigError: There is one already.
    """
    path = project.catalogue / f"{BOARD}.yml"
    if path.exists():
        raise ConfigError(
            "There is already a board in {file}.",
            hint="Change it, or remove it and try again.",
            where=f"catalogue/{path.name}",
            file=f"catalogue/{path.name}",
        )
    board = {
        "labels": {"fr": project.company, "en": project.company},
        "questions": {"fr": "Où en sommes-nous, et où agir ?", "en": "Where do we stand, and where to act?"},
        "kpis": [each.kpi.id for each in chosen],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml_text({"boards": {BOARD: board}}), encoding="utf-8")
    return path
