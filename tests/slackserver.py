"""A stand-in for Slack that nobody here wrote, with channels, a bot and a webhook; and a fault between it and us."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from postgres import free_port

HERE = Path(__file__).parent / "slack"
PROGRAM = HERE / "node_modules" / "emulate"
SEED = """
slack:
  team: {name: Cadran, domain: cadran}
  users:
    - {name: dana, real_name: Dana, email: dana@acme.com}
  channels:
    - {name: general}
    - {name: revenue-alerts}
  bots:
    - {name: cadran-bot}
  incoming_webhooks:
    - {channel: revenue-alerts, label: cadran}
  tokens:
    - {token: xoxb-test-cadran, user: dana}
"""


@pytest.fixture(scope="session")
def slack_url(tmp_path_factory):
    """Address of the stand-in; without it the tests fail where CI runs, and are skipped elsewhere."""
    if not (shutil.which("node") and PROGRAM.is_dir()):
        reason = "The stand-in for Slack is not installed: make tests/slack/node_modules"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    folder, port = tmp_path_factory.mktemp("slack"), free_port()
    (folder / "seed.yaml").write_text(SEED)
    entry = next(PROGRAM.glob("dist/index.js"))
    server = subprocess.Popen(
        ["node", str(entry), "--service", "slack", "--port", str(port), "--seed", str(folder / "seed.yaml")],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(150):
            try:
                urllib.request.urlopen(url, timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


@dataclass
class Fault:
    """A server in front of another one, which spoils what it is told to, one request after the other.

    Attributes:
        target: Host and port behind it.
        plan: What becomes of each request that posts a message: ``""`` passes, ``429`` refuses, ``accept`` passes it
            on and says nothing, ``cut`` says nothing.
    """

    target: str
    plan: list[str] = field(default_factory=list)
    url: str = ""

    def __enter__(self):
        fault = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                is_message = "chat.postMessage" in self.path or "/services/" in self.path
                how = fault.plan.pop(0) if fault.plan and is_message else ""
                if how == "429":
                    self.send_response(429)
                    self.send_header("Retry-After", "1")
                    self.send_header("Content-Type", "application/json")
                    said = b'{"ok": false, "error": "ratelimited"}'
                    self.send_header("Content-Length", str(len(said)))
                    self.end_headers()
                    self.wfile.write(said)
                    return
                if how == "cut":
                    self.close_connection = True
                    return
                line = http.client.HTTPConnection(fault.target, timeout=10)
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
                line.request("POST", self.path, body, headers)
                answer = line.getresponse()
                data = answer.read()
                if how == "accept":
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.getheader("content-type", "text/plain"))
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
