"""What a person does on a page of the loop: each form changes one thing, then its page is shown again."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from cadran.errors import QueryError
from cadran.jobs import alerts, contracts, decisions, review
from cadran.web.loop import ASIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from cadran.view import View
    from cadran.workspace import Workspace

    Form = Mapping[str, str]
    #: Does what the form says; the address of the page that shows it.
    Act = Callable[[Workspace, int, Form, datetime], str]


def prepare_review(workspace: Workspace, _: int, form: Form, now: datetime) -> str:
    """Prepare the review of a team on the newest data."""
    view = workspace.view()
    row = review.review(view.project, view, form.get("team", ""), now=now)
    return f"/review?team={row['team']}"


def end_item(workspace: Workspace, item: int, form: Form, now: datetime) -> str:
    """End an item of a review as an action, or for a reason."""
    project = workspace.project
    text, owner, due = (form.get(name, "") for name in ("text", "owner", "due"))
    if form.get("end") == "none":
        review.leave(project, item, reason=form.get("reason", ""), now=now)
    elif text and owner and due:
        review.act(project, item, text=text, owner=owner, due_on=_day(due), now=now)
    else:
        raise QueryError(
            "An item ends as an action with an owner and a deadline, or as no action with a reason.",
            hint="Fill in what, who and by when; or give the reason.",
            where="act",
        )
    return _back(form, "/review")


def finish_action(workspace: Workspace, action: int, form: Form, now: datetime) -> str:
    """Mark an action as done."""
    review.finish(workspace.project, action, now=now)
    return _back(form, "/review")


def measure_decisions(workspace: Workspace, _: int, form: Form, now: datetime) -> str:
    """Measure the decisions whose day has come."""
    view: View = workspace.view()
    decisions.measure_due(view.project, view, now=now)
    return _back(form, "/decisions")


def take_alert(workspace: Workspace, alert: int, form: Form, now: datetime) -> str:
    """Acknowledge, put aside, assign or comment an alert."""
    project = workspace.project
    match form.get("do", ""):
        case "acknowledge":
            reason, until = form.get("reason", ""), _until(form, now)
            alerts.acknowledge(project, alert, reason=reason, until=until, now=now)
        case "snooze":
            alerts.snooze(project, alert, until=_until(form, now), now=now)
        case "assign":
            alerts.assign(project, alert, to=form.get("to", ""), now=now)
        case _:
            alerts.comment(project, alert, text=form.get("text", ""), now=now)
    return _back(form, "/alerts")


def decide_change(workspace: Workspace, change: int, form: Form, now: datetime) -> str:
    """Approve or refuse a change of a contract; an approved one is in force at once."""
    project, owner = workspace.project, form.get("owner", "")
    if form.get("end") == "refuse":
        contracts.refuse(project, change, owner=owner, reason=form.get("reason", ""), now=now)
    else:
        contracts.approve(project, change, owner=owner, now=now)
        workspace.reload()
    return f"/changes/{change}"


#: What each form does, by the address that it is sent to.
ACTS: dict[str, Act] = {
    "/review/prepare": prepare_review,
    "/review/items/{number:int}": end_item,
    "/actions/{number:int}/done": finish_action,
    "/decisions/measure": measure_decisions,
    "/alerts/{number:int}": take_alert,
    "/changes/{number:int}": decide_change,
}


def _back(form: Form, path: str) -> str:
    """The page that the form was on: a path of ours, with the team that was shown."""
    team = form.get("team", "")
    return f"{path}?team={team}" if team.isidentifier() else path


def _until(form: Form, now: datetime) -> date:
    return _day(form["until"]) if form.get("until") else now.date() + timedelta(days=ASIDE)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise QueryError("{text} is not a day.", hint="Write it as 2026-03-31.", where="day", text=text) from error
