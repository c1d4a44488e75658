"""Changes of fields: those that successive versions of a record imply, and what a field was before.

A change is a row of ``field_history``. Values are text there, whatever the type of the field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from cadran.canonical.schema import TYPES, Expr, conform, schema_of
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

#: Fields whose changes matter, by entity.
TRACKED: dict[str, tuple[str, ...]] = {
    "opportunity": (
        "stage",
        "pipeline",
        "amount",
        "owner_id",
        "is_closed",
        "expected_close_on",
        "forecast_category",
        "probability",
    ),
    "subscription": ("status", "mrr", "amount", "quantity", "discount_share"),
    "lead": ("status", "owner_id"),
}

#: Before everything, and after it: plain comparisons join faster than tests for NULL.
LONG_AGO, FAR_AHEAD = "1000-01-01", "9000-01-01"

#: Keywords of a window.
Order: TypeAlias = dict[str, Any]

NUMBER = "^-?[0-9]+([.][0-9]+)?"
DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"


def as_type(text: Expr, kind: Expr) -> Expr:
    """The value that a text stands for, NULL when it is none of that type."""
    if kind.is_string():
        return text.nullif("")
    if kind.is_boolean():
        return text.lower().isin(["true", "1", "yes"])
    return text.re_extract(DAY if kind.is_date() else NUMBER, 0).nullif("").cast(kind)


def inferred_changes(landed: Mapping[str, ir.Table], explicit: ir.Table) -> ir.Table:
    """One row per tracked field that differs between two successive versions of a record.

    Columns of ``field_history``: ``is_inferred`` is true and the change lies between
    ``uncertainty_from`` and ``changed_at``, the times of the two exports. The end of a deal that
    gives its own time is dated exactly. Changes that `explicit` records are left out.

    Args:
        landed: All versions of the landed entities.
        explicit: Landed ``field_history``.
    """
    found = ibis.union(*(_differences(landed[name], name, fields) for name, fields in TRACKED.items()))
    told = explicit.select(told_type="entity_type", told_id="entity_id", told_field="field", told_at="changed_at")
    silent = found.anti_join(
        told,
        [
            found.entity_type == told.told_type,
            found.entity_id == told.told_id,
            found.field == told.told_field,
            told.told_at > found.before_at,
            told.told_at <= found.valid_from,
        ],
    )
    return conform(silent, schema_of("field_history"))


def _differences(table: ir.Table, name: str, fields: tuple[str, ...]) -> ir.Table:
    """One row per field and version of one entity that differs from the version before."""
    order: Order = {"group_by": table.id, "order_by": table.valid_from}
    versions = table.mutate(
        version=ibis.row_number().over(**order),
        before_at=table.valid_from.lag().over(**order),
        **{f"before_{f}": table[f].lag().over(**order) for f in fields},
    )
    versions = versions.filter(versions.version > 0)
    # One row per field and a choice among columns: a union of one query per field plans far slower.
    pairs = versions.cross_join(ibis.array(list(fields)).unnest().name("field").as_table())
    old = ibis.cases(*((pairs.field == f, pairs[f"before_{f}"].cast("string")) for f in fields))
    new = ibis.cases(*((pairs.field == f, pairs[f].cast("string")) for f in fields))
    changed = pairs.mutate(old_value=old, new_value=new)
    changed = changed.filter(~changed.old_value.identical_to(changed.new_value))
    exact = _ending(changed) if name == "opportunity" else ibis.null(TYPES["timestamp"])
    return changed.select(
        "connection_id",
        "source_system",
        "valid_from",
        "field",
        "old_value",
        "new_value",
        "before_at",
        id=changed.id.concat(":", changed.field, ":", changed.version.cast("string")),
        is_inferred=ibis.literal(True),
        entity_type=ibis.literal(name),
        entity_id=changed.id,
        changed_at=exact.coalesce(changed.valid_from),
        uncertainty_from=ibis.ifelse(exact.isnull(), changed.before_at, ibis.null(TYPES["timestamp"])),
    )


def _ending(changed: ir.Table) -> Expr:
    """The time of close when it lies between the two versions and the field changes with it."""
    between = (changed.closed_at > changed.before_at) & (changed.closed_at <= changed.valid_from)
    ends = changed.is_closed.fill_null(changed.is_won.notnull()) & between.fill_null(False)
    ends = ends & changed.field.isin(["stage", "is_closed"])
    return ibis.ifelse(ends, changed.closed_at, ibis.null(TYPES["timestamp"]))


def spans_before(changes: ir.Table, entity_type: str, field: str) -> ir.Table:
    """One row per stretch of time that ended with a change of one field.

    Columns: span_id, span_from (`LONG_AGO` for the first stretch), span_until, span_value: the text of
    the field until then. After its last change a field has its present value, which is not in here.
    """
    own = changes.filter(changes.entity_type == entity_type, changes.field == field)
    order: Order = {"group_by": own.entity_id, "order_by": [own.changed_at, own.id]}
    return own.select(
        span_id=own.entity_id,
        span_from=own.changed_at.lag().over(**order).coalesce(ibis.literal(LONG_AGO, TYPES["timestamp"])),
        span_until=own.changed_at,
        span_value=own.old_value.coalesce(own.new_value.lag().over(**order)),
    )


def as_of(rows: ir.Table, spans: ir.Table, *, id: str, at: str, field: str) -> ir.Table:  # noqa: A002
    """The rows with one column as it was at an instant of each row, by `spans_before`; the same rows."""
    joined = rows.left_join(
        spans,
        [
            rows[id] == spans.span_id,
            rows[at] >= spans.span_from,
            rows[at] < spans.span_until,
        ],
    )
    kind = rows[field].type()
    was = joined.span_value if kind.is_string() else as_type(joined.span_value, kind)
    return joined.mutate(**{field: ibis.ifelse(joined.span_id.notnull(), was, joined[field])}).select(*rows.columns)
