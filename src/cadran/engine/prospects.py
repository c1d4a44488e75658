"""Accounts and leads with what became of them: what propensity and the ideal customer are learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cadran.canonical.days import days_elapsed
from cadran.canonical.schema import TYPES
from cadran.deferred import ibis
from cadran.engine.compile import kept_rows
from cadran.engine.question import knowledge
from cadran.engine.tables import published, statement
from cadran.errors import QueryError

if TYPE_CHECKING:
    from datetime import date, datetime

    import ibis.expr.types as ir
    import pyarrow as pa

    from cadran.canonical.schema import Expr
    from cadran.catalogue.definition import Catalogue
    from cadran.engine.query import Context
    from cadran.store.warehouse import Warehouse

Subject = Literal["accounts", "leads"]
#: What describes each of them.
LABELS: dict[Subject, tuple[str, ...]] = {
    "accounts": ("industry", "size_band", "country", "market", "segment"),
    "leads": ("source", "channel", "industry", "country", "segment"),
}
#: Days within which a lead must be converted.
LEAD_DAYS = 60


@dataclass(frozen=True)
class ProspectQuery:
    """Which accounts or leads.

    Attributes:
        subject: ``accounts`` or ``leads``.
        where: Predicates on them that all hold.
        as_of: Answer as it was known at the end of this day, or None.
    """

    subject: Subject
    where: tuple[str, ...] = ()
    as_of: date | None = None


@dataclass(frozen=True)
class ProspectResult:
    """Accounts or leads.

    Attributes:
        subject: Which of them.
        rows: One row each, by id: ``id``, ``name``, ``owner``, ``came_at``, ``is_decided``, ``is_converted``,
            ``is_asked`` and `LABELS`. An account is decided with its first won deal, or when its deals are all
            lost; a lead when it is converted within `LEAD_DAYS`, or when they are over.
        as_of: Instant up to which the data was known.
        sql: Statement that ran.
    """

    subject: Subject
    rows: pa.Table
    as_of: datetime
    sql: str


def prospects(catalogue: Catalogue, query: ProspectQuery, warehouse: Warehouse, context: Context) -> ProspectResult:
    """Every account or lead that the person may read, with what became of it.

    Raises:
        QueryError: The subject is neither, or a predicate cannot be read.
        StoreError: The database refuses a statement.
    """
    if query.subject not in LABELS:
        raise QueryError(
            "Propensity is told of accounts or of leads, not of {name}.",
            hint="Say accounts or leads.",
            where="subject",
            name=query.subject,
        )
    known, before = knowledge(query.as_of, context, warehouse.meta.known_at)
    entity = query.subject.removesuffix("s")
    mine = kept_rows(catalogue, entity, context.scope, "propensity")
    asked = kept_rows(catalogue, entity, (*query.where, *context.scope), "propensity")
    mine = mine.filter(mine.deleted_at.isnull(), mine.merged_into_id.isnull())
    until = ibis.literal(known.at.replace(tzinfo=None), TYPES["timestamp"])
    told = _leads(mine, until) if entity == "lead" else _accounts(mine, context.scope, catalogue)
    marked = asked.select(asked_id="id").distinct()
    table = told.left_join(marked, told.id == marked.asked_id)
    table = table.mutate(is_asked=table.asked_id.notnull()).drop("asked_id").order_by("id")
    sql = statement(table, warehouse, before)
    return ProspectResult(query.subject, warehouse.execute(sql), known.at, sql)


def _leads(mine: ir.Table, until: Expr) -> ir.Table:
    real = mine.filter(~mine.is_test.fill_null(False), mine.created_at.notnull())
    cycle = published("lead_cycle")
    became = cycle.filter(cycle.lead_id.notnull()).group_by(of_lead="lead_id").agg(deal_at=cycle.opportunity_at.min())
    real = real.left_join(became, real.id == became.of_lead)
    # a system that does not say when a lead was converted may still hold the deal that came of it
    converted_at = real.converted_at.coalesce(real.deal_at)
    taken = days_elapsed(real.created_at, converted_at.coalesce(until))
    is_converted = converted_at.notnull() & (taken <= LEAD_DAYS)
    owner = published("owner").select(person_id="id", owner="name")
    both = real.mutate(
        came_at=real.created_at, is_converted=is_converted, is_decided=is_converted | (taken > LEAD_DAYS)
    ).left_join(owner, real.owner_id == owner.person_id)
    return both.select(*LABELS["leads"], "id", "name", "owner", "came_at", "is_decided", "is_converted")


def _accounts(mine: ir.Table, scope: tuple[str, ...], catalogue: Catalogue) -> ir.Table:
    deals = kept_rows(catalogue, "opportunity", scope, "propensity")
    deals = deals.filter(~deals.is_test.fill_null(False), deals.deleted_at.isnull(), deals.account_id.notnull())
    is_open: Expr = ~deals.is_closed.fill_null(False)
    ends = deals.group_by(of_account="account_id").agg(
        first_at=deals.created_at.min(), n_won=deals.is_won.fill_null(False).sum(), n_open=is_open.sum()
    )
    owner = published("owner").select(person_id="id", owner="name")
    both = mine.left_join(ends, mine.id == ends.of_account).left_join(owner, mine.owner_id == owner.person_id)
    is_converted = (both.n_won > 0).fill_null(False)
    is_lost = ((both.n_won == 0) & (both.n_open == 0)).fill_null(False)
    return both.mutate(
        came_at=both.first_at.coalesce(both.created_at), is_converted=is_converted, is_decided=is_converted | is_lost
    ).select(*LABELS["accounts"], "id", "name", "owner", "came_at", "is_decided", "is_converted")
