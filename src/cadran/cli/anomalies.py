"""How the terminal says what is out of its usual range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.cli.tables import table_of
from cadran.i18n import format_date, format_interval, format_period, format_value, say, segment_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from cadran.insights.anomalies import Anomalies, Anomaly
    from cadran.view import View

SHAPES = {"level_shift": "New level", "drift": "Drift", "spike": "Spike", "silence": "Silence"}
_HEADS = ("KPI", "Segment", "What", "Since", "Value", "Expected", "Range", "n", "At stake")


def show_anomalies(found: Anomalies, view: View, language: str, show: Callable[[Table], None]) -> None:
    """What moved together under one heading; the most telling first."""
    week = format_period(found.start, found.end, view.project.calendar, language, short=True)
    table = table_of(_HEADS, language, texts=4, title=week)
    for members in found.groups:
        for place, each in enumerate(members):
            table.add_row(*_cells(each, found, view, language, is_first=not place))
        table.add_section()
    show(table)


def _cells(each: Anomaly, found: Anomalies, view: View, language: str, *, is_first: bool) -> list[str]:
    unit = each.kpi.unit
    value, expected = (format_value(part, unit, found.currency, language) for part in (each.value, each.expected))
    labels = {name: view.catalogue.dimensions[name].labels.get(language, name) for name in each.segment}
    segment = " × ".join(f"{labels[name]} = {segment_name(part, language)}" for name, part in each.segment.items())
    return [
        ("" if is_first else "  ") + each.kpi.name(language),
        segment or say("Whole company", {}, language),
        say(SHAPES[each.shape], {}, language),
        format_date(each.since, language),
        value,
        expected,
        format_interval(each.low, each.high, unit, found.currency, language),
        str(each.n),
        format_value(each.money, "money", found.currency, language),
    ]


def remarks(found: Anomalies, language: str, note: Callable[..., None]) -> None:
    """How many series were judged, what is missing, and how to see rows."""
    for each in found.missing:
        note(
            "No data in {entity} since {day}: {kpis} cannot be judged. Check that its source was read.",
            entity=each.entity,
            day=format_date(each.since, language),
            kpis=", ".join(each.kpis),
        )
    if found.reason:
        note("{reason}", reason=say(found.reason, found.reason_params, language))
        return
    note(
        "{judged} of {series} weekly series judged; of what is raised, at most {level} % is chance.",
        judged=found.n_judged,
        series=found.n_series,
        level=round(100 * found.level),
    )
    if not found.groups:
        note("Nothing is out of its usual range.")
        return
    first = found.groups[0][0]
    note(
        "Its rows: cadran rows {kpi} {words} --from {start} --to {end}",
        kpi=first.kpi.id,
        words=" ".join(f'--where "{text}"' for text in first.where),
        start=first.since.isoformat(),
        end=found.end.isoformat(),
    )
