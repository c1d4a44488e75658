"""JSON whose numbers stay as they were written: 1.10 stays 1.10, and a long id keeps its digits."""

from __future__ import annotations

import json
from typing import Any, Self


class Written(float):
    """A number that remembers how it was written."""

    def __new__(cls, text: str) -> Self:
        """The number of a text."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str

    def __repr__(self) -> str:
        return self.text


def loads(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        json.JSONDecodeError: The text is no JSON.
    """
    return json.loads(text, parse_int=Written, parse_float=Written)


def dumps(value: Any) -> str:
    """A value as JSON text, its numbers as written."""
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {dumps(item)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(dumps, value)) + "]"
    return value.text if isinstance(value, Written) else json.dumps(value, ensure_ascii=False)


def cell(value: Any) -> str | None:
    """A value as the text of a cell; None for null, nested values as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, Written):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else dumps(value)
