"""Playbooks: what a team can do when a figure is out of its range, in YAML, shipped and a project's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cadran.catalogue import fields
from cadran.catalogue.findings import unknown_name
from cadran.record import Record, load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cadran.catalogue.definition import Catalogue
    from cadran.errors import Issue

SHIPPED = Path(__file__).parent / "plays.yml"
#: Effort at which a play is half as easy as one that takes none, in days.
HALF_EASY = 10
PLAY = fields.Shape(
    "a play",
    {
        "names": fields.localised,
        "steps": fields.localised,
        "kpis": fields.texts,
        "stage": fields.choice("first", "later"),
        "worth": fields.choice("arr"),
        "owner": fields.localised,
        "effort_days": fields.whole,
    },
    required=("names", "steps", "kpis", "owner", "effort_days"),
)


@dataclass(frozen=True)
class Play:
    """What a team can do.

    Attributes:
        id: Its name; a decision whose title holds it in square brackets counts as a try of it.
        names: Its title in each language.
        steps: What is done, in each language.
        kpis: KPIs whose gap it closes.
        owner: Who does it, by role, in each language.
        effort_days: Days of work that it takes.
        stage: For conversion by stage, ``first`` or ``later`` stages only; empty for all.
        worth: ``arr`` where a gap of its rates applies to a year's recurring revenue; else empty.
        where: ``file:line`` of the entry.
    """

    id: str
    names: Mapping[str, str]
    steps: Mapping[str, str]
    kpis: tuple[str, ...]
    owner: Mapping[str, str]
    effort_days: int
    stage: str = ""
    worth: str = ""
    where: str = ""

    @property
    def ease(self) -> float:
        """1 for no effort, one half at `HALF_EASY` days, in (0, 1]."""
        return HALF_EASY / (HALF_EASY + max(self.effort_days, 0))


def load_plays(folder: Path | None, catalogue: Catalogue) -> tuple[tuple[Play, ...], tuple[Issue, ...]]:
    """The plays that can be proposed, and every problem in their files.

    Args:
        folder: The project's ``playbooks`` folder, whose entries replace shipped ones of the same name; None, or
            a folder that is not there, adds nothing.
        catalogue: KPIs that plays may name.

    Raises:
        ConfigError: A file is not YAML, or cannot be read.
    """
    problems: list[Issue] = []
    found: dict[str, Play] = {}
    paths = [(SHIPPED, f"cadran/catalogue/{SHIPPED.name}")]
    paths += [(path, f"playbooks/{path.name}") for path in sorted(folder.glob("*.y*ml"))] if folder else []
    for path, shown_as in paths:
        plays = load_yaml(path, shown_as=shown_as).get("plays")
        for name, entry in plays.items() if isinstance(plays, Record) else ():
            values = fields.read_entry(entry, PLAY, problems) if isinstance(entry, Record) else None
            if values is not None:
                found[name] = Play(name, **values, where=str(entry.place))
    known = {*catalogue.kpis, *catalogue.left_out}
    problems += [
        unknown_name("unknown_kpi", "No KPI is named {name}.", kpi, catalogue.kpis, play.where)
        for play in found.values()
        for kpi in play.kpis
        if kpi not in known
    ]
    return tuple(found.values()), tuple(problems)
