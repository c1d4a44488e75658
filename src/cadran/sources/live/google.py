"""How a service account of Google says who it is, and how Google says no.

A signed statement is exchanged for a token that lives an hour. Source: OAuth 2.0 for service accounts, RFC 7523.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from cadran.errors import ConfigError
from cadran.sources.live.auth import Nobody, Renewed
from cadran.sources.live.connection import Need
from cadran.sources.live.http import Habits, Http, Reply
from cadran.sources.live.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cadran.sources.live.secret import Place
    from cadran.sources.live.wire import Wire

#: Seconds for which a statement holds, the most that Google takes.
LIFE = 3_600
#: The secret of every kind of connection to Google.
KEY = Need("key", "The JSON key of a service account that may view the property.")


def _stop(reply: Reply) -> str:
    """What Google says once and for all; its own word for a pace that is too quick comes with the same status."""
    if "per day" in reply.text and "RESOURCE_EXHAUSTED" in reply.text:
        return "Google answers no more requests today."
    if reply.status == 403 and "rateLimitExceeded" not in reply.text and "quotaExceeded" not in reply.text:
        return "Google does not let this service account see it: add its address to the property, as a viewer."
    return ""


HABITS = Habits(stop=_stop, again=Habits().again | {403})


def account(place: Place, scope: str, wire: Wire) -> Renewed:
    """The credentials of a service account.

    Args:
        place: Where its JSON key is kept.
        scope: What it asks for.
        wire: Clock and network.

    Raises:
        ConfigError: The key is none, or the package that signs with it is not installed.
    """
    key = place.get()
    try:
        told = json.loads(key.reveal())
        kept = (key, Secret(told["private_key"]))
        token_uri, address = str(told["token_uri"]), str(told["client_email"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            "The secret {name} is no key of a service account.",
            hint="Make a JSON key of the service account, and keep the whole text of the file in the same place.",
            where=place.where,
            name=place.name,
        ) from error

    def fetch() -> Secret:
        now = int(wire.now().timestamp())
        claims = {"iss": address, "scope": scope, "aud": token_uri, "iat": now, "exp": now + LIFE}
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": _signed(told, claims, place)}
        with Http(token_uri, Nobody(kept), wire, HABITS) as http:
            return Secret(http.ask("POST", "", form=form)["access_token"])

    return Renewed(fetch, kept)


def _signed(key: Mapping[str, Any], claims: Mapping[str, Any], place: Place) -> str:
    try:
        from google.auth import crypt, jwt  # noqa: PLC0415 - comes with an extra
    except ImportError as error:
        raise ConfigError(
            "Reading Google needs a package that is not installed.",
            hint="Run: pip install cadran[google]",
            where=place.where,
        ) from error
    signer = crypt.RSASigner.from_service_account_info(key)  # type: ignore[no-untyped-call]
    return str(jwt.encode(signer, claims).decode())  # type: ignore[no-untyped-call]


def months(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The spans between two days, both included, each within one month."""
    while first <= last:
        end = min((first.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1), last)
        yield first, end
        first = end + timedelta(days=1)
