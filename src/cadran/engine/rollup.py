"""Sums and counts by day and dimension, kept with a snapshot: a question that they cover reads no row.

A rollup has the additive components of one table, day column and mode, for every KPI of the catalogue
and each dimension in `ROLLED` alone, by day and by month; and by month for the dimensions in `SLICED`
together, for questions that filter by them. Months that a bound of the question divides are read by
day, for several dimensions together from the rows of those months. A component is named by the text
that computes it, so that a definition that has changed since finds nothing and is read from rows. What
is not additive (quantiles, durations, distinct values), other filters and other dimensions are always
read from rows. Any calendar, grain and elapsed share comes out the same either way, and so do windows
whose ripeness moves with the day until which the data is known.

Rows that change are subtracted as they were and added as they are: additive components are exact, so
a refreshed rollup gives what a rebuilt one gives.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cadran.canonical.entities import published_columns
from cadran.canonical.settings import Settings
from cadran.catalogue.expression import column_names
from cadran.engine.aggregate import ADDITIVE, DAY
from cadran.engine.compile import PERIOD, Planner
from cadran.engine.fragments import ROW, bound_tree, plain_text
from cadran.engine.fused import SET, Fused, Row, day, mask_of, shown_sum
from cadran.engine.parts import dims_of
from cadran.engine.query import Context, KpiQuery
from cadran.engine.span import Known, Span
from cadran.period import Calendar, Period

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date

    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.engine.aggregate import Slot
    from cadran.engine.compile import Leaf
    from cadran.engine.parts import Group

#: Dimensions that are rolled up, each alone: those that most questions are asked by.
ROLLED = ("segment", "industry", "region", "owner", "channel")
#: Dimensions by which slices are cut, all together: few values each, or cells would be as many as rows.
SLICED = ("segment", "industry", "region", "channel")
#: Most months that are read by day beside those that are read whole, and about how many there are.
_MOST_BROKEN, _MONTHS = 12, 36
#: How the name of a rollup by month ends after that of the one by day.
_MONTH = "_month"
#: A rollup while it is written, and how many times its largest sum must fit in eight bytes.
_WIDE, _ROOM = "_wide_sums", 1000
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
            found.append(_rollup(name + _MONTH, fused, unit))
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


def write(run: Callable[[str], Any], catalogue: Catalogue) -> list[dict[str, Any]]:
    """Write every rollup beside the tables; what describes them, as plain values.

    Args:
        run: Runs one statement on the database that is written.
        catalogue: Definitions.
    """
    return [asdict(_written(run, each)) for each in rollups(catalogue)]


def _written(run: Callable[[str], Any], each: Rollup) -> Rollup:
    days = each.name.removesuffix(_MONTH)
    if days != each.name:
        run(f'CREATE OR REPLACE TABLE "{each.name}" AS SELECT * FROM "{days}" LIMIT 0')
        run(f'INSERT INTO "{each.name}" {_by_month(each, days)} ORDER BY {SET}, 1')
    else:
        run(f"CREATE OR REPLACE TEMP TABLE {_WIDE} AS {each.select}")
        casts = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in _narrow(run))
        kept = f"* REPLACE ({casts})" if casts else "*"
        # what a filter keeps lies together, so that the other columns of the rest need not be unpacked
        first = [f"g{place}" for place in range(len(each.dims))] if len(each.sets) == 1 else []
        order = ", ".join([SET, *first, DAY])
        run(f'CREATE OR REPLACE TABLE "{each.name}" AS SELECT {kept} FROM {_WIDE} ORDER BY {order}')
        run(f"DROP TABLE {_WIDE}")
    sizes = run(f'SELECT {SET}, COUNT(*) FROM "{each.name}" GROUP BY ALL ORDER BY ALL').fetchall()
    [(total,)] = run(f'SELECT COUNT(*) FROM "{each.entity}"').fetchall()
    return replace(each, sizes=[(int(mask), n) for mask, n in sizes], rows=total)


def _narrow(run: Callable[[str], Any]) -> list[tuple[str, str]]:
    """Columns of sums that fit in eight bytes: DuckDB takes twenty times as long to read its packed sixteen.

    Months of these days, and changes to come, find room; a sum that grows beyond it is refused, not cut.
    """
    kinds = {name: kind for name, kind, *_ in run(f"DESCRIBE {_WIDE}").fetchall()}
    wide = [name for name, kind in kinds.items() if kind.startswith("DECIMAL(38,")]
    largest = ", ".join(f"MAX(ABS({name}))" for name in wide)
    found = run(f"SELECT {largest} FROM {_WIDE}").fetchone() if wide else ()
    short = []
    for name, most in zip(wide, found, strict=True):
        digits = int(kinds[name].removeprefix("DECIMAL(38,").removesuffix(")"))
        if (most or 0) * _ROOM < 10 ** (18 - digits):
            short.append((name, f"DECIMAL(18, {digits})"))
    return [*short, *((name, "BIGINT") for name, kind in kinds.items() if kind == "HUGEINT")]


def refresh(run: Callable[[str], Any], found: Iterable[Rollup], changed: Mapping[str, tuple[str, str]]) -> None:
    """Bring rollups up to date with rows that changed.

    Statements run beside each other, each by one thread: for few rows, threads that share a statement cost more
    than they bring.

    Args:
        run: Runs statements on the database that is written, on a cursor of its own so that threads do not meet.
        found: Rollups that are there.
        changed: For each table that changed, the tables of its rows as they were and as they are.
    """
    touched = {each.name: each for each in found if each.entity in changed}
    own = [each for name, each in touched.items() if not name.endswith(_MONTH)]
    texts = [_refreshed(each, touched.get(each.name + _MONTH), changed[each.entity]) for each in own]
    [(threads,)] = run("SELECT current_setting('threads')").fetchall()
    run("SET threads = 1")
    try:
        with ThreadPoolExecutor(int(threads)) as pool:
            for _ in pool.map(run, texts):
                pass
    finally:
        run(f"SET threads = {threads}")


def _refreshed(each: Rollup, month: Rollup | None, changed: tuple[str, str]) -> str:
    """The statements that add what changed to a rollup by day, and to that by month which is made of it."""
    codes = [f"g{place}" for place in range(len(each.dims))]
    parts = []
    for sign, table in zip("-+", changed, strict=True):
        rows = each.select.replace(f'FROM "{each.entity}" AS', f'FROM "{table}" AS')
        sums = [f"{sign}{name} AS {name}" for name in each.columns.values()]
        parts.append(f"SELECT {', '.join([DAY, *codes, SET, *sums])} FROM ({rows})")
    delta = f"_changed{each.name}"
    texts = [f'CREATE OR REPLACE TEMP TABLE "{delta}" AS {" UNION ALL ".join(parts)}']
    texts.append(f'INSERT INTO "{each.name}" BY NAME FROM "{delta}"')
    if month:
        texts.append(f'INSERT INTO "{month.name}" {_by_month(each, delta)}')
    return ";\n".join([*texts, f'DROP TABLE "{delta}"'])


def _by_month(days: Rollup, table: str) -> str:
    """The rows of a rollup by month, from those of the one by day, which are fewer than those of the table."""
    codes = [f"g{place}" for place in range(len(days.dims))]
    sums = [f"SUM({name}) AS {name}" for name in days.columns.values()]
    head = [f"CAST(DATE_TRUNC('month', {DAY}) AS DATE) AS {DAY}", *codes, SET, *sums]
    return f'SELECT {", ".join(head)} FROM "{table}" GROUP BY ALL'


def described(values: Mapping[str, Any]) -> Rollup:
    """A rollup from the plain values that it was written as."""
    return Rollup(**values)


def rolled(fused: Fused, found: Iterable[Mapping[str, Any]]) -> tuple[str, dict[Slot, str]] | None:
    """The statement that reads what a rollup covers of some groups, and the column of each component; or None.

    Its rows are those of `Fused.scan` for these components. The rollup is smaller than the table that
    it stands for; of those that would do, the smallest is read.

    Args:
        fused: The groups.
        found: What describes the rollups of the snapshot.
    """
    first = fused.first
    key = (first.entity, first.time, first.mode)
    alike = [described(each) for each in found if (each["entity"], each["time"], each["mode"]) == key]
    if not alike:
        return None
    months, texts = _broken(fused), _texts(fused)
    ways = [way for each in alike if (way := _way(fused, each, alike, months, texts))]
    best = min(ways, key=lambda way: way.size, default=None)
    return _read(fused, best) if best and best.size < best.rollup.rows else None


@dataclass(frozen=True)
class _Way:
    """One rollup as it would be read.

    Attributes:
        rollup: Rollup.
        masks: Value of `SET` of the rows of each group.
        columns: Column of each component that it has.
        source: Text of what is read.
        where: What keeps the rows that the question asks for.
        size: About how many rows are read.
    """

    rollup: Rollup
    masks: Mapping[Group, int]
    columns: Mapping[Slot, str]
    source: str
    where: Sequence[str]
    size: float


def broken(span: Span, moments: Iterable[date]) -> list[Period]:
    """The months of the plain calendar that some bound divides; all others lie in one period as a whole.

    Args:
        span: Periods.
        moments: Other days on which what counts changes.
    """
    bounds = {day for period in span.periods for day in (period.start, period.end)}
    bounds |= {*span.cut.values(), *moments}
    firsts = sorted({day.replace(day=1) for day in bounds if day.day > 1})
    return [Period(first, (first + timedelta(days=31)).replace(day=1)) for first in firsts]


def _broken(fused: Fused) -> list[Period]:
    """The months that must be read by day, of those that are read at all."""
    span, is_balance = fused.span, fused.first.mode == "balance"
    found = broken(span, _moments(fused))
    return [month for month in found if month.start < span.end and (is_balance or month.end > span.start)]


def _moments(fused: Fused) -> list[date]:
    """The days from which cases are too young, and the end of what is known."""
    known = fused.planner.known
    windows = {slot[0].window for slots in fused.groups.values() for slot in slots}
    ripe = [known.whole_until - timedelta(days=window) for window in windows if window is not None]
    return [*ripe, min(fused.span.end, known.end)]


def _way(
    fused: Fused, rollup: Rollup, alike: Sequence[Rollup], months: Sequence[Period], components: Mapping[Slot, str]
) -> _Way | None:
    filters = _filters(fused, rollup) if _is_of_today(fused, rollup) else None
    if filters is None:
        return None
    asked, texts = filters
    masks = {group: rollup.mask({*group.dims, *asked}, exact=len(fused.groups) > 1) for group in fused.groups}
    columns = {slot: rollup.columns[text] for slot, text in components.items() if text in rollup.columns}
    # a filter can bring a total and a breakdown to the same rows, which the value of `SET` then cannot tell apart
    if None in masks.values() or not columns or len({*masks.values()}) < len(masks):
        return None
    own = {group: mask or 0 for group, mask in masks.items()}
    size = sum(rollup.size(mask) for mask in own.values())
    if rollup.unit == "day" or not months:
        return _Way(rollup, own, columns, f'"{rollup.name}"', texts, size)
    days = next((each for each in alike if each.unit == "day" and each.sets == rollup.sets), None)
    if (days is None and not rollup.by_day) or len(months) > _MOST_BROKEN:
        return None
    inside = " OR ".join(f"({DAY} >= {day(each.start)} AND {DAY} < {day(each.end)})" for each in months)
    by_day = f'"{days.name}"' if days else f"({rollup.by_day})"
    both = f'(SELECT * FROM "{rollup.name}" WHERE NOT ({inside}) UNION ALL SELECT * FROM {by_day} WHERE {inside})'
    more = sum(days.size(mask) for mask in own.values()) if days else rollup.rows
    return _Way(rollup, own, columns, both, texts, size + more * min(1.0, len(months) / _MONTHS))


def _filters(fused: Fused, rollup: Rollup) -> tuple[set[str], list[str]] | None:
    """The dimensions that a question filters by, and its predicates on a rollup; None when they need rows."""
    planner, entity = fused.planner, fused.first.entity
    if not fused.filters:
        return set(), []
    types = {column.name: column.type for column in published_columns(entity)}
    codes: dict[str, str] = {}
    dims: dict[str, str] = {}
    for place, name in enumerate(rollup.dims):
        column = planner.catalogue.dimensions[name].columns.get(entity, "")
        if types.get(column) == "text":
            for each in (name, column):
                codes[each], dims[each] = f"g{place}", name
    found, asked = [], set()
    for tree in fused.filters:
        names = set(column_names(tree))
        plain = plain_text(bound_tree(tree, codes)) if names <= codes.keys() else ""
        if not plain:
            return None
        found.append(plain)
        asked |= {dims[name] for name in names}
    return asked, found


def _is_of_today(fused: Fused, rollup: Rollup) -> bool:
    """True while the dimensions of a rollup are still the columns that it was written by."""
    known = fused.planner.catalogue.dimensions
    return list(rollup.sources) == [known[n].columns.get(rollup.entity) if n in known else None for n in rollup.dims]


def _texts(fused: Fused) -> dict[Slot, str]:
    """The text that computes each additive component."""
    row = Row(fused, is_ripe=False, is_inline=True)
    slots = dict.fromkeys(slot for slots in fused.groups.values() for slot in slots if is_additive(slot))
    return {slot: row.component(slot) for slot in slots}


def _read(fused: Fused, way: _Way) -> tuple[str, dict[Slot, str]]:
    rollup, masks = way.rollup, way.masks
    names = {slot: f"c{place}" for place, slot in enumerate(way.columns)}
    codes = {name: f"g{rollup.dims.index(name)}" for name in fused.dims}
    keys = [f"{fused.key} AS {PERIOD}", *([DAY] if rollup.mode == "photo" else [])]
    keys += [f"{code} AS p_d{place}" for place, code in enumerate(codes.values())]
    own = " ".join(f"WHEN {mask} THEN {fused.mask(group)}" for group, mask in masks.items())
    columns = way.columns.items()
    sums = [f"{shown_sum(s, f'SUM({column}){_ripe(fused, s)}')} AS {names[s]}" for s, column in columns]
    where = [f"{SET} IN ({', '.join(str(mask) for mask in masks.values())})", *fused.inside(), *way.where]
    sql = (
        f"SELECT {', '.join([*keys, f'CASE {SET} {own} END AS p_own', *sums])}\n"
        f"FROM {way.source} AS {ROW}\nWHERE {' AND '.join(where)}\nGROUP BY ALL"
    )
    return f"SELECT * EXCLUDE (p_own), p_own AS {SET}\nFROM ({sql})", names


def _ripe(fused: Fused, slot: Slot) -> str:
    """What leaves out the days of cases whose window is not over."""
    part, _, name = slot
    if part.window is None or name == "cohort" or (name == "missing" and part.measure.missing):
        return ""
    return f" FILTER (WHERE {DAY} + INTERVAL {part.window} DAY < {day(fused.planner.known.whole_until)})"


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
