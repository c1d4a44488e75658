"""An opened project, which gives everyone the `View` that is theirs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from cadran.catalogue.load import load_catalogue
from cadran.catalogue.locks import with_locks
from cadran.config import load_project
from cadran.store.settings import has_state
from cadran.store.shelf import FileShelf, shelf_of
from cadran.view import LOCAL, View

if TYPE_CHECKING:
    from cadran.catalogue.definition import Catalogue
    from cadran.config import Project
    from cadran.errors import Issue
    from cadran.store.warehouse import Snapshot


class Workspace:
    """A project that is open for reading; follows the newest snapshot. Safe for several threads.

    Attributes:
        project: Settings of the company.
        catalogue: Governed definitions.
        catalogue_issues: Findings about them.
    """

    def __init__(self, project: Project, catalogue: Catalogue, catalogue_issues: tuple[Issue, ...] = ()) -> None:
        self.project = project
        self.catalogue = catalogue
        self.catalogue_issues = catalogue_issues
        self._shelf = shelf_of(project)
        self._open: tuple[str, Snapshot] | None = None
        self._lock = threading.Lock()
        self._reloads = 0

    def view(self, person: str = LOCAL) -> View:
        """What that person may read of the newest snapshot.

        Raises:
            StoreError: There is no snapshot yet.
        """
        return View(self.project, self.catalogue, person, self._warehouse())

    def reload(self) -> None:
        """Read the definitions again, after somebody changed them."""
        catalogue, self.catalogue_issues = load_catalogue(self.project.catalogue)
        self.catalogue = _locked(catalogue, self.project)
        self._reloads += 1

    def served(self) -> str:
        """What is served now, snapshot and definitions, found without asking a database; empty when that cannot be."""
        newest = self._shelf.newest() if isinstance(self._shelf, FileShelf) else ""
        return f"{newest} {self._reloads}" if newest and self._reloads else newest

    def _warehouse(self) -> Snapshot:
        with self._lock:
            newest = self._shelf.newest()
            if self._open is None or self._open[0] != newest:
                # the older snapshot is left to those who still hold a view of it
                warehouse = self._shelf.open()
                self._open = (warehouse.meta.name, warehouse)
            return self._open[1]


def open_workspace(root: Path | str) -> Workspace:
    """The project in a folder, open for reading.

    A KPI whose definition cannot be used is left out, with an issue in `catalogue_issues`.

    Args:
        root: Folder that holds cadran.toml.

    Raises:
        ConfigError: A setting cannot be used.
        StoreError: The project has an application database, which cannot be used: verdicts would not be by the
            targets that it locks.
    """
    project = load_project(Path(root))
    catalogue, issues = load_catalogue(project.catalogue)
    return Workspace(project, _locked(catalogue, project), issues)


def _locked(catalogue: Catalogue, project: Project) -> Catalogue:
    """The catalogue with the targets that were locked for campaigns."""
    if not has_state(project):
        return catalogue
    # a quarter of a second, which the questions of a project without decisions need not pay
    from cadran.store.archive import open_archive  # noqa: PLC0415

    return with_locks(catalogue, open_archive(project).locks())
