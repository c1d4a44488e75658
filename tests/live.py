"""A system that does not exist, served without a network: what the runtime of live connections is tried on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pyarrow.parquet as pq

from cadran.canonical.mapping import load_mappings
from cadran.config import load_project
from cadran.sources.live.auth import Fixed
from cadran.sources.live.connection import Kind, Need, connections_of
from cadran.sources.live.http import Habits, Http
from cadran.sources.live.kinds import KINDS
from cadran.sources.live.stream import Account, Page, Stream
from cadran.sources.live.wire import Wire
from cadran.store.raw import landings

START = datetime(2026, 7, 2, 9, tzinfo=UTC)
MAPPING = """
name: toy_deals
system: toy
stream: toy.deals
optional: true
options: {dates: YMD, decimal: ".", zone: UTC}
entities:
  opportunity:
    id: id
    columns: {name: name, amount: amount, currency: {value: EUR}, stage: stage, created_at: created, updated_at: changed, deleted_at: _gone_at}
"""
TOKEN = "toy-token-that-nobody-sees"


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Clock:
    """A clock that moves only by waiting."""

    at: datetime = START
    waits: list[float] = field(default_factory=list)

    def now(self):
        return self.at

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.at += timedelta(seconds=seconds)

    def wire(self, answer=None):
        transport = httpx.MockTransport(answer) if answer else None
        return Wire(self.now, self.sleep, lambda: 0.5, transport)


@dataclass
class Toy:
    """Deals by id, given two a page; `faults` answer requests before the system does."""

    deals: dict
    faults: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    size: int = 2

    def __call__(self, request):
        self.asked.append(str(request.url))
        if self.faults and (fault := self.faults.pop(0)):
            return fault(request) if callable(fault) else httpx.Response(fault, json={"message": "no"})
        if request.headers["Authorization"] != f"Bearer {TOKEN}":
            return httpx.Response(401, json={"message": f"who is {request.headers['Authorization']}?"})
        since, after = request.url.params.get("since", ""), int(request.url.params.get("after", 0))
        found = [deal for deal in sorted(self.deals.values(), key=lambda d: d["id"]) if deal["changed"] >= since]
        rest = [deal for deal in found if deal["id"] > after]
        page = rest[: self.size]
        body = {"deals": page, "total": len(found), "next": page[-1]["id"] if len(rest) > self.size else None}
        return httpx.Response(200, text=json.dumps(body))


def deal(number, changed="2026-06-01T00:00:00Z", amount=None, **more):
    return {
        "id": number,
        "name": f"Deal {number}",
        "amount": amount or number * 10,
        "stage": "open",
        "created": "2026-01-01T00:00:00Z",
        "changed": changed,
        "labels": [number],
        **more,
    }


def _open(connection, wire):
    http = Http(connection.settings["base"], Fixed(connection.places["token"].get()), wire, Habits())

    def read(window):
        after = window.resume or 0
        while after is not None:
            since = window.since.strftime("%Y-%m-%dT%H:%M:%SZ") if window.since else None
            body = http.get("/deals", {"since": since, "after": after})
            after = None if body["next"] is None else int(body["next"])
            yield Page(body["deals"], resume=after if after is not None else -1, total=int(body["total"]))

    deals = Stream(
        "deals", read, cursor="changed", since=True, lookback=timedelta(minutes=10), deletes="scan", needed=True
    )
    return Account((deals,), http.meter, http.close)


TOY = Kind(
    "toy", "Toy", (Need("token", "Made in the toy."),), (Need("base", "Its address.", "https://toy.example/v1"),), _open
)


def rows_of(project, connection="toy", mapping="toy_deals"):
    """What has landed, oldest first: one list of records per landing."""
    return [
        pq.read_table(landing.path).drop(["_row"]).to_pylist()
        for landing in landings(project.state / "raw" / connection / mapping)
    ]


def toy_project(project, monkeypatch):
    """A project that is connected to the toy, and its mappings."""
    monkeypatch.setenv("CADRAN_TOY_TOKEN", TOKEN)
    (project.mappings / "toy.yml").write_text(MAPPING)
    settings = (project.root / "cadran.toml").read_text()
    (project.root / "cadran.toml").write_text(settings + '\n[connections.toy]\nkind = "toy"\n')
    return load_mappings(project.mappings)


def over(answer):
    """A fake's `answer`, as what a transport without a network calls."""

    def handle(request):
        status, headers, text = answer(
            request.method, str(request.url), dict(request.headers), request.content.decode()
        )
        return httpx.Response(status, headers=headers, text=text)

    return handle


def connected(project, monkeypatch, kind, written="", **secrets):
    """The only connection of a project, of that kind, with its secrets in the environment."""
    settings = project.root / "cadran.toml"
    settings.write_text(settings.read_text() + f"\n[connections.{kind}]\n{written}\n")
    for name, value in secrets.items():
        monkeypatch.setenv(f"CADRAN_{kind}_{name}".upper(), value)
    (connection,) = connections_of(load_project(project.root), KINDS)
    return connection


#: What tells changes apart, which have no id.
KEYS = ("object_id", "property", "timestamp", "value", "deal_id", "field_key", "time", "old_value", "new_value")


def tables(project, connection):
    """The last version of every record that has landed, by stream and key: what final tables rest on."""
    found = {}
    for folder in sorted((project.state / "raw" / connection).glob("*")):
        rows = {}
        for landing in landings(folder):
            for row in pq.read_table(landing.path).drop(["_row"]).to_pylist():
                told = {name: value for name, value in row.items() if value is not None}
                rows[told.get("id") or json.dumps([told.get(name) for name in KEYS])] = told
        found[folder.name] = rows
    return found
