"""Attributes as of the event: the segment a company had then, the team a seller was in then.

Rule G-10: every row of a wide table carries the attributes that held when it happened, so that a
company that becomes large does not move its past. The first known version of a record stands for
all the time before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.changes import FAR_AHEAD, LONG_AGO
from cadran.canonical.schema import TYPES, Expr
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

INSTANT = TYPES["timestamp"]

#: Dimension, and the column of the account that gives it.
OF_ACCOUNT = {
    "segment": "segment",
    "industry": "industry",
    "country": "country",
    "region": "region",
    "market": "market",
    "size_band": "size_band",
    "is_target": "is_target_abm",
    "industry_group": "industry_group",
    "icp_tier": "icp_tier",
}
#: Dimensions that the title of a contact gives.
OF_TITLE = ("title_level", "title_function")
#: Dimension, and the column of the owner that gives it.
OF_OWNER = {"owner": "name", "team": "team", "owner_region": "region", "manager": "manager"}


def with_account(rows: ir.Table, t: Mapping[str, ir.Table], *, at: str, account: str = "account_id") -> ir.Table:
    """The same rows with the dimensions of their account as they were at an instant of each row.

    Adds `OF_ACCOUNT`, replacing columns of these names; ``is_target`` is false when not known,
    the others NULL.

    Args:
        rows: Any table.
        t: Tables of `history.current`.
        at: Timestamp column; where it is NULL the dimensions are.
        account: Column with the account's id.
    """
    found = _joined(rows, versions(t, "account"), at, account, OF_ACCOUNT)
    return found.mutate(is_target=found.is_target.fill_null(False))


def with_owner(rows: ir.Table, t: Mapping[str, ir.Table], *, at: str, owner: str = "owner_id") -> ir.Table:
    """The same rows with the dimensions of their owner as they were at an instant of each row.

    Adds `OF_OWNER`, replacing columns of these names.

    Args:
        rows: Any table.
        t: Tables of `history.current`.
        at: Timestamp column; where it is NULL the dimensions are.
        owner: Column with the owner's id.
    """
    return _joined(rows, versions(t, "owner"), at, owner, OF_OWNER)


def with_title(rows: ir.Table, contact: ir.Table, *, key: str = "primary_contact_id") -> ir.Table:
    """The same rows with `OF_TITLE` of a contact, as it is now."""
    titles = contact.select(*OF_TITLE, title_id="id")
    return rows.left_join(titles, rows[key] == titles.title_id).drop("title_id")


def versions(t: Mapping[str, ir.Table], name: str) -> ir.Table:
    """Every known version of an account or owner, with the stretch of time for which it stands.

    Columns: the landed ones, span_from and span_until. The first stands from `changes.LONG_AGO`, the
    last until `changes.FAR_AHEAD`.
    """
    versions = t.get(f"{name}_history", t[name])
    order: dict[str, Expr] = {"group_by": versions.id, "order_by": versions.valid_from}
    is_first = ibis.row_number().over(**order) == 0
    return versions.mutate(
        span_from=ibis.ifelse(is_first, ibis.literal(LONG_AGO, INSTANT), versions.valid_from),
        span_until=versions.valid_from.lead().over(**order).coalesce(ibis.literal(FAR_AHEAD, INSTANT)),
    )


def _joined(rows: ir.Table, spans: ir.Table, at: str, key: str, columns: Mapping[str, str]) -> ir.Table:
    """Rows with columns of the version that held then, by the names of the dimensions."""
    then = spans.select(
        "span_from", "span_until", span_id="id", **{f"then_{new}": spans[old] for new, old in columns.items()}
    )
    kept = rows.drop(*(name for name in columns if name in rows.columns))
    joined = kept.left_join(then, [kept[key] == then.span_id, kept[at] >= then.span_from, kept[at] < then.span_until])
    return joined.select(*kept.columns, **{new: joined[f"then_{new}"] for new in columns})
