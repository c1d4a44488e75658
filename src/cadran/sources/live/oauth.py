"""Tokens that a refresh token is exchanged for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.sources.live.auth import Auth, Fixed, Nobody, Renewed
from cadran.sources.live.http import Habits, Http
from cadran.sources.live.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cadran.sources.live.connection import Connection
    from cadran.sources.live.wire import Wire

#: Secrets of an app that a person has let in.
APP = ("refresh_token", "client_id", "client_secret")


def key_or_app(connection: Connection, wire: Wire, base: str, path: str, key: Fixed | None = None) -> Auth:
    """An app's tokens when the connection has a refresh token, its key otherwise.

    Args:
        connection: Has the secrets ``token`` and those of `APP`.
        wire: Network.
        base: Address of the vendor's machine for tokens.
        path: Path there.
        key: How the vendor wants its key, `Fixed` without its secret; as a bearer token by default.

    Raises:
        ConfigError: Neither is where the settings say.
    """
    if connection.places["refresh_token"].find() is None:
        secret = connection.places["token"].get()
        return Fixed(secret, key.header, key.scheme) if key else Fixed(secret)
    kept = {name: connection.places[name].get() for name in APP}
    return Renewed(lambda: _fetched(base, path, kept, wire), tuple(kept.values()))


def _fetched(base: str, path: str, kept: Mapping[str, Secret], wire: Wire) -> Secret:
    form = {"grant_type": "refresh_token", **{name: secret.reveal() for name, secret in kept.items()}}
    with Http(base, Nobody(tuple(kept.values())), wire, Habits()) as http:
        return Secret(str(http.ask("POST", path, form=form)["access_token"]))
