"""Where a number comes from and what it feeds, drawn from left to right."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from cadran.charts.scene import Box, Mark, Path, Scene, Table, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Height of a box and the step from one box to the next.
HEIGHT, STEP = 46, 58
#: Part of a column that its boxes fill.
FILL = 0.78
#: Characters that fit a box.
LONGEST = 24


@dataclass(frozen=True)
class Node:
    """A box of the drawing.

    Attributes:
        title: What it is.
        note: Smaller line under it.
        css: ``me`` for the number that the drawing is about, else empty.
    """

    title: str
    note: str = ""
    css: str = ""


def lineage(stages: Sequence[Sequence[Node]], title: str) -> Scene:
    """Each stage as a column of boxes, each box joined to every box of the next stage."""
    tallest = max((len(stage) for stage in stages), default=0)
    width = 1 / max(len(stages), 1)
    marks: list[Mark] = []
    for index, (stage, following) in enumerate(pairwise(stages)):
        start, end = (index + FILL) * width, (index + 1) * width
        marks += [
            Path(_bend((start, one), (end, two)), "l-link")
            for one in _middles(len(stage), tallest)
            for two in _middles(len(following), tallest)
        ]
    for index, stage in enumerate(stages):
        for node, middle in zip(stage, _middles(len(stage), tallest), strict=True):
            marks += _box(node, index * width, middle, width)
    rows = tuple((str(index + 1), node.title, node.note) for index, stage in enumerate(stages) for node in stage)
    return Scene(tallest * STEP, tuple(marks), "lin", title, " → ".join(_named(s) for s in stages), Table(rows=rows))


def _middles(n: int, tallest: int) -> list[float]:
    """Heights of the middles of that many boxes, centred."""
    return [(index + 0.5) * STEP + (tallest - n) * STEP / 2 for index in range(n)]


def _bend(start: tuple[float, float], end: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """A smooth step between two points: ten straight pieces of a cosine-like curve."""
    shares = [index / 10 for index in range(11)]
    return tuple(
        (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share * share * (3 - 2 * share))
        for share in shares
    )


def _box(node: Node, x: float, middle: float, width: float) -> list[Mark]:
    top = middle - HEIGHT / 2
    inset = x + width * 0.04
    return [
        Box(x, width * FILL, top, HEIGHT, f"l-box {node.css}".strip(), 8),
        Text((inset, top + 20), _cut(node.title), "l-title"),
        Text((inset, top + 36), node.note, "l-note"),
    ]


def _cut(text: str) -> str:
    """What fits a box; the description names it in full."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _named(stage: Sequence[Node]) -> str:
    return ", ".join(f"{node.title} {node.note}".strip() for node in stage)
