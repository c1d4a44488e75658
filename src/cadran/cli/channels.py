"""The verb of channels: sources that none stands for, and the line that gives one of them a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cadran.cli.options import folder_option, output_options

if TYPE_CHECKING:
    from pathlib import Path

    from cadran.cli.options import Output

FIELDS = ("entity", "source", "medium", "n", "line")


@click.command()
@click.argument("word", required=False, default="")
@click.option("--to", "channel", default="", metavar="CHANNEL", help="Channel to give WORD to.")
@folder_option
@output_options
def channels(word: str, channel: str, project: Path, output: Output) -> None:
    """List sources without a channel, those of most rows first; or give one to a channel with --to."""
    from cadran.cli.show import show_each
    from cadran.config import load_project
    from cadran.jobs.channels import give, unmapped_sources

    settings = load_project(project)
    output.prefer(settings.languages)
    if word:
        path = give(settings, word, channel)
        output.note("Noted in {file}; run `cadran build` for figures to follow.", file=path.name)
        return
    found = unmapped_sources(settings)
    records = [
        {
            "entity": each.entity,
            "source": each.source,
            "medium": each.medium,
            "n": each.n,
            "line": f'cadran channels "{each.word}" --to CHANNEL',
        }
        for each in found
    ]
    show_each(records, output.form, FIELDS)
