"""The sample company, written afresh."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from cadran.config import PROJECT_FILE, Project, load_project
from cadran.errors import ConfigError
from cadran.jobs.progress import silent
from cadran.sources.demo import write_company

if TYPE_CHECKING:
    from pathlib import Path

    from cadran.jobs.progress import Progress

#: Marks a folder that the sample company was written to, which may be written again.
MARK = ".cadran-demo"
MAKING = "Making the sample company"


def write_demo(folder: Path, *, seed: int, progress: Progress = silent) -> Project:
    """Write the project of the sample company; a folder that held it before is written again.

    Args:
        folder: Folder of the project.
        seed: Seed of every draw.
        progress: Told the number of exports written.

    Raises:
        ConfigError: The folder holds something else.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).is_file():
            raise ConfigError(
                "{folder} is not empty, and what it holds is not the sample company.",
                hint="Name another folder: `cadran demo DIR`.",
                where=str(folder / PROJECT_FILE),
                folder=str(folder),
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("The sample company of `cadran demo`, which writes this folder again.\n", "utf-8")
    written = 0

    def tell(_name: str, _rows: int) -> None:
        nonlocal written
        written += 1
        progress(MAKING, written, 0)

    write_company(folder, seed=seed, progress=tell)
    return load_project(folder)
