"""A report as one HTML document that needs nothing beside it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cadran import charts, i18n
from cadran.catalogue.words import CADENCES, DATED, benchmark_text, target_text
from cadran.charts.verdict import badge
from cadran.reports.content import name_of

if TYPE_CHECKING:
    from cadran.charts import Scene, Words
    from cadran.reports.content import Report

#: Widths in pixels of a chart and of the course in a table.
WIDE, NARROW = 470, 120


@functools.cache
def _environment() -> Environment:
    env = Environment(
        loader=PackageLoader("cadran.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    env.globals.update(
        charts=charts,
        drawn=drawn,
        badge=badge,
        name_of=name_of,
        target_text=target_text,
        benchmark_text=benchmark_text,
        CADENCES=CADENCES,
        DATED=DATED,
        MISSING=i18n.MISSING,
    )
    return env


def as_html(report: Report, words: Words, *, font: str = "") -> str:
    """The report as an HTML document.

    Args:
        report: What it says.
        words: How numbers, dates and sentences are written.
        font: Rules of a style sheet that bring a font; empty for those of the reader's machine.
    """
    rules = Markup(font)  # noqa: S704 - the rules of `as_pdf`, of shipped files
    template = _environment().get_template("report.html")
    return template.render(
        report=report, words=words, t=words.say, lang=words.language, font=rules, wide=WIDE, narrow=NARROW
    )


def drawn(scene: Scene, width: int) -> Markup:
    """A chart of a fixed width, in the document."""
    return Markup(charts.fixed(scene, width))  # noqa: S704 - our own drawing, whose texts are escaped
