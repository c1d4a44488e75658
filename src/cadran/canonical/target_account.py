"""Target accounts by rolling quarter: the list is frozen before, who of it took part is counted after.

A row is about three calendar months that end with its month. The list is the one that held at the
first instant of the three, so that an account cannot be put on it because it has engaged (T-67). A
company and its subsidiaries are one account: that of the topmost parent, listed when any of them is,
and engaged by what any of them did (T-68).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.days import local_day, local_to_utc
from cadran.canonical.dimensions import versions, with_account, with_owner
from cadran.canonical.months import known_month, month_end, month_of, open_month
from cadran.canonical.opportunity import TWO_WAY
from cadran.canonical.schema import TYPES, Expr
from cadran.canonical.shape import publish, stacked
from cadran.deferred import ibis
from cadran.period import MONTHS_IN_YEAR

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

INSTANT = TYPES["timestamp"]
#: Months that each row looks at.
WINDOW = 3
#: How far up a parent is looked for.
LEVELS = 4
#: Kinds of marketing touch that the company made and the person did not.
NOT_DONE = ("impression", "impressions", "ad_impression", "ad_view", "sent", "email_sent", "delivered", "bounce")


def target_account(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per target account, after roll-up to its parent, and month from the first recorded engagement on.

    ``n_people`` are the distinct persons that took part in the three months, ``n_touches`` how often: visits
    and forms of marketing, activities that take two, answers to sequences. Neither is a threshold: what
    engaged means is said by the contract. Dimensions are those of the account when the list was frozen.
    Order is not defined.

    Args:
        t: Tables of `history.current`, with ``outreach_delivery`` as published.
        settings: See `Settings`.
    """
    roots = _roots(t["account"])
    engaged = _rooted(_engagements(t, settings), roots)
    months = _months(engaged, settings)
    listed = _listed(t, roots, months)
    found = listed.left_join(_counted(engaged), ["account_id", "month"], rname="{name}_engaged")
    rows = found.select(
        "account_id",
        "frozen_at",
        n_people=found.n_people.fill_null(0),
        n_touches=found.n_touches.fill_null(0),
        month_on=month_end(found.month, settings),
        is_final=found.month < open_month(settings),
    )
    held = versions(t, "account").select("owner_id", "span_from", "span_until", held_id="id")
    then = [rows.account_id == held.held_id, rows.frozen_at >= held.span_from, rows.frozen_at < held.span_until]
    rows = rows.left_join(held, then).drop("held_id", "span_from", "span_until")
    rows = with_owner(with_account(rows, t, at="frozen_at"), t, at="frozen_at")
    return publish(rows, "target_account", settings)


def _roots(account: ir.Table) -> ir.Table:
    """Each account with its topmost parent: account_of, root."""
    found = account.select(account_of="id", up_1="parent_account_id")
    for level in range(2, LEVELS + 1):
        above = account.select(**{f"child_{level}": "id", f"up_{level}": "parent_account_id"})
        found = found.left_join(above, found[f"up_{level - 1}"] == above[f"child_{level}"])
    highest = [found[f"up_{level}"] for level in range(LEVELS, 0, -1)]
    return found.select("account_of", root=ibis.coalesce(*highest, found.account_of))


def _engagements(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """What people did: account_of, who, month."""
    contact = t["contact"].select(of_contact="id", contact_account="account_id")
    lead = t["lead"].select(of_lead="id", lead_contact="contact_id", lead_account="account_id")
    touch = t["marketing_touch"]
    kind = touch.touch_type.lower().fill_null("")
    done = touch.filter(touch.deleted_at.isnull(), ~kind.isin(NOT_DONE)).select(
        "account_id", "contact_id", "lead_id", at="occurred_at", other="anonymous_id"
    )
    activity = t["activity"]
    words = activity.direction.fill_null("").concat(" ", activity.type.fill_null("")).lower().replace("_", " ")
    is_theirs = words.re_search(TWO_WAY) & ~activity.is_automated.fill_null(False)
    both = activity.filter(activity.deleted_at.isnull(), is_theirs).select(
        "account_id", "contact_id", "lead_id", at="occurred_at", other=ibis.null("string")
    )
    delivery = t["outreach_delivery"]
    replied = delivery.filter(delivery.replied_at.notnull()).select(
        "account_id", contact_id=ibis.null("string"), lead_id=ibis.null("string"), at="replied_at", other="person_id"
    )
    every = stacked(done, both, replied)
    every = every.left_join(lead, every.lead_id == lead.of_lead)
    every = every.mutate(contact_id=every.contact_id.coalesce(every.lead_contact))
    every = every.left_join(contact, every.contact_id == contact.of_contact)
    account_of = every.account_id.coalesce(every.contact_account, every.lead_account)
    who = every.contact_id.coalesce(every.lead_id, every.other, account_of)
    found = every.select(account_of=account_of, who=who, month=month_of(local_day(every["at"], settings.zone)))
    return found.filter(found.account_of.notnull(), found.month.notnull())


def _rooted(engaged: ir.Table, roots: ir.Table) -> ir.Table:
    found = engaged.left_join(roots, "account_of", rname="{name}_known")
    return found.select("who", "month", account_id=found.root.coalesce(found.account_of))


def _months(engaged: ir.Table, settings: Settings) -> ir.Table:
    """The months that have rows, each with the instant at which its list was frozen."""
    first = engaged.aggregate(first=engaged.month.min())
    end = known_month(settings) + 1
    months = first.select(month=ibis.range(first["first"], end, 1).unnest())
    start = months.month - (WINDOW - 1)
    day: Expr = ibis.date((start // MONTHS_IN_YEAR).cast("int32"), (start % MONTHS_IN_YEAR + 1).cast("int32"), 1)
    return months.mutate(frozen_at=local_to_utc(day.cast(INSTANT), settings.zone))


def _listed(t: Mapping[str, ir.Table], roots: ir.Table, months: ir.Table) -> ir.Table:
    """Accounts on the list of each month: account_id, month, frozen_at."""
    account = versions(t, "account")
    created = t["account"].filter(t["account"].deleted_at.isnull()).select(born_at="created_at", born="id")
    spans = account.filter(account.is_target_abm.fill_null(False)).select("id", "span_from", "span_until")
    spans = spans.join(created, spans.id == created.born)
    held = months.join(
        spans,
        [
            months.frozen_at >= spans.span_from,
            months.frozen_at < spans.span_until,
            (spans.born_at <= months.frozen_at) | spans.born_at.isnull(),
        ],
    )
    found = held.join(roots, held.id == roots.account_of)
    return found.select("month", "frozen_at", account_id=found.root).distinct()


def _counted(engaged: ir.Table) -> ir.Table:
    """Persons and touches by account and month that looks at them."""
    every = stacked(*(engaged.mutate(month=engaged.month + later) for later in range(WINDOW)))
    return every.group_by("account_id", "month").agg(n_people=every.who.nunique(), n_touches=every.count())
