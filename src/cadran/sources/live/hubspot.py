"""HubSpot: objects with their associations, pipelines, owners, history of stages and lifecycle, engagements.

Records are what HubSpot gives, their properties one level up. Added to them are: the label of a pipeline, the
name of a sequence, ids of what they are associated with, and a row of its own for every record that was merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cadran.sources.live.connection import Connection, Kind, Need
from cadran.sources.live.http import Http
from cadran.sources.live.hubspot_api import Api, Paths, habits, ids_in
from cadran.sources.live.hubspot_names import Names
from cadran.sources.live.hubspot_objects import MERGED, OBJECTS, Object
from cadran.sources.live.oauth import key_or_app
from cadran.sources.live.stream import Account, Page, Stream, Window
from cadran.sources.live.task import once, owner_among
from cadran.sources.written import cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cadran.sources.live.http import Habits
    from cadran.sources.live.stream import Record
    from cadran.sources.live.task import Task
    from cadran.sources.live.wire import Wire

#: What HubSpot's search lists late.
LATE = timedelta(minutes=10)
#: Association of a deal, contact or activity with the company that counts, by type.
PRIMARY = {"1", "5", "PRIMARY"}


@dataclass
class Portal:
    """One HubSpot account while it is read.

    Attributes:
        api: Its API.
        names: What ids stand for.
    """

    api: Api
    names: Names

    def streams(self) -> Iterator[Stream]:
        """Everything that can be read, in order."""
        yield Stream(
            "pipelines", self._read_stages, ("object", "pipeline", "id"), needed=True, grants=("crm.pipelines",)
        )
        yield Stream("owners", self._read_owners, needed=True, deletes="flag", grants=("crm.objects.owners.read",))
        for each in OBJECTS:
            yield self._stream(each)
            if each.history:
                yield self._history(each)

    def _stream(self, each: Object) -> Stream:
        return Stream(
            each.kind,
            lambda window: self._read(each, window),
            cursor="updatedAt",
            since=True,
            lookback=LATE,
            deletes="flag" if each.has_bin else "scan",
            needed=each.needed,
            grants=(f"crm.objects.{each.kind}.read",),
            depends=self.names.digest,
        )

    def _history(self, each: Object) -> Stream:
        return Stream(
            f"{each.kind[:-1]}_history",
            lambda window: self._read_history(each, window),
            ("object_id", "property", "timestamp", "value"),
            since=True,
            lookback=LATE,
            history="native",
            needed=True,
            grants=(f"crm.objects.{each.kind}.read",),
            depends=self.names.digest,
        )

    def _read(self, each: Object, window: Window) -> Iterator[Page]:
        """Records of a kind: all of them or those that changed, then those in the bin."""
        at = window.resume or {}
        names = self.names.properties(each)
        if not at.get("archived"):
            for page in self._living(each, window, names, at):
                yield Page(
                    [row for record in page.records for row in self._rows(each, record)], page.resume, page.total
                )
        if each.has_bin:
            for page in self.api.listed(
                each.kind, names, archived=True, after=at.get("after", "") if at.get("archived") else ""
            ):
                since = window.since.isoformat() if window.since else ""
                late = [r for r in page.records if str(r.get("archivedAt") or "9") >= since[:19]]
                yield Page([row for record in late for row in self._rows(each, record)], page.resume, page.total)

    def _living(self, each: Object, window: Window, names: Sequence[str], at: dict[str, Any]) -> Iterator[Page]:
        """Records that are not in the bin, with their associations."""
        if at.get("done"):
            return
        if window.since:
            pages = self.api.searched(each.kind, each.cursor, window, names, int(at.get("last", 0)))
        else:
            pages = self.api.listed(each.kind, names, archived=False, after=at.get("after", ""))
        for page in pages:
            ids = [str(record["id"]) for record in page.records]
            found = {other: self.api.associated(each.kind, other, ids) for other in each.to} if ids else {}
            records = [
                {
                    **record,
                    **{f"associations.{other}": links.get(str(record["id"]), []) for other, links in found.items()},
                }
                for record in page.records
            ]
            # the list is over: what is in the bin comes next, from its start
            is_over = window.since is None and not page.resume["after"]
            yield Page(records, {"done": True} if is_over else page.resume, page.total)

    def _rows(self, each: Object, record: Record) -> Iterator[dict[str, Any]]:
        """A record with its properties one level up, and one row per record that was merged into it."""
        properties = record.get("properties") or {}
        row = {name: value for name, value in record.items() if name not in ("properties", "propertiesWithHistory")}
        for other in each.to:
            row |= _linked(other, record.get(f"associations.{other}") or [])
        row |= {**dict.fromkeys(each.properties), **properties}
        if duration := properties.get("hs_call_duration"):
            row["hs_call_duration.seconds"] = str(int(duration) // 1000)
        if properties.get("pipeline"):
            row["pipeline.label"] = self.names.pipeline(str(properties["pipeline"]))
        if properties.get("hs_sequence_id"):
            row["hs_sequence.name"] = self.names.sequence(str(properties["hs_sequence_id"]))
        yield {**row, "merged_into": None}
        for old in ids_in(cell(properties.get(MERGED))):
            yield {
                "id": old,
                "merged_into": record["id"],
                "merged_at": record.get("updatedAt"),
                "updatedAt": record.get("updatedAt"),
            }

    def _read_history(self, each: Object, window: Window) -> Iterator[Page]:
        """What some properties were, and since when."""
        at = window.resume or {}
        if window.since:
            pages = self.api.searched(each.kind, each.cursor, window, ("hs_object_id",), int(at.get("last", 0)))
        elif at.get("done"):
            return
        else:
            pages = self.api.listed(each.kind, each.history, archived=False, after=at.get("after", ""), history=True)
        for page in pages:
            records = page.records
            if window.since:
                records = self.api.batch(
                    each.kind, [str(record["id"]) for record in records], each.history, history=True
                )
            entries = [entry for record in records for entry in self._entries(record)]
            is_over = window.since is None and not page.resume["after"]
            yield Page(entries, {"done": True} if is_over else page.resume)

    def _entries(self, record: Record) -> Iterator[dict[str, Any]]:
        for name, entries in (record.get("propertiesWithHistory") or {}).items():
            for entry in entries:
                label = self.names.pipeline(str(entry.get("value"))) if name == "pipeline" else entry.get("value")
                yield {"object_id": record["id"], "property": name, **entry, "label": label}

    def _read_stages(self, window: Window) -> Iterator[Page]:  # noqa: ARG002 - read as a whole
        rows = [
            {"object": pipeline["object"], "pipeline": pipeline["id"], "pipeline.label": pipeline["label"], **stage}
            for pipeline in self.names.pipelines()
            for stage in pipeline["stages"]
        ]
        yield Page(
            [{**row, **{f"metadata.{k}": v for k, v in (row.pop("metadata", None) or {}).items()}} for row in rows],
            "whole",
        )

    def _read_owners(self, window: Window) -> Iterator[Page]:
        """Owners, those who left too: their deals keep their names."""
        at = window.resume or {"archived": False, "after": ""}
        for archived in (False, True):
            if at["archived"] and not archived:
                continue
            params = {"limit": 100, "archived": "true" if archived else "false"}
            start = at["after"] if at["archived"] == archived else ""
            for found, after in self.api.followed(self.api.paths.other("owners"), params, start):
                here = {"archived": archived, "after": after} if after else {"archived": True, "after": ""}
                yield Page([{**owner, "team": _team(owner)} for owner in found], here)


def _linked(other: str, links: Sequence[Record]) -> dict[str, Any]:
    """The associations with one kind: all ids, and the primary one, or the first where none is said to be."""
    ids = sorted({str(cell(link["toObjectId"])) for link in links}, key=int)
    first = [
        str(cell(link["toObjectId"])) for link in links if any(_is_primary(t) for t in link.get("associationTypes", []))
    ]
    return {f"associations.{other}": ids, f"associations.{other}.primary": min(first or ids, key=int, default=None)}


def _is_primary(kind: Record) -> bool:
    if kind.get("category") == "USER_DEFINED":
        return False
    return str(cell(kind.get("typeId"))) in PRIMARY or str(kind.get("label") or "").upper() in PRIMARY


def _team(owner: Record) -> str | None:
    teams = sorted(owner.get("teams") or [], key=lambda team: not team.get("primary"))
    return str(teams[0]["name"]) if teams else None


def open_portal(connection: Connection, wire: Wire) -> Account:
    """The account of a connection.

    Raises:
        ConfigError: The token is not where the settings say.
    """
    http = _client(connection, wire, habits())
    api = Api(http, Paths(connection.settings["version"]))
    portal = Portal(api, Names(api))
    return Account(tuple(portal.streams()), http.meter, http.close)


def put_task(connection: Connection, wire: Wire, task: Task) -> str:
    """Make a task unless it is there; the token needs the right to write tasks.

    Raises:
        ConfigError: The token is not where the settings say.
        SourceError: HubSpot refuses, or gave no answer.
    """
    with _client(connection, wire, once(habits())) as http:
        api = Api(http, Paths(connection.settings["version"]))
        path = api.paths.objects("tasks")
        if task.since is not None:
            same = {"propertyName": "hs_task_subject", "operator": "EQ", "value": task.subject}
            asked = {"filterGroups": [{"filters": [same]}], "properties": ["hs_task_subject"], "limit": 1}
            if found := http.post(f"{path}/search", asked)["results"]:
                return str(cell(found[0]["id"]))
        pages = api.followed(api.paths.other("owners"), {"limit": 100})
        people = [
            (str(cell(each["id"])), f"{each.get('firstName')} {each.get('lastName')}", str(each.get("email") or ""))
            for page, _ in pages
            for each in page
        ]
        values = {
            "hs_task_subject": task.subject,
            "hs_task_body": f"{task.about}\n{task.owner}",
            "hs_timestamp": f"{task.due_on}T12:00:00Z",
            "hs_task_status": "NOT_STARTED",
            "hs_task_type": "TODO",
            "hubspot_owner_id": owner_among(people, task.owner),
        }
        made = http.post(path, {"properties": {name: value for name, value in values.items() if value is not None}})
        return str(cell(made["id"]))


def _client(connection: Connection, wire: Wire, how: Habits) -> Http:
    base = connection.settings["base"]
    return Http(base, key_or_app(connection, wire, base, "/oauth/v1/token"), wire, how)


KIND = Kind(
    "hubspot",
    "HubSpot",
    (
        Need("token", "A service key, or the token of a private app, with the rights to read that are listed below."),
        Need("refresh_token", "Of an OAuth app, instead of a key.", ""),
        Need("client_id", "Of an OAuth app.", ""),
        Need("client_secret", "Of an OAuth app.", ""),
    ),
    (
        Need("version", "Version of the API: a date, or v3.", "2026-09", r"\d{4}-\d{2}|v3"),
        Need("base", "Address of the API.", "https://api.hubapi.com"),
    ),
    open_portal,
    put_task=put_task,
    grants=(
        *(
            f"crm.objects.{each.kind}.read"
            for each in OBJECTS
            if each.kind in ("companies", "contacts", "deals", "leads")
        ),
        *("crm.objects.owners.read", "sales-email-read", "automation.sequences.read"),
    ),
)
