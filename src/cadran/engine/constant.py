"""Constant currency: every amount at the rates of one day, or of the plan, so that currencies move nothing.

The tables are derived again with these rates, as they are for a question about a past day, so that every KPI
follows, balances and movements included. What cannot be told so is refused: an amount without a rate would be
left out of a sum without a word.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from cadran.canonical.money import PRICED, rates
from cadran.canonical.schema import schema_of
from cadran.canonical.settings import Constant, money_settings
from cadran.canonical.shape import known_day
from cadran.deferred import ibis
from cadran.engine.tables import published
from cadran.errors import Issue, QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cadran.canonical.settings import Settings
    from cadran.config import Project
    from cadran.engine.query import KpiQuery
    from cadran.store.warehouse import Warehouse

#: What asks for the rates of the plan rather than those of a day.
PLAN = "plan"
OPTION = "--constant-currency"


def constant_of(said: str, project: Project, settings: Settings, warehouse: Warehouse) -> Constant:
    """The rates that a person asks for.

    Args:
        said: A day such as 2026-01-01, or ``plan``.
        project: Settings of the company.
        settings: Settings of the derivations.
        warehouse: Snapshot that holds the data.

    Raises:
        QueryError: It is neither; the day has not come; or a currency of the data has no rate then.
    """
    used = _currencies(warehouse, settings.currency)
    if said == PLAN:
        found = Constant(plan=money_settings(project).plan_rates)
        _refuse_missing(used, {name for name, _ in found.plan}, said, "Add it to plan_rates of [money] in cadran.toml.")
        return found
    try:
        on = date.fromisoformat(said)
    except ValueError as error:
        raise QueryError(
            "{text} is not a day.", hint="Write it as 2026-03-31, or plan.", where=OPTION, text=said
        ) from error
    if on > known_day(settings):
        raise QueryError(
            "{day} has not come: its rates are not known.", hint="Give an earlier day.", where=OPTION, day=said
        )
    fx = ibis.table(schema_of("fx_rate"), name="fx_rate")
    quoted = rates(fx, settings.currency).filter(lambda t: t.fx_on == on).select("fx_currency")
    have = warehouse.execute(warehouse.sql(quoted)).column("fx_currency").to_pylist()
    _refuse_missing(used, set(have), said, "Give another day, or load rates of that day.")
    return Constant(on=on)


def check_known(query: KpiQuery, constant: Constant | None) -> None:
    """Refuse rates that were not known on the day as of which a question is asked.

    Raises:
        QueryError: They were not.
    """
    if constant and constant.on and query.as_of and query.as_of < constant.on:
        raise QueryError(
            "The rates of {day} were not known on {as_of}.",
            hint="Give an earlier day of rates, or a later one with --as-of.",
            where=OPTION,
            day=constant.on.isoformat(),
            as_of=query.as_of.isoformat(),
        )


def remark(constant: Constant) -> Issue:
    """What figures at constant rates say of themselves."""
    if constant.on:
        return Issue(
            "constant_currency",
            "info",
            "Constant currency: every amount is at the rates of {day}, whatever its own day.",
            params={"day": constant.on},
        )
    return Issue(
        "constant_currency",
        "info",
        "Constant currency: every amount is at the rates of the plan, whatever its own day.",
    )


def _currencies(warehouse: Warehouse, base: str) -> list[str]:
    """Foreign currencies of amounts, in order."""
    parts = [published(name).filter(lambda t: t.amount.notnull()).select("currency") for name in PRICED]
    found = warehouse.execute(warehouse.sql(ibis.union(*parts).distinct())).column("currency").to_pylist()
    return sorted(name for name in found if name and name != base)


def _refuse_missing(used: Iterable[str], have: set[str], said: str, hint: str) -> None:
    missing = [name for name in used if name not in have]
    if missing:
        raise QueryError(
            "There is no rate of {currencies} for {day}: amounts would be missing from the figures.",
            hint=hint,
            where=OPTION,
            currencies=", ".join(missing),
            day=said,
        )
