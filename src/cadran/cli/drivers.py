"""How the terminal shows why a KPI moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.charts import Words, drivers_table
from cadran.cli.tables import table_of
from cadran.i18n import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from cadran.insights.change import Drivers
    from cadran.view import View

#: How each method says what it did.
SAID = {
    "sum": "Each term by its difference.",
    "log_mean": "Each factor by its log-mean share: nothing is left over.",
    "symmetric": "Each factor by the mean over every order of change.",
    "movements": "What moved the balance between the two ends.",
    "segments": "Each segment by its difference.",
    "mix_rate": "Mix: weights that moved. Rate: what happened inside the segments.",
}


def show_drivers(found: Drivers, view: View, language: str, show: Callable[[Table], None]) -> None:
    """A table for people, the total last."""
    words = Words(language, found.currency, view.project.calendar, view.project.zone)
    names = {kpi.id: kpi.name(language) for kpi in view.catalogue.newest()}
    data = drivers_table(found, names, words)
    title = f"{found.kpi.name(language)} · {words.period(found.earlier_start, found.earlier_end)} → "
    table = table_of(data.columns, texts=1, title=title + words.period(found.start, found.end))
    for row in data.rows:
        table.add_row(*row)
    show(table)


def remarks(found: Drivers, view: View, language: str, note: Callable[..., None]) -> None:
    """How the change was split, why not where it was not, and what is believed beside it."""
    if found.method in SAID:
        note(SAID[found.method])
    if found.reason:
        note("{reason}", reason=say(found.reason, dict(found.reason_params), language))
    if found.is_simpson:
        note("Every segment moved one way and the total the other: read the mix.")
    names = [view.catalogue.title(name, language) for name in found.believed]
    if names:
        note("Believed to drive it, beside the arithmetic: {names}.", names=", ".join(names))
