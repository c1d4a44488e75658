"""Outreach: messages of sequences, the prospects they went to, calls, and users.

Records are what JSON:API calls attributes, one level up, with the id of each related record as ``<name>_id``.
A message carries the name of its sequence. Changes are asked for by ``updatedAt``, oldest first, and pages are
followed by the links that Outreach gives; a link that it no longer knows starts the read again where it began.

Source: Outreach API v2, filtering, sorting and pagination.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from cadran.errors import SourceError
from cadran.sources.live.auth import Nobody, Renewed
from cadran.sources.live.connection import Kind, Need
from cadran.sources.live.http import Habits, Http
from cadran.sources.live.secret import Secret
from cadran.sources.live.stream import Account, Page, Stream, Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cadran.sources.live.connection import Connection
    from cadran.sources.live.stream import Record
    from cadran.sources.live.wire import Wire

#: Records of one page.
PAGE = 500
#: What Outreach lists late.
LATE = timedelta(minutes=10)
#: Kinds of records in the order in which they are read.
OBJECTS = ("users", "prospects", "mailings", "calls")


@dataclass
class Workspace:
    """One Outreach organisation.

    Attributes:
        http: Its client.
        sequences: Names of sequences by id, once they were asked for.
    """

    http: Http
    sequences: dict[str, str] = field(default_factory=dict)

    def stream(self, name: str) -> Stream:
        """One kind of record."""
        return Stream(
            name,
            lambda window: self._read(name, window),
            cursor="updatedAt",
            since=True,
            lookback=LATE,
            needed=name == "mailings",
            grants=(f"{name}.read",),
        )

    def _read(self, name: str, window: Window) -> Iterator[Page]:
        """The changed records of one kind."""
        if name == "mailings" and not self.sequences:
            for page in self._pages("sequences", Window(None, window.until)):
                self.sequences |= {str(record["id"]): record["name"] for record in page.records}
        for page in self._pages(name, window):
            yield Page([self._named(record) for record in page.records], resume=page.resume)

    def _pages(self, name: str, window: Window) -> Iterator[Page]:
        link, start = window.resume, f"/api/v2/{name}"
        since = f"{window.since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}..inf" if window.since else None
        while True:
            try:
                asked = {"page[size]": PAGE, "sort": "updatedAt", "count": "false", "filter[updatedAt]": since}
                body = self.http.get(link) if link else self.http.get(start, asked)
            except SourceError as error:
                if not link or error.params.get("status") not in {400, 404, 410}:
                    raise
                link = None
                continue
            link = (body.get("links") or {}).get("next")
            yield Page([_flat(record) for record in body["data"]], resume=link)
            if not link:
                return

    def _named(self, record: Record) -> Record:
        sequence = record.get("sequence_id")
        return record if sequence is None else {**record, "sequence_name": self.sequences.get(str(sequence))}


def _flat(record: Mapping[str, Any]) -> Record:
    """A record of JSON:API with its attributes, and the ids of the records that it belongs to."""
    related: dict[str, Any] = {}
    for name, relation in (record.get("relationships") or {}).items():
        target = relation.get("data")
        if isinstance(target, dict):
            related[f"{name}_id"] = target["id"]
    attributes = record.get("attributes") or {}
    emails = attributes.get("emails") or []
    return {"id": record["id"], **attributes, **({"email": emails[0]} if emails else {}), **related}


@dataclass(frozen=True)
class _Login:
    """Asks for tokens; Outreach gives another refresh token each time, of which the one that was kept stays good."""

    base: str
    client_id: str
    client: Secret
    refresh: Secret
    wire: Wire

    def token(self) -> Secret:
        """A token."""
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.client.reveal(),
            "refresh_token": self.refresh.reveal(),
        }
        with Http(self.base, Nobody((self.client, self.refresh)), self.wire, Habits()) as http:
            return Secret(http.ask("POST", "/oauth/token", form=form)["access_token"])


def _open(connection: Connection, wire: Wire) -> Account:
    settings, places = connection.settings, connection.places
    client, refresh = places["client_secret"].get(), places["refresh_token"].get()
    login = _Login(settings["base"], settings["client_id"], client, refresh, wire)
    http = Http(settings["base"], Renewed(login.token, (client, refresh)), wire, Habits())
    workspace = Workspace(http)
    return Account(tuple(workspace.stream(name) for name in OBJECTS), http.meter, http.close)


KIND = Kind(
    "outreach",
    "Outreach",
    (
        Need("client_secret", "Secret of an app of the Outreach developer portal."),
        Need("refresh_token", "Refresh token of a person who may see every mailing."),
    ),
    (
        Need("client_id", "Identifier of the same app."),
        Need("base", "Address of the API.", "https://api.outreach.io", r"https?://\S+"),
    ),
    _open,
)
