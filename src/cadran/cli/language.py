"""The language of a terminal."""

from __future__ import annotations

import os


def default_language() -> str:
    """The language of the terminal: French where the locale is French, else English."""
    name = os.environ.get("CADRAN_LANG") or os.environ.get("LC_ALL") or os.environ.get("LANG") or "en"
    return "fr" if name.lower().startswith("fr") else "en"
