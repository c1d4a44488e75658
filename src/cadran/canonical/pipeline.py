"""The open pipeline as signed movements: the sum of what moved up to a day is what was open that day.

A deal moves when it is created, changes its amount, is qualified, won, lost, closed otherwise or
reopened, and when it changes hands: then it leaves one bucket and enters another (``transferred``),
so that the balance is right by every dimension. All movements of a deal are converted at the rate of
the day it was created, so that what came in goes out and rates alone move nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.canonical.changes import FAR_AHEAD, LONG_AGO, as_of, spans_before
from cadran.canonical.dimensions import versions
from cadran.canonical.money import with_base
from cadran.canonical.schema import MONEY, TYPES, Expr, as_int
from cadran.canonical.stages import dressed
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

INSTANT = TYPES["timestamp"]
ZERO = Decimal(0)

#: What a deal holds in the pipeline, all of it and the qualified part.
HELD = ("n", "qualified_n", "amount", "qualified_amount")

#: What describes a deal, as it is needed to dress its rows.
OF_DEAL = (
    "opportunity_id",
    "account_id",
    "owner_id",
    "primary_contact_id",
    "channel",
    "product",
    "pipeline",
    "source",
    "opportunity_type",
)

#: Order of what happens to one deal at one instant: hands change first, the end comes last.
PLACES = {"transferred": 0, "created": 1, "reopened": 2, "qualified": 3, "stage": 4, "due": 5, "amount": 6}
END = 9
ENDS = ("won", "lost", "closed")


def pipeline_movement(walked: ir.Table, standing: ir.Table, t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per change of what a deal holds in the open pipeline.

    Types: created, amount, qualified, transferred (two rows, out and in), won, lost, closed (no
    decision, disqualified), reopened. ``amount_delta`` is NULL when the amount, or its rate, is not
    known; ``stage`` is the one in which the deal was. Order is not defined.

    Args:
        walked: `stages.steps`.
        standing: `opportunity.deals`.
        t: Tables of `history.current`.
        settings: See there.
    """
    real = standing.filter(~standing.is_test)
    held = held_at(points(walked, real, t), real, t, settings)
    order: dict[str, Expr] = {"group_by": "opportunity_id", "order_by": ["moved_at", "place", "type"]}
    names = (*HELD, "is_unknown", "moved_at")
    beside = held.mutate(**{f"before_{name}": held[name].lag().over(**order) for name in names})
    beside = beside.mutate(dressed_at=beside.moved_at)
    is_transfer = beside.type == "transferred"
    out = beside.filter(is_transfer, beside.before_moved_at.notnull())
    moved = ibis.union(
        _moved(beside.filter(~is_transfer), came=True, left=True),
        _moved(beside.filter(is_transfer), came=True, left=False),
        _moved(out.mutate(dressed_at=out.before_moved_at), came=False, left=True),
    )
    is_any: Expr = (moved.n_delta != 0) | (moved.qualified_n_delta != 0)
    is_any = is_any | (moved.amount_delta != 0).fill_null(False) | (moved.qualified_amount_delta != 0).fill_null(False)
    moved = _staged(moved.filter(is_any), walked)
    pipelines = spans_before(t["field_history"], "opportunity", "pipeline")
    moved = as_of(moved, pipelines, id="opportunity_id", at="dressed_at", field="pipeline")
    return dressed(moved, t, at="dressed_at")


def points(walked: ir.Table, real: ir.Table, t: Mapping[str, ir.Table]) -> ir.Table:
    """One row per instant at which something may move: point_id, moved_at, type, opens.

    Args:
        walked: `stages.steps`.
        real: `opportunity.deals` without tests.
        t: Tables of `history.current`.
    """
    unrecorded = real.filter(real.is_closed, real.end_step_at.isnull())
    was_open = (walked.before_category == "open").fill_null(True)
    ends = walked.filter(walked.category != "open", was_open, ~walked.is_now)
    again = walked.filter(walked.category == "open", walked.before_category.isin(["won", "lost"]))
    early = real.filter((real.qualified_at < real.closed_at).fill_null(True))
    fields = {"amount": "amount", "owner_id": "transferred", "pipeline": "transferred"}
    history = t["field_history"]
    changes = history.filter(history.entity_type == "opportunity", history.field.isin(list(fields)))
    return ibis.union(
        point(real, real.id, real.created_at, "created", 1),
        point(unrecorded, unrecorded.id, unrecorded.closed_at, unrecorded.outcome, -1),
        point(ends, ends.opportunity_id, ends["at"], ends.category, -1),
        point(again, again.opportunity_id, again["at"], "reopened", 1),
        point(early, early.id, early.qualified_at, "qualified", 0),
        point(changes, changes.entity_id, changes.changed_at, changes.field.substitute(fields), 0),
        *_dressings(real, changes, t),
    )


def _dressings(real: ir.Table, changes: ir.Table, t: Mapping[str, ir.Table]) -> tuple[ir.Table, ir.Table]:
    """Instants at which the account of a deal, or one of its owners, changed its attributes."""
    accounts = versions(t, "account")
    on = [real.account_id == accounts.id, real.created_at < accounts.span_from]
    by_account = real.select("account_id", "created_at", deal_id="id").join(accounts, on)
    owned = ibis.union(
        real.select(deal_id="id", holder="owner_id"),
        changes.filter(changes.field == "owner_id").select(deal_id="entity_id", holder="old_value"),
    )
    owners = versions(t, "owner")
    owners = owners.filter(owners.span_from > ibis.literal(LONG_AGO, INSTANT))
    by_owner = owned.join(owners, owned.holder == owners.id)
    return (
        point(by_account, by_account.deal_id, by_account.span_from, "transferred", 0),
        point(by_owner, by_owner.deal_id, by_owner.span_from, "transferred", 0),
    )


def point(table: ir.Table, key: Expr, at: Expr, kind: Expr, opens: int) -> ir.Table:
    """Points of one kind: whose, when, what, and whether it opens (1) or closes (-1) the deal."""
    return table.select(point_id=key, moved_at=at, type=ibis.literal(kind) if isinstance(kind, str) else kind).mutate(
        opens=ibis.literal(opens, "int64")
    )


def held_at(points: ir.Table, real: ir.Table, t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """Points with what the deal holds from then on; only from its creation.

    Adds what a deal is described by, `HELD`, ``worth`` (its amount in the base currency) and whether that
    is not known, or has no rate (``is_unrated``).
    """
    deal = real.select(
        "account_id",
        "owner_id",
        "primary_contact_id",
        "channel",
        "product",
        "pipeline",
        "amount",
        "currency",
        "created_at",
        "created_on",
        "qualified_at",
        "end_step_at",
        "outcome",
        "has_steps",
        opportunity_id="id",
        source="lead_source",
        opportunity_type="type",
    )
    found = points.join(deal, points.point_id == deal.opportunity_id)
    # An end before the creation (T-71) or at the same instant as it still comes after.
    found = found.mutate(
        moved_at=ibis.ifelse(found.opens < 0, ibis.greatest(found.moved_at, found.created_at), found.moved_at)
    )
    found = found.filter(found.moved_at >= found.created_at)
    is_final = (found.opens < 0) & (found.moved_at == found.end_step_at.coalesce(found.moved_at))
    kind = ibis.ifelse(is_final, found.outcome.coalesce(found.type), found.type)
    found = found.mutate(type=kind.substitute({"no_decision": "closed", "disqualified": "closed"}))
    amounts = spans_before(t["field_history"], "opportunity", "amount")
    found = as_of(found, amounts, id="opportunity_id", at="moved_at", field="amount")
    found = with_base(found, t["fx_rate"], settings, amounts={"worth": "amount"}, day="created_on")
    found = found.mutate(place=found.type.substitute(PLACES, else_=END))
    order: dict[str, Expr] = {"group_by": "opportunity_id", "order_by": ["moved_at", "place", "type"]}
    found = found.mutate(n_open=found.opens.sum().over(**order, rows=(None, 0)))
    is_open = found.n_open > 0
    is_ready = is_open & (found.qualified_at <= found.moved_at).fill_null(False)
    worth = found.worth.fill_null(ZERO)
    return found.mutate(
        n=as_int(is_open),
        qualified_n=as_int(is_ready),
        amount=ibis.ifelse(is_open, worth, ZERO).cast(MONEY),
        qualified_amount=ibis.ifelse(is_ready, worth, ZERO).cast(MONEY),
        is_unknown=found.worth.isnull(),
        is_unrated=found.amount.notnull() & found.worth.isnull(),
    )


def _moved(rows: ir.Table, *, came: bool, left: bool) -> ir.Table:
    """Rows with the difference that they make: what came into the bucket less what left it."""

    def delta(name: str) -> Expr:
        now: Expr = rows[name] if came else ZERO
        return now - rows[f"before_{name}"].fill_null(0) if left else now

    nothing = rows.is_unknown & rows.before_is_unknown.fill_null(True)
    money = {
        f"{name}_delta": ibis.ifelse(nothing, ibis.null(MONEY), delta(name).cast(MONEY))
        for name in ("amount", "qualified_amount")
    }
    counts = {f"{name}_delta": delta(name).cast("int64") for name in ("n", "qualified_n")}
    return rows.select(*OF_DEAL, "moved_at", "dressed_at", "type", **money, **counts)


def _staged(rows: ir.Table, walked: ir.Table) -> ir.Table:
    """Rows with the stage in which the deal was, an end being in the stage before it."""
    order: dict[str, Expr] = {"group_by": "opportunity_id", "order_by": "step"}
    until = walked["at"].lead().over(**order).coalesce(ibis.literal(FAR_AHEAD, INSTANT))
    stays = walked.select("category", "stage", stay_id="opportunity_id", stay_from="at", stay_until=until)
    stays = stays.filter(stays.category == "open")
    just_before = rows.moved_at - ibis.interval(microseconds=1)
    rows = rows.mutate(staged_at=ibis.ifelse(rows.type.isin(ENDS), just_before, rows.moved_at))
    on = [rows.opportunity_id == stays.stay_id, rows.staged_at >= stays.stay_from, rows.staged_at < stays.stay_until]
    return rows.left_join(stays, on).drop("stay_id", "stay_from", "stay_until", "category", "staged_at")
