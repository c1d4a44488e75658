"""Texts that take long to make and never change: kept in the person's cache folder, beside no data.

The name of a text says all that it was made from, so that nothing kept is ever out of date. A folder that
cannot be read or written costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import zlib
from pathlib import Path

import platformdirs

#: Environment variable that names another folder.
CACHE = "CADRAN_CACHE"
#: Texts that are kept; the ones that were not used for longest go first.
MOST_KEPT = 24


def folder() -> Path:
    """The folder of kept texts, which need not exist yet."""
    return Path(os.environ.get(CACHE) or platformdirs.user_cache_dir("cadran", appauthor=False)) / "statements"


def kept(name: str) -> str | None:
    """The text of that name; None when it is not kept, or cannot be read whole."""
    path = folder() / name
    try:
        text = zlib.decompress(path.read_bytes()).decode()
        path.touch()
    except (OSError, zlib.error, UnicodeDecodeError):
        return None
    return text


def keep(name: str, text: str) -> None:
    """Keep a text under a name, whole or not at all."""
    with contextlib.suppress(OSError):
        place = folder()
        place.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=place)
        with os.fdopen(handle, "wb") as file:
            file.write(zlib.compress(text.encode()))
        Path(beside).replace(place / name)
        for old in sorted(place.iterdir(), key=lambda path: path.stat().st_mtime)[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
