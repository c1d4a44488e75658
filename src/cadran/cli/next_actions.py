"""The verb of next best actions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - click reads the annotations
from typing import TYPE_CHECKING

import click

from cadran.cli.options import folder_option, opened, output_options

if TYPE_CHECKING:
    from cadran.cli.options import Output

FIELDS = (
    "play", "kpi", "segment", "start", "end", "value", "aim", "aim_is_target", "n", "certainty", "money", "low", "high",
    "through", "effort_days", "ease", "score", "tried",
)  # fmt: skip


@click.command(name="next")
@click.option("--most", default=5, show_default=True, type=click.IntRange(1, 50), help="Actions at most.")
@folder_option
@output_options
def next_(project: Path, output: Output, most: int) -> None:
    """Tell what to do next: plays by money at stake, certainty and ease, each with its record."""
    from cadran.cli.show import show_records
    from cadran.jobs.next_actions import next_actions, told

    workspace = opened(project, output)
    view = workspace.view()
    found = next_actions(workspace.project, view, now=output.now(), most=most)
    if output.form == "table":
        output.text(told(workspace.project, view, found, output.language))
        for action in found.actions:
            play = found.plays[action.play]
            output.note("{play}: {steps}", play=f"[{play.id}]", steps=play.steps.get(output.language, ""))
        if found.actions:
            output.note("Money is what the arithmetic gives if the figure comes back, not what an action causes.")
            output.note("Record a try with `cadran decide`, with [play] in its title, to measure it.")
        if found.n_more:
            output.note("{n} more: see them with --most.", n=found.n_more)
    else:
        show_records([asdict(each) for each in found.actions], output.form, FIELDS)
    output.issues(found.issues)
