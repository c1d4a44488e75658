"""Google Analytics 4: sessions by day, channel, source, medium, campaign and landing page.

* Days are those of the property's own zone, and only days that are over are read.
* Google goes on counting for days: the last ones are read again, each whole, so that rows that come no more go.
* What Google left out or estimated is written into every row of the answer: 1 too few people, 2 sampled,
  4 rows gathered under "(other)".
* Every answer says what is left of the day's tokens; the last ones are left to other tools.

Source: Google Analytics Data API v1beta, ``properties.runReport``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cadran.sources.live.connection import Kind, Need
from cadran.sources.live.google import HABITS, KEY, account, months
from cadran.sources.live.http import Http
from cadran.sources.live.stream import Account, Page, Paused, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cadran.sources.live.connection import Connection
    from cadran.sources.live.stream import Record, Window
    from cadran.sources.live.wire import Wire

SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
DIMENSIONS = (
    "date",
    "sessionDefaultChannelGroup",
    "sessionSource",
    "sessionMedium",
    "sessionCampaignName",
    "landingPage",
)
METRICS = ("sessions", "engagedSessions", "totalUsers", "newUsers", "screenPageViews", "keyEvents")
#: Rows of one page.
PAGE = 50_000
#: Tokens of a day that other tools are left with.
SPARE = 1_000
#: Days that are read the first time where nothing is said: what an account keeps by default.
KEPT_DAYS = 425


@dataclass
class Property:
    """One property.

    Attributes:
        http: Its client.
        number: Its id.
        first: First day that is read; None for `KEPT_DAYS` before the present one.
        refresh: Days before the last read that are read again.
    """

    http: Http
    number: str
    first: date | None
    refresh: int

    def stream(self) -> Stream:
        """Its sessions."""
        return Stream(
            "sessions",
            self.read,
            key=DIMENSIONS,
            since=True,
            lookback=timedelta(days=self.refresh),
            deletes="scan",
            whole_by="date",
            history="native",
            needed=True,
        )

    def read(self, window: Window) -> Iterator[Page]:
        """Its days, month by month."""
        zone = ZoneInfo(self._report(window.until.date(), window.until.date(), 0, 1)["metadata"]["timeZone"])
        last = window.until.astimezone(zone).date() - timedelta(days=1)
        first = self.first or last - timedelta(days=KEPT_DAYS)
        if window.since:
            first = max(first, window.since.astimezone(zone).date() - timedelta(days=1))
        place: dict[str, Any] = window.resume or {"day": first.isoformat(), "row": 0}
        for start, end in months(date.fromisoformat(place["day"]), last):
            row = int(place["row"]) if place["day"] == start.isoformat() else 0
            yield from self._month(start, end, row)

    def _month(self, start: date, end: date, row: int) -> Iterator[Page]:
        """The rows of some days, in an order that does not change."""
        while True:
            body = self._report(start, end, row, PAGE)
            rows, total = body.get("rows", []), int(body.get("rowCount", 0))
            row += len(rows)
            is_over = row >= total or not rows
            place = (
                {"day": (end + timedelta(days=1)).isoformat(), "row": 0} if is_over else {"day": str(start), "row": row}
            )
            yield Page([self._record(each, body) for each in rows], resume=place, total=total)
            self._count(body.get("propertyQuota") or {})
            if is_over:
                return

    def _report(self, start: date, end: date, row: int, limit: int) -> Any:
        return self.http.post(
            f"/v1beta/properties/{self.number}:runReport",
            {
                "dateRanges": [{"startDate": start.isoformat(), "endDate": end.isoformat()}],
                "dimensions": [{"name": name} for name in DIMENSIONS],
                "metrics": [{"name": name} for name in METRICS],
                "orderBys": [{"dimension": {"dimensionName": name}} for name in DIMENSIONS],
                "limit": str(limit),
                "offset": str(row),
                "returnPropertyQuota": True,
            },
        )

    def _record(self, row: Mapping[str, Any], body: Mapping[str, Any]) -> Record:
        """A row under the names of its columns, with what is true of the whole answer."""
        names = [header["name"] for kind in ("dimensionHeaders", "metricHeaders") for header in body[kind]]
        cells = [cell.get("value") for kind in ("dimensionValues", "metricValues") for cell in row[kind]]
        told = body.get("metadata", {})
        flags = 1 * bool(told.get("subjectToThresholding")) + 2 * bool(told.get("samplingMetadatas"))
        flags += 4 * bool(told.get("dataLossFromOtherRow"))
        return {
            **dict(zip(names, cells, strict=True)),
            "property": self.number,
            "flags": flags,
            "currencyCode": told.get("currencyCode"),
        }

    def _count(self, quota: Mapping[str, Any]) -> None:
        """Count the tokens of an answer; stop for the day when few are left."""
        daily = quota.get("tokensPerDay") or {}
        self.http.meter.tokens += int(daily.get("consumed", 0))
        if daily and int(daily.get("remaining", 0)) < SPARE:
            raise Paused("Google Analytics has {left} tokens left today.", left=int(daily.get("remaining", 0)))


def _open(connection: Connection, wire: Wire) -> Account:
    settings = connection.settings
    http = Http(settings["base"], account(connection.places["key"], SCOPE, wire), wire, HABITS)
    first = date.fromisoformat(settings["first"]) if settings["first"] else None
    read = Property(http, settings["property"], first, int(settings["refresh"]))
    return Account((read.stream(),), http.meter, http.close)


KIND = Kind(
    "ga4",
    "Google Analytics 4",
    (KEY,),
    (
        Need("property", "Number of the property, in its settings.", pattern=r"\d+"),
        Need("first", "First day that is read, such as 2025-01-01; 14 months by default.", "", r"|\d{4}-\d\d-\d\d"),
        Need("refresh", "Days before the last read that are read again.", "3", r"\d+"),
        Need("base", "Address of the API.", "https://analyticsdata.googleapis.com", r"https?://\S+"),
    ),
    _open,
)
