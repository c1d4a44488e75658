"""The verb of data quality: what is wrong, what that does to figures, how each team fares."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from cadran.cli.options import folder_option, opened, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cadran.cli.options import Output
    from cadran.insights.quality import Effect, Finding, Quality
    from cadran.jobs.quality import Trend
    from cadran.view import View


@click.command()
@click.option("--kpi", "kpis", multiple=True, metavar="ID", help="Ask this KPI without the rows; may be repeated.")
@click.option("--check", "checks", multiple=True, metavar="CODE", help="Ask the effect of this finding only.")
@click.option("--effects/--no-effects", default=True, show_default=True, help="Ask what findings do to figures.")
@folder_option
@output_options
def quality(kpis: Sequence[str], checks: Sequence[str], effects: bool, project: Path, output: Output) -> None:
    """Find what is wrong with the data, and what it does to your figures; score each team."""
    from cadran.cli.show import show_records
    from cadran.jobs.quality import FIELDS, board_kpis, finding_record, measured

    view = opened(project, output).view()
    asked = list(kpis) or board_kpis(view) if effects else []
    found, earlier = measured(view, asked, checks)
    if output.form != "table":
        show_records([finding_record(each, output.language) for each in found.findings], output.form, FIELDS)
        return
    _findings(found, view, output)
    _scores(found, earlier, view, output)


def _findings(found: Quality, view: View, output: Output) -> None:
    from cadran.cli.tables import show_table, table_of
    from cadran.i18n import format_value, say

    language = output.language
    table = table_of(("What was found", "Share", "Rows", "Effect on figures"), language)
    for each in found.findings:
        text = say(each.check.message, {"n": each.n}, language)
        ids = ", ".join(each.ids[:3]) + (" …" if each.n > 3 else "")
        table.add_row(text, format_value(each.share, "rate", "", language), ids, _effects(each, view, language))
    show_table(table)


def _effects(found: Finding, view: View, language: str) -> str:
    """What the rows do to each figure, one line per figure."""
    from cadran.i18n import say

    if found.effects is None:
        return ""
    if not found.effects:
        return say("none of the KPIs asked", {}, language)
    return "\n".join(effect_text(each, found.n, view, language) for each in found.effects)


def effect_text(each: Effect, n: int, view: View, language: str) -> str:
    """An effect as a sentence: the figure, and how far the rows move it."""
    from cadran.i18n import format_delta, format_value, say

    currency = view.meta.currency
    name = " · ".join(part for part in (view.kpi(each.kpi).name(language), each.segment) if part)
    words = {
        "kpi": name,
        "n": n,
        "shown": format_value(each.with_rows, each.unit, currency, language),
        "without": format_value(each.without, each.unit, currency, language),
    }
    if each.with_rows is None or each.without is None:
        return say("{kpi}: {shown}, without them {without}", words, language)
    change = each.with_rows - each.without
    words["change"] = format_delta(change, each.unit, currency, language)
    return say("{kpi}: {shown}, which is {change} because of them", words, language)


def _scores(found: Quality, earlier: Sequence[Trend], view: View, output: Output) -> None:
    from cadran.cli.tables import show_table, table_of
    from cadran.i18n import format_date, format_value, say

    language = output.language
    past = earlier[-3:]
    days = [format_date(datetime.fromisoformat(each.known_at).date(), language) for each in past]
    today = format_date(view.meta.known_at.date(), language)
    table = table_of((say("Checks passed", {}, language), *days, today), texts=1)
    rows = [(say("Everybody", {}, language), [each.total for each in past], found.total)]
    for score in found.teams:
        name = score.team or say("without a team", {}, language)
        rows.append((name, [each.teams.get(score.team or "") for each in past], score))
    for name, values, score in rows:
        shown = [format_value(value, "rate", "", language) for value in (*values, score.value)]
        table.add_row(name, *shown)
    show_table(table)
