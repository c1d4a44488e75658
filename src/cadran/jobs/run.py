"""The rhythm of a company in one run: sync, build, evaluate, deliver, review, report; archived with what it did.

A step that fails is told in the archive and does not stop those that can do without it: alerts are delivered
even where an export cannot be read.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cadran.errors import CadranError, QueryError, did_you_mean
from cadran.jobs.alerts import evaluate
from cadran.jobs.build import build_project
from cadran.jobs.deliver import REPORTS, deliver, post_report
from cadran.jobs.push import push
from cadran.jobs.quality import measured
from cadran.jobs.report import report_of, write_report
from cadran.jobs.review import review
from cadran.jobs.schedule import reports_of
from cadran.jobs.sync import sync_project
from cadran.store.archive import open_archive
from cadran.store.runs import open_runs
from cadran.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from cadran.config import Project
    from cadran.jobs.progress import Progress
    from cadran.store.runs import Runs

    Clock = Callable[[], datetime]
Row = dict[str, Any]
STEPS = ("sync", "build", "evaluate", "deliver", "review", "report")
#: Name of the job in the archive.
JOB = "run"
#: Seconds between two signs of life of a run.
PULSE = 45
FIELDS = ("run", "job", "slot", "worker", "started_at", "ended_at", "seconds", "outcome", "steps")


@dataclass(frozen=True)
class Ran:
    """One run.

    Attributes:
        number: Its number in the archive; 0 where another server runs or ran it.
        outcome: ``ok``, ``findings`` where data left some, ``failed`` where a step did not end, or ``elsewhere``.
        steps: By step, its ``seconds``, what it counted, and its ``error`` if it failed.
    """

    number: int
    outcome: str
    steps: Mapping[str, Mapping[str, Any]]


def run_project(
    project: Project, *, clock: Clock, slot: datetime, worker: str, progress: Progress, steps: Sequence[str] = STEPS
) -> Ran:
    """Run the steps, once for a slot, whoever asks.

    Args:
        project: Settings of the company.
        clock: What tells the time, as a naive UTC instant.
        slot: Naive UTC instant for which the run is due.
        worker: Who runs it.
        progress: Told how far each step is.
        steps: Which steps, in their order.

    Raises:
        QueryError: There is no such step.
        StoreError: The application database cannot be used.
    """
    for name in steps:
        if name not in STEPS:
            near = did_you_mean(name, STEPS)
            raise QueryError(
                "There is no step named {name}.", hint="Use one of: {known}.", where="--step",
                name=name, near=near, known=", ".join(STEPS),
            )  # fmt: skip
    runs = open_runs(project)
    number = runs.claim(JOB, slot, worker, clock())
    if number is None:
        return Ran(0, "elsewhere", {})
    work = _Work(project, clock, progress)
    with _alive(runs, number, clock):
        done = {name: work.step(name) for name in STEPS if name in steps}
    failed = any("error" in each for each in done.values())
    outcome = "failed" if failed else "findings" if any(each.get("n_errors") for each in done.values()) else "ok"
    runs.end(number, clock(), outcome, {**done, "tries": _tries(runs, number)})
    return Ran(number, outcome, done)


def run_records(project: Project) -> list[Row]:
    """The newest runs by the names of `FIELDS`."""
    found = []
    for row in open_runs(project).every():
        ended = row["ended_at"]
        record = {
            "run": row["id"],
            "job": row["job"],
            "slot": row["slot"].isoformat() + "Z",
            "worker": row["worker"],
            "started_at": row["started_at"].isoformat() + "Z",
            "ended_at": ended.isoformat() + "Z" if ended else None,
            "seconds": round((ended - row["started_at"]).total_seconds(), 1) if ended else None,
            "outcome": row["outcome"] or "running",
            "steps": row["steps"],
        }
        found.append(record)
    return found


class _Work:
    """The steps of one run."""

    def __init__(self, project: Project, clock: Clock, progress: Progress) -> None:
        self.project, self.clock, self.progress = project, clock, progress
        self.found: tuple[Any, ...] = ()

    def step(self, name: str) -> Row:
        """Do one step: what it counted, and why it failed if it did."""
        started = self.clock()
        try:
            counts: Row = getattr(self, name)()
        except CadranError as error:
            counts = {"error": str(error), "where": error.where}
        return {"seconds": round((self.clock() - started).total_seconds(), 1), **counts}

    def sync(self) -> Row:
        """Read what is new."""
        report = sync_project(self.project, now=self.clock(), progress=self.progress)
        self.found = report.issues
        errors = sum(issue.level == "error" for issue in report.issues)
        return {"n_files": len(report.files), "n_errors": errors}

    def build(self) -> Row:
        """Compute the tables, publish them, and remember how good the data is."""
        report = build_project(self.project, now=self.clock(), progress=self.progress, found=self.found)
        errors = sum(issue.level == "error" for issue in report.issues)
        # remembered with each snapshot, so that every team's score has a trend whether or not somebody looks
        quality, _ = measured(open_workspace(self.project.root).view(), ())
        score = quality.total.value
        return {"n_files": len(report.files), "n_issues": len(report.issues), "n_errors": errors, "quality": score}

    def evaluate(self) -> Row:
        """Evaluate alerts on the newest snapshot."""
        found = evaluate(self.project, open_workspace(self.project.root).view(), now=self.clock())
        return {**asdict(found), "skipped": list(found.skipped)}

    def deliver(self) -> Row:
        """Send what is due, and put actions into the CRM where the project asks for it."""
        tasks = push(self.project, clock=self.clock)
        return {**asdict(deliver(self.project, clock=self.clock)), "n_tasks": tasks.n_sent}

    def review(self) -> Row:
        """Prepare the reviews of the teams that hold reviews."""
        teams = {row["team"] for row in open_archive(self.project).reviews()}
        if not teams:
            return {"n_reviews": 0}
        view = open_workspace(self.project.root).view()
        known = sorted(teams & {board.id for board in view.catalogue.boards})
        for team in known:
            review(self.project, view, team, now=self.clock())
        return {"n_reviews": len(known)}

    def report(self) -> Row:
        """Write the reports that `[schedule]` asks for, into the folder ``reports``; and send it."""
        wanted = reports_of(self.project)
        if not wanted.teams:
            return {"n_reports": 0}
        view, language = open_workspace(self.project.root).view(), self.project.languages[0]
        found = report_of(view, wanted.teams, language, now=self.clock(), grain=wanted.grain)
        written = write_report(view, found, wanted.formats, self.project.root / REPORTS, language)
        if wanted.to and written:
            labels = {board.id: board.labels for board in view.catalogue.boards}
            teams = {
                each: ", ".join(labels[name].get(each, name) if name in labels else name for name in wanted.teams)
                for each in self.project.languages
            }
            post_report(self.project, wanted.to, teams, [path.name for path in written], self.clock())
            deliver(self.project, clock=self.clock)
        return {"n_reports": len(written)}


@contextmanager
def _alive(runs: Runs, number: int, clock: Clock) -> Iterator[None]:
    """Say again and again that a run is alive while it works."""
    over = threading.Event()

    def pulse() -> None:
        while not over.wait(PULSE):
            runs.live(number, clock())

    thread = threading.Thread(target=pulse, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _tries(runs: Runs, number: int) -> int:
    mine = next((row for row in runs.every() if row["id"] == number), None)
    return int(mine["steps"].get("tries", 1)) if mine else 1
