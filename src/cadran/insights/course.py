"""Which periods lead to a period, in a grain that a KPI has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.period import GRAINS, Period

if TYPE_CHECKING:
    from datetime import date

    from cadran.catalogue.definition import Kpi
    from cadran.period import Calendar, Grain

#: How many periods the course of a value shows.
COURSE = 13


def course(calendar: Calendar, period: Period, grain: Grain, today: date) -> Period:
    """The span of the periods that lead to a period, and the unfinished one that follows it.

    Args:
        calendar: How the company cuts time.
        period: Last period that counts.
        grain: Its grain.
        today: First day that is not known yet.
    """
    first = period
    for _ in range(COURSE - 1):
        first = calendar.previous(first, grain)
    following = calendar.containing(period.end, grain)
    return Period(first.start, following.end if following.start < today <= following.end else period.end)


def grain_of(kpi: Kpi, wanted: Grain) -> Grain:
    """The wanted grain, or the nearest longer one in which the KPI may be asked, or its longest."""
    longer = [grain for grain in GRAINS[GRAINS.index(wanted) :] if grain in kpi.grains]
    shorter = [grain for grain in reversed(GRAINS) if grain in kpi.grains]
    return (longer or shorter or [wanted])[0]
