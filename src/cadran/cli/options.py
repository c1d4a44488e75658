"""What every verb has in common: the project's folder, the question, and how to answer."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cadran.cli.language import default_language

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from cadran.catalogue.definition import Kpi
    from cadran.catalogue.exchange.report import Export
    from cadran.engine.late import Late
    from cadran.engine.query import KpiQuery
    from cadran.engine.result import Rows
    from cadran.errors import Issue
    from cadran.insights.anomalies import Anomalies
    from cadran.insights.attribution import Attribution
    from cadran.insights.blame import Blame
    from cadran.insights.change import Drivers
    from cadran.insights.reading import Readings
    from cadran.jobs.progress import Progress
    from cadran.view import View
    from cadran.workspace import Workspace

LANGUAGES = ("fr", "en")
#: A day, such as 2026-01-31.
DAY = click.DateTime(["%Y-%m-%d"])


class Output:
    """How a verb answers: form and language; results to standard output, the rest to standard error.

    Args:
        form: ``table``, ``json`` or ``csv``.
        language: ``fr``, ``en``, or empty for the project's own.
    """

    def __init__(self, form: str, language: str) -> None:
        self.form = form
        self.language = language or default_language()
        self._chosen = bool(language)

    def prefer(self, languages: Sequence[str]) -> None:
        """Take the project's first language unless the person chose one."""
        if not self._chosen and languages:
            self.language = languages[0]

    def now(self) -> datetime:
        """The clock, read here and nowhere below: a naive UTC instant."""
        return datetime.now(UTC).replace(tzinfo=None)

    def line(self, text: str) -> None:
        """A line of result."""
        click.echo(text)

    def text(self, text: str) -> None:
        """A text of result, as it is."""
        click.echo(text, nl=not text.endswith("\n"))

    def note(self, template: str, **params: object) -> None:
        """A remark, beside the result."""
        from cadran.i18n import say

        click.echo(say(template, params, self.language), err=True)

    def progress(self) -> AbstractContextManager[Progress]:
        """A progress bar on standard error, shown once work has taken a second."""
        from cadran.cli.show import progress_bar

        return progress_bar(self.language)

    def issues(self, issues: Iterable[Issue]) -> None:
        """Findings, on standard error."""
        from cadran.cli.show import say_issues

        say_issues(list(issues), self.language)

    def findings(self, issues: Iterable[Issue]) -> None:
        """Findings as the result itself."""
        from cadran.cli.show import show_findings

        show_findings(list(issues), self.form, self.language)

    def files(self, files: Sequence[Mapping[str, Any]]) -> None:
        """What was read, loaded and set aside, file by file."""
        from cadran.cli.show import show_files

        show_files(files, self.form, self.language)

    def catalogue(self, kpis: Sequence[Kpi], currency: str) -> None:
        """KPIs with what is governed about them."""
        from cadran.cli.show_catalogue import show_kpis

        show_kpis(kpis, currency, self.form, self.language)

    def exported(self, found: Export, out: Path) -> None:
        """What was written for another tool, and what was lost."""
        from cadran.cli.show_catalogue import show_export

        show_export(found, out, self.form, self.language)

    def readings(self, readings: Readings, view: View) -> None:
        """Readings: a table for people, or records."""
        from cadran.cli.show import show_readings

        show_readings(readings, view, self.form, self.language)

    def rows(self, found: Rows) -> None:
        """The rows behind a number."""
        from cadran.cli.show import show_rows

        show_rows(found, self.form, self.language)

    def late(self, found: Late, view: View) -> None:
        """Late changes: tables, the whole ledger as one document, or one record per change."""
        from cadran.cli.late import remarks, show_late
        from cadran.cli.show import show_records
        from cadran.cli.tables import show_table
        from cadran.insights.late import FIELDS, document, records

        if self.form == "table":
            show_late(found, view, self.language, show_table)
        else:
            show_records([document(found)] if self.form == "json" else records(found), self.form, FIELDS)
        remarks(found, view, self.note, self.language)

    def drivers(self, found: Drivers, view: View) -> None:
        """Why a KPI moved: a table for people, one record per driver for programs."""
        from cadran.cli.drivers import remarks, show_drivers
        from cadran.cli.show import show_records
        from cadran.cli.tables import show_table
        from cadran.insights.change_record import FIELDS, change_record

        if self.form == "table":
            show_drivers(found, view, self.language, show_table)
            remarks(found, view, self.language, self.note)
        elif self.form == "json":
            record = change_record(found, self.language)
            show_records([record], self.form, tuple(record))
        else:
            show_records(change_record(found, self.language)["drivers"], self.form, FIELDS)

    def blame(self, found: Blame, view: View) -> None:
        """What is to blame: a table for people, the whole answer or its candidates for programs."""
        from cadran.cli.blame import remarks, show_blame
        from cadran.cli.show import show_records
        from cadran.cli.tables import show_table
        from cadran.insights.blame_record import FIELDS, blame_record, candidate_record

        if self.form == "table":
            show_blame(found, view, self.language, show_table)
            remarks(found, self.language, self.note)
        elif self.form == "json":
            show_records([blame_record(found, self.language)], self.form, ())
        else:
            show_records([candidate_record(each, found) for each in found.candidates], self.form, FIELDS)

    def anomalies(self, found: Anomalies, view: View) -> None:
        """What is out of its usual range: a table for people, the whole answer or its anomalies for programs."""
        from cadran.cli.anomalies import remarks, show_anomalies
        from cadran.cli.show import show_records
        from cadran.cli.tables import show_table
        from cadran.insights.anomalies_record import FIELDS, anomalies_record, anomaly_records

        if self.form == "json":
            show_records([anomalies_record(found, self.language)], self.form, ())
        elif self.form == "csv":
            show_records(anomaly_records(found), self.form, FIELDS)
        elif found.groups:
            show_anomalies(found, view, self.language, show_table)
        remarks(found, self.language, self.note)

    def attribution(self, found: Attribution) -> None:
        """Credited revenue: a table, or one record per label and model."""
        from cadran.cli.attribution import FIELDS, remarks, show_attribution
        from cadran.cli.show import show_records
        from cadran.cli.tables import show_table
        from cadran.insights.attribution import attribution_records

        if self.form == "table":
            show_attribution(found, self.language, show_table)
            remarks(found, self.language, self.note)
        else:
            show_records(attribution_records(found), self.form, FIELDS)

    def contract(self, kpi: Kpi, readings: Readings, view: View) -> None:
        """A KPI's whole contract with its figure and its lineage."""
        from cadran.cli.show import show_contract

        show_contract(kpi, readings, view, self.form, self.language)


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--format`` and ``--lang``, and give the command an `Output`."""

    @click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
    @click.option("--lang", "language", type=click.Choice(LANGUAGES), help="Language; the project's own by default.")
    @functools.wraps(command)
    def wrapped(form: str, language: str | None, **given: Any) -> None:
        output = Output(form, language or "")
        click.get_current_context().find_root().obj = output
        command(output=output, **given)

    return wrapped


folder_option = click.option(
    "--project",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder of the project; the current one by default.",
)


def ask_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the words of a question: by, grain, from, to, where, as-of, compare and trailing."""
    for option in reversed(
        [
            click.option("--by", multiple=True, metavar="DIM", help="Break down by a dimension; may be repeated."),
            click.option(
                "--grain", metavar="GRAIN", help="day, week, month, quarter or year; the whole span without it."
            ),
            click.option("--from", "from_", metavar="DATE", help="First day, such as 2026-01-01."),
            click.option("--to", metavar="DATE", help="First day after the span."),
            click.option("--where", multiple=True, metavar="EXPR", help="Keep what fulfils this; may be repeated."),
            click.option("--as-of", metavar="DATE", help="As it was known at the end of this day."),
            click.option("--compare", metavar="WITH", help="previous or year: the period to compare with."),
            click.option(
                "--trailing",
                metavar="WINDOW",
                help="12m, 13w or 90d: count over the window that ends with each period.",
            ),
        ]
    ):
        command = option(command)
    return command


def opened(project: Path, output: Output) -> Workspace:
    """The project in a folder, open for reading; answers take its first language unless the person chose one."""
    from cadran.workspace import open_workspace

    workspace = open_workspace(project)
    output.prefer(workspace.project.languages)
    return workspace


def question(ids: Sequence[str], asked: Mapping[str, Any]) -> KpiQuery:
    """The question that the options ask."""
    from cadran.engine.query import from_params

    pairs = [("kpi", name) for name in ids]
    pairs += [(name, text) for name in ("by", "where") for text in asked[name]]
    single = ("grain", "from_", "to", "as_of", "compare", "trailing")
    pairs += [(name.rstrip("_"), asked[name]) for name in single if asked.get(name)]
    return from_params(pairs)
