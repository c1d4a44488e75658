"""What happens at the edges of a KPI, told by rule from its contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.catalogue.exchange.sql import roles_of
from cadran.catalogue.words import DATED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cadran.catalogue.definition import Kpi

    Case = tuple[str, Mapping[str, object]]

_INTERVALS = {
    "wilson": "Its interval is Wilson's, at 95 %.",
    "mean": "Its interval is Student's for a mean, at 95 %.",
    "delta": "Its interval is that of a ratio of sums (delta method), at 95 %.",
    "median": "Its interval is that of a median by ranks, at 95 %.",
    "survival": "Its interval is Brookmeyer and Crowley's for a Kaplan-Meier median, at 95 %.",
    "incidence": "Its interval adds what is not known yet of open cases to what varies by chance, at 95 %.",
    "range": "Its interval is the range of what is not known, such as unknown sources.",
    "lifetime": "Its interval comes from that of the rate of loss, at 95 %.",
    "none": "It has no interval: it is known exactly, or computed from others.",
}


def edge_cases(kpi: Kpi) -> Iterator[Case]:
    """Sentences about a KPI's edges, each an English template with its fields."""
    roles = roles_of(kpi)
    if kpi.kind != "derived":
        yield DATED[kpi.basis], {}
    if "denominator" in roles:
        yield "Where its denominator is 0 it is undefined, never 0 and never infinite, and says why.", {}
        yield "A total is computed from the sums: it is not the mean of the segments.", {}
    if kpi.kind == "derived":
        yield "Where one of its inputs is undefined, or it would divide by 0, it is undefined and says why.", {}
    aggregations = {role.measure.agg for role in roles.values()}
    if aggregations & {"mean", "median", "min", "max"}:
        yield "A period without a case has no value; unknown amounts and durations are left out, zeros are not.", {}
    if "survival" in aggregations:
        yield "Cases that are still open count for as long as they were watched; a median may be “not reached”.", {}
    if kpi.window_days and "incidence" not in aggregations:
        yield (
            "Cases whose {days} days are not over are in neither part; the share that is over is shown.",
            {"days": kpi.window_days},
        )
    yield from _amounts_and_days(kpi)
    if kpi.min_n:
        yield "Below {n} cases the value is shown without a verdict.", {"n": kpi.min_n}
    yield "A period that is not over is marked as such, and has no verdict.", {}
    yield "Cases whose segment is not given are a segment of their own.", {}
    yield _INTERVALS.get(kpi.interval, _INTERVALS["none"]), {}


def _amounts_and_days(kpi: Kpi) -> Iterator[Case]:
    roles = roles_of(kpi).values()
    if any(role.missing for role in roles):
        yield "An amount without an exchange rate makes it undefined; the rows are named.", {}
    if any(role.measure.at_end for role in roles):
        yield "A longer period is measured on its last month end, not on the sum of its months.", {}
    if any(role.measure.required for role in roles):
        yield "A period without any record is unknown, not 0.", {}
    if kpi.trailing:
        yield "Flows count over {window} that end with each period.", {"window": str(kpi.trailing)}
    if kpi.default_by:
        yield "It is always told by {dims}.", {"dims": ", ".join(kpi.default_by)}
    if kpi.zone:
        yield "Its days are cut in {zone}.", {"zone": kpi.zone}
