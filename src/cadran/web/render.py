"""Templates and the few functions that they call; text is escaped, nothing is computed."""

from __future__ import annotations

import functools
import hashlib
import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cadran import charts, i18n
from cadran.web import sentences
from cadran.web.slices import NOT_GIVEN

if TYPE_CHECKING:
    from cadran.charts import Words
    from cadran.errors import Issue
    from cadran.i18n import Number

STATIC = Path(__file__).parent / "static"
#: Column of rows that the engine fills, with words of ours.
COUNTED = "counted"
#: Signs that follow a number without a space.
TIGHT = ("%", "×")


@functools.cache
def environment() -> Environment:
    """The templates of the cockpit; a name that a template misspells is an error."""
    env = Environment(
        loader=PackageLoader("cadran.web", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    env.globals.update(
        asset=asset,
        icon=icon,
        split_unit=split_unit,
        cell=cell,
        issue_text=issue_text,
        segment_label=segment_label,
        charts=charts,
        sentences=sentences,
        NOT_GIVEN=NOT_GIVEN,
    )
    return env


def asset(name: str) -> str:
    """The URL of a shipped file, which changes when its content does."""
    return f"/static/{name}?v={_digest(name)}"


def icon(name: str) -> Markup:
    """The SVG of an icon, hidden from screen readers: a word always stands beside it."""
    return Markup('<svg class="i" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{}</svg>').format(
        Markup(_icons()[name])  # noqa: S704 - a shipped file, whose hash a test compares
    )


def split_unit(text: str) -> tuple[str, str]:
    """A written value as its number and its unit, so that the unit can be set smaller."""
    number, space, unit = text.rpartition(i18n.NBSP)
    if space and number[-1:].isdigit():
        return number, space + unit
    return (text[:-1], text[-1]) if text.endswith(TIGHT) else (text, "")


def cell(value: Any, words: Words, column: str = "") -> str:
    """A cell of a row as people read it; what Cadran wrote itself in the person's language."""
    match value:
        case None:
            return i18n.MISSING
        case bool():
            return words.say("yes" if value else "no")
        case datetime():
            return words.moment(value)
        case date():
            return words.day(value)
        case Decimal() | float() | int():
            return _digits(value, words)
        case _:
            return _text(str(value), words, column)


def issue_text(issue: Issue, words: Words) -> str:
    """A finding on one line."""
    return i18n.issue_text(issue, words.language)


def segment_label(name: str, words: Words) -> str:
    """The name of a segment of the filter."""
    return i18n.segment_name(None if name == NOT_GIVEN else name, words.language)


def _text(value: str, words: Words, column: str) -> str:
    if column.endswith("_at") and value[:4].isdigit():
        return words.moment(datetime.fromisoformat(value))
    return words.say(value) if column == COUNTED else value


def _digits(value: Number, words: Words) -> str:
    """Money, which is decimal, to the cent; other numbers without needless zeros."""
    decimals = 2 if isinstance(value, Decimal) or value != int(value) else 0
    return i18n.format_number(value, words.language, decimals=decimals)


@functools.cache
def _icons() -> dict[str, str]:
    found: dict[str, str] = json.loads((STATIC / "vendor/icons.json").read_text(encoding="utf-8"))
    return found


@functools.cache
def _digest(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
