"""The catalogue written out for other tools, and as a handbook for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.catalogue.exchange.cube import to_cube
from cadran.catalogue.exchange.metricflow import to_metricflow
from cadran.catalogue.exchange.ossie import to_ossie
from cadran.catalogue.load import load_catalogue
from cadran.config import PROJECT_FILE, load_project
from cadran.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cadran.catalogue.definition import Catalogue
    from cadran.catalogue.exchange.report import Export
    from cadran.config import Project
    from cadran.errors import Issue

#: How the catalogue is written in each format.
FORMATS: dict[str, Callable[[Catalogue], Export]] = {
    "ossie": to_ossie,
    "metricflow": to_metricflow,
    "cube": to_cube,
}


def governed(root: Path) -> tuple[Catalogue, tuple[Issue, ...], Project | None]:
    """The definitions that hold in a folder, their problems, and its project.

    Args:
        root: Folder of a project; one without settings gives the definitions that come with Cadran.

    Raises:
        ConfigError: The settings or a file of definitions cannot be read.
    """
    project = load_project(root) if (root / PROJECT_FILE).exists() else None
    catalogue, problems = load_catalogue(project.catalogue if project else None)
    return catalogue, problems, project


def export_catalogue(catalogue: Catalogue, to: str, out: Path) -> Export:
    """Write the catalogue in another tool's format.

    Args:
        catalogue: Governed definitions.
        to: A key of `FORMATS`.
        out: Folder to write into; made when it does not exist.

    Returns:
        What was written, and what was lost KPI by KPI.

    Raises:
        ConfigError: The folder cannot be written.
    """
    found = FORMATS[to](catalogue)
    write_files(found.files, out)
    return found


def write_files(files: Mapping[str, str], out: Path) -> None:
    """Write texts under a folder, over files of the same name.

    Raises:
        ConfigError: The folder cannot be written.
    """
    try:
        for name, text in files.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            "{folder} cannot be written: {problem}.",
            hint="Name a folder that you may write to.",
            where=str(out),
            folder=str(out),
            problem=error.strerror or "",
        ) from error
