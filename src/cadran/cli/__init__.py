"""The terminal: one thin command per verb.

Results go to standard output, messages and progress to standard error, so that results can be
piped. Exit codes are those of the error tree; 3 means that work was done but left findings.
Rooms are imported inside the commands, so that `cadran --help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cadran import __version__
from cadran.cli import goals as _goals  # noqa: F401 - adds its verbs to `targets`
from cadran.cli.alerts import alerts
from cadran.cli.channels import channels
from cadran.cli.connect import connect
from cadran.cli.contract import contract
from cadran.cli.deals import deals
from cadran.cli.decisions import decide, decisions
from cadran.cli.definitions import export, handbook, select
from cadran.cli.economics import economics
from cadran.cli.forecast import forecast
from cadran.cli.hypotheses import hypotheses
from cadran.cli.match import match
from cadran.cli.next_actions import next_
from cadran.cli.options import DAY, Output, ask_options, folder_option, opened, output_options, question
from cadran.cli.propensity import propensity
from cadran.cli.quality import quality
from cadran.cli.rates import rates
from cadran.cli.report import report
from cadran.cli.review import act, actions, review
from cadran.cli.run import run, runs, scheduled
from cadran.cli.setup import setup
from cadran.cli.targets import targets
from cadran.cli.values import icp, values
from cadran.errors import EXIT_ISSUES, CadranError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cadran.errors import Issue
    from cadran.workspace import Workspace


class _Verbs(click.Group):
    """The group of all verbs: errors are told in the person's words, in the order of the flow."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Verbs in the order in which they were written, which is the order of the flow."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; a `CadranError` becomes a message and its exit code."""
        try:
            return super().invoke(ctx)
        except CadranError as error:
            from cadran.cli.show import say_error

            say_error(error)
            ctx.exit(error.exit_code)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="cadran")
def main() -> None:
    """Governed revenue KPIs from CRM, marketing and billing exports.

    Start with `cadran demo`, or with your own data: `cadran init DIR`, put files in DIR/exports,
    `cadran build --project DIR`, `cadran kpi win_rate --project DIR`.
    """


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", default="", help="Name of the company.")
@click.option("--country", type=click.Choice(["FR", "US"]), default="FR", show_default=True)
@output_options
def init(folder: Path, name: str, country: str, output: Output) -> None:
    """Start a project: settings, and folders for mappings, definitions and exports."""
    from cadran.jobs.start import init_project

    for path in init_project(folder, name=name, country=country):
        output.line(str(path))
    output.note(
        "Put your exports in {folder}, then run `cadran build --project {root}`.",
        folder=str(folder / "exports"),
        root=str(folder),
    )


@main.command(name="map")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--write", is_flag=True, help="Write the proposal into mappings/ instead of printing it.")
@folder_option
@output_options
def map_(file: Path, write: bool, project: Path, output: Output) -> None:
    """Propose a mapping for a file, and say what is unsure about it."""
    from cadran.config import load_project
    from cadran.jobs.propose import propose_mapping, write_mapping

    proposal = propose_mapping(file)
    if write:
        output.line(str(write_mapping(load_project(project), proposal)))
    else:
        output.text(proposal.text)
    output.issues(proposal.unsure)


@main.command()
@folder_option
@output_options
def sync(project: Path, output: Output) -> None:
    """Read the exports and tables that are new, and keep them as they came."""
    from cadran.config import load_project
    from cadran.jobs.sync import sync_project

    with output.progress() as progress:
        report = sync_project(load_project(project), now=output.now(), progress=progress)
    output.files([file.as_record() for file in report.files])
    _finish(output, report.issues)


@main.command()
@click.option("--no-sync", is_flag=True, help="Build from what is already kept, without reading the exports again.")
@folder_option
@output_options
def build(no_sync: bool, project: Path, output: Output) -> None:
    """Read what is new, then compute the tables and publish them in one step."""
    from cadran.config import load_project
    from cadran.jobs.build import build_project
    from cadran.jobs.sync import sync_project

    settings = load_project(project)
    with output.progress() as progress:
        found: tuple[Issue, ...] = ()
        if not no_sync:
            found = sync_project(settings, now=output.now(), progress=progress).issues
        report = build_project(settings, now=output.now(), progress=progress, found=found)
    output.files(report.files)
    _finish(output, report.issues)


@main.command()
@folder_option
@output_options
def check(project: Path, output: Output) -> None:
    """Check settings, mappings, definitions and data; every finding with its file and line."""
    from cadran.jobs.check import check_project

    issues = check_project(project)
    output.findings(issues)
    sys.exit(EXIT_ISSUES if any(issue.level == "error" for issue in issues) else 0)


@main.command()
@click.argument("ids", nargs=-1, metavar="ID...")
@click.option("--list", "list_all", is_flag=True, help="List every KPI: targets, benchmarks, owner, cadence.")
@click.option("--team", default="", help="With --list: only those of this team.")
@click.option("--stage", default="", help="With --list: only those of this stage, such as acquisition or retention.")
@click.option("--constant-currency", "rates", default="", metavar="DATE|plan", help="All amounts at these rates.")
@ask_options
@folder_option
@output_options
def kpi(ids: Sequence[str], list_all: bool, team: str, stage: str, project: Path, output: Output, **asked: Any) -> None:
    """Answer with one or more KPIs: value, interval, cases, and why when there is none."""
    workspace = opened(project, output)
    if list_all or not ids:
        output.catalogue(select(workspace.catalogue, team, stage), workspace.project.currency)
        return
    _warn(output, workspace.catalogue_issues)
    view = workspace.view().at_rates(asked["rates"])
    output.readings(view.ask(question(ids, asked)), view)


@main.command()
@click.argument("kpi_id", metavar="ID")
@click.option("--constant-currency", "rates", default="", metavar="DATE|plan", help="All amounts at these rates.")
@ask_options
@folder_option
@output_options
def explain(kpi_id: str, project: Path, output: Output, **asked: Any) -> None:
    """Show a KPI's whole contract, its figure, where it comes from and the statement that ran."""
    workspace = opened(project, output)
    view = workspace.view().at_rates(asked["rates"])
    output.contract(view.kpi(kpi_id), view.ask(question([kpi_id], asked)), view)


@main.command()
@click.argument("kpi_id", metavar="ID")
@click.option("--constant-currency", "rates", default="", metavar="DATE|plan", help="All amounts at these rates.")
@ask_options
@folder_option
@output_options
def drivers(kpi_id: str, project: Path, output: Output, **asked: Any) -> None:
    """Tell why a KPI moved: exact shares of its factors, or of its segments with --by."""
    workspace = opened(project, output)
    view = workspace.view().at_rates(asked["rates"])
    output.drivers(view.drivers(question([kpi_id], asked)), view)


@main.command()
@click.argument("kpi_id", metavar="ID")
@ask_options
@folder_option
@output_options
def why(kpi_id: str, project: Path, output: Output, **asked: Any) -> None:
    """Find the segment that is to blame for a change of a rate, or say that nothing tells."""
    workspace = opened(project, output)
    view = workspace.view()
    output.blame(view.blame(question([kpi_id], asked)), view)


@main.command()
@click.argument("ids", nargs=-1, metavar="[ID...]")
@click.option("--by", multiple=True, metavar="DIM", help="Watch by this dimension; segment, channel, stage and owner.")
@click.option("--to", metavar="DATE", help="Judge the week that ends on this day or before.")
@click.option("--where", multiple=True, metavar="EXPR", help="Keep what fulfils this; may be repeated.")
@click.option("--as-of", metavar="DATE", help="As it was known at the end of this day.")
@folder_option
@output_options
def anomalies(ids: Sequence[str], project: Path, output: Output, **asked: Any) -> None:
    """Find what is out of its usual range in the last whole week: every KPI by segment, channel, stage and owner."""
    workspace = opened(project, output)
    view = workspace.view()
    output.anomalies(view.anomalies(question(ids, asked)), view)


@main.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1), help="Most rows to list.")
@click.option("--offset", default=0, show_default=True, type=click.IntRange(0), help="Rows to skip.")
@click.option("--constant-currency", "rates", default="", metavar="DATE|plan", help="All amounts at these rates.")
@ask_options
@folder_option
@output_options
def rows(ids: Sequence[str], limit: int, offset: int, project: Path, output: Output, **asked: Any) -> None:
    """List the rows behind a KPI's figure."""
    from cadran.engine.query import RowQuery

    workspace = opened(project, output)
    view = workspace.view().at_rates(asked["rates"])
    for kpi_id in ids:
        output.rows(view.rows(RowQuery(question([kpi_id], asked), limit, offset)))


@main.command()
@click.option("--by", default="channel", show_default=True, help="channel, source, medium, campaign, touch_type…")
@click.option("--from", "from_", metavar="DATE", type=DAY, help="First day of closing.")
@click.option("--to", metavar="DATE", type=DAY, help="First day after.")
@click.option("--where", multiple=True, metavar="EXPR", help="Keep deals that fulfil this; may be repeated.")
@click.option("--as-of", metavar="DATE", type=DAY, help="As it was known then.")
@folder_option
@output_options
def attribution(project: Path, output: Output, by: str, where: Sequence[str], **days: Any) -> None:
    """Credit won revenue to what touched the buyers, by every model side by side."""
    from cadran.engine.journeys import JourneyQuery

    workspace = opened(project, output)
    start, end, as_of = (days[name].date() if days[name] else None for name in ("from_", "to", "as_of"))
    output.attribution(workspace.view().attribution(JourneyQuery(by, start, end, tuple(where), as_of)))


@main.command()
@click.argument("kpi_id", metavar="ID")
@click.option("--since", required=True, metavar="DATE", type=DAY, help="Day at whose end it was told.")
@ask_options
@folder_option
@output_options
def late(kpi_id: str, since: datetime, project: Path, output: Output, **asked: Any) -> None:
    """List the rows that entered, left or changed a KPI's figure since a day on which it was told."""
    from cadran.engine.query import LateQuery

    workspace = opened(project, output)
    view = workspace.view()
    output.late(view.late(LateQuery(question([kpi_id], asked), since.date())), view)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@folder_option
@output_options
def serve(host: str, port: int, project: Path, output: Output) -> None:
    """Serve the cockpit and the JSON API."""
    workspace = opened(project, output)
    _serve(workspace, host, port, output)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"))
@click.option("--seed", default=7, show_default=True, help="Another seed makes another company.")
@click.option("--serve", "served", is_flag=True, help="Serve the cockpit afterwards.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@output_options
def demo(folder: Path, seed: int, served: bool, port: int, output: Output) -> None:
    """Make a sample company, build it and show its figures."""
    from cadran.engine.query import KpiQuery
    from cadran.jobs.build import build_project
    from cadran.jobs.demo import write_demo
    from cadran.jobs.sync import sync_project

    with output.progress() as progress:
        settings = write_demo(folder, seed=seed, progress=progress)
        found = sync_project(settings, now=output.now(), progress=progress).issues
        build_project(settings, now=output.now(), progress=progress, found=found)
    workspace = opened(folder, output)
    view = workspace.view()
    for board in workspace.catalogue.boards[:2]:
        output.readings(view.ask(KpiQuery(board.kpis)), view)
    output.note("Ask for more with `cadran kpi win_rate --by segment --project {root}`.", root=str(folder))
    if served:
        _serve(workspace, "127.0.0.1", port, output)


main.add_command(run)
main.add_command(runs)
main.add_command(alerts)
main.add_command(connect)
main.add_command(contract)
main.add_command(deals)
main.add_command(propensity)
main.add_command(decide)
main.add_command(decisions)
main.add_command(review)
main.add_command(act)
main.add_command(actions)
main.add_command(forecast)
main.add_command(next_)
main.add_command(hypotheses)
main.add_command(economics)
main.add_command(report)
main.add_command(setup)
main.add_command(match)
main.add_command(channels)
main.add_command(rates)
main.add_command(values)
main.add_command(icp)
main.add_command(quality)
main.add_command(targets)
main.add_command(export)
main.add_command(handbook)


def _serve(workspace: Workspace, host: str, port: int, output: Output) -> None:
    import uvicorn

    from cadran.api import create_api
    from cadran.api.stored import Stored
    from cadran.web.app import create_app

    app = Stored(create_app(workspace, api=create_api(workspace, clock=output.now), clock=output.now), workspace)
    output.note("Cockpit: {address} (stop with Ctrl+C)", address=f"http://{host}:{port}")
    with scheduled(workspace.project, output):
        uvicorn.run(app, host=host, port=port, log_level="warning")


def _warn(output: Output, issues: Sequence[Issue]) -> None:
    output.issues([issue for issue in issues if issue.level == "error"])


def _finish(output: Output, issues: Sequence[Issue]) -> None:
    """Tell the findings; end with the code of findings when some file or row could not be used."""
    output.issues(issues)
    if any(issue.level == "error" for issue in issues):
        sys.exit(EXIT_ISSUES)
