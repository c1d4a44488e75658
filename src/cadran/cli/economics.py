"""The verb of unit economics: what customers are worth and what they cost, each figure with its bounds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - click reads the annotations
from typing import TYPE_CHECKING

import click

from cadran.cli.options import DAY, folder_option, opened, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.table import Table

    from cadran.cli.options import Output
    from cadran.insights.economics import Bounded, Cohort, Economics
    from cadran.workspace import Workspace

FIELDS = ("start", "end", "n", "cac", "paid_back_after", "brought")
#: Ages at which the table tells what a cohort has brought.
TOLD = (3, 6, 12, 18, 24)


@click.command()
@click.option("--where", multiple=True, metavar="EXPR", help="Keep the customers that fulfil this; may be repeated.")
@click.option("--as-of", type=DAY, metavar="DATE", help="As it was known then.")
@folder_option
@output_options
def economics(project: Path, output: Output, where: Sequence[str], as_of: datetime | None) -> None:
    """Tell what customers are worth and cost: stay, lifetime value, acquisition cost, payback by cohort."""
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table
    from cadran.engine.customers import CustomerQuery

    workspace = opened(project, output)
    found = workspace.view().economics(CustomerQuery(tuple(where), as_of.date() if as_of else None))
    if output.form == "json":
        show_records([asdict(found)], output.form, ())
    elif output.form == "csv":
        show_records([asdict(cohort) for cohort in found.cohorts], output.form, FIELDS)
    else:
        show_table(_figures(found, output.language))
        show_table(_cohorts(found, workspace, output.language))
    _tell(found, output)


def _figures(found: Economics, language: str) -> Table:
    from cadran.cli.tables import table_of
    from cadran.i18n import say

    table = table_of(("", "Value", "95 % interval"), language, texts=1)
    for stay in found.stays:
        name = say("Still there after {n} months", {"n": stay.months}, language)
        table.add_row(name, *_pair(stay.share, "rate", "", language))
    margin = "Monthly margin of a customer" if found.is_margin else "Monthly revenue of a customer"
    for template, figure, unit in (
        ("Lifetime, at most {horizon} months", found.lifetime, "months"),
        (margin, found.margin, "money"),
        ("Lifetime value", found.ltv, "money"),
        ("Cost of a customer", found.costs["cac"], "money"),
        ("Cost of a customer, one sales cycle later", found.costs["cac_lagged"], "money"),
        ("Lifetime value over cost", found.ltv_to_cac, "multiple"),
    ):
        name = say(template, {"horizon": found.horizon}, language)
        table.add_row(name, *_pair(figure, unit, found.currency, language))
    return table


def _pair(figure: Bounded, unit: str, currency: str, language: str) -> tuple[str, str]:
    from cadran.i18n import format_interval, format_value

    value = format_value(figure.value, unit, currency, language)
    if figure.low is None or figure.high is None:
        return value, ""
    return value, format_interval(figure.low, figure.high, unit, currency, language)


def _cohorts(found: Economics, workspace: Workspace, language: str) -> Table:
    from cadran.cli.tables import table_of
    from cadran.i18n import format_period, format_value, say

    ages = [age for age in TOLD if any(len(cohort.brought) >= age for cohort in found.cohorts)]
    brought_after = [say("Brought after {n} months", {"n": age}, language) for age in ages]
    heads = [say(head, {}, language) for head in ("Arrived", "Customers", "Cost of each", "Paid back after")]
    table = table_of([*heads[:3], *brought_after, heads[3]], texts=1)
    for cohort in found.cohorts:
        brought = [cohort.brought[age - 1] if len(cohort.brought) >= age else None for age in ages]
        money = [format_value(each, "money", found.currency, language) for each in (cohort.cac, *brought)]
        table.add_row(
            format_period(cohort.start, cohort.end, workspace.project.calendar, language, short=True),
            str(cohort.n),
            *money,
            _back(cohort, language),
        )
    return table


def _back(cohort: Cohort, language: str) -> str:
    """After how long a cohort has paid for itself; nothing where its cost or what it brought is not known."""
    from cadran.i18n import format_value, say

    if cohort.cac is None or not cohort.brought:
        return format_value(None, "months", "", language)
    back = cohort.paid_back_after
    return format_value(back, "months", "", language) if back else say("not yet", {}, language)


def _tell(found: Economics, output: Output) -> None:
    from cadran.i18n import say

    if found.reason:
        output.note("{reason}", reason=say(found.reason, found.params or {}, output.language))
    output.note("{n} customers, of whom {left} left.", n=found.n, left=found.n_left)
    if not found.is_margin:
        output.note("No margin is known: the lifetime value counts revenue, and is not to be set against costs.")
