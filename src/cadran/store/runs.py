"""Runs: which job ran for which hour, how long, what it counted, how it ended; one server runs it, once.

A run is claimed by its job and its slot, the hour for which it was due. While it lives, its server says so
again and again; a run whose server fell silent is told as interrupted and may be taken over once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from cadran.store.alerting import Row, add, rows
from cadran.store.state import RUN, open_state, transaction

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cadran.config import Project

#: How long a run counts as alive after its server said so.
ALIVE = timedelta(minutes=3)
#: How often a run is begun when its servers die.
MOST_TRIES = 2


class Runs:
    """The runs of a project.

    Args:
        engine: Application database, up to date; see `state.open_state`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def claim(self, job: str, slot: datetime, worker: str, now: datetime) -> int | None:
        """Begin a run; its number, or None where it ran, runs, or another run of the job is under way.

        Args:
            job: Name of the job.
            slot: Naive UTC instant for which it was due.
            worker: Who runs it.
            now: A naive UTC instant.
        """
        with transaction(self._engine) as connection:
            # two servers ask one after the other; SQLite takes turns by itself
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("LOCK TABLE run IN SHARE ROW EXCLUSIVE MODE"))
            going = rows(connection, sa.select(RUN).where((RUN.c.job == job) & RUN.c.ended_at.is_(None)))
            if any(row["alive_until"] > now for row in going):
                return None
            for row in going:
                values = {"ended_at": row["alive_until"], "outcome": "interrupted"}
                connection.execute(sa.update(RUN).where(RUN.c.id == row["id"]).values(**values))
            mine = rows(connection, sa.select(RUN).where((RUN.c.job == job) & (RUN.c.slot == slot)))
            fresh = {"worker": worker, "started_at": now, "alive_until": now + ALIVE, "ended_at": None, "outcome": ""}
            if not mine:
                return add(connection, RUN, {**fresh, "job": job, "slot": slot, "steps": {"tries": 1}})
            tries = mine[0]["steps"].get("tries", 1)
            if mine[0]["outcome"] != "interrupted" or tries >= MOST_TRIES:
                return None
            again = {**fresh, "steps": {"tries": tries + 1}}
            connection.execute(sa.update(RUN).where(RUN.c.id == mine[0]["id"]).values(**again))
            return int(mine[0]["id"])

    def live(self, number: int, now: datetime) -> None:
        """Say that a run is alive."""
        self._set(number, {"alive_until": now + ALIVE})

    def end(self, number: int, now: datetime, outcome: str, steps: Mapping[str, Any]) -> None:
        """Keep how a run ended: ``ok``, ``findings`` or ``failed``, and what each step counted."""
        self._set(number, {"ended_at": now, "outcome": outcome, "steps": dict(steps)})

    def every(self, limit: int = 100) -> tuple[Row, ...]:
        """The newest runs first."""
        with transaction(self._engine) as connection:
            return tuple(rows(connection, sa.select(RUN).order_by(RUN.c.id.desc()).limit(limit)))

    def _set(self, number: int, values: Mapping[str, Any]) -> None:
        with transaction(self._engine) as connection:
            connection.execute(sa.update(RUN).where(RUN.c.id == number).values(**values))


def open_runs(project: Project) -> Runs:
    """The runs of a project; see `state.open_state` for what it raises."""
    return Runs(open_state(project))
