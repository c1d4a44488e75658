"""One line of the evaluation: what was measured, beside its baseline and its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Way = Literal["at least", "at most", "between", "shown"]


@dataclass(frozen=True)
class Line:
    """One measured figure.

    Attributes:
        name: What was measured, with its world and seeds.
        ours: Cadran's figure.
        baseline: The best figure of a simpler or published method, or None.
        target: Bound that the figure must meet, or both bounds for ``between``; None when only shown.
        way: How the target binds.
        note: What a reader must know: the baseline's name, the seeds, the caveats.
    """

    name: str
    ours: float
    baseline: float | None = None
    target: float | tuple[float, float] | None = None
    way: Way = "shown"
    note: str = ""

    @property
    def passed(self) -> bool:
        """True when the target is met, or there is none."""
        match self.way, self.target:
            case "at least", float() as bound:
                return self.ours >= bound
            case "at most", float() as bound:
                return self.ours <= bound
            case "between", (low, high):
                return bool(low <= self.ours <= high)
            case _:
                return True
