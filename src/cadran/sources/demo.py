"""A sample company whose every figure is known: a French software house that enters the United States.

`write_company` writes a whole project: settings, mappings of what Cadran does not recognise by
itself, targets, and the exports of its CRM, advertising, web and billing tools. The same seed and
last day give the same bytes. What was planted comes back as `Truths`.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from cadran.sources.demo_activities import activities, outreach
from cadran.sources.demo_billing import billing
from cadran.sources.demo_cast import make_world
from cadran.sources.demo_crm import crm
from cadran.sources.demo_deals import make_deals
from cadran.sources.demo_leads import make_leads
from cadran.sources.demo_marketing import marketing
from cadran.sources.demo_plans import costs, forecasts, fx_rates, quotas, time_entries
from cadran.sources.demo_planted import Truths
from cadran.sources.demo_project import write_project
from cadran.sources.demo_revenue import choose_legacy, make_revenue
from cadran.sources.demo_truth import truths

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cadran.sources.demo_world import World

__all__ = ["Truths", "write_company"]

#: Last day of the sample unless another one is asked for.
UNTIL = date(2026, 6, 30)


def write_company(
    folder: Path,
    *,
    seed: int = 7,
    until: date = UNTIL,
    progress: Callable[[str, int], None] | None = None,
) -> Truths:
    """Write the project of the sample company.

    Args:
        folder: Folder of the project; made when it does not exist.
        seed: Seed of every draw.
        until: Last day of the twenty-four months; every export was made on its evening.
        progress: Called with the name of each export and its number of rows, once it is written.

    Returns:
        What was planted.

    Raises:
        ConfigError: The folder holds a project already.
    """
    world = tell(seed, until)
    messages, replies = outreach(world)
    adverts, advertising = marketing(world)
    forecast, commits = forecasts(world)
    plans = [quotas(world), forecast, costs(world), time_entries(world), fx_rates(world)]
    exports = [*crm(world), *billing(world), activities(world), messages, *adverts, *plans]
    write_project(folder, exports)
    for export in exports:
        export.write(folder / "exports")
        if progress:
            progress(export.name, len(export.rows))
    return truths(world, exports, replies, advertising, commits)


def tell(seed: int, until: date) -> World:
    """The story of the company: everything that happens, before any of it is exported."""
    world = make_world(seed, until)
    make_leads(world)
    legacy = choose_legacy(world)
    make_deals(world)
    make_revenue(world, legacy)
    world.deals.sort(key=lambda deal: (deal.created, deal.id))
    return world
