"""What is wrong with the published tables: one check, one set of rows.

Checks of completeness, validity, references and business sense. Each gives the rows that fail it; none
changes or hides a row, since a figure that leaves rows out silently is a wrong figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cadran.canonical.schema import TYPES
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import ibis.expr.types as ir

    from cadran.canonical.schema import Expr

    #: The rows of a table that fail, given the table and the last known instant.
    Test = Callable[[ir.Table, Expr], Expr]

Kind = Literal["completeness", "validity", "uniqueness", "reference", "business"]


@dataclass(frozen=True)
class Check:
    """One thing that may be wrong with the rows of one table.

    Attributes:
        code: Stable name.
        kind: What sort of quality it is.
        entity: Table that is checked.
        message: What is wrong, as an English template with ``{n}``.
    """

    code: str
    kind: Kind
    entity: str
    message: str


def _day(known: Expr) -> Expr:
    return known.date()


_TESTS: dict[str, Test] = {
    "deal_closed_before_created": lambda t, _: t.closed_at < t.created_at,
    "deal_won_without_amount": lambda t, _: t.is_won & (t.amount.isnull() | (t.amount == 0)),
    "deal_closed_in_future": lambda t, known: t.is_closed & (t.closed_at > known),
    "deal_past_its_close": lambda t, known: ~t.is_closed & (t.expected_close_on < _day(known)),
    "deal_without_close": lambda t, _: ~t.is_closed & t.expected_close_on.isnull(),
    "deal_without_amount": lambda t, _: ~t.is_closed & t.amount.isnull(),
    "deal_without_owner": lambda t, _: t.owner_id.isnull(),
    "deal_without_account": lambda t, _: t.account_id.isnull(),
    "deal_without_source": lambda t, _: t.channel.isnull(),
    "deal_without_rate": lambda t, _: t.amount.notnull() & t.amount_base.isnull(),
    "lead_without_source": lambda t, _: t.channel.isnull(),
    "lead_without_owner": lambda t, _: t.owner_id.isnull(),
    "lead_without_address": lambda t, _: t.email.isnull(),
    "lead_converted_before_created": lambda t, _: t.converted_at < t.created_at,
    "contact_without_account": lambda t, _: t.account_id.isnull(),
    "contact_bad_address": lambda t, _: t.email.notnull() & ~t.email.re_search("^[^@ ]+@[^@ ]+[.][^@ ]+$"),
    "account_without_country": lambda t, _: t.country.isnull() & t.market.isnull(),
    "account_without_industry": lambda t, _: t.industry.isnull(),
    "subscription_ends_before_start": lambda t, _: t.ended_at < t.started_at,
    "stage_in_future": lambda t, known: t.entered_at > known,
    "activity_in_future": lambda t, known: (t.occurred_at > known) & (t.type != "meeting"),
}
#: References that must lead somewhere: code, table, column, table that it points at.
_REFERENCES = {
    "deal_of_unknown_account": ("opportunity", "account_id", "account"),
    "contact_of_unknown_account": ("contact", "account_id", "account"),
    "lead_of_unknown_contact": ("lead", "contact_id", "contact"),
}
#: Tables whose merged duplicates are told.
_DUPLICATES = {"duplicate_leads": "lead", "duplicate_contacts": "contact", "duplicate_accounts": "account"}

#: Every check, in the order in which it is told.
CHECKS: tuple[Check, ...] = (
    Check("deal_closed_before_created", "business", "opportunity", "{n} deals were closed before they were created."),
    Check("deal_won_without_amount", "business", "opportunity", "{n} deals were won without an amount."),
    Check("deal_closed_in_future", "business", "opportunity", "{n} deals are closed on a day that has not come."),
    Check("deal_past_its_close", "business", "opportunity", "{n} open deals are past their expected close."),
    Check("stage_in_future", "business", "stage_interval", "{n} stages were entered on a day that has not come."),
    Check(
        "activity_in_future",
        "business",
        "activity",
        "{n} activities are on a day that has not come.",
    ),
    Check("lead_converted_before_created", "business", "lead", "{n} leads were converted before they were created."),
    Check("subscription_ends_before_start", "business", "subscription", "{n} subscriptions end before they start."),
    Check(
        "deal_without_rate",
        "validity",
        "opportunity",
        "{n} deals have an amount in a currency without a rate.",
    ),
    Check("contact_bad_address", "validity", "contact", "{n} contacts have a mail address that is none."),
    Check("deal_of_unknown_account", "reference", "opportunity", "{n} deals are of an account that is not there."),
    Check("contact_of_unknown_account", "reference", "contact", "{n} contacts are of an account that is not there."),
    Check("lead_of_unknown_contact", "reference", "lead", "{n} leads are of a contact that is not there."),
    Check("duplicate_leads", "uniqueness", "lead", "{n} duplicate leads are merged into others."),
    Check("duplicate_contacts", "uniqueness", "contact", "{n} duplicate contacts are merged into others."),
    Check("duplicate_accounts", "uniqueness", "account", "{n} duplicate accounts are merged into others."),
    Check("deal_without_close", "completeness", "opportunity", "{n} open deals have no expected close."),
    Check("deal_without_amount", "completeness", "opportunity", "{n} open deals have no amount."),
    Check("deal_without_owner", "completeness", "opportunity", "{n} deals have no owner."),
    Check("deal_without_account", "completeness", "opportunity", "{n} deals have no account."),
    Check("deal_without_source", "completeness", "opportunity", "{n} deals have no channel."),
    Check("lead_without_source", "completeness", "lead", "{n} leads have no channel."),
    Check("lead_without_owner", "completeness", "lead", "{n} leads have no owner."),
    Check("lead_without_address", "completeness", "lead", "{n} leads have no mail address."),
    Check("contact_without_account", "completeness", "contact", "{n} contacts have no account."),
    Check("account_without_country", "completeness", "account", "{n} accounts have neither a country nor a market."),
    Check("account_without_industry", "completeness", "account", "{n} accounts have no industry."),
)


def checked(check: Check, t: Mapping[str, ir.Table], known_at: datetime) -> ir.Table:
    """One row per row that is checked: id, team (of its owner, NULL without one), and whether it fails.

    Args:
        check: One of `CHECKS`.
        t: Published tables by name, and for duplicates ``landed_<table>`` with every version.
        known_at: Naive UTC instant up to which they are known.

    Returns:
        Columns id, team, fails (never NULL). Order is not defined.
    """
    if check.code in _DUPLICATES:
        return _merged_away(check.entity, t)
    table = t[check.entity]
    if check.code in _REFERENCES:
        _, column, target = _REFERENCES[check.code]
        there = t[target].select(there_id="id")
        found = table.left_join(there, table[column] == there.there_id)
        fails = found[column].notnull() & found.there_id.isnull()
        return _with_team(found.mutate(fails=fails), t)
    known = ibis.literal(known_at, TYPES["timestamp"])
    return _with_team(table.mutate(fails=_TESTS[check.code](table, known).fill_null(False)), t)


def _merged_away(name: str, t: Mapping[str, ir.Table]) -> ir.Table:
    """Records that were landed and not deleted, those that another stands for failing."""
    landed = t[f"landed_{name}"]
    place = ibis.row_number().over(group_by=landed.id, order_by=ibis.desc(landed.valid_from))
    newest = landed.mutate(place=place).filter(lambda r: (r.place == 0) & r.deleted_at.isnull())
    left = t[name].select(left_id="id")
    found = newest.left_join(left, newest.id == left.left_id)
    return _with_team(found.mutate(fails=found.left_id.isnull()), t)


def _with_team(rows: ir.Table, t: Mapping[str, ir.Table]) -> ir.Table:
    key = "id" if "id" in rows.columns else "opportunity_id"
    if "owner_id" not in rows.columns:
        return rows.select(id=key, team=ibis.null("string"), fails="fails")
    owner = t["owner"].select(of_owner="id", of_team="team")
    found = rows.left_join(owner, rows.owner_id == owner.of_owner)
    return found.select(id=key, team="of_team", fails="fails")
