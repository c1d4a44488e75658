"""What cases that no longer come through a step of the funnel are worth.

Each case that came through in the year before brought, on average, what the year's bookings came to over all of
them: so many cases fewer than usual are worth so many times that. It is a price of the whole slice, not of the
deals at hand, and it is told for steps of the funnel only, where cases become bookings.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.engine.query import KpiQuery, where_is
from cadran.errors import CadranError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.insights.alerts import Signal
    from cadran.insights.reading import Readings

#: What cases become in the end, and the tables of which a row is a case on its way there.
BOOKINGS, FUNNEL = "bookings", frozenset({"opportunity", "stage_passage", "lead_cycle"})
#: Days that prices are taken from, and the fewest cases that they may rest on.
YEAR, FEWEST = timedelta(days=365), 20


def worth(signal: Signal, kpi: Kpi, catalogue: Catalogue, ask: Callable[[KpiQuery], Readings]) -> Decimal | None:
    """Money that the signal's cases come to, below 0 where it is missing; None where no arithmetic leads to it.

    Args:
        signal: A share of cases, held against its usual, its target or a threshold.
        kpi: Its KPI.
        catalogue: Definitions.
        ask: Answers a question.
    """
    if signal.value is None or signal.usual is None or not _is_step(kpi) or BOOKINGS not in catalogue.kpis:
        return None
    price = _price(signal, kpi, catalogue.kpi(BOOKINGS), ask)
    return None if price is None else Decimal(round(price * Decimal((signal.value - signal.usual) * signal.n)))


def _is_step(kpi: Kpi) -> bool:
    part = kpi.numerator
    return kpi.unit == "rate" and part is not None and part.agg == "count" and part.entity in FUNNEL


def _price(signal: Signal, kpi: Kpi, bookings: Kpi, ask: Callable[[KpiQuery], Readings]) -> Decimal | None:
    # a stage is a step on the way and no slice of the bookings
    slices = {name: value for name, value in signal.segment.items() if name != "stage"}
    if not slices.keys() <= {*bookings.dimensions}:
        return None
    by = ("stage",) if "stage" in signal.segment else ()
    year = KpiQuery((kpi.id,), by=by, where=signal.where, start=signal.since - YEAR, end=signal.since)
    only = tuple(where_is(name, value) for name, value in slices.items())
    won = replace(year, kpis=(bookings.id,), by=(), where=only)
    try:
        cases = [each.figure for each in ask(year).readings if each.figure.numerator is not None]
        money = [each.value for each in ask(won).readings if each.value is not None]
    except CadranError:
        return None
    through = sum(Decimal(str(each.numerator)) for each in cases)
    return Decimal(str(money[0])) / through if len(cases) == len(money) == 1 and through >= FEWEST else None
