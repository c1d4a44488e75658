"""The tables that KPIs are computed on, unbound: as published, or derived as known on a past day."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import ibis

from cadran.canonical import derive, history
from cadran.canonical.entities import ENTITIES, published_columns
from cadran.canonical.schema import schema, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import ibis.expr.types as ir

    from cadran.canonical.derive import Settings

    Tables = Callable[[str], ir.Table]

#: Prefix of the tables that hold every version of what was landed.
LANDED = "landed_"
#: Columns of the auxiliary table of business hours, see `canonical.calendars`.
WORKING_MINUTES = {
    "calendar": "string",
    "utc_on": "date",
    "valid_from": "date",
    "minutes_before": "float64",
    "first_from": "float64",
    "first_to": "float64",
    "second_from": "float64",
    "second_to": "float64",
}


@functools.cache
def published(entity: str) -> ir.Table:
    """The published table of an entity, by name.

    Raises:
        QueryError: No entity has that name.
    """
    return ibis.table(schema(published_columns(entity)), name=entity)


@functools.lru_cache(maxsize=8)
def as_known(settings: Settings) -> Tables:
    """The table of an entity as it was known at ``settings.known_at``, by name of the entity."""
    landed = {
        name: ibis.table(schema_of(name), name=LANDED + name) for name, entity in ENTITIES.items() if not entity.derived
    }
    landed["working_minutes"] = ibis.table(ibis.schema(WORKING_MINUTES), name="working_minutes")
    return derive.tables(history.current(landed, settings.known_at), settings).__getitem__


def tables_at(settings: Settings, known_at: datetime | None) -> Tables:
    """How to find the table of an entity.

    Args:
        settings: Settings of the derivations.
        known_at: Naive UTC instant in the past, or None for the published tables.
    """
    return published if known_at is None else as_known(replace(settings, known_at=known_at))
