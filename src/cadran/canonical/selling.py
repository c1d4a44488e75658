"""Where the time of sellers goes, week by week: tracked minutes, those of selling, and who tracks nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.days import days_between
from cadran.canonical.dimensions import with_owner
from cadran.canonical.schema import TYPES
from cadran.canonical.shape import known_day
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

#: Roles, in lower case, of those whose time is meant for selling.
SELLER = "(^|[^a-z])(ae|sdr|bdr|am|rep|seller)([^a-z]|$)|account (exec|manag)|sales|vente|vendeu|commercia|business dev"
#: Minutes in a week above which categories must overlap: sixty hours.
MOST_MINUTES = 3600.0
#: Days from the first of a week to its last.
LAST_DAY = 6


def selling_week(t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per seller and week in which anybody tracked time; weeks that are not over are left out.

    A week of more than `MOST_MINUTES` has categories that overlap: it is brought back to that length,
    each category in proportion, and ``is_over`` says so. A seller who tracked nothing has a row without
    minutes (``is_tracked`` false). Sellers are people in a selling role while they were with the company,
    and whoever tracked time. Order is not defined.

    Args:
        t: Tables of `history.current`.
        settings: Known instant and zone.
    """
    entry = t["time_entry"]
    entry = entry.filter(entry.deleted_at.isnull(), entry.minutes > 0, entry.owner_id.notnull(), entry.day_on.notnull())
    entry = entry.mutate(week_on=entry.day_on.truncate("W").cast(TYPES["timestamp"]).date())
    today = ibis.literal(known_day(settings), "date")
    entry = entry.filter(days_between(entry.week_on, today) >= LAST_DAY)
    worked = entry.group_by("owner_id", "week_on").agg(
        tracked=entry.minutes.sum().cast("float64"),
        sold=entry.minutes.sum(where=entry.is_selling).fill_null(0).cast("float64"),
    )
    every = _sellers(t["owner"], entry.select("week_on").distinct()).union(worked.select("owner_id", "week_on"))
    every = every.distinct().rename(of_owner="owner_id", of_week="week_on")
    found = every.left_join(worked, [every.of_owner == worked.owner_id, every.of_week == worked.week_on])
    is_over = (found.tracked > MOST_MINUTES).fill_null(False)
    share = ibis.ifelse(is_over, MOST_MINUTES / found.tracked, 1.0)
    found = found.select(
        owner_id="of_owner",
        week_on="of_week",
        minutes=(found.tracked * share).round(6).fill_null(0.0),
        selling_minutes=(found.sold * share).round(6).fill_null(0.0),
        is_tracked=found.tracked.notnull(),
        is_over=is_over,
    )
    found = found.mutate(
        id=found.owner_id.concat(" / ", found.week_on.cast("string")), begins_at=found.week_on.cast(TYPES["timestamp"])
    )
    return with_owner(found, t, at="begins_at")


def _sellers(owner: ir.Table, weeks: ir.Table) -> ir.Table:
    """People in a selling role in each week of their time with the company: owner_id, week_on."""
    own = owner.filter(owner.deleted_at.isnull(), owner.role.lower().re_search(SELLER).fill_null(False))
    # who is gone, nobody knows since when, is not waited for
    own = own.filter(own.is_active.fill_null(True) | own.end_on.notnull())
    pairs = own.select("start_on", "end_on", owner_id="id").cross_join(weeks)
    kept = pairs.filter(
        (pairs.start_on <= pairs.week_on).fill_null(True),
        (days_between(pairs.week_on, pairs.end_on) > LAST_DAY).fill_null(True),
    )
    return kept.select("owner_id", "week_on")
