"""Libraries that take long to import, loaded when something of them is first used.

Most questions are answered by statements that were kept, so most processes never need what writes statements.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["Deferred", "ibis", "sqlglot"]


class Deferred:
    """A library in the place of its module: ``ibis.literal(1)`` imports Ibis the first time."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """What the library has of that name, kept for the next time.

        Raises:
            AttributeError: It has none.
        """
        found = getattr(importlib.import_module(self._name), name)
        setattr(self, name, found)
        return found


if TYPE_CHECKING:
    import ibis
    import sqlglot
else:
    # some 200 ms and 80 ms
    ibis, sqlglot = Deferred("ibis"), Deferred("sqlglot")
