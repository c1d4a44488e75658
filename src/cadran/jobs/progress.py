"""How long work says how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told now and then how far a step is.

    Args:
        step: What is being done, as an English template without fields.
        done: How much is done.
        total: How much there is in all, or 0 when that is not known.
    """

    def __call__(self, step: str, done: int, total: int) -> None:  # noqa: D102 - the class says it
        ...


def silent(step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
