"""Pipedrive: version 2 of its API, the few things that only version 1 has, and changes of deals within a budget.

Every request costs tokens of a daily budget. The changes of a deal are read one deal at a time, the dearest
thing there is: they stop when their share of the day is used up, and go on another day at the next deal.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cadran.sources.live.auth import Fixed
from cadran.sources.live.connection import Connection, Kind, Need
from cadran.sources.live.http import TOO_MANY, Habits, Http, Reply
from cadran.sources.live.oauth import key_or_app
from cadran.sources.live.secret import Secret
from cadran.sources.live.stream import Account, Page, Paused, Stream, Window
from cadran.sources.live.task import once, owner_among
from cadran.sources.written import cell, dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from cadran.sources.live.stream import Record
    from cadran.sources.live.task import Task
    from cadran.sources.live.wire import Wire

V1, V2 = "/api/v1", "/api/v2"
#: Records of a page, in version 2 and in version 1.
LIST, LIST_V1 = 500, 100
LATE = timedelta(minutes=10)
#: Fields of a deal whose changes are kept.
WATCHED = {"stage_id", "status", "value", "expected_close_date", "user_id", "owner_id", "pipeline", "pipeline_id"}
#: Tokens that a request costs, by the end of its path; ten for any other.
COSTS = {
    "/deals/archived": 20, "/changelog": 20, "/users": 20, "/leads": 20, "/leads/archived": 40, "/stages": 5,
    "/pipelines": 5,
}  # fmt: skip


def cost(method: str, path: str) -> int:  # noqa: ARG001 - what habits are asked
    """Tokens that a request takes from the budget of the day."""
    return next((tokens for end, tokens in COSTS.items() if path.endswith(end)), 10)


def habits() -> Habits:
    """How Pipedrive wants to be asked: whoever goes on after several refusals is locked out."""
    return Habits(stop=_stop, wait=_wait, cost=cost, attempts=6, pace=0.1, first_wait=2.0)


def _stop(reply: Reply) -> str:
    if reply.status != TOO_MANY:
        return ""
    told = str((reply.body or {}).get("error", "")) if isinstance(reply.body, dict) else ""
    is_used_up = reply.headers.get("x-daily-requests-left") == "0" or "daily" in told.lower()
    return "Pipedrive's budget of tokens for today is used up." if is_used_up else ""


def _wait(reply: Reply) -> float | None:
    told = reply.headers.get("x-ratelimit-reset", "")
    return float(told) if reply.status == TOO_MANY and told.isdigit() else None


@dataclass
class Company:
    """One Pipedrive account while it is read.

    Attributes:
        http: Client.
        budget: Tokens that changes of deals may take in one day.
        now: Clock: a read that was cut goes on another day.
    """

    http: Http
    budget: int
    now: Callable[[], datetime]
    _pipelines: dict[str, str] | None = None

    def streams(self) -> Iterator[Stream]:
        """Everything that can be read, in order."""
        yield Stream("stages", self._read_stages, needed=True)
        yield Stream("users", self._read_users, needed=True, deletes="flag")
        for name in ("organizations", "persons"):
            yield self._changing(name, (f"/{name}",), needed=True)
        yield self._changing("deals", ("/deals", "/deals?status=deleted", "/deals/archived"), needed=True)
        yield self._changing("activities", ("/activities",))
        yield self._changing("products", ("/products",))
        yield Stream("leads", self._read_leads, cursor="update_time", since=True, lookback=LATE, deletes="scan")
        yield Stream(
            "deal_changes",
            self._read_changes,
            ("deal_id", "field_key", "time", "old_value", "new_value"),
            since=True,
            lookback=LATE,
            history="changelog",
        )

    def _changing(self, name: str, paths: tuple[str, ...], *, needed: bool = False) -> Stream:
        """Records of version 2, by the time of their last change."""
        return Stream(
            name,
            lambda window: self._read(paths, window),
            cursor="update_time",
            since=True,
            lookback=LATE,
            deletes="flag" if name == "deals" else "scan",
            needed=needed,
            depends=self._digest,
        )

    def _read(self, paths: tuple[str, ...], window: Window) -> Iterator[Page]:
        """The pages of several lists, one after the other."""
        at = window.resume or {"list": 0, "cursor": ""}
        for number, path in enumerate(paths):
            if number < at["list"]:
                continue
            start = at["cursor"] if number == at["list"] else ""
            for found, cursor in self._pages(path, window, start):
                here = {"list": number, "cursor": cursor} if cursor else {"list": number + 1, "cursor": ""}
                yield Page([self._row(record) for record in found], here)

    def _pages(self, path: str, window: Window | None, cursor: str) -> Iterator[tuple[list[Record], str]]:
        """The pages of one list of version 2, by id, and the cursor of the page after each; empty at the end."""
        plain, _, status = path.partition("?status=")
        since = window.since.strftime("%Y-%m-%dT%H:%M:%SZ") if window and window.since else None
        params = {
            "limit": LIST,
            "sort_by": "id",
            "sort_direction": "asc",
            "status": status or None,
            "updated_since": since,
        }
        while True:
            body = self.http.get(V2 + plain, {**params, "cursor": cursor or None})
            cursor = str((body.get("additional_data") or {}).get("next_cursor") or "")
            yield list(body.get("data") or []), cursor
            if not cursor:
                return

    def activity_named(self, subject: str, since: datetime) -> str:
        """The id of an activity of that subject that changed since, which no search finds; else empty."""
        pages = self._pages("/activities", Window(since - LATE, self.now()), "")
        found = (record for page, _ in pages for record in page)
        return next((str(cell(each["id"])) for each in found if each.get("subject") == subject), "")

    def _row(self, record: Record) -> dict[str, Any]:
        """A record with the company's own fields one level up, its first address and number, its pipeline's name."""
        row = dict(record)
        row |= {f"custom_fields.{name}": value for name, value in (record.get("custom_fields") or {}).items()}
        row |= {f"{name}.first": _first(record[name]) for name in ("emails", "phones") if name in record}
        if isinstance(record.get("address"), dict):
            row["address.country"] = record["address"].get("country")
        if record.get("pipeline_id") is not None:
            row["pipeline.name"] = self._pipeline(str(cell(record["pipeline_id"])))
        return row

    def _read_stages(self, window: Window) -> Iterator[Page]:  # noqa: ARG002 - read as a whole
        for found, _ in self._pages("/stages", None, ""):
            yield Page([self._row(stage) for stage in found])

    def _read_users(self, window: Window) -> Iterator[Page]:  # noqa: ARG002 - read as a whole
        yield Page(list(self.http.get(V1 + "/users").get("data") or []), "whole")

    def _read_leads(self, window: Window) -> Iterator[Page]:
        """Leads, and those in the archive, which cannot be asked for by time."""
        at = window.resume or {"list": 0, "start": 0}
        since = window.since.strftime("%Y-%m-%d %H:%M:%S") if window.since else None
        for number, path in enumerate(("/leads", "/leads/archived")):
            start = at["start"] if number == at["list"] else 0
            while number >= at["list"] and start is not None:
                params = {"limit": LIST_V1, "start": start, "updated_since": since if not number else None}
                body = self.http.get(V1 + path, params)
                told = (body.get("additional_data") or {}).get("pagination") or {}
                start = int(told["next_start"]) if told.get("more_items_in_collection") else None
                here = {"list": number, "start": start} if start is not None else {"list": number + 1, "start": 0}
                yield Page([_lead(lead) for lead in body.get("data") or []], here)

    def _read_changes(self, window: Window) -> Iterator[Page]:
        """What changed in the deals of a window, deal by deal, within the budget of the day."""
        at = {"list": 0, "cursor": "", "last": 0, "day": "", "spent": 0, **(window.resume or {})}
        today = self.now().date().isoformat()
        spent = int(at["spent"]) if at["day"] == today else 0
        for number, path in enumerate(("/deals", "/deals/archived")):
            if number < at["list"]:
                continue
            cursor, last = (at["cursor"], int(at["last"])) if number == at["list"] else ("", 0)
            for found, following in self._pages(path, window, cursor):
                for deal in sorted(int(record["id"]) for record in found):
                    if deal <= last:
                        continue
                    if spent >= self.budget:
                        raise Paused("Changes of deals go on tomorrow: their share of the budget is used up.")
                    before = self.http.meter.tokens
                    records = list(self._changes(deal))
                    spent, last = spent + self.http.meter.tokens - before, deal
                    yield Page(records, {"list": number, "cursor": cursor, "last": last, "day": today, "spent": spent})
                cursor = following

    def _changes(self, deal: int) -> Iterator[Record]:
        cursor = ""
        while True:
            body = self.http.get(f"{V1}/deals/{deal}/changelog", {"limit": LIST, "cursor": cursor or None})
            for change in body.get("data") or []:
                if change["field_key"] in WATCHED:
                    yield {"deal_id": str(deal), **change}
            cursor = str((body.get("additional_data") or {}).get("next_cursor") or "")
            if not cursor:
                return

    def _names(self) -> dict[str, str]:
        if self._pipelines is None:
            pages = self._pages("/pipelines", None, "")
            self._pipelines = {str(cell(each["id"])): str(each["name"]) for found, _ in pages for each in found}
        return self._pipelines

    def _pipeline(self, wanted: str) -> str:
        return self._names().get(wanted, wanted)

    def _digest(self) -> str:
        """Changes when a pipeline gets another name: every record that carries it is read again."""
        return hashlib.sha256(dumps(sorted(self._names().items())).encode()).hexdigest()[:16]


def _first(several: Any) -> str | None:
    """The address or number that a person uses first."""
    ranked = sorted((each for each in several or [] if each.get("value")), key=lambda each: not each.get("primary"))
    return str(ranked[0]["value"]) if ranked else None


def _lead(lead: Record) -> dict[str, Any]:
    """A lead with the parts of its value one level up."""
    value = lead.get("value") or {}
    return {**lead, "value.amount": value.get("amount"), "value.currency": value.get("currency")}


def open_company(connection: Connection, wire: Wire) -> Account:
    """The account of a connection.

    Raises:
        ConfigError: The token is not where the settings say.
    """
    http = _client(connection, wire, habits())
    budget = int(connection.settings["budget"])
    return Account(tuple(Company(http, budget, wire.now).streams()), http.meter, http.close)


def put_task(connection: Connection, wire: Wire, task: Task) -> str:
    """Make an activity of the kind task unless it is there; an app needs the scope ``activities:full``.

    Raises:
        ConfigError: The token is not where the settings say.
        SourceError: Pipedrive refuses, or gave no answer.
    """
    with _client(connection, wire, once(habits())) as http:
        if task.since is not None and (there := Company(http, 0, wire.now).activity_named(task.subject, task.since)):
            return there
        users = http.get(f"{V1}/users")["data"] or []
        values = {
            "subject": task.subject,
            "type": "task",
            "due_date": str(task.due_on),
            "note": f"{task.about} · {task.owner}",
            "owner_id": owner_among(
                ((str(cell(u["id"])), str(u["name"] or ""), str(u["email"] or "")) for u in users), task.owner
            ),
        }
        body = {name: int(value) if name == "owner_id" else value for name, value in values.items() if value}
        return str(cell(http.post(f"{V2}/activities", body)["data"]["id"]))


def _client(connection: Connection, wire: Wire, how: Habits) -> Http:
    settings = connection.settings
    base = settings["base"] or f"https://{settings['company']}.pipedrive.com"
    oauth = settings["base"] or "https://oauth.pipedrive.com"
    auth = key_or_app(connection, wire, oauth, "/oauth/token", Fixed(Secret(""), "x-api-token", ""))
    return Http(base, auth, wire, how)


KIND = Kind(
    "pipedrive",
    "Pipedrive",
    (
        Need("token", "The personal API token of a user who sees everything: Settings, Personal preferences, API."),
        Need("refresh_token", "Of an OAuth app, instead of a token.", ""),
        Need("client_id", "Of an OAuth app.", ""),
        Need("client_secret", "Of an OAuth app.", ""),
    ),
    (
        Need("company", "The first word of your Pipedrive address: company.pipedrive.com.", "api", r"[a-z0-9-]+"),
        Need("budget", "Tokens that changes of deals may take in one day.", "20000", r"\d+"),
        Need("base", "Another address, of a stand-in.", "", r"|https?://\S+"),
    ),
    open_company,
    put_task=put_task,
)
