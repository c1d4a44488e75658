"""Actions as tasks of the CRM, for a project that asks for it: ``[actions] push = "CONNECTION"``; off by default.

They go through the outbox of messages, under the same policy: a task is claimed before it is made, an attempt is sent
once, and after one without an answer the CRM is looked through for the task's key before it is made again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from cadran.config import PROJECT_FILE
from cadran.errors import CadranError, ConfigError, DeliveryError, SourceError
from cadran.jobs.deliver import TASKS, Delivered, failed
from cadran.period import as_utc
from cadran.sources.live.connection import connections_of
from cadran.sources.live.kinds import KINDS
from cadran.sources.live.task import Task
from cadran.sources.live.wire import network
from cadran.store.alerting import open_alerts
from cadran.store.archive import open_archive
from cadran.store.settings import has_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cadran.config import Project
    from cadran.sources.live.connection import Connection
    from cadran.sources.live.wire import Wire
    from cadran.store.alerting import AlertStore

Row = dict[str, Any]
#: Refusals that somebody mends by granting a right or renewing a token, without losing the task.
MENDED = (401, 403)


def connection_for_tasks(project: Project) -> Connection | None:
    """The connection that tasks are put into; None where the project asks for none.

    Raises:
        ConfigError: The setting names no connection that can be written to.
    """
    section = project.extra.get("actions", {})
    name = section.get("push") if isinstance(section, dict) else None
    if not name:
        return None
    writable = {each.name: each for each in connections_of(project, KINDS) if each.kind.put_task}
    if name not in writable:
        raise ConfigError(
            "The setting actions.push is {name}, which is no connection that takes tasks.",
            hint="Name a connection to HubSpot, Pipedrive or Salesforce; known: {known}.",
            where=project.places.get("actions.push", PROJECT_FILE),
            name=name,
            known=", ".join(writable) or "-",
        )
    return writable[name]


def push(project: Project, *, clock: Callable[[], datetime], wire: Wire | None = None) -> Delivered:
    """Put every open action into the CRM as a task, once.

    Args:
        project: Settings of the company.
        clock: What tells the time, as a naive UTC instant.
        wire: How the CRM is reached; over the network by default.

    Raises:
        ConfigError: The setting cannot be used.
        StoreError: The application database cannot be used.
    """
    connection = connection_for_tasks(project)
    if connection is None or not has_state(project):
        return Delivered()
    store, now = open_alerts(project), clock()
    actions = {row["id"]: row for row in open_archive(project).actions(is_open=True)}
    store.post([_row(number, connection, now) for number in actions], now)
    reached, done = wire or network(clock), []
    for row in store.due(now):
        if row["route"] != TASKS or row["document"]["connection"] != connection.name:
            continue
        action = actions.get(row["document"]["action"])
        if action is None:
            store.refused([row["id"]], now, "The action ended before it was a task.")
        elif store.claim([row["id"]], clock()):
            done.append(_put(row, _task(project, row, action), connection, reached, (store, clock)))
    return Delivered(*(done.count(name) for name in ("sent", "later", "refused")))


def _row(action: int, connection: Connection, now: datetime) -> Row:
    """An action as the outbox keeps it, once for a connection."""
    return {
        "dedup_key": f"{TASKS}|{connection.name}|{action}",
        "route": TASKS,
        "digest": "",
        "document": {"items": [], "action": action, "connection": connection.name},
        "not_before": now,
    }


def _task(project: Project, row: Row, action: Row) -> Task:
    company = hashlib.sha256(project.company.encode()).hexdigest()[:6]
    may_be_there = row["n_unknown"] or row["claimed_until"] is not None
    return Task(
        key=f"cadran {company}-{action['id']}",
        title=action["text"],
        about=action["kpi"],
        owner=action["owner"],
        due_on=action["due_on"],
        since=as_utc(row["created_at"]) if may_be_there else None,
    )


def _put(
    row: Row, task: Task, connection: Connection, wire: Wire, by: tuple[AlertStore, Callable[[], datetime]]
) -> str:
    """Make one task; what became of it."""
    (store, clock), make = by, connection.kind.put_task
    if make is None:
        return "later"
    try:
        make(connection, wire, task)
    except CadranError as error:
        return failed(_told(error), [row], store, clock)
    store.sent([row["id"]], clock())
    return "sent"


def _told(error: CadranError) -> CadranError:
    """A vendor's refusal as that of a channel; what somebody can mend by a right or a token stays as it is."""
    if not isinstance(error, SourceError) or error.params.get("status") in MENDED:
        return error
    return DeliveryError(
        "{problem}", permanent=error.permanent, problem=str(error), wait=0, is_unknown=not error.permanent
    )
