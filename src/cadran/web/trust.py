"""What the page of data quality shows: checks with their rows, scores of teams with their trend, freshness."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cadran.jobs.connections import freshness
from cadran.jobs.quality import remembered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cadran.charts import Words
    from cadran.insights.quality import Finding, Quality, Score
    from cadran.jobs.quality import Trend
    from cadran.view import View

    #: A snapshot, and what a person may read of it.
    Key = tuple[str, tuple[str, ...]]

#: Earlier snapshots whose scores stand beside today's, and ids of rows that are named.
EARLIER, NAMED = 3, 3


@dataclass(frozen=True)
class TrustPage:
    """What is wrong with the data, how each team fares, and how fresh each source is.

    Attributes:
        findings: Per check that rows fail: what it says, its share, its rows.
        days: Days of the earlier scores, then of today's.
        scores: Per team, everybody first: its name, and its scores as text.
        streams: Per stream of a live connection, what its last read took and how old it is.
    """

    findings: tuple[tuple[str, str, str], ...]
    days: tuple[str, ...]
    scores: tuple[tuple[str, tuple[str, ...]], ...]
    streams: tuple[dict[str, Any], ...]


def trust_page(view: View, words: Words, now: datetime, kept: dict[Key, Quality]) -> TrustPage:
    """The page of what a person may read.

    Args:
        view: What the person may read.
        words: Language, calendar and zone.
        now: Naive UTC instant.
        kept: Checks of the snapshot that was shown last.
    """
    key = (view.meta.name, view.scope)
    if key not in kept:
        # checks read whole tables: once for a snapshot and what a person may read of it
        kept.clear()
        kept[key] = view.quality()
    found, past = kept[key], remembered(view)[-EARLIER:]
    known = [datetime.fromisoformat(each.known_at) for each in past] + [view.meta.known_at]
    return TrustPage(
        tuple(_finding(each, words) for each in found.findings),
        tuple(words.day(each.date()) for each in known),
        tuple(_scores(found, past, words)),
        tuple(freshness(view.project, now)),
    )


def _finding(each: Finding, words: Words) -> tuple[str, str, str]:
    ids = ", ".join(each.ids[:NAMED]) + (" …" if each.n > NAMED else "")
    return words.say(each.check.message, n=each.n), words.value(each.share, "rate"), ids


def _scores(found: Quality, past: Sequence[Trend], words: Words) -> list[tuple[str, tuple[str, ...]]]:
    rows: list[tuple[str, list[float | None], Score]] = [
        (words.say("Everybody"), [each.total for each in past], found.total)
    ]
    for score in found.teams:
        name = score.team or words.say("without a team")
        rows.append((name, [each.teams.get(score.team or "") for each in past], score))
    return [
        (name, tuple(words.value(value, "rate") for value in (*values, score.value))) for name, values, score in rows
    ]
