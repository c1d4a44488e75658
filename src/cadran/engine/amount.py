"""The value of a part, or why it has none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cadran.engine.result import Number


@dataclass(frozen=True)
class Amount:
    """The value of one part, or why it has none.

    Attributes:
        value: The value, or None.
        n: Cases behind it.
        reason: English template of why there is no value; empty when there is one.
        params: Values of its fields.
    """

    value: Number | None
    n: int
    reason: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
