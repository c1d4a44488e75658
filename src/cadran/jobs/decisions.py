"""Decisions: recorded on the reading that they rest on, measured on their day, kept."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.engine.query import KpiQuery
from cadran.errors import CadranError, QueryError
from cadran.insights.decision import Effect, Plan
from cadran.insights.decision_record import decision_of, decision_row, effect_row
from cadran.insights.effect import check_plan, measure
from cadran.insights.record import records
from cadran.period import Period, local_day
from cadran.store.archive import open_archive
from cadran.store.settings import has_state
from cadran.view import LOCAL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from cadran.catalogue.definition import Kpi
    from cadran.config import Project
    from cadran.insights.decision import Decision
    from cadran.view import View

_POINTS = re.compile(r"([+\-−]?\s?\d+(?:[.,]\d+)?)\s*(?:pts?|points?)")
_NUMBER = re.compile(r"[+\-−]?\s?\d+(?:[.,]\d+)?")


def plan_of(  # noqa: PLR0913 - what a plan declares
    kpi: Kpi,
    title: str,
    owner: str,
    *,
    expected: str,
    start: date,
    days: int,
    due_on: date | None = None,
    predicates: Sequence[str] = (),
    control: Sequence[str] = (),
) -> Plan:
    """The plan that options describe: windows of the same length on both sides of a day.

    Args:
        kpi: KPI on which it is measured.
        title: What was decided.
        owner: Who answers for it.
        expected: ``+3pt`` for a rate; a signed number in the KPI's unit otherwise.
        start: First day on which it holds.
        days: Length of each window.
        due_on: Day on which it is measured; by default the first on which the window after has been watched.
        predicates: Segment that it touches.
        control: Segment that it does not touch.

    Raises:
        QueryError: The expected effect cannot be read.
    """
    after = Period(start, start + timedelta(days=days))
    return Plan(
        title=title,
        owner=owner,
        kpi=kpi.id,
        before=Period(start - timedelta(days=days), start),
        after=after,
        expected=parse_expected(expected, kpi),
        due_on=due_on or after.end + timedelta(days=kpi.window_days or 0),
        predicates=tuple(predicates),
        control=tuple(control),
    )


def parse_expected(text: str, kpi: Kpi) -> Decimal:
    """The effect that a text expects of a KPI, in its unit.

    Raises:
        QueryError: It is no number; or the KPI is a rate and it does not say that it is in points.
    """
    found = (_POINTS if kpi.unit == "rate" else _NUMBER).fullmatch(text.strip())
    if not found:
        raise QueryError(
            "The expected effect {text} cannot be read.",
            hint="Write +3pt for three points of a rate; for other KPIs a number in their unit, such as -5.",
            where="--expect",
            text=text,
        )
    number = found.group(1) if kpi.unit == "rate" else found.group()
    value = Decimal(re.sub(r"\s", "", number).replace("−", "-").replace(",", "."))
    return value / 100 if kpi.unit == "rate" else value


def decide(project: Project, view: View, plan: Plan, *, now: datetime, person: str = LOCAL) -> Decision:
    """Record a decision with the readings of its window before, as they are now.

    Args:
        project: Settings of the company.
        view: What the person may read.
        plan: What is declared.
        now: A naive UTC instant.
        person: Who records it.

    Raises:
        QueryError: Its effect could not be measured, or its window is over: it would not be declared before.
        StoreError: The application database cannot be used.
    """
    today = local_day(now, project.zone)
    if today >= plan.after.end:
        raise QueryError(
            "The window ended on {end}, before the decision was recorded on {day}.",
            hint="A decision is declared before its outcome is known: give a later --start.",
            where="--start",
            end=plan.after.end,
            day=today,
        )
    kpi = view.kpi(plan.kpi)
    check_plan(plan, kpi, view.ask_all)
    wheres = [plan.predicates, *([plan.control] if plan.control else [])]
    asked = [KpiQuery((kpi.id,), start=plan.before.start, end=plan.before.end, where=where) for where in wheres]
    language = project.languages[0]
    reading = [record for found in view.ask_all(asked) for record in records(found, language)]
    row = {
        **decision_row(plan),
        "version": kpi.version,
        "person": person,
        "decided_at": now,
        "decided_on": today,
        "reading": reading,
    }
    number = open_archive(project).add_decision(row)
    return decision_of({**row, "id": number, "effects": []})


def decisions(project: Project) -> tuple[Decision, ...]:
    """Every decision, oldest first.

    Raises:
        StoreError: The application database cannot be used.
    """
    return tuple(decision_of(row) for row in open_archive(project).decisions()) if has_state(project) else ()


def measure_due(project: Project, view: View, *, now: datetime) -> tuple[Decision, ...]:
    """Measure the decisions whose day has come; what time may still mend is shown and not kept.

    Returns:
        The decisions that were due, each with the effect found now.

    Raises:
        StoreError: The application database cannot be used.
    """
    today = local_day(now, project.zone)
    archive = open_archive(project)
    found = []
    for row in archive.decisions():
        decision = decision_of(row)
        if decision.status(today) != "to_measure":
            continue
        effect = _measured(decision, view, now)
        if effect.is_final:
            archive.add_effect({**effect_row(effect), "decision_id": decision.id})
        found.append(replace(decision, effect=effect))
    return tuple(found)


def _measured(decision: Decision, view: View, now: datetime) -> Effect:
    """The effect, or why the question cannot be asked now: a KPI or a dimension may come back."""
    plan = decision.plan
    try:
        return measure(plan, view.kpi(plan.kpi), view.ask_all, now)
    except CadranError as error:
        known, name = view.meta.known_at, view.meta.name
        return Effect("not_yet", plan.method, now, known, name, reason=error.message, params=error.params)
