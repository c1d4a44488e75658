"""Outreach live: messages and what became of them, whole and again when they change."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from cadran.canonical.mapping import shipped_mappings
from cadran.config import load_project
from cadran.jobs.connect import read_connection
from cadran.jobs.start import init_project
from chaos import Chaos, mortal, served, settled
from landing import land, raw_table
from live import Clock, Killed, connected, over, rows_of, tables

SHIPPED = shipped_mappings()
NOW = datetime(2026, 7, 2, 9, tzinfo=UTC)
SECRETS = {"client_secret": "outreach-client-secret", "refresh_token": "outreach-refresh-token"}
MEDIA = {"Content-Type": "application/vnd.api+json"}


@dataclass
class OutreachFake:
    """An organisation by JSON:API: records by kind, links to the next page, tokens that can be forgotten."""

    records: dict = field(default_factory=dict)
    tokens: set = field(default_factory=set)
    links: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    issued: int = 0
    size: int = 1000

    def put(self, kind, key, changed, related=None, **attributes):
        relationships = {
            name: {"data": None if to is None else {"type": name, "id": to}} for name, to in (related or {}).items()
        }
        record = {
            "type": kind.removesuffix("s"),
            "id": key,
            "attributes": {"updatedAt": changed, "createdAt": "2026-06-01T00:00:00.000Z", **attributes},
        }
        self.records.setdefault(kind, {})[key] = {
            **record,
            "relationships": {**relationships, "batch": {"links": {"related": "x"}}},
        }

    def answer(self, method, url, headers, body):
        parts = urlsplit(url)
        self.asked.append(url)
        if parts.path == "/oauth/token":
            form = {name: values[0] for name, values in parse_qs(body).items()}
            if {name: form.get(name) for name in SECRETS} != SECRETS:
                return 401, MEDIA, '{"error": "invalid_client"}'
            self.issued += 1
            self.tokens.add(f"outreach-access-{self.issued}")
            return 200, MEDIA, json.dumps({"access_token": f"outreach-access-{self.issued}", "expires_in": 7200})
        told = {name.lower(): value for name, value in headers.items()}
        if told.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return 401, MEDIA, '{"errors": [{"id": "unauthorized"}]}'
        return self._page(parts)

    def _page(self, parts):
        params = dict(parse_qsl(parts.query))
        found = sorted(
            self.records.get(parts.path.rsplit("/", 1)[1], {}).values(),
            key=lambda r: (r["attributes"]["updatedAt"], r["id"]),
        )
        if since := params.get("filter[updatedAt]"):
            found = [r for r in found if r["attributes"]["updatedAt"] >= since.removesuffix("..inf")]
        if after := params.get("page[after]"):
            if after not in self.links:
                return 400, MEDIA, '{"errors": [{"id": "invalidPageCursor"}]}'
            found = [r for r in found if (r["attributes"]["updatedAt"], r["id"]) > self.links[after]]
        size = min(int(params.get("page[size]", 50)), self.size)
        body = {"data": found[:size], "links": {}}
        if len(found) > size:
            last = body["data"][-1]
            cursor = f"c{last['id']}-{last['attributes']['updatedAt']}"
            self.links[cursor] = (last["attributes"]["updatedAt"], last["id"])
            body["links"]["next"] = (
                f"https://api.outreach.io{parts.path}?{urlencode({**params, 'page[after]': cursor})}"
            )
        return 200, MEDIA, json.dumps(body)


def filled(n=45):
    fake = OutreachFake(size=10)
    day = "2026-06-{:02d}T10:00:00.000Z".format
    fake.put("sequences", 7, day(1), name="Spring outbound")
    fake.put("users", 1, day(1), firstName="Anna", lastName="Roy", email="anna@acme.example", locked=False)
    for number in range(n):
        at = day(1 + number % 28)
        fake.put(
            "prospects",
            number,
            at,
            {"owner": 1},
            firstName="P",
            lastName=str(number),
            emails=[f"p{number}@c{number}.example"],
            title="CFO",
        )
        state = ("delivered", "bounced", "replied", "scheduled")[number % 4]
        fake.put(
            "mailings", number, at, {"prospect": number, "sequence": 7, "user": 1, "sequenceStep": 3, "opportunity": None}, state=state,
            deliveredAt=at if number % 4 in {0, 2} else None, bouncedAt=at if number % 4 == 1 else None,
            repliedAt=day(29) if number % 4 == 2 else None, subject="Hello",
        )  # fmt: skip
        fake.put(
            "calls", number, at, {"prospect": number, "user": 1}, direction="outbound", outcome="Completed", dialedAt=at
        )
    return fake


class Reader:
    def __init__(self, root, monkeypatch):
        init_project(root)
        self.project = load_project(root)
        self.connection = connected(self.project, monkeypatch, "outreach", 'client_id = "the-app"', **SECRETS)
        self.clock = Clock(NOW)

    def read(self, answer):
        return read_connection(self.project, self.connection, SHIPPED, self.clock.wire(over(answer)))


@pytest.fixture
def reader(tmp_path, monkeypatch):
    return Reader(tmp_path, monkeypatch)


def test_every_message_is_read_once_with_its_sequence_and_the_person_it_went_to(reader):
    fake = filled()
    run = reader.read(fake.answer)
    assert [str(issue) for issue in run.issues] == []
    landed = tables(reader.project, "outreach")
    assert {name: len(rows) for name, rows in landed.items()} == {
        "outreach_calls": 45,
        "outreach_mailings": 45,
        "outreach_prospects": 45,
        "outreach_users": 1,
    }
    told = landed["outreach_mailings"]["2"]
    assert (told["sequence_name"], told["prospect_id"], told["repliedAt"]) == (
        "Spring outbound",
        "2",
        "2026-06-29T10:00:00.000Z",
    )
    assert landed["outreach_prospects"]["2"]["email"] == "p2@c2.example"


def test_messages_become_what_was_sent_delivered_and_replied_to(reader):
    reader.read(filled().answer)
    (rows,) = rows_of(reader.project, "outreach", "outreach_mailings")
    headers = list(rows[0])
    found = land(
        raw_table(headers, [[row[name] for name in headers] for row in rows]),
        next(m for m in SHIPPED if m.name == "outreach_mailings"),
    )
    assert found.aside == []
    assert len(found.filtered) == 11  # those that are only planned
    told = found.only("outreach_message", "delivered_at", "bounced_at", "replied_at")
    assert [sum(row[at] is not None for row in told) for at in range(3)] == [23, 11, 11]
    assert found.only("outreach_message", "sequence", "contact_id")[0] == ("Spring outbound", "outreach:0")


def test_only_changes_are_read_again_and_a_link_that_is_forgotten_starts_the_list_again(reader):
    fake = filled()
    cut = iter(range(8))

    def dies(method, url, headers, body):
        if "mailings" in url and next(cut) == 2:
            raise Killed
        return fake.answer(method, url, headers, body)

    with pytest.raises(Killed):
        reader.read(dies)
    fake.links.clear()
    assert reader.read(fake.answer).issues == []
    assert len(tables(reader.project, "outreach")["outreach_mailings"]) == 45
    reader.clock.at += timedelta(days=1)
    fake.put(
        "mailings",
        4,
        "2026-07-02T08:55:00.000Z",
        {"prospect": 4, "sequence": 7},
        state="replied",
        repliedAt="2026-07-02T08:50:00.000Z",
    )
    reader.read(fake.answer)
    second = rows_of(reader.project, "outreach", "outreach_mailings")[-1]
    assert [(row["id"], row["state"]) for row in second] == [("4", "replied")]


@pytest.mark.slow
def test_outreach_ends_with_the_tables_of_the_calm_run(tmp_path, monkeypatch):

    def two_reads(reader, fake, answer, forget=lambda: None):
        settled(lambda: reader.read(answer))
        forget()
        for number in range(5):
            fake.put(
                "mailings",
                number,
                "2026-07-02T22:00:00.000Z",
                {"prospect": number, "sequence": 7},
                state="replied",
                repliedAt="2026-07-02T21:00:00.000Z",
            )
        reader.clock.at = NOW + timedelta(days=1)
        settled(lambda: reader.read(answer))
        return tables(reader.project, "outreach")

    fake = filled(25)
    wanted = two_reads(Reader(tmp_path / "calm", monkeypatch), fake, fake.answer)
    requests = len(fake.asked)
    for seed in range(20):
        fake = filled(25)
        chaos = Chaos(fake.answer, seed, rate=0.2, lists=("data",), forget=fake.tokens.clear)
        with mortal(monkeypatch, seed):
            found = two_reads(Reader(tmp_path / str(seed), monkeypatch), fake, chaos.answer, chaos.pages.clear)
        assert found == wanted, f"seed {seed}: {chaos.met}"
        assert chaos.requests < 15 * requests, f"seed {seed}: {chaos.requests} for {requests}"
    print(f"proof: chaos, outreach, seeds 0 to {seed}: the tables of the calm run")


#: Where the client of others is installed, and how it is sent to another address than Outreach's own.
SITE = Path(__file__).parent / "outreach" / ".site"
RUN = """
import sys, requests
base = sys.argv.pop(1)
send = requests.Session.request
requests.Session.request = lambda self, method, url, **more: send(
    self, method, url.replace("https://api.outreach.io", base), **more)
from tap_outreach import main
main()
"""
#: What both read of each kind of record: its stream there, and fields by their names there and here.
BOTH = {
    "mailings": {"deliveredAt": "deliveredAt", "bouncedAt": "bouncedAt", "repliedAt": "repliedAt", "state": "state", "prospectId": "prospect_id", "sequenceId": "sequence_id"},
    "prospects": {"firstName": "firstName", "lastName": "lastName", "title": "title", "ownerId": "owner_id"},
    "calls": {"direction": "direction", "outcome": "outcome", "prospectId": "prospect_id", "userId": "user_id"},
    "users": {"firstName": "firstName", "lastName": "lastName", "email": "email"},
}  # fmt: skip


def read_by_tap(folder, fake):
    """Records by stream and id, as the tap of others reads them from the stand-in."""
    if not SITE.is_dir():
        pytest.fail("The client of Outreach is not installed: make tests/outreach/.site")
    told = {"client_id": "the-app", "redirect_uri": "https://acme.example", "start_date": "2026-06-01T00:00:00.000Z", "page_size": 10}  # fmt: skip
    (folder / "config.json").write_text(json.dumps({**SECRETS, **told}))
    with served(fake.answer) as base:
        command = [sys.executable, "-c", RUN, base, "--config", str(folder / "config.json")]
        env = {"PYTHONPATH": str(SITE), "PATH": "/usr/bin:/bin"}
        found = subprocess.run([*command, "--discover"], env=env, capture_output=True, text=True, check=True)
        catalog = json.loads(found.stdout)
        catalog["streams"] = [each for each in catalog["streams"] if each["tap_stream_id"] in BOTH]
        for stream in catalog["streams"]:
            stream["schema"]["selected"] = True
            stream["metadata"] = [{"breadcrumb": [], "metadata": {"selected": True}}]
        (folder / "catalog.json").write_text(json.dumps(catalog))
        done = subprocess.run(
            [*command, "--catalog", str(folder / "catalog.json")], env=env, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    records = [line for line in lines if line["type"] == "RECORD"]
    return {kind: {str(r["record"]["id"]): r["record"] for r in records if r["stream"] == kind} for kind in BOTH}


def plain(value):
    """Texts that both write alike: ids as digits, instants to the second."""
    text = "" if value is None else str(value)
    return text[:19] if text[10:11] == "T" else text


@pytest.mark.slow
def test_a_client_of_others_reads_the_same_from_the_stand_in(reader, tmp_path):
    """B: singer's tap-outreach, with its own sign-in, paging and filters, on the same stand-in."""
    reader.read(filled().answer)
    ours, theirs = tables(reader.project, "outreach"), read_by_tap(tmp_path, filled())
    for kind, names in BOTH.items():
        mine = ours[f"outreach_{kind}"]
        assert mine.keys() == theirs[kind].keys()
        for key, record in theirs[kind].items():
            assert {n: plain(record.get(n)) for n in names} == {n: plain(mine[key].get(o)) for n, o in names.items()}
    n = sum(len(found) for found in theirs.values())
    print(f"proof: B: tap-outreach reads the same {n} records from the Outreach stand-in as the connector")
