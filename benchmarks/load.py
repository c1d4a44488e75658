"""A client that asks as fast as a server answers: one thread, few connections kept open, one request each at a time."""

from __future__ import annotations

import selectors
import socket
import time
from dataclasses import dataclass, field

HOST = "127.0.0.1"


@dataclass
class Load:
    """What a server did under load.

    Attributes:
        seconds: How long it was asked.
        latencies: Seconds from each request to its last byte.
        errors: Answers that were not 200.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency that this share of requests does not exceed, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class _Connection:
    socket: socket.socket
    sent: float = 0.0
    got: bytearray = field(default_factory=bytearray)
    size: int = 0


def load(port: int, path: str, *, connections: int, seconds: float) -> Load:
    """Ask one address over and over.

    Args:
        port: Port of the server.
        path: Address, with its query.
        connections: How many requests are under way at a time.
        seconds: How long.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: application/json\r\n\r\n".encode()
    found, waiting = Load(), selectors.DefaultSelector()
    for _ in range(connections):
        connection = _Connection(socket.create_connection((HOST, port)))
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting.register(connection.socket, selectors.EVENT_READ, connection)
        _ask(connection, request)
    started = time.perf_counter()
    while (now := time.perf_counter()) - started < seconds:
        for key, _ in waiting.select(timeout=1):
            connection = key.data
            connection.got += connection.socket.recv(1 << 18)
            if _whole(connection):
                found.latencies.append(time.perf_counter() - connection.sent)
                found.errors += not connection.got.startswith(b"HTTP/1.1 200")
                _ask(connection, request)
    found.seconds = now - started
    for key in list(waiting.get_map().values()):
        key.data.socket.close()
    return found


def _ask(connection: _Connection, request: bytes) -> None:
    connection.got.clear()
    connection.size = 0
    connection.sent = time.perf_counter()
    connection.socket.sendall(request)


def _whole(connection: _Connection) -> bool:
    """True when the whole answer is there."""
    if not connection.size:
        head = connection.got.find(b"\r\n\r\n")
        if head < 0:
            return False
        length = bytes(connection.got[:head]).lower().split(b"content-length:")[1].split(b"\r\n")[0]
        connection.size = head + 4 + int(length)
    return len(connection.got) >= connection.size
