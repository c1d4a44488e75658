"""Open actions as an iCalendar file, one event of a whole day per deadline.

Events rather than to-dos, because the calendars of most companies do not read to-dos. An action keeps its
UID, so that importing the file again moves an event rather than adding another.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

#: Most bytes of a line, its end left out (RFC 5545, section 3.1).
WIDTH = 75


def calendar_of(actions: Iterable[Mapping[str, Any]], names: Mapping[str, str], company: str, now: datetime) -> str:
    """The calendar of the actions that are not done.

    Args:
        actions: Rows of the archive.
        names: What each KPI is called, by id.
        company: Name of the company, which tells its actions from those of others.
        now: A naive UTC instant, which the file says it was made at.

    References:
        RFC 5545, Internet Calendaring and Scheduling Core Object Specification.
    """
    place = hashlib.sha256(company.encode()).hexdigest()[:16]
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Cadran//Actions//EN", "CALSCALE:GREGORIAN"]
    for action in actions:
        if action["done_at"] is None:
            lines += _event(action, names, place, now)
    return "".join(f"{part}\r\n" for line in [*lines, "END:VCALENDAR"] for part in _folded(line))


def _event(action: Mapping[str, Any], names: Mapping[str, str], place: str, now: datetime) -> list[str]:
    due, kpi = action["due_on"], names.get(action["kpi"], action["kpi"])
    return [
        "BEGIN:VEVENT",
        f"UID:action-{action['id']}@{place}.cadran",
        f"DTSTAMP:{now:%Y%m%dT%H%M%SZ}",
        f"DTSTART;VALUE=DATE:{due:%Y%m%d}",
        f"DTEND;VALUE=DATE:{due + timedelta(days=1):%Y%m%d}",
        f"SUMMARY:{_escaped(action['text'])} ({_escaped(action['owner'])})",
        f"DESCRIPTION:{_escaped(kpi)} → {_escaped(action['text'])} → {_escaped(action['owner'])}",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
    ]


def _escaped(text: str) -> str:
    for mark in "\\;,":
        text = text.replace(mark, "\\" + mark)
    return "\\n".join(text.splitlines())


def _folded(line: str) -> Iterator[str]:
    """The line in pieces of at most `WIDTH` bytes, each but the first after a space, no character cut."""
    piece, size = "", 0
    for character in line:
        width = len(character.encode())
        if size + width > WIDTH:
            yield piece
            piece, size = " ", 1
        piece, size = piece + character, size + width
    yield piece
