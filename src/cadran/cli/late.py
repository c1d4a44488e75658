"""How the terminal shows late changes: each figure before and after, then the rows that make the difference."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.cli.tables import table_of
from cadran.i18n import format_date, format_delta, format_moment, format_period, format_value, say, segment_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from cadran.engine.late import Late, LateChange
    from cadran.engine.result import Figure, Number
    from cadran.view import View

_KINDS = {"entered": "entered", "left": "left", "changed": "changed"}


def show_late(found: Late, view: View, language: str, show: Callable[[Table], None]) -> None:
    """Two tables for people: figures, then rows, those that weigh most first."""
    show(_figures(found, view, language))
    if found.changes:
        show(_changes(found, view, language))


def remarks(found: Late, view: View, note: Callable[..., None], language: str) -> None:
    """Between which days, and how many rows."""
    days = [format_moment(moment, language, view.project.zone) for moment in (found.since, found.until)]
    note(
        "Changes between what was known on {since} and on {until}: {n}.",
        n=len(found.changes),
        since=days[0],
        until=days[1],
    )


def _figures(found: Late, view: View, language: str) -> Table:
    kpi = view.kpi(found.kpi)
    heads = ("KPI", "Period", "Segment", "As known then", "As known since", "Change")
    table = table_of(heads, language, texts=3)
    for old, new in found.figures:
        figure = new or old
        assert figure is not None  # noqa: S101 - a pair has at least one figure
        values = [each.value if each else None for each in (old, new)]
        delta = None if None in values else values[1] - values[0]  # type: ignore[operator]
        table.add_row(
            kpi.name(language),
            _period(figure, view, language),
            _segment(figure, language),
            *(format_value(value, kpi.unit, found.currency, language, style="exact") for value in values),
            "" if delta is None else format_delta(delta, kpi.unit, found.currency, language),
        )
    return table


def _changes(found: Late, view: View, language: str) -> Table:
    heads = ("Period", "Segment", "Part", "Row", "What happened", "Learnt", "Before", "After", "Change")
    table = table_of(heads, language, texts=6)
    for change in sorted(found.changes, key=lambda each: (each.start, each.kpi, each.part, -abs(float(each.delta)))):
        part = change.part if change.kpi == found.kpi else f"{change.kpi}: {change.part}"
        table.add_row(
            _period(change, view, language),
            _segment(change, language),
            part,
            f"{change.entity} {change.id}",
            say(_KINDS[change.kind], {}, language),
            _learnt(change, language),
            *(_amount(value) for value in (change.old, change.new, change.delta)),
        )
    return table


def _period(of: Figure | LateChange, view: View, language: str) -> str:
    return format_period(of.start, of.end, view.project.calendar, language, short=True)


def _segment(of: Figure | LateChange, language: str) -> str:
    return ", ".join(segment_name(value, language) for value in of.segment.values())


def _learnt(change: LateChange, language: str) -> str:
    if change.learnt_from is None or change.learnt_to is None:
        return ""
    days = (format_date(moment.date(), language) for moment in (change.learnt_from, change.learnt_to))
    return " – ".join(dict.fromkeys(days))


def _amount(value: Number | None) -> str:
    return "" if value is None else f"{Decimal(str(value)).normalize():f}"
