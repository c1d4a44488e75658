"""What a report says, before it is written in a format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cadran.charts import segment_names

if TYPE_CHECKING:
    from datetime import datetime

    from cadran.catalogue.definition import Kpi
    from cadran.charts import Words
    from cadran.insights.reading import Reading
    from cadran.period import Grain, Period


@dataclass(frozen=True)
class Line:
    """A KPI of a report.

    Attributes:
        kpi: Version of the KPI that counts in the period.
        readings: Readings of the period; several for a KPI that is always broken down.
        course: Readings over time, oldest first; empty for a KPI that is always broken down.
        problem: Why there are none, as an English template; empty where there are.
        params: Values of its fields.
    """

    kpi: Kpi
    readings: tuple[Reading, ...] = ()
    course: tuple[Reading, ...] = ()
    problem: str = ""
    params: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class Section:
    """The KPIs of a board.

    Attributes:
        title: Name of the board.
        question: The question that it answers.
        lines: Its KPIs.
    """

    title: str
    question: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Report:
    """Some boards in a period and a slice.

    Attributes:
        company: Name of the company.
        sections: One per board.
        period: Period shown.
        grain: Its grain; a KPI that has not this grain is shown in its nearest longer one.
        where: Predicates that every row fulfils; empty for everything.
        known_at: UTC instant up to which the data was known.
        made_at: UTC instant at which the report was made.
        snapshot: Snapshot that answered.
        currency: Base currency.
    """

    company: str
    sections: tuple[Section, ...]
    period: Period
    grain: Grain
    where: tuple[str, ...]
    known_at: datetime
    made_at: datetime
    snapshot: str
    currency: str

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every KPI, once."""
        found = {line.kpi.id: line for section in self.sections for line in section.lines}
        return tuple(found.values())

    def title(self, words: Words) -> str:
        """What the report is about."""
        boards = ", ".join(section.title for section in self.sections)
        return f"{self.company} – {boards} – {words.period(self.period.start, self.period.end, self.grain)}"

    def slice(self, words: Words) -> list[tuple[str, str]]:
        """What must be known to read a figure of it right: period, slice, as-of, snapshot."""
        everything = words.say("everything")
        return [
            (words.say("Period"), words.period(self.period.start, self.period.end, self.grain)),
            (words.say("Slice"), " · ".join(self.where) or everything),
            (words.say("Data as of"), words.known(self.known_at)),
            (words.say("Snapshot"), self.snapshot),
            (words.say("Currency"), self.currency),
            (words.say("Made on"), words.moment(self.made_at)),
        ]


def name_of(line: Line, reading: Reading, words: Words) -> str:
    """The KPI and the segment of a reading."""
    name, segment = line.kpi.name(words.language), segment_names(reading, words)
    return f"{name} · {segment}" if segment else name
