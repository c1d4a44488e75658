"""Next best actions, as the API answers them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict

from cadran.api.caller import Caller, caller
from cadran.insights.next_actions import NextAction  # noqa: TC001 - FastAPI reads the annotations
from cadran.jobs.next_actions import next_actions, told


class NextOut(BaseModel):
    """What to do next: `text` says in words what `actions` say in figures."""

    model_config = ConfigDict(frozen=True)
    actions: list[NextAction]
    n_more: int
    names: dict[str, str]
    steps: dict[str, str]
    text: str
    currency: str


def next_(
    request: Request,
    who: Annotated[Caller, Depends(caller)],
    most: Annotated[int, Query(ge=1, le=50, description="actions at most")] = 5,
) -> NextOut:
    """Plays by money at stake, certainty and ease; the money is a what-if, not what an action causes."""
    clock = request.app.state.clock
    now = clock() if clock else who.view.meta.known_at
    found = next_actions(who.view.project, who.view, now=now, most=most)
    own = {each.play: found.plays[each.play] for each in found.actions}
    return NextOut(
        actions=list(found.actions),
        n_more=found.n_more,
        names={name: play.names.get(who.language, name) for name, play in own.items()},
        steps={name: play.steps.get(who.language, "") for name, play in own.items()},
        text=told(who.view.project, who.view, found, who.language),
        currency=found.currency,
    )
