"""Answers that were given once are given again as bytes, without asking the database.

An answer is a function of the snapshot, the question, the language and what the person may see; all
of them make its key, so that nothing has to be thrown away when data changes: a new snapshot has
other keys. What is kept is the whole response, compressed or not, with an ETag by which a client
that has it already is told so (304). The oldest answers make room for new ones.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cadran.view import LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from cadran.workspace import Workspace

#: Paths of the API whose answers depend on nothing but the snapshot and the question.
PATHS = ("/kpi", "/rows", "/kpis")
#: Most bytes that are kept.
MOST_BYTES = 64 * 1024 * 1024
#: What an answer takes beside its body: key and headers.
_OVERHEAD = 1024
_HEADERS = (b"accept-language", b"accept-encoding")


@dataclass(frozen=True)
class Answer:
    """A whole response.

    Attributes:
        headers: Names and values, the ETag among them.
        body: Bytes.
        etag: Name of the body.
    """

    headers: list[tuple[bytes, bytes]]
    body: bytes
    etag: bytes

    @property
    def size(self) -> int:
        """Bytes that it takes, roughly."""
        return len(self.body) + _OVERHEAD


@dataclass
class Answers:
    """A bounded store of answers, for any number of threads.

    Attributes:
        most_bytes: Most bytes that are kept.
    """

    most_bytes: int = MOST_BYTES
    _kept: OrderedDict[Any, Answer] = field(default_factory=OrderedDict)
    _size: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Any) -> Answer | None:
        """The answer of that key, or None."""
        with self._lock:
            found = self._kept.get(key)
            if found:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Any, answer: Answer) -> None:
        """Keep an answer; those that were not asked for the longest go."""
        with self._lock:
            before = self._kept.pop(key, None)
            self._size += answer.size - (before.size if before else 0)
            self._kept[key] = answer
            while self._size > self.most_bytes:
                self._size -= self._kept.popitem(last=False)[1].size


class Stored:
    """An application in front of another one, which answers what it has answered before.

    Args:
        app: Application that answers the rest.
        workspace: The opened project.
        prefix: Path under which `app` serves the API.
        person: Who asks, by the request; None for a request whose answer must not be kept.
    """

    def __init__(
        self,
        app: ASGIApp,
        workspace: Workspace,
        *,
        prefix: str = "/api",
        person: Callable[[Scope], str | None] = lambda _: LOCAL,
    ) -> None:
        self._app = app
        self._workspace = workspace
        self._paths = frozenset(prefix + path for path in PATHS)
        self._person = person
        self._answers = Answers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        key = self._key(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        answer = self._answers.get(key)
        if answer is None:
            await self._first(key, scope, receive, send)
        else:
            await _give(answer, _header(scope, b"if-none-match"), send)

    def _key(self, scope: Scope) -> Any:
        """What the answer depends on, or None for a request that is not kept."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in self._paths:
            return None
        person, snapshot = self._person(scope), self._workspace.served()
        if person is None or not snapshot:
            return None
        language, encoding = (_header(scope, name) for name in _HEADERS)
        return snapshot, person, scope["path"], scope["query_string"], language, b"gzip" in encoding

    async def _first(self, key: Any, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, and keep what it says when it is an answer."""
        started: dict[str, Any] = {}
        body: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
                return
            body.append(message.get("body", b""))
            if message.get("more_body"):
                return
            answer = _answer(started["headers"], b"".join(body))
            if started["status"] != HTTPStatus.OK:
                await send({**started, "type": "http.response.start"})
                await send({"type": "http.response.body", "body": answer.body})
                return
            # a build may have ended meanwhile: then nobody can tell which snapshot answered
            if self._key(scope) == key:
                self._answers.put(key, answer)
            await _give(answer, _header(scope, b"if-none-match"), send)

        await self._app(scope, receive, keep)


def _answer(headers: list[tuple[bytes, bytes]], body: bytes) -> Answer:
    etag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
    return Answer([*((name, text) for name, text in headers if name.lower() != b"etag"), (b"etag", etag)], body, etag)


async def _give(answer: Answer, known: bytes, send: Send) -> None:
    if known and (known == b"*" or answer.etag in known):
        headers = [each for each in answer.headers if each[0].lower() not in (b"content-length", b"content-type")]
        await send({"type": "http.response.start", "status": int(HTTPStatus.NOT_MODIFIED), "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.start", "status": int(HTTPStatus.OK), "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


def _header(scope: Scope, wanted: bytes) -> bytes:
    for name, text in scope["headers"]:
        if name == wanted:
            return bytes(text)
    return b""
