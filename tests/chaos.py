"""A proxy that makes a system fail the way systems fail, by a seed: put it in front of any server or fake.

What it does: too many requests with and without Retry-After, 502, bodies that are cut, pages that come twice or
in another order, slow answers, tokens that expire. `Chaos.answer` has the form of a fake's own `answer`, so that
it works without a network; `served` puts any `answer` behind a real port, for clients that need one.

Faults stop after a while for each request, as those of real systems do: `patience` in a row at most.
"""

from __future__ import annotations

import contextlib
import json
import os
import random  # noqa: TID251 - seeded
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from live import Killed

#: Parameters that say where in a list a page starts, in the systems that are read.
PLACES = ("after", "cursor", "start", "starting_after", "offset", "startRow")
KINDS = ("throttled", "throttled_silently", "bad_gateway", "cut", "twice", "shuffled", "slow", "expired", "killed")


@dataclass
class Chaos:
    """An `answer` in front of another one.

    Attributes:
        inner: The system: method, address, headers, body → status, headers, text.
        seed: Same seed, same faults for the same requests.
        rate: Share of requests that meet a fault.
        kinds: Faults that are made.
        lists: Names under which answers hold lists of records, whose order means nothing.
        sleep: Waits for a slow answer; a clock that is not real by default.
        forget: Makes the system forget its tokens; without it no token expires.
        patience: Faults in a row at most.
    """

    inner: object
    seed: int
    rate: float = 0.3
    kinds: tuple = KINDS
    lists: tuple = ("results",)
    sleep: object = lambda seconds: None
    forget: object = None
    patience: int = 4
    met: Counter = field(default_factory=Counter)
    requests: int = 0
    in_a_row: int = 0
    pages: dict = field(default_factory=dict)

    def __post_init__(self):
        self.chance = random.Random(self.seed)  # noqa: S311 - faults

    def answer(self, method, url, headers, body):
        """The answer of the system, or what a fault makes of it."""
        self.requests += 1
        fault = self.chance.choice(self.kinds) if self.chance.random() < self.rate else ""
        if not fault or self.in_a_row >= self.patience or (fault == "expired" and self.forget is None):
            self.in_a_row = 0
            return self._kept(method, url, body, self.inner(method, url, headers, body))
        self.in_a_row += fault not in {"shuffled", "slow"}
        self.met[fault] += 1
        return getattr(self, f"_{fault}")(method, url, headers, body)

    def _kept(self, method, url, body, answer):
        """The answer, remembered by what was asked, so that it may come again for the question after it."""
        if answer[0] == 200:
            self.pages[self._question(method, url, body)] = self.requests, answer
        return answer

    def _question(self, method, url, body):
        """What is asked, apart from the place in a list."""
        parts = urlsplit(url)
        params = sorted((name, value) for name, value in parse_qsl(parts.query) if name not in PLACES)
        with contextlib.suppress(ValueError):
            asked = json.loads(body or "null")
            if isinstance(asked, dict):
                body = json.dumps({name: value for name, value in asked.items() if name not in PLACES})
        return (
            method,
            parts.path,
            tuple(params),
            re.sub(r'("hs_object_id", "operator": "GT", "value": )"\d+"', r"\1", body or ""),
        )

    def _throttled(self, *told):
        return (
            429,
            {"Content-Type": "application/json", "Retry-After": str(self.chance.randint(0, 9))},
            '{"message": "too many requests"}',
        )

    def _throttled_silently(self, *told):
        return 429, {"Content-Type": "text/plain"}, ""

    def _bad_gateway(self, *told):
        return self.chance.choice((502, 503, 504)), {"Content-Type": "text/html"}, "<html>bad gateway</html>"

    def _cut(self, *told):
        status, headers, text = self.inner(*told)
        return status, headers, text[: self.chance.randrange(max(len(text), 1))]

    def _twice(self, method, url, headers, body):
        """The page before comes again, when there was one of the same list a moment ago."""
        at, again = self.pages.get(self._question(method, url, body), (0, None))
        return (
            again
            if again and self.requests - at <= self.patience
            else self._kept(method, url, body, self.inner(method, url, headers, body))
        )

    def _shuffled(self, method, url, headers, body):
        status, told, text = self._kept(method, url, body, self.inner(method, url, headers, body))
        with contextlib.suppress(ValueError):
            value = json.loads(text)
            for name in self.lists:
                if isinstance(value, dict) and isinstance(value.get(name), list):
                    self.chance.shuffle(value[name])
                    text = json.dumps(value)
        return status, told, text

    def _slow(self, *told):
        self.sleep(self.chance.uniform(1, 30))
        return self.inner(*told)

    def _expired(self, *told):
        self.forget()
        return self.inner(*told)

    def _killed(self, *told):
        self.inner(*told)  # the system did its work: nobody is there to take it
        raise Killed


@contextlib.contextmanager
def served(answer):
    """The address of a real server with that `answer`, on this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version: ClassVar[str] = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def _any(self):
            length = int(self.headers.get("Content-Length") or 0)
            status, headers, text = answer(
                self.command, self.path, dict(self.headers), self.rfile.read(length).decode()
            )
            data = text.encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _any  # noqa: N815 - the library's names

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def mortal(monkeypatch, seed, rate=0.02):
    """Inside, the process may also end at any moment at which something is written to the disk."""
    chance, sync = random.Random(seed), os.fsync  # noqa: S311 - faults

    def fsync(handle):
        if chance.random() < rate:
            raise Killed
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield


def settled(read):
    """Read until nothing is left to read, as a scheduler does."""
    for _ in range(60):
        with contextlib.suppress(Killed):
            if not any(issue.level == "error" for issue in read().issues):
                return
    raise AssertionError("it never ends")
