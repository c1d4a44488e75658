"""What to do next: plays ranked, each with the record of how it did before, and told in words."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from cadran.catalogue.plays import load_plays
from cadran.errors import ConfigError
from cadran.insights.decision import track_record
from cadran.insights.next_actions import Tried
from cadran.insights.next_summary import keeps_numbers, summary
from cadran.period import local_day
from cadran.store.settings import has_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime

    from cadran.catalogue.plays import Play
    from cadran.config import Project
    from cadran.errors import Issue
    from cadran.insights.decision import Decision
    from cadran.insights.next_actions import NextAction
    from cadran.view import View

#: Actions that are told, and seconds that a rewrite may take.
MOST, PATIENCE = 5, 60


@dataclass(frozen=True)
class Next:
    """What to do next.

    Attributes:
        actions: The best first.
        n_more: Actions that would have been there, had there been room.
        plays: Plays by id.
        issues: Problems in the playbooks.
        currency: Base currency.
    """

    actions: tuple[NextAction, ...]
    n_more: int
    plays: Mapping[str, Play]
    issues: tuple[Issue, ...]
    currency: str


def next_actions(project: Project, view: View, *, now: datetime, most: int = MOST) -> Next:
    """The plays that the figures call for.

    Args:
        project: Settings of the company.
        view: What the person may read.
        now: A naive UTC instant.
        most: Actions at most.

    Raises:
        StoreError: The application database cannot be used.
    """
    plays, issues = load_plays(project.root / "playbooks", view.catalogue)
    found = view.next_actions(plays)
    told = found[:most]
    if has_state(project):
        from cadran.jobs.decisions import decisions  # noqa: PLC0415 - its library is read where there is an archive

        kept, today = decisions(project), local_day(now, project.zone)
        told = tuple(replace(each, tried=tried(each.play, kept, today)) for each in told)
    return Next(told, len(found) - len(told), {play.id: play for play in plays}, issues, view.meta.currency)


def tried(play: str, kept: Sequence[Decision], today: date) -> Tried:
    """How a play did before, by the decisions whose title holds its id in square brackets."""
    own = [decision for decision in kept if f"[{play}]" in decision.plan.title]
    record = track_record(own, today)
    return Tried(len(own), record.n_effect, record.n_opposite + record.n_none, record.median_ratio)


def told(project: Project, view: View, found: Next, language: str) -> str:
    """The summary: by rule, or as the project's own program rewrites it when that brings no other number.

    ``[summary] rewrite = ["program", "argument"]`` in cadran.toml names a program that reads ``{language, text,
    actions}`` as JSON and writes a text; without it, which is the default, nothing is rewritten.

    Raises:
        ConfigError: The setting is no list of words, or the program cannot be run.
    """
    text = summary(found.actions, found.plays, view.catalogue, found.currency, language)
    section = project.extra.get("summary")
    command = section.get("rewrite") if isinstance(section, dict) else None
    if not command:
        return text
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        raise ConfigError(
            "The setting summary.rewrite is {value}, which is no list of words.",
            hint='Write a program and its arguments, such as ["my-model", "--short"].',
            where=project.places.get("summary.rewrite", "cadran.toml"),
            value=command,
        )
    asked = {"language": language, "text": text, "actions": [asdict(each) for each in found.actions]}
    return rewritten(text, lambda: _run(command, json.dumps(asked, ensure_ascii=False, default=str)))


def rewritten(text: str, write: Callable[[], str]) -> str:
    """A rewritten text where it says something and brings no number of its own; else the text itself."""
    other = write().strip()
    return other if other and keeps_numbers(other, text) else text


def _run(command: Sequence[str], asked: str) -> str:
    """What the project's program writes; nothing when it fails or takes too long."""
    try:
        done = subprocess.run(  # noqa: S603 - the words are the project's own setting
            command, input=asked, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except OSError as error:
        raise ConfigError(
            "The program {program} of summary.rewrite cannot be run: {problem}.",
            hint="Install it, or take the setting away: the summary needs no program.",
            where="cadran.toml",
            program=command[0],
            problem=error.strerror,
        ) from error
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""
