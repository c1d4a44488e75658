"""What the expressions of a measure say beside the number: which rows have an amount without a rate."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from cadran.canonical.entities import published_columns

if TYPE_CHECKING:
    from cadran.catalogue.definition import Measure

_TEXT, _BASE = re.compile(r"'[^']*'"), re.compile(r"\b\w+_base\b")


def missing_of(measure: Measure) -> str:
    """The predicate of rows whose amount has no rate into the base currency (rule G-14), or empty.

    Unless the measure says so itself, these are the rows whose ``x`` is known and ``x_base`` is
    not, for every ``x_base`` in its expression.
    """
    if measure.missing or not measure.expr:
        return measure.missing
    return _missing(measure.entity, measure.expr)


@functools.cache
def _missing(entity: str, expr: str) -> str:
    names = {column.name for column in published_columns(entity)}
    # expressions have been checked, so whatever has that name outside quotes is a column: reading words does
    # not need the parser, which a process that starts has not loaded
    used = set(_BASE.findall(_TEXT.sub("", expr)))
    pairs = [(name.removesuffix("_base"), name) for name in sorted(used)]
    return " OR ".join(f"({plain} IS NOT NULL AND {base} IS NULL)" for plain, base in pairs if plain in names)
