"""The verbs of live connections: make one, check it, see how fresh it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cadran.cli.options import folder_option, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cadran.cli.options import Output

STATE_FIELDS = ("connection", "stream", "state", "told", "records", "total")
FRESH_FIELDS = (
    "connection", "stream", "outcome", "known_until", "hours", "rows", "landed", "gone", "requests", "tokens",
    "throttled", "waited",
)  # fmt: skip


#: What columns are called.
HEADS = {
    "connection": "Connection", "stream": "Stream", "state": "State", "told": "Remark", "records": "Records",
    "total": "In all", "outcome": "Outcome", "known_until": "Known until", "hours": "Hours ago", "rows": "Rows read",
    "landed": "Rows kept", "gone": "Gone", "requests": "Requests", "tokens": "Tokens", "throttled": "Throttled",
    "waited": "Seconds waited",
}  # fmt: skip


_TEXTS = ("Connection", "Stream", "State", "Remark", "Outcome", "Known until")


class _Connect(click.Group):
    """A word that is no verb is the name of a connection to make."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb, or the making of a connection."""
        if args and args[0] not in self.commands:
            return "make", self.commands["make"], args
        return super().resolve_command(ctx, args)


@click.group(cls=_Connect)
def connect() -> None:
    """Connect a system: `connect NAME` makes a connection, `connect check` and `connect status` look at them."""


@connect.command(hidden=True)
@click.argument("name")
@click.option("--kind", help="Kind of system; the name itself by default.")
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="A setting; asked when not given.")
@click.option("--keyring", is_flag=True, help="Keep secrets in the keyring of this machine.")
@folder_option
@output_options
def make(name: str, kind: str | None, given: Sequence[str], keyring: bool, project: Path, output: Output) -> None:
    """Make a connection: its settings, and where its secrets are kept."""
    from cadran.config import load_project
    from cadran.i18n import say
    from cadran.jobs.connections import keep_secret, kinds, secret_place, write_connection

    settings, known = load_project(project), kinds()
    output.prefer(settings.languages)
    word = kind or (name if name in known else "")
    if word not in known:
        asked = say("Which kind of system?", {}, output.language)
        word = click.prompt(asked, type=click.Choice(sorted(known)), err=True)
    values = dict(item.partition("=")[::2] for item in given)
    for need in known[word].settings:
        if need.name not in values and need.default is None:
            values[need.name] = click.prompt(f"{need.name} ({say(need.about, {}, output.language)})", err=True)
    needed = [need for need in known[word].secrets if need.default is None]
    places = {need.name: secret_place(name, need.name, in_keyring=True) for need in needed if keyring}
    write_connection(settings, name, word, {**places, **values})
    if known[word].grants:
        output.note("It needs the rights: {grants}.", grants=", ".join(known[word].grants))
    for need in needed:
        about = say(need.about, {}, output.language)
        if keyring:
            keep_secret(name, need.name, click.prompt(f"{need.name} ({about})", hide_input=True, err=True))
        else:
            place = secret_place(name, need.name, in_keyring=False).removeprefix("env:")
            told = {"secret": need.name, "place": place, "about": about}
            output.note("Put the {secret} into the environment variable {place}. {about}", **told)
    output.note("Then run `cadran connect check {name} --live`, and `cadran build`.", name=name)


@connect.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--live", is_flag=True, help="Ask each system for the first page of each stream.")
@folder_option
@output_options
def check(names: Sequence[str], live: bool, project: Path, output: Output) -> None:
    """Say what is right and wrong about connections, without a value of any record."""
    from cadran.config import load_project
    from cadran.jobs.connections import check_connections
    from cadran.jobs.sync import mappings_of

    settings = load_project(project)
    output.prefer(settings.languages)
    found = [each.as_record() for each in check_connections(settings, mappings_of(settings), names, live=live)]
    _show(found, STATE_FIELDS, output)
    if output.form == "table":
        for each in found:
            for column, told in each["columns"].items():
                output.line(f"{each['connection']}/{each['stream']}  {column}: {told['holds']}, {told['filled']:.0%}")
    if any(each["state"] in {"lacks a secret", "refused"} for each in found):
        from cadran.errors import EXIT_ISSUES

        click.get_current_context().exit(EXIT_ISSUES)


@connect.command()
@folder_option
@output_options
def status(project: Path, output: Output) -> None:
    """Say until when each stream is known, and what its last read took."""
    from cadran.config import load_project
    from cadran.jobs.connections import freshness

    settings = load_project(project)
    output.prefer(settings.languages)
    _show(freshness(settings, output.now()), FRESH_FIELDS, output)


def _show(found: Sequence[dict[str, Any]], fields: Sequence[str], output: Output) -> None:
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table, table_of

    if output.form != "table":
        show_records(found, output.form, fields)
        return
    texts = sum(HEADS[name] in _TEXTS for name in fields)
    table = table_of([HEADS[name] for name in fields], output.language, texts=texts)
    for each in found:
        table.add_row(*(_cell(each.get(name), output.language) for name in fields))
    show_table(table)


def _cell(value: Any, language: str) -> str:
    from cadran.i18n import say

    if value is None or value == "":
        return ""
    return say(value, {}, language) if isinstance(value, str) else f"{value:g}"
