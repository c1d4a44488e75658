"""Secrets: from the environment or a keyring, never in a file, and never in a text that is shown.

A setting names the place of a secret: ``env:NAME`` or ``keyring:SERVICE/USER``. A secret that is
written in cadran.toml itself is refused without being repeated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cadran.config import environment
from cadran.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "•••"
_PLACE = re.compile(r"(env):([A-Za-z_]\w*)|(keyring):([^/\s]+)/(\S+)")
#: Texts shorter than this are no secret: hiding them everywhere would garble what is shown.
_LEAST = 6


class Secret:
    """A text that shows itself as dots; only `reveal` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text, for the request that needs it."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("A secret is not written anywhere.")


@dataclass(frozen=True)
class Place:
    """Where a secret is kept.

    Attributes:
        name: Name of the secret, such as ``token``.
        kind: ``env`` or ``keyring``.
        service: Service of the keyring.
        key: Environment variable, or user of the keyring.
        where: ``file:line`` of the setting.
    """

    name: str
    kind: str
    key: str
    service: str = ""
    where: str = ""

    def __str__(self) -> str:
        """The place as a setting writes it."""
        return f"env:{self.key}" if self.kind == "env" else f"keyring:{self.service}/{self.key}"

    def find(self) -> Secret | None:
        """The secret, or None when the place is empty."""
        text = environment(self.key) if self.kind == "env" else _from_keyring(self)
        return Secret(text.strip()) if text and text.strip() else None

    def get(self) -> Secret:
        """The secret.

        Raises:
            ConfigError: The place is empty, or this machine has no keyring.
        """
        found = self.find()
        if found is None:
            raise ConfigError(
                "The secret {name} is not in {place}.",
                hint="Set the environment variable {key}." if self.kind == "env" else "Store it: keyring set {place}.",
                where=self.where,
                name=self.name,
                place=str(self) if self.kind == "env" else f"{self.service} {self.key}",
                key=self.key,
            )
        return found


def place_of(name: str, written: str, where: str) -> Place:
    """The place that a setting names.

    Raises:
        ConfigError: The setting is not the name of a place; what it holds is not repeated, for it may be the secret.
    """
    match = _PLACE.fullmatch(written.strip())
    if match is None:
        raise ConfigError(
            "{name} must say where the secret is kept, not what it is.",
            hint="Write env:NAME or keyring:SERVICE/USER. If the secret was in the file, have the vendor make another.",
            where=where,
            name=name,
        )
    env, variable, _, service, user = match.groups()
    return Place(name, "env", variable, where=where) if env else Place(name, "keyring", user, service, where)


def store(place: Place, text: str) -> None:
    """Keep a secret in the keyring.

    Raises:
        ConfigError: The place is not in a keyring, or this machine has none.
    """
    _keyring(place).set_password(place.service, place.key, text)


def hidden(text: str, secrets: Iterable[Secret]) -> str:
    """The text with every secret in it as dots, also where it is written for an address."""
    from urllib.parse import quote, quote_plus  # noqa: PLC0415 - only errors need it

    for secret in secrets:
        told = secret.reveal()
        for form in {told, quote(told, safe=""), quote_plus(told)} if len(told) >= _LEAST else ():
            text = text.replace(form, HIDDEN)
    return text


def _from_keyring(place: Place) -> str:
    return str(_keyring(place).get_password(place.service, place.key) or "")


def _keyring(place: Place):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a module that comes with an extra
    try:
        import keyring  # noqa: PLC0415 - comes with an extra
    except ImportError as error:
        raise ConfigError(
            "Reading {place} needs a package that is not installed.",
            hint="Run: pip install cadran[keyring], or keep the secret in an environment variable.",
            where=place.where,
            place=str(place),
        ) from error
    return keyring
