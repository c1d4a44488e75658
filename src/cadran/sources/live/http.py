"""One vendor's API over HTTP: asked at its pace, asked again when that can help, and never in vain.

Asked again: too many requests, faults of the server, time-outs, cut or garbled answers. Not asked
again: what the vendor refused, and what its habits call a stop, such as a quota that is used up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx

from cadran.errors import SourceError
from cadran.sources import written
from cadran.sources.live.secret import hidden
from cadran.sources.live.stream import Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cadran.sources.live.auth import Auth
    from cadran.sources.live.wire import Wire

TOO_MANY, UNAUTHORISED = 429, 401
#: What to do about a refusal, by status.
_HINTS = {
    400: "This is a fault of Cadran or a limit of the vendor: please report it with this message.",
    UNAUTHORISED: "The vendor does not know the token: make another one and store it in the same place.",
    403: "The token lacks a right: grant it and run it again.",
    404: "The account has no such thing: it may not be part of its plan.",
}
#: Characters of a vendor's answer that are shown.
_SHOWN = 200
#: How often a token is renewed for one request.
_RENEWALS = 2
#: Machines that may be spoken to without encryption: this one.
_HERE = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Reply:
    """What a vendor answered.

    Attributes:
        status: HTTP status.
        headers: Its headers, found in any case.
        body: The JSON value, or None when it is none.
        text: The text.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    text: str = ""

    @property
    def is_good(self) -> bool:
        """True for an answer that can be used."""
        return 200 <= self.status < 300 and self.body is not None


def _never(reply: Reply) -> str:  # noqa: ARG001 - what habits are asked
    """No reason to stop."""
    return ""


def _unasked(reply: Reply) -> float | None:  # noqa: ARG001 - what habits are asked
    """No wait of the vendor's own kind."""
    return None


def _free(method: str, path: str) -> int:  # noqa: ARG001 - what habits are asked
    """Requests that cost nothing."""
    return 0


@dataclass(frozen=True)
class Habits:
    """What is peculiar to a vendor.

    Attributes:
        stop: Why asking again cannot help although the status would allow it, as an English template; or empty.
        wait: Seconds that the vendor asks to wait, where it says so in its own way.
        cost: Units of the vendor's budget that a request takes, by method and path.
        again: Statuses after which a request is sent again.
        attempts: How often a request is sent at most.
        first_wait: Seconds before the second attempt; each further wait is twice as long.
        longest_wait: Longest wait in seconds; a vendor that asks for more is left alone until another day.
        timeout: Seconds without an answer after which a request has failed.
        pace: Least seconds between two requests.
    """

    stop: Callable[[Reply], str] = _never
    wait: Callable[[Reply], float | None] = _unasked
    cost: Callable[[str, str], int] = _free
    again: frozenset[int] = frozenset({408, 423, TOO_MANY, 500, 502, 503, 504, 520, 521, 522, 523, 524, 530})
    attempts: int = 7
    first_wait: float = 1.0
    longest_wait: float = 120.0
    timeout: float = 60.0
    pace: float = 0.0


class Http:
    """A client of one vendor.

    Args:
        base: Address that paths are added to.
        auth: Credentials.
        wire: Network, clock and waiting.
        habits: What is peculiar to the vendor.
        meter: Counts what is sent.

    Raises:
        SourceError: The address would carry secrets in the open.
    """

    def __init__(
        self, base: str, auth: Auth, wire: Wire, habits: Habits | None = None, meter: Meter | None = None
    ) -> None:
        parts = urlsplit(base)
        if parts.scheme != "https" and parts.hostname not in _HERE:
            raise SourceError(
                "The address {base} is not encrypted: secrets would be sent in the open.",
                hint="Use https://.",
                where=parts.hostname or base,
                base=base,
            )
        self._base, self._auth, self._wire = base.rstrip("/"), auth, wire
        self._habits = habits or Habits()
        self.meter = meter or Meter()
        self.last: Reply = Reply(0)
        self._next = 0.0
        self._client = httpx.Client(transport=wire.transport, timeout=self._habits.timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The JSON value at a path; see `ask`."""
        return self.ask("GET", path, params=params)

    def post(self, path: str, body: Any) -> Any:
        """The JSON value that a body is answered with; see `ask`."""
        return self.ask("POST", path, body=body)

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        plain: bool = False,
    ) -> Any:
        """The JSON value that a vendor answers, asked again as often as that can help.

        Args:
            method: ``GET`` or ``POST``.
            path: Path below the base address, or a whole address on the same machine.
            params: Parameters; those that are None are left out.
            body: JSON body.
            form: Fields of a form, instead of a body.
            plain: True for an answer that is text rather than JSON, which is given as it is.

        Raises:
            SourceError: The vendor refuses; permanent unless it failed as often as it was asked.
        """
        request = self._request(method, path, params, body, form)
        renewals = 0
        for attempt in range(1, self._habits.attempts + 1):
            reply = self._sent(request(), path)
            while reply.status == UNAUTHORISED and renewals < _RENEWALS and self._auth.renew():
                renewals += 1
                reply = self._sent(request(), path)
            self.last = reply
            if reply.is_good or (plain and 200 <= reply.status < 300):
                return reply.text if plain else reply.body
            self._refuse(reply, path)
            if attempt < self._habits.attempts:
                self._rest(reply, attempt, path)
        raise SourceError(
            "{host} gave no usable answer in {n} attempts: {problem}.",
            permanent=False,
            hint="Run it again later: it goes on where it was.",
            where=path,
            host=self._host,
            n=self._habits.attempts,
            problem=self._told(reply),
        )

    @property
    def _host(self) -> str:
        return urlsplit(self._base).hostname or self._base

    def _request(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: Any, form: Mapping[str, str] | None
    ) -> Callable[[], httpx.Request]:
        """Makes the request, each time with the credentials of the moment."""
        address = path if path.startswith(("https://", "http://")) else self._base + path
        if urlsplit(address).netloc != urlsplit(self._base).netloc:
            raise SourceError("{host} sends to another machine: {other}.", where=path, host=self._host, other=address)
        kept = {name: value for name, value in (params or {}).items() if value is not None}

        def make() -> httpx.Request:
            headers = {"Accept": "application/json", **self._auth.headers()}
            return self._client.build_request(
                method, address, params=kept or None, json=body, data=form, headers=headers
            )

        return make

    def _sent(self, request: httpx.Request, path: str) -> Reply:
        """The answer to one request; status 0 with the problem when there is none."""
        self._pace()
        self.meter.requests += 1
        self.meter.tokens += self._habits.cost(request.method, path)
        try:
            response = self._client.send(request)
            text = response.text
        except httpx.HTTPError as error:
            return Reply(0, text=str(error) or type(error).__name__)
        if response.status_code == TOO_MANY:
            self.meter.throttled += 1
        try:
            body = written.loads(text) if text else None
        except json.JSONDecodeError:
            body = None
        return Reply(response.status_code, response.headers, body, text)

    def _refuse(self, reply: Reply, path: str) -> None:
        """Stop when asking again cannot help."""
        reason = self._habits.stop(reply)
        garbled = reply.status == 0 or 200 <= reply.status < 300
        if reason or not (garbled or reply.status in self._habits.again):
            raise SourceError(
                reason or "{host} refuses: {problem}.",
                hint="" if reason else _HINTS.get(reply.status, ""),
                where=path,
                host=self._host,
                status=reply.status,
                problem=self._told(reply),
            )

    def _rest(self, reply: Reply, attempt: int, path: str) -> None:
        """Wait before the next attempt: as long as the vendor asks, else ever longer."""
        asked = self._asked(reply)
        if asked is not None and asked > self._habits.longest_wait:
            raise SourceError(
                "{host} asks to wait {seconds} s.",
                permanent=False,
                hint="Run it again then: it goes on where it was.",
                where=path,
                host=self._host,
                seconds=round(asked),
            )
        longest = min(self._habits.first_wait * 2 ** (attempt - 1), self._habits.longest_wait)
        seconds = asked if asked is not None else longest * (0.5 + 0.5 * self._wire.chance())
        self.meter.retried += 1
        self.meter.waited += seconds
        self._wire.sleep(seconds)

    def _asked(self, reply: Reply) -> float | None:
        own = self._habits.wait(reply)
        if own is not None:
            return max(own, 0.0)
        told = reply.headers.get("Retry-After", "")
        if told.strip().isdigit():
            return float(told)
        try:
            return max((parsedate_to_datetime(told) - self._wire.now()).total_seconds(), 0.0) if told else None
        except (ValueError, TypeError):
            return None

    def _pace(self) -> None:
        """Keep the least time between two requests."""
        if self._habits.pace:
            now = self._wire.now().timestamp()
            if now < self._next:
                self._wire.sleep(self._next - now)
            self._next = max(now, self._next) + self._habits.pace

    def _told(self, reply: Reply) -> str:
        """What a vendor said of its refusal, short and without secrets."""
        told = reply.body.get("message") or reply.body.get("error") if isinstance(reply.body, dict) else ""
        text = told if isinstance(told, str) and told else reply.text
        text = hidden(" ".join(text.split()), self._auth.secrets())[:_SHOWN]
        return f"{reply.status} {text}".strip() if reply.status else text
