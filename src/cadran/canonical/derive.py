"""Derived tables from landed ones: the same functions for "now" and for any past date.

`tables` takes the landed entities as Ibis tables (published, or cut to what was known on a day)
and gives the wide and derived tables that KPIs are computed on. Nothing is executed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.account_health import account_health
from cadran.canonical.cost import cost
from cadran.canonical.coverage import coverage_movement, due_states
from cadran.canonical.days import local_to_utc
from cadran.canonical.dimensions import with_owner
from cadran.canonical.entities import ENTITIES
from cadran.canonical.forecast import forecast_outcome
from cadran.canonical.funnel import lead_cycle
from cadran.canonical.identity import merged
from cadran.canonical.ladder import Ladder, build_ladder
from cadran.canonical.money import with_base
from cadran.canonical.opportunity import deals, opportunity
from cadran.canonical.outreach import outreach_delivery
from cadran.canonical.pipeline import pipeline_movement
from cadran.canonical.response import lead_response
from cadran.canonical.revenue import customer_month, mrr_movement
from cadran.canonical.schema import AUXILIARY, TYPES, empty
from cadran.canonical.selling import selling_week
from cadran.canonical.settings import recomputed
from cadran.canonical.shape import known_day, publish
from cadran.canonical.stages import marks, skipped, stage_interval, stage_passage, stays, steps
from cadran.canonical.target_account import target_account
from cadran.canonical.touch import account_approach, deal_touches, touch
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Keep, Settings


def tables(landed: Mapping[str, ir.Table], settings: Settings, keep: Keep = recomputed) -> dict[str, ir.Table]:
    """Every table that KPIs read, by entity name.

    Args:
        landed: Tables of `history.current`, one current row per id, and the auxiliary
            ``working_minutes`` table. Tables left out are empty.
        settings: See `Settings`.
        keep: Called with each table that several others rest on, in the order in which they can be
            computed; a build that stores it and returns the stored table saves most of the work.

    Returns:
        Each landed entity as it is published (``opportunity`` widened by the dimensions as of the
        event, money also in the base currency) and each derived entity of `canonical.entities`, with
        exactly the columns of `entities.published_columns`. Deleted rows are left out, but for
        subscriptions, of which deletion is the end (rule G-13).
    """
    given = {name: empty(name) for name, kind in ENTITIES.items() if not kind.derived}
    t = merged({**given, **{name: empty(name) for name in AUXILIARY}, **landed}, settings, keep)
    t = {name: keep(f"clean_{name}", table) for name, table in t.items()}
    published = {name: _alive(t[name], name) for name in given}
    for name in ("spend", "quota", "forecast_submission"):
        published[name] = _planned(published[name], name, t, settings)
    published |= deal_tables(t, settings, keep)
    # what a deal became is derived once; a source may leave its end to its stage
    t["opportunity"] = keep("opportunity", published["opportunity"])
    touches = keep("touches", touch(t, settings))
    due = keep("due_states", due_states(published["stage_steps"], published["deals"], t, settings))
    t["mrr_movement"] = keep("mrr_movement", mrr_movement(t, settings))
    t["customer_month"] = keep("customer_month", customer_month(t, settings))
    movements = publish(published["pipeline_movement"], "pipeline_movement", settings)
    t["pipeline_movement"] = keep("pipeline_movement", movements)
    t["outreach_delivery"] = keep("outreach_delivery", outreach_delivery(t, settings))
    published |= {
        "opportunity": t["opportunity"],
        "mrr_movement": t["mrr_movement"],
        "customer_month": t["customer_month"],
        "pipeline_movement": t["pipeline_movement"],
        "outreach_delivery": t["outreach_delivery"],
        "cost": cost(published["spend"], t, settings),
        "target_account": target_account(t, settings),
        "account_health": account_health(t, settings),
        "lead_cycle": lead_cycle(t, settings),
        "lead_response": lead_response(t, settings),
        "coverage_movement": coverage_movement(due, published["quota"], t, settings),
        "forecast_outcome": forecast_outcome(published["forecast_submission"], t, settings),
        "selling_week": selling_week(t, settings),
        "touch": touches,
        "account_approach": account_approach(touches, settings),
    }
    return {name: publish(published[name], name, settings) for name in ENTITIES}


def deal_tables(t: Mapping[str, ir.Table], settings: Settings, keep: Keep = recomputed) -> dict[str, ir.Table]:
    """The tables about deals, which rest on the same steps: opportunity, the two of stages, the pipeline.

    Args:
        t: Tables of `history.current`, duplicates merged.
        settings: See `Settings`.
        keep: See `tables`.

    Returns:
        Tables that have more columns than are published, and ``stage_steps`` and ``deals``, which they rest on.
    """
    written = keep("stage_marks", marks(t))
    ladder = build_ladder(t, written)
    ladder = Ladder(texts=keep("stage_texts", ladder.texts), rungs=keep("stage_rungs", ladder.rungs))
    walked = keep("stage_steps", steps(written, ladder))
    standing = keep("deals", deals(t, settings, walked, ladder))
    stayed = keep("stage_stays", stays(walked, standing, settings))
    every = stayed.union(skipped(stayed, ladder))
    touches = keep("deal_touches", deal_touches(t, settings))
    return {
        "opportunity": opportunity(standing, t, settings, touches),
        "stage_interval": stage_interval(every, t),
        "stage_passage": stage_passage(every, standing, t, settings, touches),
        "pipeline_movement": pipeline_movement(walked, standing, t, settings),
        "stage_steps": walked,
        "deals": standing,
    }


def _alive(table: ir.Table, name: str) -> ir.Table:
    return table if name == "subscription" else table.filter(table.deleted_at.isnull())


def _planned(table: ir.Table, name: str, t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """Plans and costs in the base currency, at the rate of their first day, with whose they are."""
    day = "day_on" if name == "spend" else "start_on"
    # A period to come has no rate yet: the last known one serves.
    known = ibis.literal(known_day(settings), "date")
    rows = table.mutate(rate_on=ibis.least(table[day], known))
    rows = with_base(rows, t["fx_rate"], settings, amounts={"amount_base": "amount"}, day="rate_on")
    if name == "spend":
        return rows
    rows = rows.mutate(starts_at=local_to_utc(rows.start_on.cast(TYPES["timestamp"]), settings.zone))
    return with_owner(rows, t, at="starts_at")
