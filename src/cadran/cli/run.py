"""The verbs of the rhythm: run everything once, see what ran; and what the scheduler of a server calls."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cadran.cli.options import folder_option, output_options
from cadran.errors import EXIT_ISSUES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cadran.cli.options import Output
    from cadran.config import Project

#: What the scheduler calls for each job.
FUNCTIONS = {"run": "cadran.cli.run:due", "deliver": "cadran.cli.run:send"}


@click.command()
@click.option("--step", "steps", multiple=True, metavar="STEP", help="Only this step; may be repeated.")
@click.option("--due", "is_due", is_flag=True, help="Only if the last run of [schedule] has not been done.")
@folder_option
@output_options
def run(steps: Sequence[str], is_due: bool, project: Path, output: Output) -> None:
    """Sync, build, evaluate alerts, deliver and review, once, for cron, Airflow or Dagster."""
    from cadran.config import load_project
    from cadran.jobs.run import STEPS, run_project
    from cadran.jobs.schedule import schedule_of, slot_of, trigger_of

    settings = load_project(project)
    output.prefer(settings.languages)
    slot: datetime | None = output.now().replace(microsecond=0)
    if is_due:
        wanted = schedule_of(settings)
        slot = slot_of(trigger_of(settings, "run", wanted["run"]), output.now()) if "run" in wanted else None
    if slot is None:
        output.note("Nothing is due.")
        return
    with output.progress() as progress:
        done = run_project(
            settings, clock=output.now, slot=slot, worker=_worker(), progress=progress, steps=steps or STEPS
        )
    if done.outcome == "elsewhere":
        output.note("This run was done or is under way elsewhere: nothing was done.")
        return
    _tell(done.steps, output)
    if done.outcome == "failed":
        sys.exit(4)
    if done.outcome == "findings":
        sys.exit(EXIT_ISSUES)


@click.command()
@folder_option
@output_options
def runs(project: Path, output: Output) -> None:
    """List what ran: when, how long, what it counted, how it ended."""
    from cadran.cli.show import show_records
    from cadran.cli.tables import show_table, table_of
    from cadran.config import load_project
    from cadran.i18n import format_moment, say
    from cadran.jobs.run import FIELDS, run_records

    settings = load_project(project)
    output.prefer(settings.languages)
    found = run_records(settings)
    if output.form != "table":
        show_records(found, output.form, FIELDS)
        return
    table = table_of(("No.", "Due", "Started", "Seconds", "Outcome", "Worker"), output.language)
    for row in found:
        moments = [
            format_moment(datetime.fromisoformat(row[name][:-1]), output.language, settings.zone)
            for name in ("slot", "started_at")
        ]
        seconds = "" if row["seconds"] is None else f"{row['seconds']:.0f}"
        table.add_row(str(row["run"]), *moments, seconds, say(row["outcome"], {}, output.language), row["worker"])
    show_table(table)


def due(root: str) -> None:
    """What the scheduler of a server calls when a run is due: nothing where another server was faster."""
    from cadran.config import load_project
    from cadran.jobs.progress import silent
    from cadran.jobs.run import run_project
    from cadran.jobs.schedule import schedule_of, slot_of, trigger_of

    project = load_project(Path(root))
    wanted = schedule_of(project)
    slot = slot_of(trigger_of(project, "run", wanted["run"]), _now()) if "run" in wanted else None
    if slot is not None:
        run_project(project, clock=_now, slot=slot, worker=_worker(), progress=silent)


def send(root: str) -> None:
    """What the scheduler of a server calls to send what is due."""
    from cadran.config import load_project
    from cadran.jobs.deliver import deliver

    deliver(load_project(Path(root)), clock=_now)


@contextmanager
def scheduled(project: Project, output: Output) -> Iterator[None]:
    """A scheduler that works while a server serves; none where nothing is scheduled."""
    from cadran.jobs.schedule import schedule_of, scheduler_of

    wanted = schedule_of(project)
    if not wanted:
        yield
        return
    scheduler = scheduler_of(project, FUNCTIONS)
    scheduler.resume()
    for name, text in wanted.items():
        output.note("Scheduled: {job}, {times}.", job=name, times=text)
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)


def _tell(steps: Mapping[str, Mapping[str, Any]], output: Output) -> None:
    for name, counts in steps.items():
        told = ", ".join(
            f"{key} {value}" for key, value in counts.items() if key != "seconds" and value not in ({}, [])
        )
        output.note("{step}: {seconds} s, {told}", step=name, seconds=counts["seconds"], told=told)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
