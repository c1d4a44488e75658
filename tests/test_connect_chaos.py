"""Whatever fails while a system is read, the final tables are those of the calm run, and requests are bounded."""

from __future__ import annotations

import pytest

from cadran.canonical.mapping import shipped_mappings
from cadran.config import load_project
from cadran.jobs.connect import read_connection
from cadran.jobs.start import init_project
from chaos import Chaos, mortal
from live import Clock, Killed, connected, over, tables
from test_connect_hubspot import LATER, portal

SHIPPED = shipped_mappings()
#: Runs over both systems here; those of the other systems are in their own files.
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


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        project = project_in(tmp_path_factory.mktemp("calm"))
        connection, crm = connected(project, patch, "hubspot", **HUBSPOT), big_portal()
        return without_times(two_reads(project, connection, crm, change, crm.answer)), len(crm.asked)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(RUNS // 20))
def test_hubspot_ends_with_the_tables_of_the_calm_run(tmp_path, monkeypatch, calm, block):
    wanted, requests = calm
    for seed in range(block * 20, block * 20 + 20):
        project, crm = project_in(tmp_path / str(seed)), big_portal()
        connection = connected(project, monkeypatch, "hubspot", **HUBSPOT)
        chaos = Chaos(crm.answer, seed, rate=0.15, forget=crm.tokens.clear)
        with mortal(monkeypatch, seed):
            found = two_reads(project, connection, crm, change, chaos.answer)
        assert without_times(found) == wanted, f"seed {seed}: {chaos.met}"
        assert chaos.requests < 12 * requests, f"seed {seed}: {chaos.requests} for {requests}"
