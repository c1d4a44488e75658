"""Settings, mappings and targets of the sample company, as its RevOps team would write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.errors import ConfigError
from cadran.sources.demo_mappings import mapping_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cadran.sources.demo_files import Export

_TOML = """\
# Lisière Logiciels is a sample company: every person, company and figure in it is made up.

[company]
name = "Lisière Logiciels"
languages = ["fr", "en"]
currency = "EUR"
zone = "Europe/Paris"
growth_stage = "growth"
north_star = "arr"

[calendar]
week_start = "monday"
fiscal_year_start = 1

[hours]
days = ["mon", "tue", "wed", "thu", "fri"]
opens = "09:00"
closes = "17:00"
holiday_country = "FR"

[store]
keep_snapshots = 10
"""

_TARGETS = """\
# What Lisière Logiciels aims at, by segment, and the board of its American launch.
targets:
  win_rate:
    - {value: "0.25"}
    - {value: "0.30", segment: {segment: SMB}}
    - {value: "0.22", segment: {segment: Enterprise}}
  nrr:
    - {value: "1.10"}
  grr:
    - {value: "0.90"}
  mql_to_sql:
    - {value: "0.25", high: "0.40", segment: {segment: Mid-market}}
    - {value: "0.15", high: "0.25", segment: {segment: Enterprise}}
boards:
  us_launch:
    labels: {fr: "Lancement États-Unis", en: "US launch"}
    questions:
      fr: "Le processus de vente fonctionne-t-il aux États-Unis ?"
      en: "Does the sales process work in the United States?"
    kpis: [new_opportunities, lead_response_hours, stage_conversion, win_rate, sales_cycle_days]
"""


def write_project(folder: Path, exports: Iterable[Export]) -> None:
    """Write everything of the project but its exports.

    Raises:
        ConfigError: The folder holds a project already.
    """
    if (folder / "cadran.toml").exists():
        raise ConfigError(
            "There is already a project in {folder}.",
            hint="Choose another folder, or remove this one first.",
            where=str(folder / "cadran.toml"),
            folder=str(folder),
        )
    for name in ("exports", "mappings", "catalogue"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    texts = {"cadran.toml": _TOML, "catalogue/targets.yml": _TARGETS}
    texts |= {f"mappings/{name}": text for name, text in mapping_files(exports).items()}
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode())
