"""Functions of the engine for which Ibis has no expression."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Callable

    from cadran.canonical.schema import Expr


@dataclass(frozen=True)
class Builtin:
    """One function, made known to Ibis when it is first called.

    Attributes:
        name: As the engine calls it.
        given: Types of its arguments, as Ibis writes them.
        gives: Type of its value.
    """

    name: str
    given: tuple[str, ...]
    gives: str

    def __call__(self, *args: object) -> Expr:
        """The function on these arguments."""
        return _known(self)(*args)


@functools.cache
def _known(builtin: Builtin) -> Callable[..., Any]:
    def function() -> None:
        """Runs in the engine alone."""

    # Ibis reads how many arguments there are off the function
    places = range(len(builtin.given))
    names = [inspect.Parameter(f"x{place}", inspect.Parameter.POSITIONAL_OR_KEYWORD) for place in places]
    function.__signature__ = inspect.Signature(names)  # type: ignore[attr-defined]
    function.__name__ = builtin.name
    return ibis.udf.scalar.builtin(signature=(builtin.given, builtin.gives))(function)
