"""The verbs of targets: lock them for a campaign, list the locks."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from cadran.cli.options import folder_option, output_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from cadran.catalogue.definition import Catalogue
    from cadran.cli.options import Output

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def targets() -> None:
    """Agree on targets before a campaign starts."""


@targets.command()
@click.argument("campaign")
@click.option("--kpi", "names", multiple=True, required=True, metavar="ID", help="KPI; may be repeated.")
@click.option("--start", type=_DAY, required=True, metavar="DATE", help="First day of the campaign.")
@click.option("--end", type=_DAY, required=True, metavar="DATE", help="First day after it.")
@folder_option
@output_options
def lock(campaign: str, names: Sequence[str], start: datetime, end: datetime, project: Path, output: Output) -> None:
    """Lock the targets of KPIs for a campaign: its periods are judged by them, whatever is edited later."""
    from cadran.catalogue.load import load_catalogue
    from cadran.config import load_project
    from cadran.jobs.targets import lock_records, lock_targets
    from cadran.period import Period

    settings = load_project(project)
    output.prefer(settings.languages)
    catalogue, _ = load_catalogue(settings.catalogue)
    lock_targets(settings, catalogue, campaign, names, Period(start.date(), end.date()), now=output.now())
    _show([row for row in lock_records(settings, catalogue) if row["campaign"] == campaign], catalogue, output)


@targets.command()
@folder_option
@output_options
def locks(project: Path, output: Output) -> None:
    """List locked targets, and which were edited since."""
    from cadran.catalogue.load import load_catalogue
    from cadran.config import load_project
    from cadran.jobs.targets import lock_records

    settings = load_project(project)
    output.prefer(settings.languages)
    catalogue, _ = load_catalogue(settings.catalogue)
    _show(lock_records(settings, catalogue), catalogue, output)


def _show(records: Sequence[Mapping[str, Any]], catalogue: Catalogue, output: Output) -> None:
    from cadran.cli.show import show_records, show_table
    from cadran.i18n import format_date, say
    from cadran.jobs.targets import FIELDS

    if output.form != "table":
        show_records(records, output.form, FIELDS)
        return
    language = output.language
    table = Table(box=None, pad_edge=False)
    for head in ("Campaign", "KPI", "From", "To", "Locked on", "Locked target", "Target now", "Status"):
        table.add_column(say(head, {}, language), overflow="fold")
    for row in records:
        days = [format_date(date.fromisoformat(row[name]), language) for name in ("start", "end", "locked_on")]
        name = catalogue.kpis[row["kpi"]][-1].name(language) if row["kpi"] in catalogue.kpis else row["kpi"]
        status = say("edited since", {}, language) if row["is_edited"] else say("as agreed", {}, language)
        table.add_row(row["campaign"], name, *days, _levels(row["locked"]), _levels(row["now"]), status)
    show_table(table)


def _levels(rows: Sequence[Mapping[str, Any]]) -> str:
    """Levels as the definition writes them, each with its segment."""
    told = []
    for row in rows:
        level = "–".join(edge for edge in (row["value"], row["high"]) if edge is not None)
        told.append(" ".join([level, *row["segment"].values()]))
    return "\n".join(told)
