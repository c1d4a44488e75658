"""From instants to days of a zone and back, by the zone's own rules on that day.

The only room for functions that engines spell differently: DuckDB and PostgreSQL share
``timezone(zone, timestamp)``. Timestamps are naive UTC throughout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.builtin import Builtin

if TYPE_CHECKING:
    from cadran.canonical.schema import Expr

SECONDS_IN_DAY = 86_400


#: The instant at which the clocks of that zone show this.
_instant = Builtin("timezone", ("string", "timestamp(6)"), "timestamp('UTC', 6)")
#: What the clocks of that zone show at this instant.
_wall = Builtin("timezone", ("string", "timestamp('UTC', 6)"), "timestamp(6)")


def utc_to_local(timestamp: Expr, zone: str | Expr) -> Expr:
    """What the clocks of a zone showed at a naive UTC timestamp; NULL stays NULL.

    Args:
        timestamp: Naive UTC timestamp.
        zone: IANA name, or a column of names.
    """
    return _wall(zone, _instant("UTC", timestamp))


def local_to_utc(timestamp: Expr, zone: str | Expr) -> Expr:
    """The naive UTC timestamp at which the clocks of a zone showed this; NULL stays NULL.

    A time that the clocks skipped, or showed twice, is resolved by the engine's own rule.

    Args:
        timestamp: Wall-clock time in the zone.
        zone: IANA name, or a column of names.
    """
    return _wall("UTC", _instant(zone, timestamp))


def local_day(timestamp: Expr, zone: str | Expr) -> Expr:
    """The day on which a naive UTC timestamp falls in a zone (rule G-6); NULL stays NULL."""
    return utc_to_local(timestamp, zone).date()


def days_between(start: Expr, end: Expr) -> Expr:
    """Whole days from one date to another, negative when `end` is first."""
    return end.delta(start, unit="day")


def days_elapsed(start: Expr, end: Expr) -> Expr:
    """Days, with fractions, from one instant to another, negative when `end` is first."""
    return (end.epoch_seconds() - start.epoch_seconds()).cast("float64") / SECONDS_IN_DAY
