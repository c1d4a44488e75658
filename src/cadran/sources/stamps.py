"""When a file was exported, as its name or the lines above its header say.

A day without a time is its last second, because an export of a day holds what happened on it.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, time

_NAME_STAMP = re.compile(
    r"(?<!\d)(20\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])"
    r"(?:(?:[T _-]|[T _-]?at[ _-])(?!20\d\d[-_.]?[01]\d[-_.]?[0-3]\d)"
    r"([01]\d|2[0-3])([-_.:h]?)([0-5]\d)(?:\6([0-5]\d))?(?:[.,]\d+)?(Z)?)?(?!\d)",
    re.IGNORECASE,
)
#: What a report writes before the instant at which it was made; the earlier pattern wins.
_KEYS = (
    re.compile(
        r"(?:date generated|generated (?:on|at|by)|report generated|exported (?:on|at)|export(?:ed)? date|downloaded on"
        r"|date d'export(?:ation)?|exporte le|genere le|date de generation|telecharge le|as of)\b(.*)"
    ),
    re.compile(r"(?:report end|end date|date de fin|fin du rapport)\b(.*)"),
)
_MONTHS = (
    ("january", "janvier", "jan", "janv"),
    ("february", "fevrier", "feb", "fevr", "fev"),
    ("march", "mars", "mar"),
    ("april", "avril", "apr", "avr"),
    ("may", "mai"),
    ("june", "juin", "jun"),
    ("july", "juillet", "jul", "juil"),
    ("august", "aout", "aug"),
    ("september", "septembre", "sep", "sept"),
    ("october", "octobre", "oct"),
    ("november", "novembre", "nov"),
    ("december", "decembre", "dec"),
)
_MONTH = {name: number for number, names in enumerate(_MONTHS, start=1) for name in names}
_DAYS = (
    re.compile(r"(?P<y>20\d\d)-(?P<m>\d\d?)-(?P<d>\d\d?)"),
    re.compile(r"(?<!\d)(?P<y>20\d\d)(?P<m>\d\d)(?P<d>\d\d)(?!\d)"),
    re.compile(r"(?P<name>[a-z]{3,9})\.? (?P<d>\d\d?)(?:st|nd|rd|th)?,? (?P<y>20\d\d)"),
    re.compile(r"(?P<d>\d\d?)(?:er)? (?P<name>[a-z]{3,9})\.? (?P<y>20\d\d)"),
    re.compile(r"(?<!\d)(?P<a>\d\d?)[/.](?P<b>\d\d?)[/.](?P<y>20\d\d)"),
)
_TIME = re.compile(r"^(?:,| at| a|t)?\s*(\d\d?)[:h](\d\d)(?::(\d\d))?(?:\.\d+)?\s*([ap]\.?m\b)?\s*(z\b|utc\b|gmt\b)?")
_LAST = time(23, 59, 59)


def from_name(name: str) -> datetime | None:
    """The latest instant written in a file name, such as ``deals-2026-10-01.csv``; None without one.

    A name with two days is a period, and its export is not earlier than the second one.
    """
    found = [_named(match) for match in _NAME_STAMP.finditer(name)]
    return max((stamp for stamp in found if stamp), key=lambda stamp: stamp.replace(tzinfo=None), default=None)


def from_preamble(lines: tuple[str, ...]) -> datetime | None:
    """The instant that the lines above a header give for their export; None when none does.

    A day such as 03/04/2026 could be two days, so it says nothing.
    """
    plain = [_plain(line) for line in lines]
    for key in _KEYS:
        for line in plain:
            if (told := key.search(line)) and (stamp := _told(told[1])):
                return stamp
    return None


def _named(match: re.Match[str]) -> datetime | None:
    year, _, month, day, hour, _, minute, second, utc = match.groups()
    try:
        on = date(int(year), int(month), int(day))
    except ValueError:
        return None
    at = time(int(hour), int(minute), int(second or 0)) if hour else _LAST
    return datetime.combine(on, at, UTC if utc else None)


def _plain(line: str) -> str:
    """Text in lower case, without accents and with plain spaces and apostrophes."""
    folded = unicodedata.normalize("NFKD", line.replace("’", "'")).casefold()
    return " ".join("".join(char for char in folded if not unicodedata.combining(char)).split())


def _told(text: str) -> datetime | None:
    for pattern in _DAYS:
        match = pattern.search(text)
        if match and (on := _day(match.groupdict())):
            return _with_time(on, text[match.end() :])
    return None


def _day(parts: dict[str, str]) -> date | None:
    try:
        if "name" in parts:
            return date(int(parts["y"]), _MONTH.get(parts["name"], 0), int(parts["d"]))
        if "m" in parts:
            return date(int(parts["y"]), int(parts["m"]), int(parts["d"]))
        first, second = int(parts["a"]), int(parts["b"])
        if first <= 12 and second <= 12 and first != second:
            return None
        return date(int(parts["y"]), min(first, second), max(first, second))
    except ValueError:
        return None


def _with_time(on: date, rest: str) -> datetime:
    match = _TIME.match(rest)
    if not match:
        return datetime.combine(on, _LAST)
    hour, half = int(match[1]), (match[4] or "")[:1]
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        at = time(hour, int(match[2]), int(match[3] or 0))
    except ValueError:
        return datetime.combine(on, _LAST)
    return datetime.combine(on, at, UTC if match[5] else None)
