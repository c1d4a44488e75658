"""How the terminal says what is to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.cli.tables import table_of
from cadran.i18n import format_delta, format_period, format_value, say, segment_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from cadran.insights.blame import Blame, Blamed
    from cadran.view import View


def show_blame(found: Blame, view: View, language: str, show: Callable[[Table], None]) -> None:
    """The most striking cells; the one to blame is marked."""
    period = format_period(found.start, found.end, view.project.calendar, language, short=True)
    now, before = (format_value(rate, "rate", "", language) for rate in (found.rate, found.before))
    title = f"{found.kpi.name(language)} · {period} : {before} → {now} (n = {found.n})"
    table = table_of(("", "Segment", "n", "Value", "Expected", "Effect"), language, texts=2, title=title)
    for each in found.candidates:
        rates = [format_value(rate, "rate", "", language) for rate in (each.rate, each.expected)]
        effect = format_delta(each.effect, "rate", "", language)
        mark = "→" if each is found.cause else ""
        table.add_row(mark, _named(each, view, language), str(each.n), *rates, effect)
    show(table)


def _named(each: Blamed, view: View, language: str) -> str:
    """``Segment = SMB × Channel = partner``."""
    labels = {name: view.catalogue.dimensions[name].labels.get(language, name) for name in each.segment}
    return " × ".join(f"{labels[name]} = {segment_name(value, language)}" for name, value in each.segment.items())


def remarks(found: Blame, language: str, note: Callable[..., None]) -> None:
    """Whether a cell is named, how sure that is, and how to see its rows."""
    if found.reason:
        note("{reason}", reason=say(found.reason, found.reason_params, language))
    if found.cause is not None and found.p is not None:
        note("Windows without a cause give one as striking in {share} % of cases.", share=round(100 * found.p, 1))
        words = " ".join(f'--where "{text}"' for text in found.cause.where)
        note(
            "Its rows: cadran rows {kpi} {words} --from {start} --to {end}",
            kpi=found.kpi.id,
            words=words,
            start=found.start.isoformat(),
            end=found.end.isoformat(),
        )
