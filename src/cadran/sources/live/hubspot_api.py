"""HubSpot's API: its addresses by version, its habits, and its ways of listing.

Changes are searched by id and not by time: at most 10,000 results come of one search, and more records than
that share one instant after a bulk edit. Every search asks for ids above the last one and takes its first page
only: pages further on would move when a record changes while it is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cadran.errors import SourceError
from cadran.sources.live.http import TOO_MANY, Habits, Http, Reply
from cadran.sources.live.stream import Page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cadran.sources.live.stream import Record, Window

#: Records of a page of a list, of a search, and of a batch with history.
LIST, SEARCH, HISTORY = 100, 200, 50
#: Ids of one question for associations, and of one for properties.
ASSOCIATED, BATCH = 1_000, 100
#: Characters of a list of properties that an address carries; longer ones are asked for by batches.
LONGEST = 6_000
#: Seconds between two requests: within 100 in ten seconds, and within five searches a second.
PACE = 0.21
#: Statuses that say: not this account, or not this token.
ABSENT = (403, 404)


def habits() -> Habits:
    """How HubSpot wants to be asked."""
    return Habits(stop=_stop, pace=PACE, longest_wait=60.0)


def _stop(reply: Reply) -> str:
    """The quota of the day comes back at midnight only; that of the second at once."""
    if reply.status != TOO_MANY or not isinstance(reply.body, dict):
        return ""
    is_daily = "DAILY" in str(reply.body.get("policyName", "")).upper()
    return "HubSpot's quota of requests for today is used up." if is_daily else ""


@dataclass(frozen=True)
class Paths:
    """Addresses of one version: dated ones such as ``2026-09``, or ``v3``.

    Attributes:
        version: The version.
    """

    version: str

    @property
    def _is_dated(self) -> bool:
        return not self.version.startswith("v")

    def objects(self, kind: str) -> str:
        """Records of a kind."""
        return f"/crm/objects/{self.version}/{kind}" if self._is_dated else f"/crm/{self.version}/objects/{kind}"

    def associations(self, one: str, other: str) -> str:
        """Associations from one kind to another, by batches."""
        base = f"/crm/associations/{self.version}" if self._is_dated else "/crm/v4/associations"
        return f"{base}/{one}/{other}/batch/read"

    def other(self, what: str, kind: str = "") -> str:
        """Owners, pipelines or properties."""
        base = f"/crm/{what}/{self.version}" if self._is_dated else f"/crm/{self.version}/{what}"
        return f"{base}/{kind}" if kind else base

    @property
    def sequences(self) -> str:
        """Sequences of a user."""
        return f"/automation/sequences/{self.version}" if self._is_dated else "/automation/v4/sequences"


@dataclass(frozen=True)
class Api:
    """HubSpot's ways of listing.

    Attributes:
        http: Client.
        paths: Addresses.
    """

    http: Http
    paths: Paths

    def optional(self, path: str, params: dict[str, Any] | None = None) -> Any:
        """What a path gives, or None when the account lacks it or the token its right."""
        try:
            return self.http.get(path, params)
        except SourceError as error:
            if error.params.get("status") in ABSENT:
                return None
            raise

    def followed(self, path: str, params: dict[str, Any], after: str = "") -> Iterator[tuple[list[Record], str]]:
        """The pages of a list: records, and where the next page starts; empty after the last one."""
        while True:
            body = self.http.get(path, {**params, "after": after or None})
            after = next_of(body)
            yield list(body["results"]), after
            if not after:
                return

    def listed(
        self, kind: str, names: Sequence[str], *, archived: bool, after: str, history: bool = False
    ) -> Iterator[Page]:
        """Every record of a kind, those in the bin when ``archived``."""
        text, key = ",".join(names), "propertiesWithHistory" if history else "properties"
        params = {"limit": HISTORY if history else LIST, "archived": "true" if archived else "false"}
        is_long = len(text) > LONGEST
        for found, where in self.followed(
            self.paths.objects(kind), params if is_long else {**params, key: text}, after
        ):
            ids = [str(record["id"]) for record in found] if is_long else []
            full = self.batch(kind, ids, names, history=history, archived=archived) if is_long else found
            yield Page(full, {"archived": archived, "after": where})

    def searched(self, kind: str, cursor: str, window: Window, names: Sequence[str], last: int) -> Iterator[Page]:
        """What changed in a window, by id; `last` is the greatest id that is known already."""
        done = 0
        while True:
            found = self.http.post(f"{self.paths.objects(kind)}/search", _search(cursor, window, names, last))
            results, total = list(found["results"]), int(found["total"])
            last = max([last, *(int(record["id"]) for record in results)])
            yield Page(results, {"last": last}, done + total)
            done += len(results)
            if total <= len(results):
                return

    def batch(
        self, kind: str, ids: Sequence[str], names: Sequence[str], *, history: bool = False, archived: bool = False
    ) -> list[Record]:
        """Records by id; those that are gone since are left out."""
        size, found = HISTORY if history else BATCH, []
        path = f"{self.paths.objects(kind)}/batch/read"
        key = "propertiesWithHistory" if history else "properties"
        for at in range(0, len(ids), size):
            inputs = [{"id": each} for each in ids[at : at + size]]
            params = {"archived": "true"} if archived else None
            body = self.http.ask("POST", path, params=params, body={"inputs": inputs, key: list(names)})
            found += body["results"]
        return found

    def associated(self, one: str, other: str, ids: Sequence[str]) -> dict[str, list[Record]]:
        """Per id of one kind, what it is associated with of the other: a few requests for many records."""
        found: dict[str, list[Record]] = {}
        for at in range(0, len(ids), ASSOCIATED):
            inputs: list[dict[str, str]] = [{"id": each} for each in ids[at : at + ASSOCIATED]]
            while inputs:
                body = self.http.post(self.paths.associations(one, other), {"inputs": inputs})
                inputs = []
                for result in body["results"]:
                    key = str(result["from"]["id"])
                    found.setdefault(key, []).extend(result["to"])
                    if after := next_of(result):
                        inputs.append({"id": key, "after": after})
        return found


def _search(cursor: str, window: Window, names: Sequence[str], last: int) -> dict[str, Any]:
    """A search for what changed in a window, by id, above the last one."""
    since = window.since or datetime.min.replace(tzinfo=UTC)
    filters = [
        {"propertyName": cursor, "operator": "GTE", "value": _instant(since)},
        {"propertyName": cursor, "operator": "LTE", "value": _instant(window.until)},
        {"propertyName": "hs_object_id", "operator": "GT", "value": str(last)},
    ]
    return {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": list(names),
        "limit": SEARCH,
    }


def next_of(body: Any) -> str:
    """Where the next page starts; empty after the last one."""
    return str(((body.get("paging") or {}).get("next") or {}).get("after") or "")


def ids_in(text: str | None) -> list[str]:
    """The ids of a list written in one text."""
    return re.findall(r"\d+", text or "")


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
