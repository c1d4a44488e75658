"""Sums and counts by day and dimension, kept with a snapshot: a question that they cover reads no row.

A rollup has the additive components of one table, day column and mode, for every KPI of the catalogue
and each dimension in `ROLLED` alone. A component is named by the text that computes it, so that a
definition that has changed since finds nothing and is read from rows. What is not additive
(quantiles, durations, distinct values), filters and other dimensions are always read from rows. Days
stay days: any calendar, grain and elapsed share comes out the same either way, and so do windows
whose ripeness moves with the day until which the data is known.

Rows that change are subtracted as they were and added as they are: additive components are exact, so
a refreshed rollup gives what a rebuilt one gives.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cadran.canonical.entities import published_columns
from cadran.canonical.settings import Settings
from cadran.engine.aggregate import DAY
from cadran.engine.compile import PERIOD, Planner
from cadran.engine.fused import SET, Fused, Row, day
from cadran.engine.parts import dims_of
from cadran.engine.query import Context, KpiQuery
from cadran.engine.span import Known, Span
from cadran.period import Calendar, Period

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.engine.aggregate import Slot
    from cadran.engine.compile import Leaf
    from cadran.engine.parts import Group

#: Dimensions that are rolled up, each alone: those that most questions are asked by.
ROLLED = ("segment", "industry", "region", "owner", "channel")
ADDITIVE = ("matched", "cohort", "missing", "known", "sum", "squares", "both", "xx", "yy", "xy")
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
    """

    name: str
    entity: str
    time: str
    mode: str
    dims: Sequence[str]
    sets: Sequence[Sequence[str]]
    columns: Mapping[str, str]
    select: str

    def mask(self, dims: Iterable[str]) -> int | None:
        """The value of `SET` for a set of dimensions; None when it is not grouped by them."""
        wanted = set(dims)
        if not any(wanted == set(each) for each in self.sets):
            return None
        return sum(1 << (len(self.dims) - 1 - place) for place, name in enumerate(self.dims) if name not in wanted)


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
    for groups in alike.values():
        kpi = next(iter(groups.values()))[0]
        fused = Fused(planner, {group: kept for group, (_, kept) in groups.items()}, kpi, Span((_EPOCH,), None))
        found.append(_rollup(f"_rollup_{len(found)}", fused))
    return found


def is_additive(slot: Slot) -> bool:
    """True for a component whose sum over days is that of the days together."""
    part, other, name = slot
    return name in ADDITIVE and (other is None or other.window == part.window)


def write(run: Callable[[str], object], catalogue: Catalogue) -> list[dict[str, Any]]:
    """Write every rollup beside the tables; what describes them, as plain values.

    Args:
        run: Runs one statement on the database that is written.
        catalogue: Definitions.
    """
    found = rollups(catalogue)
    for each in found:
        run(f'CREATE OR REPLACE TABLE "{each.name}" AS {each.select} ORDER BY {SET}, {DAY}')
    return [asdict(each) for each in found]


def refresh(run: Callable[[str], object], found: Iterable[Rollup], changed: Mapping[str, tuple[str, str]]) -> None:
    """Bring rollups up to date with rows that changed.

    Args:
        run: Runs one statement on the database that is written.
        found: Rollups that are there.
        changed: For each table that changed, the tables of its rows as they were and as they are.
    """
    for each in found:
        for sign, table in zip(("-", "+"), changed.get(each.entity, ()), strict=False):
            codes = [f"g{place}" for place in range(len(each.dims))]
            sums = [f"{sign}{name}" for name in each.columns.values()]
            rows = each.select.replace(f'FROM "{each.entity}" AS', f'FROM "{table}" AS')
            head = [DAY, *codes, *([SET] if codes else ["0"]), *sums]
            run(f'INSERT INTO "{each.name}" SELECT {", ".join(head)} FROM ({rows})')


def described(values: Mapping[str, Any]) -> Rollup:
    """A rollup from the plain values that it was written as."""
    return Rollup(**values)


def rolled(fused: Fused, found: Iterable[Mapping[str, Any]]) -> tuple[str, dict[Slot, str]] | None:
    """The statement that reads what a rollup covers of some groups, and the column of each component; or None.

    Its rows are those of `Fused.scan` for these components.

    Args:
        fused: The groups.
        found: What describes the rollups of the snapshot.
    """
    planner, first = fused.planner, fused.first
    if planner.query.where or planner.context.scope:
        return None
    for each in map(described, found):
        masks = {group: each.mask(group.dims) for group in fused.groups}
        same = (each.entity, each.time, each.mode) == (first.entity, first.time, first.mode)
        if same and None not in masks.values() and (columns := _columns(fused, each)):
            return _read(fused, each, {group: mask or 0 for group, mask in masks.items()}, columns)
    return None


def _columns(fused: Fused, rollup: Rollup) -> dict[Slot, str]:
    """The column of each component that the rollup has."""
    row = Row(fused, is_ripe=False, is_inline=True)
    slots = dict.fromkeys(slot for slots in fused.groups.values() for slot in slots if is_additive(slot))
    texts = {slot: row.component(slot) for slot in slots}
    return {slot: rollup.columns[text] for slot, text in texts.items() if text in rollup.columns}


def _read(
    fused: Fused, rollup: Rollup, masks: Mapping[Group, int], columns: Mapping[Slot, str]
) -> tuple[str, dict[Slot, str]]:
    names = {slot: f"c{place}" for place, slot in enumerate(columns)}
    codes = {name: f"g{rollup.dims.index(name)}" for name in fused.dims}
    keys = [f"{fused.key} AS {PERIOD}", *([DAY] if rollup.mode == "photo" else [])]
    keys += [f"{code} AS p_d{place}" for place, code in enumerate(codes.values())]
    own = " ".join(f"WHEN {mask} THEN {fused.mask(group)}" for group, mask in masks.items())
    sums = [f"SUM({column}){_ripe(fused, slot)} AS {names[slot]}" for slot, column in columns.items()]
    where = [f"{SET} IN ({', '.join(str(mask) for mask in masks.values())})", *fused.inside()]
    sql = (
        f"SELECT {', '.join([*keys, f'CASE {SET} {own} END AS p_own', *sums])}\n"
        f'FROM "{rollup.name}"\nWHERE {" AND ".join(where)}\nGROUP BY ALL'
    )
    return f"SELECT * EXCLUDE (p_own), p_own AS {SET}\nFROM ({sql})", names


def _ripe(fused: Fused, slot: Slot) -> str:
    """What leaves out the days of cases whose window is not over."""
    part, _, name = slot
    if part.window is None or name == "cohort" or (name == "missing" and part.measure.missing):
        return ""
    return f" FILTER (WHERE {DAY} + INTERVAL {part.window} DAY < {day(fused.planner.known.whole_until)})"


def _rollup(name: str, fused: Fused) -> Rollup:
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
    return Rollup(name, first.entity, first.time, first.mode, fused.dims, sets, texts, fused.by_day(row, sums))


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
