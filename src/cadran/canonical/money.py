"""Amounts in the base currency: decimal throughout, at the last rate known on the day.

A rate serves for `LONGEST_GAP` days after its own; an amount without a rate, or without a currency,
has no base amount: NULL, never 0 and never the unconverted figure (rule G-14).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from cadran.canonical.schema import MONEY, TYPES, Expr

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

#: Days for which a rate still serves when none newer is known: a week of holidays and its week-ends.
LONGEST_GAP = 10
#: Type of both factors of a product of money, whose digits add up to what every engine can hold.
WIDE = "decimal(27, 9)"


def rates(fx: ir.Table, base: str) -> ir.Table:
    """One row per foreign currency and day that has a rate into the base currency.

    Columns: fx_currency, fx_on, fx_rate (decimal(18,9), base units for one unit of the currency).
    Each quoted rate is repeated on the following days until a newer one, at most `LONGEST_GAP`.
    A pair quoted the other way round is inverted; a direct quotation of the same day wins.

    Args:
        fx: Table of the ``fx_rate`` entity.
        base: Base currency.
    """
    direct = fx.filter(fx.to_currency == base, fx.from_currency != base, fx.rate > 0).select(
        fx_currency="from_currency", quoted_on="day_on", fx_rate=fx.rate.cast(TYPES["decimal"]), inverse=ibis.literal(0)
    )
    other = fx.filter(fx.from_currency == base, fx.to_currency != base, fx.rate > 0)
    turned = (1 / other.rate.cast("float64")).cast(TYPES["decimal"])
    inverted = other.select(fx_currency="to_currency", quoted_on="day_on", fx_rate=turned, inverse=ibis.literal(1))
    age = ibis.range(0, LONGEST_GAP + 1, 1).unnest().name("age").as_table()
    days = direct.union(inverted).cross_join(age)
    # Some engines make a timestamp of a day plus an interval: the detour makes it a day again.
    days = days.mutate(fx_on=(days.quoted_on + days.age.as_interval("D")).cast("timestamp(6)").date())
    best = ibis.row_number().over(
        group_by=[days.fx_currency, days.fx_on], order_by=[days.age, days.inverse, days.fx_rate]
    )
    return days.mutate(place=best).filter(lambda t: t.place == 0).select("fx_currency", "fx_on", "fx_rate")


def with_base(
    table: ir.Table,
    fx: ir.Table,
    settings: Settings,
    *,
    amounts: Mapping[str, str],
    day: str,
    currency: str = "currency",
) -> ir.Table:
    """The table with amounts in the base currency added; the same rows.

    Args:
        table: Any table with a currency, a day and amounts.
        fx: Table of the ``fx_rate`` entity.
        settings: Which currency is the base.
        amounts: Column to add, and the decimal(18,4) column that it converts.
        day: Date column whose rate counts.
        currency: Column with the ISO 4217 code of the amounts.

    Returns:
        Each new column is decimal(18,4); NULL where the amount, its currency or its rate is missing.
    """
    quoted = rates(fx, settings.currency)
    joined = table.left_join(quoted, [table[currency] == quoted.fx_currency, table[day] == quoted.fx_on])
    is_base = joined[currency] == settings.currency
    added = {
        new: ibis.ifelse(is_base, joined[old], converted(joined[old], joined.fx_rate)).cast(MONEY)
        for new, old in amounts.items()
    }
    return joined.mutate(**added).drop("fx_currency", "fx_on", "fx_rate")


def converted(amount: Expr, rate: Expr) -> Expr:
    """An amount times a rate, to the hundredth of a cent.

    Both sides are widened first: engines give a product the digits of its factors, which would
    overflow for amounts of a hundred thousand.
    """
    product: Expr = amount.cast(WIDE) * rate.cast(WIDE)
    return product.cast(MONEY)


def ratio(amount: Expr, by: Expr) -> Expr:
    """An amount divided by a number, to the hundredth of a cent; NULL when the number is 0.

    Engines disagree on the type of a division of decimals, so it is made in double precision, which
    is exact to more places than are kept.
    """
    quotient: Expr = amount.cast("float64") / by.cast("float64").nullif(0.0)
    return quotient.round(4).cast(MONEY)
