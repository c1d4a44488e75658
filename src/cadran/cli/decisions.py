"""The verbs of decisions: record one, list them, measure those that are due; and how they are shown."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from cadran.cli.options import DAY, folder_option, opened, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from rich.table import Table

    from cadran.cli.options import Output
    from cadran.insights.decision import Decision, Effect, TrackRecord
    from cadran.workspace import Workspace


@click.command()
@click.argument("title")
@click.option("--kpi", "kpi_id", required=True, metavar="ID", help="KPI on which the effect is measured.")
@click.option("--expect", required=True, metavar="EFFECT", help="+3pt for a rate; otherwise in its unit, such as -5.")
@click.option("--owner", required=True, help="Who answers for it.")
@click.option("--start", type=DAY, metavar="DATE", help="First day on which it holds; today by default.")
@click.option("--days", type=click.IntRange(7, 730), default=91, show_default=True, help="Length of both windows.")
@click.option("--due", type=DAY, metavar="DATE", help="Day on which it is measured; the end of the window by default.")
@click.option("--where", multiple=True, metavar="EXPR", help="Segment that it touches; may be repeated.")
@click.option("--control", multiple=True, metavar="EXPR", help="Segment that it does not touch, to compare with.")
@folder_option
@output_options
def decide(title: str, kpi_id: str, expect: str, owner: str, project: Path, output: Output, **given: Any) -> None:
    """Record a decision: what it should change, on which KPI, by when; before the outcome is known."""
    from cadran.jobs.decisions import decide as record
    from cadran.jobs.decisions import plan_of
    from cadran.period import local_day

    workspace = opened(project, output)
    view, today = workspace.view(), local_day(output.now(), workspace.project.zone)
    start, due = given["start"], given["due"]
    plan = plan_of(
        view.kpi(kpi_id),
        title,
        owner,
        expected=expect,
        start=start.date() if start else today,
        days=given["days"],
        due_on=due.date() if due else None,
        predicates=given["where"],
        control=given["control"],
    )
    decision = record(workspace.project, view, plan, now=output.now())
    _show([decision], workspace, today, output)
    if decision.is_late:
        output.note("The window was already running when this was recorded: it will say so.")


@click.command()
@click.option("--measure", "measured", is_flag=True, help="Measure those whose day has come.")
@folder_option
@output_options
def decisions(measured: bool, project: Path, output: Output) -> None:
    """List decisions with what they changed, and how well the team predicts."""
    from cadran.insights.decision import track_record
    from cadran.insights.decision_text import why
    from cadran.jobs.decisions import decisions as recorded
    from cadran.jobs.decisions import measure_due
    from cadran.period import local_day

    workspace = opened(project, output)
    today = local_day(output.now(), workspace.project.zone)
    late: dict[int, Effect | None] = {}
    if measured:
        late = {d.id: d.effect for d in measure_due(workspace.project, workspace.view(), now=output.now())}
    found = recorded(workspace.project)
    _show(found, workspace, today, output)
    for decision in found:
        if decision.effect is None and (tried := late.get(decision.id)):
            output.note("{title}: {why}", title=decision.plan.title, why=why(tried, output.language))
    _tell(track_record(found, today), output)


def _show(found: Sequence[Decision], workspace: Workspace, today: date, output: Output) -> None:
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table
    from cadran.insights.decision_record import FIELDS, decision_record

    if output.form != "table":
        show_records([decision_record(each, today, output.language) for each in found], output.form, FIELDS)
        return
    show_table(_table(found, workspace, today, output.language))


def _table(found: Sequence[Decision], workspace: Workspace, today: date, language: str) -> Table:
    from cadran.cli.tables import table_of
    from cadran.i18n import format_date, format_delta, say
    from cadran.insights.decision_text import STATUSES, told

    heads = ("No.", "Decision", "KPI", "Owner", "Window", "Expected", "Effect", "Measured on", "Status")
    table = table_of(heads, language)
    for each in found:
        plan = each.plan
        known = workspace.catalogue.kpis.get(plan.kpi)
        unit, name = (known[-1].unit, known[-1].name(language)) if known else ("", plan.kpi)
        last = plan.after.end - timedelta(days=1)
        table.add_row(
            str(each.id),
            plan.title,
            name,
            plan.owner,
            f"{format_date(plan.after.start, language)} – {format_date(last, language)}",
            format_delta(plan.expected, unit, workspace.project.currency, language),
            told(each.effect, unit, workspace.project.currency, language) if each.effect else "",
            format_date(plan.due_on, language),
            say(STATUSES[each.status(today)], {}, language),
        )
    return table


def _tell(record: TrackRecord, output: Output) -> None:
    if record.n_measured:
        output.note(
            "{n} measured: {effect} with the expected effect, {opposite} with the opposite, {none} without a "
            "detectable one; in {held}, the interval holds what was expected.",
            n=record.n_measured,
            effect=record.n_effect,
            opposite=record.n_opposite,
            none=record.n_none,
            held=record.n_held,
        )
    if record.median_ratio is not None:
        output.note("The median effect is {ratio} times what was expected.", ratio=round(record.median_ratio, 2))
    if record.n_overdue:
        output.note("{n} to measure: `cadran decisions --measure`.", n=record.n_overdue)
