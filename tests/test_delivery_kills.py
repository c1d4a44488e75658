"""A process that delivers is killed, at any moment: what was to be told is told, and repeated only where nobody knew."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from cadran.config import load_project
from cadran.jobs.deliver import deliver
from cadran.jobs.start import init_project
from cadran.store.alerting import CLAIM, open_alerts
from test_deliveries import DOCUMENT

NOW = datetime(2026, 6, 29, 8)
SEED, KILLS, MESSAGES = 7, 15, 10
#: Where the sender may be when it is killed: before the channel has the message, after it has it but before the sender
#: knows, and after it knows, before or while it writes that down.
POINTS = ("before", "accepted", "answered", "")


def send_out(root, at):
    """What the process does that is killed."""
    deliver(load_project(root), clock=lambda: at)


class Channel(BaseHTTPRequestHandler):
    """An incoming webhook that keeps what it accepts, and kills whoever sends, at the point that is drawn."""

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = int(re.search(r"/alerts/(\d+)", json.dumps(message))[1])
        room = self.server
        point, wait = room.draw()
        if point == "before":
            room.kill()
            return
        room.arrived[number] += 1
        if point == "accepted":
            room.unknown[number] += 1
            room.kill()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")
        self.wfile.flush()
        if point == "answered":
            # it may have been written down by then, or not: either is one message at most that nobody knew of
            room.unknown[number] += 1
            time.sleep(wait)
            room.kill()

    def log_message(self, *_):
        """Nothing is printed."""


@pytest.fixture
def channel():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Channel)
    server.arrived, server.unknown, server.kills, server.pid = Counter(), Counter(), Counter(), 0
    rng = np.random.default_rng(SEED)

    def draw():
        point = str(rng.choice(POINTS)) if server.kills.total() < KILLS else ""
        server.point = point
        return point, float(rng.uniform(0, 0.02))

    def kill():
        server.kills[server.point] += 1
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself after the answer
            os.kill(server.pid, signal.SIGKILL)

    server.draw, server.kill = draw, kill
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def project(tmp_path):
    init_project(tmp_path, name="Acme")
    with (tmp_path / "cadran.toml").open("a") as settings:
        settings.write('\n[alerts]\ncockpit = "https://c.acme.com"\n[[alerts.routes]]\nname = "ops"\nto = "slack"\n')
    found = load_project(tmp_path)
    rows = [
        {"dedup_key": f"m{number}", "route": "ops", "digest": "", "not_before": NOW,
         "document": {"items": [{"what": "raised", "alert": number, "level": "alert", "document": DOCUMENT}]}}
        for number in range(1, MESSAGES + 1)
    ]  # fmt: skip
    for each in rows:  # one by one: many fresh ones at once would be told as one
        open_alerts(found).post(
            [{**each, "not_before": NOW + timedelta(hours=each["document"]["items"][0]["alert"])}], NOW
        )
    return found


@pytest.mark.slow
def test_a_sender_that_is_killed_loses_nothing_and_repeats_only_what_nobody_knew(project, channel, monkeypatch):
    monkeypatch.setenv("CADRAN_SLACK_WEBHOOK", f"http://127.0.0.1:{channel.server_port}/services/T/B/X")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    context = multiprocessing.get_context("forkserver")
    # what was loaded once is there in each process, which is then killed within milliseconds of its start
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    context.set_forkserver_preload(["__main__", "test_delivery_kills", "cadran.notify.slack", "sqlalchemy", "alembic"])
    store, at, ended = open_alerts(project), NOW, Counter()
    for _ in range(200):
        if all(row["sent_at"] for row in store.messages()):
            break
        at += timedelta(minutes=15) + CLAIM
        process = context.Process(target=send_out, args=(project.root, at))
        process.start()
        channel.pid = process.pid
        process.join(30)
        ended[process.exitcode] += 1
    repeated = channel.arrived.total() - MESSAGES
    print(
        f"seed {SEED}: {channel.kills.total()} senders killed ({dict(channel.kills)}), {MESSAGES} messages, "
        f"{repeated} repeated, none lost; processes ended with {dict(ended)}"
    )
    assert channel.kills.total() == KILLS
    assert KILLS - channel.kills["answered"] <= ended[-signal.SIGKILL] <= KILLS
    assert set(ended) <= {0, -signal.SIGKILL}
    assert set(channel.kills) == set(POINTS) - {""}
    assert all(row["sent_at"] for row in store.messages())
    assert set(channel.arrived) == set(range(1, MESSAGES + 1))
    beyond = {n: times for n, times in channel.arrived.items() if times > 1 + channel.unknown[n]}
    assert beyond == {}
    # a killed sender that knew of nothing it had done is the only cause: without a kill nothing comes twice
    assert all(channel.unknown[n] for n, times in channel.arrived.items() if times > 1)
