"""Why a KPI moved between two periods: its factors or its segments, with shares that add up to all of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.catalogue.driving import edges, formula_of
from cadran.errors import QueryError
from cadran.insights.change import Drivers, rounded
from cadran.insights.formula import node_of
from cadran.insights.judge import MATURE, TOO_YOUNG
from cadran.insights.shares import NO_VALUE, by_difference, by_mix_and_rate, by_parts, by_terms, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.catalogue.driving import Formula
    from cadran.engine.query import KpiQuery
    from cadran.engine.result import Figure, KpiResult
    from cadran.period import Grain

    Ask = Callable[[KpiQuery], KpiResult]


def drivers_of(catalogue: Catalogue, query: KpiQuery, ask: Ask) -> Drivers:
    """Why the KPI of a question moved: by its formula, or by segment when the question has dimensions.

    Args:
        catalogue: Definitions.
        query: One KPI; the last whole period of the answer that has an earlier one is explained.
        ask: What answers questions.

    Raises:
        QueryError: The question has several KPIs, nothing to compare with, or asks for segments of
            a KPI that is no sum and no ratio of sums.
    """
    if len(query.kpis) != 1:
        raise QueryError("Drivers are those of one KPI at a time.", hint="Name one KPI.", where="kpi")
    kpi = catalogue.kpi(query.kpis[0])
    asked = _comparing(query, kpi)
    if kpi.default_by or query.by:
        return _Change(catalogue, asked, ask).by_segment()
    found = _Change(catalogue, asked, ask).by_formula()
    units = {kpi.id: kpi.unit for kpi in catalogue.newest()}
    return replace(found, drivers=tuple(replace(d, unit=units.get(d.name, "")) for d in found.drivers))


@dataclass(frozen=True)
class _Change:
    """One question about a change, while it is answered."""

    catalogue: Catalogue
    query: KpiQuery
    ask: Ask

    def by_formula(self) -> Drivers:
        kpi = self.catalogue.kpi(self.query.kpis[0])
        formula = formula_of(kpi, self.catalogue)
        inputs = tuple(formula.inputs.values()) if formula and formula.how == "equals" else ()
        result = self.ask(replace(self.query, kpis=tuple(dict.fromkeys((kpi.id, *inputs)))))
        figure, earlier = _pair(result, kpi)
        found = self._found(figure, earlier, result)
        if found.change is None:
            return replace(found, reason=NO_VALUE, reason_params={"name": kpi.id})
        if formula is None:
            return by_parts(found, figure, earlier)
        if formula.how == "moves_by":
            return self._movements(found, formula)
        now = {f.kpi.id: f for f in result.figures if f.start == figure.start and f.kpi.id in inputs}
        before = {name: result.earlier[f.key] for name, f in now.items() if f.key in result.earlier}
        first = {name: value_of(before.get(other)) for name, other in formula.inputs.items()}
        second = {name: value_of(now.get(other)) for name, other in formula.inputs.items()}
        return by_terms(found, node_of(formula.tree), formula.inputs, first, second)

    def _movements(self, found: Drivers, formula: Formula) -> Drivers:
        """What moved a balance from the end of the earlier period to the end of this one."""
        flows = tuple(dict.fromkeys(formula.inputs.values()))
        asked = replace(
            self.query, kpis=flows, grain=None, start=found.earlier_end, end=found.end, compare="none", by=()
        )
        values = {figure.kpi.id: value_of(figure) for figure in self.ask(asked).figures}
        second = {name: values.get(other) for name, other in formula.inputs.items()}
        zero = dict.fromkeys(formula.inputs, Decimal(0))
        split_ = by_terms(found, node_of(formula.tree), formula.inputs, zero, second)
        drivers = tuple(replace(driver, before=None) for driver in split_.drivers)
        return replace(split_, method="movements" if split_.method != "none" else "none", drivers=drivers)

    def by_segment(self) -> Drivers:
        kpi = self.catalogue.kpi(self.query.kpis[0])
        _check_segments(kpi)
        result = self.ask(self.query)
        figure, earlier = _pair(result, kpi)
        alone = replace(self.query, grain=None, start=earlier.start, end=earlier.end, compare="none")
        before = {_place(f): f for f in self.ask(alone).figures} if earlier.end > earlier.start else {}
        now = {_place(f): f for f in result.figures if f.start == figure.start}
        cells = [(before.get(place), now.get(place)) for place in dict.fromkeys((*now, *before))]
        found = self._found(figure, earlier, result)
        broken = next((f for pair in cells for f in pair if f and f.status == "undefined" and _is_broken(f)), None)
        if broken is not None:
            return replace(found, before=None, now=None, change=None, reason=NO_VALUE, reason_params={"name": kpi.id})
        young = min((f.maturity for _, f in cells if f and f.maturity is not None), default=1.0)
        if young < MATURE:
            found = replace(found, reason=TOO_YOUNG, reason_params={"share": round(100 * young)})
        is_sum = kpi.denominator is None and not _is_mean(kpi)
        return by_difference(found, cells) if is_sum else by_mix_and_rate(found, cells)

    def _found(self, figure: Figure, earlier: Figure, result: KpiResult) -> Drivers:
        """The change without its drivers."""
        kpi = figure.kpi
        before, now = rounded(value_of(earlier), kpi), rounded(value_of(figure), kpi)
        believed = tuple(name for name, how in edges(kpi.id, self.catalogue).items() if how == "hypothesis")
        return Drivers(
            kpi=kpi,
            start=figure.start,
            end=figure.end,
            earlier_start=earlier.start,
            earlier_end=earlier.end,
            before=before,
            now=now,
            change=now - before if now is not None and before is not None else None,
            method="none",
            believed=believed,
            currency=result.currency,
        )


def _comparing(query: KpiQuery, kpi: Kpi) -> KpiQuery:
    """The same question, with something to compare and a grain where it says no span."""
    compare = query.compare if query.compare != "none" else "previous"
    if query.grain or query.start:
        return replace(query, compare=compare)
    grain: Grain = "month" if "month" in kpi.grains else kpi.grains[0]  # type: ignore[assignment]
    return replace(query, compare=compare, grain=grain)


def _pair(result: KpiResult, kpi: Kpi) -> tuple[Figure, Figure]:
    """The figure to explain and the earlier one: the last whole period, else the last one."""
    known = [f for f in result.figures if f.kpi.id == kpi.id and f.key in result.earlier]
    if not known:
        raise QueryError(
            "There is no earlier period to compare {kpi} with.",
            hint="Give a span with --from and --to, or a --grain.",
            where="--compare",
            kpi=kpi.id,
        )
    figure = max(known, key=lambda f: (not f.partial, f.start))
    return figure, result.earlier[figure.key]


def _check_segments(kpi: Kpi) -> None:
    agg = kpi.numerator.agg if kpi.numerator else ""
    if agg in ("count", "sum") or _is_mean(kpi):
        return
    names = ", ".join(dict.fromkeys(kpi.inputs.values()))
    hint = "Split one of its factors: {names}." if names else "Split a variant of it: {variants}."
    raise QueryError(
        "{kpi} cannot be split by segment: it is neither a sum nor a ratio of sums.",
        hint=hint,
        where="--by",
        kpi=kpi.id,
        names=names,
        variants=", ".join(name for name in kpi.variants if name != kpi.id) or "–",
    )


def _is_mean(kpi: Kpi) -> bool:
    return kpi.numerator is not None and kpi.numerator.agg == "mean"


def _is_broken(figure: Figure) -> bool:
    """True where a figure is undefined though it has cases: a rate is missing, no row has a value."""
    return bool(figure.n) and figure.denominator is None


def _place(figure: Figure) -> tuple[tuple[str, str | None], ...]:
    return tuple(sorted(figure.segment.items()))
