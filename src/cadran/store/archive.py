"""Append-only: decisions with what they changed, reviews with what they ended as, actions.

Plain values in, plain values out: one mapping per row, by the names of its columns. What is kept
beside them is the JSON of the reading that was shown, so that the archive stays true when data
changes. Nothing is ever rewritten; an item is closed once and an action is done once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from cadran.errors import QueryError
from cadran.store.state import ACTION, DECISION, EFFECT, ITEM, REVIEW, TARGET_LOCK, open_state, transaction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from cadran.config import Project

Row = dict[str, Any]


class Archive:
    """What a company decided, reviewed and promised.

    Args:
        engine: Application database, up to date; see `state.open_state`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add_decision(self, values: Mapping[str, Any]) -> int:
        """Keep a decision; its id.

        Args:
            values: Every column of ``decision`` but its id.
        """
        with transaction(self._engine) as connection:
            return _add(connection, DECISION, values)

    def decisions(self) -> tuple[Row, ...]:
        """Every decision in the order in which it was recorded, with its ``effects``, oldest first."""
        with transaction(self._engine) as connection:
            found = _rows(connection, sa.select(DECISION).order_by(DECISION.c.id))
            effects = _rows(connection, sa.select(EFFECT).order_by(EFFECT.c.id))
        for row in found:
            row["effects"] = [each for each in effects if each["decision_id"] == row["id"]]
        return tuple(found)

    def add_effect(self, values: Mapping[str, Any]) -> int:
        """Keep what a decision was measured to have changed; its id.

        Args:
            values: Every column of ``effect`` but its id.
        """
        with transaction(self._engine) as connection:
            return _add(connection, EFFECT, values)

    def add_review(self, values: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> int:
        """Keep a review and its items together; its id.

        Args:
            values: Every column of ``review`` but its id.
            items: ``kpi`` and ``document`` of each item, in order of rank.
        """
        with transaction(self._engine) as connection:
            review = _add(connection, REVIEW, values)
            for rank, item in enumerate(items, start=1):
                _add(connection, ITEM, {**item, "review_id": review, "rank": rank})
        return review

    def reviews(self, team: str = "") -> tuple[Row, ...]:
        """Reviews, oldest first, each with its ``items``, and each item with its ``action`` or None."""
        asked = sa.select(REVIEW).order_by(REVIEW.c.id)
        with transaction(self._engine) as connection:
            found = _rows(connection, asked.where(REVIEW.c.team == team) if team else asked)
            items = _rows(connection, sa.select(ITEM).order_by(ITEM.c.rank))
            actions = {row["item_id"]: row for row in _rows(connection, sa.select(ACTION))}
        for item in items:
            item["action"] = actions.get(item["id"])
        for row in found:
            row["items"] = [item for item in items if item["review_id"] == row["id"]]
        return tuple(found)

    def act(self, item_id: int, values: Mapping[str, Any], at: datetime) -> int:
        """End an item as an action; its id.

        Args:
            item_id: Item of a review.
            values: ``text``, ``owner`` and ``due_on``.
            at: Now, a naive UTC instant.

        Raises:
            QueryError: There is no such item, or it has ended already.
        """
        with transaction(self._engine) as connection:
            kpi = _end(connection, item_id, at)
            return _add(connection, ACTION, {**values, "kpi": kpi, "item_id": item_id, "created_at": at})

    def leave(self, item_id: int, reason: str, at: datetime) -> None:
        """End an item without an action, for a reason.

        Raises:
            QueryError: There is no such item, or it has ended already.
        """
        with transaction(self._engine) as connection:
            _end(connection, item_id, at, reason)

    def actions(self, *, overdue_on: date | None = None, is_open: bool = False) -> tuple[Row, ...]:
        """Actions by deadline, with the ``document`` of their item and the ``team`` of its review.

        Args:
            overdue_on: Only those that are not done and whose deadline lies before this day.
            is_open: Only those that are not done.
        """
        whole = ACTION.join(ITEM).join(REVIEW)
        asked = sa.select(ACTION, ITEM.c.document, REVIEW.c.team).select_from(whole)
        asked = asked.order_by(ACTION.c.due_on, ACTION.c.id)
        if is_open or overdue_on:
            asked = asked.where(ACTION.c.done_at.is_(None))
        if overdue_on:
            asked = asked.where(ACTION.c.due_on < overdue_on)
        with transaction(self._engine) as connection:
            return tuple(_rows(connection, asked))

    def finish(self, action_id: int, at: datetime) -> None:
        """Mark an action as done.

        Raises:
            QueryError: There is no such action, or it is done already.
        """
        is_it = (ACTION.c.id == action_id) & ACTION.c.done_at.is_(None)
        with transaction(self._engine) as connection:
            if connection.execute(sa.update(ACTION).where(is_it).values(done_at=at)).rowcount == 0:
                raise QueryError(
                    "No open action has the number {number}.",
                    hint="`cadran actions` lists them.",
                    where="action",
                    number=action_id,
                )

    def lock(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep the locked targets of several KPIs, all or none.

        Args:
            rows: Every column of ``target_lock`` but its id, one mapping per KPI.

        Raises:
            QueryError: The targets of a KPI are locked already for days of that span.
        """
        lock = TARGET_LOCK.c
        with transaction(self._engine) as connection:
            # two that lock at once must see each other; SQLite takes turns by itself
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("LOCK TABLE target_lock IN SHARE ROW EXCLUSIVE MODE"))
            for row in rows:
                same = (lock.kpi == row["kpi"]) & (lock.start < row["end"]) & (lock.end > row["start"])
                taken = connection.execute(sa.select(lock.campaign).where(same)).scalar()
                if taken is not None:
                    raise QueryError(
                        "The targets of {kpi} are locked already in that span, for {campaign}.",
                        hint="`cadran targets locks` lists them.",
                        where="--kpi",
                        kpi=row["kpi"],
                        campaign=taken,
                    )
                _add(connection, TARGET_LOCK, row)

    def locks(self) -> tuple[Row, ...]:
        """Every lock, oldest first."""
        with transaction(self._engine) as connection:
            return tuple(_rows(connection, sa.select(TARGET_LOCK).order_by(TARGET_LOCK.c.id)))


def open_archive(project: Project) -> Archive:
    """The archive of a project; see `state.open_state` for what it raises."""
    return Archive(open_state(project))


def _end(connection: sa.Connection, item_id: int, at: datetime, reason: str | None = None) -> str:
    """Close an item that is open; its KPI. The condition and the change are one statement, so that one of two wins."""
    is_it = (ITEM.c.id == item_id) & ITEM.c.closed_at.is_(None)
    changed = connection.execute(sa.update(ITEM).where(is_it).values(closed_at=at, no_action_reason=reason))
    if changed.rowcount == 0:
        raise QueryError(
            "No open item of a review has the number {number}.",
            hint="`cadran review` lists them.",
            where="item",
            number=item_id,
        )
    return str(connection.execute(sa.select(ITEM.c.kpi).where(ITEM.c.id == item_id)).scalar_one())


def _add(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> int:
    key = connection.execute(sa.insert(table).values(**values)).inserted_primary_key
    assert key is not None  # noqa: S101 - every table has an integer key
    return int(key[0])


def _rows(connection: sa.Connection, asked: sa.Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(asked).mappings()]
