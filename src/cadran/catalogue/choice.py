"""Which five to seven KPIs a company steers by, for its stage and for what holds it back.

A launch asks whether the sales process works: activity and pipeline. Growth asks whether it wins more
often, faster and bigger at a cost it can bear. Scale asks whether what is won stays and can be foretold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cadran.catalogue.definition import Catalogue, Kpi

Pain = Literal["leads", "pipeline", "closing", "retention", "cost"]
PAINS: tuple[str, ...] = get_args(Pain)
#: Fewest and most KPIs of a board: fewer leave a blind spot, more are not looked at.
FEWEST, MOST = 5, 7
#: KPIs by stage, the most telling first.
STAGES: dict[str, tuple[str, ...]] = {
    "launch": (
        "new_opportunities", "open_pipeline", "stage_conversion", "lead_response_hours", "new_customers",
        "touches_per_meeting", "win_rate",
    ),
    "growth": ("sales_velocity", "win_rate", "cac", "sales_cycle_days", "acv", "mql_to_sql", "nrr"),
    "scale": (
        "net_new_mrr", "nrr", "pipeline_coverage", "cac_payback_months", "grr", "forecast_accuracy", "win_rate",
    ),
}  # fmt: skip
#: KPIs that look at what holds a company back, in place of the least telling of its stage.
HELD_BACK: dict[str, tuple[str, ...]] = {
    "leads": ("mql_to_sql", "lead_response_hours"),
    "pipeline": ("pipeline_coverage", "stale_share"),
    "closing": ("win_rate", "sales_cycle_days"),
    "retention": ("grr", "logo_churn_rate"),
    "cost": ("cac", "cac_payback_months"),
}
#: Entities that a KPI can do without: a company of one currency has no rates.
_OPTIONAL = ("fx_rate", "field_history", "stage", "owner", "account", "contact", "lifecycle_event", "outreach_message")


@dataclass(frozen=True)
class Chosen:
    """A KPI that was chosen.

    Attributes:
        kpi: The KPI; its hypothesis says what follows from it.
        because: ``stage`` or ``held_back``.
        lacks: Canonical entities that it rests on and of which there are no rows yet.
    """

    kpi: Kpi
    because: Literal["stage", "held_back"]
    lacks: tuple[str, ...] = ()


def choose(
    catalogue: Catalogue, stage: str, pain: str = "", counts: Mapping[str, int] | None = None
) -> tuple[Chosen, ...]:
    """Five to seven KPIs; those that the data allows first, others only where too few would remain.

    Args:
        catalogue: Definitions.
        stage: ``launch``, ``growth`` or ``scale``.
        pain: What holds the company back, one of `PAINS`, or empty.
        counts: Rows by canonical entity, or None before there is any data.
    """
    urgent = HELD_BACK.get(pain, ())
    names = [name for name in dict.fromkeys((*urgent, *STAGES[stage])) if name in catalogue.kpis]
    found = [_chosen(catalogue.kpis[name][-1], urgent, counts) for name in names]
    ready, waiting = [each for each in found if not each.lacks], [each for each in found if each.lacks]
    return (*ready[:MOST], *waiting[: max(FEWEST - len(ready), 0)])


def _chosen(kpi: Kpi, urgent: tuple[str, ...], counts: Mapping[str, int] | None) -> Chosen:
    needed = [entity for entity in kpi.sources if entity not in _OPTIONAL]
    lacks = tuple(entity for entity in needed if counts is not None and not counts.get(entity))
    return Chosen(kpi, "held_back" if kpi.id in urgent else "stage", lacks)
