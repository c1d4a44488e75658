"""Exchange rates of a build: those that landed, and reference rates where no other serves."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cadran.canonical import ecb
from cadran.canonical.entities import ENTITIES
from cadran.canonical.money import LONGEST_GAP, PRICED, rates, through_euro
from cadran.canonical.schema import schema_of
from cadran.canonical.settings import money_settings, settings_of
from cadran.canonical.shape import known_day
from cadran.deferred import ibis
from cadran.errors import Issue
from cadran.store.shelf import shelf_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import ibis.expr.types as ir

    from cadran.config import Project

    #: Reads a statement.
    Rows = Callable[[ir.Table], pa.Table]

#: Name of the table that is made of reference rates.
TABLE = "_reference_rates"
INSTANTS = ("date", "timestamp")
#: Instants of a row that say when it was known, not when something happened.
KNOWN = ("valid_from", "first_seen_at", "last_seen_at")


def rates_of(every: Mapping[str, ir.Table], project: Project) -> ir.Table:
    """The landed rates; through the euro too where the base is another currency.

    Args:
        every: Landed tables, with every version.
        project: Settings of the company.
    """
    fx = every["fx_rate"]
    return fx if project.currency == ecb.EURO else fx.union(through_euro(fx, project.currency))


def reference_rates(
    every: Mapping[str, ir.Table], project: Project, known_at: datetime, rows: Rows
) -> tuple[pa.Table | None, list[Issue]]:
    """The reference rates that the amounts of a build need, as rows of ``fx_rate``, and what is to be told of them.

    Args:
        every: Landed tables, with every version; ``fx_rate`` as `rates_of` gives it.
        project: Settings of the company.
        known_at: Naive UTC instant up to which the tables are known.
        rows: Reads a statement.

    Returns:
        None where no amount is in another currency that the ECB quotes, or the project wants no reference rates.
    """
    if not money_settings(project).reference_rates:
        return None, []
    used = {row["currency"]: row["first"] for row in rows(_used(every)).to_pylist()}
    foreign = {name: day for name, day in used.items() if name and day and name != project.currency}
    until = known_at.date()
    first = min((day for day in foreign.values() if day <= until), default=None)
    if first is None:
        return None, []
    covered = _covered(every["fx_rate"], project.currency, rows)
    found = ecb.reference(project.currency, sorted(foreign), first, until, covered)
    if not found:
        return None, []
    schema = schema_of("fx_rate").to_pyarrow()
    return pa.Table.from_pylist(found, schema=schema), [_told(found, project.currency, until)]


def rates_on(project: Project, day: date | None) -> list[dict[str, Any]]:
    """The rates of the newest snapshot on a day, by currency: ``rate`` is base units for one unit of it.

    Args:
        project: Settings of the company.
        day: The day, or None for the last known one.

    Raises:
        StoreError: There is no snapshot yet.
    """
    snapshot = shelf_of(project).open()
    try:
        on = day or known_day(settings_of(project, snapshot.meta.known_at))
        quoted = rates(ibis.table(schema_of("fx_rate"), name="fx_rate"), snapshot.meta.currency)
        found = quoted.filter(quoted.fx_on == on).order_by("fx_currency")
        rows = snapshot.execute(snapshot.sql(found)).to_pylist()
    finally:
        snapshot.close()
    return [
        {
            "currency": row["fx_currency"],
            "rate": row["fx_rate"],
            "day": on,
            "quoted_on": row["quoted_on"],
            "age_days": (on - row["quoted_on"]).days,
            "source": row["fx_source"],
        }
        for row in rows
    ]


def _used(every: Mapping[str, ir.Table]) -> ir.Table:
    """One row per currency of amounts, with the first day of the rows that have it."""
    parts = []
    for name in PRICED:
        table = every[name]
        dated = [
            c.name
            for c in ENTITIES[name].all_columns
            if c.type in INSTANTS and c.name in table.columns and c.name not in KNOWN
        ]
        first = ibis.least(*(table[column].cast("date").coalesce(date.max) for column in dated))
        parts.append(table.select("currency", first=first))
    both = ibis.union(*parts)
    return both.group_by("currency").agg(first=both["first"].min().nullif(date.max))


def _covered(fx: ir.Table, base: str, rows: Rows) -> dict[str, set[date]]:
    """Days on which a rate of each currency into the base is quoted, by currency."""
    pair = fx.filter(((fx.to_currency == base) | (fx.from_currency == base)) & (fx.rate > 0))
    other = ibis.ifelse(pair.to_currency == base, pair.from_currency, pair.to_currency)
    found: dict[str, set[date]] = {}
    for row in rows(pair.select("day_on", currency=other).distinct()).to_pylist():
        found.setdefault(row["currency"], set()).add(row["day_on"])
    return found


def _told(found: list[dict[str, Any]], base: str, until: date) -> Issue:
    """What is to be known of the reference rates that are used."""
    currencies = sorted({name for row in found for name in (row["from_currency"], row["to_currency"])} - {base})
    last = max(row["day_on"] for row in found)
    params: dict[str, object] = {"currencies": ", ".join(currencies), "day": last, "gap": LONGEST_GAP}
    if (until - ecb.newest()).days > LONGEST_GAP:
        return Issue(
            "old_reference_rates",
            "warning",
            "Amounts in {currencies} are converted at the ECB's rates, which end on {day}: from {gap} days after, "
            "they have no rate and are left out.",
            entity="fx_rate",
            hint="Put the ECB's newer file, eurofxref-hist.csv, in exports/, or load rates of your own.",
            params=params,
        )
    return Issue(
        "reference_rates",
        "info",
        "Amounts in {currencies} are converted at the ECB's rates where no other is known; the newest is of {day}.",
        entity="fx_rate",
        hint="`cadran rates` lists every rate with its source and age.",
        params=params,
    )
