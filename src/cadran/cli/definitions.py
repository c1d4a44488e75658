"""The verbs that write the definitions out: for other tools, and as a handbook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cadran.cli.options import folder_option, output_options
from cadran.errors import QueryError

if TYPE_CHECKING:
    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.cli.options import Output


def select(catalogue: Catalogue, team: str, stage: str) -> list[Kpi]:
    """The newest version of the KPIs of a team and of a stage; empty for all.

    Raises:
        QueryError: No KPI belongs to that team or stage.
    """
    kpis = catalogue.newest()
    known = {"--team": {k.team for k in kpis if k.team}, "--stage": {k.funnel for k in kpis if k.funnel}}
    for where, name in (("--team", team), ("--stage", stage)):
        if name and name not in known[where]:
            raise QueryError(
                "No KPI belongs to {name}.",
                hint="Use one of: {known}.",
                where=where,
                name=name,
                known=", ".join(sorted(known[where])),
            )
    return [k for k in kpis if team in ("", k.team) and stage in ("", k.funnel)]


_out = click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write.")


@click.command()
@click.option("--to", required=True, type=click.Choice(["ossie", "metricflow", "cube"]), help="Format of another tool.")
@_out
@folder_option
@output_options
def export(to: str, out: Path, project: Path, output: Output) -> None:
    """Write the definitions for another tool, and say what is lost KPI by KPI."""
    from cadran.jobs.exchange import export_catalogue, governed

    catalogue, problems, settings = governed(project)
    output.prefer(settings.languages if settings else ())
    output.issues([problem for problem in problems if problem.level == "error"])
    output.exported(export_catalogue(catalogue, to, out), out)


@click.command()
@_out
@folder_option
@output_options
def handbook(out: Path, project: Path, output: Output) -> None:
    """Write a page for every KPI, in French and in English, and an index."""
    from cadran.catalogue.handbook.index import handbook as pages_of
    from cadran.jobs.exchange import governed, write_files

    catalogue, problems, settings = governed(project)
    output.prefer(settings.languages if settings else ())
    output.issues([problem for problem in problems if problem.level == "error"])
    pages = pages_of(catalogue, currency=settings.currency if settings else "EUR")
    write_files(pages, out)
    output.note("{n} pages in {folder}.", n=len(pages), folder=str(out))
