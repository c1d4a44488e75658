"""What the expressions of a measure say beside the number: which rows have an amount without a rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.entities import published_columns
from cadran.catalogue.expression import column_names
from cadran.catalogue.syntax import Source, read_syntax
from cadran.errors import DefinitionError

if TYPE_CHECKING:
    from cadran.catalogue.definition import Measure


def missing_of(measure: Measure) -> str:
    """The predicate of rows whose amount has no rate into the base currency (rule G-14), or empty.

    Unless the measure says so itself, these are the rows whose ``x`` is known and ``x_base`` is
    not, for every ``x_base`` in its expression.
    """
    if measure.missing or not measure.expr:
        return measure.missing
    names = {column.name for column in published_columns(measure.entity)}
    used = set(column_names(read_syntax(measure.expr, Source(measure.expr, "", DefinitionError))))
    pairs = [(name.removesuffix("_base"), name) for name in sorted(used) if name.endswith("_base")]
    return " OR ".join(f"({plain} IS NOT NULL AND {base} IS NULL)" for plain, base in pairs if plain in names)
