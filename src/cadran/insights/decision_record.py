"""Decisions and effects as plain values: what the archive keeps, and what JSON and CSV show."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cadran.i18n import say
from cadran.insights.decision import Cell, Decision, Effect, Plan
from cadran.insights.record import plain
from cadran.period import Period, instant

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names of the columns of a record, in order. Other programs rely on them: names are only added.
FIELDS = (
    "id", "title", "owner", "person", "kpi", "version", "where", "control", "decided_on", "before_start", "before_end",
    "after_start", "after_end", "due_on", "status", "expected", "per", "outcome", "effect", "low", "high", "is_held",
    "method", "has_drifted", "is_late", "reason", "measured_at", "known_at", "snapshot",
)  # fmt: skip


def decision_record(decision: Decision, today: date, language: str) -> dict[str, Any]:
    """One decision by the names of `FIELDS`: rates in 0..1, days as ISO 8601, null where there is nothing yet."""
    plan, effect = decision.plan, decision.effect
    return {
        "id": decision.id,
        "title": plan.title,
        "owner": plan.owner,
        "person": decision.person,
        "kpi": plan.kpi,
        "version": decision.version,
        "where": list(plan.predicates),
        "control": list(plan.control),
        "decided_on": decision.decided_on.isoformat(),
        "before_start": plan.before.start.isoformat(),
        "before_end": plan.before.end.isoformat(),
        "after_start": plan.after.start.isoformat(),
        "after_end": plan.after.end.isoformat(),
        "due_on": plan.due_on.isoformat(),
        "status": decision.status(today),
        "expected": plain(plan.expected),
        "per": "week" if effect and effect.is_weekly else None,
        "outcome": effect.outcome if effect else None,
        "effect": effect.value if effect else None,
        "low": effect.low if effect else None,
        "high": effect.high if effect else None,
        "is_held": decision.is_held,
        "method": plan.method,
        "has_drifted": effect.has_drifted if effect else None,
        "is_late": decision.is_late,
        "reason": say(effect.reason, effect.params, language) if effect and effect.reason else "",
        "measured_at": instant(effect.measured_at) if effect else None,
        "known_at": instant(effect.known_at) if effect else None,
        "snapshot": effect.snapshot if effect else None,
    }


def decision_row(plan: Plan) -> dict[str, Any]:
    """The columns of the archive that a plan fills."""
    return {
        "title": plan.title,
        "owner": plan.owner,
        "kpi": plan.kpi,
        "predicates": list(plan.predicates),
        "control": list(plan.control),
        "before_start": plan.before.start,
        "before_end": plan.before.end,
        "after_start": plan.after.start,
        "after_end": plan.after.end,
        "expected": plain(plan.expected),
        "due_on": plan.due_on,
    }


def decision_of(row: Mapping[str, Any]) -> Decision:
    """The decision that a row of the archive keeps, with the effect that was measured first."""
    plan = Plan(
        title=row["title"],
        owner=row["owner"],
        kpi=row["kpi"],
        before=Period(row["before_start"], row["before_end"]),
        after=Period(row["after_start"], row["after_end"]),
        expected=Decimal(row["expected"]),
        due_on=row["due_on"],
        predicates=tuple(row["predicates"]),
        control=tuple(row["control"]),
    )
    effects = row["effects"]
    return Decision(
        id=row["id"],
        plan=plan,
        version=row["version"],
        person=row["person"],
        decided_on=row["decided_on"],
        reading=row["reading"],
        # what was measured first counts: measuring again until it pleases is no measure
        effect=effect_of(effects[0]) if effects else None,
    )


def effect_row(effect: Effect) -> dict[str, Any]:
    """The columns of the archive that an effect fills."""
    document = {
        "outcome": effect.outcome,
        "method": effect.method,
        "is_weekly": effect.is_weekly,
        "value": effect.value,
        "low": effect.low,
        "high": effect.high,
        "drift": list(effect.drift) if effect.drift else None,
        "reason": effect.reason,
        "params": {
            name: value if isinstance(value, int | float | str) else str(value) for name, value in effect.params.items()
        },
        "cells": [_cell_record(cell) for cell in effect.cells],
    }
    return {
        "measured_at": effect.measured_at,
        "known_at": effect.known_at,
        "snapshot": effect.snapshot,
        "document": document,
    }


def effect_of(row: Mapping[str, Any]) -> Effect:
    """The effect that a row of the archive keeps; the inverse of `effect_row`."""
    kept = row["document"]
    return Effect(
        outcome=kept["outcome"],
        method=kept["method"],
        measured_at=row["measured_at"],
        known_at=row["known_at"],
        snapshot=row["snapshot"],
        is_weekly=kept["is_weekly"],
        value=kept["value"],
        low=kept["low"],
        high=kept["high"],
        cells=tuple(_cell_of(cell) for cell in kept["cells"]),
        drift=tuple(kept["drift"]) if kept["drift"] else None,
        reason=kept["reason"],
        params=kept["params"],
    )


def _cell_record(cell: Cell) -> dict[str, Any]:
    return {
        "role": cell.role,
        "window": cell.window,
        "start": cell.period.start.isoformat(),
        "end": cell.period.end.isoformat(),
        "value": cell.value,
        "low": cell.low,
        "high": cell.high,
        "n": cell.n,
    }


def _cell_of(kept: Mapping[str, Any]) -> Cell:
    period = Period(date.fromisoformat(kept["start"]), date.fromisoformat(kept["end"]))
    return Cell(kept["role"], kept["window"], period, kept["value"], kept["low"], kept["high"], kept["n"])
