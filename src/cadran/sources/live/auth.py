"""How a client says who it is, and what it does when the vendor no longer believes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cadran.sources.live.secret import Secret


class Auth(Protocol):
    """The credentials of a client."""

    def headers(self) -> Mapping[str, str]:
        """Headers of a request."""

    def renew(self) -> bool:
        """Get others after the vendor refused these; False when there are none to get."""

    def secrets(self) -> Sequence[Secret]:
        """Everything that must never be shown."""


@dataclass(frozen=True)
class Fixed:
    """A key that does not change.

    Attributes:
        secret: The key.
        header: Header that carries it.
        scheme: Word before it, with its space.
    """

    secret: Secret
    header: str = "Authorization"
    scheme: str = "Bearer "

    def headers(self) -> Mapping[str, str]:
        """The header with the key."""
        return {self.header: self.scheme + self.secret.reveal()}

    def renew(self) -> bool:
        """There is no other key."""
        return False

    def secrets(self) -> Sequence[Secret]:
        """The key."""
        return (self.secret,)


@dataclass(frozen=True)
class Nobody:
    """The credentials of a request that asks for credentials: none, but some to hide.

    Attributes:
        kept: What must never be shown.
    """

    kept: tuple[Secret, ...]

    def headers(self) -> Mapping[str, str]:
        """No header."""
        return {}

    def renew(self) -> bool:
        """There is nothing to renew."""
        return False

    def secrets(self) -> Sequence[Secret]:
        """What must never be shown."""
        return self.kept


@dataclass
class Renewed:
    """A token that lives for a while and is asked for again.

    Attributes:
        fetch: Asks the vendor for a token.
        kept: What it is asked for with.
        token: The token of the moment.
        seen: Tokens that were given so far.
    """

    fetch: Callable[[], Secret]
    kept: tuple[Secret, ...] = ()
    token: Secret | None = None
    seen: list[Secret] = field(default_factory=list)

    def headers(self) -> Mapping[str, str]:
        """The header with a token, which is fetched the first time."""
        if self.token is None:
            self.renew()
        return {"Authorization": f"Bearer {self.token.reveal()}"} if self.token else {}

    def renew(self) -> bool:
        """Fetch another token."""
        self.token = self.fetch()
        self.seen = [*self.seen[-1:], self.token]
        return True

    def secrets(self) -> Sequence[Secret]:
        """The tokens, and what they were asked for with."""
        return (*self.kept, *self.seen)
