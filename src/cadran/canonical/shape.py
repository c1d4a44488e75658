"""Small shapes that derivations share: money, bounds that ignore what is missing, exact columns."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cadran import period
from cadran.canonical.days import local_day
from cadran.canonical.entities import day_of, published_columns
from cadran.canonical.schema import MONEY, TYPES, Expr
from cadran.deferred import ibis

if TYPE_CHECKING:
    from datetime import date

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings


def money(value: Expr) -> Expr:
    """The amount as decimal(18,4), from a Decimal or an expression; doubles are to be rounded before."""
    return ibis.literal(value, MONEY) if isinstance(value, Decimal) else value.cast(MONEY)


def pick(condition: Expr, yes: Expr, no: Expr) -> Expr:
    """One value where the condition is true, another where it is false or NULL."""
    return ibis.ifelse(condition, yes, no)


def earliest(one: Expr, other: Expr) -> Expr:
    """The earlier of two, or the one that is known; engines differ on LEAST with NULL."""
    return ibis.least(one.coalesce(other), other.coalesce(one))


def latest(one: Expr, other: Expr) -> Expr:
    """The later of two, or the one that is known; engines differ on GREATEST with NULL."""
    return ibis.greatest(one.coalesce(other), other.coalesce(one))


def running(by: str | list[str], order: str | list[str]) -> Expr:
    """The window from the first row of a series up to this one."""
    return window(by, order, following=0)


def window(
    by: str | list[str], order: str | list[str] | None = None, *, preceding: Expr = None, following: Expr = None
) -> Expr:
    """The window of rows of a series around this one; the whole series, in no order, by default."""
    return ibis.window(  # type: ignore[no-untyped-call]
        group_by=by, order_by=order, preceding=preceding, following=following
    )


def stacked(first: ir.Table, *others: ir.Table) -> ir.Table:
    """The rows of all of them, with the column types of the first."""
    types = first.schema()
    return ibis.union(first, *(o.select(**{n: o[n].cast(kind) for n, kind in types.items()}) for o in others))


def known_day(settings: Settings) -> date:
    """The last day of the company's zone of which something is known.

    What is known up to midnight includes the day that ends then, and nothing of the next.
    """
    return period.local_day(settings.known_at - timedelta(microseconds=1), ZoneInfo(settings.zone))


def open_day(settings: Settings) -> date:
    """The first day of the company's zone that is not wholly known, to the minute."""
    return period.local_day(settings.known_at + timedelta(minutes=1), ZoneInfo(settings.zone))


def publish(table: ir.Table, name: str, settings: Settings) -> ir.Table:
    """The table with exactly the published columns of its entity, in order and of their types.

    A day that the table does not have is cut from its instant in the company's zone; any other
    column that it does not have is NULL.
    """
    columns = {}
    wanted = published_columns(name)
    instants = {day_of(column.name): column.name for column in wanted if column.type == "timestamp"}
    for column in wanted:
        kind = TYPES[column.type]
        if column.name in table.columns:
            value = table[column.name]
            columns[column.name] = value if str(value.type()) == kind else value.cast(kind)
        elif instants.get(column.name) in table.columns:
            columns[column.name] = local_day(table[instants[column.name]], settings.zone)
        else:
            columns[column.name] = ibis.null(kind)
    return table.select(**columns)
