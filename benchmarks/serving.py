"""Stored answers over HTTP against an endpoint that only sends bytes; fifty people at once."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.load import HOST, load
from benchmarks.report import Measure
from benchmarks.server import project
from benchmarks.timing import ROOT, median

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.report import Report
    from benchmarks.scale import Scale

#: A question with twelve months of one KPI by segment.
QUESTION = "/api/kpi?kpi=win_rate&by=segment&grain=month&from=2025-10-01&to=2026-07-01&lang=en"
CONNECTIONS, SECONDS, PEOPLE = 4, 3.0, 50


def serving(scale: Scale, report: Report, *, repeats: int) -> None:
    """Ask the server in turn for stored answers and for bare bytes of the same length."""
    project(scale)
    with server(scale) as port:
        body = _get(port, QUESTION)
        before = int(_get(port, "/count"))
        bare, stored = [], []
        for _ in range(repeats):
            bare.append(load(port, f"/bare/{len(body)}", connections=CONNECTIONS, seconds=SECONDS))
            stored.append(load(port, QUESTION, connections=CONNECTIONS, seconds=SECONDS))
        asked = sum(len(each.latencies) for each in stored)
        ran = int(_get(port, "/count")) - before
        report.add(
            Measure("stored answer: bytes", len(body), "B"),
            Measure("bare ASGI endpoint", median([each.rate for each in bare]), "1/s"),
            Measure("stored answers", median([each.rate for each in stored]), "1/s"),
            Measure(
                "stored answers ÷ bare",
                median([s.rate / b.rate for s, b in zip(stored, bare, strict=True)]),
                least=0.35,
            ),
            Measure("stored answers: p95", median([each.percentile(0.95) for each in stored]) * 1000, "ms", most=2),
            Measure("bare: p95", median([each.percentile(0.95) for each in bare]) * 1000, "ms"),
            Measure("stored answers: not 200", sum(each.errors for each in stored), "", most=0),
            Measure("statements of the database per stored answer", ran / max(asked, 1), "", most=0),
            Measure(f"{PEOPLE} people at once: errors", crowd(port), "", most=0),
        )


def crowd(port: int) -> int:
    """How many answers go wrong when many people ask different things at once."""
    names = ("win_rate", "acv", "mrr", "nrr", "new_opportunities", "sales_cycle_days", "mql_to_sql", "open_pipeline")
    paths = [f"/api/kpi?kpi={name}&by={by}&grain=quarter&lang=en" for name in names for by in ("segment", "industry")]

    def ask(place: int) -> int:
        wrong = 0
        for step in range(2):
            try:
                _get(port, paths[(place + step) % len(paths)])
            except (OSError, AssertionError, http.client.HTTPException):
                wrong += 1
        return wrong

    with ThreadPoolExecutor(PEOPLE) as pool:
        return sum(pool.map(ask, range(PEOPLE)))


@contextlib.contextmanager
def server(scale: Scale) -> Iterator[int]:
    """The server in a process of its own; its port."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.server", scale.name, str(port)], cwd=ROOT, env=settings
    )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
                break
            time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait()


def _get(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection(HOST, port, timeout=600)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == http.client.OK, body[:300]  # noqa: S101 - a benchmark of errors is none
        return body
    finally:
        connection.close()
