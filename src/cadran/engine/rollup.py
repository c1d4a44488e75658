"""Sums and counts by day and dimension, kept with a snapshot: a question that they cover reads no row.

A rollup has the additive components of one table, day column and mode, for every KPI of the catalogue
and each dimension in `ROLLED` alone, by day and by month; and by month for the dimensions in `SLICED`
together, for questions that filter by them. Months that a bound of the question divides are read by
day, for several dimensions together from the rows of those months. A component is named by the text
that computes it, so that a definition that has changed since finds nothing and is read from rows. What
is not additive (quantiles, durations, distinct values), other filters and other dimensions are always
read from rows. Any calendar, grain and elapsed share comes out the same either way, and so do windows
whose ripeness moves with the day until which the data is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cadran.canonical.entities import published_columns
from cadran.canonical.settings import Settings
from cadran.engine.aggregate import ADDITIVE
from cadran.engine.compile import Planner
from cadran.engine.fused import Fused, Row, mask_of
from cadran.engine.parts import dims_of
from cadran.engine.query import Context, KpiQuery
from cadran.engine.span import Known, Span
from cadran.period import Calendar, Period

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.engine.aggregate import Slot
    from cadran.engine.compile import Leaf
    from cadran.engine.parts import Group

#: Dimensions that are rolled up, each alone: those that most questions are asked by.
ROLLED = ("segment", "industry", "region", "owner", "channel")
#: Dimensions by which slices are cut, all together: few values each, or cells would be as many as rows.
SLICED = ("segment", "industry", "region", "channel")
#: How the name of a rollup by month ends after that of the one by day.
MONTH = "_month"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH = Period(_NEVER.date(), _NEVER.date())


@dataclass(frozen=True)
class Rollup:
    """A published rollup.

    Attributes:
        name: Its table: `DAY`, a text ``g0…`` per dimension, `SET`, and a column per component.
        entity: Table that it sums.
        time: Day column.
        mode: Mode of its groups.
        dims: Dimensions, in the order of their columns.
        sets: The sets of dimensions by which it is grouped.
        columns: Column of each component, by the text that computes it.
        select: Statement that gives its rows from those of the table.
        unit: ``day``, or ``month`` when `DAY` is the first day of a month and stands for all of it.
        sizes: Rows of each value of `SET`, as they were when it was written.
        rows: Rows of the table, likewise.
        sources: Column of the table behind each dimension.
        by_day: Statement that gives its rows by day, for months that a question divides; empty where they are a table.
    """

    name: str
    entity: str
    time: str
    mode: str
    dims: Sequence[str]
    sets: Sequence[Sequence[str]]
    columns: Mapping[str, str]
    select: str
    unit: str = "day"
    sizes: Sequence[tuple[int, int]] = ()
    rows: int = 0
    sources: Sequence[str] = ()
    by_day: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What groups must have in common to be read from it."""
        return self.entity, self.time, self.mode

    def size(self, mask: int) -> int:
        """Rows of a value of `SET`."""
        return dict(self.sizes).get(mask, 0)

    def mask(self, dims: Iterable[str], *, exact: bool = True) -> int | None:
        """The value of `SET` of the smallest set with these dimensions; None when there is none.

        Args:
            dims: Dimensions.
            exact: True to look for these dimensions and no other.
        """
        wanted = set(dims)
        fits = [each for each in self.sets if wanted == set(each) or (not exact and wanted < set(each))]
        return min((mask_of(self.dims, each) for each in fits), key=self.size, default=None)


def rollups(catalogue: Catalogue) -> list[Rollup]:
    """The rollups that a catalogue is worth, nothing being read."""
    # definitions are all that is looked at: no question, calendar or day of knowledge
    zone = ZoneInfo("UTC")
    context = Context(Calendar(), zone, "", Settings(known_at=_NEVER.replace(tzinfo=None), currency="", zone="UTC"))
    planner = Planner(catalogue, KpiQuery(()), context, Known(_NEVER, zone))
    alike: dict[tuple[str, str, str], dict[Group, tuple[Kpi, tuple[Slot, ...]]]] = {}
    for group, (kpi, slots) in planner.needs(_leaves(catalogue)).items():
        kept = tuple(slot for slot in slots if is_additive(slot))
        if kept and not group.zone and _has_columns(catalogue, group):
            alike.setdefault((group.entity, group.time, group.mode), {})[group] = (kpi, kept)
    found: list[Rollup] = []
    for number, groups in enumerate(alike.values()):
        kpi = next(iter(groups.values()))[0]
        fused = Fused(planner, {group: kept for group, (_, kept) in groups.items()}, kpi, Span((_EPOCH,), None))
        name = f"_rollup_{number}"
        found.append(_rollup(name, fused, "day"))
        unit = "day" if fused.first.mode == "photo" else "month"
        if unit == "month":
            found.append(_rollup(name + MONTH, fused, unit))
        if together := _together(fused):
            slices = _rollup(f"{name}_slice", together, unit)
            days = _rollup(slices.name, together, "day").select if unit == "month" else ""
            found.append(replace(slices, by_day=days))
    return found


def _together(fused: Fused) -> Fused | None:
    """Everything by several dimensions at once, for questions with filters; None without several."""
    catalogue, first = fused.planner.catalogue, fused.first
    known = (name for name in SLICED if name in catalogue.dimensions)
    group = replace(first, dims=tuple(name for name in known if first.entity in catalogue.dimensions[name].columns))
    slots = dict.fromkeys(slot for slots in fused.groups.values() for slot in slots)
    several = len(group.dims) > 1 and _has_columns(catalogue, group)
    return replace(fused, groups={group: tuple(slots)}) if several else None


def is_additive(slot: Slot) -> bool:
    """True for a component whose sum over days is that of the days together."""
    part, other, name = slot
    return name in ADDITIVE and (other is None or other.window == part.window)


def described(values: Mapping[str, Any]) -> Rollup:
    """A rollup from the plain values that it was written as."""
    return Rollup(**values)


def _rollup(name: str, fused: Fused, unit: str) -> Rollup:
    row, inline = (Row(fused, is_ripe=False, is_inline=each) for each in (False, True))
    texts: dict[str, str] = {}
    sums: dict[str, str] = {}
    for slot in dict.fromkeys(slot for slots in fused.groups.values() for slot in slots):
        text = inline.component(slot)
        if text not in texts:
            texts[text] = f"c{len(texts)}"
            sums[texts[text]] = row.component(slot)
    first = fused.first
    sets = [group.dims for group in fused.groups]
    select = fused.by_day(row, sums, unit)
    sources = [fused.planner.catalogue.dimensions[dim].columns[first.entity] for dim in fused.dims]
    return Rollup(name, first.entity, first.time, first.mode, fused.dims, sets, texts, select, unit, sources=sources)


def _leaves(catalogue: Catalogue) -> list[Leaf]:
    """Every version of every KPI, whole and by each rolled dimension that it has."""
    found: dict[tuple[int, tuple[str, ...]], Leaf] = {}
    for versions in catalogue.kpis.values():
        for kpi in versions:
            allowed = {*kpi.dimensions, *kpi.default_by} if kpi.dimensions else set(catalogue.dimensions)
            for by in ((), *((name,) for name in ROLLED if name in allowed and name in catalogue.dimensions)):
                dims = dims_of(kpi, by, catalogue)
                found[id(kpi), dims] = (kpi, dims)
                for other in kpi.inputs.values():
                    found |= {(id(each), dims): (each, dims) for each in catalogue.kpis.get(other, ())}
    return list(found.values())


def _has_columns(catalogue: Catalogue, group: Group) -> bool:
    known = {column.name for column in published_columns(group.entity)}
    dimensions = (catalogue.dimensions.get(name) for name in group.dims)
    return all(each is not None and each.columns.get(group.entity) in known for each in dimensions)
