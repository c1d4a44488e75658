"""The verb that picks a company's KPIs from a few answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cadran.cli.options import folder_option, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table

    from cadran.catalogue.choice import Chosen
    from cadran.cli.options import Output

_STAGES = ("launch", "growth", "scale")
_PAINS = ("leads", "pipeline", "closing", "retention", "cost", "none")
BECAUSE = {"stage": "tells most at this stage", "held_back": "looks at what holds you back"}
FIELDS = ("kpi", "name", "because", "hypothesis", "lacks")


@click.command()
@click.option("--stage", type=click.Choice(_STAGES), help="Where the company stands; asked when not given.")
@click.option("--held-back-by", "pain", type=click.Choice(_PAINS), help="What holds it back; asked when not given.")
@click.option("--write", is_flag=True, help="Write them as a board into catalogue/.")
@folder_option
@output_options
def setup(stage: str | None, pain: str | None, write: bool, project: Path, output: Output) -> None:
    """Pick five to seven KPIs for your stage and for what holds you back, and explain each."""
    from cadran.catalogue.load import load_catalogue
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table
    from cadran.config import load_project
    from cadran.i18n import say
    from cadran.jobs.setup import chosen_for, write_board

    settings = load_project(project)
    output.prefer(settings.languages)
    language = output.language
    if stage is None:
        asked = say("Where does the company stand?", {}, language)
        stage = click.prompt(asked, type=click.Choice(_STAGES), default=settings.growth_stage, err=True)
    if pain is None:
        asked = say("What holds it back most?", {}, language)
        pain = click.prompt(asked, type=click.Choice(_PAINS), default="none", err=True)
    catalogue, _ = load_catalogue(settings.catalogue)
    found = chosen_for(settings, catalogue, stage, "" if pain == "none" else pain)
    if output.form == "table":
        show_table(_table(found, language))
    else:
        show_records([_record(each, language) for each in found], output.form, FIELDS)
    if write:
        output.note("Written: {file}.", file=str(write_board(settings, found)))


def _record(each: Chosen, language: str) -> dict[str, object]:
    kpi = each.kpi
    hypothesis = kpi.hypothesis.get(language) or kpi.hypothesis.get("en", "")
    texts = {"kpi": kpi.id, "name": kpi.name(language), "because": each.because, "hypothesis": hypothesis}
    return {**texts, "lacks": list(each.lacks)}


def _table(found: Sequence[Chosen], language: str) -> Table:
    from cadran.cli.tables import table_of
    from cadran.i18n import say

    table = table_of(("KPI", "Why this one", "What follows from it", "Data"), language)
    for each in found:
        lacks = ", ".join(each.lacks)
        data = say("nothing yet in: {names}", {"names": lacks}, language) if lacks else ""
        hypothesis = str(_record(each, language)["hypothesis"])
        table.add_row(each.kpi.name(language), say(BECAUSE[each.because], {}, language), hypothesis, data)
    return table
