"""What a reading comes to, in a word with its icon and colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cadran.charts.words import Words
    from cadran.insights.reading import Reading

VERDICTS = {
    "on_track": "On target",
    "watch": "Watch",
    "off_track": "Off target",
    "cannot_tell": "Cannot tell",
    "none": "No target",
}
STATUSES = {"undefined": "Undefined", "too_few": "Too few cases", "too_young": "Too young"}


@dataclass(frozen=True)
class Badge:
    """A verdict as an icon, a word and a colour.

    Attributes:
        key: Name of the icon and of the colour.
        label: Word, in the person's language.
    """

    key: str
    label: str


def badge(reading: Reading, words: Words) -> Badge:
    """What the reading comes to, the first thing that keeps it from a verdict first."""
    if reading.status != "ok":
        return Badge("none", words.say(STATUSES[reading.status]))
    if reading.figure.partial:
        return Badge("partial", words.say("Provisional"))
    return Badge(reading.verdict, words.say(VERDICTS[reading.verdict]))
