"""The verbs of goals: spread one over teams, quarters and segments; see how a period paces to its target."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from cadran.cli.options import DAY, folder_option, opened, output_options
from cadran.cli.targets import targets
from cadran.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table

    from cadran.cli.options import Output
    from cadran.insights.cascade import Cascade, Need
    from cadran.view import View

PACES = {"ahead": "ahead", "on_pace": "on pace", "behind": "behind", "cannot_tell": "cannot tell"}


@targets.command(name="cascade")
@click.argument("kpi_id", metavar="ID")
@click.option("--goal", required=True, metavar="AMOUNT", help="ARR at the end of the year, or what the year brings.")
@click.option("--year", type=DAY, metavar="DATE", help="A day of the year; the next one by default.")
@click.option("--by", multiple=True, metavar="DIM", help="Split every quarter, such as by channel, segment or owner.")
@click.option("--write", is_flag=True, help="Write the targets into catalogue/.")
@folder_option
@output_options
def spread(kpi_id: str, goal: str, write: bool, project: Path, output: Output, **given: Any) -> None:
    """Spread an annual goal over the KPIs of teams, quarters and segments, by the company's own season."""
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table
    from cadran.i18n import format_value
    from cadran.jobs.goals import FIELDS, goal_records, spread_goal, write_goal

    workspace = opened(project, output)
    view = workspace.view()
    found = spread_goal(
        view, kpi_id, _amount(goal), day=given["year"].date() if given["year"] else None, by=given["by"]
    )
    if output.form == "table":
        show_table(_spread(found, view, output.language))
        for need, each in found:
            levels = [
                f"{name} {format_value(level, _unit(view, name), view.meta.currency, output.language)}"
                for name, level in need.by.items()
            ]
            if levels:
                output.note("{kpi} follows from {levels}.", kpi=need.kpi, levels=", ".join(levels))
            if not each.n_years:
                output.note("{kpi} has no whole past year: its quarters weigh the same.", kpi=need.kpi)
    else:
        show_records(goal_records(found), output.form, FIELDS)
    if write:
        output.note("Written: {file}.", file=str(write_goal(view, found)))


@targets.command()
@click.argument("kpi_id", metavar="ID")
@click.option("--grain", type=click.Choice(["month", "quarter", "year"]), default="quarter", show_default=True)
@click.option("--where", multiple=True, metavar="EXPR", help="Keep what fulfils this; may be repeated.")
@folder_option
@output_options
def pace(kpi_id: str, grain: str, where: Sequence[str], project: Path, output: Output) -> None:
    """Tell whether the running period is on the way to its target, by how past periods filled up."""
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table, table_of
    from cadran.i18n import format_interval, format_period, format_value, say
    from cadran.jobs.goals import PACE_FIELDS, pace_of_target, pace_record
    from cadran.period import parse_grain

    workspace = opened(project, output)
    view = workspace.view()
    found = pace_of_target(view, kpi_id, grain=parse_grain(grain), where=where)
    if output.form != "table":
        show_records([pace_record(kpi_id, found)], output.form, PACE_FIELDS)
        return
    unit, currency, language = view.kpi(kpi_id).unit, view.meta.currency, output.language
    table = table_of(("Period", "Target", "So far", "Due by now", "Usual range", "Straight line", "Pace"), language)
    levels = [format_value(each, unit, currency, language) for each in (found.target, found.so_far, found.due)]
    table.add_row(
        format_period(found.period.start, found.period.end, view.project.calendar, language, short=True),
        *levels,
        format_interval(found.low, found.high, unit, currency, language),
        format_value(found.straight, unit, currency, language),
        say(PACES[found.verdict], {}, language),
    )
    show_table(table)
    output.note("By how {n} past periods filled up.", n=found.n_past)


def _spread(found: Sequence[tuple[Need, Cascade]], view: View, language: str) -> Table:
    from cadran.cli.tables import table_of
    from cadran.i18n import format_period, format_value, segment_name

    table = table_of(("KPI", "Period", "Segment", "Target", "Weight"), language, texts=3)
    for need, each in found:
        kpi = view.kpi(need.kpi)
        for portion in (*each.quarters, *each.segments):
            quarter = portion.quarter
            table.add_row(
                kpi.name(language),
                format_period(quarter.start, quarter.end, view.project.calendar, language, short=True),
                " · ".join(segment_name(value, language) for _, value in portion.segment),
                format_value(portion.value, kpi.unit, view.meta.currency, language, style="exact"),
                format_value(portion.weight, "rate", view.meta.currency, language),
            )
    return table


def _unit(view: View, name: str) -> str:
    return view.kpi(name).unit if name in view.catalogue.kpis else "count"


def _amount(text: str) -> Decimal:
    try:
        found = Decimal(text.replace(" ", "").replace("_", ""))
    except InvalidOperation as error:
        raise QueryError("{text} is no amount.", hint="Write it as 1200000.", where="--goal", text=text) from error
    if found <= 0 or not found.is_finite():
        raise QueryError("{text} is no amount.", hint="Write it as 1200000.", where="--goal", text=text)
    return found
