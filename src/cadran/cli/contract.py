"""The verbs of contracts over time: propose a change, see what it does, approve or refuse it, read the history."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cadran.cli.options import folder_option, opened, output_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rich.table import Table

    from cadran.cli.options import Output
    from cadran.period import Calendar

_DAY = click.DateTime(["%Y-%m-%d"])
STATUSES = {"proposed": "proposed", "approved": "approved", "refused": "refused"}
KINDS = {"entered": "comes in", "left": "goes out", "changed": "weighs differently"}
_number = click.argument("number", type=int)
_owner = click.option("--by", "owner", required=True, metavar="OWNER", help="Owner of the KPI, who decides.")


@click.group()
def contract() -> None:
    """Change the contract of a KPI: proposed, shown, approved by its owner, dated."""


@contract.command()
@click.argument("kpi_id", metavar="ID")
@click.option("--version", required=True, help="Name of the new version, such as 2.0.")
@click.option("--from", "start", type=_DAY, required=True, metavar="DATE", help="First day on which it counts.")
@click.option("--reason", required=True, help="Why the definition changes.")
@click.option("--change", type=click.Path(path_type=Path, dir_okay=False), help="YAML file of the keys that change.")
@click.option("--restate", is_flag=True, help="Tell periods from that day anew, though they were told already.")
@folder_option
@output_options
def propose(kpi_id: str, start: datetime, change: Path | None, project: Path, output: Output, **given: Any) -> None:
    """Propose a change, and show both versions side by side with the rows in and out."""
    from cadran.jobs.contracts import change_keys
    from cadran.jobs.contracts import propose as record

    workspace = opened(project, output)
    row = record(
        workspace.project,
        workspace.view(),
        kpi_id,
        change_keys(change) if change else {},
        version=given["version"],
        start=start.date(),
        reason=given["reason"],
        now=output.now(),
        restates=given["restate"],
    )
    _show_diff(row, row["shown"], workspace.project.calendar, output)
    output.note("Change {number} waits for {owner}.", number=row["id"], owner=workspace.view().kpi(kpi_id).owner)


@contract.command()
@_number
@click.option("--from", "start", type=_DAY, metavar="DATE", help="First day; the last whole periods by default.")
@click.option("--to", "end", type=_DAY, metavar="DATE", help="First day after.")
@folder_option
@output_options
def diff(number: int, start: datetime | None, end: datetime | None, project: Path, output: Output) -> None:
    """Show what a change does to the figures as they are now."""
    from cadran.insights.redefinition import redefinition_record
    from cadran.jobs.contracts import recompute

    workspace = opened(project, output)
    days = {name: day.date() if day else None for name, day in (("start", start), ("end", end))}
    row, found = recompute(workspace.project, workspace.view(), number, **days)
    shown = {**redefinition_record(found), "keys": row["shown"]["keys"]}
    _show_diff(row, shown, workspace.project.calendar, output)


@contract.command()
@_number
@_owner
@folder_option
@output_options
def approve(number: int, owner: str, project: Path, output: Output) -> None:
    """Bring a change in force, as the owner of its KPI."""
    from cadran.config import load_project
    from cadran.i18n import format_date
    from cadran.jobs.contracts import approve as decide

    settings = load_project(project)
    output.prefer(settings.languages)
    row = decide(settings, number, owner=owner, now=output.now())
    day = format_date(row["effective_from"], output.language)
    output.note("{kpi} {version} counts from {day}.", kpi=row["kpi"], version=row["version"], day=day)


@contract.command()
@_number
@_owner
@click.option("--reason", required=True, help="Why not.")
@folder_option
@output_options
def refuse(number: int, owner: str, reason: str, project: Path, output: Output) -> None:
    """Refuse a change, as the owner of its KPI."""
    from cadran.config import load_project
    from cadran.jobs.contracts import refuse as decide

    settings = load_project(project)
    output.prefer(settings.languages)
    decide(settings, number, owner=owner, reason=reason, now=output.now())
    output.note("Change {number} is refused.", number=number)


@contract.command()
@click.argument("kpi_id", metavar="[ID]", default="")
@folder_option
@output_options
def history(kpi_id: str, project: Path, output: Output) -> None:
    """List the changes of contracts: what, from when, why, and who decided."""
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table
    from cadran.config import load_project
    from cadran.jobs.contracts import FIELDS, change_record
    from cadran.jobs.contracts import history as listed

    settings = load_project(project)
    output.prefer(settings.languages)
    records = [change_record(row) for row in listed(settings, kpi_id)]
    if output.form == "table":
        show_table(_history(records, output.language))
    else:
        show_records(records, output.form, FIELDS)


def _history(records: Sequence[Mapping[str, Any]], language: str) -> Table:
    from cadran.cli.tables import table_of
    from cadran.i18n import format_date, say

    table = table_of(
        ("No.", "KPI", "Version", "From", "Restates until", "Why", "Rows in", "Rows out", "Status"), language
    )
    for row in records:
        first, until = (date.fromisoformat(row[n]) if row[n] else None for n in ("effective_from", "restated_until"))
        told = [say(STATUSES[row["status"]], {}, language), row["decided_by"] or "", row["answer"] or ""]
        table.add_row(
            str(row["change"]),
            row["kpi"],
            f"{row['base']} → {row['version']}",
            format_date(first, language) if first else "",
            format_date(until, language) if until else "",
            row["reason"],
            str(row["n_in"]),
            str(row["n_out"]),
            " · ".join(part for part in told if part),
        )
    return table


def _show_diff(row: Mapping[str, Any], shown: Mapping[str, Any], calendar: Calendar, output: Output) -> None:
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table
    from cadran.jobs.contracts import change_record

    if output.form != "table":
        records = [{**change_record(row), **shown}] if output.form == "json" else shown["rows"]
        show_records(records, output.form, tuple(records[0]) if records else ())
        return
    if shown["keys"]:
        show_table(_keys(shown["keys"], output.language))
    show_table(_figures(row, shown, calendar, output.language))
    if shown["rows"]:
        show_table(_rows(shown["rows"], output.language))
    output.note(
        "Rows in: {n_in}, out: {n_out}, of another weight: {n_changed}.",
        **{name: shown[name] for name in ("n_in", "n_out", "n_changed")},
    )
    if shown["reason"]:
        output.note(shown["reason"])


def _keys(keys: Sequence[Sequence[str]], language: str) -> Table:
    from cadran.cli.tables import table_of

    table = table_of(("Contract", "As it is", "As proposed"), language)
    for key, old, new in keys:
        table.add_row(key, old, new)
    return table


def _figures(row: Mapping[str, Any], shown: Mapping[str, Any], calendar: Calendar, language: str) -> Table:
    from cadran.cli.tables import table_of
    from cadran.i18n import format_delta, format_period, format_value, say, segment_name

    table = table_of(("Period", "Segment"), language)
    for head in (row["base"], row["version"]):
        table.add_column(say("version {version}", {"version": head}, language), justify="right")
    table.add_column(say("Change", {}, language), justify="right")
    for pair in shown["figures"]:
        start, end = (date.fromisoformat(pair[name]) for name in ("period_start", "period_end"))
        values = [value_of(pair[side]) for side in ("old", "new")]
        delta = None if None in values else values[1] - values[0]  # type: ignore[operator]
        table.add_row(
            format_period(start, end, calendar, language, short=True),
            " · ".join(segment_name(value, language) for value in pair["segment"].values()),
            *(format_value(value, shown["unit"], shown["currency"], language) for value in values),
            "" if delta is None else format_delta(delta, shown["unit"], shown["currency"], language),
        )
    return table


def value_of(side: Mapping[str, Any] | None) -> Decimal | None:
    """The value of one side of a pair, as it was kept."""
    return None if side is None or side["value"] is None else Decimal(str(side["value"]))


def _rows(rows: Sequence[Mapping[str, Any]], language: str) -> Table:
    from cadran.cli.tables import table_of
    from cadran.i18n import format_date, say

    table = table_of(("Period", "Part", "Row", "What happens", "Before", "After"), language)
    for row in rows:
        table.add_row(
            format_date(date.fromisoformat(row["period_start"]), language),
            row["part"],
            f"{row['entity']} {row['id']}",
            say(KINDS[row["change"]], {}, language),
            *("" if row[side] is None else str(row[side]) for side in ("old", "new")),
        )
    return table
