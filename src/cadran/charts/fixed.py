"""A scene outside of a page: an SVG of a fixed width with its own colours, for paper and messages, and a PNG of it.

A page gives a chart its colours by CSS and its width by its box. A document, a message or a spreadsheet
has neither: here every mark carries its colour, places are in pixels, and light colours are used.
"""

from __future__ import annotations

from html import escape
from pathlib import Path as File
from typing import TYPE_CHECKING

from cadran.charts.scene import Box, Dot, Hit, Path, Rule, Text
from cadran.errors import NotSupported

if TYPE_CHECKING:
    from cadran.charts.scene import Mark, Scene

#: Fonts that an image is set in: those of the pages, in one weight each.
FONTS = tuple(File(__file__).parents[1] / f"web/static/vendor/inter-{weight}.ttf" for weight in (400, 600))
#: Width in pixels of a chart in a document or a message.
WIDTH = 720
INK, MUTED, DATA, ACCENT, CARD = "#1a1f2b", "#5a6170", "#24324d", "#2b4c9b", "#fff"
LINE, STRONG, SUNK, BENCH, STRIP = "#e3e0d8", "#cfcbc0", "#efede7", "#f0ede4", "#cdd1d9"
GOOD, BAD = "#1f8f88", "#d1432f"
#: How each class is painted; the sheet of the pages says the same with its variables.
PAINT: dict[str, dict[str, str]] = {
    "c-grid": {"stroke": LINE},
    "c-tick": {"fill": MUTED, "font-size": "12"},
    "c-lab": {"fill": INK, "font-size": "12", "font-weight": "600"},
    "c-val": {"font-size": "12.5", "font-weight": "600"},
    "c-line": {"fill": "none", "stroke": DATA, "stroke-width": "1.75", "stroke-linejoin": "round"},
    "c-main": {"stroke-width": "2.5"},
    "c-partial": {"stroke-dasharray": "2 5", "stroke-linecap": "round"},
    "c-ci": {"fill": DATA, "fill-opacity": ".13"},
    "c-bench": {"fill": BENCH},
    "c-target": {"stroke": ACCENT, "stroke-width": "1.25", "stroke-dasharray": "4 3"},
    "c-lab-t": {"fill": ACCENT},
    "c-dot": {"fill": DATA, "stroke": CARD, "stroke-width": "2"},
    "c-open": {"fill": CARD, "stroke": DATA, "stroke-width": "1.75"},
    "c-mark": {"stroke": MUTED, "stroke-dasharray": "1 3", "stroke-linecap": "round"},
    "c-mark-l": {"fill": MUTED, "font-weight": "400"},
    "c-halo": {"paint-order": "stroke", "stroke": CARD, "stroke-width": "4", "stroke-linejoin": "round"},
    "b-track": {"fill": SUNK},
    "b-bench": {"fill": STRIP},
    "b-ci": {"fill": DATA, "fill-opacity": ".26"},
    "b-pt": {"fill": DATA, "stroke": CARD, "stroke-width": "1.5"},
    "b-target": {"stroke": ACCENT, "stroke-width": "2", "stroke-linecap": "round"},
    "h-val": {"fill": DATA},
    "h-none": {"fill-opacity": ".4"},
    "h-ci": {"stroke": ACCENT, "stroke-width": "2"},
    "w-good": {"fill": GOOD},
    "w-bad": {"fill": BAD},
    "l-box": {"fill": CARD, "stroke": STRONG},
    "me": {"fill": "#e8edf9", "stroke": ACCENT, "stroke-width": "1.5"},
    "l-title": {"fill": INK, "font-size": "12.5", "font-weight": "600"},
    "l-note": {"fill": MUTED, "font-size": "12"},
    "l-link": {"fill": "none", "stroke": STRONG, "stroke-width": "1.5"},
}
#: What the verdict of a strip changes, by the class of its drawing.
_BY_VERDICT = {"s-off_track": {"fill": BAD}, "s-on_track": {"fill": GOOD}}


def fixed(scene: Scene, width: float = WIDTH, *, title: str = "") -> str:
    """The scene as an SVG document of a fixed width, with nothing outside it that it needs.

    Args:
        scene: What to draw.
        width: Width in pixels.
        title: Words above the drawing; empty for none, which leaves no room for them.
    """
    top = 30 if title else 4
    height = scene.height + top + 6
    drawn = "".join(_drawn(mark, scene, width) for mark in scene.marks)
    head = f'<text x="0" y="16" fill="{INK}" font-size="15" font-weight="600">{escape(title)}</text>' if title else ""
    said = f"<title>{escape(scene.title)}</title>" if scene.title else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="-8 0 {_n(width + 16)} {_n(height)}" font-family="Inter, sans-serif" font-size="12">'
        f'{said}{head}<g transform="translate(0 {top})">{drawn}</g></svg>'
    )


def png(scene: Scene, width: int = WIDTH, *, title: str = "", scale: float = 2) -> bytes:
    """The scene as a PNG on white, at `scale` pixels of the image per pixel of the drawing.

    Raises:
        NotSupported: The package that draws images is not installed.
    """
    try:
        from resvg_py import svg_to_bytes  # noqa: PLC0415 - three megabytes that only images need
    except ModuleNotFoundError as error:
        raise NotSupported(
            "Images need a package that is not installed: {package}.",
            hint="Install it: pip install 'cadran[reports]'.",
            where="png",
            package="resvg-py",
        ) from error
    fonts = [str(font) for font in FONTS]
    return bytes(
        svg_to_bytes(
            svg_string=fixed(scene, width, title=title),
            background="white",
            skip_system_fonts=True,
            font_files=fonts,
            font_family="Inter",
            sans_serif_family="Inter",
            zoom=scale,
        )
    )


def _drawn(mark: Mark, scene: Scene, width: float) -> str:
    match mark:
        case Path(points, css, closed):
            steps = "L".join(f"{_n(x * width)} {_n(y)}" for x, y in points)
            return f'<path d="M{steps}{"Z" if closed else ""}"{_paint(css, scene)}/>'
        case Box(x, share, y, height, css, radius):
            size = f'x="{_n(x * width)}" width="{_n(share * width)}" y="{_n(y)}" height="{_n(height)}"'
            return f'<rect {size} rx="{_n(radius)}"{_paint(css, scene)}/>'
        case Rule(start, end, css):
            ends = f'x1="{_n(start[0] * width)}" x2="{_n(end[0] * width)}" y1="{_n(start[1])}" y2="{_n(end[1])}"'
            return f"<line {ends}{_paint(css, scene)}/>"
        case Dot(at, radius, css):
            return f'<circle cx="{_n(at[0] * width)}" cy="{_n(at[1])}" r="{_n(radius)}"{_paint(css, scene)}/>'
        case Text(at, text, css, anchor):
            place = f'x="{_n(at[0] * width)}" y="{_n(at[1])}" text-anchor="{anchor}"'
            return f"<text {place}{_paint(css, scene)}>{escape(text)}</text>"
        case Hit():
            return ""  # what is told under a pointer, which paper has not


def _paint(css: str, scene: Scene) -> str:
    painted: dict[str, str] = {}
    for name in css.split():
        painted |= PAINT[name]
    for name in scene.css.split():
        if css in ("b-ci", "b-pt"):
            painted |= _BY_VERDICT.get(name, {})
    return "".join(f' {key}="{value}"' for key, value in painted.items())


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
