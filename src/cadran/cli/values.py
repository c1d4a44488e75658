"""The verbs of values: those that nothing is known of, the line that tells one, and how well accounts fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cadran.cli.options import folder_option, output_options

if TYPE_CHECKING:
    from pathlib import Path

    from cadran.cli.options import Output

FIELDS = ("kind", "entity", "value", "n", "line")
FIT_FIELDS = ("id", "name", "icp_tier", "icp_fit_score", "icp_reasons")


@click.command()
@click.argument("word", required=False, default="")
@click.option("--of", "kind", default="", metavar="KIND", help="What WORD is: country, industry_group, title_level…")
@click.option("--to", "value", default="", metavar="VALUE", help="What WORD stands for.")
@folder_option
@output_options
def values(word: str, kind: str, value: str, project: Path, output: Output) -> None:
    """List countries, industries and titles that are not known, those of most rows first; or tell one with --to."""
    from cadran.cli.show import show_each
    from cadran.config import load_project
    from cadran.jobs.standards import give_value, unknown_values

    settings = load_project(project)
    output.prefer(settings.languages)
    if word:
        path = give_value(settings, kind, word, value)
        output.note("Noted in {file}; run `cadran build` for figures to follow.", file=path.name)
        return
    records = [
        {
            "kind": each.kind,
            "entity": each.entity,
            "value": each.value,
            "n": each.n,
            "line": f'cadran values "{each.value}" --of {each.kind} --to VALUE',
        }
        for each in unknown_values(settings)
    ]
    show_each(records, output.form, FIELDS)


@click.command()
@click.argument("name", required=False, default="")
@folder_option
@output_options
def icp(name: str, project: Path, output: Output) -> None:
    """List accounts whose name holds NAME with their tier, their fit of 100 and the rules that held."""
    from cadran.cli.show import show_each
    from cadran.config import load_project
    from cadran.jobs.standards import fits

    settings = load_project(project)
    output.prefer(settings.languages)
    found = fits(settings, name)
    show_each(found, output.form, FIT_FIELDS)
