"""Why the KPI of a page moved, and the way from it to the North Star."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cadran.catalogue.driving import edges, ways_up
from cadran.charts import Node
from cadran.errors import CadranError

if TYPE_CHECKING:
    from cadran.charts import Words
    from cadran.insights.change import Drivers
    from cadran.period import Grain, Period
    from cadran.view import View
    from cadran.web.slices import Slice

#: Boxes of one column of the tree.
MOST_NODES = 7
RELATIONS = {"arithmetic": "by the formula", "hypothesis": "hypothesis", "variant": "same thing, other convention"}


@dataclass(frozen=True)
class Why:
    """Why a KPI moved.

    Attributes:
        formula: By its factors, or None when it is always broken down or cannot be told.
        segments: By the dimension shown, or None.
        dimension: That dimension, or empty.
        error: What kept both from being told, or None.
    """

    formula: Drivers | None = None
    segments: Drivers | None = None
    dimension: str = ""
    error: CadranError | None = None


def why_of(view: View, name: str, asked: Slice, span: Period, grain: Grain, dimension: str) -> Why:
    """Why a KPI moved in a period of that slice, by its formula and by one dimension."""
    kpi = view.kpi(name)
    compared = asked if asked.compare != "none" else replace(asked, compare="previous")
    formula, error = (None, None) if kpi.default_by else _told(view, compared, name, span, grain, ())
    segments = None
    if dimension:
        segments, problem = _told(view, compared, name, span, grain, (dimension,))
        error = error or (problem if kpi.default_by else None)
    return Why(formula, segments, dimension, error)


def _told(
    view: View, asked: Slice, name: str, span: Period, grain: Grain, by: tuple[str, ...]
) -> tuple[Drivers | None, CadranError | None]:
    try:
        return view.drivers(asked.query([name], span, grain, by)), None
    except CadranError as error:
        return None, error


def driver_stages(view: View, name: str, words: Words) -> list[list[Node]]:
    """What drives a KPI, the KPI, and each step from it to the North Star."""

    def node(kpi: str, note: str, css: str = "") -> Node:
        return Node(view.catalogue.title(kpi, words.language), words.say(note), css)

    below = [node(other, RELATIONS[how]) for other, how in edges(name, view.catalogue).items()]
    way = ways_up(name, view.catalogue) or ((name, "arithmetic"),)
    steps = [
        [node(kpi, "North Star" if kpi == view.catalogue.north_star else RELATIONS[how], "me" if kpi == name else "")]
        for kpi, how in way
    ]
    return [stage[:MOST_NODES] for stage in (below, *steps) if stage]
