"""The verb of propensity: which accounts or leads are most likely to convert, and what customers have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from cadran.cli.options import DAY, folder_option, opened, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from rich.table import Table

    from cadran.cli.options import Output
    from cadran.insights.propensity import PropensityAnswer
    from cadran.view import View

#: What chances rest on, told to a person.
BASES = {
    "model": "{n} decided, {converted} converted. Checked on the {checked} newest: squared error {brier} ({share} by "
    "the share of all), ranking {auc}. It is correlation, not a cause.",
    "nothing": "{n} decided, {converted} converted. Nothing can be learnt from what describes them: of the {checked} "
    "newest it told those that converted from the others no better than chance (ranking {auc}). All have the share "
    "of all.",
    "too_few": "{n} decided, {converted} converted: too few to learn from. All have the share of all.",
}
MOST_TRAITS = 12


@click.command()
@click.argument("subject", type=click.Choice(["accounts", "leads"]))
@click.option("--where", multiple=True, metavar="EXPR", help="Keep what fulfils this; may be repeated.")
@click.option("--as-of", metavar="DATE", type=DAY, help="As it was known at the end of this day.")
@click.option("--limit", default=30, show_default=True, type=click.IntRange(1), help="Most rows in a table.")
@folder_option
@output_options
def propensity(
    subject: Literal["accounts", "leads"],
    where: Sequence[str],
    as_of: datetime | None,
    limit: int,
    project: Path,
    output: Output,
) -> None:
    """Rank accounts or leads by how likely they are to convert, and tell what those that did have in common."""
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table
    from cadran.engine.prospects import ProspectQuery
    from cadran.insights.propensity import FIELDS, propensity_record, propensity_records

    view = opened(project, output).view()
    answer = view.propensity(ProspectQuery(subject, tuple(where), as_of.date() if as_of else None))
    if output.form == "json":
        show_records([propensity_record(answer)], output.form, ())
    elif output.form == "csv":
        show_records(propensity_records(answer), output.form, FIELDS)
    else:
        if answer.found.traits:
            show_table(_traits(answer, view, output.language))
        show_table(_prospects(answer, view, output.language, limit))
    _remarks(answer, output)


def _traits(answer: PropensityAnswer, view: View, language: str) -> Table:
    from cadran.cli.tables import table_of
    from cadran.i18n import format_number, format_value, segment_name

    table = table_of(("Dimension", "Value", "n", "Converted", "Odds", "Range"), language, texts=2)
    for each in answer.found.traits[:MOST_TRAITS]:
        low, high = (format_number(edge, language, decimals=2) for edge in (each.low, each.high))
        table.add_row(
            _dimension(each.kind, view, language),
            segment_name(each.label, language),
            str(each.n),
            format_value(each.converted / each.n, "rate", "", language),
            f"× {format_number(each.odds, language, decimals=2)}",
            f"{low} – {high}",
        )
    return table


def _prospects(answer: PropensityAnswer, view: View, language: str, limit: int) -> Table:
    from cadran.cli.tables import table_of
    from cadran.i18n import format_number, format_value, segment_name

    table = table_of(("Name", "Owner", "Why", "Chance", "Lift"), language, texts=3)
    for each in answer.prospects[:limit]:
        why = "; ".join(
            f"{_dimension(kind, view, language)} {segment_name(label or None, language)} × "
            f"{format_number(odds, language, decimals=2)}"
            for kind, label, odds in each.reasons
        )
        table.add_row(
            each.name or each.id,
            segment_name(each.owner, language),
            why,
            format_value(each.chance, "rate", "", language),
            f"× {format_number(each.lift, language, decimals=1)}",
        )
    return table


def _dimension(kind: str, view: View, language: str) -> str:
    found = view.catalogue.dimensions.get(kind)
    return found.labels.get(language, kind) if found else kind


def _remarks(answer: PropensityAnswer, output: Output) -> None:
    from cadran.i18n import format_number

    found = answer.found
    beside = {}
    if found.basis != "too_few":
        figures = {"brier": found.brier, "share": found.brier_share, "auc": found.auc}
        beside = {name: format_number(value, output.language, decimals=3) for name, value in figures.items()}
    output.note(BASES[found.basis], n=found.n, converted=found.converted, checked=found.n_checked, **beside)
