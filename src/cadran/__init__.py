"""Governed revenue KPIs from CRM, marketing and billing data."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cadran.engine.query import KpiQuery
    from cadran.workspace import open_workspace

__version__ = "0.1.0"
__all__ = ["KpiQuery", "__version__", "open_workspace"]
#: Public names, loaded when they are first asked for so that `cadran --help` answers at once.
_HOMES = {"KpiQuery": "cadran.engine.query", "open_workspace": "cadran.workspace"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        message = f"module 'cadran' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOMES[name]), name)
