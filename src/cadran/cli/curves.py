"""The curve of an expected conversion, as a terminal shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cadran.charts import Words, curve_table, segment_names
from cadran.cli.tables import show_table, table_of
from cadran.i18n import say

if TYPE_CHECKING:
    from cadran.insights.reading import Reading, Readings
    from cadran.view import View


def show_curves(readings: Readings, view: View, language: str) -> None:
    """The curve of each reading of the last period that has one, with the cases that it rests on."""
    found = [reading for reading in readings.readings if reading.conversion]
    last = max((reading.figure.start for reading in found), default=None)
    words = Words(language, readings.currency, view.project.calendar, view.project.zone)
    for reading in found:
        if reading.figure.start == last:
            _show(reading, words)


def _show(reading: Reading, words: Words) -> None:
    found = reading.conversion
    if found is None:
        return
    title = " · ".join(filter(None, [reading.kpi.name(words.language), segment_names(reading, words)]))
    click.echo()
    click.echo(title)
    sentence = (
        "Of {n:,} cases, {converted:,} converted, {ended:,} ended otherwise and {pending:,} are open: "
        "{share} % of the outcomes are known."
    )
    params = {"n": found.n, "converted": found.converted, "ended": found.ended, "pending": found.pending}
    click.echo(say(sentence, params | {"share": round(100 * found.maturity)}, words.language))
    data = curve_table(reading, words)
    table = table_of(data.columns, texts=0)
    for row in data.rows:
        table.add_row(*row)
    show_table(table)
