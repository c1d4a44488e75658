"""An annual goal spread over teams, quarters and segments, and how a running period paces towards its target."""

from __future__ import annotations

from datetime import UTC, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any

import yaml

from cadran.engine.query import KpiQuery
from cadran.errors import CadranError, ConfigError, QueryError
from cadran.insights.cascade import YEARS, Need, cascade, needs_of_arr
from cadran.insights.pacing import pacing
from cadran.insights.targets import target_of
from cadran.period import local_day

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from cadran.catalogue.definition import Kpi, Target
    from cadran.engine.result import Number
    from cadran.insights.cascade import Cascade, Portion
    from cadran.insights.pacing import Pacing
    from cadran.insights.reading import Reading
    from cadran.period import Grain, Period
    from cadran.view import View

#: Names of the columns of a target of a cascade and of a pacing in records, in order; names are only added.
FIELDS = ("kpi", "period_start", "period_end", "segment", "value", "weight", "n_years")
PACE_FIELDS = (
    "kpi", "period_start", "period_end", "until", "target", "so_far", "due", "low", "high", "straight", "verdict",
    "n_past",
)  # fmt: skip
#: The balance whose goal is reached by what is won.
ARR = "arr"
#: What the last twelve months tell of the way to an ARR.
_LEVELS = ("mrr_churn", "mrr_contraction", "mrr_expansion", "mrr_reactivation", "acv", "win_rate")


def spread_goal(
    view: View, name: str, goal: Decimal, *, day: date | None = None, by: Sequence[str] = ()
) -> tuple[tuple[Need, Cascade], ...]:
    """What a goal asks of each team's KPI, quarter and segment.

    Args:
        view: What the person may read.
        name: ``arr``, or a KPI that adds up over the year, such as new customers, bookings or cash received.
        goal: Level at the end of the year for ``arr``; else what the year has to bring.
        day: A day of the year; the next one by default.
        by: Dimensions, each of which splits every quarter.

    Raises:
        DefinitionError: No KPI has that name.
        QueryError: The KPI does not add up, cannot be split that way, or the goal is not over what there is.
    """
    calendar = view.project.calendar
    today = _today(view)
    year = calendar.containing(day or calendar.containing(today, "year").end, "year")
    needs = _needs(view, goal, today) if name == ARR else (Need(name, goal),)
    found = []
    for need in needs:
        kpi = view.kpi(need.kpi)
        _check_flow(kpi)
        step = Decimal(1)
        whole = Need(need.kpi, need.value.quantize(step, ROUND_CEILING), need.by)
        past = _quarters(view, kpi, year, today, ())
        splits = [_quarters(view, kpi, year, today, (each,)) for each in by if each in kpi.dimensions]
        parts = [cascade(whole.value, year, calendar, past, split, step=step) for split in splits or [()]]
        segments = tuple(portion for part in parts for portion in part.segments)
        first = parts[0]
        found.append((whole, type(first)(first.goal, first.quarters, segments, first.n_years)))
    return tuple(found)


def goal_records(found: Sequence[tuple[Need, Cascade]]) -> list[dict[str, Any]]:
    """The targets of a cascade as plain values, by the names of `FIELDS`."""
    return [
        {
            "kpi": need.kpi,
            "period_start": portion.quarter.start.isoformat(),
            "period_end": portion.quarter.end.isoformat(),
            "segment": dict(portion.segment),
            "value": format(portion.value, "f"),
            "weight": round(float(portion.weight), 6),
            "n_years": each.n_years,
        }
        for need, each in found
        for portion in (*each.quarters, *each.segments)
    ]


def write_goal(view: View, found: Sequence[tuple[Need, Cascade]]) -> Path:
    """The file of the project's catalogue/ that the targets were written to.

    What is not given stays without a target of its own; targets of other segments or days are kept.

    Raises:
        ConfigError: There is one for that year already, or it cannot be written.
    """
    first = found[0][1].quarters[0].quarter.start
    path = view.project.catalogue / f"targets_{first.isoformat()}.yml"
    if path.exists():
        raise ConfigError(
            "There are already targets in {file}.",
            hint="Change them, or remove the file and try again.",
            where=f"catalogue/{path.name}",
            file=f"catalogue/{path.name}",
        )
    targets = {need.kpi: _written(view.kpi(need.kpi), each) for need, each in found}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"targets": targets}, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def pace_of_target(view: View, name: str, *, grain: Grain = "quarter", where: Sequence[str] = ()) -> Pacing:
    """Where the running period of a KPI stands on the way to its target, by the company's own season.

    Raises:
        DefinitionError: No KPI has that name.
        QueryError: It does not add up over a period, or has no target for the running one.
    """
    kpi, calendar, today = view.kpi(name), view.project.calendar, _today(view)
    _check_flow(kpi)
    running = calendar.containing(today, grain)
    whole = KpiQuery((kpi.id,), grain=grain, start=running.start, end=running.end, where=tuple(where))
    target = next((target_of(r.figure) for r in view.ask(whole).readings), None)
    if target is None:
        raise QueryError(
            "{kpi} has no target for the running period.",
            hint="Write one in catalogue/, or spread a goal: `cadran targets cascade`.",
            where="kpi",
            kpi=kpi.id,
        )
    past: list[Period] = []
    period = running
    for _ in range(4 * YEARS if grain == "quarter" else 12):
        period = calendar.previous(period, grain)
        past.append(period)
    first = min((r.figure.start for r in view.ask(KpiQuery((kpi.id,), end=today)).readings), default=today)
    past = [each for each in past if each.start >= first]
    asked = KpiQuery((kpi.id,), grain="day", start=min((p.start for p in past), default=running.start), end=today,
                     where=tuple(where))  # fmt: skip
    days = {r.figure.start: _decimal(r.value) for r in view.ask(asked).readings if r.value is not None}
    return pacing(running, today, target.value, days, past)


def pace_record(name: str, found: Pacing) -> dict[str, Any]:
    """A pacing as plain values, by the names of `PACE_FIELDS`."""
    levels = {each: getattr(found, each) for each in ("target", "so_far", "due", "low", "high", "straight")}
    return {
        "kpi": name,
        "period_start": found.period.start.isoformat(),
        "period_end": found.period.end.isoformat(),
        "until": found.until.isoformat(),
        **{each: None if level is None else format(round(level, 2), "f") for each, level in levels.items()},
        "verdict": found.verdict,
        "n_past": found.n_past,
    }


def _needs(view: View, goal: Decimal, today: date) -> tuple[Need, ...]:
    start = view.project.calendar.containing(today, "month").start
    first = start.replace(year=start.year - 1)
    levels: dict[str, Decimal | None] = {}
    for name in (ARR, *_LEVELS):
        span = (start - timedelta(days=1), start) if name == ARR else (first, start)
        try:
            (reading,) = view.ask(KpiQuery((name,), start=span[0], end=span[1])).readings
        except (CadranError, ValueError):
            continue
        levels[name] = None if reading.value is None else _decimal(reading.value)
    needs = needs_of_arr(goal, levels)
    if not needs or needs[0].value <= 0:
        raise QueryError(
            "An ARR of {goal} asks for nothing new: there is {arr}, and it grows by itself.",
            hint="Give a higher --goal.",
            where="--goal",
            goal=goal,
            arr=levels.get(ARR) or 0,
        )
    return needs


def _quarters(view: View, kpi: Kpi, year: Period, today: date, by: tuple[str, ...]) -> Sequence[Reading]:
    """Readings of the quarters that are over, far enough back to tell a season."""
    calendar = view.project.calendar
    first = calendar.containing(year.start, "quarter")
    for _ in range(4 * (YEARS + 1)):
        first = calendar.previous(first, "quarter")
    end = min(calendar.containing(today, "quarter").start, year.start)
    known = min((r.figure.start for r in view.ask(KpiQuery((kpi.id,), end=today)).readings), default=first.start)
    # the quarter in which the data starts is not whole
    start = max(first.start, calendar.containing(known, "quarter").end if known > first.start else first.start)
    if start >= end:
        return ()
    return view.ask(KpiQuery((kpi.id,), by=by, grain="quarter", start=start, end=end)).readings


def _check_flow(kpi: Kpi) -> None:
    agg = kpi.numerator.agg if kpi.numerator else ""
    if kpi.kind != "simple" or kpi.basis != "period" or agg not in ("count", "sum") or kpi.default_by:
        raise QueryError(
            "{kpi} does not add up over a year: its parts are no parts of a goal.",
            hint="Give a count or a sum, such as new_customers or bookings, or arr.",
            where="kpi",
            kpi=kpi.id,
        )


def _written(kpi: Kpi, found: Cascade) -> list[dict[str, Any]]:
    portions = [
        each for each in (*found.quarters, *found.segments) if all(value is not None for _, value in each.segment)
    ]
    new = [_target(each) for each in portions]
    first, last = found.quarters[0].quarter.start, found.quarters[-1].quarter.end
    taken = [dict(each.segment) for each in portions]
    kept = [each for each in kpi.targets if dict(each.segment) not in taken or _is_apart(each, first, last)]
    return [_kept(each) for each in kept] + new


def _is_apart(target: Target, first: date, last: date) -> bool:
    return (target.end is not None and target.end <= first) or (target.start is not None and target.start >= last)


def _target(portion: Portion) -> dict[str, Any]:
    days = {"start": portion.quarter.start, "end": portion.quarter.end}
    segment = {"segment": dict(portion.segment)} if portion.segment else {}
    return {"value": int(portion.value), **segment, **days}


def _kept(target: Target) -> dict[str, Any]:
    told = {"value": float(target.value), "high": None if target.high is None else float(target.high)}
    days = {"segment": dict(target.segment) or None, "start": target.start, "end": target.end}
    return {name: value for name, value in {**told, **days}.items() if value is not None}


def _decimal(value: Number | None) -> Decimal:
    return Decimal(str(value))


def _today(view: View) -> date:
    return local_day(view.meta.known_at.replace(tzinfo=UTC), view.project.zone)
