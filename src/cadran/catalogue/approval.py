"""Who agreed to a version of a contract, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date


@dataclass(frozen=True)
class Approval:
    """Why a version of a KPI came to be, and who agreed to it (T-98).

    Attributes:
        by: Owner who approved it.
        on: Day on which it was approved.
        reason: Why the definition changed.
        restated_until: For a restatement, the first day whose periods are not restated: those from the
            version's first day until then were told by another version before; None when it restates none.
    """

    by: str
    on: date
    reason: str
    restated_until: date | None = None
