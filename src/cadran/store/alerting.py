"""Alerts and what is to be told of them, written together: what was found is never lost between the two.

An alert is written with its event and its messages in one transaction. A message is claimed before it is
sent, so that of several servers one sends it; a claim runs out, so that one that was killed loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from cadran.errors import QueryError
from cadran.store.state import ALERT, ALERT_EVENT, OUTBOX, open_state, transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

    from cadran.config import Project

Row = dict[str, Any]
#: How long a server may take to send a message before another one takes it over.
CLAIM = timedelta(minutes=5)


@dataclass(frozen=True)
class Written:
    """One change to write.

    Attributes:
        alert_id: Alert that it is about; None for a new one.
        values: Columns of ``alert`` to set; all of them but its id for a new one.
        what: Name of the event; empty for none.
        text: What it says besides.
    """

    alert_id: int | None
    values: Mapping[str, Any]
    what: str
    text: str = ""


class AlertStore:
    """The alerts of a project.

    Args:
        engine: Application database, up to date; see `state.open_state`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def lasting(self) -> tuple[Row, ...]:
        """Alerts that have not recovered, oldest first."""
        return self._alerts(ALERT.c.recovered_at.is_(None))

    def alerts(self) -> tuple[Row, ...]:
        """Every alert, newest first, each with its ``events``, oldest first."""
        found = self._alerts(sa.true())[::-1]
        with transaction(self._engine) as connection:
            events = rows(connection, sa.select(ALERT_EVENT).order_by(ALERT_EVENT.c.id))
        for row in found:
            row["events"] = [event for event in events if event["alert_id"] == row["id"]]
        return found

    def write(self, written: Iterable[Written], messages: Any, at: datetime) -> tuple[int, ...]:
        """Keep changes with the messages that tell them, all or none.

        Args:
            written: Changes; one that another server wrote first is left out.
            messages: Gives the rows of the outbox for the numbered changes: pairs of `Written` and alert number.
            at: Now, a naive UTC instant.

        Returns:
            Numbers of the alerts that were written.
        """
        with transaction(self._engine) as connection:
            _take_turns(connection)
            done = []
            for each in written:
                number = _write(connection, each)
                if number is None:
                    continue
                done.append((each, number))
                if each.what:
                    add(connection, ALERT_EVENT, _event(number, at, each.what, text=each.text))
            for message in messages(done):
                _post(connection, message, at)
        return tuple(number for _, number in done)

    def act(self, number: int, values: Mapping[str, Any], event: Mapping[str, Any], at: datetime) -> None:
        """Keep what a person did with an alert that lasts.

        Args:
            number: The alert.
            values: Columns of ``alert`` to set; may be empty.
            event: ``what``, ``person``, ``text`` and ``until``.
            at: Now, a naive UTC instant.

        Raises:
            QueryError: No alert that lasts has that number.
        """
        is_it = (ALERT.c.id == number) & ALERT.c.recovered_at.is_(None)
        with transaction(self._engine) as connection:
            found = connection.execute(sa.select(ALERT.c.id).where(is_it)).scalar()
            if found is None:
                raise QueryError(
                    "No alert that lasts has the number {number}.",
                    hint="`cadran alerts` lists them.",
                    where="alert",
                    number=number,
                )
            if values:
                connection.execute(sa.update(ALERT).where(is_it).values(**values))
            add(connection, ALERT_EVENT, {"alert_id": number, "at": at, **event})

    def post(self, messages: Iterable[Mapping[str, Any]], at: datetime) -> None:
        """Put messages into the outbox; one whose key is there already is left as it is."""
        with transaction(self._engine) as connection:
            for message in messages:
                _post(connection, message, at)

    def due(self, at: datetime) -> tuple[Row, ...]:
        """Messages whose time has come and that nobody is sending, oldest first."""
        box = OUTBOX.c
        is_free = box.claimed_until.is_(None) | (box.claimed_until <= at)
        is_due = box.sent_at.is_(None) & box.refused_at.is_(None) & (box.not_before <= at) & is_free
        with transaction(self._engine) as connection:
            return tuple(rows(connection, sa.select(OUTBOX).where(is_due).order_by(box.id)))

    def claim(self, numbers: Sequence[int], at: datetime, *, digest: str = "") -> bool:
        """Take messages to send them as one; False when another server was faster with one of them."""
        box = OUTBOX.c
        is_free = box.claimed_until.is_(None) | (box.claimed_until <= at)
        is_it = box.id.in_(numbers) & box.sent_at.is_(None) & box.refused_at.is_(None) & is_free
        taken = sa.update(OUTBOX).where(is_it)
        # a claim that ran out was of a sender that died: nobody knows whether its message went
        lost = sa.case((box.claimed_until.is_not(None), 1), else_=0)
        values = {"claimed_until": at + CLAIM, "attempts": box.attempts + 1, "n_unknown": box.n_unknown + lost}
        values["digest"] = digest
        with transaction(self._engine) as connection:
            if connection.execute(taken.values(**values)).rowcount == len(numbers):
                return True
            connection.rollback()
            return False

    def sent(self, numbers: Sequence[int], at: datetime) -> None:
        """Mark messages as sent."""
        self._mark(numbers, {"sent_at": at, "claimed_until": None, "reason": ""})

    def put_off(self, numbers: Sequence[int], until: datetime, reason: str, *, is_unknown: bool) -> None:
        """Try messages again later; `is_unknown` where nobody knows whether they went."""
        values = {"claimed_until": None, "not_before": until, "reason": reason}
        self._mark(numbers, {**values, "n_unknown": OUTBOX.c.n_unknown + int(is_unknown)})

    def refused(self, numbers: Sequence[int], at: datetime, reason: str) -> None:
        """Give messages up, for a reason that trying again cannot mend."""
        self._mark(numbers, {"claimed_until": None, "refused_at": at, "reason": reason})

    def messages(self) -> tuple[Row, ...]:
        """Every message, oldest first."""
        with transaction(self._engine) as connection:
            return tuple(rows(connection, sa.select(OUTBOX).order_by(OUTBOX.c.id)))

    def _mark(self, numbers: Sequence[int], values: Mapping[str, Any]) -> None:
        with transaction(self._engine) as connection:
            connection.execute(sa.update(OUTBOX).where(OUTBOX.c.id.in_(numbers)).values(**values))

    def _alerts(self, which: sa.ColumnElement[bool]) -> tuple[Row, ...]:
        with transaction(self._engine) as connection:
            return tuple(rows(connection, sa.select(ALERT).where(which).order_by(ALERT.c.id)))


def open_alerts(project: Project) -> AlertStore:
    """The alerts of a project; see `state.open_state` for what it raises."""
    return AlertStore(open_state(project))


def event(what: str, person: str, text: str = "", until: date | None = None) -> Row:
    """What a person did, for `AlertStore.act`."""
    return {"what": what, "person": person, "text": text, "until": until}


def add(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> int:
    """Keep a row; its number."""
    return int((connection.execute(sa.insert(table).values(**values)).inserted_primary_key or (0,))[0])


def rows(connection: sa.Connection, asked: sa.Select[Any]) -> list[Row]:
    """The rows of a selection, by the names of their columns."""
    return [dict(row) for row in connection.execute(asked).mappings()]


def _take_turns(connection: sa.Connection) -> None:
    """Two servers that evaluate at once write one after the other; SQLite takes turns by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE alert IN SHARE ROW EXCLUSIVE MODE"))


def _write(connection: sa.Connection, each: Written) -> int | None:
    if each.alert_id is not None:
        is_it = (ALERT.c.id == each.alert_id) & ALERT.c.recovered_at.is_(None)
        changed = connection.execute(sa.update(ALERT).where(is_it).values(**each.values)).rowcount
        return each.alert_id if changed else None
    same = (ALERT.c.key == each.values["key"]) & (
        ALERT.c.recovered_at.is_(None) | (ALERT.c.period_end == each.values["period_end"])
    )
    if connection.execute(sa.select(ALERT.c.id).where(same)).first():
        return None
    return add(connection, ALERT, each.values)


def _event(number: int, at: datetime, what: str, *, text: str) -> Row:
    return {"alert_id": number, "at": at, "what": what, "person": "", "text": text, "until": None}


def _post(connection: sa.Connection, message: Mapping[str, Any], at: datetime) -> None:
    if connection.execute(sa.select(OUTBOX.c.id).where(OUTBOX.c.dedup_key == message["dedup_key"])).first():
        return
    fresh = {"created_at": at, "attempts": 0, "n_unknown": 0, "reason": ""}
    add(connection, OUTBOX, {**fresh, **message})
