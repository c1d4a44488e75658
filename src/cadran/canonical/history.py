"""What was known on a day: one version per record, and nothing that came later.

A record counts as known since it was created, even when it was first exported long after: its first
version then stands for the time before the export, less what could not be known yet. Between two
exports, what the earlier one said holds. Known is known up to an instant: what happened at that
instant or after it is masked, what was exported at it is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.changes import TRACKED, as_type, inferred_changes
from cadran.canonical.entities import ENTITIES, Entity
from cadran.canonical.schema import TYPES, Expr, empty
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import ibis.expr.types as ir

INSTANT = TYPES["timestamp"]

#: Entities that describe rather than happen: without a date of creation they were always there.
REFERENCE = frozenset({"account", "contact", "owner", "stage", "customer", "fx_rate", "subscription"})

#: Entities whose own date is a plan, known before it comes.
PLANNED = frozenset({"quota", "subscription", "forecast_submission"})

#: Entities whose past versions are given beside the current one, for attributes as of the event.
KEPT_VERSIONS = ("account", "owner")

#: Columns that say what happened at an instant, masked with it.
TOLD_BY: dict[str, dict[str, tuple[str, ...]]] = {
    "lead": {"converted_at": ("converted_opportunity_id",)},
    "stage": {"ended_at": ("replaced_by",)},
    "subscription": {"ended_at": ("status",)},
    "invoice": {"paid_at": ("status",)},
    "outreach_message": {"replied_at": ("reply_sentiment", "is_auto_reply")},
}

#: What a deal tells of its end, unknown while it was open.
ENDING = ("is_won", "outcome", "lost_reason", "competitor", "probability", "forecast_category")


def current(landed: Mapping[str, ir.Table], known_at: datetime) -> dict[str, ir.Table]:
    """Every landed entity as it was known at an instant: one row per id.

    Args:
        landed: All versions of each landed entity; entities left out are empty. Tables that are not
            landed entities are handed on as they are.
        known_at: Naive UTC instant.

    Returns:
        Each landed entity with its landed columns. ``field_history`` also has the changes that two
        successive versions of a record imply (``is_inferred``, with ``uncertainty_from``).
        ``account_history`` and ``owner_history`` have every version known at the instant.
        Order is not defined.
    """
    known = ibis.literal(known_at, INSTANT)
    names = [name for name, entity in ENTITIES.items() if not entity.derived]
    every = {name: landed.get(name, empty(name)) for name in names}
    changes = every["field_history"]
    found: dict[str, ir.Table] = {name: table for name, table in landed.items() if name not in every}
    for name in names:
        chosen = _chosen(every[name], ENTITIES[name], known)
        if name in TRACKED:
            chosen = _rolled_back(chosen, changes, name, known)
        found[name] = _masked(chosen, ENTITIES[name], known)
    found["field_history"] = _known_changes(every, found["field_history"], known)
    for name in KEPT_VERSIONS:
        found[f"{name}_history"] = _versions(every[name], known)
    return found


def _chosen(table: ir.Table, entity: Entity, known: Expr) -> ir.Table:
    """The version of each record known then, with ``is_back``: exported only later."""
    seen = ibis.ifelse(table.valid_from <= known, table.valid_from, ibis.null(INSTANT))
    place = ibis.row_number().over(group_by=table.id, order_by=[seen.desc(nulls_first=False), table.valid_from.asc()])
    ranked = table.mutate(place=place, is_back=(table.valid_from > known).fill_null(False))
    first = ranked.filter(ranked.place == 0).drop("place")
    happened: Expr = _happened(first, entity)
    since = (happened < known).fill_null(entity.name in REFERENCE)
    # Exports are often dated by their day alone, so that rows of that day seem to come after it.
    day_after = known + ibis.interval(days=1)
    in_time = ibis.literal(True) if entity.name in PLANNED else (happened < day_after).fill_null(True)
    return first.filter(ibis.ifelse(first.is_back, since, in_time))


def _happened(table: ir.Table, entity: Entity) -> Expr:
    """The instant at which a row came to be, by its own time column or by its creation."""
    own = table[entity.time]
    if own.type().is_date():
        own = own.cast(INSTANT)
    return table.created_at.coalesce(own) if entity.name in PLANNED else own.coalesce(table.created_at)


def _masked(table: ir.Table, entity: Entity, known: Expr) -> ir.Table:
    """Rows exported only later without what had not happened yet; the landed columns."""
    instants = [c.name for c in entity.all_columns if c.type == "timestamp"]
    own = {"valid_from", "created_at"} | ({entity.time} if entity.name not in PLANNED else set())
    masked: dict[str, Expr] = {}
    for name in instants:
        if name not in own:
            later = table.is_back & (table[name] >= known).fill_null(False)
            masked[name] = ibis.ifelse(later, ibis.null(INSTANT), table[name])
            for told in TOLD_BY.get(entity.name, {}).get(name, ()):
                masked[told] = ibis.ifelse(later, ibis.null(table[told].type()), table[told])
    undated = table.is_back & (table.merged_at >= known).fill_null(True)
    masked["merged_into_id"] = ibis.ifelse(undated, ibis.null("string"), table.merged_into_id)
    return table.mutate(**masked).drop("is_back")


def _rolled_back(table: ir.Table, changes: ir.Table, name: str, known: Expr) -> ir.Table:
    """Rows exported only later with their tracked fields as they were, where the changes say so."""
    back = table.filter(table.is_back)
    own = changes.filter(changes.entity_type == name, changes.field.isin(TRACKED[name]))
    own = own.semi_join(back, own.entity_id == back.id)
    undone = own.filter(own.changed_at >= known)
    first = ibis.row_number().over(group_by=["entity_id", "field"], order_by=["changed_at", "id"])
    undone = undone.mutate(place=first).filter(lambda t: t.place == 0)
    was = undone.group_by("entity_id").agg(
        **{f"was_{f}": undone.old_value.max(where=undone.field == f) for f in TRACKED[name]},
        **{f"has_{f}": undone.field.max(where=undone.field == f) for f in TRACKED[name]},
    )
    found = table.left_join(was, table.id == was.entity_id)
    fields = [f for f in TRACKED[name] if f != "is_closed"]
    values = {
        f: ibis.ifelse(found[f"has_{f}"].notnull(), as_type(found[f"was_{f}"], table[f].type()), found[f])
        for f in fields
    }
    found = found.mutate(**{f"now_{f}": found[f] for f in fields}).mutate(**values)
    if name == "opportunity":
        found = _stage_then(found, own, _recording(changes), known)
    return found.select(*table.columns)


def _recording(changes: ir.Table) -> ir.Table:
    """The connections that record changes of stage: where none is recorded, none was made."""
    stages = changes.filter(changes.entity_type == "opportunity", changes.field == "stage")
    return stages.select(recording="connection_id").distinct()


def _stage_then(found: ir.Table, stages: ir.Table, recording: ir.Table, known: Expr) -> ir.Table:
    """Deals exported only later with the stage they were in, NULL if unknown, open if they closed later."""
    stages = stages.filter(stages.field == "stage")
    entry = stages.group_by(entry_id="entity_id", entry_stage="new_value").agg(entry_at=stages.changed_at.max())
    past = stages.filter(stages.changed_at < known)
    last = ibis.row_number().over(group_by="entity_id", order_by=[past.changed_at.desc(), past.id.desc()])
    past = past.mutate(place=last).filter(lambda t: t.place == 0).select(past_id="entity_id", past_stage="new_value")
    joined = found.left_join(past, found.id == past.past_id)
    joined = joined.left_join(entry, [joined.id == entry.entry_id, joined.now_stage == entry.entry_stage])
    joined = joined.left_join(recording, joined.connection_id == recording.recording)
    is_closed = joined.is_closed.fill_null(joined.is_won.notnull())
    planned = joined.closed_at.coalesce(joined.expected_close_on.cast(INSTANT), joined.valid_from)
    reopened = joined.is_back & is_closed & (joined.entry_at.coalesce(planned) >= known)
    untouched = (joined.updated_at < known).fill_null(False)
    unchanged = joined.has_stage.isnull() & ~reopened & (is_closed | joined.recording.notnull())
    settled = ~joined.is_back | untouched | unchanged
    recorded = ibis.ifelse(joined.has_stage.notnull(), joined.was_stage, ibis.null("string"))
    values = {"stage": ibis.ifelse(settled, joined.now_stage, recorded.coalesce(joined.past_stage))}
    for column in ENDING:
        values[column] = ibis.ifelse(reopened, ibis.null(joined[column].type()), joined[column])
    values["closed_at"] = ibis.ifelse(reopened, ibis.null(INSTANT), joined.closed_at)
    values["is_won"] = ibis.ifelse(reopened, False, joined.is_won)
    values["is_closed"] = ibis.ifelse(reopened, False, joined.is_closed)
    return joined.mutate(**values)


def _known_changes(every: Mapping[str, ir.Table], explicit: ir.Table, known: Expr) -> ir.Table:
    """Changes known then, those that versions imply included.

    What happened to a record after an export that described it, and was told by a later export only,
    is left out: until that later export, the earlier one was all that was known.
    """
    described = ibis.union(*(_described(every[name], name, known) for name in TRACKED))
    later = explicit.filter(explicit.valid_from > known)
    later = later.anti_join(
        described,
        [
            later.entity_id == described.known_id,
            later.entity_type == described.known_type,
            later.changed_at > described.described_at,
        ],
    )
    earlier = explicit.filter((explicit.valid_from <= known).fill_null(True))
    implied = inferred_changes(every, every["field_history"])
    return ibis.union(earlier, later, implied.filter(implied.valid_from <= known))


def _described(table: ir.Table, name: str, known: Expr) -> ir.Table:
    """The records of one entity that were described by then, and when last."""
    seen = table.filter(table.valid_from <= known)
    found = seen.group_by(known_id="id").agg(described_at=seen.valid_from.max())
    return found.select("known_id", "described_at", known_type=ibis.literal(name))


def _versions(table: ir.Table, known: Expr) -> ir.Table:
    """Every version known then; the first also when it was exported later but existed."""
    rows = table.mutate(first_from=table.valid_from.min().over(group_by=table.id))
    existed = (rows.valid_from == rows.first_from) & (rows.created_at < known).fill_null(True)
    return rows.filter((rows.valid_from <= known) | existed).drop("first_from")
