"""The verb of exchange rates: each with its source and its age on a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cadran.cli.options import DAY, folder_option, output_options

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cadran.cli.options import Output

FIELDS = ("currency", "rate", "day", "quoted_on", "age_days", "source")


@click.command()
@click.option("--on", type=DAY, metavar="DATE", help="Rates of this day; of the last known one without it.")
@folder_option
@output_options
def rates(on: datetime | None, project: Path, output: Output) -> None:
    """List the exchange rates of a day: what one unit is worth, who says so, and how old that is."""
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table, table_of
    from cadran.config import load_project
    from cadran.i18n import format_date
    from cadran.jobs.rates import rates_on

    settings = load_project(project)
    output.prefer(settings.languages)
    found = rates_on(settings, on.date() if on else None)
    if output.form != "table":
        show_records(found, output.form, FIELDS)
        return
    table = table_of(FIELDS, output.language)
    for row in found:
        days = (format_date(row[name], output.language) for name in ("day", "quoted_on"))
        table.add_row(row["currency"], str(row["rate"].normalize()), *days, str(row["age_days"]), row["source"])
    show_table(table)
    if not found:
        output.note("No rate into {currency} is known on that day.", currency=settings.currency)
