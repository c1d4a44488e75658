"""cadran.toml and the environment, each setting with its file and line."""

from __future__ import annotations

import fnmatch
import os
import re
import tomllib
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from cadran.errors import ConfigError, did_you_mean
from cadran.period import MONTHS_IN_YEAR, Calendar
from cadran.record import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROJECT_FILE = "cadran.toml"
LANGUAGES = ("fr", "en")
STAGES = ("launch", "growth", "scale")
NORTH_STARS = ("arr", "margin", "cash")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class BusinessHours:
    """When somebody answers.

    Attributes:
        days: Working days, 0 for Monday to 6 for Sunday.
        opens: Local time at which work starts.
        closes: Local time at which work ends.
        holiday_country: ISO 3166 code of the country whose public holidays are free, or empty.
    """

    days: tuple[int, ...] = (0, 1, 2, 3, 4)
    opens: time = time(9)
    closes: time = time(17)
    holiday_country: str = ""


@dataclass(frozen=True)
class Policy:
    """Conventions of the company that move figures.

    Attributes:
        grace_days: Longest gap without revenue that is a pause and not a churn.
        recycle_days: Shortest gap after which a person starts another cycle.
        churn_dating: Whether churn is dated at the end of service or at the request to cancel.
        import_batch: Opportunities created in one minute from which it is a bulk import.
        baseline_from: First day of the year of wins that cycles are compared with, or None for the first win.
    """

    grace_days: int = 0
    recycle_days: int = 90
    churn_dating: Literal["service_end", "request"] = "service_end"
    import_batch: int = 50
    baseline_from: date | None = None


@dataclass(frozen=True)
class Project:
    """The settings of one company.

    Attributes:
        root: Folder of the project.
        company: Name of the company.
        languages: Languages shown, the first one by default.
        currency: Base currency, ISO 4217.
        zone: Zone in which days, weeks and months are cut.
        calendar: Weeks and fiscal years.
        hours: Business hours.
        growth_stage: ``launch``, ``growth`` or ``scale``.
        north_star: ``arr``, ``margin`` or ``cash``.
        policy: Conventions that move figures.
        keep_snapshots: How many past snapshots are kept.
        ignore: Globs of files in exports/ that are left out.
        places: ``file:line`` of every setting, by dotted name.
        extra: Settings of sections that other rooms read, as written.
    """

    root: Path
    company: str
    languages: tuple[str, ...] = LANGUAGES
    currency: str = "EUR"
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Paris"))
    calendar: Calendar = field(default_factory=Calendar)
    hours: BusinessHours = field(default_factory=BusinessHours)
    growth_stage: str = "growth"
    north_star: str = "arr"
    policy: Policy = field(default_factory=Policy)
    keep_snapshots: int = 10
    ignore: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def leaves_out(self, file: str) -> bool:
        """True when the settings leave out this file of exports/, given by its path in there."""
        return any(fnmatch.fnmatch(file, glob) for glob in self.ignore)

    @property
    def exports(self) -> Path:
        """Folder of exported files."""
        return self.root / "exports"

    @property
    def mappings(self) -> Path:
        """Folder of the project's mapping files."""
        return self.root / "mappings"

    @property
    def catalogue(self) -> Path:
        """Folder of the project's own KPIs, targets and overrides."""
        return self.root / "catalogue"

    @property
    def state(self) -> Path:
        """Folder that Cadran writes: raw records and snapshots."""
        return self.root / ".cadran"


def load_project(root: Path) -> Project:
    """The settings of the project in that folder.

    Raises:
        ConfigError: The folder has no cadran.toml, or a setting cannot be used.
    """
    path = root / PROJECT_FILE
    if not path.is_file():
        raise ConfigError(
            "There is no {file} in {folder}.",
            hint="Run `cadran init {folder}` to start a project there, or give its folder with --project.",
            where=str(path),
            file=PROJECT_FILE,
            folder=str(root),
        )
    text = read_text(path, PROJECT_FILE)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = found.group(1) if found else "1"
        raise ConfigError(
            "This is not valid TOML: {problem}.", where=f"{PROJECT_FILE}:{line}", problem=error
        ) from error
    return _Settings(values, _toml_places(text)).project(root)


def refusal(places: Mapping[str, str], setting: str, value: object, allowed: str, near: str = "") -> ConfigError:
    """The error for a setting that cannot have its value.

    Args:
        places: ``file:line`` of each setting.
        setting: ``section.key``.
        value: What was written.
        allowed: What may be written.
        near: What was probably meant, or empty.
    """
    return ConfigError(
        "{setting} cannot be {value}.",
        hint="Did you mean {near}?" if near else "Use {allowed}.",
        where=places.get(setting, PROJECT_FILE),
        setting=setting,
        value=repr(value),
        allowed=allowed,
        near=near,
    )


def environment(name: str, default: str = "") -> str:
    """The value of an environment variable, or the default."""
    return os.environ.get(name, default)


def _toml_places(text: str) -> dict[str, str]:
    """``file:line`` of every ``section.key`` of a TOML text."""
    section, places = "", {}
    for number, line in enumerate(text.splitlines(), start=1):
        if head := re.match(r"\s*\[+\s*([\w.\-]+)\s*\]+", line):
            section = head.group(1) + "."
            places[section.rstrip(".")] = f"{PROJECT_FILE}:{number}"
        elif key := re.match(r"\s*([\w\-]+)\s*=", line):
            places[section + key.group(1)] = f"{PROJECT_FILE}:{number}"
    return places


#: Sections and keys of cadran.toml that this module reads; anything else is kept in `extra`.
KNOWN: dict[str, tuple[str, ...]] = {
    "company": ("name", "languages", "currency", "zone", "growth_stage", "north_star"),
    "calendar": ("week_start", "fiscal_year_start", "fiscal_year_label", "scheme"),
    "hours": ("days", "opens", "closes", "holiday_country"),
    "policy": ("grace_days", "recycle_days", "churn_dating", "import_batch", "baseline_from"),
    "files": ("ignore",),
    "store": ("keep_snapshots", "engine", "url", "schema", "folder", "cores", "memory"),
    "state": ("url", "schema"),
}


@dataclass(frozen=True)
class _Settings:
    """The values of a cadran.toml while they are checked."""

    values: Mapping[str, Any]
    places: Mapping[str, str]

    def project(self, root: Path) -> Project:
        self._refuse_unknown()
        return Project(
            root=root,
            company=str(self._get("company.name", root.resolve().name)),
            languages=tuple(self._choice("company.languages", code, LANGUAGES) for code in self._languages()),
            currency=self._currency(),
            zone=self._zone(),
            calendar=self._calendar(),
            hours=self._hours(),
            growth_stage=self._choice("company.growth_stage", self._get("company.growth_stage", "growth"), STAGES),
            north_star=self._choice("company.north_star", self._get("company.north_star", "arr"), NORTH_STARS),
            policy=self._policy(),
            ignore=self._globs(),
            keep_snapshots=self._between("store.keep_snapshots", 10, 1, 10_000),
            places=self.places,
            extra={n: value for n, value in self.values.items() if n not in KNOWN or n in ("store", "state")},
        )

    def _get(self, name: str, default: Any) -> Any:
        section, key = name.split(".")
        table = self.values.get(section, {})
        return table.get(key, default) if isinstance(table, dict) else default

    def _refuse_unknown(self) -> None:
        for section, keys in KNOWN.items():
            for key in self.values.get(section, {}):
                if key not in keys:
                    near = did_you_mean(key, keys)
                    hint = "Did you mean {near}?" if near else "The settings of [{section}] are: {keys}."
                    raise ConfigError(
                        "There is no setting named {key} in [{section}].",
                        hint=hint,
                        where=self._where(f"{section}.{key}"),
                        key=key,
                        section=section,
                        near=near,
                        keys=", ".join(keys),
                    )

    def _where(self, name: str) -> str:
        return self.places.get(name, PROJECT_FILE)

    def _refuse(self, name: str, value: object, allowed: str, near: str = "") -> ConfigError:
        return refusal(self.places, name, value, allowed, near)

    def _choice(self, name: str, value: object, allowed: tuple[str, ...]) -> str:
        if value not in allowed:
            raise self._refuse(name, value, ", ".join(allowed), did_you_mean(str(value), allowed))
        return str(value)

    def _between(self, name: str, default: int, low: int, high: int) -> int:
        value = self._get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._refuse(name, value, f"{low}–{high}")
        return value

    def _languages(self) -> list[str]:
        found = self._get("company.languages", list(LANGUAGES))
        if not isinstance(found, list) or not found:
            raise self._refuse("company.languages", found, '["fr", "en"]')
        return found

    def _currency(self) -> str:
        value = str(self._get("company.currency", "EUR"))
        if not re.fullmatch(r"[A-Z]{3}", value):
            raise self._refuse("company.currency", value, "EUR, USD, GBP…")
        return value

    def _zone(self) -> ZoneInfo:
        name = str(self._get("company.zone", "Europe/Paris"))
        known = available_timezones()
        if name not in known:
            raise self._refuse("company.zone", name, "Europe/Paris, America/New_York…", did_you_mean(name, known))
        return ZoneInfo(name)

    def _calendar(self) -> Calendar:
        return Calendar(
            week_start=self._choice(  # type: ignore[arg-type]
                "calendar.week_start", self._get("calendar.week_start", "monday"), ("monday", "sunday")
            ),
            fiscal_start=self._between("calendar.fiscal_year_start", 1, 1, MONTHS_IN_YEAR),
            scheme=self._choice(  # type: ignore[arg-type]
                "calendar.scheme", self._get("calendar.scheme", "months"), ("months", "4-4-5", "4-5-4", "5-4-4")
            ),
            year_label=self._choice(  # type: ignore[arg-type]
                "calendar.fiscal_year_label", self._get("calendar.fiscal_year_label", "end"), ("start", "end")
            ),
        )

    def _globs(self) -> tuple[str, ...]:
        found = self._get("files.ignore", [])
        if not isinstance(found, list) or not all(isinstance(glob, str) for glob in found):
            raise self._refuse("files.ignore", found, '["old/*.csv"]')
        return tuple(found)

    def _policy(self) -> Policy:
        day, dating = self._get("policy.baseline_from", None), self._get("policy.churn_dating", "service_end")
        return Policy(
            grace_days=self._between("policy.grace_days", 0, 0, 3650),
            recycle_days=self._between("policy.recycle_days", 90, 1, 3650),
            churn_dating=self._choice("policy.churn_dating", dating, ("service_end", "request")),  # type: ignore[arg-type]
            import_batch=self._between("policy.import_batch", 50, 2, 10_000_000),
            baseline_from=parse_day(day, self.places.get("policy.baseline_from", "")) if day else None,
        )

    def _hours(self) -> BusinessHours:
        days = [self._choice("hours.days", day, DAYS) for day in self._get("hours.days", list(DAYS[:5]))]
        opens, closes = self._clock("hours.opens", "09:00"), self._clock("hours.closes", "17:00")
        if opens >= closes:
            raise self._refuse("hours.closes", closes.isoformat("minutes"), f"> {opens.isoformat('minutes')}")
        return BusinessHours(
            days=tuple(DAYS.index(day) for day in days),
            opens=opens,
            closes=closes,
            holiday_country=str(self._get("hours.holiday_country", "")),
        )

    def _clock(self, name: str, default: str) -> time:
        value = self._get(name, default)
        try:
            return value if isinstance(value, time) else time.fromisoformat(str(value))
        except ValueError as error:
            raise self._refuse(name, value, "09:00") from error


def parse_day(value: object, where: str) -> date:
    """A calendar day from a YAML or command-line value.

    Raises:
        ConfigError: The value is not a day written YYYY-MM-DD.
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise ConfigError("{value} is not a day.", hint="Write it as 2026-03-31.", where=where, value=value) from error
