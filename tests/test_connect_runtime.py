"""Reading a live system: nothing lost, nothing twice, nothing shown that is secret, whatever goes wrong."""

from __future__ import annotations

import json
import pickle
from datetime import timedelta

import httpx
import pytest

from cadran.config import load_project
from cadran.errors import ConfigError, SourceError, StoreError
from cadran.jobs import connect
from cadran.jobs.build import build_project
from cadran.jobs.connect import last_runs, place, read_connection
from cadran.jobs.start import init_project
from cadran.jobs.sync import sync_project
from cadran.sources.live.auth import Fixed, Renewed
from cadran.sources.live.connection import connections_of
from cadran.sources.live.http import Habits, Http
from cadran.sources.live.newest import Newest
from cadran.sources.live.secret import Secret, hidden
from cadran.sources.live.stream import Stream
from cadran.sources.written import dumps
from cadran.store.shelf import shelf_of
from cadran.store.spool import Spool, reading_alone
from live import START, TOKEN, TOY, Clock, Killed, Toy, deal, rows_of, toy_project

KINDS = {"toy": TOY}


@pytest.fixture
def project(tmp_path):
    init_project(tmp_path)
    return load_project(tmp_path)


@pytest.fixture
def read(project, monkeypatch):
    """Reads the toy of the project."""
    mappings = toy_project(project, monkeypatch)
    (connection,) = connections_of(load_project(project.root), KINDS)
    return lambda toy, clock: read_connection(project, connection, mappings, clock.wire(toy))


def http(toy, clock, **habits):
    return Http("https://toy.example/v1", Fixed(Secret(TOKEN)), clock.wire(toy), Habits(**habits))


def test_the_first_read_is_whole_and_the_next_one_holds_changes_only(project, read):
    toy, clock = Toy({n: deal(n) for n in range(1, 6)}), Clock()
    run = read(toy, clock)
    assert [(s.stream, s.outcome, s.pages, s.rows, s.landed) for s in run.streams] == [("deals", "complete", 3, 5, 5)]
    clock.at += timedelta(days=1)
    toy.deals[2] = deal(2, changed="2026-07-02T09:30:00Z", amount=99)
    toy.deals[9] = deal(9, changed="2026-07-02T08:55:00Z")  # written before the first read ended, listed after it
    read(toy, clock)
    first, second = rows_of(project)
    assert [row["id"] for row in first] == ["1", "2", "3", "4", "5"]
    assert [(row["id"], row["amount"]) for row in second] == [("2", "99"), ("9", "90")]
    assert first[0]["labels"] == "[1]"


def test_numbers_are_kept_as_they_are_written(project, read):
    body = '{"deals": [{"id": 12345678901234567890, "amount": 1.10, "changed": "x"}], "total": 1, "next": null}'
    read(Toy({}, faults=[lambda _: httpx.Response(200, text=body)]), Clock())
    assert rows_of(project) == [[{"id": "12345678901234567890", "amount": "1.10", "changed": "x"}]]


def test_a_read_that_is_cut_goes_on_at_its_last_page(project, read):
    def cut(request):
        raise Killed

    toy, clock = Toy({n: deal(n) for n in range(1, 8)}, faults=[None, None, cut]), Clock()
    with pytest.raises(Killed):
        read(toy, clock)
    assert rows_of(project) == []
    toy.asked.clear()
    run = read(toy, clock)
    assert [url.rpartition("=")[2] for url in toy.asked] == ["4", "6"]
    assert (run.streams[0].rows, run.streams[0].until) == (7, START.isoformat())
    assert [row["id"] for row in rows_of(project)[0]] == list("1234567")


def test_a_read_cut_long_ago_is_followed_by_what_changed_since(project, read):
    def cut(request):
        raise Killed

    toy, clock = Toy({n: deal(n) for n in range(1, 6)}, faults=[None, cut]), Clock()
    with pytest.raises(Killed):
        read(toy, clock)
    clock.at += timedelta(days=3)
    toy.deals[1] = deal(1, changed="2026-07-04T00:00:00Z", amount=77)
    read(toy, clock)
    first, second = rows_of(project)
    assert (len(first), [row["amount"] for row in second]) == (5, ["77"])
    assert place(project, "toy", "deals")["since"] == clock.at.isoformat()


@pytest.mark.parametrize("moment", ["land", "write_whole"])
def test_an_end_while_landing_leaves_one_landing(project, read, monkeypatch, moment):
    def end(*args, **kwargs):
        raise Killed

    toy, clock = Toy({n: deal(n) for n in range(1, 4)}), Clock()
    with monkeypatch.context() as patch:
        patch.setattr(connect.raw if moment == "land" else connect, moment, end)
        with pytest.raises(Killed):
            read(toy, clock)
    toy.asked.clear()
    read(toy, clock)
    assert toy.asked == []  # all of it was kept
    assert [len(rows) for rows in rows_of(project)] == [3]


def test_what_is_gone_is_seen_by_the_weekly_whole_read(project, read):
    toy, clock = Toy({n: deal(n) for n in range(1, 5)}), Clock()
    read(toy, clock)
    del toy.deals[3]
    clock.at += timedelta(days=1)
    assert read(toy, clock).streams[0].gone == 0
    clock.at += timedelta(days=7)
    assert read(toy, clock).streams[0].gone == 1
    last = rows_of(project)[-1]
    assert [(row["id"], row["_gone_at"]) for row in last if row["_gone_at"]] == [("3", clock.at.isoformat())]
    clock.at += timedelta(days=8)
    assert read(toy, clock).streams[0].gone == 0


def test_of_several_readings_of_a_record_the_newest_counts():
    stream = Stream("deals", lambda _: iter(()), cursor="changed")
    old, new = deal(1, "2026-06-01", 1), deal(1, "2026-06-02", 2)
    pages = [[new, deal(2)], [old], [deal(2, amount=5)]]
    found = Newest(lambda: map(dumps, pages), stream)
    from cadran.sources.base import Tally

    (batch,) = found.batches(Tally())
    assert [(row["id"], row["amount"]) for row in batch.to_pylist()] == [("1", "2"), ("2", "5")]
    assert found.cursors == ("2026-06-01T00:00:00Z", "2026-06-02")


@pytest.mark.slow
def test_the_figures_follow_the_newest_reading_and_leave_out_what_is_gone(project, read):
    toy, clock = Toy({n: deal(n) for n in range(1, 5)}), Clock()
    read(toy, clock)
    toy.deals[1] = deal(1, changed="2026-07-09T00:00:00Z", amount=1000)
    del toy.deals[4]
    clock.at += timedelta(days=9)
    read(toy, clock)
    report = build_project(load_project(project.root), now=clock.at.replace(tzinfo=None))
    warehouse = shelf_of(project).open()
    rows = warehouse.execute("SELECT id, amount FROM opportunity ORDER BY id").to_pylist()
    assert [(row["id"], int(row["amount"])) for row in rows] == [("toy:1", 1000), ("toy:2", 20), ("toy:3", 30)]
    assert report.meta.known_at == clock.at.replace(tzinfo=None)


@pytest.mark.slow
def test_two_connections_of_one_kind_keep_their_ids_apart(project, monkeypatch):
    mappings = toy_project(project, monkeypatch)
    settings = project.root / "cadran.toml"
    settings.write_text(settings.read_text() + '\n[connections.other]\nkind = "toy"\ntoken = "env:CADRAN_TOY_TOKEN"\n')
    for connection in connections_of(load_project(project.root), KINDS):
        read_connection(project, connection, mappings, Clock().wire(Toy({1: deal(1)})))
    build_project(load_project(project.root), now=START.replace(tzinfo=None))
    warehouse = shelf_of(project).open()
    assert warehouse.execute("SELECT id, amount FROM opportunity ORDER BY id")["id"].to_pylist() == ["other:1", "toy:1"]


def test_failures_that_pass_are_waited_out_and_counted(project, read):
    late = lambda _: httpx.Response(429, headers={"Retry-After": "7"})  # noqa: E731
    dated = lambda _: httpx.Response(503, headers={"Retry-After": "Thu, 02 Jul 2026 09:00:30 GMT"})  # noqa: E731
    cut = lambda _: httpx.Response(200, text='{"deals": [{"id": 1')  # noqa: E731

    def silent(request):
        raise httpx.ReadTimeout("slow", request=request)

    clock = Clock()
    run = read(Toy({1: deal(1)}, faults=[late, 502, cut, silent, 429, dated]), clock)
    cost = run.streams[0].cost
    assert (run.streams[0].outcome, cost["requests"], cost["retried"], cost["throttled"]) == ("complete", 7, 6, 2)
    assert clock.waits[0] == 7
    assert sum(clock.waits) == pytest.approx(cost["waited"], abs=0.1)
    assert [row["id"] for row in rows_of(project)[0]] == ["1"]


def test_requests_are_bounded_and_nothing_is_landed(project, read):
    toy, clock = Toy({1: deal(1)}, faults=[502] * 50), Clock()
    run = read(toy, clock)
    assert len(toy.asked) == Habits().attempts
    assert [(issue.code, issue.where) for issue in run.issues] == [("connection_stopped", "toy/deals")]
    assert rows_of(project) == []
    toy.faults.clear()
    assert read(toy, clock).streams[0].outcome == "complete"


def test_a_refusal_is_not_asked_again(project, read):
    toy = Toy({1: deal(1)}, faults=[400] * 5)
    assert read(toy, Clock()).issues[0].code == "connection_stopped"
    assert len(toy.asked) == 1


def test_a_vendor_that_asks_for_a_long_wait_is_left_alone():
    toy, clock = Toy({}, faults=[lambda _: httpx.Response(429, headers={"Retry-After": "86400"})]), Clock()
    with http(toy, clock) as client, pytest.raises(SourceError) as error:
        client.get("/deals")
    assert (error.value.permanent, clock.waits, "86400" in str(error.value)) == (False, [], True)


def test_a_stop_of_the_vendor_is_obeyed():
    toy, clock = Toy({}, faults=[lambda _: httpx.Response(429, json={"policyName": "DAILY"})]), Clock()

    def stop(reply):
        return "The quota of the day is used up." if (reply.body or {}).get("policyName") == "DAILY" else ""

    with http(toy, clock, stop=stop) as client, pytest.raises(SourceError, match="quota of the day"):
        client.get("/deals")
    assert (len(toy.asked), clock.waits) == (1, [])


def test_requests_keep_their_pace():
    toy, clock = Toy({1: deal(1)}), Clock()
    with http(toy, clock, pace=0.25) as client:
        for _ in range(5):
            client.get("/deals")
    assert sum(clock.waits) == pytest.approx(1.0)


def test_a_token_that_expires_is_renewed_and_the_page_asked_again():
    tokens = iter(["old-token-value", TOKEN, "never-reached"])
    toy, clock = Toy({1: deal(1)}), Clock()
    auth = Renewed(lambda: Secret(next(tokens)))
    with Http("https://toy.example/v1", auth, clock.wire(toy)) as client:
        assert len(client.get("/deals")["deals"]) == 1
    assert (len(toy.asked), clock.waits) == (2, [])


def test_a_vendor_that_turns_in_circles_is_stopped(project, read):
    body = {"deals": [deal(1)], "total": 1, "next": 1}
    toy = Toy({}, faults=[lambda _: httpx.Response(200, text=json.dumps(body))] * 1000)
    run = read(toy, Clock())
    assert "circles" in run.issues[0].message
    assert len(toy.asked) < 50


def test_secrets_are_in_no_file_no_finding_and_no_text(project, read, monkeypatch, capsys):
    echo = lambda request: httpx.Response(400, json={"message": f"bad {request.headers['Authorization']} {TOKEN}"})  # noqa: E731
    run = read(Toy({1: deal(1)}, faults=[echo]), Clock())
    shown = [*(str(issue) + str(issue.params) for issue in run.issues), str(vars(run)), *capsys.readouterr()]
    read(Toy({1: deal(1)}), Clock())
    files = [path.read_bytes().decode("utf-8", "replace") for path in project.root.rglob("*") if path.is_file()]
    assert not [text for text in (*shown, *files) if TOKEN in text]
    assert "•••" in str(run.issues[0])
    secret = Secret(TOKEN)
    assert TOKEN not in f"{secret} {secret!r} {Fixed(secret)}"
    assert hidden("?key=a%2Fbcdef", [Secret("a/bcdef")]) == "?key=•••"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_secret_in_the_settings_is_refused_without_being_repeated(project, monkeypatch):
    settings = project.root / "cadran.toml"
    settings.write_text(settings.read_text() + f'\n[connections.toy]\ntoken = "{TOKEN}"\n')
    with pytest.raises(ConfigError) as error:
        connections_of(load_project(project.root), KINDS)
    assert TOKEN not in str(vars(error.value))
    assert error.value.where.startswith("cadran.toml:")


@pytest.mark.parametrize(
    ("section", "message", "near"),
    [
        ('[connections.crm]\nkind = "toi"', "There is no kind of connection named toi.", "toy"),
        ('[connections.toy]\ntokn = "env:X"', "There is no setting tokn here.", "token"),
        ("[connections.Toy]\n", "Toy is not the name of a connection.", ""),
        ("[connections.toy]\nstreams = 3", "streams must be a list of names.", ""),
    ],
)
def test_mistakes_in_a_connection_name_their_line(project, section, message, near):
    settings = project.root / "cadran.toml"
    settings.write_text(settings.read_text() + "\n" + section + "\n")
    with pytest.raises(ConfigError) as error:
        connections_of(load_project(project.root), KINDS)
    assert str(error.value) == message
    assert error.value.params["near"] == near
    assert error.value.where.startswith("cadran.toml:")


def test_a_missing_secret_stops_its_connection_alone(project, read, monkeypatch):
    monkeypatch.delenv("CADRAN_TOY_TOKEN")
    run = read(Toy({}), Clock())
    assert [(issue.code, issue.hint) for issue in run.issues] == [
        ("connection_stopped", "Set the environment variable {key}.")
    ]


def test_secrets_are_sent_over_encrypted_lines_only():
    with pytest.raises(SourceError, match="not encrypted"):
        Http("http://toy.example", Fixed(Secret(TOKEN)), Clock().wire(Toy({})))


def test_secrets_are_not_sent_to_another_machine():
    toy = Toy({})
    with http(toy, Clock()) as client, pytest.raises(SourceError, match="another machine"):
        client.get("https://elsewhere.example/deals")
    assert toy.asked == []


def test_a_run_leaves_a_manifest(project, read):
    clock = Clock()
    read(Toy({n: deal(n) for n in range(1, 4)}, faults=[429]), clock)
    (told,) = last_runs(project, "toy")
    (stream,) = told["streams"]
    assert {name: stream[name] for name in ("requests", "pages", "rows", "throttled", "first", "last", "since")} == {
        "requests": 3,
        "pages": 2,
        "rows": 3,
        "throttled": 1,
        "first": "2026-06-01T00:00:00Z",
        "last": "2026-06-01T00:00:00Z",
        "since": "",
    }


def test_one_process_at_a_time_reads_a_connection(project, read):
    with (
        reading_alone(project.state / "connections" / "toy" / "lock"),
        pytest.raises(StoreError, match="Another process"),
    ):
        read(Toy({}), Clock())


def test_a_line_that_was_cut_is_dropped(tmp_path):
    path = tmp_path / "deals.spool"
    spool = Spool(path)
    spool.begin({"until": "x"})
    spool.add('[{"id": "1"}]', 1, 5)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"rows": 2, "resu')
    again = Spool(path)
    assert (again.about, again.resume, again.pages, again.rows, again.is_whole) == ({"until": "x"}, 5, 1, 1, False)
    assert path.read_bytes() == whole


def test_a_sync_reads_connections_beside_files(project, monkeypatch):
    from cadran.jobs import sync

    toy_project(project, monkeypatch)
    monkeypatch.setattr(sync, "KINDS", KINDS)
    (project.exports / "deals-2026-07-01.csv").write_text("Record ID,Deal Name,Deal Stage\n1,A,Closed Won\n")
    report = sync_project(
        load_project(project.root), now=START.replace(tzinfo=None), wire=Clock().wire(Toy({1: deal(1)}))
    )
    assert [(file.file, file.as_record()["loaded"]) for file in report.files] == [
        ("deals-2026-07-01.csv", 1),
        ("toy/deals", 1),
    ]
