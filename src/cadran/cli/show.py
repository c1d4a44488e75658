"""Results as a terminal shows them: tables for people, JSON and CSV for programs."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import time
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from cadran.cli.curves import show_curves
from cadran.cli.language import default_language
from cadran.cli.tables import show_table, table_of, terminal
from cadran.i18n import (
    error_text,
    format_delta,
    format_interval,
    format_moment,
    format_period,
    format_value,
    format_window,
    issue_text,
    say,
    segment_name,
)
from cadran.insights.expected import summary
from cadran.insights.record import FIELDS, plain, records
from cadran.period import Period, instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cadran.catalogue.definition import Kpi
    from cadran.engine.result import Rows
    from cadran.errors import CadranError, Issue
    from cadran.insights.reading import Reading, Readings
    from cadran.jobs.progress import Progress
    from cadran.view import View

#: Findings listed in full; more are counted.
MOST_ISSUES = 20
#: A bar on anything that takes longer than this, in seconds.
PATIENCE = 1.0
_VERDICTS = {"on_track": "green", "off_track": "red", "watch": "yellow", "cannot_tell": "dim", "none": "dim"}
_SAID = {
    "on_track": "on track",
    "off_track": "off track",
    "watch": "watch",
    "cannot_tell": "cannot tell",
    "none": "",
}
_KNOWLEDGE = {
    "as_true": "Data known up to {moment}. * unfinished period.",
    "as_known": "As known on {moment}, without what was learnt later. * unfinished period.",
}
_LEVELS = {"error": "red", "warning": "yellow", "info": "cyan"}


def say_error(error: CadranError) -> None:
    """An error on standard error: what happened, where, and what to do."""
    output = click.get_current_context().find_root().obj
    language = output.language if output else default_language()
    first, _, hint = error_text(error, language).partition("\n")
    console = terminal(stderr=True)
    console.print(Text(first, style="bold red"), soft_wrap=True)
    if hint:
        console.print(Text(f"  {hint}"), soft_wrap=True)


def say_issues(issues: Sequence[Issue], language: str) -> None:
    """Findings on standard error, the worst first; beyond a screenful they are counted."""
    console = terminal(stderr=True)
    worst_first = sorted(issues, key=lambda issue: list(_LEVELS).index(issue.level))
    for issue in worst_first[:MOST_ISSUES]:
        console.print(Text(issue_text(issue, language), style=_LEVELS[issue.level]), soft_wrap=True)
    if len(worst_first) > MOST_ISSUES:
        more = say("… and {n} more: `cadran check` lists them all.", {"n": len(worst_first) - MOST_ISSUES}, language)
        console.print(Text(more), soft_wrap=True)


def show_findings(issues: Sequence[Issue], form: str, language: str) -> None:
    """Findings as a result, one per line, or as records."""
    if form == "table":
        for issue in issues:
            terminal().print(Text(issue_text(issue, language), style=_LEVELS[issue.level]), soft_wrap=True)
        if not issues:
            click.echo(say("Nothing to report.", {}, language))
        return
    found = [
        {
            "code": issue.code,
            "level": issue.level,
            "where": issue.where,
            "message": say(issue.message, issue.params, language),
            "hint": say(issue.hint, issue.params, language) if issue.hint else "",
            "entity": issue.entity,
            "n_rows": issue.n_rows,
        }
        for issue in issues
    ]
    show_records(found, form, ("code", "level", "where", "message", "hint", "entity", "n_rows"))


FILE_COLUMNS = ("file", "mapping", "exported_at", "read", "loaded", "set_aside", "filtered", "skipped")


def show_files(files: Sequence[Mapping[str, Any]], form: str, language: str) -> None:
    """What was read, loaded and set aside, file by file."""
    if form != "table":
        show_records(list(files), form, FILE_COLUMNS)
        return
    heads = ("File", "Mapping", "Exported", "Read", "Loaded", "Set aside", "Filtered", "Totals and blank")
    table = table_of(heads, language, texts=3)
    for file in files:
        table.add_row(*(_cell(file.get(name)) for name in FILE_COLUMNS))
    show_table(table)


def show_readings(readings: Readings, view: View, form: str, language: str) -> None:
    """Readings: a table for people, records for programs."""
    if form != "table":
        show_records(records(readings, language), form, FIELDS)
        return
    table = Table(box=None, pad_edge=False)
    with_change = any(reading.change for reading in readings.readings)
    segments = list(dict.fromkeys(name for reading in readings.readings for name in reading.figure.segment))
    heads = ["KPI", "Period", *segments, "Value", "95 % interval", "n", *(["Change"] if with_change else []), "Verdict"]
    for head in heads:
        table.add_column(
            say(head, {}, language), justify="right" if head in ("Value", "95 % interval", "n", "Change") else "left"
        )
    for reading in readings.readings:
        table.add_row(*_line(reading, readings, view, segments, language, with_change=with_change))
    show_table(table)
    _say_notes(readings, language)
    known = format_moment(readings.as_of, language, view.project.zone)
    click.echo(say(_KNOWLEDGE[readings.knowledge], {"moment": known}, language), err=True)
    say_issues(_brief(readings.issues), language)


def _say_notes(readings: Readings, language: str) -> None:
    """What figures say of themselves, each remark of a KPI once."""
    told = [(r.kpi.name(language), note.text(language)) for r in readings.readings for note in r.figure.notes]
    for name, text in dict.fromkeys(told):
        terminal().print(Text(f"{name} · {text}", style="dim"), soft_wrap=True)


def _line(
    reading: Reading, readings: Readings, view: View, segments: Sequence[str], language: str, *, with_change: bool
) -> list[Text | str]:
    figure, kpi = reading.figure, reading.kpi
    period = format_period(figure.start, figure.end, view.project.calendar, language, short=True)
    if kpi.trailing and figure.window != Period(figure.start, figure.end):
        period = f"{period}, {format_window(kpi.trailing, language)}"
    value = Text(format_value(reading.value, kpi.unit, readings.currency, language))
    if reading.status != "ok":
        value.stylize("dim")
    interval = (
        "" if reading.low is None else format_interval(reading.low, reading.high, kpi.unit, readings.currency, language)
    )
    verdict = Text(
        say(_SAID[reading.verdict], {}, language) if _SAID[reading.verdict] else "", style=_VERDICTS[reading.verdict]
    )
    if reading.reason:
        verdict = Text(say(reading.reason, reading.reason_params, language), style="dim")
    change = [format_delta(reading.change.delta, kpi.unit, readings.currency, language) if reading.change else ""]
    return [
        kpi.name(language),
        period + (" *" if figure.partial else ""),
        # a KPI that is not broken down this way has no segment, which is not a segment without a name
        *(segment_name(figure.segment[name], language) if name in figure.segment else "" for name in segments),
        value,
        interval,
        str(figure.n),
        *(change if with_change else []),
        verdict,
    ]


def show_rows(found: Rows, form: str, language: str) -> None:
    """The rows behind a number; how many there are goes to standard error."""
    if form != "table":
        show_records([dict(zip(found.columns, row, strict=True)) for row in found.rows], form, found.columns)
    else:
        table = table_of(found.columns)
        for row in found.rows:
            table.add_row(*(_cell(value) for value in row))
        show_table(table)
    click.echo(say("{shown} of {total} rows.", {"shown": len(found.rows), "total": found.total}, language), err=True)


def show_contract(kpi: Kpi, readings: Readings, view: View, form: str, language: str) -> None:
    """A KPI's whole contract, its figures, its lineage and the statements that ran."""
    if form != "table":
        found = contract(kpi, language) | {
            "figures": records(readings, language),
            "curves": [summary(r.conversion) if r.conversion else None for r in readings.readings],
            "lineage": list(readings.lineage.get(kpi.id, ())),
            "sql": list(readings.sql),
        }
        show_records([found], form, tuple(found))
        return
    console = terminal()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in contract(kpi, language).items():
        if value not in (None, "", [], {}):
            table.add_row(say(name.replace("_", " ").capitalize(), {}, language), _cell(value))
    table.add_row(say("Lineage", {}, language), ", ".join(readings.lineage.get(kpi.id, ())))
    console.print(table)
    click.echo()
    show_readings(readings, view, form, language)
    show_curves(readings, view, language)
    for statement in readings.sql:
        click.echo()
        click.echo(statement)


def contract(kpi: Kpi, language: str) -> dict[str, Any]:
    """A KPI's contract as plain values, texts in one language."""
    texts = {
        name: value.get(language) or value.get("en", "")
        for name, value in (
            ("name", kpi.names), ("description", kpi.descriptions), ("formula", kpi.formula),
            ("scope", kpi.scope), ("hypothesis", kpi.hypothesis),
        )
    }  # fmt: skip
    return {
        "kpi": kpi.id,
        "version": kpi.version,
        **texts,
        "effective_from": kpi.effective_from,
        "effective_to": kpi.effective_to,
        "kind": kpi.kind,
        "unit": kpi.unit,
        "direction": kpi.direction,
        "basis": kpi.basis,
        "dimensions": list(kpi.dimensions),
        "sources": list(kpi.sources),
        "owner": kpi.owner,
        "team": kpi.team,
        "funnel": kpi.funnel,
        "cadence": kpi.cadence,
        "min_n": kpi.min_n,
        "window_days": kpi.window_days,
        "trailing": str(kpi.trailing or ""),
        "targets": [
            {"value": t.value, "high": t.high, "segment": dict(t.segment), "start": t.start, "end": t.end}
            for t in kpi.targets
        ],
        "benchmarks": [
            {"low": b.low, "high": b.high, "source": b.source, "year": b.year, "grade": b.grade, "market": b.market}
            for b in kpi.benchmarks
        ],
        "variants": list(kpi.variants),
        "cost_lines": list(kpi.cost_lines),
        "notes": [note.text.get(language) or note.text.get("en", "") for note in kpi.notes],
        "where": kpi.where,
    }


class _Rate(ProgressColumn):
    """How much is done in a second, once that is known."""

    def render(self, task: Task) -> Text:
        """The rate of one task."""
        return Text(f"{task.speed:,.0f}/s".replace(",", "\u202f") if task.speed else "")


@contextlib.contextmanager
def progress_bar(language: str) -> Iterator[Progress]:
    """A bar per step on standard error, from the second after which people wonder."""
    left = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bars = Bars(
        *left, _Rate(), TimeElapsedColumn(), TimeRemainingColumn(), console=terminal(stderr=True), transient=True
    )
    tasks: dict[str, Any] = {}
    began = time.monotonic()

    def tell(step: str, done: int, total: int) -> None:
        if not bars.live.is_started and time.monotonic() - began > PATIENCE:
            bars.start()
        if step not in tasks:
            tasks[step] = bars.add_task(say(step, {}, language), total=None)
        bars.update(tasks[step], completed=done, total=total or None)

    try:
        yield tell
    finally:
        if bars.live.is_started:
            bars.stop()


def _brief(issues: Sequence[Issue]) -> list[Issue]:
    return [issue for issue in issues if issue.level != "info" or issue.code == "constant_currency"][:5]


def show_records(found: Sequence[Mapping[str, Any]], form: str, columns: Sequence[str]) -> None:
    """Records as one JSON array, or as CSV with a header."""
    if form == "json":
        click.echo(json.dumps(list(found), ensure_ascii=False, indent=2, default=_json))
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_cell(row.get(name)) for name in columns] for row in found])
    click.echo(text.getvalue(), nl=False)


def show_each(found: Sequence[Mapping[str, Any]], form: str, columns: Sequence[str]) -> None:
    """Records as they are, in the form that was asked for; in a table, what is not known stays empty."""
    if form != "table":
        show_records(found, form, columns)
        return
    table = table_of(columns)
    for record in found:
        table.add_row(*("" if record[name] is None else str(record[name]) for name in columns))
    show_table(table)


def _json(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=_json) if value else ""
    return str(_json(value)) if isinstance(value, Decimal | date) else str(value)
