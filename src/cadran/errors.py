"""Every error a user can meet, and the finding that stops nothing.

Stop with an error, continue with an issue::

    CadranError(message, *, hint, where)          exit  HTTP   who can fix it
    ├─ ConfigError        cadran.toml, env          2    500   operator
    ├─ DefinitionError    catalogue, with file:line 2    500   KPI author
    ├─ MappingError       mappings, with file:line  2    500   data owner
    ├─ SourceError(permanent)                       4    502   source owner; retried unless permanent
    ├─ QueryError         unknown KPI, bad grain    1    400   person asking; has "Did you mean …?"
    ├─ NotAllowed         role or scope             1    403   administrator
    ├─ StoreError         database away, migration  4    503   operator
    ├─ NotSupported       named engine and feature  1    501   us
    └─ DeliveryError(permanent)                     4     –    operator

Messages are English templates with named fields, such as ``"No KPI named {name}."``;
`cadran.i18n` translates the template and fills it in, so that the same error reads in
French or English wherever a person meets it.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Level = Literal["error", "warning", "info"]

#: Exit code and HTTP status of every error class, by class name.
CODES: dict[str, tuple[int, int]] = {
    "CadranError": (1, 500),
    "ConfigError": (2, 500),
    "DefinitionError": (2, 500),
    "MappingError": (2, 500),
    "SourceError": (4, 502),
    "QueryError": (1, 400),
    "NotAllowed": (1, 403),
    "StoreError": (4, 503),
    "NotSupported": (1, 501),
    "DeliveryError": (4, 500),
}

#: Exit code of `cadran check` when it found issues but could read everything.
EXIT_ISSUES = 3


class CadranError(Exception):
    """Something stopped, told in the words of the person who can fix it.

    Args:
        message: What happened, as an English template with named fields.
        hint: What to do about it, as an English template with the same fields.
        where: ``file:line``, source and object, or parameter.
        params: Values of the fields in `message` and `hint`.
    """

    def __init__(self, message: str, *, hint: str = "", where: str = "", **params: object) -> None:
        self.message = message
        self.hint = hint
        self.where = where
        self.params = params
        super().__init__(fill(message, params))

    @property
    def exit_code(self) -> int:
        """Exit code of the command line when this error ends it."""
        return CODES[type(self).__name__][0]

    @property
    def http_status(self) -> int:
        """HTTP status of the API and the cockpit when this error ends a request."""
        return CODES[type(self).__name__][1]


class ConfigError(CadranError):
    """A setting of cadran.toml or of the environment cannot be used."""


class DefinitionError(CadranError):
    """A KPI, dimension, target or board of the catalogue cannot be used."""


class MappingError(CadranError):
    """A mapping file cannot be used, or a file asks a question only its owner can answer."""


class SourceError(CadranError):
    """A file, database or vendor could not be read.

    Args:
        message: See `CadranError`.
        permanent: True when trying again cannot help.
        hint: See `CadranError`.
        where: See `CadranError`.
        params: See `CadranError`.
    """

    def __init__(
        self, message: str, *, permanent: bool = True, hint: str = "", where: str = "", **params: object
    ) -> None:
        super().__init__(message, hint=hint, where=where, **params)
        self.permanent = permanent


class QueryError(CadranError):
    """A question names something that does not exist or cannot be combined."""


class NotAllowed(CadranError):  # noqa: N818 - reads as the sentence a person is shown
    """The person asking may not see or do this."""


class StoreError(CadranError):
    """A database is away, locked or of another version."""


class NotSupported(CadranError):  # noqa: N818 - reads as the sentence a person is shown
    """The named engine cannot do this."""


class DeliveryError(CadranError):
    """A message could not be delivered.

    Args:
        message: See `CadranError`.
        permanent: True when trying again cannot help.
        hint: See `CadranError`.
        where: See `CadranError`.
        params: See `CadranError`.
    """

    def __init__(
        self, message: str, *, permanent: bool = False, hint: str = "", where: str = "", **params: object
    ) -> None:
        super().__init__(message, hint=hint, where=where, **params)
        self.permanent = permanent


@dataclass(frozen=True)
class Issue:
    """A finding that work continues past, shown next to the numbers that it touches.

    Attributes:
        code: Stable name of the kind of finding, such as ``bad_date``.
        level: How much it matters; an ``error`` makes `cadran check` exit 3.
        message: What was found, as an English template with named fields.
        where: ``file:line``, ``file`` with row and column, or source and object.
        entity: Canonical entity that it touches, or empty.
        hint: What to do about it, as an English template.
        params: Values of the fields in `message` and `hint`.
        n_rows: How many rows it touches.
    """

    code: str
    level: Level
    message: str
    where: str = ""
    entity: str = ""
    hint: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    n_rows: int = 0

    def __str__(self) -> str:
        """The finding in English, on one line."""
        return f"{self.where}: {fill(self.message, self.params)}" if self.where else fill(self.message, self.params)


def fill(template: str, params: Mapping[str, object]) -> str:
    """The template with its named fields filled in; returned as it is when there are no fields."""
    return template.format(**params) if params else template


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest known word, or an empty string when none is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return near[0] if near else ""
