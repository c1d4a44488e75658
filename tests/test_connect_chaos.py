"""Whatever fails while a system is read, the final tables are those of the calm run, and requests are bounded."""

from __future__ import annotations

from collections import Counter

import pytest

from cadran.canonical.mapping import shipped_mappings
from cadran.config import load_project
from cadran.jobs.connect import read_connection
from cadran.jobs.start import init_project
from chaos import Chaos, mortal
from live import Clock, Killed, connected, over, tables
from pipedrive_fake import TOKEN as PIPEDRIVE
from pipedrive_fake import deal
from test_connect_hubspot import LATER, portal
from test_connect_pipedrive import company

SHIPPED = shipped_mappings()
#: Runs of each system; other systems have theirs in their own files.
RUNS = 60
HUBSPOT = {"refresh_token": "refresh-secret", "client_id": "client-id-1", "client_secret": "client-secret-1"}


def big_portal():
    crm = portal(deals=120)
    for number in range(500, 620):
        crm.add("contacts", number, firstname=f"P{number}", email=f"p{number}@acme.example")
    return crm


def change(crm):
    """What happens between two reads."""
    for number in range(301, 340):
        crm.add(
            "deals",
            number,
            changed=LATER,
            dealname=f"Deal {number}",
            dealstage="closedwon",
            amount=number,
            pipeline="default",
        )
    crm.add("deals", 341, changed=LATER, archived=True, dealname="Deal 341")


def project_in(folder):
    init_project(folder)
    return load_project(folder)


def settled(project, connection, answer, clock):
    """Read until nothing is left to read, as a scheduler does; how often it took."""
    for turn in range(1, 60):
        try:
            run = read_connection(project, connection, SHIPPED, clock.wire(over(answer)))
        except Killed:
            continue
        if not any(issue.level == "error" for issue in run.issues):
            return turn
    raise AssertionError("it never ends")


def two_reads(project, connection, crm, change, answer):
    """The first read, a day of changes, the next read."""
    clock = Clock()
    settled(project, connection, answer, clock)
    change(crm)
    clock.at = clock.at.replace(day=3, hour=10, minute=0, second=0, microsecond=0)
    settled(project, connection, answer, clock)
    return tables(project, connection.name)


def without_times(found):
    """Tables without what says when something was found out, which waits move."""
    return {
        name: {key: {k: v for k, v in row.items() if k != "_gone_at"} for key, row in rows.items()}
        for name, rows in found.items()
    }


def hubspot():
    crm = big_portal()
    return crm, change, {"lists": ("results",), "forget": crm.tokens.clear}, HUBSPOT


def pipedrive():
    """Deals on several pages, some with changes, some that go to the archive or the bin in between."""
    crm = company(deals=60, size=7)

    def change_deals(crm):
        crm.put("deals", *(deal(n, changed=LATER, status="won", close_time=LATER) for n in range(5, 25)))
        crm.put("deals", deal(30, changed=LATER, status="deleted"), deal(31, changed=LATER, is_archived=True))
        del crm.lists["activities"][2]

    return crm, change_deals, {"lists": ("data",)}, {"token": PIPEDRIVE}


SYSTEMS = {"hubspot": hubspot, "pipedrive": pipedrive}


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The final tables of the calm run and how many requests it took, by system."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for kind, make in SYSTEMS.items():
            project = project_in(tmp_path_factory.mktemp(kind))
            crm, later, _, secrets = make()
            connection = connected(project, patch, kind, **secrets)
            found[kind] = without_times(two_reads(project, connection, crm, later, crm.answer)), len(crm.asked)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("block", range(RUNS // 15))
@pytest.mark.parametrize("kind", SYSTEMS)
def test_the_final_tables_are_those_of_the_calm_run(tmp_path, monkeypatch, calm, kind, block):
    wanted, requests = calm[kind]
    met = Counter()
    for seed in range(block * 15, block * 15 + 15):
        project = project_in(tmp_path / str(seed))
        crm, later, told, secrets = SYSTEMS[kind]()
        connection = connected(project, monkeypatch, kind, **secrets)
        chaos = Chaos(crm.answer, seed, rate=0.15, **told)
        with mortal(monkeypatch, seed):
            found = two_reads(project, connection, crm, later, chaos.answer)
        assert without_times(found) == wanted, f"seed {seed}: {chaos.met}"
        assert chaos.requests < 12 * requests, f"seed {seed}: {chaos.requests} for {requests}"
        met += chaos.met
    print(f"proof: chaos, {kind}, seeds {block * 15} to {block * 15 + 14}: {sum(met.values())} faults: {dict(met)}")
    assert set(met) >= {"throttled", "bad_gateway", "cut", "twice", "killed"}
