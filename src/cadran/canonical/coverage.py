"""What covers a quota: the pipeline due in its period, what is won in it, and the quota, as signed movements.

The sum of what moved up to a day is what held on that day, for the quota period of that day: what a
period has enters when the period starts (``opening``) and leaves when it ends (``expired``). Horizon
``current`` is the period that a day lies in, ``next`` the one after it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.canonical.changes import FAR_AHEAD, as_of, spans_before
from cadran.canonical.days import local_to_utc
from cadran.canonical.dimensions import with_owner
from cadran.canonical.pipeline import OF_DEAL, held_at, point, points
from cadran.canonical.schema import MONEY, TYPES, Expr, as_int, conform, schema_of
from cadran.canonical.stages import dressed
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

INSTANT = TYPES["timestamp"]
ZERO = Decimal(0)
#: Words, in lower case, of metrics of quotas that are amounts of signed business.
BOOKINGS = "booking|revenue|sales|acv|arr|tcv|sign|vente|chiffre|commande|prise"
#: Kinds of scope of a quota or forecast, the finest first; any other comes after.
SCOPES = ("owner", "team", "segment", "market", "channel")
#: Movements that are what happened, whatever it did to the amount.
PLAIN = ("created", "reopened", "transferred", "opening", "expired", "won", "lost", "closed")
#: What a row is one movement of.
OF_ROW = (*OF_DEAL, "split_owner_id", "start_on", "end_on", "horizon", "moved_at", "dressed_at", "type")


def due_states(walked: ir.Table, standing: ir.Table, t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per stretch of time in which what a deal adds to the coverage of quotas does not change.

    Columns: `OF_DEAL`, from_at, until_at, type (what started it), next_type (what ended it), worth,
    due_on (the close expected then, or of a closed deal whose plan is not known the close) and
    is_unrated. Only stretches in which the deal was open and in a qualified stage. Order is not defined.

    Args:
        walked: `stages.steps`.
        standing: `opportunity.deals`.
        t: Tables of `history.current`.
        settings: See there.
    """
    real = standing.filter(~standing.is_test)
    history = t["field_history"]
    plans = history.filter(history.entity_type == "opportunity", history.field == "expected_close_on")
    steps = walked.filter(walked.category == "open", walked.before_at.notnull())
    every = points(walked, real, t).union(
        point(plans, plans.entity_id, plans.changed_at, "due", 0),
        point(steps, steps.opportunity_id, steps["at"], "stage", 0),
    )
    held = held_at(every, real, t, settings)
    plan = real.select(plan_id="id", due_on=real.expected_close_on.coalesce(real.closed_on))
    held = held.join(plan, held.opportunity_id == plan.plan_id)
    spans = spans_before(history, "opportunity", "expected_close_on")
    held = as_of(held, spans, id="opportunity_id", at="moved_at", field="due_on")
    held = _ready(held, walked)
    order: dict[str, Expr] = {"group_by": "opportunity_id", "order_by": ["moved_at", "place", "type"]}
    held = held.mutate(
        from_at=held.moved_at,
        until_at=held.moved_at.lead().over(**order).coalesce(ibis.literal(FAR_AHEAD, INSTANT)),
        next_type=held.type.lead().over(**order),
    )
    names = ("from_at", "until_at", "type", "next_type", "worth", "due_on", "is_unrated")
    return held.filter(held.is_ready, held.due_on.notnull()).select(*OF_DEAL, *names)


def _ready(held: ir.Table, walked: ir.Table) -> ir.Table:
    """Points with whether the deal is then open and in a qualified stage (T-62)."""
    order: dict[str, Expr] = {"group_by": "opportunity_id", "order_by": "step"}
    until = walked["at"].lead().over(**order).coalesce(ibis.literal(FAR_AHEAD, INSTANT))
    stays = walked.select(
        "category", "is_qualifying", stay_id="opportunity_id", stay_from=walked["at"], stay_until=until
    )
    stays = stays.filter(stays.category == "open").drop("category")
    on = [held.opportunity_id == stays.stay_id, held.moved_at >= stays.stay_from, held.moved_at < stays.stay_until]
    found = held.left_join(stays, on)
    by_deal = (found.qualified_at <= found.moved_at).fill_null(False) & ~found.has_steps
    is_ready = (found.n > 0) & found.is_qualifying.fill_null(by_deal)
    return found.mutate(is_ready=is_ready).drop("stay_id", "stay_from", "stay_until", "is_qualifying")


def coverage_movement(states: ir.Table, quota: ir.Table, t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per change of what covers a quota period, of what was won in it, or of its quota.

    A deal whose credit is split counts for each person by their share, to the cent, and once in number:
    shares are of their sum, whatever it is (T-62).

    Movements of deals: opening, created, progressed, pulled_in, reopened, resized, regressed, pushed_out,
    transferred (two rows), won, lost, closed (no decision, disqualified), expired. ``signed`` are wins and
    ``quota`` quotas. Attributes are those of the day (T-99). Without quotas there is no period, and no
    row. Order is not defined.

    Args:
        states: `due_states`.
        quota: Published quotas.
        t: Tables of `history.current`, ``opportunity`` as published.
        settings: See there.
    """
    own = _counted(quota)
    spans = _periods(own, settings)
    types = schema_of("coverage_movement")
    parts = (_of_deals(states, spans, t), _of_wins(t, spans), _of_quotas(own, spans))
    rows = ibis.union(*(conform(part, types) for part in parts))
    return rows.filter(rows.moved_at <= ibis.literal(settings.known_at, INSTANT))


def _split(rows: ir.Table, splits: ir.Table, *, deal: str, amount: str) -> ir.Table:
    """Rows of deals, once per person who shares in the credit, with that person's part of the amount.

    Adds split_owner_id (NULL where the credit is not split) and n_one, 1 in one row of each deal.
    Parts add up to the amount: each is the difference of two rounded running shares.
    """
    own = splits.filter(splits.deleted_at.isnull(), splits.share > 0, splits.owner_id.notnull())
    own = own.group_by(split_deal="opportunity_id", split_owner_id="owner_id").agg(share=own.share.sum())
    order: dict[str, Expr] = {"group_by": "split_deal", "order_by": "split_owner_id"}
    upto = own.share.sum().over(**order, rows=(None, 0)) / own.share.sum().over(group_by="split_deal")
    last = ibis.row_number().over(group_by="split_deal", order_by=own.split_owner_id.desc()) == 0
    own = own.mutate(upto=ibis.ifelse(last, 1.0, upto), place=ibis.row_number().over(**order))
    own = own.mutate(before=own.upto.lag().over(**order).fill_null(0.0))
    found = rows.left_join(own, rows[deal] == own.split_deal)
    whole = found[amount].cast("float64")
    part = (whole * found.upto).round(4).cast(MONEY) - (whole * found.before).round(4).cast(MONEY)
    return found.mutate(
        n_one=ibis.ifelse(found.place.fill_null(0) == 0, 1, 0).cast("int64"),
        **{amount: ibis.ifelse(found.split_owner_id.isnull(), found[amount], part.cast(MONEY))},
    ).drop("split_deal", "share", "upto", "place", "before")


def finest(rows: ir.Table) -> ir.Table:
    """The rows of the finest kind of scope that their period has: a team's plan is that of its people."""
    kind = rows.scope_type.lower().fill_null("")
    ranked = rows.mutate(rank=ibis.cases(*((kind == name, place) for place, name in enumerate(SCOPES)), else_=9))
    best = ranked["rank"].min().over(group_by=["start_on", "end_on"])
    return ranked.mutate(best=best).filter(lambda r: r["rank"] == r.best).drop("rank", "best")


def _counted(quota: ir.Table) -> ir.Table:
    """Quotas of signed business, of the shortest periods and the finest scopes, so that none counts twice."""
    own = quota.filter(
        quota.metric.lower().re_search(BOOKINGS).fill_null(True),
        quota.start_on < quota.end_on,
        quota.deleted_at.isnull(),
    )
    spans = own.select("start_on", "end_on").distinct()
    inner = spans.select(inner_from="start_on", inner_until="end_on")
    wide = spans.join(
        inner,
        [
            spans.start_on <= inner.inner_from,
            spans.end_on >= inner.inner_until,
            (spans.start_on != inner.inner_from) | (spans.end_on != inner.inner_until),
        ],
    )
    wide = wide.select(wide_from="start_on", wide_until="end_on").distinct()
    return finest(own.anti_join(wide, [own.start_on == wide.wide_from, own.end_on == wide.wide_until]))


def _periods(quota: ir.Table, settings: Settings) -> ir.Table:
    """One row per quota period and horizon: start_on, end_on, horizon, live_from, live_until."""
    spans = quota.select("start_on", "end_on").distinct()
    before = spans.start_on.lag().over(order_by="start_on")
    spans = spans.mutate(before_on=before)
    now = spans.mutate(horizon=ibis.literal("current"), live_on=spans.start_on, dead_on=spans.end_on)
    then = spans.filter(spans.before_on.notnull())
    then = then.mutate(horizon=ibis.literal("next"), live_on=then.before_on, dead_on=then.start_on)
    both = now.union(then)
    return both.select(
        "start_on",
        "end_on",
        "horizon",
        live_from=local_to_utc(both.live_on.cast(INSTANT), settings.zone),
        live_until=local_to_utc(both.dead_on.cast(INSTANT), settings.zone),
    )


def _of_deals(states: ir.Table, spans: ir.Table, t: Mapping[str, ir.Table]) -> ir.Table:
    """What deals add to the periods in which they are due."""
    states = _split(states, t["deal_split"], deal="opportunity_id", amount="worth")
    on = [
        states.due_on >= spans.start_on,
        states.due_on < spans.end_on,
        states.from_at < spans.live_until,
        (states.until_at > spans.live_from) | (states.from_at >= spans.live_from),
    ]
    live = states.join(spans, on)
    is_opening = live.from_at < live.live_from
    since = ibis.ifelse(is_opening, live.live_from, live.from_at)
    live = live.mutate(since=since, came_as=ibis.ifelse(is_opening, "opening", live.type))
    came = _moves(live, live.since, live.came_as, live.since, 1)
    is_over = live.until_at > live.live_until
    left_at = ibis.ifelse(is_over, live.live_until, live.until_at)
    left_as = ibis.ifelse(is_over, "expired", live.next_type)
    live = live.mutate(left_at=left_at, left_as=left_as)
    # who hands a deal over is dressed as before; nothing else changes what a deal is described by
    dressed_at = ibis.ifelse(live.left_as == "transferred", live.since, live.left_at)
    left = _moves(live, live.left_at, live.left_as, dressed_at, -1)
    both = came.union(left).filter(lambda r: r.type.notnull())
    sums = both.group_by(*OF_ROW).agg(
        n_delta=both.n.sum(),
        turn=both.turn.sum(),
        amount_delta=both.amount.sum().cast(MONEY),
        unrated_delta=both.unrated.sum(),
    )
    sums = sums.filter((sums.turn != 0) | (sums.amount_delta != 0) | (sums.unrated_delta != 0))
    sums = dressed(sums, t, at="dressed_at")
    sums = with_owner(sums.mutate(owner_id=sums.split_owner_id.coalesce(sums.owner_id)), t, at="dressed_at")
    nothing = ibis.literal(ZERO, MONEY)
    return sums.mutate(movement=_movement(sums), won_delta=nothing, quota_delta=nothing).drop(
        "type", "dressed_at", "primary_contact_id", "turn", "split_owner_id"
    )


def _moves(live: ir.Table, at: Expr, kind: Expr, dressed_at: Expr, sign: int) -> ir.Table:
    names = [name for name in OF_ROW if name not in ("moved_at", "type", "dressed_at")]
    return live.select(
        *names,
        moved_at=at,
        dressed_at=dressed_at,
        type=kind,
        n=(live.n_one * sign).cast("int64"),
        turn=ibis.literal(sign, "int64"),
        amount=(live.worth.fill_null(ZERO) * sign).cast(MONEY),
        unrated=(as_int(live.is_unrated) * live.n_one * sign).cast("int64"),
    )


def _movement(rows: ir.Table) -> Expr:
    """What a change is called in the waterfall."""
    return ibis.cases(
        (rows.type.isin(PLAIN), rows.type),
        (rows.turn == 0, "resized"),
        ((rows.type == "due") & (rows.turn > 0), "pulled_in"),
        (rows.type == "due", "pushed_out"),
        (rows.turn > 0, "progressed"),
        else_="regressed",
    )


def _of_wins(t: Mapping[str, ir.Table], spans: ir.Table) -> ir.Table:
    """What was signed in each period, up to its end."""
    won = t["opportunity"].filter(t["opportunity"].is_won, ~t["opportunity"].is_test)
    won = _split(won, t["deal_split"], deal="id", amount="amount_base")
    of_split = won.filter(won.split_owner_id.notnull())
    of_split = with_owner(of_split.mutate(owner_id=of_split.split_owner_id), t, at="closed_at")
    won = won.filter(won.split_owner_id.isnull()).union(of_split.select(*won.columns))
    now = spans.filter(spans.horizon == "current")
    found = won.join(now, [won.closed_on >= now.start_on, won.closed_on < now.end_on])
    found = found.mutate(opportunity_id=found.id, movement=ibis.literal("signed"))
    unrated = as_int(found.amount.notnull() & found.amount_base.isnull()) * found.n_one
    return _in_and_out(found, found.closed_at, {"won_delta": found.amount_base.fill_null(ZERO)}, unrated)


def _of_quotas(quota: ir.Table, spans: ir.Table) -> ir.Table:
    """What was to be reached in each period."""
    spans = spans.rename(span_from="start_on", span_until="end_on")
    found = quota.join(spans, [quota.start_on == spans.span_from, quota.end_on == spans.span_until])
    found = found.mutate(movement=ibis.literal("quota"), n_one=ibis.literal(1, "int64"))
    unrated = as_int(found.amount.notnull() & found.amount_base.isnull())
    return _in_and_out(found, found.live_from, {"quota_delta": found.amount_base.fill_null(ZERO)}, unrated)


def _in_and_out(rows: ir.Table, at: Expr, amounts: dict[str, Expr], unrated: Expr) -> ir.Table:
    """Rows that come at an instant and leave when their period is over."""
    plain = {f"{name}_delta": ibis.literal(ZERO, MONEY) for name in ("amount", "won", "quota")}
    rows = rows.mutate(came_at=at, unrated_delta=unrated.cast("int64"), **{**plain, **amounts})
    rows = rows.mutate(n_delta=rows.n_one)
    names = ("n_delta", "amount_delta", "won_delta", "quota_delta", "unrated_delta")
    came = rows.mutate(moved_at=rows.came_at)
    left = rows.mutate(moved_at=rows.live_until, **{name: -rows[name] for name in names})
    return ibis.union(came, left.select(*came.columns))
