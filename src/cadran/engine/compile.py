"""(Catalogue, question, context) → one Ibis expression per table, day column and dimensions; pure.

Every measure of a scan is aggregated in one GROUP BY of period and dimensions. Sums are exact on
every engine and in any order of rows: doubles are summed as decimals. What a scan gives are
components (sums, counts, sums of squares); `assemble` makes figures of them.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cadran.canonical.days import local_day
from cadran.canonical.entities import published_columns
from cadran.deferred import ibis
from cadran.engine.aggregate import DAY, Condition, Prepared, Slot, moment_slots, slots_of
from cadran.engine.expression import day_literal, ibis_value
from cadran.engine.outcomes import outcome_table
from cadran.engine.parts import Group, Part, group_of, no_dimension, parts_of
from cadran.engine.periods import period_key
from cadran.engine.predicate import columns_of, predicate
from cadran.engine.tables import published

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import ibis.expr.types as ir

    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.engine.query import Context, KpiQuery
    from cadran.engine.span import Known, Span

    #: A KPI and the dimensions that break it down.
    Leaf = tuple[Kpi, tuple[str, ...]]
    #: What each group must give, and one of the KPIs that need it.
    Needs = Mapping[Group, tuple[Kpi, tuple[Slot, ...]]]

#: Digits kept of a duration, so that equal durations meet.
DURATION_DIGITS = 4
PERIOD, VALUE, ENDED, N = "p_key", "p_value", "p_ended", "p_n"
MOST_IDS = 500
#: Components that are not one number: each has a statement of its own.
CURVES = ("survival", "incidence")


@dataclass(frozen=True)
class Scan:
    """One statement that gives components.

    Attributes:
        group: What it scans.
        expression: Its Ibis expression, or None when it was read otherwise; columns `PERIOD`, the
            dimensions ``p_dim0…``, for photographs `DAY`, and one column per slot.
        slots: Column of each component.
        photos: For photographs, the expression of the days on which they are taken.
        photo_names: Column of `photos` for each predicate.
    """

    group: Group
    expression: ir.Table | None
    slots: Mapping[Slot, str]
    photos: ir.Table | None = None
    photo_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Curve:
    """One statement that gives the durations of one ``survival`` part, see `VALUE` and `ENDED`.

    Of an ``incidence`` part it gives ages and outcomes, see `outcomes.outcome_table`.
    """

    group: Group
    part: Part
    expression: ir.Table | None


@dataclass(frozen=True)
class Plan:
    """Every statement that answers a question over one span."""

    scans: tuple[Scan, ...]
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Planner:
    """Makes expressions for one question.

    Attributes:
        catalogue: Definitions.
        query: Question.
        context: Calendar, currency, and what the person may see.
        known: Until when the data is known.
        has_moments: True when figures are to have what their intervals are made of.
    """

    catalogue: Catalogue
    query: KpiQuery
    context: Context
    known: Known
    has_moments: bool = True

    def needs(self, leaves: Iterable[Leaf]) -> Needs:
        """What each group must give for KPIs, each with its dimensions; derived ones bring their inputs."""
        slots: dict[Group, dict[Slot, str]] = {}
        owners: dict[Group, Kpi] = {}
        for kpi, dims in leaves:
            parts = parts_of(kpi)
            for part in parts.all():
                self._add(slots, owners, kpi, group_of(part, kpi, dims), slots_of(part))
            if self.has_moments and kpi.interval in ("mean", "delta") and parts.numerator:
                group = group_of(parts.numerator, kpi, dims)
                self._add(slots, owners, kpi, group, moment_slots(parts.pair, parts.numerator))
        return {group: (owners[group], tuple(found)) for group, found in slots.items()}

    def plan(self, needs: Needs, span: Span) -> Plan:
        """The statements that give what groups need over a span."""
        scans: list[Scan] = []
        curves: list[Curve] = []
        for group, (kpi, found) in needs.items():
            curves += [self._curve(group, slot[0], kpi, span) for slot in found if slot[2] in CURVES]
            names = {slot: f"c{place}" for place, slot in enumerate(s for s in found if s[2] not in CURVES)}
            if names:
                scans.append(self._scan(group, names, kpi, span))
        return Plan(tuple(scans), tuple(curves))

    @staticmethod
    def _add(
        slots: dict[Group, dict[Slot, str]], owners: dict[Group, Kpi], kpi: Kpi, group: Group, new: Iterable[Slot]
    ) -> None:
        owners.setdefault(group, kpi)
        slots.setdefault(group, {}).update(dict.fromkeys(new, ""))

    def first_days(self, leaves: Iterable[Leaf]) -> list[ir.Table]:
        """One row, one column ``first``, per table and day column: the first day on which a part has a row."""
        parts: dict[Group, dict[Part, Kpi]] = {}
        for kpi, _ in leaves:
            for part in parts_of(kpi).all():
                group = Group(part.measure.entity, part.time, kpi.zone, "flow", ())
                parts.setdefault(group, {}).setdefault(part, kpi)
        return [self._first_day(group, list(found), next(iter(found.values()))) for group, found in parts.items()]

    def _first_day(self, group: Group, parts: list[Part], kpi: Kpi) -> ir.Table:
        rows = self.rows(group, kpi)
        condition, false = self.condition(rows), ibis.literal(value=False)
        counts = functools.reduce(operator.or_, (condition.of(part).fill_null(false) for part in parts))
        return rows.aggregate(first=rows[DAY].min(where=counts & (rows[DAY] < day_literal(self.known.end))))

    def first_of(self, entity: str, time: str) -> ir.Table:
        """One row, one column ``first``: the first day of a table that the person may see, whatever is asked of it."""
        kept = kept_rows(self.catalogue, entity, self.context.scope, entity)
        return kept.aggregate(first=kept[time].min())

    def rows(self, group: Group, kpi: Kpi) -> ir.Table:
        """The rows of a group's table that the question and the person's scope keep, with `DAY`."""
        kept = kept_rows(self.catalogue, group.entity, (*self.query.where, *self.context.scope), kpi.id)
        return kept.mutate(**{DAY: _day(kept, group)})

    def keyed(self, group: Group, kpi: Kpi, span: Span) -> ir.Table:
        """`rows` inside the span, with `PERIOD` and the dimensions."""
        rows = self.rows(group, kpi)
        rows = rows.filter(*_inside(rows[DAY], group, span, self.known))
        return rows.mutate(
            **{PERIOD: period_key(rows[DAY], span, self.context.calendar), **self._dims(rows, group, kpi)}
        )

    def _dims(self, rows: ir.Table, group: Group, kpi: Kpi) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for place, name in enumerate(group.dims):
            dimension = self.catalogue.dimensions.get(name)
            if dimension is None or group.entity not in dimension.columns:
                raise no_dimension(kpi, name)
            column = rows[dimension.columns[group.entity]]
            found[f"p_dim{place}"] = column if column.type().is_string() else column.cast("string")
        return found

    def _scan(self, group: Group, names: Mapping[Slot, str], kpi: Kpi, span: Span) -> Scan:
        rows = self.keyed(group, kpi, span)
        prepared = Prepared(self.condition(rows))
        values = {name: prepared.component(slot) for slot, name in names.items()}
        keys = [PERIOD, *dim_names(group), *([DAY] if group.mode == "photo" else [])]
        narrow = rows.select(*keys, **prepared.columns)
        expression = narrow.group_by(keys).aggregate(**{name: value(narrow) for name, value in values.items()})
        if group.mode != "photo":
            return Scan(group, expression, names)
        texts = dict.fromkeys(slot[0].photo for slot in names)
        photo_names = {text: f"d{place}" for place, text in enumerate(texts)}
        return Scan(group, expression, names, self.photos(group, photo_names, span), photo_names)

    def condition(self, rows: ir.Table) -> Condition:
        """What turns the expressions of measures into values on those rows."""
        return Condition(rows, self.known.whole_until)

    def photos(self, group: Group, names: Mapping[str, str], span: Span) -> ir.Table:
        """The last day of each period with rows, whoever asks: the same for every segment and filter."""
        table = published(group.entity)
        rows = table.mutate(**{DAY: _day(table, group)})
        rows = rows.filter(*_inside(rows[DAY], group, span, self.known))
        rows = rows.mutate(**{PERIOD: period_key(rows[DAY], span, self.context.calendar)})
        condition = self.condition(rows)
        last = {name: rows[DAY].max(where=condition.sql(text, group.entity)) for text, name in names.items()}
        return rows.group_by(PERIOD).aggregate(**last)

    def _curve(self, group: Group, part: Part, kpi: Kpi, span: Span) -> Curve:
        if part.measure.agg == "incidence":
            return Curve(group, part, self._outcomes(group, part, kpi, span))
        rows = self.keyed(group, kpi, span)
        condition = self.condition(rows)
        measure = part.measure
        duration = condition.value(measure.expr, measure.entity).cast("float64").round(DURATION_DIGITS)
        ended = condition.sql(measure.event, measure.entity).fill_null(ibis.literal(value=False))
        chosen = rows.filter(condition.of(part)).mutate(**{VALUE: duration, ENDED: ended})
        kept = chosen.filter(chosen[VALUE].notnull())
        keys = [PERIOD, *dim_names(group), VALUE, ENDED]
        return Curve(group, part, kept.group_by(keys).aggregate(**{N: kept.count()}))

    def _outcomes(self, group: Group, part: Part, kpi: Kpi, span: Span) -> ir.Table:
        rows = self.rows(group, kpi)
        inside = functools.reduce(operator.and_, _inside(rows[DAY], group, span, self.known))
        period = period_key(rows[DAY], span, self.context.calendar)
        rows = rows.mutate(**{PERIOD: period, "p_in": inside, **self._dims(rows, group, kpi)})
        return outcome_table(self.condition(rows), part, [PERIOD, *dim_names(group)], rows["p_in"])

    def values(self, group: Group, part: Part, kpi: Kpi, span: Span) -> ir.Table:
        """How often each `VALUE` of a part occurs, see `N`, by period and dimensions."""
        rows = self.keyed(group, kpi, span)
        condition = self.condition(rows)
        value = condition.expr(part)
        value = value.cast("float64") if part.measure.agg == "median" else value
        kept = rows.filter(condition.of(part)).mutate(**{VALUE: value})
        kept = kept.filter(kept[VALUE].notnull())
        return kept.group_by([PERIOD, *dim_names(group), VALUE]).aggregate(**{N: kept.count()})

    def missing_ids(self, group: Group, part: Part, kpi: Kpi, span: Span) -> ir.Table:
        """Ids of the rows that have an amount but no rate into the base currency, in order, at most `MOST_IDS`."""
        rows = self.keyed(group, kpi, span)
        condition = self.condition(rows)
        kept = rows.filter(condition.missing(part))
        column = identity(group.entity)
        return (
            kept.select(*[kept[name] for name in (PERIOD, *dim_names(group))], p_id=kept[column])
            .order_by([PERIOD, "p_id"])
            .limit(MOST_IDS)
        )


def kept_rows(catalogue: Catalogue, entity: str, texts: Iterable[str], who: str) -> ir.Table:
    """The rows of a published table that fulfil every predicate.

    Args:
        catalogue: Dimensions.
        entity: Table.
        texts: Predicates, see `predicate`.
        who: What is asked, for messages.

    Raises:
        QueryError: A predicate cannot be read, or names something that the table does not have.
    """
    table, names = published(entity), columns_of(catalogue, entity)
    trees = [predicate(text, catalogue, entity, who) for text in texts]
    return table.filter(*(ibis_value(tree, table, names) for tree in trees)) if trees else table


def dim_names(group: Group) -> list[str]:
    """Columns of a scan that hold its dimensions, in order."""
    return [f"p_dim{place}" for place in range(len(group.dims))]


def identity(entity: str) -> str:
    """The column that names a row for people: its id, or that of what it is about."""
    names = [column.name for column in published_columns(entity)]
    return "id" if "id" in names else next(c.name for c in published_columns(entity) if c.ref)


def _day(table: ir.Table, group: Group) -> Any:
    if not group.zone:
        return table[group.time]
    instant = group.time.removesuffix("_on") + "_at"
    return local_day(table[instant], group.zone)


def _inside(day: Any, group: Group, span: Span, known: Known) -> list[Any]:
    """What keeps the rows of a span: for a balance, everything up to its end or to what is known."""
    if group.mode == "balance":
        end = min(span.end, known.end)
        found = [day < day_literal(end)]
    else:
        found = [day >= day_literal(span.start), day < day_literal(span.end)]
    for period in span.periods:
        if period.start in span.cut:
            found.append((day < day_literal(span.cut[period.start])) | (day >= day_literal(period.end)))
    return found
