"""One process at a time, by the lock of a file: it is let go when the process ends, however it ends."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cadran.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def alone(path: Path, busy: StoreError) -> Iterator[None]:
    """Hold a lock file, whose folder is made when it is not there.

    Args:
        path: The file.
        busy: Raised when another process holds it.

    Raises:
        StoreError: Another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise busy from error
        yield


@contextmanager
def building_alone(folder: Path) -> Iterator[None]:
    """Hold the lock of the builds of one folder.

    Raises:
        StoreError: Another build is running.
    """
    busy = StoreError(
        "Another build of this project is running.", hint="Wait until it ends, then try again.", where=str(folder)
    )
    with alone(folder / "build.lock", busy):
        yield
