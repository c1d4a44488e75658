"""Amounts in the base currency: decimal throughout, at the last rate known on the day.

A rate serves for `LONGEST_GAP` days after its own; an amount without a rate, or without a currency,
has no base amount: NULL, never 0 and never the unconverted figure (rule G-14). A rate that somebody
wrote down goes before one of the CRM, and that before a reference rate, as long as it serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.schema import MONEY, TYPES, Expr
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

#: Days for which a rate still serves when none newer is known: a week of holidays and its week-ends.
LONGEST_GAP = 10
#: Types of the factors of a product of money, whose digits add up to what every engine can hold: a rate has
#: twelve decimals, since one unit of a small currency is worth a hundred-thousandth of one of a large one.
WIDE, RATE = "decimal(23, 4)", "decimal(24, 12)"
#: Landed entities whose amounts are converted, which have a currency.
PRICED = ("opportunity", "subscription", "spend", "quota", "forecast_submission")
#: Systems whose rates give way: those of CRMs to rates that somebody wrote down, reference rates to both.
CRM, REFERENCE = ("hubspot", "pipedrive", "salesforce"), "ecb"


def rates(fx: ir.Table, base: str) -> ir.Table:
    """One row per foreign currency and day that has a rate into the base currency.

    Columns: fx_currency, fx_on, fx_rate (base units for one unit of the currency), quoted_on, fx_source
    (the system that gave the rate). Each quoted rate is repeated on the following days, at most
    `LONGEST_GAP`, until a newer one of its kind; a kind that gives way serves where the others are
    silent. A pair quoted the other way round is inverted; a direct quotation of the same day wins.

    Args:
        fx: Table of the ``fx_rate`` entity.
        base: Base currency.
    """
    kind = ibis.cases((fx.source_system == REFERENCE, 2), (fx.source_system.isin(CRM), 1), else_=0)
    told = fx.mutate(kind=kind, fx_source="source_system", quoted_on="day_on")
    columns = ("quoted_on", "kind", "fx_source")
    direct = told.filter(told.to_currency == base, told.from_currency != base, told.rate > 0)
    direct = direct.select(
        *columns, fx_currency="from_currency", fx_rate=direct.rate.cast(RATE), inverse=ibis.literal(0)
    )
    other = told.filter(told.from_currency == base, told.to_currency != base, told.rate > 0)
    turned = (1 / other.rate.cast("float64")).cast(RATE)
    inverted = other.select(*columns, fx_currency="to_currency", fx_rate=turned, inverse=ibis.literal(1))
    age = ibis.range(0, LONGEST_GAP + 1, 1).unnest().name("age").as_table()
    days = direct.union(inverted).cross_join(age)
    # Some engines make a timestamp of a day plus an interval: the detour makes it a day again.
    days = days.mutate(fx_on=(days.quoted_on + days.age.as_interval("D")).cast("timestamp(6)").date())
    best = ibis.row_number().over(
        group_by=[days.fx_currency, days.fx_on], order_by=[days.kind, days.age, days.inverse, days.fx_rate]
    )
    chosen = days.mutate(place=best).filter(lambda t: t.place == 0)
    return chosen.select("fx_currency", "fx_on", "fx_rate", "quoted_on", "fx_source")


def through_euro(fx: ir.Table, base: str) -> ir.Table:
    """Rates into a base other than the euro, made of rates for one euro of the same day and system.

    Args:
        fx: Every version of the ``fx_rate`` entity.
        base: Base currency.

    Returns:
        Rows as those of ``fx``: units of each currency for one of the base.
    """
    euros = fx.filter(fx.from_currency == "EUR", fx.rate > 0)
    ours = euros.filter(euros.to_currency == base)
    last = ours.group_by(base_on="day_on", base_system="source_system").agg(
        base_rate=ours.rate.argmax(ours.valid_from).cast("float64")
    )
    theirs = euros.filter(euros.to_currency != base)
    both = theirs.join(last, [theirs.day_on == last.base_on, theirs.source_system.identical_to(last.base_system)])
    made = both.mutate(
        id=both.id + f":{base}",
        from_currency=ibis.literal(base),
        rate=(both.rate.cast("float64") / both.base_rate).cast(TYPES["decimal"]),
    )
    return made.select(fx.columns)


def rated(table: ir.Table, fx: ir.Table, settings: Settings, *, day: str = "", currency: str = "currency") -> ir.Table:
    """The same rows with ``fx_rate``, base units for one unit of their currency; NULL without a rate.

    Args:
        table: Any table with a currency.
        fx: Table of the ``fx_rate`` entity.
        settings: Which currency is the base, and whether all amounts are told at the same rates.
        day: Date column whose rate counts; empty for one rate for all time, the last one known.
        currency: Column with the ISO 4217 code.
    """
    same = settings.constant
    if same and same.plan:
        planned = ((table[currency] == name, ibis.literal(rate, RATE)) for name, rate in same.plan)
        return table.mutate(fx_rate=ibis.cases(*planned, else_=ibis.null(RATE)))
    if same and same.on:
        last = ibis.literal(same.on, "date")
        fx = fx.filter(fx.day_on <= last, fx.day_on >= last - ibis.interval(days=LONGEST_GAP))
    quoted = rates(fx, settings.currency)
    if same and same.on:
        quoted = quoted.filter(quoted.fx_on == same.on).select("fx_currency", "fx_rate")
    elif not day:
        quoted = quoted.group_by("fx_currency").agg(fx_rate=quoted.fx_rate.argmax(quoted.fx_on))
    else:
        quoted = quoted.select("fx_currency", "fx_on", "fx_rate")
    on = [table[day] == quoted.fx_on] if "fx_on" in quoted.columns else []
    joined = table.left_join(quoted, [table[currency] == quoted.fx_currency, *on])
    return joined.drop(*(name for name in ("fx_currency", "fx_on") if name in quoted.columns))


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
        settings: See `rated`.
        amounts: Column to add, and the decimal(18,4) column that it converts.
        day: Date column whose rate counts.
        currency: Column with the ISO 4217 code of the amounts.

    Returns:
        Each new column is decimal(18,4); NULL where the amount, its currency or its rate is missing.
    """
    joined = rated(table, fx, settings, day=day, currency=currency)
    is_base = joined[currency] == settings.currency
    added = {
        new: ibis.ifelse(is_base, joined[old], converted(joined[old], joined.fx_rate)).cast(MONEY)
        for new, old in amounts.items()
    }
    return joined.mutate(**added).drop("fx_rate")


def converted(amount: Expr, rate: Expr) -> Expr:
    """An amount times a rate, to the hundredth of a cent.

    Both sides are widened first: engines give a product the digits of its factors, which would
    overflow for amounts of a hundred thousand.
    """
    product: Expr = amount.cast(WIDE) * rate.cast(RATE)
    return product.cast(MONEY)


def ratio(amount: Expr, by: Expr) -> Expr:
    """An amount divided by a number, to the hundredth of a cent; NULL when the number is 0.

    Engines disagree on the type of a division of decimals, so it is made in double precision, which
    is exact to more places than are kept.
    """
    quotient: Expr = amount.cast("float64") / by.cast("float64").nullif(0.0)
    return quotient.round(4).cast(MONEY)
