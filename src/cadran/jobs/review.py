"""Reviews: an agenda is prepared once per snapshot, kept, and each of its items ends as an action or for a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadran.errors import QueryError, did_you_mean
from cadran.insights.decision_record import decision_of, decision_record
from cadran.insights.record import plain, record
from cadran.insights.review import Prepare
from cadran.period import local_day
from cadran.store.archive import open_archive
from cadran.store.settings import has_state

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from cadran.catalogue.definition import Board, Catalogue
    from cadran.config import Project
    from cadran.insights.review import Item
    from cadran.store.archive import Archive
    from cadran.view import View

Row = dict[str, Any]
#: Names of the columns of an item and of an action in records, in order; names are only added.
ITEM_FIELDS = (
    "review", "item", "rank", "team", "kpi", "period_start", "period_end", "segment", "value", "before", "change",
    "money", "currency", "through", "certainty", "why", "action", "owner", "due_on", "no_action_reason",
)  # fmt: skip
ACTION_FIELDS = ("action", "team", "kpi", "text", "owner", "due_on", "created_at", "done_at", "is_overdue")


def review(project: Project, view: View, team: str, *, now: datetime, fresh: bool = False) -> Row:
    """The review of a team on the newest data: prepared and kept, or the one that was prepared on it before.

    Args:
        project: Settings of the company.
        view: What the person may read.
        team: Board whose KPIs are reviewed.
        now: A naive UTC instant.
        fresh: Prepare it anew even so.

    Returns:
        A row of the archive: its ``items`` with their ``action``, and in ``document`` what came back by itself
        (``overdue`` actions, decisions ``to_measure``), what is ``in_hand``, ``quiet`` and ``unclear``.

    Raises:
        QueryError: No board has that name.
        StoreError: The application database cannot be used.
    """
    board = board_of(view.catalogue, team)
    archive = open_archive(project)
    kept = archive.reviews(board.id)
    if kept and kept[-1]["snapshot"] == view.meta.name and not fresh:
        return kept[-1]
    today = local_day(now, project.zone)
    known = local_day(view.meta.known_at, project.zone)
    mine = [row for row in archive.actions(is_open=True) if row["team"] == board.id and row["due_on"] >= today]
    prepare = Prepare(view.catalogue, project.calendar, known, view.ask_all, view.drivers)
    found = prepare.agenda(view.catalogue.steered(board), frozenset(row["kpi"] for row in mine))
    language = project.languages[0]
    document = {
        **_returned(archive, view.catalogue, board, today, language),
        "n_left_open": _left_open(kept),
        "n_more": found.n_more,
        "in_hand": list(found.in_hand),
        "quiet": list(found.quiet),
        "unclear": list(found.unclear),
    }
    values = {
        "team": board.id,
        "start": min((item.reading.figure.start for item in found.items), default=known),
        "end": known,
        "prepared_at": now,
        "known_at": view.meta.known_at,
        "snapshot": view.meta.name,
        "document": document,
    }
    items = [{"kpi": item.reading.kpi.id, "document": _document(item, language)} for item in found.items]
    archive.add_review(values, items)
    return archive.reviews(board.id)[-1]


def last_review(project: Project, team: str) -> Row | None:
    """The last review of a team as it was kept, or None where none was prepared.

    Raises:
        StoreError: The application database cannot be used.
    """
    kept = open_archive(project).reviews(team) if has_state(project) else ()
    return kept[-1] if kept else None


def board_of(catalogue: Catalogue, team: str) -> Board:
    """The board of that name.

    Raises:
        QueryError: There is none.
    """
    found = {board.id: board for board in catalogue.boards}
    if team not in found:
        near = did_you_mean(team, found)
        hint = "Did you mean {near}?" if near else "Use one of: {known}."
        raise QueryError(
            "No board is named {name}.", hint=hint, where="team", name=team, near=near, known=", ".join(found)
        )
    return found[team]


def act(project: Project, item: int, *, text: str, owner: str, due_on: date, now: datetime) -> int:
    """End an item of a review as KPI → action → owner → deadline; the action's number.

    Raises:
        QueryError: There is no such item, or it has ended; or the deadline lies in the past.
        StoreError: The application database cannot be used.
    """
    today = local_day(now, project.zone)
    if due_on < today:
        raise QueryError("The deadline {day} is over.", hint="Give a later --due.", where="--due", day=due_on)
    return open_archive(project).act(item, {"text": text, "owner": owner, "due_on": due_on}, now)


def leave(project: Project, item: int, *, reason: str, now: datetime) -> None:
    """End an item of a review without an action, for a reason.

    Raises:
        QueryError: There is no such item, or it has ended; or there is no reason.
        StoreError: The application database cannot be used.
    """
    if not reason.strip():
        raise QueryError("No action needs a reason.", hint='Give one: --none "season".', where="--none")
    open_archive(project).leave(item, reason.strip(), now)


def actions(project: Project, *, is_open: bool = False) -> tuple[Row, ...]:
    """Every action by deadline, or those that are not done.

    Raises:
        StoreError: The application database cannot be used.
    """
    return open_archive(project).actions(is_open=is_open) if has_state(project) else ()


def finish(project: Project, action: int, *, now: datetime) -> None:
    """Mark an action as done.

    Raises:
        QueryError: There is no such action, or it is done already.
        StoreError: The application database cannot be used.
    """
    open_archive(project).finish(action, now)


def item_records(found: Mapping[str, Any]) -> list[Row]:
    """The items of a review as plain values, by the names of `ITEM_FIELDS`."""
    return [_item_record(found, item) for item in found["items"]]


def action_record(row: Mapping[str, Any], today: date) -> Row:
    """An action as plain values, by the names of `ACTION_FIELDS`."""
    return {
        "action": row["id"],
        "team": row["team"],
        "kpi": row["kpi"],
        "text": row["text"],
        "owner": row["owner"],
        "due_on": row["due_on"].isoformat(),
        "created_at": row["created_at"].isoformat() + "Z",
        "done_at": row["done_at"].isoformat() + "Z" if row["done_at"] else None,
        "is_overdue": row["done_at"] is None and row["due_on"] < today,
    }


def _item_record(found: Mapping[str, Any], item: Mapping[str, Any]) -> Row:
    kept, action = item["document"], item["action"] or {}
    reading = kept["reading"]
    change = reading["change"] or {}
    return {
        "review": found["id"],
        "item": item["id"],
        "rank": item["rank"],
        "team": found["team"],
        "kpi": item["kpi"],
        "period_start": reading["period_start"],
        "period_end": reading["period_end"],
        "segment": reading["segment"],
        "value": reading["value"],
        "before": change.get("value"),
        "change": change.get("delta"),
        "money": kept["money"],
        "currency": kept["currency"],
        "through": kept["through"],
        "certainty": kept["certainty"],
        "why": kept["why"],
        "action": action.get("text"),
        "owner": action.get("owner"),
        "due_on": action["due_on"].isoformat() if action else None,
        "no_action_reason": item["no_action_reason"],
    }


def _document(item: Item, language: str) -> Row:
    return {
        "reading": record(item.reading, item.readings, language),
        "why": item.why,
        "certainty": round(item.certainty, 4),
        "money": plain(item.money),
        "currency": item.readings.currency,
        "through": item.through,
    }


def _returned(archive: Archive, catalogue: Catalogue, board: Board, today: date, language: str) -> Row:
    """What comes back by itself: actions past their deadline, and decisions whose day passed without a measure."""
    overdue = [row for row in archive.actions(overdue_on=today) if row["team"] == board.id]
    teams = {kpi.id: kpi.team for kpi in catalogue.newest()}
    decisions = [decision_of(row) for row in archive.decisions()]
    mine = [each for each in decisions if each.plan.kpi in board.kpis or teams.get(each.plan.kpi) == board.id]
    return {
        "overdue": [action_record(row, today) for row in overdue],
        "to_measure": [decision_record(d, today, language) for d in mine if d.status(today) == "to_measure"],
    }


def _left_open(kept: Sequence[Mapping[str, Any]]) -> int:
    """Items of the last review that did not end."""
    return sum(item["closed_at"] is None for item in kept[-1]["items"]) if kept else 0
