"""The verb of open deals: how likely each is to be won, why, and which have gone silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cadran.cli.options import DAY, folder_option, opened, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from rich.table import Table

    from cadran.cli.options import Output
    from cadran.insights.open_deals import OpenDeal, OpenDeals, PipelineChances, Reason
    from cadran.view import View

HEADS = ("Deal", "Owner", "Stage", "Why", "Silent", "Amount", "Chance", "Range", "Expected", "By hand", "Days")
FLAGS = {"past_close": "past its close date", "no_activity": "no activity", "stalled": "longer than usual in its stage"}
KINDS = {"amount": "amount", "touches": "recent touches", "time": "time in the stage"}
#: What chances rest on, told to a person.
BASES = {
    "model": "{pipeline}: chances by the model, checked on {n} past deals: squared error {model} "
    "({stages} by the share of each stage, {all} by that of all), ranking {auc}, calibration gap {gap}.",
    "stages": "{pipeline}: chances by the share of each stage: on {n} past deals the model was no better "
    "(squared error {model}, {stages} by stage, {all} by the share of all).",
    "hand": "{pipeline}: chances as set by hand: on {n} past deals nothing was better (squared error {hand}, "
    "{model} by the model, {stages} by stage).",
    "nothing": "{pipeline}: nothing can be learnt that tells deals apart: of {n} past deals the model told won from "
    "lost no better than chance (ranking {auc}, squared error {model}, {all} by the share of all). Every deal has "
    "that share.",
    "too_few": "{pipeline}: too few past deals to check a model on ({n}): every deal has the share of all.",
}


@click.command()
@click.option("--silent", is_flag=True, help="Only deals past their close date, without activity, or stalled.")
@click.option("--where", multiple=True, metavar="EXPR", help="Keep deals that fulfil this; may be repeated.")
@click.option("--as-of", metavar="DATE", type=DAY, help="As it was known at the end of this day.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="Most deals in a table.")
@folder_option
@output_options
def deals(
    silent: bool, where: Sequence[str], as_of: datetime | None, limit: int, project: Path, output: Output
) -> None:
    """Tell how likely each open deal is to be won, why, what it is worth, and which have gone silent."""
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table
    from cadran.engine.deals import DealQuery
    from cadran.insights.deals_record import FIELDS, deal_records, deals_record

    view = opened(project, output).view()
    found = view.deals(DealQuery(tuple(where), as_of.date() if as_of else None), silent=silent)
    if output.form == "table":
        show_table(_table(found, view, output.language, limit))
    elif output.form == "json":
        show_records([deals_record(found)], output.form, ())
    else:
        show_records(deal_records(found), output.form, FIELDS)
    _remarks(found, output, limit)


def _table(found: OpenDeals, view: View, language: str, limit: int) -> Table:
    from cadran.cli.tables import table_of

    table = table_of(HEADS, language, texts=5)
    for deal in found.deals[:limit]:
        table.add_row(*_cells(deal, found.currency, view, language))
    return table


def _cells(deal: OpenDeal, currency: str, view: View, language: str) -> list[str]:
    from cadran.i18n import format_interval, format_number, format_value, say, segment_name

    why = "; ".join(_reason(each, view, language) for each in deal.reasons)
    return [
        deal.name or deal.id,
        segment_name(deal.owner, language),
        deal.stage,
        why,
        ", ".join(say(FLAGS[flag], {}, language) for flag in deal.silent),
        format_value(deal.amount, "money", currency, language),
        format_value(deal.chance, "rate", currency, language),
        format_interval(deal.low, deal.high, "rate", currency, language),
        format_value(deal.expected, "money", currency, language),
        format_value(deal.by_hand, "rate", currency, language),
        format_number(deal.days, language),
    ]


def _reason(reason: Reason, view: View, language: str) -> str:
    from cadran.i18n import format_number, say, segment_name

    dimension = view.catalogue.dimensions.get(reason.kind)
    named = (
        dimension.labels.get(language, reason.kind)
        if dimension
        else say(KINDS.get(reason.kind, reason.kind), {}, language)
    )
    value = f" {segment_name(reason.label, language)}" if reason.label else ""
    points = say("{n} pt", {"n": format_number(reason.effect * 100, language, sign=True)}, language)
    return f"{named}{value} {points}"


def _remarks(found: OpenDeals, output: Output, limit: int) -> None:
    from cadran.i18n import format_value

    money = {
        name: format_value(getattr(found, name), "money", found.currency, output.language)
        for name in ("amount", "expected", "at_risk", "expected_at_risk")
    }
    quiet = sum(bool(deal.silent) for deal in found.deals)
    output.note("{n} open deals, {amount}; expected {expected}.", n=len(found.deals), **money)
    output.note("{n} are silent: {at_risk} at risk, expected {expected_at_risk}.", n=quiet, **money)
    for each in found.pipelines:
        _basis(each, output)
    if not found.has_stages:
        output.note("The stages that closed deals went through are not recorded: only age and description can tell.")
    if not found.has_touches:
        output.note("No touch of a deal is recorded: none is called without activity.")
    if found.without_amount:
        output.note("{n} deals have no amount, or no exchange rate for it: they add nothing.", n=found.without_amount)
    output.note("Ranges are of the chance itself, at 95 %, drawn with seed {seed}.", seed=found.seed)
    if len(found.deals) > limit and output.form == "table":
        output.note("{n} more deals: raise --limit, or ask for CSV.", n=len(found.deals) - limit)


def _basis(each: PipelineChances, output: Output) -> None:
    from cadran.i18n import format_date, format_number, say
    from cadran.insights.deal_stays import day_of

    language, skill = output.language, each.skill
    pipeline = each.pipeline or say("Pipeline", {}, language)
    errors = {name: format_number(value, language, decimals=3) for name, value in skill.brier.items()}
    ranked = {"auc": skill.auc, "gap": skill.calibration} if skill.basis in ("model", "nothing") else {}
    beside = {name: format_number(value, language, decimals=2) for name, value in ranked.items()}
    output.note(BASES[skill.basis], pipeline=pipeline, n=skill.n, **errors, **beside)
    for found in each.breaks:
        output.note(
            "Since {day}, {went} of {n} deals went on from {stage}, {expected} were expected: chances are adjusted.",
            day=format_date(day_of(found.since), language),
            went=found.went,
            n=found.n,
            stage=each.stages[found.stage],
            expected=format_number(found.expected, language),
        )
