"""The definitions as a terminal shows them: every KPI with what is governed about it, and what an export lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from cadran.catalogue.exchange.report import GENERAL
from cadran.cli.show import dump, terminal
from cadran.i18n import say

if TYPE_CHECKING:
    from pathlib import Path

    from cadran.catalogue.exchange.report import Export

_STATUS = {"whole": "whole", "loss": "with loss", "none": "left out"}
_STYLES = {"whole": "green", "loss": "yellow", "none": "red"}
EXPORT_FIELDS = ("kpi", "status", "losses")


def show_export(found: Export, out: Path, form: str, language: str) -> None:
    """What became of every KPI in another tool's format, and why."""
    losses = {each.kpi: [say(loss.message, loss.params, language) for loss in each.losses] for each in found.kpis}
    if form != "table":
        rows = [{"kpi": each.kpi, "status": each.status, "losses": losses[each.kpi]} for each in found.kpis]
        dump(rows, form, EXPORT_FIELDS)
    else:
        table = Table(box=None, pad_edge=False)
        for head in ("KPI", "Export", "What is lost"):
            table.add_column(say(head, {}, language), overflow="fold")
        for each in found.kpis:
            status = Text(say(_STATUS[each.status], {}, language), style=_STYLES[each.status])
            table.add_row(each.kpi, status, " ".join(losses[each.kpi]))
        terminal().print(table)
    for line in GENERAL:
        click.echo(say(line, {}, language), err=True)
    counts = found.counts()
    told = {"n": len(found.files), "folder": str(out), "whole": counts["whole"], "loss": counts["loss"]}
    summary = "{n} files in {folder}: {whole} KPIs whole, {loss} with loss, {none} left out."
    click.echo(say(summary, {**told, "none": counts["none"]}, language), err=True)
