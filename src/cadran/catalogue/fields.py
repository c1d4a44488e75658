"""YAML values → fields of the catalogue's dataclasses, each problem with its file and line.

A reader takes ``(value, where)`` and gives the field's value, or raises a `DefinitionError`.
`read_entry` runs the readers of one mapping, so that one pass reports every problem it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from cadran.config import parse_day
from cadran.errors import CadranError, DefinitionError, Issue, QueryError, did_you_mean
from cadran.period import parse_trailing
from cadran.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date

    from cadran.period import Trailing

    Reader = Callable[[Any, str], Any]

LANGUAGES = ("fr", "en")


@dataclass(frozen=True)
class Shape:
    """How one kind of YAML mapping becomes keyword arguments.

    Attributes:
        what: What the mapping is; it is part of the templates of messages, so that they can be translated.
        readers: Reader of each key.
        required: Keys that must be there.
    """

    what: str
    readers: Mapping[str, Reader]
    required: tuple[str, ...] = ()


class ManyProblemsError(DefinitionError):
    """A nested mapping has problems, which it lists.

    Args:
        problems: What was found, one `Issue` each.
    """

    def __init__(self, problems: list[Issue]) -> None:
        first = problems[0]
        super().__init__(first.message, hint=first.hint, where=first.where, **first.params)
        self.problems = problems


def issue_of(error: CadranError, code: str = "bad_definition") -> Issue:
    """The issue that says what an error says."""
    return Issue(code, "error", error.message, where=error.where, hint=error.hint, params=error.params)


def read_entry(record: Record, shape: Shape, problems: list[Issue]) -> dict[str, Any] | None:
    """The keyword arguments that a mapping gives, or None when it cannot be used.

    Args:
        record: Mapping as read; a key without value counts as absent.
        shape: What it should hold.
        problems: Every problem found is added here.
    """
    before = len(problems)
    found: dict[str, Any] = {}
    for key, value in record.items():
        where = record.where(key)
        try:
            if key not in shape.readers:
                raise unknown(f"There is no key {{name}} in {shape.what}.", key, shape.readers, where)
            if value is not None:
                found[key] = shape.readers[key](value, where)
        except ManyProblemsError as many:
            problems.extend(many.problems)
        except CadranError as error:
            problems.append(issue_of(error))
    problems.extend(
        Issue(
            "missing_key",
            "error",
            f"The key {{name}} is missing in {shape.what}.",
            where=str(record.place),
            params={"name": key},
        )
        for key in shape.required
        if key not in found and record.get(key) is None
    )
    return found if len(problems) == before else None


def unknown(message: str, name: str, known: Iterable[str], where: str, **params: object) -> DefinitionError:
    """The error for a name that does not exist, with the nearest one or the whole list.

    Args:
        message: Template with the field ``{name}``.
        name: What was written.
        known: What may be written.
        where: ``file:line``.
        params: Other fields of the template.
    """
    names = sorted(known)
    near = did_you_mean(name, names)
    hint = "Did you mean {near}?" if near else "Use one of: {known}."
    return DefinitionError(message, hint=hint, where=where, name=name, near=near, known=", ".join(names), **params)


def _refuse(value: object, wanted: str, where: str) -> DefinitionError:
    return DefinitionError(f"{{value}} is not {wanted}.", where=where, value=repr(value))


def text(value: Any, where: str) -> str:
    """A text; numbers and days are taken as written."""
    if isinstance(value, (Record, list, bool)):
        raise _refuse(value, "a text", where)
    return str(value).strip()


def texts(value: Any, where: str) -> tuple[str, ...]:
    """A tuple of texts from a list, or from one text."""
    if isinstance(value, list):
        return tuple(text(item, where) for item in value)
    return (text(value, where),)


def localised(value: Any, where: str) -> dict[str, str]:
    """A text in each language, from ``{fr: …, en: …}`` or from one text that serves all."""
    if not isinstance(value, Record):
        return dict.fromkeys(LANGUAGES, text(value, where))
    for key in value:
        if key not in LANGUAGES:
            raise unknown("{name} is not a language.", key, LANGUAGES, value.where(key))
    return {key: text(item, value.where(key)) for key, item in value.items()}


def by_name(value: Any, where: str) -> dict[str, str]:
    """A mapping of names to texts."""
    if not isinstance(value, Record):
        raise _refuse(value, "a mapping of names to texts", where)
    return {key: text(item, value.where(key)) for key, item in value.items()}


def flag(value: Any, where: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise _refuse(value, "true or false", where)
    return value


def whole(value: Any, where: str) -> int:
    """A whole number, not negative."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _refuse(value, "a whole number", where)
    return value


def trailing(value: Any, where: str) -> Trailing:
    """A window that ends with each period, such as ``12m``."""
    try:
        return parse_trailing(str(value))
    except QueryError as error:
        raise DefinitionError(error.message, hint=error.hint, where=where, **error.params) from error


def number(value: Any, where: str) -> Decimal:
    """A decimal number, exactly as written."""
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        found = Decimal("NaN")
    if isinstance(value, bool) or not found.is_finite():
        raise _refuse(value, "a number", where)
    return found


def day(value: Any, where: str) -> date:
    """A calendar day."""
    return parse_day(value, where)


def choice(*allowed: str) -> Reader:
    """A reader of one word out of a few."""

    def read(value: Any, where: str) -> str:
        if value not in allowed:
            raise unknown("{name} cannot be used here.", str(value), allowed, where)
        return str(value)

    return read


def choices(*allowed: str) -> Reader:
    """A reader of several words out of a few."""
    one = choice(*allowed)

    def read(value: Any, where: str) -> tuple[str, ...]:
        return tuple(one(item, where) for item in texts(value, where))

    return read


def nested(shape: Shape, make: Callable[..., Any]) -> Reader:
    """A reader of one mapping of that shape; `make` also gets ``places`` when it can take them."""

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, Record):
            raise _refuse(value, shape.what, where)
        problems: list[Issue] = []
        found = read_entry(value, shape, problems)
        if found is None:
            raise ManyProblemsError(problems)
        return make(value, found)

    return read


def several(one: Reader) -> Reader:
    """A reader of a list of what `one` reads; a single one is a list of one."""

    def read(value: Any, where: str) -> tuple[Any, ...]:
        return tuple(one(item, where) for item in (value if isinstance(value, list) else [value]))

    return read


def places_of(record: Record) -> dict[str, str]:
    """``file:line`` of every key of a mapping."""
    return {key: str(place) for key, place in record.places.items()}
