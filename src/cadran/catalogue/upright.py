"""LTV over CAC, whichever way round it was written (T-51)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUOTIENT = re.compile(r"\s*(\w+)\s*/\s*(\w+)\s*")


def upright(expression: str, inputs: Mapping[str, str]) -> str:
    """The formula with lifetime value above acquisition cost.

    People say "CAC / LTV" and mean the ratio that is healthy at three and more; a third of the reading
    would be taken for a disaster.

    Args:
        expression: Formula of a derived KPI.
        inputs: KPI behind each of its names.
    """
    found = _QUOTIENT.fullmatch(expression)
    if found is None:
        return expression
    upper, lower = (inputs.get(name, "").split("_")[0] for name in found.groups())
    return f"{found[2]} / {found[1]}" if (upper, lower) == ("cac", "ltv") else expression
