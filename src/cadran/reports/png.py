"""The charts of a report as images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran import charts

if TYPE_CHECKING:
    from cadran.charts import Words
    from cadran.reports.content import Report


def as_png(report: Report, words: Words) -> dict[str, bytes]:
    """One image per KPI that has a course, by KPI id; each says what it shows, for when, and as of when.

    Raises:
        NotSupported: The package that draws images is not installed.
    """
    known = words.say("data as of {moment}", moment=words.known(report.known_at))
    told = " · ".join([*report.where, known])
    found = {}
    for line in report.lines:
        if line.course:
            name = line.kpi.name(words.language)
            found[line.kpi.id] = charts.png(charts.trend(line.course, words, name), title=f"{name} – {told}")
    return found
