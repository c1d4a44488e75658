"""The touches before each deal's end: what attribution credits, as tables of deals and of touches.

A touch belongs to the account of whoever was touched, so that the journeys of several contacts of
one account are one journey, by time (rule T-91). Touches after the end of the deal, or older than
the look-back, do not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cadran.canonical.days import SECONDS_IN_DAY, days_elapsed
from cadran.canonical.schema import TYPES
from cadran.deferred import ibis
from cadran.engine.compile import kept_rows
from cadran.engine.expression import day_literal
from cadran.engine.question import knowledge
from cadran.engine.tables import published, statement
from cadran.errors import QueryError, did_you_mean

if TYPE_CHECKING:
    from datetime import date, datetime

    import ibis.expr.types as ir
    import pyarrow as pa

    from cadran.catalogue.definition import AttributionRules, Catalogue
    from cadran.engine.query import Context
    from cadran.engine.span import Known
    from cadran.store.warehouse import Warehouse

#: What a touch can be told apart by.
LABELS = ("channel", "source", "medium", "campaign", "content", "landing_page", "touch_type")


@dataclass(frozen=True)
class JourneyQuery:
    """Which deals, and what their touches are told apart by.

    Attributes:
        by: One of `LABELS`.
        start: First day on which a deal may have been closed, or None.
        end: First day after, or None.
        where: Predicates on deals that all hold.
        as_of: Answer as it was known at the end of this day, or None.
    """

    by: str = "channel"
    start: date | None = None
    end: date | None = None
    where: tuple[str, ...] = ()
    as_of: date | None = None


@dataclass(frozen=True)
class JourneyResult:
    """Deals, and their touches in order.

    Attributes:
        deals: One row per deal, by id: ``deal`` (id), ``is_won``, ``amount`` (decimal, base currency, or
            null), ``has_rate`` (false when an amount could not be converted).
        touches: One row per touch of a deal, by deal and time: ``deal``, ``label`` (null where the
            source gives none), ``age`` (days to the end of the deal), ``before_lead`` and
            ``before_deal`` (true for a touch not later than the lead or the opportunity; null
            without one).
        currency: Base currency.
        as_of: Instant up to which the data was known.
        sql: Statements that ran.
    """

    deals: pa.Table
    touches: pa.Table
    currency: str
    as_of: datetime
    sql: tuple[str, ...]


def journeys(
    catalogue: Catalogue, query: JourneyQuery, rules: AttributionRules, warehouse: Warehouse, context: Context
) -> JourneyResult:
    """Deals closed in the span, and those still open, with the touches that count.

    Raises:
        QueryError: `by` is no label of a touch, or a predicate cannot be read.
        StoreError: The database refuses a statement.
    """
    if query.by not in LABELS:
        near = did_you_mean(query.by, LABELS)
        raise QueryError(
            "Touches cannot be told apart by {name}.",
            hint="Did you mean {near}?" if near else "Use one of: {known}.",
            where="--by",
            name=query.by,
            near=near,
            known=", ".join(LABELS),
        )
    known, before = knowledge(query.as_of, context, warehouse.meta.known_at)
    deals = _deals(catalogue, query, context, known)
    statements = []
    found = []
    for table in (_facts(deals), _touches(deals, query.by, rules)):
        sql = statement(table, warehouse, before)
        statements.append(sql)
        found.append(warehouse.execute(sql))
    return JourneyResult(found[0], found[1], context.currency, known.at, tuple(statements))


def _deals(catalogue: Catalogue, query: JourneyQuery, context: Context, known: Known) -> ir.Table:
    """Deals that count, with ``ended_at``: when they closed, or until when an open one is known."""
    kept = kept_rows(catalogue, "opportunity", (*query.where, *context.scope), "attribution")
    closed = kept.is_closed.fill_null(False)
    until = ibis.literal(known.at.replace(tzinfo=None), TYPES["timestamp"])
    ended = closed & kept.closed_on.notnull()
    if query.start:
        ended &= kept.closed_on >= day_literal(query.start)
    if query.end:
        ended &= kept.closed_on < day_literal(query.end)
    return kept.filter(
        ~kept.is_test.fill_null(False), kept.deleted_at.isnull(), kept.merged_into_id.isnull(), ~closed | ended
    ).mutate(ended_at=ibis.ifelse(closed, kept.closed_at, until))


def _facts(deals: ir.Table) -> ir.Table:
    chosen = deals.select(
        deal=deals.id,
        is_won=deals.is_won.fill_null(False),
        amount=deals.amount_base,
        has_rate=deals.amount_base.notnull() | deals.amount.isnull(),
    )
    return chosen.order_by("deal")


def _touches(deals: ir.Table, by: str, rules: AttributionRules) -> ir.Table:
    touch = _of_accounts(rules)
    lead = published("lead")
    deal = deals.select(
        "account_id", "lead_id", deal="id", ended_at=deals.ended_at, opened_at=deals.created_at
    ).left_join(lead.select(lead_id="id", lead_at=lead.created_at), "lead_id")
    deal = deal.select("account_id", "deal", "ended_at", "opened_at", "lead_at")
    both = touch.inner_join(deal, "account_id")
    age = both.ended_at.epoch_seconds() - both.happened_at.epoch_seconds()
    of_this = both.touch_deal.isnull() | (both.touch_deal == both.deal)
    kept = both.filter(of_this, age >= 0, age <= rules.lookback_days * SECONDS_IN_DAY)
    chosen = kept.select(
        deal=kept.deal,
        label=kept[by],
        age=days_elapsed(kept.happened_at, kept.ended_at),
        before_lead=kept.happened_at <= kept.lead_at,
        before_deal=kept.happened_at <= kept.opened_at,
        touch=kept.touch,
    )
    return chosen.order_by(["deal", ibis.desc("age"), "touch"]).drop("touch")


def _of_accounts(rules: AttributionRules) -> ir.Table:
    """Touches with the account of whoever was touched."""
    touch, contact, lead = published("marketing_touch"), published("contact"), published("lead")
    people = contact.select(contact_id="id", of_contact=contact.account_id)
    leads = lead.select(lead_id="id", of_lead=lead.account_id)
    found = touch.filter(touch.deleted_at.isnull(), touch.occurred_at.notnull())
    if rules.touch_types:
        found = found.filter(found.touch_type.isin(rules.touch_types))
    joined = found.left_join(people, "contact_id").left_join(leads, "lead_id")
    account = ibis.coalesce(joined.account_id, joined.of_contact, joined.of_lead)
    return joined.select(
        *LABELS, touch="id", happened_at=joined.occurred_at, touch_deal=joined.opportunity_id, account_id=account
    ).filter(lambda t: t.account_id.notnull())
