"""The libraries of the extra ``matching``, imported only where something is matched."""

from __future__ import annotations

import importlib
from typing import Any

from cadran.errors import ConfigError


def library(name: str) -> Any:
    """The module of that name.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            "Matching needs the libraries of the extra {extra}.",
            hint="Install them: pip install 'cadran[{extra}]'.",
            extra="matching",
        ) from error
