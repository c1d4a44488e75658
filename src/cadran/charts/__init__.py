"""Readings drawn: a scene of marks, which becomes the page's SVG, and its twin, a table."""

from cadran.charts.bridge import bridge, driver_name, drivers_table
from cadran.charts.curve import curve, curve_table
from cadran.charts.drawing import bars, segment_names, sparkline, strip, trend
from cadran.charts.fixed import fixed, png
from cadran.charts.lineage import Node, lineage
from cadran.charts.scene import Scene, Table, fluid
from cadran.charts.words import Words

__all__ = [
    "Node",
    "Scene",
    "Table",
    "Words",
    "bars",
    "bridge",
    "curve",
    "curve_table",
    "driver_name",
    "drivers_table",
    "fixed",
    "fluid",
    "lineage",
    "png",
    "segment_names",
    "sparkline",
    "strip",
    "trend",
]
