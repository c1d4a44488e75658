"""The verb that writes a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cadran.cli.options import folder_option, opened, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cadran.cli.options import Output


@click.command()
@click.argument("teams", nargs=-1, required=True, metavar="TEAM...")
@click.option("--to", multiple=True, type=click.Choice(["html", "pdf", "xlsx", "png"]), help="Format.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Folder to write into.")
@click.option("--grain", type=click.Choice(["week", "month", "quarter", "year"]), default="month", show_default=True)
@click.option("--from", "start", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="A day of the period.")
@click.option("--where", multiple=True, metavar="EXPR", help="Keep what fulfils this; may be repeated.")
@folder_option
@output_options
def report(teams: Sequence[str], to: Sequence[str], out: Path, project: Path, output: Output, **asked: Any) -> None:
    """Write the boards of teams as HTML, PDF, XLSX or PNG, with slice, as-of and definitions."""
    from cadran.jobs.report import report_of, write_report

    workspace = opened(project, output)
    view = workspace.view()
    asked["start"] = asked["start"].date() if asked["start"] else None
    made = report_of(view, teams, output.language, now=output.now(), **asked)
    for path in write_report(view, made, to or ("html",), out, output.language):
        output.line(str(path))
