"""Attributes of customers as of an event: those of their account, of its owner, and of the deal that won it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.dimensions import versions, with_account, with_owner

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

#: What a customer says of itself, for companies that the CRM does not know.
OWN = ("segment", "industry", "country", "market")


def with_customer(rows: ir.Table, t: Mapping[str, ir.Table], *, at: str) -> ir.Table:
    """The same rows with the dimensions of their customer.

    Adds the dimensions of the account and of its owner as they were at an instant of each row, and
    ``channel`` and ``source`` of the deal first won with the account.

    Args:
        rows: Rows with ``customer_id`` and ``account_id``.
        t: Tables of `history.current`.
        at: Timestamp column; where it is NULL, dimensions that change are too.
    """
    own = t["customer"]
    own = own.select(own_id="id", own_account="account_id", **{f"own_{name}": own[name] for name in OWN})
    found = rows.left_join(own, rows.customer_id == own.own_id)
    found = found.mutate(account_id=found.account_id.coalesce(found.own_account))
    found = with_account(found, t, at=at)
    found = found.mutate(**{name: found[name].coalesce(found[f"own_{name}"]) for name in OWN})
    held = versions(t, "account").select("owner_id", "span_from", "span_until", held_id="id")
    then = [found.account_id == held.held_id, found[at] >= held.span_from, found[at] < held.span_until]
    found = with_owner(found.left_join(held, then), t, at=at)
    deals = _first_won(t["opportunity"])
    found = found.left_join(deals, found.account_id == deals.won_account)
    return found.drop(
        "own_id",
        "own_account",
        "held_id",
        "owner_id",
        "span_from",
        "span_until",
        "won_account",
        *(f"own_{name}" for name in OWN),
    )


def _first_won(opportunity: ir.Table) -> ir.Table:
    """One row per account with a won deal: where the first of them came from."""
    won = opportunity.filter(opportunity.is_won, opportunity.account_id.notnull(), opportunity.closed_at.notnull())
    return won.group_by(won_account="account_id").agg(
        channel=won.channel.argmin(won.closed_at),
        source=won.lead_source.argmin(won.closed_at),
    )
