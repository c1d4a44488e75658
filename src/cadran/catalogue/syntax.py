"""A small syntax tree that can do nothing but compute on the columns of one row.

Measures and ``--where`` predicates are written in a whitelist of SQL: comparisons, AND, OR, NOT,
IN, IS [NOT] NULL, BETWEEN, LIKE, + - * /, COALESCE, NULLIF, CASE, ABS, LN, LEAST, GREATEST, literals,
TRUE, FALSE, DATE '2026-01-31' and ``days_between(from, to)``. Anything else is refused with the
character at which it stands. LEAST and GREATEST of an unknown value are unknown: elsewhere they
skip it, which once counted lost customers as retained.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from cadran.errors import CadranError


@dataclass(frozen=True)
class Column:
    """A column of the row.

    Attributes:
        name: Column name.
        at: Character of the text at which it stands, from 1.
    """

    name: str
    at: int = 1


@dataclass(frozen=True)
class Value:
    """A constant: a text, a number, a day, true, false or NULL."""

    value: str | int | Decimal | bool | date | None
    at: int = 1


@dataclass(frozen=True)
class Call:
    """An operator or function of the whitelist.

    Attributes:
        name: One of `NAMES`.
        args: Operands, in order; for ``case``, condition and value in turn, then the default.
        at: Character of the text at which it stands, from 1.
    """

    name: str
    args: tuple[Tree, ...]
    at: int = 1


Tree = Column | Value | Call


@dataclass(frozen=True)
class Source:
    """A text being read, for its messages."""

    text: str
    where: str
    error: type[CadranError]

    def refusal(self, message: str, at: int, hint: str = "", **params: object) -> CadranError:
        """The error that says what is wrong at a character of the text."""
        return self.error(
            message + " (at character {at} of: {text})", hint=hint, where=self.where, at=at, text=self.text, **params
        )


def read_day(text: str, source: Source, at: int) -> date:
    """The calendar day that a text in an expression stands for."""
    try:
        return date.fromisoformat(text)
    except ValueError as problem:
        raise source.refusal("{day} is not a day.", at, hint="Write it as 2026-03-31.", day=text) from problem
