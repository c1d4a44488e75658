"""Tables and the console that prints them: the one place where the terminal meets its library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from cadran.i18n import say

if TYPE_CHECKING:
    from collections.abc import Sequence


def table_of(heads: Sequence[str], language: str = "", *, texts: int | None = None, title: str = "") -> Table:
    """An empty table.

    Args:
        heads: Heads of its columns, as English words or none.
        language: Language of the heads; empty where they are said already.
        texts: How many columns hold texts, on the left; those that follow hold numbers, on the right. All of them
            unless said.
        title: What stands above it.
    """
    table = Table(box=None, pad_edge=False, title=title or None, title_justify="left")
    for place, head in enumerate(heads):
        is_text = texts is None or place < texts
        said = say(head, {}, language) if head and language else head
        table.add_column(said, justify="left" if is_text else "right", overflow="fold")
    return table


def show_table(table: Table) -> None:
    """A table on standard output."""
    terminal().print(table)


def terminal(*, stderr: bool = False) -> Console:
    """A console that never cuts a value where its output is read by a program."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=200)
