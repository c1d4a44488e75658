"""A chart before it is written in a format: marks, and the SVG and table that they become.

Marks have ``x`` as a share of the width, in 0..1, and ``y`` in pixels from the top, so that a chart
is as wide as its box while its text keeps its size. Colours are CSS classes; no ``style`` attribute
is written, so that a strict content policy holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from itertools import groupby

Point = tuple[float, float]


@dataclass(frozen=True)
class Path:
    """A line through points, or an area when closed."""

    points: tuple[Point, ...]
    css: str
    closed: bool = False


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    x: float
    width: float
    y: float
    height: float
    css: str
    radius: float = 0


@dataclass(frozen=True)
class Rule:
    """A straight line between two points."""

    start: Point
    end: Point
    css: str


@dataclass(frozen=True)
class Dot:
    """A circle around a point."""

    at: Point
    radius: float
    css: str


@dataclass(frozen=True)
class Text:
    """Words at a point."""

    at: Point
    text: str
    css: str
    anchor: str = "start"


@dataclass(frozen=True)
class Hit:
    """An area that tells its lines when it is pointed at, with the place that they are about."""

    x: float
    width: float
    height: float
    lines: tuple[str, ...]
    at: Point


Mark = Path | Box | Rule | Dot | Text | Hit


@dataclass(frozen=True)
class Table:
    """What a chart shows, as text.

    Attributes:
        columns: Headings; the first one names the row.
        rows: One tuple of cells per row.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Scene:
    """A chart before it is written in a format.

    Attributes:
        height: Height in pixels.
        marks: Marks, the lowest first.
        css: Class of the whole drawing.
        title: What it shows; empty hides it from screen readers, for a drawing beside its text.
        description: What one sees in it.
        table: The same as text.
    """

    height: float
    marks: tuple[Mark, ...]
    css: str
    title: str = ""
    description: str = ""
    table: Table = field(default_factory=Table)

    def __html__(self) -> str:
        """The SVG, for a template that escapes."""
        return fluid(self)


def fluid(scene: Scene) -> str:
    """The scene as an SVG element that fills the width of its box, with CSS classes and no style."""
    said = f'role="img" aria-label="{escape(scene.title)}"' if scene.title else 'aria-hidden="true" focusable="false"'
    described = f"<desc>{escape(scene.description)}</desc>" if scene.description else ""
    parts: list[str] = []
    for is_path, marks in groupby(scene.marks, lambda mark: isinstance(mark, Path)):
        drawn = "".join(_svg(mark) for mark in marks)
        # Paths alone are stretched: their box has 1000 units across whatever its width on the page.
        stretched = f'<svg width="100%" height="{_n(scene.height)}" viewBox="0 0 1000 {_n(scene.height)}"'
        parts.append(f'{stretched} preserveAspectRatio="none" overflow="visible">{drawn}</svg>' if is_path else drawn)
    inside = described + "".join(parts)
    return f'<svg class="{scene.css}" width="100%" height="{_n(scene.height)}" {said}>{inside}</svg>'


def _svg(mark: Mark) -> str:
    match mark:
        case Path(points, css, closed):
            steps = "L".join(f"{_n(x * 1000)} {_n(y)}" for x, y in points)
            return f'<path class="{css}" d="M{steps}{"Z" if closed else ""}"/>'
        case Box(x, width, y, height, css, radius):
            size = f'x="{_p(x)}" width="{_p(width)}" y="{_n(y)}" height="{_n(height)}" rx="{_n(radius)}"'
            return f'<rect class="{css}" {size}/>'
        case Rule(start, end, css):
            ends = f'x1="{_p(start[0])}" x2="{_p(end[0])}" y1="{_n(start[1])}" y2="{_n(end[1])}"'
            return f'<line class="{css}" {ends}/>'
        case Dot(at, radius, css):
            return f'<circle class="{css}" cx="{_p(at[0])}" cy="{_n(at[1])}" r="{_n(radius)}"/>'
        case Text(at, text, css, anchor):
            place = f'x="{_p(at[0])}" y="{_n(at[1])}" text-anchor="{anchor}"'
            return f'<text class="{css}" {place}>{escape(text)}</text>'
        case Hit():
            return _hit(mark)


def _hit(hit: Hit) -> str:
    x, y = hit.at
    area = f'<rect x="{_p(hit.x)}" width="{_p(hit.width)}" y="0" height="{_n(hit.height)}"/>'
    cross = f'<line class="c-cross" x1="{_p(x)}" x2="{_p(x)}" y1="14" y2="{_n(hit.height)}"/>'
    dot = f'<circle class="c-hover" cx="{_p(x)}" cy="{_n(y)}" r="4"/>'
    return f'<g class="hit" data-tip="{escape("|".join(hit.lines))}">{area}{cross}{dot}</g>'


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _p(share: float) -> str:
    return _n(share * 100) + "%"
