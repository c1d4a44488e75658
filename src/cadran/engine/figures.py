"""The figures of an answer, each made when it is first looked at.

A page looks at all of its figures, a program that wants columns at none: making one costs more than
reading the sums of a thousand.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from cadran.engine.assemble import Assembler
    from cadran.engine.result import Figure
    from cadran.engine.sheet import Segment


@dataclass(frozen=True)
class Block:
    """The figures of one KPI in one period.

    Attributes:
        assembler: Makes them.
        name: KPI id.
        place: Place of the period in the span.
        dims: Dimensions.
        segments: Segments, in order.
    """

    assembler: Assembler
    name: str
    place: int
    dims: tuple[str, ...]
    segments: Sequence[Segment]


class Figures(Sequence["Figure"]):
    """Figures in order; equal to any other sequence of the same figures.

    Args:
        blocks: Where they come from, in order.

    Attributes:
        blocks: The same.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = tuple(blocks)
        self._ends = list(accumulate(len(block.segments) for block in self.blocks))
        self._made: dict[int, Figure] = {}

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, at: int) -> Figure: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Figure, ...]: ...
    def __getitem__(self, at: int | slice) -> Figure | tuple[Figure, ...]:
        if isinstance(at, slice):
            return tuple(self[place] for place in range(*at.indices(len(self))))
        place = at + len(self) if at < 0 else at
        if not 0 <= place < len(self):
            raise IndexError(at)
        if place not in self._made:
            found = bisect_right(self._ends, place)
            block = self.blocks[found]
            segment = block.segments[place - self._ends[found] + len(block.segments)]
            self._made[place] = block.assembler.figure(block.name, block.place, block.dims, segment)
        return self._made[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(self._ends[-1] if self._ends else 0)

    def __repr__(self) -> str:
        return repr(tuple(self))
