"""Targets agreed before a campaign starts, and kept as they were agreed."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from cadran.catalogue.locks import lock_of_row, target_row
from cadran.errors import QueryError
from cadran.period import local_day
from cadran.store.archive import open_archive
from cadran.workspace import LOCAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cadran.catalogue.definition import Catalogue, Target
    from cadran.config import Project
    from cadran.period import Period

#: Names of the columns of a lock in records, in order; names are only added.
FIELDS = ("campaign", "kpi", "start", "end", "locked_on", "person", "locked", "now", "is_edited")


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
    today = local_day(now.replace(tzinfo=UTC), project.zone)
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
