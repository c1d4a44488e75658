"""What a canonical table is made of: typed columns, the ones that all landed tables share, the dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cadran.errors import QueryError, did_you_mean

Type = Literal["text", "int", "float", "bool", "date", "timestamp", "money", "decimal"]


@dataclass(frozen=True)
class Column:
    """One column of a canonical table.

    Attributes:
        name: Column name.
        type: Logical type; ``money`` is decimal(18,4), ``timestamp`` is naive UTC.
        ref: Entity that an id column points at, or empty.
    """

    name: str
    type: Type = "text"
    ref: str = ""


@dataclass(frozen=True)
class Entity:
    """One canonical table.

    Attributes:
        name: Table name, singular.
        grain: What one row is, in a sentence.
        columns: Own columns, without `COMMON` and without the ``_on`` companions.
        time: Column on which its rows are dated by default.
        versioned: True when past versions are kept in ``<name>_history``.
        derived: True when it is computed from other entities rather than mapped from a source.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    time: str
    versioned: bool = False
    derived: bool = False

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Every column of the published table, in order: common, own, and the day of each instant."""
        base = self.columns if self.derived else (*COMMON, *self.columns)
        days = tuple(Column(day_of(c.name), "date") for c in base if c.type == "timestamp")
        return (*base, *days)

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            QueryError: The entity has no such column.
        """
        for column in self.all_columns:
            if column.name == name:
                return column
        near = did_you_mean(name, [c.name for c in self.all_columns])
        hint = "Did you mean {near}?" if near else ""
        raise QueryError("{entity} has no column {name}.", hint=hint, entity=self.name, name=name, near=near)


def day_of(timestamp: str) -> str:
    """Name of the day column that goes with a timestamp column: ``closed_at`` → ``closed_on``."""
    return timestamp.removesuffix("_at") + "_on"


def columns(text: str) -> tuple[Column, ...]:
    """Columns from a compact list: ``name``, ``name:type`` or ``name>entity`` (a reference)."""
    found: list[Column] = []
    for word in text.split():
        name, _, ref = word.partition(">")
        name, _, kind = name.partition(":")
        found.append(Column(name, kind or "text", ref))  # type: ignore[arg-type]
    return tuple(found)


#: Columns that every landed entity has. `valid_from` is when this version became known.
COMMON = columns(
    "id connection_id source_system source_id source_url created_at:timestamp updated_at:timestamp "
    "deleted_at:timestamp first_seen_at:timestamp last_seen_at:timestamp merged_into_id merged_at:timestamp "
    "valid_from:timestamp is_inferred:bool"
)

#: Attributes carried by every wide table, as of the event (rule G-10), so that one scan answers.
DIMENSIONS = columns(
    "segment industry country region market size_band channel source owner team owner_region manager product "
    "pipeline opportunity_type title_level is_target:bool industry_group icp_tier title_function"
)
