"""Contracts over time: a change is proposed with what it does to the figures, and its owner brings it in force.

An approved change is a file of the project's ``catalogue`` folder: from its day on the new version counts,
and periods before it stay on theirs unless the change says that it restates them (T-98).
"""

from __future__ import annotations

from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING, Any

from cadran.catalogue.approval import Approval
from cadran.catalogue.load import load_catalogue
from cadran.catalogue.revision import changed, keys_of, keys_text, revised, revision_text
from cadran.engine.query import KpiQuery
from cadran.errors import QueryError
from cadran.insights.redefinition import redefinition_record
from cadran.jobs.exchange import write_files
from cadran.period import local_day
from cadran.record import load_yaml
from cadran.store.contracts import open_contracts
from cadran.store.settings import has_state
from cadran.view import LOCAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from cadran.catalogue.definition import Kpi
    from cadran.config import Project
    from cadran.insights.redefinition import Redefinition
    from cadran.period import Calendar, Grain
    from cadran.view import View

Row = dict[str, Any]
#: Names of the columns of a change in records, in order; names are only added.
FIELDS = (
    "change", "kpi", "base", "version", "effective_from", "restated_until", "reason", "person", "proposed_on", "status",
    "decided_by", "decided_on", "answer", "n_in", "n_out",
)  # fmt: skip
#: Periods that a change is shown on, the running one left out.
PAST = 6


def change_keys(path: Path) -> dict[str, Any]:
    """The keys of a contract that a file changes.

    Raises:
        ConfigError: The file cannot be read, is not YAML, or does not hold a mapping.
    """
    return dict(load_yaml(path))


def propose(  # noqa: PLR0913 - what a proposal says
    project: Project,
    view: View,
    name: str,
    keys: Mapping[str, Any],
    *,
    version: str,
    start: date,
    reason: str,
    now: datetime,
    restates: bool = False,
    person: str = LOCAL,
) -> Row:
    """Keep a proposed change with what it does to the figures of the last periods.

    Args:
        project: Settings of the company.
        view: What the person may read.
        name: KPI id.
        keys: Keys of the contract that change, as YAML has them; empty to restate with the newest version.
        version: Name of the new version; the newest one's to restate with it.
        start: First day on which it counts.
        reason: Why.
        now: A naive UTC instant.
        restates: True when periods that began before today are to be told anew.
        person: Who proposes.

    Raises:
        DefinitionError: There is no such KPI, or the version cannot be used.
        QueryError: The reason or the change is missing; the version exists or starts before the newest; or past
            periods would change without being said to be restated.
        StoreError: The application database cannot be used.
    """
    today = local_day(now.replace(tzinfo=UTC), project.zone)
    before = view.kpi(name)
    _check(before, keys, version, start, reason)
    if start < today and not restates:
        raise QueryError(
            "From {start} on, periods that were told already would change.",
            hint="Give a day from {today} on, or say that they are restated with --restate.",
            where="--from",
            start=start,
            today=today,
        )
    text = revision_text(name, version, start, keys)
    _, after = revised(project.catalogue, name, text, "catalogue/proposal")
    found = compare(view, after)
    values = {
        "kpi": name,
        "base": before.version,
        "version": version,
        "effective_from": start,
        "restated_until": today if start < today else None,
        "keys": keys_text(keys),
        "reason": reason.strip(),
        "person": person,
        "proposed_at": now,
        "proposed_on": today,
        "shown": {**redefinition_record(found), "keys": changed(before, after)},
    }
    return open_contracts(project).change(open_contracts(project).propose(values))


def compare(view: View, after: Kpi, *, start: date | None = None, end: date | None = None) -> Redefinition:
    """A version that is proposed beside the one in force, over a span or the last whole periods of its cadence."""
    grain = next((g for g in _GRAINS.get(after.cadence, ("month",)) if g in after.grains), after.grains[-1])
    first, last = _span(view, grain)  # type: ignore[arg-type]
    query = KpiQuery((after.id,), grain=grain, start=start or first, end=end or last)  # type: ignore[arg-type]
    return view.redefined(after, query)


def recompute(
    project: Project, view: View, number: int, *, start: date | None = None, end: date | None = None
) -> tuple[Row, Redefinition]:
    """A change that was proposed, with what it does to the figures as they are now.

    Raises:
        QueryError: No change has that number, or the span cannot be asked.
        StoreError: The application database cannot be used.
    """
    row = open_contracts(project).change(number)
    _, after = revised(project.catalogue, row["kpi"], _text(row), _name(row))
    return row, compare(view, after, start=start, end=end)


def approve(project: Project, number: int, *, owner: str, now: datetime) -> Row:
    """Bring a change in force, as the owner of its KPI.

    Raises:
        QueryError: No change has that number, it is decided, another version came in between, or somebody else
            owns the KPI.
        ConfigError: The file cannot be written.
        StoreError: The application database cannot be used.
    """
    book = open_contracts(project)
    row = book.change(number)
    known = load_catalogue(project.catalogue)[0].kpi(row["kpi"])
    _check_owner(known, owner)
    path = project.catalogue / f"change_{number:04}_{row['kpi']}.yml"
    # one that was approved and whose file could not be written, or was lost, may be brought in force again
    is_lost = row["is_approved"] and not path.exists()
    if not is_lost:
        if known.version != row["base"] and row["decided_at"] is None:
            raise QueryError(
                "{kpi} is at version {version} by now, and the change was made for {base}.",
                hint="Propose it again.",
                where="change",
                kpi=row["kpi"],
                version=known.version,
                base=row["base"],
            )
        revised(project.catalogue, row["kpi"], _text(row), _name(row))
        today = local_day(now.replace(tzinfo=UTC), project.zone)
        row |= {"decided_at": now, "decided_on": today, "decided_by": owner, "is_approved": True}
        book.decide(number, {name: row[name] for name in ("decided_at", "decided_on", "decided_by", "is_approved")})
    approval = Approval(row["decided_by"], row["decided_on"], row["reason"], row["restated_until"])
    text = revision_text(row["kpi"], row["version"], row["effective_from"], keys_of(row["keys"]), approval)
    write_files({path.name: text}, project.catalogue)
    return row


def refuse(project: Project, number: int, *, owner: str, reason: str, now: datetime) -> Row:
    """Refuse a change, as the owner of its KPI, for a reason.

    Raises:
        QueryError: No change has that number, it is decided, there is no reason, or somebody else owns the KPI.
        StoreError: The application database cannot be used.
    """
    book = open_contracts(project)
    row = book.change(number)
    _check_owner(load_catalogue(project.catalogue)[0].kpi(row["kpi"]), owner)
    if not reason.strip():
        raise QueryError("A refusal needs a reason.", hint="Give it with --reason.", where="--reason")
    today = local_day(now.replace(tzinfo=UTC), project.zone)
    decided = {"decided_at": now, "decided_on": today, "decided_by": owner, "is_approved": False}
    decided["answer"] = reason.strip()
    book.decide(number, decided)
    return {**row, **decided}


def history(project: Project, kpi: str = "") -> tuple[Row, ...]:
    """Every change that was proposed, oldest first; none where the project has no application database.

    Raises:
        StoreError: The application database cannot be used.
    """
    return open_contracts(project).changes(kpi) if has_state(project) else ()


def change(project: Project, number: int) -> Row:
    """A change by its number.

    Raises:
        QueryError: No change has that number.
        StoreError: The application database cannot be used.
    """
    return open_contracts(project).change(number)


def status_of(row: Mapping[str, Any]) -> str:
    """``proposed``, ``approved`` or ``refused``."""
    if row["decided_at"] is None:
        return "proposed"
    return "approved" if row["is_approved"] else "refused"


def change_record(row: Mapping[str, Any]) -> Row:
    """A change as plain values, by the names of `FIELDS`."""
    days = ("effective_from", "restated_until", "proposed_on", "decided_on")
    told = {name: row[name].isoformat() if row[name] else None for name in days}
    counts = {name: row["shown"][name] for name in ("n_in", "n_out")}
    whole = {**row, **told, **counts, "change": row["id"], "status": status_of(row)}
    return {name: whole[name] for name in FIELDS}


_GRAINS: dict[str, Sequence[Grain]] = {"daily": ("week",), "weekly": ("month",), "quarterly": ("quarter",)}


def _span(view: View, grain: Grain) -> tuple[date, date]:
    calendar: Calendar = view.project.calendar
    running = calendar.containing(local_day(view.meta.known_at.replace(tzinfo=UTC), view.project.zone), grain)
    period = running
    for _ in range(PAST):
        period = calendar.containing(period.start - timedelta(days=1), grain)
    return period.start, running.start


def _check(before: Kpi, keys: Mapping[str, Any], version: str, start: date, reason: str) -> None:
    if not reason.strip():
        raise QueryError("A change of a contract needs a reason.", hint="Give it with --reason.", where="--reason")
    is_restatement = version == before.version
    if is_restatement == bool(keys):
        raise QueryError(
            "A change says what changes under a new version, or restates with version {version} as it is.",
            hint="Give --change with a new --version, or neither key.",
            where="--version",
            version=before.version,
        )
    first = before.effective_from
    if first is not None and (start >= first if is_restatement else start <= first):
        raise QueryError(
            "Version {version} counts from {first}: a new one starts later, and a restatement earlier.",
            where="--from",
            version=before.version,
            first=first,
        )
    if first is None and is_restatement:
        raise QueryError(
            "Version {version} counts for every period already.", where="--version", version=before.version
        )


def _check_owner(kpi: Kpi, owner: str) -> None:
    if owner.strip().casefold() != kpi.owner.casefold():
        raise QueryError(
            "{kpi} is owned by {owner}, who alone approves or refuses a change.",
            hint="Ask {owner}, or change the owner in catalogue/ first.",
            where="--by",
            kpi=kpi.id,
            owner=kpi.owner or "–",
        )


def _text(row: Mapping[str, Any]) -> str:
    return revision_text(row["kpi"], row["version"], row["effective_from"], keys_of(row["keys"]))


def _name(row: Mapping[str, Any]) -> str:
    return f"catalogue/change {row['id']}"
