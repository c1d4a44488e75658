"""The slice of the figures that a URL asks for: the URL is the only state of a page.

Periods, comparisons and days are written as on the command line; what is at its default is left
out, so that a short URL says what is special about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from cadran.engine.query import Comparison, KpiQuery, from_params, where_is
from cadran.errors import QueryError
from cadran.insights.course import COURSE, course, grain_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from cadran.period import Calendar, Grain, Period


__all__ = ["COURSE", "Slice", "course", "grain_of", "parse_slice", "recent"]

#: What the segment filter says for rows whose source gives no segment.
NOT_GIVEN = "~"
#: Dimension behind the segment filter.
SEGMENT = "segment"
#: Parameters that choose how a page is shown and not what it shows.
SHOWN = ("lang", "theme")


@dataclass(frozen=True)
class Slice:
    """What a page is about.

    Attributes:
        grain: Length of the period.
        start: A day in the period, or None for the last whole period.
        compare: What each period is compared with.
        segment: Segment kept, `NOT_GIVEN`, or empty for all.
        team: Board kept, or empty for all.
        as_of: Day at whose end the figures are read, or None for everything known.
        layout: ``cards`` or ``table``.
        by: Dimension that breaks a KPI down, or empty for its first.
        page: Page of the rows, from 1.
        shown: Language and theme, when the URL gives them.
    """

    grain: Grain = "month"
    start: date | None = None
    compare: Comparison = "previous"
    segment: str = ""
    team: str = ""
    as_of: date | None = None
    layout: str = "cards"
    by: str = ""
    page: int = 1
    shown: Mapping[str, str] = field(default_factory=dict)

    def url(self, path: str = "", **changes: Any) -> str:
        """The URL of that path for this slice with some fields changed, defaults left out."""
        pairs = replace(self, **changes).hidden()
        return f"{path}?{urlencode(pairs)}" if pairs else path or "?"

    def hidden(self, *names: str) -> list[tuple[str, str]]:
        """Parameters that a form must repeat because it has no field for them."""
        return [(name, text) for name, text, default in self._texts() if name not in names and text != default]

    def _texts(self) -> list[tuple[str, str, str]]:
        return [
            ("grain", self.grain, "month"),
            ("from", self.start.isoformat() if self.start else "", ""),
            ("compare", self.compare, "previous"),
            ("segment", self.segment, ""),
            ("team", self.team, ""),
            ("as_of", self.as_of.isoformat() if self.as_of else "", ""),
            ("view", self.layout, "cards"),
            ("by", self.by, ""),
            ("page", str(self.page), "1"),
            *((name, self.shown.get(name, ""), "") for name in SHOWN),
        ]

    def period(self, calendar: Calendar, today: date) -> Period:
        """The period asked for; the last whole one before `today` is over when none is."""
        if self.start:
            return calendar.containing(self.start, self.grain)
        current = calendar.containing(today, self.grain)
        return current if current.end <= today else calendar.previous(current, self.grain)

    def where(self) -> tuple[str, ...]:
        """The predicate of the segment filter, for KPIs that have the dimension."""
        if not self.segment:
            return ()
        return (where_is(SEGMENT, None if self.segment == NOT_GIVEN else self.segment),)

    def query(self, kpis: Sequence[str], span: Period, grain: Grain | None, by: tuple[str, ...] = ()) -> KpiQuery:
        """The question about these KPIs over a span, in this slice."""
        return KpiQuery(
            kpis=tuple(kpis),
            by=by,
            grain=grain,
            start=span.start,
            end=span.end,
            where=self.where(),
            as_of=self.as_of,
            compare=self.compare,
        )


def parse_slice(params: Iterable[tuple[str, str]]) -> Slice:
    """The slice that a query string asks for.

    Raises:
        QueryError: A grain, a day, a comparison or a page cannot be read.
    """
    given = {name: text.strip() for name, text in params if text.strip()}
    known = [(name, given[name]) for name in ("grain", "from", "as_of", "compare") if name in given]
    query = from_params(known)
    return Slice(
        grain=query.grain or "month",
        start=query.start,
        compare=query.compare if "compare" in given else "previous",
        segment=given.get("segment", ""),
        team=given.get("team", ""),
        as_of=query.as_of,
        layout="table" if given.get("view") == "table" else "cards",
        by=given.get("by", ""),
        page=_page(given.get("page", "1")),
        shown={name: given[name] for name in SHOWN if name in given},
    )


def recent(calendar: Calendar, grain: Grain, today: date) -> list[Period]:
    """The periods that the filter offers, newest first."""
    found = [calendar.containing(today, grain)]
    while len(found) < COURSE:
        found.append(calendar.previous(found[-1], grain))
    return found if found[0].start < today else found[1:]


def _page(text: str) -> int:
    if not text.isdigit() or int(text) < 1 or len(text) > 7:
        raise QueryError("{text} is not a page.", hint="Pages are counted from 1.", where="page", text=text)
    return int(text)
