"""A server to be measured: ``python -m benchmarks.server SCALE PORT`` serves Cadran as `cadran serve` does.

Beside it, in the same process and by the same server, ``/bare`` is an ASGI endpoint that only sends
bytes, and ``/count`` tells how many statements the database has run.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import uvicorn

from benchmarks.scale import BUILT_AT, SCALES
from cadran.api import create_api
from cadran.api.stored import Stored
from cadran.store.warehouse import DuckDBWarehouse
from cadran.web.app import create_app
from cadran.workspace import open_workspace

if TYPE_CHECKING:
    from typing import Any

    from starlette.types import Receive, Scope, Send

    from benchmarks.scale import Scale

SETTINGS = '[company]\nname = "Benchmark"\ncurrency = "EUR"\nzone = "Europe/Paris"\n'


def project(scale: Scale) -> None:
    """Make the folder of a scale a project, so that it can be opened like any other."""
    (scale.folder / "cadran.toml").write_text(SETTINGS, encoding="utf-8")


class Measured:
    """The product, a bare endpoint with as many bytes, and the count of statements."""

    def __init__(self, scale: Scale) -> None:
        workspace = open_workspace(scale.folder)
        app = create_app(workspace, api=create_api(workspace, clock=lambda: BUILT_AT))
        self.app = Stored(app, workspace)
        self.bytes = b"{}"
        self.statements = 0
        execute = DuckDBWarehouse.execute

        def counted(warehouse: DuckDBWarehouse, *args: Any, **kwargs: Any) -> Any:
            self.statements += 1
            return execute(warehouse, *args, **kwargs)

        DuckDBWarehouse.execute = counted  # type: ignore[method-assign]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path.startswith("/bare/"):
            size = int(path.rsplit("/", 1)[1])
            if len(self.bytes) != size:
                self.bytes = b"x" * size
            await _send(send, self.bytes)
        elif path == "/count":
            await _send(send, str(self.statements).encode())
        else:
            await self.app(scope, receive, send)


async def _send(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(Measured(SCALES[sys.argv[1]]), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
