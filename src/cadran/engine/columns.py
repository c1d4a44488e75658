"""The values of an answer as columns, without a figure for each: for programs that want all of them.

The values are those of the figures to the last digit: quotients of whole numbers that a double holds
are rounded as decimals are. What needs more (windows, notes on the number of cases) is computed one by one.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cadran.catalogue.expression import column_names, parse
from cadran.engine.arithmetic import EXACT, divide, evaluate
from cadran.engine.assemble import number
from cadran.engine.components import Components, Found
from cadran.engine.figures import Block, Figures
from cadran.engine.parts import group_of, mode_of, parts_of
from cadran.engine.sheet import arrow_of, arrow_texts
from cadran.engine.vector import evaluate_all, true_of_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cadran.catalogue.definition import Kpi
    from cadran.catalogue.expression import Kind
    from cadran.catalogue.syntax import Tree
    from cadran.engine.aggregate import Slot
    from cadran.engine.assemble import Assembler
    from cadran.engine.curves import Curves
    from cadran.engine.parts import Part
    from cadran.engine.result import Figure, KpiResult
    from cadran.engine.sheet import Segment

    Array = np.ndarray[Any, Any]

#: Largest whole number up to which a double holds all of them.
_WHOLE = 2**53


def columns(result: KpiResult, special: Callable[[Cells], Array | None] = lambda _: None) -> pa.Table:
    """One row per figure of an answer, in the same order.

    Columns: ``kpi``, ``start`` (first day), a text column per dimension, and ``value`` (double, null
    where the figure has none).

    Args:
        result: Answer of `run.answers`.
        special: Values of KPIs that the engine does not compute, of shape (periods, segments) and NaN
            where there is none; None to leave them to the figures.
    """
    figures = result.figures
    if not isinstance(figures, Figures):
        figures = tuple(figures)
    found = [_table(cells, special) for cells in _cells(figures.blocks)] if isinstance(figures, Figures) else []
    return pa.concat_tables(found, promote_options="default") if found else _table_of(figures)


@dataclass(frozen=True)
class Cells:
    """The figures of one version of a KPI over some periods and segments.

    Attributes:
        assembler: Makes the figures.
        kpi: Version of the KPI.
        dims: Dimensions.
        places: Places of the periods.
        segments: Segments.
    """

    assembler: Assembler
    kpi: Kpi
    dims: tuple[str, ...]
    places: Sequence[int]
    segments: Sequence[Segment]

    def values(self) -> Array:
        """Shape (periods, segments): the values, NaN where there is none."""
        fast = self._fast() if self._is_plain() else None
        return self._slow() if fast is None else fast

    def curves(self) -> Curves | None:
        """The durations of a ``survival`` KPI; None for another one, or over windows."""
        part, components = parts_of(self.kpi).numerator, self.assembler.components
        if part is None or part.measure.agg != "survival" or not isinstance(components, Components):
            return None
        return components.curves(group_of(part, self.kpi, self.dims), part)

    def _is_plain(self) -> bool:
        top = self.kpi.numerator
        plain = isinstance(self.assembler.components, Components) and self._can_note()
        return plain and (top is None or top.agg not in ("survival", "incidence"))

    def _can_note(self) -> bool:
        """True when its notes take values away by what is at hand: inputs, or both parts of a ratio."""
        known = self.kpi.inputs.keys() if self.kpi.kind == "derived" else {"numerator", "denominator"}
        names = {name for tree in _takers(self.kpi) for name in column_names(tree)}
        return not names or (names <= known and (self.kpi.kind == "derived" or self.kpi.denominator is not None))

    def _slow(self) -> Array:
        found = [np.nan if figure.value is None else float(figure.value) for figure in self.figures()]
        return np.array(found, dtype=np.float64).reshape(self.shape)

    def figures(self) -> Iterator[Figure]:
        """The figures, periods one after the other."""
        made = self.assembler.figure
        return (made(self.kpi.id, place, self.dims, segment) for place in self.places for segment in self.segments)

    @property
    def shape(self) -> tuple[int, int]:
        """Periods and segments."""
        return len(self.places), len(self.segments)

    def _fast(self) -> Array | None:
        found = self.doubles()
        if found is None and self.kpi.kind == "derived" and (exact := self.exact()) is not None:
            shown = (number(value, self.kpi.unit) for value in exact)
            found = np.array([np.nan if value is None else float(value) for value in shown])
        return None if found is None else found.reshape(self.shape)

    def doubles(self) -> Array | None:
        """Shape (cells,): the values computed on doubles, NaN where there is none; None where decimals must decide."""
        if not self._is_plain():
            return None
        names = self._of_inputs() if self.kpi.kind == "derived" else self._of_parts()
        if names is None:
            return None
        values, found = names
        taken = None if found is None else true_of_all(_takers(self.kpi), values)
        return None if found is None or taken is None else np.where(taken, np.nan, found)

    def _of_inputs(self) -> tuple[dict[str, Array], Array | None] | None:
        inputs: dict[str, Array] = {}
        for name, kpi in self._inputs():
            found = None if kpi is None else self._of(kpi).doubles()
            if found is None:
                return None
            inputs[name] = found
        return inputs, evaluate_all(parse(self.kpi.expression, dict.fromkeys(inputs, "number"), "number"), inputs)

    def _of_parts(self) -> tuple[dict[str, Array], Array | None] | None:
        parts = self.numbers()
        if parts is None:
            return None
        upper, lower = parts
        top, low = upper.double(), None if lower is None else lower.double()
        if top is None or (lower is not None and low is None):
            return None
        values = {"numerator": top.reshape(-1)} | ({} if low is None else {"denominator": low.reshape(-1)})
        found = top if lower is None else _quotient(upper, lower)
        return values, None if found is None else found.reshape(-1)

    def _taken(self, values: Mapping[str, Sequence[Decimal | None]]) -> list[bool]:
        """For each cell, True when a note takes its value away, see `notes.noted`."""
        trees = _takers(self.kpi)
        rows = (dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True))
        return [any(evaluate(tree, row) is True for tree in trees) for row in rows]

    def numbers(self) -> tuple[Numbers, Numbers | None] | None:
        """Both parts of a measured KPI, or its only one; None where they are not plain numbers."""
        parts = parts_of(self.kpi)
        if parts.numerator is None:
            return None
        upper = self._amount(parts.numerator)
        if parts.denominator is None and parts.numerator.measure.agg == "mean" and upper:
            return upper, self._component(parts.numerator, "known")
        lower = self._amount(parts.denominator) if parts.denominator else None
        if upper is None or (parts.denominator and lower is None):
            return None
        return upper, lower

    def _amount(self, part: Part) -> Numbers | None:
        agg = part.measure.agg
        name = {"count": "known" if part.measure.expr else "matched", "count_distinct": "distinct"}.get(agg, "sum")
        name = agg if agg in ("median", "min", "max") else name
        found = self._component(part, name)
        if found is None:
            return None
        ok = found.ok & ~self._is_set(part, "missing")
        if mode_of(part) == "photo":
            group = group_of(part, self.kpi, self.dims)
            taken = [self.assembler.components.has_photo(group, part, place) for place in self.places]
            ok &= np.array(taken, dtype=bool)[:, None]
        if agg not in ("count", "count_distinct"):
            known, matched = self._is_set(part, "known"), self._is_set(part, "matched")
            ok &= known | ~matched | part.measure.balance
            ok &= matched | (not part.measure.required)
            ok &= known | (agg == "sum")
        return Numbers(found.values, found.scale, ok)

    def _is_set(self, part: Part, name: str) -> Array:
        found = self._component(part, name)
        return np.zeros(self.shape, dtype=bool) if found is None else found.values != 0

    def _component(self, part: Part, name: str) -> Numbers | None:
        """A component, 0 where no row gives it; None where it is not a plain number or was not asked for."""
        slot: Slot = (part, None, name)
        found = self.assembler.find(self.kpi, self.dims, slot)
        if not isinstance(found, Found):
            return None
        column, (rows, is_there) = found.sheet.columns[found.column], found.rows(self.places, self.segments)
        if column.values.dtype == object:
            return None
        values = column.values[rows] if len(column.values) else np.zeros(self.shape, dtype=np.int64)
        valid = is_there if column.valid is None or not len(column.values) else is_there & column.valid[rows]
        return Numbers(np.where(valid, values, 0), column.scale, np.ones(self.shape, dtype=bool))

    def exact(self) -> list[Decimal | None] | None:
        """Every value with all its digits, periods one after the other; None where it must be made one by one."""
        if not self._is_plain():
            return None
        if self.kpi.kind != "derived":
            return self._exact_parts()
        inputs: dict[str, list[Decimal | None]] = {}
        for name, kpi in self._inputs():
            found = None if kpi is None else self._of(kpi).exact()
            if found is None:
                return None
            inputs[name] = found
        tree = parse(self.kpi.expression, dict.fromkeys(inputs, "number"), "number")
        names = list(dict.fromkeys(column_names(tree)))
        rows = zip(*(inputs[name] for name in names), strict=True)
        found = [evaluate(tree, dict(zip(names, row, strict=True))) for row in rows]
        if _takers(self.kpi):
            units = {name: kpi.unit for name, kpi in self._inputs() if kpi}
            shown = {name: [_shown(value, units[name]) for value in each] for name, each in inputs.items()}
            taken = self._taken(shown)
            found = [None if gone else value for gone, value in zip(taken, found, strict=True)]
        return [_shown(value, self.kpi.unit) for value in found]

    def _exact_parts(self) -> list[Decimal | None] | None:
        parts = self.numbers()
        found = None if parts is None else _decimals(*parts, self.kpi.unit)
        if found is None or parts is None or parts[1] is None or not _takers(self.kpi):
            return found
        taken = self._taken({"numerator": _each(parts[0]), "denominator": _each(parts[1])})
        return [None if gone else value for gone, value in zip(taken, found, strict=True)]

    def _of(self, kpi: Kpi) -> Cells:
        """The same cells of another KPI."""
        return Cells(self.assembler, kpi, self.dims, self.places, self.segments)

    def _inputs(self) -> Iterator[tuple[str, Kpi | None]]:
        """The inputs of a derived KPI, None for one whose version changes between the periods."""
        for name, other in self.kpi.inputs.items():
            versions = [self.assembler.versions[place][other] for place in self.places]
            yield name, versions[0] if all(kpi is versions[0] for kpi in versions) else None


@dataclass(frozen=True)
class Numbers:
    """Numbers by period and segment.

    Attributes:
        values: Shape (periods, segments): whole numbers, or doubles when there is no scale.
        scale: Digits after the point, or None.
        ok: Shape (periods, segments): False where there is no value.
    """

    values: Array
    scale: int | None
    ok: Array

    def double(self) -> Array | None:
        """As doubles; None when one of them is not exact."""
        if self.scale is None:
            return np.where(self.ok, self.values, np.nan)
        if np.abs(self.values).max(initial=0) >= _WHOLE:
            return None
        return np.where(self.ok, self.values / 10**self.scale, np.nan)


@functools.lru_cache(maxsize=256)
def _trees(kpi_notes: tuple[str, ...], names: frozenset[str]) -> tuple[Tree, ...]:
    kinds: dict[str, Kind] = dict.fromkeys((*names, "n"), "number")
    return tuple(parse(text, kinds, "bool") for text in kpi_notes)


def _takers(kpi: Kpi) -> tuple[Tree, ...]:
    """The conditions of notes that leave a figure without a value."""
    names = kpi.inputs.keys() if kpi.kind == "derived" else ("numerator", "denominator")
    return _trees(tuple(note.when for note in kpi.notes if note.undefined), frozenset(names))


def _shown(value: Decimal | None, unit: str) -> Decimal | None:
    """A value as figures show it."""
    return None if value is None else Decimal(str(number(value, unit)))


def _each(numbers: Numbers) -> list[Decimal | None]:
    """Every number by itself, None where there is none."""
    scale, values = numbers.scale, numbers.values.reshape(-1).tolist()
    exact = (Decimal(str(v)) if scale is None else Decimal(v).scaleb(-scale, EXACT) for v in values)
    return [value if ok else None for value, ok in zip(exact, numbers.ok.reshape(-1).tolist(), strict=True)]


def _quotient(upper: Numbers, lower: Numbers) -> Array | None:
    if upper.scale is None or lower.scale is None:
        return None
    most = max(upper.scale, lower.scale)
    big = [float(np.abs(each.values).max(initial=0)) * 10 ** (most - (each.scale or 0)) for each in (upper, lower)]
    if max(big) >= _WHOLE:
        return None
    top, low = upper.values * 10 ** (most - upper.scale), lower.values * 10 ** (most - lower.scale)
    ok = upper.ok & lower.ok & (low != 0)
    return np.where(ok, top / np.where(low == 0, 1, low), np.nan)


def _decimals(upper: Numbers, lower: Numbers | None, unit: str) -> list[Decimal | None] | None:
    if upper.scale is None or (lower is not None and lower.scale is None):
        return None
    tops = [Decimal(int(value)).scaleb(-upper.scale, EXACT) for value in upper.values.reshape(-1).tolist()]
    if lower is None:
        found = [number(top, unit) if ok else None for top, ok in zip(tops, upper.ok.reshape(-1), strict=True)]
        return [None if value is None else Decimal(str(value)) for value in found]
    lows = [Decimal(int(value)).scaleb(-(lower.scale or 0), EXACT) for value in lower.values.reshape(-1).tolist()]
    ok = (upper.ok & lower.ok).reshape(-1).tolist()
    return [divide(top, low) if fine else None for top, low, fine in zip(tops, lows, ok, strict=True)]


def _cells(blocks: Sequence[Block]) -> Iterator[Cells]:
    """Blocks that follow each other and differ in the period only, together."""

    def same(block: Block) -> tuple[int, str, int, tuple[str, ...]]:
        return id(block.assembler), block.name, id(block.assembler.versions[block.place][block.name]), block.dims

    for _, group in groupby(blocks, same):
        each = list(group)
        first = each[0]
        kpi = first.assembler.versions[first.place][first.name]
        yield Cells(first.assembler, kpi, first.dims, [block.place for block in each], first.segments)


def _table(cells: Cells, special: Callable[[Cells], Array | None]) -> pa.Table:
    found = special(cells)
    values = (cells.values() if found is None else found).reshape(-1)
    periods, segments = cells.shape
    starts = np.array([cells.assembler.period(place)[0].start for place in cells.places], dtype="datetime64[D]")
    days = np.repeat(starts.astype(np.int32), segments)
    columns: dict[str, Any] = {
        "kpi": arrow_texts([cells.kpi.id]).take(arrow_of(np.zeros(len(values), dtype=np.int32), pa.int32())),
        "start": arrow_of(days, pa.date32()),
    }
    codes = arrow_of(np.tile(np.arange(segments, dtype=np.int32), periods), pa.int32())
    for place, name in enumerate(cells.dims):
        words = arrow_texts([segment[place] for segment in cells.segments])
        columns[name] = words.take(codes)
    return pa.table(columns | {"value": arrow_of(values.astype(np.float64), pa.float64())})


def _table_of(figures: Sequence[Any]) -> pa.Table:
    """The same from figures that are made already."""
    names = dict.fromkeys(name for figure in figures for name in figure.segment)
    columns: dict[str, Any] = {
        "kpi": pa.array([figure.kpi.id for figure in figures], pa.string()),
        "start": pa.array([figure.start for figure in figures], pa.date32()),
    }
    columns |= {name: pa.array([figure.segment.get(name) for figure in figures], pa.string()) for name in names}
    values = [None if figure.value is None else float(figure.value) for figure in figures]
    return pa.table(columns | {"value": pa.array(values, pa.float64())})
