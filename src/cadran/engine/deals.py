"""Deals and their stays in stages: what win probabilities are learnt from, and what they are told of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cadran.engine.compile import kept_rows
from cadran.engine.question import knowledge
from cadran.engine.tables import published, statement

if TYPE_CHECKING:
    from datetime import date, datetime

    import ibis.expr.types as ir
    import pyarrow as pa

    from cadran.canonical.schema import Expr
    from cadran.catalogue.definition import Catalogue
    from cadran.engine.query import Context
    from cadran.store.warehouse import Warehouse

#: What describes a deal when it enters a stage.
LABELS = ("segment", "size_band", "market", "channel", "source", "owner", "product", "opportunity_type")


@dataclass(frozen=True)
class DealQuery:
    """Which open deals.

    Attributes:
        where: Predicates on deals that all hold.
        as_of: Answer as it was known at the end of this day, or None.
    """

    where: tuple[str, ...] = ()
    as_of: date | None = None


@dataclass(frozen=True)
class DealResult:
    """Deals that the person may read, those that were asked for marked.

    Attributes:
        deals: One row per deal that is not a test, by id: ``deal``, ``name``, ``pipeline``, ``stage``, ``owner``,
            ``account_id``, ``amount`` (decimal, base currency, or null), ``has_rate``, ``rate``
            (price of its currency), ``probability`` (set by hand,
            as a share), ``created_at``, ``closed_at``, ``is_closed``, ``is_won``, ``expected_close_on``,
            ``last_touch_at``, ``is_stale`` (past its close date), ``is_asked``, and `LABELS`.
        stays: One row per stay, by deal and order: ``deal``, ``pipeline``, ``stage``, ``position``, ``entered_at``,
            ``exited_at``, ``exit_to``, and `LABELS` as of the entry.
        touches: One row per touch of a deal: ``deal``, ``at``.
        amounts: One row per recorded change of an amount: ``deal``, ``at``, ``old`` (as written).
        currency: Base currency.
        as_of: Instant up to which the data was known.
        sql: Statements that ran.
    """

    deals: pa.Table
    stays: pa.Table
    touches: pa.Table
    amounts: pa.Table
    currency: str
    as_of: datetime
    sql: tuple[str, ...]


def deals(catalogue: Catalogue, query: DealQuery, warehouse: Warehouse, context: Context) -> DealResult:
    """Every deal that the person may read, with its way so far.

    Raises:
        QueryError: A predicate cannot be read.
        StoreError: The database refuses a statement.
    """
    known, before = knowledge(query.as_of, context, warehouse.meta.known_at)
    mine = _real(kept_rows(catalogue, "opportunity", context.scope, "deals"))
    asked = kept_rows(catalogue, "opportunity", (*query.where, *context.scope), "deals")
    statements = []
    found = []
    for table in (_facts(mine, asked), _stays(mine), _touches(mine), _amounts(mine)):
        sql = statement(table, warehouse, before)
        statements.append(sql)
        found.append(warehouse.execute(sql))
    facts, stays, touches, amounts = found
    return DealResult(facts, stays, touches, amounts, context.currency, known.at, tuple(statements))


def _real(rows: ir.Table) -> ir.Table:
    is_real: Expr = ~rows.is_test.fill_null(False) & rows.deleted_at.isnull() & rows.merged_into_id.isnull()
    return rows.filter(is_real)


def _facts(mine: ir.Table, asked: ir.Table) -> ir.Table:
    marked = asked.select(asked_id="id").distinct()
    rows = mine.left_join(marked, mine.id == marked.asked_id)
    chosen = rows.select(
        *LABELS,
        "name",
        "pipeline",
        "stage",
        "account_id",
        "probability",
        "created_at",
        "closed_at",
        "expected_close_on",
        "last_touch_at",
        "is_stale",
        deal=rows.id,
        amount=rows.amount_base,
        has_rate=rows.amount_base.notnull() | rows.amount.isnull(),
        rate=rows.amount_base.cast("float64") / rows.amount.cast("float64").nullif(0.0),
        is_closed=rows.is_closed.fill_null(False),
        is_won=rows.is_won.fill_null(False),
        is_asked=rows.asked_id.notnull(),
    )
    return chosen.order_by("deal")


def _stays(mine: ir.Table) -> ir.Table:
    stay = published("stage_interval")
    stay = stay.filter(~stay.is_implied.fill_null(False))
    rows = _of(mine, stay, "opportunity_id")
    chosen = rows.select(
        *LABELS, "pipeline", "stage", "position", "seq", "entered_at", "exited_at", "exit_to", deal="opportunity_id"
    )
    return chosen.order_by(["deal", "seq"])


def _touches(mine: ir.Table) -> ir.Table:
    touch = published("touch")
    rows = touch.filter(touch.opportunity_id.notnull(), touch.occurred_at.notnull())
    rows = _of(mine, rows, "opportunity_id")
    return rows.select(deal="opportunity_id", at="occurred_at").order_by(["deal", "at"])


def _amounts(mine: ir.Table) -> ir.Table:
    change = published("field_history")
    rows = change.filter(change.entity_type == "opportunity", change.field == "amount", change.changed_at.notnull())
    rows = _of(mine, rows, "entity_id")
    return rows.select(deal="entity_id", at="changed_at", old="old_value").order_by(["deal", "at"])


def _of(mine: ir.Table, rows: ir.Table, key: str) -> ir.Table:
    """The rows of some deals."""
    ids = mine.select(mine_id="id").distinct()
    return rows.inner_join(ids, rows[key] == ids.mine_id)
