"""Settings, mappings and targets of the sample company, as its RevOps team would write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

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


def write_project(folder: Path) -> None:
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
    (folder / "cadran.toml").write_bytes(_TOML.encode())
