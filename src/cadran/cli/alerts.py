"""The verbs of alerts: list them, evaluate, take one, see what was sent."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - click reads it
from typing import TYPE_CHECKING, Any

import click

from cadran.cli.options import DAY, folder_option, opened, output_options

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rich.table import Table

    from cadran.cli.options import Output
    from cadran.config import Project

HEADS = ("No.", "Level", "KPI", "Segment", "What", "Since", "Value", "Against", "At stake", "Owner", "Status")
KINDS = {"threshold": "threshold", "target": "target", "usual": "usual", "anomaly": "anomaly", "missing": "no data"}


@click.group(invoke_without_command=True)
@click.option("--all", "every", is_flag=True, help="Those that are over too.")
@folder_option
@output_options
@click.pass_context
def alerts(ctx: click.Context, every: bool, project: Path, output: Output) -> None:
    """List what needs attention; evaluate, take, assign, snooze, comment, and see deliveries."""
    if ctx.invoked_subcommand:
        return
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table
    from cadran.insights.alert_record import FIELDS, alert_record
    from cadran.jobs.alerts import alerts as listed

    settings = _settings(project, output)
    found = listed(settings, every=every)
    if output.form == "table":
        show_table(_table(found, output.language))
    else:
        show_records([alert_record(row) for row in found], output.form, FIELDS)
    if not found:
        output.note("No alert lasts.")
        output.note("Alerts are evaluated by `cadran run`, or at once by `cadran alerts evaluate`.")


@alerts.command()
@folder_option
@output_options
def evaluate(project: Path, output: Output) -> None:
    """Evaluate every rule and watch on the newest data, and put what is to be told in the outbox."""
    from cadran.jobs.alerts import evaluate as run

    workspace = opened(project, output)
    found = run(workspace.project, workspace.view(), now=output.now())
    output.note("{n} signals, {raised} hold.", n=found.n_signals, raised=found.n_raised)
    for what, n in found.told.items():
        output.note("{what}: {n}.", what=_said(what, output), n=n)
    if found.skipped:
        output.note("Rules that could not be asked: {names}.", names=", ".join(found.skipped))


@alerts.command()
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why it is all right for now.")
@click.option("--until", type=DAY, required=True, metavar="DATE", help="Day on which it comes back if it lasts.")
@folder_option
@output_options
def ack(number: int, reason: str, until: datetime, project: Path, output: Output) -> None:
    """Take an alert, for a reason, until a day."""
    from cadran.jobs.alerts import acknowledge

    acknowledge(_settings(project, output), number, reason=reason, until=until.date(), now=output.now())
    output.note("Alert {number} is acknowledged until {day}.", number=number, day=_day(until, output))


@alerts.command()
@click.argument("number", type=int)
@click.option("--until", type=DAY, required=True, metavar="DATE", help="Day on which it comes back if it lasts.")
@folder_option
@output_options
def snooze(number: int, until: datetime, project: Path, output: Output) -> None:
    """Put an alert aside until a day."""
    from cadran.jobs.alerts import snooze as put_aside

    put_aside(_settings(project, output), number, until=until.date(), now=output.now())
    output.note("Alert {number} is put aside until {day}.", number=number, day=_day(until, output))


@alerts.command()
@click.argument("number", type=int)
@click.argument("to")
@folder_option
@output_options
def assign(number: int, to: str, project: Path, output: Output) -> None:
    """Give an alert to somebody."""
    from cadran.jobs.alerts import assign as give

    give(_settings(project, output), number, to=to, now=output.now())
    output.note("Alert {number} is given to {name}.", number=number, name=to)


@alerts.command()
@click.argument("number", type=int)
@click.argument("text")
@folder_option
@output_options
def comment(number: int, text: str, project: Path, output: Output) -> None:
    """Say something about an alert."""
    from cadran.jobs.alerts import comment as remark

    remark(_settings(project, output), number, text=text, now=output.now())
    output.note("Alert {number}: comment kept.", number=number)


@alerts.command()
@folder_option
@output_options
def deliver(project: Path, output: Output) -> None:
    """Send what is due."""
    from cadran.jobs.deliver import deliver as send

    found = send(_settings(project, output), clock=output.now)
    output.note(
        "{sent} sent, {later} to be tried again, {refused} refused.",
        sent=found.n_sent,
        later=found.n_later,
        refused=found.n_refused,
    )


@alerts.command()
@folder_option
@output_options
def deliveries(project: Path, output: Output) -> None:
    """List what was sent, what waits and what was refused, with the reason."""
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table, table_of
    from cadran.jobs.deliver import FIELDS, delivery_records

    found = delivery_records(_settings(project, output))
    if output.form != "table":
        show_records(found, output.form, FIELDS)
        return
    from cadran.i18n import say

    table = table_of(("No.", "Route", "Status", "Attempts", "Reason"), output.language)
    for row in found:
        status = say(row["status"], {}, output.language)
        table.add_row(str(row["message"]), row["route"], status, str(row["attempts"]), row["reason"])
    show_table(table)


def _table(found: tuple[dict[str, Any], ...], language: str) -> Table:
    from cadran.cli.tables import table_of

    table = table_of(HEADS, language)
    for row in found:
        table.add_row(*_cells(row, language))
    return table


def _cells(row: Mapping[str, Any], language: str) -> list[str]:
    from datetime import date
    from decimal import Decimal

    from cadran.i18n import format_date, format_value, say, segment_name
    from cadran.insights.alert_record import status

    kept = row["document"]
    signal, unit, currency = kept["signal"], kept["unit"], kept["currency"]
    segment = " × ".join(segment_name(value, language) for value in signal["segment"].values())
    money = None if signal["money"] is None else Decimal(signal["money"])
    is_value = signal["value"] is not None
    return [
        str(row["id"]),
        say(row["level"], {}, language),
        signal["entity"] or kept["names"].get(language, row["kpi"]),
        segment or say("Whole company", {}, language),
        say(KINDS[row["kind"]], {}, language),
        format_date(date.fromisoformat(signal["since"]), language),
        format_value(signal["value"], unit, currency, language) if is_value else "",
        format_value(signal["usual"], unit, currency, language) if is_value else "",
        format_value(money, "money", currency, language) if money is not None else "",
        row["assignee"] or row["owner"],
        say(status(row), {}, language),
    ]


def _said(what: str, output: Output) -> str:
    from cadran.i18n import say
    from cadran.notify.message import WHAT

    return say(WHAT[what], {}, output.language)


def _settings(project: Path, output: Output) -> Project:
    from cadran.config import load_project

    settings = load_project(project)
    output.prefer(settings.languages)
    return settings


def _day(day: datetime, output: Output) -> str:
    from cadran.i18n import format_date

    return format_date(day.date(), output.language)
