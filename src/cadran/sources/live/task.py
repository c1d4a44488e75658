"""A task that is put into a system: the one thing that Cadran writes, where a project asks for it.

A request to write is sent once: asked again after a cut, a system would have two. Who sends a task again says since
when it may be there, and the system is looked through first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

    from cadran.sources.live.http import Habits

#: Characters of a subject that every system keeps, its key included.
LONGEST = 255


@dataclass(frozen=True)
class Task:
    """What somebody has to do by a day.

    Attributes:
        key: What tells it from every other task of Cadran, of this company or another.
        title: What is to be done.
        about: What it is for.
        owner: Name or mail address of who does it.
        due_on: The deadline.
        since: Aware UTC instant from which an earlier try may have made it; None where there was none.
    """

    key: str
    title: str
    about: str
    owner: str
    due_on: date
    since: datetime | None = None

    @property
    def subject(self) -> str:
        """The title with its key, by which it is found again."""
        mark = f" [{self.key}]"
        return " ".join(self.title.split())[: LONGEST - len(mark)] + mark


def once(habits: Habits) -> Habits:
    """Habits by which nothing is sent twice."""
    return replace(habits, attempts=1)


def owner_among(people: Iterable[tuple[str, str, str]], wanted: str) -> str | None:
    """The id of who is named: the only one of that mail address or name, else nobody.

    Args:
        people: Id, name and mail address of each.
        wanted: Name or mail address.
    """
    asked = " ".join(wanted.casefold().split())
    found = {number for number, *words in people if asked in {" ".join(word.casefold().split()) for word in words}}
    return found.pop() if len(found) == 1 and asked else None
