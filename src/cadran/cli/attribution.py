"""How the terminal shows credited revenue: one row per label, one column per model, and the range over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.cli.tables import table_of
from cadran.i18n import format_value, say, segment_name
from cadran.insights.attribution import ORGANIC, UNLABELLED, UNTOUCHED

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from cadran.insights.attribution import Attribution

FIELDS = ("label", "model", "value", "wins", "currency", "low", "high")
#: Models that a terminal has room for; the others are in JSON and CSV.
SHOWN = ("first", "last", "linear", "u_shaped", "time_decay", "markov_1", "hazard")


def show_attribution(found: Attribution, language: str, show: Callable[[Table], None]) -> None:
    """A table for people."""
    models = [model for model in SHOWN if model in found.models]
    table = table_of(("Label", *models, "Range over models"), language, texts=1)
    for row in found.rows:
        special = row.label in (ORGANIC, UNTOUCHED, UNLABELLED)
        values = [format_value(row.shares[model].value, "money", found.currency, language) for model in models]
        ends = [format_value(end, "money", found.currency, language) for end in (row.low, row.high)]
        table.add_row(
            say(row.label, {}, language) if special else segment_name(row.label, language),
            *values,
            " – ".join(dict.fromkeys(ends)),
        )
    show(table)


def remarks(found: Attribution, language: str, note: Callable[..., None]) -> None:
    """What a reader must know beside the figures."""
    note(
        "{touched} of {wins} won deals have a touch that counts. Credit is a convention, not a cause: read the range.",
        touched=found.n_touched,
        wins=found.wins,
    )
    for model, (reason, params) in found.refused.items():
        note("{model}: {reason}", model=model, reason=say(reason, params, language))
    if found.without_amount:
        note("{n} won deals have no amount: they count as wins only.", n=found.without_amount)
    if found.without_rate:
        ids = ", ".join(found.without_rate[:5])
        note("{n} won deals have no exchange rate and are left out: {ids}.", n=len(found.without_rate), ids=ids)
