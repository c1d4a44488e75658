"""Forecasts beside what came of them: one row per period, person, kind of forecast and day on which it was known.

Which submission counts is fixed beforehand (T-82): the last one known at the end of the first day of the
period (horizon ``start``), or when half of the period had passed (``middle``). What is edited later
does not count.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.canonical.coverage import SCOPES, finest
from cadran.canonical.days import days_between, local_to_utc
from cadran.canonical.dimensions import with_owner
from cadran.canonical.schema import MONEY, TYPES, Expr, as_int
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

INSTANT = TYPES["timestamp"]
ZERO = Decimal(0)
#: Kinds of forecast, by words of their category in lower case; the first that fits.
KINDS = {"best_case": "best|optimis|meilleur|upside", "commit": "commit|engag|ferme", "pipeline": "pipeline"}
#: What one forecast is about.
ABOUT = ("start_on", "end_on", "horizon", "forecast_type", "scope_type", "scope")


def forecast_outcome(submissions: ir.Table, t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per forecast period, scope, kind and horizon, with the amount forecast and the amount signed.

    A scope that signed without having forecast has a row too (``is_submitted`` false). Amounts are in
    the base currency: forecasts at the rate of the first day of the period, deals at that of their
    close. ``is_final`` is true once the period is over. Order is not defined.

    Args:
        submissions: Published forecast submissions.
        t: Tables of `history.current`, ``opportunity`` as published.
        settings: See `Settings`.
    """
    own = submissions.filter(
        submissions.deleted_at.isnull(), submissions.amount.notnull(), submissions.start_on < submissions.end_on
    )
    said = _submitted(finest(own), settings)
    spans = said.select(*(name for name in ABOUT if name != "scope")).distinct()
    both = said.union(_signed(spans, t["opportunity"]).select(*said.columns))
    found = both.group_by(*ABOUT).agg(
        forecast=both.forecast.sum().cast(MONEY),
        actual=both.actual.sum().cast(MONEY),
        submitted_at=both.submitted_at.max(),
        n_submitted=both.n_submitted.sum(),
        n_unrated=both.n_unrated.sum(),
    )
    known = ibis.literal(settings.known_at, INSTANT)
    error = found.forecast - found.actual
    found = found.mutate(
        id=found.start_on.cast("string").concat(" / ", found.scope, " / ", found.forecast_type, " / ", found.horizon),
        error=error.cast(MONEY),
        abs_error=ibis.ifelse(error < ZERO, -error, error).cast(MONEY),
        is_submitted=found.n_submitted > 0,
        is_unrated=found.n_unrated > 0,
        is_final=local_to_utc(found.end_on.cast(INSTANT), settings.zone) <= known,
        last_on=(found.end_on - ibis.interval(days=1)).cast(INSTANT).date(),
        starts_at=local_to_utc(found.start_on.cast(INSTANT), settings.zone),
        owner_id=_if_scope(found, "owner"),
    )
    found = with_owner(found, t, at="starts_at")
    named = {name: _if_scope(found, name) for name in ("segment", "market", "channel")}
    return found.mutate(team=found.team.coalesce(_if_scope(found, "team")), **named)


def _if_scope(rows: ir.Table, kind: str) -> Expr:
    return ibis.ifelse(rows.scope_type == kind, rows.scope, ibis.null("string"))


def _submitted(own: ir.Table, settings: Settings) -> ir.Table:
    """The submission that counts of each scope and kind, for each horizon."""
    kind = own.scope_type.lower().fill_null("")
    words = own.category.lower().fill_null("commit")
    scope: Expr = ibis.cases(
        (kind == "owner", own.owner_id.coalesce(own.scope)),
        (kind == "segment", own.segment.coalesce(own.scope)),
        (kind.isin(["team", "market", "channel"]), own.scope),
        else_="all",
    )
    own = own.mutate(
        scope=scope.fill_null("all"),
        scope_type=ibis.ifelse(kind.isin(SCOPES), kind, "all"),
        forecast_type=ibis.cases(*((words.re_search(text), name) for name, text in KINDS.items()), else_="other"),
    )
    half = (days_between(own.start_on, own.end_on) // 2).cast("int64")
    late = {"start": ibis.interval(days=1), "middle": half.as_interval("D")}
    every = ibis.union(
        *(
            own.mutate(
                horizon=ibis.literal(name),
                due_at=local_to_utc((own.start_on.cast(INSTANT) + gap).cast(INSTANT), settings.zone),
            )
            for name, gap in late.items()
        )
    )
    known = every.filter(every.submitted_at < every.due_at)
    place = ibis.row_number().over(group_by=list(ABOUT), order_by=[known.submitted_at.desc(), known.id.desc()])
    last = known.mutate(place=place).filter(lambda r: r.place == 0)
    return last.select(
        *ABOUT,
        "submitted_at",
        forecast=last.amount_base.fill_null(ZERO).cast(MONEY),
        actual=ibis.literal(ZERO, MONEY),
        n_submitted=ibis.literal(1, "int64"),
        n_unrated=as_int(last.amount_base.isnull()).cast("int64"),
    )


def _signed(spans: ir.Table, deals: ir.Table) -> ir.Table:
    """What every scope signed in the periods that somebody forecast."""
    won = deals.filter(deals.is_won, ~deals.is_test, deals.amount.notnull())
    won = won.select("closed_on", "amount_base", "owner_id", "team", "segment", "market", "channel")
    found = won.join(spans, [won.closed_on >= spans.start_on, won.closed_on < spans.end_on])
    keys = {"owner": "owner_id", "team": "team", "segment": "segment", "market": "market", "channel": "channel"}
    scope: Expr = ibis.cases(*((found.scope_type == kind, found[key]) for kind, key in keys.items()), else_="all")
    found = found.mutate(scope=scope.fill_null(""))
    return found.select(
        *ABOUT,
        submitted_at=ibis.null(INSTANT),
        forecast=ibis.literal(ZERO, MONEY),
        actual=found.amount_base.fill_null(ZERO).cast(MONEY),
        n_submitted=ibis.literal(0, "int64"),
        n_unrated=as_int(found.amount_base.isnull()).cast("int64"),
    )
