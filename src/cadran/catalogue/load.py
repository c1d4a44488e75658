"""YAML → `Catalogue` and issues: the shipped KPIs, then what a project adds or changes.

Top-level keys of a file (all optional)::

    kpis:        {<id>: <KPI>}  or  {<id>: [<version>, <version>…]}   a project's entry replaces the shipped one
    overrides:   {<id>: {any KPI key}}      changes keys of the newest version; measures and texts merge key by key;
                                            with another `version` (and `effective_from`) it adds a version instead
    targets:     {<id>: [<target>…]}        replaces the targets of every version
    dimensions:  {<id>: {labels: {fr, en}, columns: {<entity>: <column>}}}
                                            every entity that publishes a column named <id> has the dimension
                                            without saying so; `columns` adds or changes entities
    boards:      {<id>: {labels, questions, kpis: [...], reason}}
    drivers:     {<KPI id>: {equals or moves_by: <expression over KPI ids>, believed: [<KPI id>…]}}
    north_star:  <KPI id>
    attribution: {lookback_days, half_life_days, touch_types, default, models, min_wins}

KPI keys: ``version effective_from effective_to names descriptions formula kind unit direction basis
numerator denominator n expression inputs low high notes cost_lines window_days dimensions default_by
grains scope sources owner team funnel cadence min_n targets benchmarks alerts hypothesis interval variants is_vanity
oracle zone approval``; required: ``names kind unit direction``. `basis` is ``balance`` for ``cumulative``,
``cohort`` for ``conversion`` and ``period`` otherwise unless said.
Measure keys: ``entity agg expr where time event balance at_end required missing missing_what``;
`time` is the entity's own day unless said; `balance` is true in a ``cumulative`` KPI.
Conversion: the denominator's `time` is the day of the cohort, the numerator's the day of the event.
Note keys: ``when text undefined``. Target keys: ``value high segment start end``. Benchmark keys:
``low high source year grade market segment note``. Alert keys: ``level below above by min_n for_periods``.
A text in languages is ``{fr: …, en: …}``, or one text for both. Oracles may use ``$start``,
``$end`` (days, half-open) and ``$known`` (first day that is not wholly known).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cadran.canonical.entities import ENTITIES, published_columns
from cadran.catalogue import fields
from cadran.catalogue.definition import (
    AttributionRules,
    Board,
    Catalogue,
    Dimension,
    Driving,
    Kpi,
)
from cadran.catalogue.driving import DRIVING
from cadran.catalogue.shapes import ATTRIBUTION, BOARD, DIMENSION, KPI, target_reader
from cadran.catalogue.upright import upright
from cadran.errors import CadranError, DefinitionError, Issue
from cadran.record import Record, load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SHIPPED = Path(__file__).parent / "kpis"
SECTIONS = ("kpis", "overrides", "targets", "dimensions", "boards", "drivers", "north_star", "attribution")
BASIS_OF_KIND = {"cumulative": "balance", "conversion": "cohort"}
#: Keys of an override that are merged with what is there, rather than replaced.
_MERGED = ("numerator", "denominator", "n", "names", "descriptions", "formula", "scope", "hypothesis", "inputs")
#: Keys that change the number, after which the shipped oracle no longer tells the same figure.
_MOVES_NUMBER = (
    "kind",
    "numerator",
    "denominator",
    "n",
    "expression",
    "inputs",
    "window_days",
    "basis",
    "zone",
    "notes",
)


def load_catalogue(
    folder: Path | None = None, *, shipped: Path = SHIPPED, more: Sequence[Record] = ()
) -> tuple[Catalogue, tuple[Issue, ...]]:
    """The catalogue of a project and every problem in its files.

    An entry that cannot be used is left out and asking for it says why: a number is never computed
    from another definition than the one written down.

    Args:
        folder: The project's ``catalogue`` folder; None, or a folder that is not there, adds nothing.
        shipped: Folder of the KPIs that come with Cadran.
        more: Files that are not there yet, such as a proposed change, read last.

    Raises:
        ConfigError: A file is not YAML, or cannot be read.
    """
    draft = _Draft()
    for path in sorted(shipped.glob("*.yml")):
        draft.add(load_yaml(path, shown_as=f"cadran/catalogue/kpis/{path.name}"))
    draft.seal()
    paths = sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")]) if folder else []
    for path in paths:
        draft.add(load_yaml(path, shown_as=f"catalogue/{path.name}"))
    for record in more:
        draft.add(record)
    return draft.catalogue(), (*draft.problems, *draft.remarks)


@dataclass
class _Draft:
    """The catalogue while its files are read, as raw records so that overrides can be merged."""

    problems: list[Issue] = field(default_factory=list)
    kpis: dict[str, list[Record]] = field(default_factory=dict)
    overrides: list[tuple[str, Record]] = field(default_factory=list)
    targets: dict[str, tuple[str, Any]] = field(default_factory=dict)
    dimensions: dict[str, Record] = field(default_factory=dict)
    boards: dict[str, Record] = field(default_factory=dict)
    drivers: dict[str, Record] = field(default_factory=dict)
    north_star: str = "arr"
    attribution: Record | None = None
    sealed: frozenset[str] = frozenset()
    remarks: list[Issue] = field(default_factory=list)

    def seal(self) -> None:
        """From here on an entry may replace one that came before, once."""
        self.sealed = frozenset(
            f"{section}.{name}"
            for section in ("kpis", "dimensions", "boards", "drivers")
            for name in getattr(self, section)
        )

    def add(self, record: Record) -> None:
        """Take in one file."""
        for key, value in record.items():
            if key not in SECTIONS:
                self._say(fields.unknown("There is no section {name}.", key, SECTIONS, record.where(key)))
            elif key == "north_star":
                self.north_star = str(value)
            elif key == "attribution" and isinstance(value, Record):
                self.attribution = value
            elif isinstance(value, Record):
                self._section(key, value)
            elif value is not None:
                self._say(_not_mapping(key, record.where(key)))

    def _section(self, section: str, record: Record) -> None:
        for name, value in record.items():
            where = record.where(name)
            match section:
                case "kpis":
                    self._keep(section, name, value if isinstance(value, list) else [value], where)
                case "overrides":
                    if self._is_record(name, value, where):
                        self.overrides.append((name, value))
                case "targets":
                    self.targets[name] = (where, value)
                case _:
                    if self._is_record(name, value, where):
                        self._keep(section, name, value, where)

    def _keep(self, section: str, name: str, value: Any, where: str) -> None:
        entries = value if isinstance(value, list) else [value]
        if not all(self._is_record(name, entry, where) for entry in entries):
            return
        kept = getattr(self, section)
        key = f"{section}.{name}"
        if name in kept and key not in self.sealed:
            first = kept[name][0] if isinstance(kept[name], list) else kept[name]
            self._say(
                DefinitionError(
                    "{name} is defined twice.",
                    hint="It is first defined at {first}: keep one of the two.",
                    where=where,
                    name=name,
                    first=str(first.place),
                )
            )
            return
        kept[name] = value
        self.sealed -= {key}

    def _is_record(self, name: str, value: Any, where: str) -> bool:
        if isinstance(value, Record):
            return True
        self._say(_not_mapping(name, where))
        return False

    def _say(self, error: CadranError) -> None:
        self.problems.append(fields.issue_of(error))

    def catalogue(self) -> Catalogue:
        """Everything that could be read; problems are in `problems`."""
        for name, record in self.overrides:
            self._override(name, record)
        kpis: dict[str, tuple[Kpi, ...]] = {}
        left_out: dict[str, Issue] = {}
        for name, versions in self.kpis.items():
            before = len(self.problems)
            read = [self._kpi(name, record) for record in versions]
            if len(self.problems) > before:
                left_out[name] = self.problems[before]
            else:
                kpis[name] = _in_order(kpi for kpi in read if kpi)
        self._apply_targets(kpis)
        rules = self._attribution()
        return Catalogue(kpis, self._dimensions(), self._boards(), self.north_star, left_out, rules, self._drivers())

    def _attribution(self) -> AttributionRules:
        values = fields.read_entry(self.attribution, ATTRIBUTION, self.problems) if self.attribution else None
        return AttributionRules(**(values or {}), where=str(self.attribution.place) if self.attribution else "")

    def _override(self, name: str, change: Record) -> None:
        if name not in self.kpis:
            self._say(fields.unknown("No KPI is named {name}.", name, self.kpis, str(change.place)))
            return
        versions = self.kpis[name]
        newest = versions[-1]
        merged = merge(newest, change)
        if any(key in change for key in _MOVES_NUMBER) and "oracle" not in change:
            merged.pop("oracle", None)
        is_new = "effective_from" in change and str(change.get("version", "")) != str(newest.get("version", "1.0"))
        self.kpis[name] = [*versions, merged] if is_new else [*versions[:-1], merged]

    def _kpi(self, name: str, record: Record) -> Kpi | None:
        found = fields.read_entry(record, KPI, self.problems)
        if found is None:
            return None
        found.setdefault("basis", BASIS_OF_KIND.get(found["kind"], "period"))
        if found["kind"] == "cumulative" and "numerator" in found:
            found["numerator"] = replace(found["numerator"], balance=True)
        if "expression" in found:
            found["expression"] = self._upright(name, found["expression"], found.get("inputs", {}), record)
        return Kpi(id=name, **found, where=str(record.place), places=fields.places_of(record))

    def _upright(self, name: str, expression: str, inputs: Mapping[str, str], record: Record) -> str:
        turned = upright(expression, inputs)
        if turned != expression:
            self.remarks.append(
                Issue(
                    "inverted_ratio",
                    "warning",
                    "{kpi} is written as CAC over LTV: it is shown as LTV over CAC, which is healthy at 3 and more.",
                    where=record.where("expression"),
                    hint="Write {expression}.",
                    params={"kpi": name, "expression": turned},
                )
            )
        return turned

    def _apply_targets(self, kpis: dict[str, tuple[Kpi, ...]]) -> None:
        for name, (where, value) in self.targets.items():
            if name not in self.kpis:
                self._say(fields.unknown("No KPI is named {name}.", name, self.kpis, where))
                continue
            try:
                targets = target_reader(value, where)
            except fields.ManyProblemsError as many:
                self.problems.extend(many.problems)
            except CadranError as error:
                self._say(error)
            else:
                kpis.update({name: tuple(replace(kpi, targets=targets) for kpi in kpis.get(name, ()))})

    def _dimensions(self) -> dict[str, Dimension]:
        found: dict[str, Dimension] = {}
        for name, record in self.dimensions.items():
            values = fields.read_entry(record, DIMENSION, self.problems)
            if values is not None:
                columns = {**_published_as(name), **values.get("columns", {})}
                found[name] = Dimension(name, values["labels"], columns, str(record.place))
        return found

    def _drivers(self) -> dict[str, Driving]:
        read = {name: fields.read_entry(record, DRIVING, self.problems) for name, record in self.drivers.items()}
        return {n: Driving(**v, where=str(self.drivers[n].place)) for n, v in read.items() if v is not None}

    def _boards(self) -> tuple[Board, ...]:
        found: list[Board] = []
        for name, record in self.boards.items():
            values = fields.read_entry(record, BOARD, self.problems)
            if values is not None:
                found.append(Board(name, **{"questions": {}, **values}, where=str(record.place)))
        return tuple(found)


def merge(base: Record, change: Record) -> Record:
    """A record with the keys of `base`, changed by those of `change`; each key keeps its own place."""
    items = dict(base)
    for key, value in change.items():
        old = base.get(key)
        is_merged = key in _MERGED and isinstance(old, Record) and isinstance(value, Record)
        items[key] = merge(old, value) if is_merged else value  # type: ignore[arg-type]
    return Record(items, change.place, {**base.places, **change.places})


def _in_order(versions: Iterable[Kpi]) -> tuple[Kpi, ...]:
    """Versions from the oldest; each one ends where the next begins unless it says otherwise."""
    ordered = sorted(versions, key=lambda kpi: (kpi.effective_from is not None, str(kpi.effective_from)))
    ends = [kpi.effective_from for kpi in ordered[1:]]
    return tuple(
        replace(kpi, effective_to=kpi.effective_to or end) for kpi, end in zip(ordered, [*ends, None], strict=True)
    )


def _published_as(name: str) -> dict[str, str]:
    """Every entity that publishes a column of that name."""
    return {entity: name for entity in ENTITIES if any(c.name == name for c in published_columns(entity))}


def _not_mapping(name: str, where: str) -> DefinitionError:
    return DefinitionError("{name} must be a mapping of names to values.", where=where, name=name)
