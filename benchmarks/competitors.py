"""The environment of the competitors, apart from the product's: ``requirements.lock`` beside this file."""

from __future__ import annotations

import sys

from benchmarks.scale import root

#: The interpreter that `make bench` installs them for.
PYTHON = root() / "venv" / "bin" / "python"


def python_of(is_competitor: bool) -> str:
    """The interpreter that a way runs on; empty when it is not installed."""
    if not is_competitor:
        return sys.executable
    return str(PYTHON) if PYTHON.exists() else ""
