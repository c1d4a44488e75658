"""Google Analytics and Search Console live: whole days, in the zone of the property, the last ones again."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cadran.canonical.mapping import shipped_mappings
from cadran.config import load_project
from cadran.jobs.connect import read_connection
from cadran.jobs.start import init_project
from landing import land, raw_table
from live import Clock, connected, over, rows_of

jwt = pytest.importorskip("jwt") if not os.environ.get("CI") else __import__("jwt")

from chaos import Chaos, mortal, served, settled  # noqa: E402
from google_fake import PRIVATE, filled, key, matches  # noqa: E402

SHIPPED = shipped_mappings()
NOW = datetime(2026, 7, 2, 9, tzinfo=UTC)
BASE = {"ga4": "https://analyticsdata.googleapis.com", "search_console": "https://searchconsole.googleapis.com"}
WRITTEN = {"ga4": 'property = "123"\nfirst = "2026-04-01"', "search_console": 'site = "sc-domain:acme.com"'}
DIMENSIONS = (
    "date",
    "sessionDefaultChannelGroup",
    "sessionSource",
    "sessionMedium",
    "sessionCampaignName",
    "landingPage",
)


class Reader:
    def __init__(self, root, monkeypatch, kind):
        init_project(root)
        self.project, self.kind = load_project(root), kind
        self.connection = connected(self.project, monkeypatch, kind, WRITTEN[kind], key=key(BASE[kind]))
        self.clock = Clock(NOW)

    def read(self, answer):
        return read_connection(self.project, self.connection, SHIPPED, self.clock.wire(over(answer)))

    def newest(self, mapping, names):
        """Each row as the last landing that has it holds it, without those that are gone."""
        found = {}
        for landed in rows_of(self.project, self.kind, mapping):
            found |= {tuple(row[name] for name in names): row for row in landed}
        return {keys: row for keys, row in found.items() if not row.get("_gone_at")}


@pytest.fixture
def ga4(tmp_path, monkeypatch):
    return Reader(tmp_path, monkeypatch, "ga4")


@pytest.fixture
def console(tmp_path, monkeypatch):
    return Reader(tmp_path, monkeypatch, "search_console")


def sessions(reader):
    return {keys: row["sessions"] for keys, row in reader.newest("ga4_live", DIMENSIONS).items()}


def test_days_that_are_over_are_read_page_by_page_and_today_is_not(ga4, monkeypatch):
    monkeypatch.setattr("cadran.sources.live.ga4.PAGE", 50)
    fake = filled()
    today = ("20260702", *next(iter(fake.sessions))[1:])
    fake.sessions[today] = (5, 5, 5, 5, 5, 0)
    run = ga4.read(fake.answer)
    assert [str(issue) for issue in run.issues] == []
    expected = {keys: str(metrics[0]) for keys, metrics in fake.sessions.items() if keys != today}
    assert sessions(ga4) == expected
    (told,) = run.streams
    assert told.pages > 10
    assert told.cost["tokens"] == 7 * told.pages


def test_rows_of_a_day_that_come_no_more_go_when_the_day_is_read_again(ga4):
    fake = filled()
    ga4.read(fake.answer)
    ga4.clock.at += timedelta(days=1)
    moved = next(keys for keys in fake.sessions if keys[0] == "20260701")
    fake.sessions[(*moved[:4], "spring", moved[5])] = fake.sessions.pop(moved)  # Google learnt of the campaign
    old = next(keys for keys in fake.sessions if keys[0] == "20260501")
    kept = fake.sessions.pop(old)  # of a day that is not read again
    fake.bodies.clear()
    ga4.read(fake.answer)
    found = sessions(ga4)
    assert moved not in found
    assert found[old] == str(kept[0])
    assert sum(keys[0] == "20260701" for keys in found) == 9
    assert min(body["dateRanges"][0]["startDate"] for _, body in fake.bodies) == "2026-06-28"


def test_the_last_tokens_of_the_day_are_left_to_others_and_the_rest_is_read_later(ga4, monkeypatch):
    monkeypatch.setattr("cadran.sources.live.ga4.PAGE", 50)
    fake = filled()
    fake.remaining = 900
    (issue,) = ga4.read(fake.answer).issues
    assert "900 tokens left" in str(issue)
    fake.remaining = 190_000
    ga4.clock.at += timedelta(hours=15)
    assert ga4.read(fake.answer).issues == []
    assert sessions(ga4) == {keys: str(metrics[0]) for keys, metrics in fake.sessions.items()}


def test_what_is_landed_becomes_sessions_by_day(ga4):
    fake = filled(days=3)
    ga4.read(fake.answer)
    (rows,) = rows_of(ga4.project, "ga4", "ga4_live")
    headers = list(rows[0])
    found = land(
        raw_table(headers, [[row[name] for name in headers] for row in rows]),
        next(m for m in SHIPPED if m.name == "ga4_live"),
    )
    assert found.aside == []
    assert sum(found.only("web_session_daily", "sessions")) == sum(m[0] for m in fake.sessions.values())
    assert {str(day) for day in found.only("web_session_daily", "day_on")} == {"2026-06-29", "2026-06-30", "2026-07-01"}
    assert set(found.only("web_session_daily", "channel", "flags")) == {
        ("organic_search", "1"),
        ("direct", "1"),
        ("paid_search", "1"),
    }


def test_searches_by_day_are_whole_and_those_by_query_lack_the_hidden_ones(console, monkeypatch):
    monkeypatch.setattr("cadran.sources.live.search_console.PAGE", 2)
    fake = filled(days=40)
    run = console.read(fake.answer)
    assert [str(issue) for issue in run.issues] == []
    days = console.newest("search_console_live_days", ("date",))
    queries = console.newest("search_console_live_queries", ("date", "query", "page"))
    assert sum(float(row["clicks"]) for row in days.values()) == sum(told[0] for told in fake.searches.values())
    assert set(queries) == {keys for keys in fake.searches if keys[1]}
    (rows, *_) = rows_of(console.project, "search_console", "search_console_live_days")
    headers = list(rows[0])
    found = land(
        raw_table(headers, [[row[name] for name in headers] for row in rows]),
        next(m for m in SHIPPED if m.name == "search_console_live_days"),
    )
    assert found.aside == []
    assert sum(found.only("search_performance", "position_sum")) == pytest.approx(
        sum(n * p for _, n, p in fake.searches.values())
    )
    assert set(found.only("search_performance", "is_total")) == {True}


def test_a_quota_for_the_day_is_not_asked_again_and_a_quick_pace_is(ga4):
    fake, asked = filled(), []

    def used_up(method, url, headers, body):
        asked.append(url)
        if "runReport" in url:
            return (
                429,
                {},
                json.dumps(
                    {
                        "error": {
                            "code": 429,
                            "message": "Exhausted property tokens per day.",
                            "status": "RESOURCE_EXHAUSTED",
                        }
                    }
                ),
            )
        return fake.answer(method, url, headers, body)

    (issue,) = ga4.read(used_up).issues
    assert "no more requests today" in str(issue)
    assert sum("runReport" in url for url in asked) == 1
    slow = iter([True, False])

    def quick(method, url, headers, body):
        if "runReport" in url and next(slow, False):
            return 403, {}, '{"error": {"code": 403, "errors": [{"reason": "rateLimitExceeded"}]}}'
        return fake.answer(method, url, headers, body)

    assert ga4.read(quick).issues == []


def test_the_key_is_nowhere_and_something_else_than_a_key_is_refused(ga4, monkeypatch):
    ga4.read(filled().answer)
    kept = b"".join(path.read_bytes() for path in ga4.project.root.rglob("*") if path.is_file())
    assert PRIVATE[60:120].encode() not in kept
    assert b"ya29." not in kept
    monkeypatch.setenv("CADRAN_GA4_KEY", "not-a-key-but-secret")
    (issue,) = ga4.read(filled().answer).issues
    assert "no key of a service account" in str(issue)
    assert "not-a-key-but-secret" not in str(issue)


@pytest.mark.filterwarnings("ignore")
def test_googles_own_clients_read_the_same_and_its_descriptions_allow_all_that_is_sent(ga4, tmp_path, monkeypatch):
    try:
        import googleapiclient
        from google.analytics import data_v1beta as analytics
        from google.analytics.data_v1beta.services.beta_analytics_data.transports.rest import (
            BetaAnalyticsDataRestTransport,
        )
        from google.auth.credentials import AnonymousCredentials
        from googleapiclient.discovery import build_from_document
    except ImportError:
        reason = "google-analytics-data and google-api-python-client are not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    described = {
        name: json.loads((folder / f"{name}.json").read_text()) for name in ("analyticsdata.v1beta", "searchconsole.v1")
    }
    fake = filled(days=20)
    (tmp_path / "console").mkdir()
    console = Reader(tmp_path / "console", monkeypatch, "search_console")
    sent = []

    def answer(method, url, headers, body):
        told = fake.answer(method, url, headers, body)
        if "/token" not in url:
            sent.append((url, json.loads(body), json.loads(told[2])))
        return told

    assert ga4.read(answer).issues == []
    assert console.read(answer).issues == []
    for url, body, told in sent:
        name, what = (
            ("analyticsdata.v1beta", "RunReport")
            if "runReport" in url
            else ("searchconsole.v1", "SearchAnalyticsQuery")
        )
        assert matches(described[name], f"{what}Request", body) == []
        assert matches(described[name], f"{what}Response", told) == []
    assert matches(described["analyticsdata.v1beta"], "RunReportRequest", {"limit": 5, "foo": 1}) == [
        "$ has foo",
        "$.limit is no string",
    ]
    fake.is_open = True
    with served(fake.answer) as base:
        client = analytics.BetaAnalyticsDataClient(
            transport=BetaAnalyticsDataRestTransport(host=base, url_scheme="http", credentials=AnonymousCredentials())
        )
        report = client.run_report(
            analytics.RunReportRequest(
                property="properties/123",
                date_ranges=[analytics.DateRange(start_date="2026-04-01", end_date="2026-07-01")],
                dimensions=[analytics.Dimension(name=name) for name in DIMENSIONS],
                metrics=[analytics.Metric(name="sessions")],
                limit=100_000,
            )
        )
        client.transport.close()
        theirs = {tuple(v.value for v in row.dimension_values): row.metric_values[0].value for row in report.rows}
        import httplib2

        service = build_from_document(
            described["searchconsole.v1"], http=httplib2.Http(), client_options={"api_endpoint": base}
        )
        asked = {
            "startDate": "2026-01-01",
            "endDate": "2026-07-01",
            "dimensions": ["DATE"],
            "rowLimit": 25_000,
            "dataState": "FINAL",
        }
        days = service.searchanalytics().query(siteUrl="sc-domain:acme.com", body=asked).execute()["rows"]
        service.close()
    assert sessions(ga4) == theirs
    ours = {
        keys[0]: float(row["clicks"]) for keys, row in console.newest("search_console_live_days", ("date",)).items()
    }
    assert ours == {row["keys"][0]: row["clicks"] for row in days}
    print(
        f"proof: google-analytics-data and googleapiclient read what the connectors read; {len(sent)} reports keep to Google's descriptions"
    )


def moved_sessions(fake):
    """Sessions of the last day that are given another campaign."""
    for moved in [keys for keys in fake.sessions if keys[0] == "20260701"][:3]:
        fake.sessions[(*moved[:4], "spring", moved[5])] = fake.sessions.pop(moved)


def corrected_searches(fake):
    """Searches of the last days that Google counts anew, and one that it takes back."""
    for moved in [keys for keys in fake.searches if keys[0] >= "2026-06-29" and keys[1] == "kpi"]:
        clicks, impressions, position = fake.searches[moved]
        fake.searches[moved] = (clicks + 2, impressions + 9, position)
    del fake.searches["2026-07-01", "forecast", "https://acme.com/2"]


def searches(reader):
    """Both reports, which tell hidden searches apart only together."""
    days = reader.newest("search_console_live_days", ("date",))
    queries = reader.newest("search_console_live_queries", ("date", "query", "page"))
    told = ("clicks", "impressions", "position")
    return {keys: [row[name] for name in told] for keys, row in (days | queries).items()}


#: What changes between two reads, and what is compared.
SYSTEMS = {"ga4": (moved_sessions, sessions), "search_console": (corrected_searches, searches)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SYSTEMS)
def test_google_ends_with_the_tables_of_the_calm_run(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("cadran.sources.live.ga4.PAGE", 60)
    monkeypatch.setattr("cadran.sources.live.search_console.PAGE", 60)
    change, told = SYSTEMS[kind]

    def two_reads(reader, fake, answer, forget=lambda: None):
        settled(lambda: reader.read(answer))
        forget()
        change(fake)
        reader.clock.at = NOW + timedelta(days=1)
        settled(lambda: reader.read(answer))
        return told(reader)

    def fresh(name):
        (tmp_path / name).mkdir()
        return Reader(tmp_path / name, monkeypatch, kind), filled(days=60)

    reader, fake = fresh("calm")
    calm = Chaos(fake.answer, 0, rate=0)
    wanted = two_reads(reader, fake, calm.answer)
    assert wanted
    for seed in range(20):
        reader, fake = fresh(str(seed))
        chaos = Chaos(fake.answer, seed, rate=0.25, lists=("rows",), kinds=KINDS_OF_PLACES, forget=fake.tokens.clear)
        with mortal(monkeypatch, seed):
            found = two_reads(reader, fake, chaos.answer, chaos.pages.clear)
        assert found == wanted, f"seed {seed}: {chaos.met}"
        assert chaos.requests < 25 * calm.requests, f"seed {seed}: {chaos.requests} for {calm.requests}"
    print(f"proof: chaos, {kind}, seeds 0 to {seed}: the tables of the calm run")


#: A page that comes twice cannot be told from the next one where pages are numbered and answers do not say their number.
KINDS_OF_PLACES = ("throttled", "throttled_silently", "bad_gateway", "cut", "shuffled", "slow", "expired", "killed")
