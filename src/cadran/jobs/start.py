"""A new project folder, with every setting written out and explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.config import PROJECT_FILE
from cadran.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_TOML = """\
# Settings of one company. `cadran check` says which line is wrong and what to write instead.

[company]
name = {name}
languages = ["{first}", "{second}"]   # the first one is shown by default
currency = "{currency}"               # base currency, ISO 4217: every amount is shown in it
zone = "{zone}"                # days, weeks and months are cut in this zone
growth_stage = "growth"          # launch, growth or scale
north_star = "arr"               # arr, margin or cash

[calendar]
week_start = "monday"            # monday (ISO 8601) or sunday
fiscal_year_start = 1            # month, 1 to 12
fiscal_year_label = "end"        # a fiscal year is named after the year it starts or ends in
scheme = "months"                # months, or 4-4-5, 4-5-4, 5-4-4 (whole weeks)

[hours]
days = ["mon", "tue", "wed", "thu", "fri"]
opens = "09:00"
closes = "18:00"
holiday_country = "{country}"           # public holidays of this country are not worked

[policy]
grace_days = 0                   # a customer without revenue for longer than this has churned
recycle_days = 90                # a lead that comes back after this long starts another cycle
churn_dating = "service_end"     # or request: the day the customer asked to leave
import_batch = 50                # this many opportunities created in one minute are a bulk import

[files]
ignore = []                      # files of exports/ to leave out, such as ["old/*.csv"]

[store]
keep_snapshots = 10              # how many past snapshots are kept
# engine = "duckdb"              # or postgres, spark, with url = "…": see docs/engines.md
"""

_READMES = {
    "mappings": """\
# Mapping files

One YAML file per kind of export that Cadran does not recognise by itself.
`cadran map exports/FILE` writes a proposal and says what it is unsure of.
""",
    "catalogue": """\
# Your own definitions

YAML files with any of these keys: `kpis` (KPIs of your own), `overrides` (what you change of a
shipped KPI: owner, thresholds, scope), `targets`, `dimensions` and `boards`.
`cadran check` reads them all and names the line of every mistake.
""",
    "exports": """\
# Exported files

Put the exports of your CRM, advertising, web and billing tools here: CSV, TSV, XLSX, Parquet or
JSON lines. Keep the date in the name (deals-2026-10-01.csv): it says when the export was made, and
successive exports give the history of each record.
""",
}

_TARGETS = """\
# Levels to reach. Each target may name a segment and the days on which it holds.
# targets:
#   win_rate:
#     - {value: "0.25"}
#     - {value: "0.30", segment: {segment: Enterprise}, start: 2026-01-01, end: 2027-01-01}
"""

_IGNORED = ".cadran/\n"


def init_project(folder: Path, *, name: str = "", country: str = "FR") -> list[Path]:
    """Write a new project folder.

    Args:
        folder: Folder to write; made when it does not exist.
        name: Name of the company; the folder's name when empty.
        country: ``FR`` or ``US``, which sets currency, zone, languages and holidays to start from.

    Returns:
        The files that were written.

    Raises:
        ConfigError: The folder already holds a project.
    """
    path = folder / PROJECT_FILE
    if path.exists():
        raise ConfigError(
            "There is already a project in {folder}.",
            hint="Change its {file}, or choose another folder.",
            where=str(path),
            folder=str(folder),
            file=PROJECT_FILE,
        )
    settings = {
        "FR": {"first": "fr", "second": "en", "currency": "EUR", "zone": "Europe/Paris", "country": "FR"},
        "US": {"first": "en", "second": "fr", "currency": "USD", "zone": "America/New_York", "country": "US"},
    }[country]
    texts = {
        path: _TOML.format(name=_quoted(name or folder.resolve().name), **settings),
        folder / ".gitignore": _IGNORED,
        folder / "catalogue" / "targets.yml": _TARGETS,
        **{folder / room / "README.md": text for room, text in _READMES.items()},
    }
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return list(texts)


def _quoted(text: str) -> str:
    """A TOML string; quotes and backslashes of the text are kept as they are."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
