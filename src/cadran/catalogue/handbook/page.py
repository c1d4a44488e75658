"""One KPI as a Markdown page: what it says, how it is computed, what it is compared with, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cadran.catalogue.exchange.sql import roles_of
from cadran.catalogue.handbook.cases import edge_cases
from cadran.catalogue.words import CADENCES, level_text, target_text
from cadran.i18n import format_date, format_value, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from decimal import Decimal

    from cadran.catalogue.definition import AlertRule, Catalogue, Kpi, Measure

UNITS = {
    "rate": "rate",
    "count": "count",
    "money": "money",
    "money_per_day": "money per day",
    "days": "days",
    "hours": "hours",
    "months": "months",
    "multiple": "multiple",
}
_GRADES = {
    "A": "A: primary source seen",
    "B": "B: secondary source",
    "C": "C: not traceable",
}


#: What a rule holds a value against, where it is no level of its own.
AGAINST = {"target": "off target", "usual": "share of {n} weeks out of that of the year before"}


@dataclass(frozen=True)
class Page:
    """Writes the page of one version of a KPI.

    Attributes:
        kpi: The KPI.
        catalogue: Everything that it refers to.
        language: ``fr`` or ``en``.
        currency: Currency of its amounts.
    """

    kpi: Kpi
    catalogue: Catalogue
    language: str
    currency: str

    def text(self) -> str:
        """The whole page."""
        blocks = [block for section in self._sections() if (block := "\n\n".join(section))]
        return "\n\n".join(blocks) + "\n"

    def say(self, template: str, **params: object) -> str:
        """A sentence in the page's language."""
        return say(template, params, self.language)

    def _sections(self) -> Iterator[list[str]]:
        kpi = self.kpi
        yield [f"# {kpi.name(self.language)}", *self._vanity(), self._told(kpi.descriptions)]
        yield [table(("", ""), self._facts())]
        yield self._section("Formula", [self._told(kpi.formula), *self._expression()])
        yield self._section("Population", [self._told(kpi.scope), *self._measures()])
        yield self._section("Edge cases", [bullets(self._cases())])
        yield self._section("Targets", [bullets(self._targets())])
        yield self._section("Benchmarks", self._benchmarks())
        yield self._section("Alerts", [bullets(self._alert(rule) for rule in kpi.alerts)])
        yield self._section("Causal hypothesis", [self._told(kpi.hypothesis)])
        yield self._section("Variants", [bullets(self._variants())])
        yield self._section("Used by", [bullets(self._uses())])
        yield self._section("Checked by this SQL", [f"```sql\n{kpi.oracle.rstrip()}\n```"] if kpi.oracle else [])

    def _section(self, title: str, blocks: Sequence[str]) -> list[str]:
        kept = [block for block in blocks if block]
        return [f"## {self.say(title)}", *kept] if kept else []

    def _told(self, texts: Mapping[str, str]) -> str:
        return " ".join((texts.get(self.language) or texts.get("en", "")).split())

    def _vanity(self) -> list[str]:
        note = "This is a volume: it is never on a board, and says nothing without an outcome."
        return [f"> {self.say(note)}"] if self.kpi.is_vanity else []

    def _facts(self) -> Iterator[tuple[str, str]]:
        kpi = self.kpi
        since = (
            self.say("since {day}", day=format_date(kpi.effective_from, self.language)) if kpi.effective_from else ""
        )
        facts = {
            "Id": f"`{kpi.id}`",
            "Version": ", ".join(part for part in (kpi.version, since) if part),
            "Unit": self.say(UNITS[kpi.unit]),
            "Owner": kpi.owner,
            "Team": kpi.team,
            "Stage": self.say(kpi.funnel) if kpi.funnel else "",
            "Cadence": self.say(CADENCES[kpi.cadence]) if kpi.cadence else "",
            "Grains": ", ".join(self.say(grain) for grain in kpi.grains),
            "Broken down by": ", ".join(self._dimension(name) for name in kpi.dimensions),
            "Rests on": ", ".join(f"`{source}`" for source in kpi.sources),
        }
        yield from ((self.say(name), value) for name, value in facts.items() if value)

    def _dimension(self, name: str) -> str:
        dimension = self.catalogue.dimensions.get(name)
        return dimension.labels.get(self.language, name) if dimension else name

    def _expression(self) -> Iterator[str]:
        if self.kpi.kind == "derived":
            yield f"`{self.kpi.expression}`"
            yield bullets(f"`{name}`{self._colon()}{self.link(other)}" for name, other in self.kpi.inputs.items())

    def _measures(self) -> Iterator[str]:
        roles = roles_of(self.kpi)
        if roles:
            heads = tuple(
                self.say(head) for head in ("Part", "Rows of", "Dated by", "What is put together", "Which rows")
            )
            names = {"numerator": "Numerator" if len(roles) > 1 else "Value", "denominator": "Denominator"}
            yield table(
                heads,
                [
                    (self.say(names[name]), f"`{role.measure.entity}`", f"`{role.time}`", *self._computed(role.measure))
                    for name, role in roles.items()
                ],
            )

    def _computed(self, measure: Measure) -> tuple[str, str]:
        value = f"{measure.agg}({' '.join(measure.expr.split()) or '*'})"
        return f"`{value}`", f"`{' '.join(measure.where.split())}`" if measure.where else self.say("all")

    def _cases(self) -> Iterator[str]:
        yield from (self.say(text, **params) for text, params in edge_cases(self.kpi))
        yield from (f"`{' '.join(note.when.split())}`{self._colon()}{self._told(note.text)}" for note in self.kpi.notes)

    def _targets(self) -> Iterator[str]:
        for target in self.kpi.targets:
            parts = [target_text(self.kpi, target, self.currency, self.language), *target.segment.values()]
            if target.start:
                parts.append(self.say("since {day}", day=format_date(target.start, self.language)))
            if target.end:
                parts.append(self.say("until {day}", day=format_date(target.end, self.language)))
            yield ", ".join(parts)

    def _benchmarks(self) -> list[str]:
        heads = tuple(
            self.say(head) for head in ("What others reach", "Market", "Segment", "Source", "Year", "Grade", "Caveat")
        )
        rows = [
            (
                level_text(self.kpi, each, self.currency, self.language),
                each.market or self.say("any"),
                ", ".join(each.segment.values()) or self.say("any"),
                self.say(each.source),
                str(each.year or self.say("not dated")),
                self.say(_GRADES[each.grade]),
                self._told(each.note),
            )
            for each in self.kpi.benchmarks
        ]
        return [table(heads, rows)] if rows else []

    def _alert(self, rule: AlertRule) -> str:
        parts = [f"**{self.say(rule.level)}**"]
        if rule.below is not None:
            parts.append(self.say("whole interval below {value}", value=self._value(rule.below)))
        if rule.above is not None:
            parts.append(self.say("whole interval above {value}", value=self._value(rule.above)))
        if rule.against != "level":
            parts.append(self.say(AGAINST[rule.against], n=rule.window))
        if rule.certainty is not None:
            sure = format_value(rule.certainty, "rate", "", self.language)
            parts.append(self.say("sure at {share}", share=sure))
        if rule.by:
            parts.append(
                self.say("segment by segment: {dims}", dims=", ".join(self._dimension(name) for name in rule.by))
            )
        if rule.min_n:
            parts.append(self.say("from {n} cases", n=rule.min_n))
        if rule.for_periods > 1:
            parts.append(self.say("{n} periods in a row", n=rule.for_periods))
        return ", ".join(parts)

    def _value(self, value: Decimal) -> str:
        return format_value(value, self.kpi.unit, self.currency, self.language, style="round")

    def _variants(self) -> Iterator[str]:
        for name in self.kpi.variants:
            if name in self.catalogue.kpis and name != self.kpi.id:
                formula = self._told(self.catalogue.kpi(name).formula)
                yield f"{self.link(name)}{self._colon()}{formula}"

    def _uses(self) -> Iterator[str]:
        for kpi in self.catalogue.newest():
            if self.kpi.id in kpi.inputs.values():
                yield self.link(kpi.id)
        for board in self.catalogue.boards:
            if self.kpi.id in board.kpis:
                yield self.say("the board “{name}”", name=board.labels.get(self.language, board.id))

    def link(self, name: str) -> str:
        """A link to the page of another KPI."""
        return f"[{self.catalogue.kpi(name).name(self.language)}]({name}.md)" if name in self.catalogue.kpis else name

    def _colon(self) -> str:
        return " : " if self.language == "fr" else ": "


def bullets(items: Iterator[str]) -> str:
    """A list."""
    return "\n".join(f"- {item}" for item in items)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]] | Iterator[Sequence[str]]) -> str:
    """A table; a bar inside a cell does not end it."""
    lines = [list(heads), ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
