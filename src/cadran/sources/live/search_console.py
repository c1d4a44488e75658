"""Google Search Console: clicks and impressions by day, and by day, query and page.

* Days are those of the Pacific coast, and only those that Google calls final are read, the last ones again.
* Google keeps rare queries to itself, so that rows by query do not add up to the day: days are asked for by themselves.
* One day is asked for at a time, because Google caps the rows of an answer and not those of a day.

Source: Search Console API v1, ``searchanalytics.query``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from cadran.sources.live.connection import Kind, Need
from cadran.sources.live.google import HABITS, KEY, account, months
from cadran.sources.live.http import Http
from cadran.sources.live.stream import Account, Page, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cadran.sources.live.connection import Connection
    from cadran.sources.live.stream import Window
    from cadran.sources.live.wire import Wire

SCOPE = "https://www.googleapis.com/auth/webmasters.readonly"
ZONE = ZoneInfo("America/Los_Angeles")
#: Rows of one answer, the most that Google gives.
PAGE = 25_000
#: Days that Google keeps, 16 months, and days before the last read that are read again.
KEPT_DAYS, REFRESH = 485, 5


@dataclass
class Site:
    """One site.

    Attributes:
        http: Its client.
        url: The site as Search Console names it.
    """

    http: Http
    url: str

    def streams(self) -> tuple[Stream, ...]:
        """What is read of it."""
        return self._stream("days", ("date",), by_month=True), self._stream("queries", ("date", "query", "page"))

    def _stream(self, name: str, dimensions: tuple[str, ...], *, by_month: bool = False) -> Stream:
        return Stream(
            name,
            lambda window: self._read(window, dimensions, by_month=by_month),
            key=dimensions,
            since=True,
            lookback=timedelta(days=REFRESH),
            deletes="scan",
            whole_by="date",
            history="native",
            needed=by_month,
        )

    def _read(self, window: Window, dimensions: tuple[str, ...], *, by_month: bool) -> Iterator[Page]:
        last = window.until.astimezone(ZONE).date() - timedelta(days=1)
        first = last - timedelta(days=KEPT_DAYS)
        if window.since:
            first = max(first, window.since.astimezone(ZONE).date() - timedelta(days=1))
        place: dict[str, Any] = window.resume or {"day": first.isoformat(), "row": 0}
        start = date.fromisoformat(place["day"])
        days = (start + timedelta(days=n) for n in range((last - start).days + 1))
        for begin, end in months(start, last) if by_month else ((day, day) for day in days):
            row = int(place["row"]) if place["day"] == begin.isoformat() else 0
            yield from self._span(begin, end, row, dimensions)

    def _span(self, begin: date, end: date, row: int, dimensions: tuple[str, ...]) -> Iterator[Page]:
        """The rows of a span of days, a page at a time."""
        while True:
            body = self.http.post(
                f"/webmasters/v3/sites/{quote(self.url, safe='')}/searchAnalytics/query",
                {
                    "startDate": begin.isoformat(),
                    "endDate": end.isoformat(),
                    "dimensions": [name.upper() for name in dimensions],
                    "dataState": "FINAL",
                    "rowLimit": PAGE,
                    "startRow": row,
                },
            )
            rows = body.get("rows", [])
            row += len(rows)
            is_over = len(rows) < PAGE
            place = (
                {"day": (end + timedelta(days=1)).isoformat(), "row": 0} if is_over else {"day": str(begin), "row": row}
            )
            records = [{**dict(zip(dimensions, each["keys"], strict=True)), "site": self.url, **each} for each in rows]
            yield Page([{k: v for k, v in record.items() if k != "keys"} for record in records], resume=place)
            if is_over:
                return


def _open(connection: Connection, wire: Wire) -> Account:
    settings = connection.settings
    http = Http(settings["base"], account(connection.places["key"], SCOPE, wire), wire, HABITS)
    return Account(Site(http, settings["site"]).streams(), http.meter, http.close)


KIND = Kind(
    "search_console",
    "Google Search Console",
    (KEY,),
    (
        Need("site", "The site as Search Console names it: sc-domain:acme.com or https://www.acme.com/."),
        Need("base", "Address of the API.", "https://searchconsole.googleapis.com", r"https?://\S+"),
    ),
    _open,
)
