"""Attributes of customers as of an event: those of their account, of its owner, and of the deal that won it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.dimensions import versions, with_account, with_owner
from cadran.canonical.origin import origin
from cadran.canonical.schema import TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

#: What a customer says of itself, for companies that the CRM does not know.
OWN = ("segment", "industry", "industry_group", "country", "market")


def with_customer(rows: ir.Table, t: Mapping[str, ir.Table], *, at: str) -> ir.Table:
    """The same rows with the dimensions of their customer.

    Adds the dimensions of the account and of its owner as they were at an instant of each row,
    ``channel``, ``source`` and ``origin`` of the deal first won with the account, and ``margin_share``: the
    gross margin of the customer, else the mean of that of its subscriptions, NULL when neither is known.

    Args:
        rows: Rows with ``customer_id`` and ``account_id``.
        t: Tables of `history.current`.
        at: Timestamp column; where it is NULL, dimensions that change are too.
    """
    own = t["customer"]
    own = own.select(
        own_id="id",
        own_account="account_id",
        own_margin="gross_margin_share",
        **{f"own_{name}": own[name] for name in OWN},
    )
    found = rows.left_join(own, rows.customer_id == own.own_id)
    found = found.mutate(account_id=found.account_id.coalesce(found.own_account))
    found = with_account(found, t, at=at)
    found = found.mutate(**{name: found[name].coalesce(found[f"own_{name}"]) for name in OWN})
    held = versions(t, "account").select("owner_id", "span_from", "span_until", held_id="id")
    then = [found.account_id == held.held_id, found[at] >= held.span_from, found[at] < held.span_until]
    found = with_owner(found.left_join(held, then), t, at=at)
    deals = _first_won(t["opportunity"])
    found = found.left_join(deals, found.account_id == deals.won_account)
    margins = _margins(t["subscription"])
    found = found.left_join(margins, found.customer_id == margins.margin_customer)
    share = found.own_margin.coalesce(found.sold_margin).cast(TYPES["decimal"])
    found = found.mutate(origin=origin(found.channel, found.source), margin_share=share)
    return found.drop(
        "own_margin",
        "margin_customer",
        "sold_margin",
        "own_id",
        "own_account",
        "held_id",
        "owner_id",
        "span_from",
        "span_until",
        "won_account",
        *(f"own_{name}" for name in OWN),
    )


def _margins(subscription: ir.Table) -> ir.Table:
    """One row per customer whose subscriptions tell a gross margin: its mean, to the millionth."""
    told = subscription.filter(subscription.gross_margin_share.notnull(), subscription.customer_id.notnull())
    exact = told.gross_margin_share.round(6).cast(TYPES["decimal"])
    found = told.group_by(margin_customer="customer_id").agg(total=exact.sum(), n=told.count())
    mean = (found.total.cast("float64") / found.n).round(6)
    return found.select("margin_customer", sold_margin=mean)


def _first_won(opportunity: ir.Table) -> ir.Table:
    """One row per account with a won deal: where the first of them came from."""
    won = opportunity.filter(opportunity.is_won, opportunity.account_id.notnull(), opportunity.closed_at.notnull())
    return won.group_by(won_account="account_id").agg(
        channel=won.channel.argmin(won.closed_at),
        source=won.lead_source.argmin(won.closed_at),
    )
