"""The verb of hypotheses: what a KPI is believed to drive, and what the figures say of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - click reads the annotations
from typing import TYPE_CHECKING

import click

from cadran.cli.options import folder_option, opened, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cadran.cli.options import Output

FIELDS = ("kpi", "drives", "verdict", "lag", "correlation", "low", "high", "n", "sign")
SAID = {
    "agrees": "the figures agree",
    "contradicts": "the figures contradict it",
    "moves": "they move together",
    "cannot_tell": "cannot tell",
    "too_few": "too few months",
}


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@folder_option
@output_options
def hypotheses(ids: Sequence[str], project: Path, output: Output) -> None:
    """Look at what KPIs are believed to drive: do their changes come before those of the other?"""
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table, table_of
    from cadran.i18n import format_number, say

    workspace = opened(project, output)
    view = workspace.view()
    found = view.hypotheses(tuple(ids))
    if output.form != "table":
        show_records([asdict(each) for each in found], output.form, FIELDS)
        return
    heads = ("KPI", "Believed to drive", "What the figures say", "Months before", "Correlation", "95 % interval", "n")
    table = table_of(heads, output.language, texts=3)
    for each in found:
        names = [view.kpi(name).name(output.language) for name in (each.kpi, each.drives)]
        numbers = [
            "" if value is None else format_number(value, output.language, decimals=2)
            for value in (each.correlation, each.low, each.high)
        ]
        band = f"{numbers[1]} – {numbers[2]}" if each.low is not None else ""
        lag = "" if each.lag is None else str(each.lag)
        table.add_row(*names, say(SAID[each.verdict], {}, output.language), lag, numbers[0], band, str(each.n))
    show_table(table)
    looked_at = sum(each.verdict != "too_few" for each in found)
    chance = round(0.05 * looked_at, 1)
    output.note(
        "{n} were looked at: about {chance} of them would seem to move together by chance.", n=looked_at, chance=chance
    )
    output.note("Correlation of monthly changes, not cause: a decision whose effect is measured tells causes.")
