"""Months as numbers, ``year × 12 + month - 1``, so that a year before is twelve less on every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.schema import TYPES, Expr
from cadran.canonical.shape import known_day, open_day
from cadran.deferred import ibis
from cadran.period import MONTHS_IN_YEAR

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings


def month_of(day: Expr) -> Expr:
    """The number of the month in which the day lies."""
    return (day.year() * MONTHS_IN_YEAR + day.month() - 1).cast("int64")


def known_month(settings: Settings) -> Expr:
    """The number of the month of the last known day."""
    return month_of(ibis.literal(known_day(settings), "date"))


def open_month(settings: Settings) -> Expr:
    """The number of the first month that is not wholly known."""
    return month_of(ibis.literal(open_day(settings), "date"))


def month_end(month: Expr, settings: Settings) -> Expr:
    """The last day of the month of that number; the last known day in the running month."""
    following = month + 1
    year = (following // MONTHS_IN_YEAR).cast("int32")
    month_of_year = (following % MONTHS_IN_YEAR + 1).cast("int32")
    first: Expr = ibis.date(year, month_of_year, 1)
    last = (first - ibis.interval(days=1)).cast(TYPES["date"])
    return ibis.least(last, ibis.literal(known_day(settings), "date"))


def spine(monthly: ir.Table, keys: list[str], settings: Settings) -> ir.Table:
    """The same rows, and one for every later month up to the known one, with NULL where nothing moved.

    Args:
        monthly: Rows with `keys`, ``month`` and ``account_id``, one per key and month.
        keys: Columns that name a series.
        settings: See `Settings`.
    """
    starts = monthly.group_by(keys).agg(first=monthly.month.min(), account_of=monthly.account_id.max())
    grid = starts.mutate(month=ibis.range(starts["first"], known_month(settings) + 1, 1).unnest())
    found = grid.left_join(monthly, [*keys, "month"], rname="{name}_moved")
    extra = [f"{name}_moved" for name in [*keys, "month"] if f"{name}_moved" in found.columns]
    return found.mutate(account_id=found.account_of).drop("first", "account_of", *extra)
