"""The definitions as a terminal shows them: every KPI with what is governed about it, and what an export lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from cadran.catalogue.exchange.contract import contract_of
from cadran.catalogue.exchange.report import GENERAL
from cadran.catalogue.words import level_text, target_text
from cadran.cli.show import show_records
from cadran.cli.tables import show_table, table_of
from cadran.i18n import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cadran.catalogue.definition import Kpi
    from cadran.catalogue.exchange.report import Export

_STATUS = {"whole": "whole", "loss": "with loss", "none": "left out"}
_STYLES = {"whole": "green", "loss": "yellow", "none": "red"}
#: Columns of the table of KPIs, with their widths: 100 characters with the gaps between them.
_LIST = {"KPI": 29, "Target": 10, "Benchmark": 11, "Source, grade": 17, "V.": 4, "Owner": 11, "Cadence": 12}
LIST_FIELDS = (
    *("kpi", "name", "version", "unit", "basis", "owner", "team", "stage", "cadence", "is_vanity"),
    *("targets", "benchmarks"),
)
EXPORT_FIELDS = ("kpi", "status", "losses")


def show_kpis(kpis: Sequence[Kpi], currency: str, form: str, language: str) -> None:
    """Every KPI with its target, benchmark, source and grade, version, owner and cadence."""
    if form != "table":
        show_records([_governed(kpi, language) for kpi in kpis], form, LIST_FIELDS)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for head, width in _LIST.items():
        table.add_column(say(head, {}, language), overflow="fold", width=width)
    for kpi in kpis:
        table.add_row(*_line(kpi, currency, language))
    show_table(table)
    if any(kpi.is_vanity for kpi in kpis):
        click.echo(
            say("° volume: it is never on a board, and says nothing without an outcome.", {}, language), err=True
        )


def _line(kpi: Kpi, currency: str, language: str) -> list[str]:
    mark = " °" if kpi.is_vanity else ""
    sources = [f"{say(each.source, {}, language)} ({each.grade})" for each in kpi.benchmarks]
    return [
        f"{kpi.name(language)}{mark}\n{kpi.id}",
        "\n".join(_of(target_text(kpi, each, currency, language), each.segment) for each in kpi.targets),
        "\n".join(_of(level_text(kpi, each, currency, language), each.segment) for each in kpi.benchmarks),
        "\n".join(dict.fromkeys(sources)),
        kpi.version,
        kpi.owner,
        say(kpi.cadence, {}, language) if kpi.cadence else "",
    ]


def _of(text: str, segment: Mapping[str, str]) -> str:
    return f"{text} {', '.join(segment.values())}" if segment else text


def _governed(kpi: Kpi, language: str) -> dict[str, object]:
    return {
        "kpi": kpi.id,
        "name": kpi.name(language),
        "version": kpi.version,
        "unit": kpi.unit,
        "basis": kpi.basis,
        "owner": kpi.owner,
        "team": kpi.team,
        "stage": kpi.funnel,
        "cadence": kpi.cadence,
        "is_vanity": kpi.is_vanity,
        **{name: contract_of(kpi).get(name, []) for name in ("targets", "benchmarks")},
    }


def show_export(found: Export, out: Path, form: str, language: str) -> None:
    """What became of every KPI in another tool's format, and why."""
    losses = {each.kpi: [say(loss.message, loss.params, language) for loss in each.losses] for each in found.kpis}
    if form != "table":
        rows = [{"kpi": each.kpi, "status": each.status, "losses": losses[each.kpi]} for each in found.kpis]
        show_records(rows, form, EXPORT_FIELDS)
    else:
        table = table_of(("KPI", "Export", "What is lost"), language)
        for each in found.kpis:
            status = Text(say(_STATUS[each.status], {}, language), style=_STYLES[each.status])
            table.add_row(each.kpi, status, " ".join(losses[each.kpi]))
        show_table(table)
    for line in GENERAL:
        click.echo(say(line, {}, language), err=True)
    counts = found.counts()
    told = {"n": len(found.files), "folder": str(out), "whole": counts["whole"], "loss": counts["loss"]}
    summary = "{n} files in {folder}: {whole} KPIs whole, {loss} with loss, {none} left out."
    click.echo(say(summary, {**told, "none": counts["none"]}, language), err=True)
