"""Everything that can be wrong with a project, each finding with its file and line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cadran.catalogue.check import check_catalogue
from cadran.catalogue.load import load_catalogue
from cadran.config import load_project
from cadran.errors import CadranError, Issue
from cadran.jobs.connect import last_runs
from cadran.jobs.connections import connections
from cadran.jobs.sync import mappings_of
from cadran.store.shelf import shelf_of

if TYPE_CHECKING:
    from cadran.config import Project


def check_project(root: Path | str) -> tuple[Issue, ...]:
    """Findings about settings, mappings, definitions and the data of the newest snapshot.

    Raises:
        ConfigError: The settings cannot be read, so that nothing else can be checked.
    """
    project = load_project(Path(root))
    catalogue, found = load_catalogue(project.catalogue)
    issues = [*_mapping_issues(project), *_connection_issues(project), *found, *check_catalogue(catalogue)]
    shelf = shelf_of(project)
    if shelf.newest():
        warehouse = shelf.open()
        issues += warehouse.issues()
        warehouse.close()
    return tuple(issues)


def _mapping_issues(project: Project) -> list[Issue]:
    try:
        mappings_of(project)
    except CadranError as error:
        return [Issue("bad_mapping", "error", error.message, error.where, hint=error.hint, params=error.params)]
    return []


def _connection_issues(project: Project) -> list[Issue]:
    """What is wrong with the settings of connections, and connections of which nothing was ever read."""
    try:
        every = connections(project)
    except CadranError as error:
        return [Issue("bad_connection", "error", error.message, error.where, hint=error.hint, params=error.params)]
    return [
        Issue(
            "unread_connection",
            "info",
            "Nothing was read of {name} yet.",
            where=each.where,
            hint="Run `cadran connect check {name} --live`, then `cadran build`.",
            params={"name": each.name},
        )
        for each in every
        if not last_runs(project, each.name)
    ]
