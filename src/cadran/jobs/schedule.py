"""When runs are due, and the scheduler of a server: the section ``[schedule]`` of cadran.toml.

The scheduler keeps its jobs in the application database, so that a run missed while every server was down is
caught up once. Servers share them; the claim of a run's slot lets one of them run it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cadran.config import DAYS, PROJECT_FILE, refusal
from cadran.errors import ConfigError, did_you_mean
from cadran.notify.settings import notices
from cadran.period import parse_grain
from cadran.store.alert_tables import SCHEDULE_NAME
from cadran.store.state import open_state

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler
    from apscheduler.triggers.cron import CronTrigger

    from cadran.config import Project
    from cadran.period import Grain

#: When deliveries are tried, unless settings say otherwise: every five minutes.
DELIVER = "*/5 * * * *"
TIMES = ("run", "deliver")
KEYS = (*TIMES, "reports", "formats", "report_grain", "report_to")
FORMATS = ("html", "pdf", "xlsx", "png")
#: How far back the hour is looked for at which a run was last due, the nearest first.
_BACK = (timedelta(hours=2), timedelta(days=2), timedelta(days=40), timedelta(days=400))


def schedule_of(project: Project) -> dict[str, str]:
    """When each job is due, as five crontab fields in the company's zone; a job without a time is left out.

    Raises:
        ConfigError: A setting cannot be used.
    """
    given = project.extra.get("schedule", {})
    for key in given:
        if key not in KEYS:
            near = did_you_mean(key, KEYS)
            raise ConfigError(
                "There is no setting named {key} in [{section}].",
                hint="Did you mean {near}?" if near else "The settings of [{section}] are: {keys}.",
                where=project.places.get(f"schedule.{key}", PROJECT_FILE),
                key=key, section="schedule", near=near, keys=", ".join(KEYS),
            )  # fmt: skip
    found = {key: str(value) for key, value in given.items() if value and key in TIMES}
    if project.extra.get("alerts", {}).get("routes") or project.extra.get("actions", {}).get("push"):
        found.setdefault("deliver", DELIVER)
    for key, text in found.items():
        trigger_of(project, key, text)
    return found


@dataclass(frozen=True)
class Reports:
    """The reports that a run writes.

    Attributes:
        teams: Boards, in order; none for no report.
        formats: Among `FORMATS`.
        grain: Length of the period that is reported, the last whole one.
        to: Routes of alerts by e-mail that it is sent on.
    """

    teams: tuple[str, ...] = ()
    formats: tuple[str, ...] = ("html",)
    grain: Grain = "month"
    to: tuple[str, ...] = ()


def reports_of(project: Project) -> Reports:
    """The reports that ``[schedule]`` asks for: ``reports`` (boards), ``formats``, ``report_grain``, ``report_to``.

    Raises:
        ConfigError: A setting cannot be used.
        QueryError: There is no such grain.
    """
    given = project.extra.get("schedule", {})
    formats = tuple(map(str, given.get("formats", ("html",))))
    for name in formats:
        if name not in FORMATS:
            raise refusal(project.places, "schedule.formats", name, ", ".join(FORMATS))
    mails = {route.name for route in notices(project).routes if route.channel == "mail"}
    wanted = tuple(map(str, given.get("report_to", ())))
    for name in wanted:
        if name not in mails:
            raise refusal(project.places, "schedule.report_to", name, ", ".join(sorted(mails)) or "mailto:")
    grain = parse_grain(given.get("report_grain", "month"))
    return Reports(tuple(map(str, given.get("reports", ()))), formats, grain, wanted)


def trigger_of(project: Project, key: str, text: str) -> CronTrigger:
    """The times that five crontab fields mean in the company's zone.

    Raises:
        ConfigError: They cannot be read.
    """
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415 - only servers need it

    try:
        return CronTrigger.from_crontab(_with_days(text), timezone=project.zone)
    except ValueError as error:
        raise refusal(project.places, f"schedule.{key}", text, '"0 7 * * 1-5"') from error


def _with_days(text: str) -> str:
    """The fields with days of the week by name: a crontab counts from Sunday, the library from Monday."""
    *fields, days = text.split(" ")
    named = re.sub(r"(?<![/\d])[0-7](?!\d)", lambda found: DAYS[(int(found.group()) - 1) % len(DAYS)], days)
    return " ".join([*fields, named])


def slot_of(trigger: CronTrigger, now: datetime) -> datetime | None:
    """The last instant at which a job was due, naive UTC; None where it never was.

    Every server that asks in the same interval gets the same slot, however late it is.

    Args:
        trigger: Its times.
        now: A naive UTC instant.
    """
    aware = now.replace(tzinfo=UTC)
    for back in _BACK:
        last, at = None, aware - back
        while (fire := trigger.get_next_fire_time(last, at)) is not None and fire <= aware:
            last, at = fire, fire + timedelta(seconds=1)
        if last is not None:
            return datetime.fromtimestamp(last.timestamp(), tz=UTC).replace(tzinfo=None)
    return None


def scheduler_of(project: Project, functions: dict[str, str]) -> BackgroundScheduler:
    """The scheduler of a server, not started: jobs that are in the database keep the time at which they are due.

    Args:
        project: Settings of the company.
        functions: By job, the function that does it, as ``module:name``; it takes the project's folder.

    Raises:
        ConfigError: A setting cannot be used.
        StoreError: The application database cannot be used.
    """
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore  # noqa: PLC0415
    from apscheduler.schedulers.background import BackgroundScheduler  # noqa: PLC0415

    # a run that was missed several times is caught up once, however late
    defaults: dict[str, Any] = {"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
    store = SQLAlchemyJobStore(engine=open_state(project), tablename=SCHEDULE_NAME)
    scheduler = BackgroundScheduler(jobstores={"default": store}, timezone=project.zone, job_defaults=defaults)
    scheduler.start(paused=True)
    wanted = schedule_of(project)
    for key, function in functions.items():
        kept = scheduler.get_job(key)
        if key not in wanted:
            if kept is not None:
                scheduler.remove_job(key)
            continue
        trigger = trigger_of(project, key, wanted[key])
        if kept is None or str(kept.trigger) != str(trigger):
            scheduler.add_job(function, trigger, args=[str(project.root.resolve())], id=key, replace_existing=True)
    return scheduler
