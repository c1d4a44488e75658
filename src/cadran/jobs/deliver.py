"""Deliveries: what is in the outbox is sent, at least once, and again only where nobody knows whether it went.

The policy. A message is claimed before it is sent, and a claim that runs out is taken over. A message that was
not taken is tried again, later and later. It may arrive twice only where an attempt ended without an answer
(the line went dead, the sender was killed); it then carries the same key, and a Slack bot looks first.
What a channel refuses for good is kept with its reason and told by `cadran alerts deliveries`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cadran.charts.words import Words
from cadran.errors import CadranError, DeliveryError
from cadran.notify.message import report_message, written
from cadran.notify.send import send
from cadran.notify.settings import notices
from cadran.period import instant
from cadran.store.alerting import open_alerts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from cadran.config import Project
    from cadran.notify.settings import Notices, Route
    from cadran.store.alerting import AlertStore

    Sender = Callable[..., None]
    By = tuple[Callable[[], datetime], Sender]
Row = dict[str, Any]
#: Waits before a message is tried again: a minute, then twice as long each time, an hour at most.
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
#: Most messages of one delivery to one way; beyond, they are told as one.
MOST = 5
#: Way of what is no message but a task for a CRM, which `jobs.push` carries.
TASKS = "crm:tasks"
#: Folder of a project that scheduled reports are written into.
REPORTS = "reports"
FIELDS = ("message", "route", "status", "attempts", "created_at", "not_before", "sent_at", "reason", "alerts")


@dataclass(frozen=True)
class Delivered:
    """What one delivery did, in messages.

    Attributes:
        n_sent: Taken by their channel.
        n_later: To be tried again.
        n_refused: Given up.
    """

    n_sent: int = 0
    n_later: int = 0
    n_refused: int = 0


def deliver(project: Project, *, clock: Callable[[], datetime], sender: Sender = send) -> Delivered:
    """Send what is due.

    Args:
        project: Settings of the company.
        clock: What tells the time, as a naive UTC instant.
        sender: What sends a message on a route; see `notify.send.send`.

    Raises:
        ConfigError: A setting cannot be used.
        StoreError: The application database cannot be used.
    """
    known, store = notices(project), open_alerts(project)
    due = [row for row in store.due(clock()) if row["route"] != TASKS]
    outcomes = [_deliver(rows, project, known, store, (clock, sender)) for rows in _grouped(due)]
    return Delivered(*(outcomes.count(name) for name in ("sent", "later", "refused")))


def try_route(project: Project, name: str, document: Mapping[str, Any], *, clock: Callable[[], datetime]) -> None:
    """Send one message now, to see that a route works.

    Args:
        project: Settings of the company.
        name: The route.
        document: What an alert keeps, to be shown as an example.
        clock: What tells the time.

    Raises:
        DeliveryError: It did not arrive.
    """
    known = notices(project)
    route = known.route(name)
    if route is None:
        raise DeliveryError(
            "No route is named {name}.", permanent=True, hint="Use one of: {known}.", where="alerts.routes",
            name=name, known=", ".join(each.name for each in known.routes),
        )  # fmt: skip
    item = {"what": "tested", "alert": 0, "level": "warn", "document": dict(document)}
    key = f"test|{name}|{clock().isoformat()}"
    send(written([item], _words(project, route, item), key=key, cockpit=known.cockpit), route, known)


def delivery_records(project: Project) -> list[Row]:
    """Every message by the names of `FIELDS`, oldest first."""
    found = []
    for row in open_alerts(project).messages():
        status = "sent" if row["sent_at"] else "refused" if row["refused_at"] else "waiting"
        days = {name: instant(row[name]) if row[name] else None for name in ("created_at", "not_before", "sent_at")}
        same = {"message": row["id"], "route": row["route"], "status": status, "attempts": row["attempts"]}
        told = [{"alert": item["alert"], "what": item["what"]} for item in row["document"]["items"]]
        found.append({**same, **days, "reason": row["reason"], "alerts": told})
    return found


def _grouped(due: Sequence[Row]) -> list[list[Row]]:
    """What is sent as one: a digest, or what waits for a way where it is too much to tell one by one."""
    groups: dict[tuple[str, str], list[Row]] = {}
    alone: dict[str, list[Row]] = {}
    for row in due:
        if row["document"].get("report"):
            groups[row["route"], row["dedup_key"]] = [row]
        elif row["digest"]:
            groups.setdefault((row["route"], row["digest"]), []).append(row)
        else:
            alone.setdefault(row["route"], []).append(row)
    found = list(groups.values())
    for rows in alone.values():
        # what may have arrived already is sent again as it was, under its own key
        fresh = [row for row in rows if not row["attempts"]]
        is_much = len(fresh) > MOST
        found += [[row] for row in rows if row["attempts"] or not is_much]
        found += [fresh] if is_much else []
    return found


def _deliver(rows: Sequence[Row], project: Project, known: Notices, store: AlertStore, by: By) -> str:
    """Send what belongs together; what became of it."""
    clock, sender = by
    numbers, now = [row["id"] for row in rows], clock()
    route = known.route(rows[0]["route"])
    if route is None:
        store.refused(numbers, now, "The route was removed.")
        return "refused"
    if rows[0]["document"].get("report"):
        return _deliver_report(rows[0], route, project, known, (store, clock, sender))
    items = [item for row in rows for item in row["document"]["items"]]
    is_urgent = route.urgent and any(item["level"] == "alert" for item in items)
    awake = known.awake(now, is_urgent=is_urgent)
    if awake > now:
        store.put_off(numbers, awake, rows[0]["reason"], is_unknown=False)
        return "later"
    # told as one now, they stay one: a second attempt must be the same message
    name = rows[0]["digest"] or (f"{route.name}#{numbers[0]}-{numbers[-1]}" if len(rows) > 1 else "")
    if not store.claim(numbers, now, digest=name):
        return "elsewhere"
    key = name or rows[0]["dedup_key"]
    message = written(items, _words(project, route, items[0]), key=key, cockpit=known.cockpit, image=_image(items))
    maybe = any(row["n_unknown"] or row["claimed_until"] is not None for row in rows)
    try:
        sender(message, route, known, maybe_sent=maybe)
    except CadranError as error:
        return failed(error, rows, store, clock)
    store.sent(numbers, clock())
    return "sent"


def _deliver_report(row: Row, route: Route, project: Project, known: Notices, by: tuple[Any, ...]) -> str:
    """Send the files of a report; what became of it."""
    store, clock, sender = by
    now = clock()
    awake = known.awake(now, is_urgent=False)
    if awake > now:
        store.put_off([row["id"]], awake, row["reason"], is_unknown=False)
        return "later"
    if not store.claim([row["id"]], now):
        return "elsewhere"
    told, words = row["document"]["report"], Words(route.language, "EUR", project.calendar, project.zone)
    try:
        files = [(name, (project.root / REPORTS / name).read_bytes()) for name in told["files"]]
        message = report_message(
            told["teams"][route.language], told["files"], files, words, key=row["dedup_key"], cockpit=known.cockpit
        )
        sender(message, route, known, maybe_sent=bool(row["n_unknown"] or row["claimed_until"]))
    except OSError:
        store.refused([row["id"]], clock(), "The files of the report are gone.")
        return "refused"
    except CadranError as error:
        return failed(error, [row], store, clock)
    store.sent([row["id"]], clock())
    return "sent"


def post_report(
    project: Project, routes: Sequence[str], teams: Mapping[str, str], files: Sequence[str], now: datetime
) -> None:
    """Put a report into the outbox, once per route and set of files.

    Args:
        project: Settings of the company.
        routes: Names of routes by e-mail.
        teams: Whose boards it shows, by language.
        files: Names of its files in the folder of reports.
        now: A naive UTC instant.
    """
    told = {"teams": dict(teams), "files": list(files)}
    open_alerts(project).post(
        [
            {"dedup_key": f"{name}|report|{'|'.join(files)}", "route": name, "digest": "", "not_before": now,
             "document": {"items": [], "report": told}}
            for name in routes
        ],
        now,
    )  # fmt: skip


def failed(error: CadranError, rows: Sequence[Row], store: AlertStore, clock: Callable[[], datetime]) -> str:
    """Keep what did not go for later, or give it up.

    Args:
        error: Why; what is no `DeliveryError` can be mended, and is tried again in an hour.
        rows: Rows of the outbox that go together.
        store: The outbox.
        clock: What tells the time.

    Returns:
        ``later`` or ``refused``.
    """
    numbers = [row["id"] for row in rows]
    if not isinstance(error, DeliveryError):
        # a secret or a package is missing: it is mended without losing the message
        store.put_off(numbers, clock() + LONGEST_WAIT, str(error), is_unknown=False)
        return "later"
    if error.permanent:
        store.refused(numbers, clock(), str(error))
        return "refused"
    asked = timedelta(seconds=int(str(error.params.get("wait") or 0)))
    attempts = max(row["attempts"] for row in rows)
    wait = max(min(FIRST_WAIT * 2 ** min(attempts, 10), LONGEST_WAIT), asked)
    store.put_off(numbers, clock() + wait, str(error), is_unknown=bool(error.params.get("is_unknown")))
    return "later"


def _image(items: Sequence[Row]) -> bytes:
    """The chart of the first alert, where one was drawn."""
    kept = items[0]["document"].get("chart", "")
    return base64.b64decode(kept) if kept else b""


def _words(project: Project, route: Route, item: Mapping[str, Any]) -> Words:
    return Words(route.language, item["document"]["currency"], project.calendar, project.zone)
