"""The verb of forecasts: where bookings, or a KPI, land at the end of the running period."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from pathlib import Path  # noqa: TC003 - click reads the annotations
from typing import TYPE_CHECKING

import click

from cadran.cli.options import folder_option, opened, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.table import Table

    from cadran.cli.options import Output
    from cadran.insights.landing import Outlook
    from cadran.insights.pace import Pace
    from cadran.view import View

PARTS = ("by", "name", "booked", "expected", "value")
PACES = ("kpi", "start", "end", "until", "so_far", "value", "low", "high", "level", "n_past", "reason")
METHODS = {
    "bottom_up": "Open and coming deals, one by one",
    "past_yield": "Share of the open pipeline that was won before",
    "past_mean": "Mean of the last four periods",
}
KINDS = {"commit": "Commit", "best_case": "Best case", "pipeline": "Pipeline", "other": "Other forecast"}


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--grain", type=click.Choice(["month", "quarter"]), help="Period; a quarter, or a month for a KPI.")
@click.option("--goal", metavar="AMOUNT", help="Amount to reach: tells the chance, and the pipeline that it takes.")
@click.option("--where", multiple=True, metavar="EXPR", help="Keep what fulfils this; may be repeated.")
@click.option("--as-of", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]), help="As it was known then.")
@click.option("--as-known", is_flag=True, help="Read past days as they were known then: amounts too, and slowly.")
@folder_option
@output_options
def forecast(  # noqa: PLR0917 - one argument per option
    ids: Sequence[str],
    grain: str | None,
    goal: str | None,
    where: Sequence[str],
    as_of: datetime | None,
    as_known: bool,
    project: Path,
    output: Output,
) -> None:
    """Tell where bookings land this quarter, or each KPI named this month, with a band that was checked."""
    from cadran.engine.deals import DealQuery
    from cadran.engine.query import KpiQuery
    from cadran.period import parse_grain

    workspace = opened(project, output)
    view, day = workspace.view(), as_of.date() if as_of else None
    if ids:
        query = KpiQuery(tuple(ids), grain=parse_grain(grain or "month"), where=tuple(where), as_of=day)
        _paces(view.paces(query), view, output)
        return
    asked = DealQuery(tuple(where), day)
    found = view.forecast(asked, grain=parse_grain(grain or "quarter"), goal=_amount(goal), as_known=as_known)
    _outlook(found, view, output)


def _amount(text: str | None) -> Decimal | None:
    from cadran.errors import QueryError

    if text is None:
        return None
    try:
        return Decimal(text.replace(" ", "").replace("_", ""))
    except InvalidOperation:
        raise QueryError(
            "{text} is no amount.", hint="Write it in figures, such as 250000.", where="--goal", text=text
        ) from None


def _outlook(found: Outlook, view: View, output: Output) -> None:
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table

    if output.form == "json":
        show_records([asdict(found)], output.form, ())
    elif output.form == "csv":
        show_records([asdict(part) for part in found.parts], output.form, PARTS)
    else:
        show_table(_figures(found, view, output.language))
        if found.parts:
            show_table(_parts(found, output.language))
    _tell(found, output)


def _figures(found: Outlook, view: View, language: str) -> Table:
    from cadran.cli.tables import table_of
    from cadran.i18n import format_interval, format_period, format_value, say

    def money(value: Decimal | None) -> str:
        return format_value(value, "money", found.currency, language)

    period = format_period(found.start, found.end, view.project.calendar, language)
    title = f"{view.kpi('bookings').name(language)} · {period}"
    table = table_of(("", ""), texts=1, title=title)
    table.show_header = False
    table.add_row(say("Booked so far", {}, language), money(found.booked))
    if found.value is not None and found.low is not None and found.high is not None:
        table.add_row(say("Expected in all", {}, language), money(found.value))
        band = format_interval(float(found.low), float(found.high), "money", found.currency, language)
        table.add_row(say("Band of {level} %", {"level": round(100 * found.level)}, language), band)
        table.add_row(say("Mean of all that may come", {}, language), money(found.mean))
        table.add_row(say("From {n} open deals", {"n": found.n_open}, language), money(found.from_open))
        table.add_row(say("From deals still to be created", {}, language), money(found.from_new))
        for name, value in found.methods.items():
            weight = format_value(found.weights[name], "rate", "", language)
            table.add_row(f"  {say(METHODS[name], {}, language)} ({weight})", money(value))
    for said in found.said:
        name = say(KINDS.get(said.forecast_type, "Other forecast"), {}, language)
        when = say({"start": "first day", "middle": "half-time"}[said.horizon], {}, language)
        table.add_row(say("Said by people: {name}, {when}", {"name": name, "when": when}, language), money(said.amount))
    return table


def _parts(found: Outlook, language: str) -> Table:
    from cadran.cli.tables import table_of
    from cadran.i18n import format_value, segment_name
    from cadran.insights.landing import BY, parts_by

    table = table_of(("", "Booked so far", "Still expected", "Expected in all"), language, texts=1)
    for by in BY:
        for part in parts_by(found.parts, by):
            cells = [
                format_value(v, "money", found.currency, language) for v in (part.booked, part.expected, part.value)
            ]
            table.add_row(segment_name(part.name, language), *cells)
        table.add_section()
    return table


def _tell(found: Outlook, output: Output) -> None:
    from cadran.i18n import format_value, say

    def share(value: float, unit: str = "rate") -> str:
        return format_value(value, unit, "", output.language)

    if found.reason:
        output.note("{reason}", reason=say(found.reason, {}, output.language))
        return
    if (goal := found.goal) is not None:
        output.note("Chance of reaching the goal: {chance}.", chance=share(goal.chance))
        if goal.coverage is not None and goal.needed_coverage is not None:
            has, needs = share(goal.coverage, "multiple"), share(goal.needed_coverage, "multiple")
            told = "Open pipeline over what is missing: {has}; at your own chances it takes {needs}."
            output.note(told, has=has, needs=needs)
    right = found.accuracy
    if right is not None and right.accuracy is not None and right.bias is not None:
        told = "The same forecast on {n} past days was {accuracy} right, with a bias of {bias}."
        output.note(told, n=right.n, accuracy=share(right.accuracy), bias=share(right.bias))
    if right is not None and right.added is not None:
        output.note("Error less than that of repeating the span before: {share}.", share=share(right.added))
    if not found.is_checked:
        output.note("Too few past forecasts to check the band: it rests on the model alone.")


def _paces(found: Sequence[Pace], view: View, output: Output) -> None:
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table, table_of
    from cadran.i18n import format_interval, format_period, format_value, say

    for each in found:
        if each.reason:
            output.note("{reason}", reason=say(each.reason, each.params, output.language))
    if output.form != "table":
        show_records([asdict(each) for each in found], output.form, PACES)
        return
    heads = ("KPI", "Period", "So far", "Expected in all", "Band of 80 %")
    table = table_of(heads, output.language, texts=2)
    for each in found:
        kpi, currency = view.kpi(each.kpi), view.meta.currency
        band = ""
        if each.low is not None and each.high is not None:
            band = format_interval(each.low, each.high, kpi.unit, currency, output.language)
        values = [format_value(value, kpi.unit, currency, output.language) for value in (each.so_far, each.value)]
        period = format_period(each.start, each.end, view.project.calendar, output.language, short=True)
        table.add_row(kpi.name(output.language), period, *values, band)
    show_table(table)
