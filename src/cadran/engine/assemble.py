"""Components → figures: values from sums, never from averages, and a reason wherever there is none.

Ratios are recomputed from the sums of each segment (rule G-9). Money stays decimal; rates are
floats, from exact parts. A period without rows counts 0 and sums 0, but has no mean and no ratio.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cadran.catalogue.expression import column_names, parse
from cadran.engine.aggregate import moment_slots
from cadran.engine.amount import Amount
from cadran.engine.arithmetic import divide, evaluate
from cadran.engine.notes import noted
from cadran.engine.parts import Part, Parts, group_of, lineage_of, parts_of
from cadran.engine.result import Figure, Moments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from cadran.catalogue.definition import Kpi
    from cadran.engine.aggregate import Slot
    from cadran.engine.components import Components, Found
    from cadran.engine.result import Number
    from cadran.engine.sheet import Segment
    from cadran.engine.span import Known
    from cadran.engine.trailing import FoundOverWindows, History, WindowedComponents
    from cadran.period import Period

NO_CASE = "There is no case in this period."
ZERO = "The denominator is 0."
ALL_UNKNOWN = "None of the {n} rows has a value."
TOO_YOUNG = "No case has had its whole window of {days} days yet."
NO_PHOTO = "This is measured on certain days, and none of them lies in this period."
NO_ROW = "Nothing is recorded here: there is no row to add up."
NO_MARGIN = "{n} rows have an amount but no gross margin: {ids}."
NO_RATE = "{n} rows have an amount but no exchange rate into {currency}: {ids}."
FORMULA_ZERO = "The formula divides by 0."
NO_SINGLE = "{name} has no single value."
MONEY_UNITS = ("money", "money_per_day")


@dataclass(frozen=True)
class Assembler:
    """Makes the figures of one span.

    Attributes:
        components: What the statements gave.
        versions: For each period, the version of every KPI that counts at its start (T-98).
        currency: Base currency.
        known: Until when the data is known.
        history: Windows and how far back the data reaches, for trailing figures; None when there are none.
    """

    components: Components | WindowedComponents
    versions: Sequence[Mapping[str, Kpi]]
    currency: str
    known: Known
    history: History | None = None
    _found: dict[Any, tuple[Slot, Found | FoundOverWindows | None]] = field(default_factory=dict, repr=False)
    _partial: dict[int, tuple[Period, bool]] = field(default_factory=dict, repr=False)

    def find(self, kpi: Kpi, dims: tuple[str, ...], slot: Slot) -> Found | FoundOverWindows | None:
        """Where a component of a KPI is, or None when it was not asked for; looked up once."""
        # the slot is kept beside what was found, so that an identity stands for one part only
        key = (id(slot[0]), id(slot[1]), slot[2], dims, kpi.zone)
        if key not in self._found:
            self._found[key] = (slot, self.components.find(group_of(slot[0], kpi, dims), slot))
        return self._found[key][1]

    def period(self, place: int) -> tuple[Period, bool]:
        """What counts of a period, and whether it was not over when the data was read."""
        if place not in self._partial:
            span = self.components.span
            period = span.periods[place]
            self._partial[place] = (span.counted(period), span.is_partial(period, self.known))
        return self._partial[place]

    def segments(self, name: str, dims: tuple[str, ...]) -> list[Segment]:
        """The segments of a KPI that appear in the span, in alphabetical order, "not given" last."""
        if not dims:
            return [()]
        found: set[Segment] = set()
        for versions in {id(each): each for each in self.versions}.values():
            found |= self._appear(versions[name], versions, dims)
        return sorted(found, key=lambda segment: [(value is None, value or "") for value in segment])

    def _appear(self, kpi: Kpi, versions: Mapping[str, Kpi], dims: tuple[str, ...]) -> set[Segment]:
        found: set[Segment] = set()
        for part in parts_of(kpi).all():
            found |= self.components.segments(group_of(part, kpi, dims), part)
        if kpi.kind == "derived":
            for name in kpi.inputs.values():
                found |= self._appear(versions[name], versions, dims)
        return found

    def figure(self, name: str, place: int, dims: tuple[str, ...], segment: Segment) -> Figure:
        """The figure of a KPI in one period and segment."""
        kpi = self.versions[place][name]
        cell = _Cell(self, kpi, place, dims, segment)
        if kpi.kind == "derived":
            return cell.derived()
        special = {"survival": cell.survival, "incidence": cell.incidence}
        return special.get(kpi.numerator.agg if kpi.numerator else "", cell.measured)()

    def definitions(self, kpi: Kpi, place: int) -> tuple[str, ...]:
        """The versions that measure a KPI in one period."""
        if kpi.kind != "derived":
            return (f"{kpi.id} {kpi.version}",)
        found = (f"{each.id} {each.version}" for each in lineage_of(kpi, self.versions[place]))
        return tuple(dict.fromkeys(found))

    def reach(self, kpi: Kpi, place: int) -> tuple[Period | None, date | None]:
        """The window of a KPI in one period, and where its history starts when that is inside the window."""
        return self.history.reach(kpi, self.versions[place], place) if self.history else (None, None)


@dataclass(frozen=True)
class _Cell:
    """One figure while it is made."""

    assembler: Assembler
    kpi: Kpi
    place: int
    dims: tuple[str, ...]
    segment: Segment

    @property
    def parts(self) -> Parts:
        return parts_of(self.kpi)

    def get(self, part: Part, name: str, other: Part | None = None) -> Number:
        """A component of a part; 0 where no row gave it."""
        found = self.assembler.find(self.kpi, self.dims, (part, other, name))
        return (found.at(self.place, self.segment) if found else 0) or 0

    def has(self, part: Part, name: str, other: Part | None = None) -> bool:
        return self.assembler.find(self.kpi, self.dims, (part, other, name)) is not None

    def amount(self, part: Part) -> Amount:
        """The value of a part."""
        if self.has(part, "missing") and (n := int(self.get(part, "missing"))):
            return self._no_rate(part, n)
        group = group_of(part, self.kpi, self.dims)
        if group.mode == "photo" and not self.assembler.components.has_photo(group, part, self.place):
            return Amount(None, 0, NO_PHOTO)
        match part.measure.agg:
            case "count":
                n = int(self.get(part, "known" if part.measure.expr else "matched"))
                return Amount(n, n)
            case "count_distinct":
                n = int(self.get(part, "distinct"))
                return Amount(n, n)
            case agg:
                return self._of_values(part, agg)

    def _of_values(self, part: Part, agg: str) -> Amount:
        known, matched = int(self.get(part, "known")), int(self.get(part, "matched"))
        if part.measure.required and not matched:
            return Amount(None, 0, NO_ROW)
        if matched and not known and not part.measure.balance:
            return Amount(None, 0, ALL_UNKNOWN, {"n": matched})
        if agg == "sum":
            return Amount(self.get(part, "sum"), known)
        if not known:
            return Amount(None, 0, NO_CASE)
        if agg == "mean":
            return Amount(divide(_decimal(self.get(part, "sum")), known), known)
        return Amount(self.get(part, agg), known)

    def _no_rate(self, part: Part, n: int) -> Amount:
        group = group_of(part, self.kpi, self.dims)
        ids = self.assembler.components.ids_without_rate(group, part, self.place, self.segment)
        reason = NO_MARGIN if part.measure.missing_what == "margin" else NO_RATE
        return Amount(None, n, reason, {"n": n, "currency": self.assembler.currency, "ids": ids})

    def measured(self) -> Figure:
        """The figure of a KPI made of measures."""
        parts = self.parts
        assert parts.numerator is not None  # noqa: S101 - only derived KPIs have none
        upper = self.amount(parts.numerator)
        if parts.denominator is None:
            return self._simple(parts.numerator, upper)
        lower = self.amount(parts.denominator)
        return self._ratio(parts, upper, lower)

    def _simple(self, part: Part, upper: Amount) -> Figure:
        is_mean = part.measure.agg == "mean" and not upper.reason
        return self._made(
            upper,
            n=self._n(upper.n),
            numerator=self.get(part, "sum") if is_mean else None,
            denominator=upper.n if is_mean else None,
            moments=self._moments(),
        )

    def _ratio(self, parts: Parts, upper: Amount, lower: Amount) -> Figure:
        broken = upper if upper.reason else lower
        if broken.reason:
            found = Amount(None, lower.n, broken.reason, broken.params)
        elif not lower.value:
            found = Amount(None, lower.n, *self._why_zero(parts, upper))
        else:
            found = Amount(divide(_decimal(upper.value or 0), _decimal(lower.value)), lower.n)
        return self._made(
            found,
            n=self._n(lower.n),
            numerator=upper.value,
            denominator=lower.value,
            moments=self._moments(),
            maturity=self._maturity(parts.denominator),
        )

    def _why_zero(self, parts: Parts, upper: Amount) -> tuple[str, Mapping[str, object]]:
        low = parts.denominator
        if low is not None and self.has(low, "cohort") and self.get(low, "cohort"):
            return TOO_YOUNG, {"days": low.window}
        return (ZERO if upper.value else NO_CASE), {}

    def _maturity(self, low: Part | None) -> float | None:
        if low is None or not self.has(low, "cohort"):
            return None
        cohort = self.get(low, "cohort")
        return float(self.get(low, "matched")) / float(cohort) if cohort else None

    def _n(self, default: int) -> int:
        part = self.parts.n
        return default if part is None else int(self.amount(part).value or 0)

    def _moments(self) -> Moments | None:
        parts = self.parts
        if self.kpi.interval not in ("mean", "delta") or parts.numerator is None:
            return None
        top, low = parts.numerator, parts.denominator
        slots = moment_slots(parts.pair, top)
        if not all(self.has(part, name, other) for part, other, name in slots):
            return None
        found = [float(self.get(part, name, other)) for part, other, name in slots]
        if parts.pair and low:
            n, xx, yy, xy = found
            return Moments(int(n), self._total(top), self._total(low), xx, yy, xy)
        if not found:
            return None
        x, n = float(self.get(top, "sum")), int(self.get(top, "known"))
        return Moments(n, x, float(n), found[0], float(n), x)

    def _total(self, part: Part) -> float:
        return float(self.get(part, "sum" if part.measure.agg == "sum" else "matched"))

    def survival(self) -> Figure:
        """The figure of a KPI whose value is a statistic of durations."""
        part = self.parts.numerator
        assert part is not None  # noqa: S101 - only derived KPIs have none
        group = group_of(part, self.kpi, self.dims)
        durations = self.assembler.components.durations(group, part, self.place, self.segment)
        n = sum(durations.ended) + sum(durations.censored)
        return self._made(Amount(None, n, "" if n else NO_CASE), n=self._n(n), durations=durations if n else None)

    def incidence(self) -> Figure:
        """The figure of a KPI whose value is what is expected of cases that are partly open."""
        part = self.parts.numerator
        assert part is not None  # noqa: S101 - only derived KPIs have none
        watched = self.assembler.components.watched(group_of(part, self.kpi, self.dims), part)
        found = watched.outcomes(self.place, self.segment)
        if found is None:
            return self._made(Amount(None, 0, NO_CASE), n=0, numerator=0, denominator=0)
        horizon = self.kpi.window_days or 0
        converted = sum(n for age, n in zip(found.ages, found.converted, strict=True) if age <= horizon)
        n = sum(found.joined)
        return self._made(
            Amount(None, n),
            n=self._n(n),
            numerator=converted,
            denominator=n,
            outcomes=found,
            past=watched.past(self.segment),
        )

    def derived(self) -> Figure:
        """The figure of a KPI computed from others, in the same period and segment."""
        kpi = self.kpi
        inputs = {
            name: self.assembler.figure(other, self.place, self.dims, self.segment)
            for name, other in kpi.inputs.items()
        }
        tree = parse(kpi.expression, dict.fromkeys(inputs, "number"), "number", where=kpi.places.get("expression", ""))
        value = evaluate(tree, {name: exact(figure) for name, figure in inputs.items()})
        used = [(name, inputs[name]) for name in dict.fromkeys(column_names(tree))]
        reason, params = ("", {}) if value is not None else _why_unknown(used)
        n = min((figure.n for _, figure in used), default=0)
        return self._made(
            Amount(value, n, reason, params),
            n=self._n(n),
            parts={name: figure.value for name, figure in inputs.items()},
            counts={name: pair for name, figure in inputs.items() if (pair := _pair(figure))},
        )

    def _made(self, amount: Amount, *, n: int, **more: Any) -> Figure:
        names = more.get("parts") or {name: more[name] for name in ("numerator", "denominator") if name in more}
        amount, notes = noted(self.kpi, amount, {**names, "n": n}, self.assembler.currency)
        counted, is_partial = self.assembler.period(self.place)
        window, history_from = self.assembler.reach(self.kpi, self.place)
        return Figure(
            kpi=self.kpi,
            start=counted.start,
            end=counted.end,
            segment=dict(zip(self.dims, self.segment, strict=True)),
            value=number(amount.value, self.kpi.unit),
            n=n,
            status="undefined" if amount.reason else "ok",
            reason=amount.reason,
            reason_params=amount.params,
            partial=is_partial or history_from is not None,
            window=window,
            history_from=history_from,
            definitions=self.assembler.definitions(self.kpi, self.place),
            notes=notes,
            **{"numerator": None, "denominator": None, **more},
        )


def _pair(figure: Figure) -> tuple[int, int] | None:
    """Both counts of a figure that is a ratio of counts."""
    upper, lower = figure.numerator, figure.denominator
    return (upper, lower) if isinstance(upper, int) and isinstance(lower, int) else None


def exact(figure: Figure) -> Decimal | None:
    """The value of a figure with every digit that its parts have."""
    if figure.value is None:
        return None
    if figure.denominator and figure.numerator is not None:
        return divide(_decimal(figure.numerator), _decimal(figure.denominator))
    return _decimal(figure.value)


def number(value: Number | None, unit: str) -> Number | None:
    """A value as its unit is kept: money decimal, counts whole when they are, the rest float."""
    if value is None:
        return None
    if unit in MONEY_UNITS:
        return _decimal(value)
    if unit == "count" and value == int(value):
        return int(value)
    return float(value)


def _decimal(value: Number) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _why_unknown(used: list[tuple[str, Figure]]) -> tuple[str, Mapping[str, object]]:
    for name, figure in used:
        if figure.status == "undefined":
            return figure.reason, figure.reason_params
        if figure.value is None:
            return NO_SINGLE, {"name": name}
    return FORMULA_ZERO, {}
