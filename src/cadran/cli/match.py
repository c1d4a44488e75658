"""The verbs of matching: what may be one, and what people say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cadran.cli.options import folder_option, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cadran.cli.options import Output
    from cadran.config import Project
    from cadran.jobs.match import Proposal

_ENTITY = click.argument("entity", type=click.Choice(["account", "contact", "lead"]))
_PERSON = click.option("--by", "person", default="local", show_default=True, help="Who decides.")
#: What of a record is shown beside another.
_SHOWN = ("id", "name", "company", "email", "phone", "domain", "country", "tax_id")
_DECIDED = ("entity", "id_a", "id_b", "verdict", "decided_by", "decided_at", "chance")


@click.group()
def match() -> None:
    """Find records that are one although no rule says so, and decide on them."""


@match.command(name="list")
@_ENTITY
@click.option("--decided", is_flag=True, help="List what was decided instead.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="Most pairs to list.")
@folder_option
@output_options
def list_(entity: str, decided: bool, limit: int, project: Path, output: Output) -> None:
    """List pairs that may be one, the likeliest first; or what was decided."""
    from cadran.cli.show import show_each, show_records
    from cadran.jobs.match import decided as decided_of
    from cadran.jobs.match import proposal_record, proposals

    settings = _settings(project, output)
    if decided:
        records = [_decided(each) for each in decided_of(settings, entity)]
        show_each(records[-limit:], output.form, _DECIDED)
        return
    found = proposals(settings, entity)
    output.note(
        "{n} pairs of {entity} may be one; {shown} are shown.",
        n=len(found),
        entity=entity,
        shown=min(limit, len(found)),
    )
    if output.form == "table":
        _pairs(found[:limit], output)
    else:
        show_records([proposal_record(each) for each in found[:limit]], output.form, ("entity", "chance"))


@match.command()
@_ENTITY
@click.option("--pairs", "n", default=20, show_default=True, type=click.IntRange(1), help="Pairs to review.")
@click.option("--seed", default=1, show_default=True, help="Of the draw among certain pairs.")
@_PERSON
@folder_option
@output_options
def review(entity: str, n: int, seed: int, person: str, project: Path, output: Output) -> None:
    """Decide pair by pair: half of them drawn from the certain ones, half those that teach the model most."""
    from cadran.i18n import say
    from cadran.jobs.match import decide, decision, decision_log, proposals, reviewed, sample

    settings = _settings(project, output)
    drawn = sample(proposals(settings, entity), n, seed)
    output.note("Pairs to review: {n}, drawn with seed {seed}.", n=len(drawn), seed=seed)
    asked = say("Same? y yes, n no, s skip, q stop", {}, output.language)
    for each in drawn:
        _pairs([each], output)
        answer = click.prompt(asked, type=click.Choice(["y", "n", "s", "q"]), default="s", err=True)
        if answer == "q":
            break
        if answer != "s":
            verdict = "same" if answer == "y" else "apart"
            chance = each.pair.chance
            decide(settings, [decision(entity, *each.pair.ids, verdict, person, output.now(), chance)])  # type: ignore[arg-type]
    seen = reviewed(decision_log(settings), entity)
    output.note("Certain pairs reviewed: {n}; right: {right}.", n=seen.n, right=seen.right)


@match.command()
@_ENTITY
@click.argument("one", metavar="ID")
@click.argument("other", metavar="ID")
@_PERSON
@folder_option
@output_options
def accept(entity: str, one: str, other: str, person: str, project: Path, output: Output) -> None:
    """Say that two records are one; the next build merges them."""
    _say(project, entity, (one, other), "same", person, output)


@match.command()
@_ENTITY
@click.argument("one", metavar="ID")
@click.argument("other", metavar="ID")
@_PERSON
@folder_option
@output_options
def refuse(entity: str, one: str, other: str, person: str, project: Path, output: Output) -> None:
    """Say that two records are two, whatever a rule or a model says."""
    _say(project, entity, (one, other), "apart", person, output)


@match.command()
@_ENTITY
@click.argument("one", metavar="ID")
@click.argument("other", metavar="ID")
@_PERSON
@folder_option
@output_options
def undo(entity: str, one: str, other: str, person: str, project: Path, output: Output) -> None:
    """Take back what was said of two records; the next build is as if it had not been said."""
    _say(project, entity, (one, other), "undo", person, output)


@match.command()
@_ENTITY
@folder_option
@output_options
def merge(entity: str, project: Path, output: Output) -> None:
    """Accept every pair that is certain, once a sample of them was reviewed; each can be undone."""
    from cadran.jobs.match import merge_certain

    made = merge_certain(_settings(project, output), entity, output.now())
    output.note("{n} pairs were accepted; run `cadran build` to merge them.", n=len(made))


def _say(project: Path, entity: str, ids: tuple[str, str], verdict: Any, person: str, output: Output) -> None:
    from cadran.jobs.match import decide, decision

    settings = _settings(project, output)
    decide(settings, [decision(entity, *ids, verdict, person, output.now())])
    output.note("Noted in {file}; run `cadran build` for figures to follow.", file="matches.csv")


def _settings(project: Path, output: Output) -> Project:
    from cadran.config import load_project

    settings = load_project(project)
    output.prefer(settings.languages)
    return settings


def _decided(each: Any) -> dict[str, object]:
    at = each.at.isoformat(timespec="seconds")
    return dict(zip(_DECIDED, (each.entity, *each.ids, each.verdict, each.person, at, each.chance), strict=True))


def _pairs(found: Sequence[Proposal], output: Output) -> None:
    """Each pair as two lines under one another, with the columns that any of them has."""
    from cadran.cli.tables import show_table, table_of
    from cadran.i18n import format_value

    named = [name for name in _SHOWN if any(side[name] for each in found for side in (each.one, each.other))]
    table = table_of(("", *named))
    for each in found:
        chance = format_value(each.pair.chance, "rate", "", output.language)
        table.add_row(chance, *(each.one[name] or "" for name in named))
        table.add_row("", *(each.other[name] or "" for name in named), end_section=True)
    show_table(table)
