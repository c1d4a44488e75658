"""Connectors against servers, clients and contracts that this project did not write; each proof that ran is printed.

A tool that is missing fails: only specifications that may not be copied are read where they are, or skipped.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml

from cadran.canonical.mapping import shipped_mappings
from cadran.config import load_project
from cadran.jobs.connect import read_connection
from cadran.jobs.start import init_project
from chaos import served
from hubspot_fake import TOKEN
from live import Clock, connected, over, tables
from pipedrive_fake import TOKEN as PIPEDRIVE
from test_connect_chaos import big_portal, change
from test_connect_hubspot import LATER, portal
from test_connect_pipedrive import company

SHIPPED = shipped_mappings()
PRISM = Path(__file__).parent / "prism"
CONTRACTS = Path(os.environ.get("CADRAN_SHARED", Path(__file__).parents[2] / "shared")) / "contracts"
BACKLOT = "admin-service-token"


@pytest.fixture
def project(tmp_path):
    init_project(tmp_path)
    return load_project(tmp_path)


def ran(text):
    print(f"proof: {text}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(command, address, seconds=90):
    """A server of others, until it answers."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(seconds * 5):
                assert process.poll() is None, f"{command[0]} has ended"
                with contextlib.suppress(httpx.HTTPError):
                    httpx.get(address, timeout=10)
                    break
                time.sleep(0.2)
            else:
                pytest.fail(f"{command[0]} does not answer")
            yield
        finally:
            process.kill()


def deals_of(n):
    """Deals for backlot, one an hour, the last one in the bin."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for i in range(1, n + 1):
        at = (start + timedelta(hours=i)).strftime("%Y-%m-%dT%H:%M:%SZ")
        properties = {
            "hs_object_id": str(50000 + i),
            "dealname": f"Deal {i}",
            "amount": str(1000 * i),
            "dealstage": "meeting",
            "pipeline": "default",
            "hs_lastmodifieddate": at,
        }
        yield {
            "source_type": "hubspot",
            "author_email": "dana@acme.example",
            "visibility": "public",
            "doc_id": f"d{i}",
            "record_id": str(50000 + i),
            "object_type": "deals",
            "title": f"Deal {i}",
            "content": "x",
            "properties": properties,
            "created": "2026-01-01T00:00:00Z",
            "updated": at,
            "archived": i == n,
        }


@pytest.mark.slow
def test_hubspot_reads_a_server_of_others(project, monkeypatch, tmp_path):
    """Backlot, whose answers were measured against HubSpot's; what it lacks comes from the fake."""
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, deals_of(250))))
    backlot, port = str(Path(sys.executable).parent / "backlot"), free_port()
    subprocess.run(
        [backlot, "import", str(tmp_path / "corpus.jsonl"), "--data-dir", str(tmp_path / "D")],
        check=True,
        capture_output=True,
    )
    crm, base = portal(), f"http://127.0.0.1:{port}/hubspot"
    crm.tokens = {BACKLOT}

    def answer(method, url, headers, body):
        if "/crm/v3/objects/deals" not in url:
            return crm.answer(method, url, headers, body)
        kept = {name: value for name, value in headers.items() if name.lower() in {"authorization", "content-type"}}
        found = httpx.request(method, base + url.partition(".com")[2], headers=kept, content=body or None)
        return found.status_code, {"Content-Type": found.headers["content-type"]}, found.text

    clock = Clock(datetime(2026, 1, 8, tzinfo=UTC))
    connection = connected(project, monkeypatch, "hubspot", 'version = "v3"\nstreams = ["deals"]', token=BACKLOT)
    with running(
        [backlot, "serve", "--data-dir", str(tmp_path / "D"), "--port", str(port), "--disable-telemetry"], base
    ):
        read = lambda: read_connection(project, connection, SHIPPED, clock.wire(over(answer))).streams[0]  # noqa: E731
        first = read()
        clock.at = datetime(2026, 1, 11, tzinfo=UTC)
        second = read()
    assert (first.outcome, first.landed, second.outcome) == ("complete", 250, "complete")
    late = [d for d in deals_of(249) if "2026-01-07T23:50:00Z" <= d["updated"] < "2026-01-11T00:00:00Z"]
    assert second.rows == len(late) + 1  # and the bin
    rows = tables(project, "hubspot")["hubspot_live_deals"]
    assert {row["dealname"] for row in rows.values()} == {f"Deal {i}" for i in range(1, 251)}
    assert [key for key, row in rows.items() if row["archived"] == "true"] == ["50250"]
    ran("A: HubSpot connector against backlot: 250 deals listed, changes searched, the bin told")


@pytest.mark.slow
def test_hubspot_s_own_client_reads_the_fake():
    import hubspot
    from hubspot.crm.associations.v4 import BatchInputPublicFetchAssociationsBatchRequest
    from hubspot.crm.deals import BatchReadInputSimplePublicObjectId, Filter, FilterGroup, PublicObjectSearchRequest

    crm = portal(deals=120)
    with served(crm.answer) as base:
        client = hubspot.Client.create(access_token=TOKEN, host=base)
        assert len(client.crm.deals.get_all(properties=["dealname"])) == 119  # one of them is in the bin
        page = client.crm.deals.basic_api.get_page(limit=50, properties_with_history=["dealstage"])
        assert [entry.value for entry in page.results[0].properties_with_history["dealstage"]] == ["9071", "meeting"]
        asked = PublicObjectSearchRequest(
            filter_groups=[FilterGroup(filters=[Filter(property_name="hs_object_id", operator="GT", value="400")])],
            sorts=["hs_object_id"],
            properties=["dealname"],
            limit=200,
            after="0",
        )
        with contextlib.suppress(AttributeError):  # its sorts are plain names, which the fake does not take
            asked.sorts = []
        assert client.crm.deals.search_api.do_search(asked).total == 20
        batch = BatchReadInputSimplePublicObjectId(
            inputs=[{"id": "301"}, {"id": "9"}], properties=["dealname"], properties_with_history=[]
        )
        assert [record.id for record in client.crm.deals.batch_api.read(batch).results] == ["301"]
        stages = client.crm.pipelines.pipelines_api.get_all("deals").results[0].stages
        assert [stage.label for stage in stages] == ["Meeting", "Proposal", "Won", "Lost"]
        assert [owner.last_name for owner in client.crm.owners.owners_api.get_page().results] == ["Roy"]
        links = client.crm.associations.v4.batch_api.get_page(
            "deals", "companies", BatchInputPublicFetchAssociationsBatchRequest(inputs=[{"id": "301"}])
        ).results
        assert {link.to_object_id for link in links[0].to} in ({"101", "102"}, {101, 102})
    ran("B: hubspot-api-client 12 against the fake: lists, history, search, batches, pipelines, owners, associations")


def _keys(model):
    return set(model.attribute_map.values())


@pytest.mark.slow
def test_what_is_asked_of_hubspot_and_answered_fits_the_models_of_its_client(project, monkeypatch):
    from hubspot.crm import deals, owners, pipelines
    from hubspot.crm.associations import v4

    crm, seen = big_portal(), set()
    answers = {
        r"/crm/v3/objects/\w+": (deals, "CollectionResponseSimplePublicObjectWithAssociationsForwardPaging", None),
        r"/crm/v3/objects/\w+/search": (
            deals,
            "CollectionResponseWithTotalSimplePublicObjectForwardPaging",
            "PublicObjectSearchRequest",
        ),
        r"/crm/v3/objects/\w+/batch/read": (
            deals,
            "BatchResponseSimplePublicObject",
            "BatchReadInputSimplePublicObjectId",
        ),
        r"/crm/v3/owners/?": (owners, "CollectionResponsePublicOwnerForwardPaging", None),
        r"/crm/v3/pipelines/\w+": (pipelines, "CollectionResponsePipelineNoPaging", None),
        r"/crm/v4/associations/\w+/\w+/batch/read": (
            v4,
            "BatchResponsePublicAssociationMultiWithLabel",
            "BatchInputPublicFetchAssociationsBatchRequest",
        ),
    }

    def held(method, url, headers, body):
        status, told, text = crm.answer(method, url, headers, body)
        parts = urlsplit(url)
        for pattern, (module, model, asked) in answers.items():
            if not re.fullmatch(pattern, parts.path) or status >= 300:
                continue
            seen.add(pattern)
            if asked:
                optional = {"archived", "propertiesWithHistory", "idProperty", "query", "sorts", "after"}
                assert set(json.loads(body)) <= _keys(getattr(module, asked)), body
                assert set(json.loads(body)) >= {"inputs"} - optional or "filterGroups" in json.loads(body)
            elif "objects" in pattern:
                takes = set(inspect.signature(module.BasicApi.get_page_with_http_info).parameters) | {
                    "limit",
                    "after",
                    "properties",
                    "properties_with_history",
                    "associations",
                    "archived",
                }
                assert {
                    re.sub("([A-Z])", lambda m: "_" + m[1].lower(), name) for name in parse_qs(parts.query)
                } <= takes
            class_ = getattr(module, model, None) or getattr(module.models, model)
            response = type("R", (), {"data": text})()
            module.ApiClient().deserialize(response, class_)
        return status, told, text

    connection, clock = connected(project, monkeypatch, "hubspot", 'version = "v3"', token=TOKEN), Clock()
    read = lambda: read_connection(project, connection, SHIPPED, clock.wire(over(held)))  # noqa: E731
    assert read().issues == []
    change(crm)
    clock.at += timedelta(days=1)
    assert read().issues == []
    assert len(seen) == len(answers)
    ran("C: every request to HubSpot and every answer of the fake fits the models of hubspot-api-client 12")


def test_the_fake_s_shapes_are_those_of_recorded_payloads():
    folder = CONTRACTS / "hubspot-payloads"
    if not folder.is_dir():
        pytest.skip(f"recorded payloads are not at {folder}")
    crm = portal()

    def ask(path):
        return json.loads(
            crm.answer("GET", f"https://api.hubapi.com{path}", {"Authorization": f"Bearer {TOKEN}"}, "")[2]
        )

    recorded = json.loads((folder / "metadata-deals-external-pipelines.json").read_text())["results"][0]
    told = ask("/crm/pipelines/2026-09/deals")["results"][0]
    assert set(told) <= set(recorded)
    assert set(told["stages"][0]) == set(recorded["stages"][0])
    page = json.loads((folder / "read_objects-api_contacts-response.json").read_text())
    mine = ask("/crm/objects/2026-09/contacts?limit=1&properties=email")
    assert set(mine["results"][0]) <= set(page["results"][0]) | {"archivedAt"}
    ran("D: shapes of pipelines and records of the fake are those of recorded HubSpot payloads")


def operations():
    """Pipedrive's own client, as operations and their parameters."""
    if not (PRISM / "node_modules").is_dir():
        pytest.fail("Pipedrive's client is not installed: make tests/prism/node_modules")
    found = subprocess.run(["node", str(PRISM / "contract.mjs")], check=True, capture_output=True, text=True)
    return json.loads(found.stdout)


@pytest.mark.slow
def test_what_is_asked_of_pipedrive_is_what_its_own_client_can_ask(project, monkeypatch):
    known, crm, asked = operations(), company(deals=9, size=4), set()
    templates = {re.sub(r"\\\{\w+\\\}", r"[^/]+", re.escape(name)): set(params) for name, params in known.items()}

    def held(method, url, headers, body):
        parts = urlsplit(url)
        version, _, path = parts.path.removeprefix("/api/").partition("/")
        fitting = [params for name, params in templates.items() if re.fullmatch(name, f"{version} {method} /{path}")]
        assert fitting, f"{method} {parts.path} is no operation"
        assert any(set(parse_qs(parts.query)) <= params for params in fitting), url
        asked.add(re.sub(r"\d+", "N", path))
        return crm.answer(method, url, headers, body)

    connection, clock = connected(project, monkeypatch, "pipedrive", token=PIPEDRIVE), Clock()
    for _ in range(2):
        assert read_connection(project, connection, SHIPPED, clock.wire(over(held))).issues == []
        clock.at += timedelta(days=1)
    assert len(asked) == 11, asked
    ran(f"C: {len(asked)} operations asked of Pipedrive are those of its own client, with its parameters")


#: Fields that recorded answers of Pipedrive leave empty although its specification does not say that they may be:
#: the end of a list, what an activity is not about.
EMPTY = {"next_cursor", "lead_id", "org_id", "person_id", "deal_id"}


def with_nulls(node):
    """A specification in which those fields may be null."""
    if isinstance(node, dict):
        told = {name: with_nulls(value) for name, value in node.items()}
        for name, field in told.items():
            if name in EMPTY and isinstance(field, dict) and "type" in field:
                told[name] = {**field, "nullable": True}
        return told
    return [with_nulls(item) for item in node] if isinstance(node, list) else node


@pytest.mark.slow
def test_pipedrive_s_specification_holds_both_sides(project, monkeypatch, tmp_path):
    """Prism stands between: it refuses what the specification does not know, in requests and in answers."""
    if not (PRISM / "node_modules").is_dir():
        pytest.fail("Prism is not installed: make tests/prism/node_modules")
    specification = CONTRACTS / "pipedrive" / "pipedrive-v2.yaml"
    if not specification.is_file():
        pytest.skip(f"Pipedrive's specification is not at {specification}")
    crm, port, refused = company(deals=9, size=4), free_port(), []
    overlaid = tmp_path / "pipedrive-v2.json"
    overlaid.write_text(json.dumps(with_nulls(yaml.load(specification.read_text(), Loader=yaml.CSafeLoader))))
    with served(crm.answer) as upstream:
        command = [
            "node",
            str(PRISM / "node_modules" / ".bin" / "prism"),
            "proxy",
            "--errors",
            "-p",
            str(port),
            str(overlaid),
            f"{upstream}/api/v2",
        ]
        with running(command, f"http://127.0.0.1:{port}/stages"):

            def answer(method, url, headers, body):
                parts = urlsplit(url)
                if not parts.path.startswith("/api/v2"):
                    return crm.answer(method, url, headers, body)
                query = f"?{parts.query}" if parts.query else ""
                found = httpx.get(
                    f"http://127.0.0.1:{port}{parts.path.removeprefix('/api/v2')}{query}",
                    headers={"x-api-token": PIPEDRIVE},
                    timeout=30,
                )
                if found.status_code != 200:
                    refused.append(found.text)
                return found.status_code, {"Content-Type": "application/json"}, found.text

            connection, clock = connected(project, monkeypatch, "pipedrive", token=PIPEDRIVE), Clock()
            run = read_connection(project, connection, SHIPPED, clock.wire(over(answer)))
            assert not refused, refused[0][-900:]
            assert run.issues == []
            bad = httpx.get(
                f"http://127.0.0.1:{port}/deals?status=asleep", headers={"x-api-token": PIPEDRIVE}, timeout=30
            )
            assert bad.status_code == 422
    assert len(tables(project, "pipedrive")["pipedrive_live_deals"]) == 12
    ran("A and C: Pipedrive connector and fake through Prism with the vendor's specification, both ways")


@pytest.mark.slow
def test_a_process_that_is_really_killed_goes_on(tmp_path):
    """Five times the process is killed by the system in the middle of its work; the last one ends it."""
    init_project(tmp_path)
    settings = tmp_path / "cadran.toml"
    crm = portal(deals=400)
    with served(crm.answer) as base:
        settings.write_text(settings.read_text() + f'\n[connections.hubspot]\nbase = "{base}"\n')
        environment = {**os.environ, "CADRAN_HUBSPOT_TOKEN": TOKEN}
        command = [
            sys.executable,
            "-c",
            "from cadran.cli import main; main()",
            "sync",
            "--project",
            str(tmp_path),
            "--format",
            "json",
        ]
        asked = []
        for _ in range(5):
            before = len(crm.asked)
            with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                for _ in range(1200):
                    if len(crm.asked) - before >= 4 or process.poll() is not None:
                        break
                    time.sleep(0.05)
                process.kill()
            asked.append(len(crm.asked) - before)
        found = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert max(asked) < 40
    rows = tables(load_project(tmp_path), "hubspot")["hubspot_live_deals"]
    assert len(rows) == 400
    assert LATER not in found.stdout
    ran(f"F: killed five times after {asked} requests, then whole")
