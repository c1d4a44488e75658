"""The verbs of targets: propose some, lock them for a campaign, list the locks."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from cadran.cli.options import DAY, folder_option, opened, output_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from cadran.catalogue.definition import Catalogue
    from cadran.cli.options import Output
    from cadran.insights.suggest import Suggestion
    from cadran.workspace import Workspace

#: How each method came to its levels.
REASONS = {
    "level": "Of the last {n} periods, half did better than the likely level and one in four than the ambitious one; "
    "the newest was {base}.",
    "growth": "{base} a year before, times the growth over a year of the last {n} periods: its median, and what one in "
    "four exceeded.",
}


@click.group()
def targets() -> None:
    """Propose targets, and agree on them before a campaign starts."""


@targets.command()
@click.argument("kpi_id", metavar="ID")
@click.option("--by", multiple=True, metavar="DIM", help="One for each segment, such as channel or owner.")
@click.option("--grain", type=click.Choice(["month", "quarter", "year"]), default="quarter", show_default=True)
@folder_option
@output_options
def suggest(kpi_id: str, by: Sequence[str], grain: str, project: Path, output: Output) -> None:
    """Propose realistic levels for the running period, from the past and from benchmarks, with the reasoning."""
    from cadran.cli.show import show_records
    from cadran.jobs.targets import SUGGESTION_FIELDS, suggest_targets, suggestion_record
    from cadran.period import parse_grain

    workspace = opened(project, output)
    found = suggest_targets(workspace.view(), kpi_id, by=by, grain=parse_grain(grain))
    if output.form == "table":
        _propose(found, workspace, output)
    else:
        records = [suggestion_record(each, output.language) for each in found]
        show_records(records, output.form, SUGGESTION_FIELDS)


@targets.command()
@click.argument("campaign")
@click.option("--kpi", "names", multiple=True, required=True, metavar="ID", help="KPI; may be repeated.")
@click.option("--start", type=DAY, required=True, metavar="DATE", help="First day of the campaign.")
@click.option("--end", type=DAY, required=True, metavar="DATE", help="First day after it.")
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


def _propose(found: Sequence[Suggestion], workspace: Workspace, output: Output) -> None:
    from cadran.catalogue.words import benchmark_text
    from cadran.cli.tables import show_table, table_of
    from cadran.i18n import format_period, format_value, segment_name

    language, currency = output.language, workspace.project.currency
    table = table_of(("Period", "Segment", "Likely", "Ambitious", "Best seen", "Others reach", "Reasoning"), language)
    for each in found:
        unit, benchmark = each.kpi.unit, each.benchmark
        others = benchmark_text(each.kpi, benchmark, currency, language) if benchmark else ""
        table.add_row(
            format_period(each.period.start, each.period.end, workspace.project.calendar, language, short=True),
            " · ".join(segment_name(value, language) for value in each.segment.values()),
            *(format_value(level, unit, currency, language) for level in (each.likely, each.ambitious, each.best)),
            others,
            _reasoning(each, currency, language),
        )
    show_table(table)


def _reasoning(found: Suggestion, currency: str, language: str) -> str:
    from cadran.i18n import format_value, say

    if found.method == "none":
        return say(found.reason, found.params or {}, language)
    base = format_value(found.base, found.kpi.unit, currency, language)
    template = REASONS[found.method]
    told = [say(template, {"n": found.n_past, "base": base}, language)]
    if found.is_within_noise:
        told.append(say("One period cannot tell the two levels apart.", {}, language))
    return " ".join(told)


def _show(records: Sequence[Mapping[str, Any]], catalogue: Catalogue, output: Output) -> None:
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table, table_of
    from cadran.i18n import format_date, say
    from cadran.jobs.targets import FIELDS

    if output.form != "table":
        show_records(records, output.form, FIELDS)
        return
    language = output.language
    table = table_of(("Campaign", "KPI", "From", "To", "Locked on", "Locked target", "Target now", "Status"), language)
    for row in records:
        days = [format_date(date.fromisoformat(row[name]), language) for name in ("start", "end", "locked_on")]
        status = say("edited since", {}, language) if row["is_edited"] else say("as agreed", {}, language)
        table.add_row(
            row["campaign"],
            catalogue.title(row["kpi"], language),
            *days,
            _levels(row["locked"]),
            _levels(row["now"]),
            status,
        )
    show_table(table)


def _levels(rows: Sequence[Mapping[str, Any]]) -> str:
    """Levels as the definition writes them, each with its segment."""
    told = []
    for row in rows:
        level = "–".join(edge for edge in (row["value"], row["high"]) if edge is not None)
        told.append(" ".join([level, *row["segment"].values()]))
    return "\n".join(told)
