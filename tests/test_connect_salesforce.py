"""Salesforce live: every object whole, late commits not lost, its limits kept, whatever the account has."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import httpx
import pytest

from cadran.canonical.mapping import shipped_mappings
from cadran.config import load_project
from cadran.jobs.build import build_project
from cadran.jobs.connect import read_connection
from cadran.jobs.start import init_project
from cadran.jobs.sync import sync_project
from cadran.sources.live.connection import connections_of
from cadran.sources.live.kinds import KINDS
from cadran.store.snapshot import current
from chaos import Chaos, mortal, settled
from live import Clock, Killed, over, rows_of
from salesforce_org import SECRET, SalesforceOrg, described, filled, when

SHARED = Path(os.environ.get("CADRAN_SHARED", Path(__file__).parent.parent.parent / "shared"))
RECORDED = SHARED / "contracts" / "salesforce"
GRAMMAR = Path(__file__).parent / "soql"
SETTINGS = """
[connections.salesforce]
kind = "salesforce"
streams = {streams}
domain = "https://acme.my.salesforce.com"
client_id = "the-app"
bulk = {bulk}
"""
OBJECTS = {
    "Opportunity": "salesforce_export_opportunities",
    "Account": "salesforce_export_accounts",
    "User": "salesforce_export_users",
    "OpportunityHistory": "salesforce_export_history",
    "OpportunityFieldHistory": "salesforce_field_history",
    "OpportunityStage": "salesforce_stages",
    "Lead": "salesforce_export_leads",
    "LeadHistory": "salesforce_lead_history",
    "Task": "salesforce_tasks",
    "Event": "salesforce_events",
}


@pytest.fixture(scope="session")
def objects():
    if not RECORDED.is_dir():
        pytest.skip(f"the recorded descriptions of Salesforce are not on this machine: {RECORDED}")
    return described(RECORDED)


@pytest.fixture
def org(objects):
    return filled(SalesforceOrg(objects), seed=7, n_deals=30)


class Reader:
    """A project that is connected to an organisation."""

    def __init__(self, root, bulk=50_000, streams=()):
        init_project(root)
        with (root / "cadran.toml").open("a") as file:
            file.write(SETTINGS.format(bulk=bulk, streams=json.dumps(list(streams))))
        self.project = load_project(root)
        (self.connection,) = connections_of(self.project, KINDS)
        self.clock = Clock(datetime(2026, 7, 2, 9, tzinfo=UTC))

    def read(self, org):
        return read_connection(self.project, self.connection, shipped_mappings(), self.clock.wire(org))

    def newest(self, name):
        """Each record as the last landing that has it holds it."""
        landed = rows_of(self.project, "salesforce", OBJECTS[name])
        return {row["Id"]: row for rows in landed for row in rows}


@pytest.fixture
def reader(tmp_path, monkeypatch):
    monkeypatch.setenv("CADRAN_SALESFORCE_CLIENT_SECRET", SECRET)
    return Reader(tmp_path)


def of(org, name, column="Id"):
    return {row[0] for row in org.rows.execute(f'SELECT {column} FROM "{name}"')}


def test_every_object_is_read_whole_with_what_was_deleted(reader, org):
    org.batch = 11  # fewer than a query asks for
    run = reader.read(org)
    assert [str(issue) for issue in run.issues] == []
    for name in OBJECTS:
        assert set(reader.newest(name)) == of(org, name), name
    deleted = {key for key, row in reader.newest("Opportunity").items() if row["IsDeleted"] == "true"}
    assert len(deleted) == 5
    assert "Description" not in reader.newest("Task")["00Txx0000000000AAA"]
    (rates,) = rows_of(reader.project, "salesforce", "salesforce_rates")
    assert {(r["IsoCode"], r["ConversionRate"], r["CorporateIsoCode"]) for r in rates} == {
        ("EUR", "1.0", "EUR"),
        ("USD", "1.1", "EUR"),
    }
    assert (min(r["Day"] for r in rates), max(r["Day"] for r in rates)) == ("2026-01-01", "2026-07-02")


def test_a_company_with_one_currency_is_asked_for_none(reader, objects):
    plain = {
        name: dict(fields) for name, fields in objects.items() if name not in {"CurrencyType", "DatedConversionRate"}
    }
    for fields in plain.values():
        fields.pop("CurrencyIsoCode", None)
    org = SalesforceOrg(plain)
    org.put("Opportunity", Id="006xx0000000001AAA", Name="Nord", Amount=10.0, IsDeleted=0, SystemModstamp=when(1))
    run = reader.read(org)
    assert [str(issue) for issue in run.issues] == []
    assert "CurrencyIsoCode" not in " ".join(org.asked)
    assert reader.newest("Opportunity")["006xx0000000001AAA"]["Amount"] == "10.0"


def test_a_record_that_was_committed_late_is_not_lost(reader, org):
    reader.read(org)
    now = reader.clock.at
    late = (now - timedelta(minutes=9)).strftime("%Y-%m-%dT%H:%M:%S.000Z")  # stamped before the read, seen after it
    same = (now - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%S.000Z")  # on the very edge of the lookback
    org.put("Opportunity", Id="006xx0000009001AAA", Name="Late", IsDeleted=0, SystemModstamp=late)
    org.put("Opportunity", Id="006xx0000009002AAA", Name="Edge", IsDeleted=0, SystemModstamp=same)
    reader.clock.at += timedelta(days=1)
    run = reader.read(org)
    found = reader.newest("Opportunity")
    assert {found["006xx0000009001AAA"]["Name"], found["006xx0000009002AAA"]["Name"]} == {"Late", "Edge"}
    (told,) = [stream for stream in run.streams if stream.stream == "Opportunity"]
    assert told.landed == 2


def test_records_changed_in_the_same_moment_are_each_read_once(reader, objects, monkeypatch):
    monkeypatch.setattr("cadran.sources.live.salesforce.PAGE", 40)
    org = SalesforceOrg(objects)
    for number in range(250):
        org.put("Account", Id=f"001xx{number:010d}AAA", Name="A", IsDeleted=0, SystemModstamp=when(5))
    reader.read(org)
    (landed,) = rows_of(reader.project, "salesforce", "salesforce_export_accounts")
    assert len(landed) == 250
    assert {row["Id"] for row in landed} == of(org, "Account")


def test_many_records_come_by_bulk_jobs_and_are_the_same(tmp_path, monkeypatch, org):
    monkeypatch.setenv("CADRAN_SALESFORCE_CLIENT_SECRET", SECRET)
    monkeypatch.setattr("cadran.sources.live.salesforce.BULK_PAGE", 4)
    for name in ("plain", "bulk"):
        (tmp_path / name).mkdir()
    plain, bulk = Reader(tmp_path / "plain"), Reader(tmp_path / "bulk", bulk=10)
    plain.read(org)
    run = bulk.read(org)
    assert [str(issue) for issue in run.issues] == []
    assert len(org.jobs) > 10
    for name in OBJECTS:
        one, other = plain.newest(name), bulk.newest(name)
        assert {key: _same(row) for key, row in other.items()} == {key: _same(row) for key, row in one.items()}, name


def _same(row):
    """A row whichever way it came: both ways write times in their own form, and leave out what is empty."""
    return {name: cell.replace("+0000", "Z") for name, cell in row.items() if cell is not None}


def test_a_bulk_read_that_was_cut_goes_on_at_its_month(tmp_path, monkeypatch, org):
    monkeypatch.setenv("CADRAN_SALESFORCE_CLIENT_SECRET", SECRET)
    reader, seen = Reader(tmp_path, bulk=10), []

    def cut(request):
        seen.append(request.url.path)
        if sum(path.endswith("/results") for path in seen) == 3 and len(seen) < 1000:
            seen.extend([""] * 1000)
            raise Killed
        return org(request)

    with pytest.raises(Killed):
        reader.read(cut)
    before = len(org.jobs)
    reader.read(cut)
    assert set(reader.newest("Opportunity")) == of(org, "Opportunity")
    assert len({job["object"] for job in list(org.jobs.values())[:before]}) == 1
    first = sum(job["object"] == "Opportunity" for job in org.jobs.values())
    months = sum(
        f"{q}".startswith("SELECT Id, IsDeleted, AccountId") and "SystemModstamp <" in q for q in set(org.asked)
    )
    assert first == months + 1  # the month that was cut is asked for again, the ones before are not


def test_a_token_that_expired_is_renewed_and_a_field_that_went_is_asked_for_no_more(reader, org):
    org.expires_after = 9
    gone = iter(range(2))

    def answer(request):
        if "FROM Opportunity " in request.url.params.get("q", "") and "NextStep" in request.url.params["q"]:
            next(gone)
            text = "No such column 'NextStep' on sobject of type Opportunity"
            return httpx.Response(400, json=[{"message": text, "errorCode": "INVALID_FIELD"}])
        return org(request)

    run = reader.read(answer)
    assert [str(issue) for issue in run.issues] == []
    assert org.tokens == 2
    assert set(reader.newest("Opportunity")) == of(org, "Opportunity")
    assert "NextStep" not in reader.newest("Opportunity")["006xx0000000001AAA"]


def test_other_tools_are_left_their_share_and_a_used_up_quota_is_not_asked_again(reader, org):
    org.remaining = 19_999
    (issue,) = reader.read(org).issues
    assert "19999 of 100000 requests left" in str(issue)
    org.remaining, seen = 90_000, []

    def used_up(request):
        seen.append(request)
        if "queryAll" in request.url.path:
            return httpx.Response(
                403, json=[{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
            )
        return org(request)

    (issue,) = reader.read(used_up).issues
    assert "no more requests today" in str(issue)
    assert sum("queryAll" in r.url.path for r in seen) == 1


def test_no_secret_is_in_what_is_kept_or_told(reader, org):
    reader.read(org)
    (issue,) = reader.read(lambda request: httpx.Response(400, text=f"bad {SECRET} {request.url}")).issues
    kept = b"".join(path.read_bytes() for path in reader.project.root.rglob("*") if path.is_file())
    assert SECRET not in str(issue) + json.dumps(issue.params, default=str)
    assert SECRET.encode() not in kept
    assert b"token-that-nobody-sees" not in kept


def require(found, reason):
    """Fail where a tool must be there, which is in continuous integration; skip elsewhere."""
    if not found:
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.mark.slow
def test_every_query_is_one_by_a_grammar_that_nobody_here_wrote(tmp_path, monkeypatch, org):
    require(
        shutil.which("node") and (GRAMMAR / "node_modules").is_dir(),
        "The SOQL parser is not installed: make tests/soql/node_modules",
    )
    monkeypatch.setenv("CADRAN_SALESFORCE_CLIENT_SECRET", SECRET)
    reader = Reader(tmp_path, bulk=10)
    reader.read(org)
    reader.clock.at += timedelta(days=1)
    reader.read(org)
    wrong = ["SELECT Id, FROM Opportunity", "SELECT Id FROM Opportunity WHERE SystemModstamp >= 2026-05-03 00:00:00"]
    asked = sorted(set(org.asked))
    told = subprocess.run(
        ["node", str(GRAMMAR / "check.mjs")],
        input=json.dumps([*asked, *wrong]),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads(told.stdout)
    assert answers == [True] * len(asked) + [False] * len(wrong)
    print(f"proof: {len(asked)} queries of the Salesforce connector pass @jetstreamapp/soql-parser-js")


@pytest.mark.slow
def test_a_client_that_nobody_here_wrote_reads_the_same_from_the_organisation(reader, org, tmp_path, monkeypatch):
    try:
        import simple_salesforce
        import trustme
    except ImportError:
        require(False, "simple-salesforce and trustme are not installed")
    reader.read(org)
    org.batch = 7
    with served(org, trustme.CA(), tmp_path, monkeypatch) as address:
        client = simple_salesforce.Salesforce(
            instance_url=address, session_id=f"00Dxx0000001gPL!token-that-nobody-sees{org.tokens}", version="64.0"
        )
        assert {f["name"] for f in client.Opportunity.describe()["fields"]} == set(org.objects["Opportunity"])
        fields = ["Id", "Name", "StageName", "Amount", "IsWon", "SystemModstamp"]
        soql = f"SELECT {', '.join(fields)} FROM Opportunity ORDER BY SystemModstamp ASC, Id ASC"
        rest = client.query_all(soql, include_deleted=True)["records"]
        text = "".join(client.bulk2.Opportunity.query_all(f"SELECT {', '.join(fields)} FROM Opportunity", wait=0))
        with pytest.raises(simple_salesforce.SalesforceMalformedRequest, match="No such column 'Nope'"):
            client.query("SELECT Nope FROM Opportunity")
    ours = {row["Id"]: {name: row[name] for name in fields} for row in reader.newest("Opportunity").values()}
    theirs = {row["Id"]: {name: _text(row[name]) for name in fields} for row in rest}
    assert ours == theirs
    assert {row["Id"] for row in csv.DictReader(io.StringIO(text))} == set(ours)
    print("proof: simple-salesforce (REST and Bulk 2.0) reads from the Salesforce stand-in what the connector reads")


def _text(value):
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


class served:  # noqa: N801 - a context manager
    """The organisation on a port of this machine, behind TLS as its clients demand."""

    def __init__(self, org, authority, folder, monkeypatch):
        self.org, self.authority = org, authority
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "ca.pem"))

    def __enter__(self):
        org = self.org

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *told):
                pass

            def _answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = org(
                    httpx.Request(
                        self.command, f"https://localhost{self.path}", headers=dict(self.headers), content=body
                    )
                )
                self.send_response(answer.status_code)
                for name, value in {**answer.headers, "Content-Length": str(len(answer.content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = _answer  # noqa: N815

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("localhost").configure_cert(context)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"https://localhost:{self.server.server_port}"

    def __exit__(self, *told):
        self.server.shutdown()
        self.server.server_close()


WON = """
    SELECT count(*) FILTER (WHERE IsWon), count(*) FILTER (WHERE IsClosed), sum(Amount) FILTER (WHERE IsWon)
    FROM Opportunity WHERE IsDeleted = 0
"""
STAYS = """
    SELECT h.OpportunityId, h.StageName, h.CreatedDate,
        lead(h.CreatedDate) OVER (PARTITION BY h.OpportunityId ORDER BY h.CreatedDate)
    FROM OpportunityHistory h JOIN Opportunity o ON o.Id = h.OpportunityId WHERE o.IsDeleted = 0 ORDER BY 1, 3
"""


@pytest.mark.slow
def test_what_is_published_is_what_sql_over_the_organisation_says(reader, org):
    wire = reader.clock.wire(org)
    found = sync_project(reader.project, now=reader.clock.at.replace(tzinfo=None), wire=wire)
    report = build_project(reader.project, now=reader.clock.at.replace(tzinfo=None), found=found.issues)
    assert [str(issue) for issue in report.issues if issue.level == "error"] == []
    with duckdb.connect(str(current(reader.project.state)), read_only=True) as published:
        ours = published.execute(
            "SELECT count(*) FILTER (WHERE is_won), count(*) FILTER (WHERE is_closed), sum(amount) FILTER (WHERE is_won)::DOUBLE"
            " FROM opportunity"
        ).fetchone()
        assert ours == org.rows.execute(WON).fetchone()
        stays = published.execute(
            """SELECT o.source_id || 'AAA', i.stage, strftime(i.entered_at, '%Y-%m-%dT%H:%M:%S.000Z'),
               strftime(i.exited_at, '%Y-%m-%dT%H:%M:%S.000Z') FROM stage_interval i
               JOIN opportunity o ON o.id = i.opportunity_id WHERE NOT i.is_implied ORDER BY 1, 3"""
        ).fetchall()
        ends = ("Closed Won", "Closed Lost")
        assert stays == [row for row in org.rows.execute(STAYS).fetchall() if row[1] not in ends]
        assert published.execute(
            "SELECT count(*), count(DISTINCT lead_id), count(DISTINCT opportunity_id) FROM activity"
        ).fetchone() == (50, 20, 30)
        in_dollars = published.execute(
            "SELECT min(amount / amount_base)::DECIMAL(9, 4) FROM opportunity WHERE currency = 'USD'"
        ).fetchone()
        assert str(in_dollars[0]) == "1.1000"
        leads = "SELECT count(*) FROM lead WHERE converted_opportunity_id IS NOT NULL"
        assert published.execute(leads).fetchone() == (30,)


#: Objects that the runs with faults read: what holds for three holds for all, which are read by the same code.
CHAOTIC = ("Opportunity", "Account", "OpportunityHistory")


def two_reads(reader, org, answer, forget=lambda: None):
    """The first read, a day of changes, the next read; the newest version of every record."""
    settled(lambda: reader.read(over(answer)))
    forget()
    later = "2026-07-03T0{0}:00:00.000Z"
    for number in range(12):
        org.put(
            "Opportunity",
            Id=f"006xx{number:010d}AAA",
            Name="Renamed",
            IsDeleted=number % 2,
            SystemModstamp=later.format(number % 5),
        )
        org.put(
            "OpportunityHistory",
            Id=f"008xx{900 + number:010d}AAA",
            OpportunityId=f"006xx{number:010d}AAA",
            StageName="Proposal",
            IsDeleted=0,
            CreatedDate=later.format(1),
            SystemModstamp=later.format(1),
        )
    reader.clock.at = datetime(2026, 7, 3, 9, tzinfo=UTC)
    settled(lambda: reader.read(over(answer)))
    return {name: {key: _same(row) for key, row in reader.newest(name).items()} for name in CHAOTIC}


@pytest.mark.slow
@pytest.mark.parametrize("bulk", [50_000, 10])
def test_salesforce_ends_with_the_tables_of_the_calm_run(tmp_path, monkeypatch, objects, bulk):
    monkeypatch.setenv("CADRAN_SALESFORCE_CLIENT_SECRET", SECRET)
    monkeypatch.setattr("cadran.sources.live.salesforce.PAGE", 12)

    def fresh(name):
        (tmp_path / name).mkdir()
        return Reader(tmp_path / name, bulk, CHAOTIC), filled(SalesforceOrg(objects, batch=9), seed=3, n_deals=20)

    reader, org = fresh("calm")
    calm = Chaos(plain(org), 0, rate=0)
    wanted = two_reads(reader, org, calm.answer)
    for seed in range(8 if bulk == 10 else 12):
        reader, org = fresh(str(seed))
        chaos = Chaos(
            plain(org), seed, rate=0.15, lists=("records",), forget=lambda org=org: setattr(org, "expires_after", 1)
        )
        with mortal(monkeypatch, seed, 0.01):
            found = two_reads(reader, org, chaos.answer, chaos.pages.clear)
        assert found == wanted, f"seed {seed}: {chaos.met}"
        assert chaos.requests < 12 * calm.requests, f"seed {seed}: {chaos.requests} for {calm.requests}"
    print(
        f"proof: chaos, salesforce, {'bulk' if bulk == 10 else 'rest'}, seeds 0 to {seed}: the tables of the calm run"
    )


def plain(org):
    """The organisation in the form in which faults are put before it."""

    def answer(method, url, headers, body):
        told = org(httpx.Request(method, url, headers=headers, content=body.encode()))
        return told.status_code, dict(told.headers), told.text

    return answer
