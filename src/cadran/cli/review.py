"""The verbs of reviews: prepare one, end its items, follow its actions."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cadran.cli.options import DAY, folder_option, opened, output_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from cadran.cli.options import Output
    from cadran.config import Project
    from cadran.workspace import Workspace


@click.command()
@click.argument("team")
@click.option("--fresh", is_flag=True, help="Prepare it anew, even if nothing was read since the last one.")
@folder_option
@output_options
def review(team: str, fresh: bool, project: Path, output: Output) -> None:
    """Prepare the review of a team: five items at most, and what comes back by itself."""
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table
    from cadran.jobs.review import ITEM_FIELDS, item_records
    from cadran.jobs.review import review as prepare

    workspace = opened(project, output)
    found = prepare(workspace.project, workspace.view(), team, now=output.now(), fresh=fresh)
    if output.form == "table":
        show_table(_table(found, workspace, output.language))
    else:
        show_records(item_records(found), output.form, ITEM_FIELDS)
    _tell(found, workspace, output)


@click.command()
@click.argument("item", type=int)
@click.option("--do", "text", default="", metavar="TEXT", help="What will be done.")
@click.option("--owner", default="", help="Who does it.")
@click.option("--due", type=DAY, metavar="DATE", help="By when.")
@click.option("--none", "reason", default=None, metavar="REASON", help="No action, for this reason.")
@folder_option
@output_options
def act(item: int, text: str, reason: str | None, project: Path, output: Output, **given: Any) -> None:
    """End an item of a review: an action with an owner and a deadline, or no action with a reason."""
    from cadran.config import load_project
    from cadran.jobs.review import act as end
    from cadran.jobs.review import leave

    settings = load_project(project)
    output.prefer(settings.languages)
    if reason is not None and not text:
        leave(settings, item, reason=reason, now=output.now())
        output.note("Item {item}: no action.", item=item)
        return
    owner, due = given["owner"], given["due"]
    if not (text.strip() and owner.strip() and due) or reason is not None:
        from cadran.errors import QueryError

        raise QueryError(
            "An item ends as an action with an owner and a deadline, or as no action with a reason.",
            hint="Give --do, --owner and --due, or --none.",
            where="act",
        )
    number = end(settings, item, text=text.strip(), owner=owner.strip(), due_on=due.date(), now=output.now())
    output.note("Item {item}: action {action}.", item=item, action=number)


@click.command()
@click.option("--all", "every", is_flag=True, help="Those that are done too.")
@click.option("--done", type=int, metavar="NUMBER", help="Mark an action as done.")
@click.option("--push", "is_push", is_flag=True, help="Put open ones into the CRM that [actions] names, as tasks.")
@click.option("--ics", type=click.Path(path_type=Path, dir_okay=False), help="Write open ones as a calendar.")
@folder_option
@output_options
def actions(every: bool, done: int | None, is_push: bool, ics: Path | None, project: Path, output: Output) -> None:
    """List actions by deadline, mark one as done, write them as a calendar, or put them into the CRM as tasks."""
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table
    from cadran.config import load_project
    from cadran.jobs.calendar import calendar_of
    from cadran.jobs.exchange import write_files
    from cadran.jobs.review import ACTION_FIELDS, action_record, finish
    from cadran.jobs.review import actions as listed
    from cadran.period import local_day

    settings = load_project(project)
    output.prefer(settings.languages)
    now = output.now()
    if done is not None:
        finish(settings, done, now=now)
    if is_push:
        _push(settings, output)
    found, today = listed(settings, is_open=not every), local_day(now, settings.zone)
    # records name KPIs by their id
    is_named = ics is not None or output.form == "table"
    names = _names(settings, output.language) if is_named else {}
    if ics:
        write_files({ics.name: calendar_of(found, names, settings.company, now)}, ics.parent)
    records = [action_record(row, today) for row in found]
    if output.form == "table":
        show_table(_actions(records, names, output.language))
    else:
        show_records(records, output.form, ACTION_FIELDS)


def _push(settings: Project, output: Output) -> None:
    from cadran.jobs.push import connection_for_tasks, push

    if connection_for_tasks(settings) is None:
        output.note('No connection takes tasks: write `push = "NAME"` under [actions] of cadran.toml.')
        return
    found = push(settings, clock=output.now)
    output.note(
        "Tasks: {sent} made, {later} to be tried again, {refused} refused.",
        sent=found.n_sent,
        later=found.n_later,
        refused=found.n_refused,
    )


def _table(found: Mapping[str, Any], workspace: Workspace, language: str) -> Table:
    from cadran.cli.tables import table_of

    table = table_of(("Item", "KPI", "Period", "Value", "Change", "At stake", "Certainty", "Why", "Ends as"), language)
    for item in found["items"]:
        table.add_row(*_line(item, workspace, language))
    return table


def _line(item: Mapping[str, Any], workspace: Workspace, language: str) -> list[str]:
    from cadran.i18n import format_delta, format_period, format_value, say, segment_name
    from cadran.insights.review import WHY_SAID

    kept = item["document"]
    reading, currency = kept["reading"], kept["currency"]
    change = reading["change"]
    start, end = (date.fromisoformat(reading[name]) for name in ("period_start", "period_end"))
    segments = [segment_name(value, language) for value in reading["segment"].values()]
    money = Decimal(kept["money"]) if kept["money"] is not None else None
    return [
        str(item["id"]),
        " · ".join([workspace.catalogue.title(item["kpi"], language), *segments]),
        format_period(start, end, workspace.project.calendar, language, short=True),
        format_value(_number(reading["value"]), reading["unit"], currency, language),
        format_delta(_number(change["delta"]), reading["unit"], currency, language) if change else "",
        format_value(money, "money", currency, language),
        format_value(kept["certainty"], "rate", currency, language),
        say(WHY_SAID[kept["why"]], {}, language),
        _end(item, language),
    ]


def _end(item: Mapping[str, Any], language: str) -> str:
    from cadran.i18n import format_date, say

    if action := item["action"]:
        return f"{action['text']} → {action['owner']} → {format_date(action['due_on'], language)}"
    if item["no_action_reason"]:
        return say("no action: {reason}", {"reason": item["no_action_reason"]}, language)
    return say("to decide", {}, language)


def _actions(records: list[dict[str, Any]], names: Mapping[str, str], language: str) -> Table:
    from cadran.cli.tables import table_of
    from cadran.i18n import format_date, say

    table = table_of(("No.", "KPI", "Action", "Owner", "Deadline", "Status"), language)
    for row in records:
        status = "done" if row["done_at"] else "overdue" if row["is_overdue"] else "open"
        due = format_date(date.fromisoformat(row["due_on"]), language)
        name = names.get(row["kpi"], row["kpi"])
        table.add_row(str(row["action"]), name, row["text"], row["owner"], due, say(status, {}, language))
    return table


def _tell(found: Mapping[str, Any], workspace: Workspace, output: Output) -> None:
    from cadran.i18n import format_date

    kept = found["document"]
    for row in kept["overdue"]:
        due = format_date(date.fromisoformat(row["due_on"]), output.language)
        output.note(
            "Overdue since {due}: {text} ({owner}, action {number}).",
            due=due,
            text=row["text"],
            owner=row["owner"],
            number=row["action"],
        )
    for row in kept["to_measure"]:
        due = format_date(date.fromisoformat(row["due_on"]), output.language)
        output.note(
            "Not measured since {due}: {title} (decision {number}).", due=due, title=row["title"], number=row["id"]
        )
    if kept["n_left_open"]:
        output.note("{n} items of the review before did not end.", n=kept["n_left_open"])
    if kept["n_more"]:
        output.note("{n} more items found no room.", n=kept["n_more"])
    told = {"in_hand": "An action is open: {names}.", "quiet": "Within noise: {names}."}
    for group, template in {**told, "unclear": "Nothing to rely on: {names}."}.items():
        names = kept.get(group, [])
        if names:
            known = [workspace.catalogue.title(name, output.language) for name in names]
            output.note(template, names=", ".join(known))
    if any(item["closed_at"] is None for item in found["items"]):
        output.note("End each with `cadran act ITEM --do … --owner … --due …` or `--none REASON`.")


def _names(settings: Project, language: str) -> dict[str, str]:
    """What the KPIs of a project are called, by id."""
    from cadran.catalogue.load import load_catalogue

    catalogue, _ = load_catalogue(settings.catalogue)
    return {kpi.id: kpi.name(language) for kpi in catalogue.newest()}


def _number(value: Any) -> Any:
    """A value of a record: money was written as text so that no digit is lost."""
    return Decimal(value) if isinstance(value, str) else value
