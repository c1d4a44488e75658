"""Targets: proposed from the past, agreed before a campaign starts, and kept as they were agreed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cadran.catalogue.locks import lock_of_row, target_row
from cadran.engine.query import KpiQuery
from cadran.errors import QueryError
from cadran.i18n import say
from cadran.insights.suggest import suggestions
from cadran.period import local_day
from cadran.store.archive import open_archive
from cadran.view import LOCAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cadran.catalogue.definition import Catalogue, Target
    from cadran.config import Project
    from cadran.insights.suggest import Suggestion
    from cadran.period import Grain, Period
    from cadran.view import View

#: Names of the columns of a suggestion and of a lock in records, in order; names are only added.
SUGGESTION_FIELDS = (
    "kpi", "segment", "period_start", "period_end", "method", "likely", "ambitious", "best", "base", "n_past", "noise",
    "is_within_noise", "benchmark_low", "benchmark_high", "benchmark_source", "benchmark_grade", "reason",
    "benchmark_year", "benchmark_market", "benchmark_segment",
)  # fmt: skip
#: Periods that a suggestion looks back on: two years of changes over a year, by quarter.
PAST = 12
FIELDS = ("campaign", "kpi", "start", "end", "locked_on", "person", "locked", "now", "is_edited")


def suggest_targets(view: View, name: str, *, by: Sequence[str] = (), grain: Grain = "quarter") -> list[Suggestion]:
    """What to aim at in the next period, for a KPI and each of its segments.

    Args:
        view: What the person may read.
        name: KPI id.
        by: Dimensions that break it down.
        grain: Length of the period that a target is for.

    Raises:
        DefinitionError: No KPI has that name.
        QueryError: It cannot be broken down or cut that way.
    """
    kpi, calendar = view.kpi(name), view.project.calendar
    # the period that is running is the next to aim at; its figures so far are none of the past
    coming = calendar.containing(local_day(view.meta.known_at, view.project.zone), grain)
    start = coming.start
    for _ in range(PAST):
        start = calendar.containing(start - timedelta(days=1), grain).start
    # the period in which the data starts is not whole either
    first = min((r.figure.start for r in view.ask(KpiQuery((kpi.id,), end=coming.start)).readings), default=start)
    while start < min(first, coming.start):
        start = calendar.containing(start, grain).end
    # where no period is whole, the running one says at least which segments there are
    answer = view.ask(
        KpiQuery((kpi.id,), by=tuple(by), grain=grain, start=start, end=max(coming.start, start + timedelta(days=1)))
    )
    return suggestions(answer, kpi, grain, calendar, coming)


def suggestion_record(found: Suggestion, language: str) -> dict[str, Any]:
    """A suggestion by the names of `SUGGESTION_FIELDS`; levels are decimal digits."""
    benchmark = found.benchmark
    levels = {name: getattr(found, name) for name in ("likely", "ambitious", "best", "base")}
    return {
        "kpi": found.kpi.id,
        "segment": dict(found.segment),
        "period_start": found.period.start.isoformat(),
        "period_end": found.period.end.isoformat(),
        "method": found.method,
        **{name: None if level is None else format(round(level, 6), "f") for name, level in levels.items()},
        "n_past": found.n_past,
        "noise": found.noise,
        "is_within_noise": found.is_within_noise,
        "benchmark_low": format(benchmark.low, "f") if benchmark and benchmark.low is not None else None,
        "benchmark_high": format(benchmark.high, "f") if benchmark and benchmark.high is not None else None,
        "benchmark_source": benchmark.source if benchmark else None,
        "benchmark_grade": benchmark.grade if benchmark else None,
        "reason": say(found.reason, found.params or {}, language) if found.reason else "",
        "benchmark_year": benchmark.year if benchmark else None,
        "benchmark_market": benchmark.market if benchmark else None,
        "benchmark_segment": dict(benchmark.segment) if benchmark else None,
    }


def lock_targets(  # noqa: PLR0913 - what a lock says
    project: Project,
    catalogue: Catalogue,
    campaign: str,
    names: Sequence[str],
    span: Period,
    *,
    now: datetime,
    person: str = LOCAL,
) -> None:
    """Lock the targets of KPIs for a campaign that has not started.

    Args:
        project: Settings of the company.
        catalogue: Definitions as they are now.
        campaign: What the targets are agreed for.
        names: KPI ids.
        span: Days of the campaign.
        now: A naive UTC instant.
        person: Who locks them.

    Raises:
        DefinitionError: No KPI has that name.
        QueryError: The campaign has started, a KPI has no target, or its targets are locked already.
        StoreError: The application database cannot be used.
    """
    today = local_day(now, project.zone)
    if span.start <= today:
        raise QueryError(
            "The campaign started on {start}: a target is agreed before.",
            hint="Lock it before its first day.",
            where="--start",
            start=span.start,
        )
    if span.end <= span.start:
        raise QueryError("The campaign ends before it starts.", hint="Give a later --end.", where="--end")
    kpis = [catalogue.kpi(name) for name in dict.fromkeys(names)]
    bare = next((kpi for kpi in kpis if not kpi.targets), None)
    if bare is not None:
        raise QueryError(
            "{kpi} has no target to lock.", hint="Write one in catalogue/ first.", where="--kpi", kpi=bare.id
        )
    rows = [
        {
            "campaign": campaign,
            "kpi": kpi.id,
            "version": kpi.version,
            "start": span.start,
            "end": span.end,
            "locked_at": now,
            "locked_on": today,
            "person": person,
            "targets": [target_row(target) for target in kpi.targets],
        }
        for kpi in kpis
    ]
    open_archive(project).lock(rows)


def lock_records(project: Project, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Every lock by the names of `FIELDS`, with the targets as they are now beside those locked.

    Raises:
        StoreError: The application database cannot be used.
    """
    return [_record(row, catalogue) for row in open_archive(project).locks()]


def _record(row: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    locked = lock_of_row(row).targets
    now: tuple[Target, ...] = catalogue.kpis[row["kpi"]][-1].targets if row["kpi"] in catalogue.kpis else ()
    return {
        "campaign": row["campaign"],
        "kpi": row["kpi"],
        "start": row["start"].isoformat(),
        "end": row["end"].isoformat(),
        "locked_on": row["locked_on"].isoformat(),
        "person": row["person"],
        "locked": [target_row(target) for target in locked],
        "now": [target_row(target) for target in now],
        "is_edited": locked != now,
    }
