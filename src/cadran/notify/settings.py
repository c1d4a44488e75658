"""Who is told what, by which channel and when: the sections ``[alerts]`` and ``[smtp]`` of cadran.toml.

Secrets come from the environment alone: `SLACK_TOKEN`, `SLACK_WEBHOOK`, `SMTP_PASSWORD` and `APPRISE_URL`, or
the variable that a route names with ``secret``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from cadran.config import DAYS, PROJECT_FILE, environment, refusal
from cadran.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from zoneinfo import ZoneInfo

    from cadran.config import Project

SLACK_TOKEN, SLACK_WEBHOOK = "CADRAN_SLACK_TOKEN", "CADRAN_SLACK_WEBHOOK"
SMTP_PASSWORD, APPRISE_URL = "CADRAN_SMTP_PASSWORD", "CADRAN_APPRISE_URL"
LEVELS, DIGESTS, SECURITIES = ("warn", "alert"), ("", "daily", "weekly"), ("starttls", "tls", "none")
_KEYS = {
    "alerts": ("cockpit", "quiet", "quiet_days", "digest_at", "slack_api", "routes"),
    "alerts.routes": (
        "name", "to", "secret", "levels", "owners", "teams", "kpis", "language", "digest", "urgent", "recoveries",
    ),
    "smtp": ("host", "port", "security", "user", "sender", "ca"),
}  # fmt: skip
#: Channel of a route, by how its address starts.
CHANNELS = {"slack": "slack", "mailto": "mail", "apprise": "apprise"}


@dataclass(frozen=True)
class Route:
    """One way to some people.

    Attributes:
        name: What the log calls it.
        channel: ``slack``, ``mail`` or ``apprise``.
        address: Slack channel (empty for a webhook) or e-mail address.
        secret: Environment variable that holds what must not be written.
        levels: Levels that it carries.
        owners: Owners of KPIs that it carries; empty for all.
        teams: Teams that it carries; empty for all.
        kpis: KPIs that it carries; empty for all.
        language: Language of its readers.
        digest: ``daily`` or ``weekly`` to gather what happened, or empty to tell it at once.
        urgent: True to carry the level ``alert`` in quiet hours too.
        recoveries: True to tell that an alert is over.
    """

    name: str
    channel: str
    address: str
    secret: str
    levels: tuple[str, ...] = LEVELS
    owners: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    kpis: tuple[str, ...] = ()
    language: str = "fr"
    digest: str = ""
    urgent: bool = False
    recoveries: bool = True

    def carries(self, *, level: str, owner: str, team: str, kpi: str) -> bool:
        """True when an alert goes this way."""
        chosen = ((self.owners, owner), (self.teams, team), (self.kpis, kpi))
        return level in self.levels and all(not wanted or value in wanted for wanted, value in chosen)


@dataclass(frozen=True)
class Smtp:
    """The mail server.

    Attributes:
        host: Its name; empty when there is none.
        port: Port.
        security: ``starttls``, ``tls`` from the start, or ``none``.
        user: Who signs in; empty for nobody.
        sender: Address that mail comes from.
        ca: File of the certificates that are believed; empty for those of the machine.
    """

    host: str = ""
    port: int = 587
    security: str = "starttls"
    user: str = ""
    sender: str = ""
    ca: str = ""


@dataclass(frozen=True)
class Notices:
    """How a company is told.

    Attributes:
        routes: Ways to people.
        smtp: Mail server.
        cockpit: Address of the cockpit, where buttons lead; empty for none.
        quiet: Local times between which nothing is sent, or None.
        quiet_days: Days of the week without messages, 0 for Monday.
        digest_at: Local time of digests; weekly ones come on Monday.
        slack_api: Address of Slack's API.
        zone: Zone of the times.
    """

    routes: tuple[Route, ...]
    smtp: Smtp
    cockpit: str
    quiet: tuple[time, time] | None
    quiet_days: tuple[int, ...]
    digest_at: time
    slack_api: str
    zone: ZoneInfo

    def route(self, name: str) -> Route | None:
        """The route of that name, or None where it was removed since."""
        return next((route for route in self.routes if route.name == name), None)

    def when(self, route: Route, at: datetime, *, level: str) -> tuple[datetime, str]:
        """When to tell something, and the name of the digest that it belongs to.

        Args:
            route: Way that it goes.
            at: A naive UTC instant.
            level: Its level.

        Returns:
            A naive UTC instant, and the digest's name; empty for a message of its own.
        """
        if route.digest:
            moment = self._next_digest(at, route.digest)
            return moment, f"{route.name}@{moment.isoformat()}"
        return self.awake(at, is_urgent=route.urgent and level == "alert"), ""

    def awake(self, at: datetime, *, is_urgent: bool = False) -> datetime:
        """The first instant from one on that is not in quiet hours; naive UTC."""
        local = at.replace(tzinfo=UTC).astimezone(self.zone)
        for _ in range(16):
            later = None if is_urgent else self._sleeps_until(local)
            if later is None:
                break
            local = later
        return local.astimezone(UTC).replace(tzinfo=None)

    def _sleeps_until(self, local: datetime) -> datetime | None:
        if local.weekday() in self.quiet_days and len(self.quiet_days) < len(DAYS):
            return self._at(local.date() + timedelta(days=1), time())
        if self.quiet is None:
            return None
        start, end = self.quiet
        now = local.time()
        if start <= end:
            return self._at(local.date(), end) if start <= now < end else None
        if now >= start:
            return self._at(local.date() + timedelta(days=1), end)
        return self._at(local.date(), end) if now < end else None

    def _at(self, day: date, clock: time) -> datetime:
        return datetime.combine(day, clock, tzinfo=self.zone)

    def _next_digest(self, at: datetime, how: str) -> datetime:
        local = at.replace(tzinfo=UTC).astimezone(self.zone)
        day = local.date() if local.time() < self.digest_at else local.date() + timedelta(days=1)
        while (how == "weekly" and day.weekday() != 0) or day.weekday() in self.quiet_days[:6]:
            day += timedelta(days=1)
        return self._at(day, self.digest_at).astimezone(UTC).replace(tzinfo=None)


def notices(project: Project) -> Notices:
    """How a project's people are told.

    Raises:
        ConfigError: A setting cannot be used.
    """
    given, smtp = project.extra.get("alerts", {}), project.extra.get("smtp", {})
    _known(project, "alerts", given)
    _known(project, "smtp", smtp)
    security = _choice(project, "smtp.security", smtp.get("security", "starttls"), SECURITIES)
    ports = {"starttls": 587, "tls": 465, "none": 25}
    return Notices(
        routes=tuple(_route(project, each) for each in given.get("routes", [])),
        smtp=Smtp(
            host=str(smtp.get("host", "")),
            port=int(smtp.get("port", ports[security])),
            security=security,
            user=str(smtp.get("user", "")),
            sender=str(smtp.get("sender", "")),
            ca=str(project.root / str(smtp["ca"])) if smtp.get("ca") else "",
        ),
        cockpit=str(given.get("cockpit", "")).rstrip("/"),
        quiet=_quiet(project, str(given.get("quiet", ""))),
        quiet_days=tuple(
            DAYS.index(_choice(project, "alerts.quiet_days", day, DAYS)) for day in given.get("quiet_days", [])
        ),
        digest_at=_clock(project, "alerts.digest_at", str(given.get("digest_at", "08:30"))),
        slack_api=str(given.get("slack_api", "https://slack.com/api/")),
        zone=project.zone,
    )


def secret_of(route: Route) -> str:
    """What a route must know and nobody may write down.

    Raises:
        ConfigError: The environment does not hold it.
    """
    found = environment(route.secret)
    if not found:
        raise ConfigError(
            "The environment has no {name}, which the route {route} needs.",
            hint="Set it where Cadran runs: it is never written in cadran.toml.",
            where=route.name,
            name=route.secret,
            route=route.name,
        )
    return found


def _route(project: Project, given: Mapping[str, Any]) -> Route:
    _known(project, "alerts.routes", given)
    to = str(given.get("to", ""))
    kind, _, address = to.partition(":")
    if kind not in CHANNELS or (kind == "mailto" and "@" not in address):
        raise ConfigError(
            "A route cannot lead to {to}.",
            hint="Use slack, slack:#channel, mailto:person@company.com or apprise.",
            where=project.places.get("alerts.routes", PROJECT_FILE),
            to=repr(to),
        )
    variable = {"slack": SLACK_TOKEN if address else SLACK_WEBHOOK, "mailto": SMTP_PASSWORD, "apprise": APPRISE_URL}
    several = {name: tuple(map(str, given.get(name, ()))) for name in ("owners", "teams", "kpis")}
    levels = tuple(_choice(project, "alerts.routes", level, LEVELS) for level in given.get("levels", LEVELS))
    language = given.get("language", project.languages[0])
    return Route(
        name=str(given.get("name", to)),
        channel=CHANNELS[kind],
        address=address,
        secret=str(given.get("secret", variable[kind])),
        levels=levels,
        language=_choice(project, "alerts.routes", language, project.languages),
        digest=_choice(project, "alerts.routes", given.get("digest", ""), DIGESTS),
        urgent=bool(given.get("urgent", False)),
        recoveries=bool(given.get("recoveries", True)),
        **several,
    )


def _quiet(project: Project, text: str) -> tuple[time, time] | None:
    if not text:
        return None
    start, _, end = text.partition("-")
    return _clock(project, "alerts.quiet", start), _clock(project, "alerts.quiet", end)


def _clock(project: Project, name: str, text: str) -> time:
    if not re.fullmatch(r"\s*([01]?\d|2[0-3]):[0-5]\d\s*", text):
        raise refusal(project.places, name, text, "08:30")
    hour, minute = text.split(":")
    return time(int(hour), int(minute))


def _choice(project: Project, name: str, value: object, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise refusal(project.places, name, value, ", ".join(allowed), did_you_mean(str(value), allowed))
    return str(value)


def _known(project: Project, section: str, given: Mapping[str, Any]) -> None:
    for key in given:
        if key not in _KEYS[section]:
            near = did_you_mean(key, _KEYS[section])
            raise ConfigError(
                "There is no setting named {key} in [{section}].",
                hint="Did you mean {near}?" if near else "The settings of [{section}] are: {keys}.",
                where=project.places.get(f"{section}.{key}", PROJECT_FILE),
                key=key,
                section=section,
                near=near,
                keys=", ".join(_KEYS[section]),
            )
