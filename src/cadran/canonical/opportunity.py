"""Deals: how each ended and when, what it is worth, and the attributes that held then.

A deal's amounts in the base currency are at the rate of the day it closed, or of the day it was
created while it is open. Its attributes are those of the close, or of the last known instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.changes import as_of, spans_before
from cadran.canonical.days import days_between, local_day, local_to_utc
from cadran.canonical.dimensions import with_account, with_owner, with_title
from cadran.canonical.ladder import KEYS, key
from cadran.canonical.money import ratio, with_base
from cadran.canonical.origin import origin
from cadran.canonical.schema import MONEY, TYPES, Expr, as_int
from cadran.canonical.shape import earliest, known_day, pick, window
from cadran.canonical.touch import touched
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.ladder import Ladder
    from cadran.canonical.settings import Settings

INSTANT = TYPES["timestamp"]
MONTHS_IN_YEAR = 12
#: Days of the baseline of sales cycles, and fewest wins of a segment in it.
BASELINE_DAYS, BASELINE_DEALS = 365, 10
#: Days without a touch after which an open deal counts as silent.
SILENT_DAYS = 30

#: Words, in lower case, that tell apart the deals that nobody else won.
NO_DECISION = (
    "no[ _-]?decision|pas de d[eé]cision|aucune d[eé]cision|sans d[eé]cision|non d[eé]cision|ind[eé]cision|sans suite|"
    "stat(us|u) quo|abandon|derail|projet (annul|report|gel)|project (cancel|postpon|frozen)"
)
DISQUALIFIED = (
    "disqualif|unqualif|not qualif|non qualifi|pas qualifi|hors[ -]cible|not a fit|bad fit|duplicate|doublon|spam"
)

#: Activities that take two: what the other side sent, and what both attended.
TWO_WAY = "(^|[^a-z])(in|inbound|incoming|entrante?|re[cç]ue?)([^a-z]|$)|meeting|r[eé]union|rendez|d[eé]mo"


def deals(t: Mapping[str, ir.Table], settings: Settings, walked: ir.Table, ladder: Ladder) -> ir.Table:
    """One row per deal that is not deleted, with how it stands.

    Columns: the landed ones, of which ``stage`` and ``pipeline`` are the ones on the ladder, the
    flags are never NULL, ``closed_at`` is the actual end (the change of stage where it is recorded,
    the planned date only as a last resort, NULL while open) and ``outcome`` is won, lost, no_decision
    or disqualified; and created_on, closed_on, qualified_at, walked_at (moved beyond its first stage),
    n_reopened, end_step_at (when a recorded step first closed it for good, NULL where none did),
    has_steps, is_inferred_history. Order is not defined.

    Args:
        t: Tables of `history.current`.
        settings: Zone.
        walked: `stages.steps`.
        ladder: The ladder they are read by.
    """
    rows = t["opportunity"]
    landed = rows.columns
    rows = rows.filter(rows.deleted_at.isnull(), rows.created_at.notnull())
    rows = rows.mutate(pipeline_key=key(rows.pipeline), stage_key=key(rows.stage))
    texts = ladder.texts.select(
        "known_stage", "known_pipeline", "category", **{f"text_{name}": ladder.texts[name] for name in KEYS}
    )
    found = rows.left_join(texts, [rows[name] == texts[f"text_{name}"] for name in KEYS])
    summary = _summary(walked)
    found = found.left_join(summary, found.id == summary.opportunity_id)
    undone = _undone(t["field_history"])
    found = found.left_join(undone, found.id == undone.undone_id)
    standing = _qualified(_ended(found, settings))
    return standing.select(*landed, *ADDED)


#: Columns of `deals` beside the landed ones.
ADDED = (
    "created_on",
    "closed_on",
    "qualified_at",
    "walked_at",
    "n_reopened",
    "end_step_at",
    "has_steps",
    "is_inferred_history",
)


def _summary(walked: ir.Table) -> ir.Table:
    """One row per deal with what its steps say."""
    is_open: Expr = walked.category == "open"
    recorded_end = ~is_open & ~walked.is_inferred
    first_end = ~is_open & ~walked.is_now & (walked.before_category == "open").fill_null(True)
    reopened = is_open & (walked.before_category != "open").fill_null(False)
    # a deal that starts in a qualified stage is beyond the first one already
    moved = is_open & (walked.before_at.notnull() | walked.is_qualifying)
    found = walked.group_by("opportunity_id").agg(
        end_at=walked["at"].max(where=recorded_end),
        last_at=walked["at"].max(),
        first_end_at=walked["at"].max(where=first_end),
        reopened_at=walked["at"].max(where=reopened),
        step_qualified_at=walked["at"].min(where=walked.is_qualifying),
        walked_at=walked["at"].min(where=moved),
        n_reopened=as_int(reopened).sum(),
        n_open_steps=as_int(is_open).sum(),
        n_recorded=as_int(~walked.is_inferred).sum(),
    )
    is_final = (found.first_end_at >= found.reopened_at).fill_null(True)
    return found.mutate(end_step_at=ibis.ifelse(is_final, found.first_end_at, ibis.null(INSTANT)))


def _undone(history: ir.Table) -> ir.Table:
    """Deals that one export called closed and a later one open, where no stage says so."""
    changes = history.filter(
        history.entity_type == "opportunity",
        history.field == "is_closed",
        history.old_value == "true",
        history.new_value == "false",
    )
    return changes.group_by(undone_id="entity_id").agg(n_undone=changes.count())


def _ended(found: ir.Table, settings: Settings) -> ir.Table:
    """Deals with the actual end, its outcome, and the stage as it is called."""
    words = found.outcome.fill_null("").concat(" ", found.lost_reason.fill_null("")).lower()
    is_end = (found.category != "open").fill_null(False)
    is_won = found.is_won.fill_null(found.outcome.lower().isin(["won", "gagné", "gagnée"]).fill_null(False))
    is_won = is_won | (found.category == "won").fill_null(False)
    is_closed: Expr = found.is_closed.fill_null(found.is_won.notnull() | is_won) | is_end
    recorded: Expr = ibis.ifelse(found.end_at >= found.last_at, found.end_at, ibis.null(INSTANT))
    planned = local_to_utc(found.expected_close_on.cast(INSTANT), settings.zone)
    # A close date is a plan until the deal closes: the change of stage is when it did (T-72).
    ended = recorded.coalesce(found.closed_at, planned, found.valid_from)
    lost_as = ibis.cases(
        (words.re_search(DISQUALIFIED), "disqualified"), (words.re_search(NO_DECISION), "no_decision"), else_="lost"
    )
    outcome = ibis.ifelse(is_won, "won", lost_as)
    not_yet = ibis.ifelse(is_closed, ibis.null(INSTANT), found.closed_at)
    plan = found.expected_close_on.coalesce(local_day(not_yet, settings.zone))
    found = found.mutate(
        stage=found.known_stage.coalesce(found.stage),
        pipeline=found.known_pipeline.coalesce(found.pipeline),
        is_closed=is_closed,
        is_won=is_closed & is_won,
        outcome=ibis.ifelse(is_closed, outcome, ibis.null("string")),
        closed_at=ibis.ifelse(is_closed, ended, ibis.null(INSTANT)),
        expected_close_on=plan,
        is_test=found.is_test.fill_null(False),
        n_reopened=ibis.greatest(found.n_reopened.fill_null(0), found.n_undone.fill_null(0)),
    )
    return found.mutate(
        created_on=local_day(found.created_at, settings.zone), closed_on=local_day(found.closed_at, settings.zone)
    )


def _qualified(found: ir.Table) -> ir.Table:
    """Deals with the time at which they reached a qualified stage.

    A deal of which no stage is known, such as one exported after it was lost, counts as qualified
    from the start unless it was disqualified: otherwise every such deal would be a won one.
    """
    has_steps = (found.n_open_steps > 0).fill_null(False)
    unknown = ~has_steps & (found.outcome != "disqualified").fill_null(True)
    at_start = ibis.ifelse(unknown, found.created_at, ibis.null(INSTANT))
    at_win = ibis.ifelse(found.is_won, found.closed_at, ibis.null(INSTANT))
    return found.mutate(
        qualified_at=at_start.coalesce(earliest(found.step_qualified_at, at_win)),
        has_steps=has_steps,
        is_inferred_history=(found.n_recorded.fill_null(0) == 0),
    )


def opportunity(standing: ir.Table, t: Mapping[str, ir.Table], settings: Settings, touches: ir.Table) -> ir.Table:
    """One row per deal, widened by its amounts in the base currency and the dimensions of its event.

    The event is the close, or the last known instant of an open deal; the owner is the one of then
    (T-99); ``creator`` is the one of the creation. Columns are those of the published entity, beside
    others. Order is not defined.

    Args:
        standing: `deals`.
        t: Tables of `history.current`.
        settings: See there.
        touches: `touch.deal_touches`.
    """
    known = ibis.literal(settings.known_at, INSTANT)
    rows = standing.mutate(event_at=ibis.ifelse(standing.is_closed, standing.closed_at, known))
    owners = spans_before(t["field_history"], "opportunity", "owner_id")
    created = as_of(rows, owners, id="id", at="created_at", field="owner_id")
    created = with_owner(created, t, at="created_at").select(created_id="id", creator="owner")
    rows = as_of(rows, owners, id="id", at="event_at", field="owner_id")
    rows = with_owner(with_account(rows, t, at="event_at"), t, at="event_at")
    rows = with_title(rows, t["contact"])
    rows = rows.mutate(source=rows.lead_source, opportunity_type=rows.type)
    rows = touched(rows.left_join(created, rows.id == created.created_id), touches)
    rows = _aged(_valued(_engaged(rows, t["activity"]), t["fx_rate"], settings), settings)
    return _compared(rows, settings)


def _compared(rows: ir.Table, settings: Settings) -> ir.Table:
    """Deals with the frozen cycle that theirs is compared with (T-73).

    That is the mean cycle of the deals of their segment won in the year of the baseline: the one that
    starts on ``settings.baseline_from``, or with the first win. NULL until that year is over. A segment
    with fewer than `BASELINE_DEALS` wins in it is compared with all of them.
    """
    counts = rows.is_won & rows.is_cycle_valid & ~rows.is_test & rows.cycle_days.notnull()
    first_on: Expr = rows.closed_on.min(where=counts).over(window([]))
    if settings.baseline_from:
        first_on = ibis.literal(settings.baseline_from, "date")
    rows = rows.mutate(baseline_on=first_on, is_counted=counts)
    age = days_between(rows.baseline_on, rows.closed_on)
    base: Expr = rows.is_counted & (age >= 0) & (age < BASELINE_DAYS)
    rows = rows.mutate(base_days=pick(base, rows.cycle_days, ibis.null("float64")))
    of_all = rows.base_days.mean().over(window([]))
    of_segment = rows.base_days.mean().over(window("segment"))
    is_enough = rows.base_days.count().over(window("segment")) >= BASELINE_DEALS
    is_over = days_between(rows.baseline_on, ibis.literal(known_day(settings), "date")) >= BASELINE_DAYS
    cycle = pick(is_over, pick(is_enough, of_segment, of_all), ibis.null("float64"))
    return rows.mutate(baseline_cycle_days=cycle.round(6)).drop("baseline_on", "is_counted", "base_days")


def _engaged(rows: ir.Table, activity: ir.Table) -> ir.Table:
    """Deals with the time from which both sides were in it; their creation when nothing tells."""
    own = activity.filter(activity.opportunity_id.notnull(), activity.deleted_at.isnull())
    words = own.direction.fill_null("").concat(" ", own.type.fill_null("")).lower().replace("_", " ")
    is_two_way = words.re_search(TWO_WAY) & ~own.is_automated.fill_null(False)
    touched = own.group_by(touched_id="opportunity_id").agg(two_way_at=own.occurred_at.min(where=is_two_way))
    found = rows.left_join(touched, rows.id == touched.touched_id)
    at_win = ibis.ifelse(found.is_won, found.closed_at, ibis.null(INSTANT))
    engaged = earliest(earliest(found.walked_at, found.two_way_at), at_win)
    # a deal that is known to stand in the first stage has not been answered yet
    is_silent = found.is_inferred_history & found.touched_id.isnull() & ~found.has_steps
    at_start = ibis.ifelse(is_silent, found.created_at, ibis.null(INSTANT))
    return found.mutate(engaged_at=at_start.coalesce(engaged)).drop("touched_id", "two_way_at")


def _valued(rows: ir.Table, fx: ir.Table, settings: Settings) -> ir.Table:
    """Deals with what they are worth a year and in all, also in the base currency (T-34, T-35)."""
    net: Expr = rows.amount - rows.setup_amount.fill_null(0)
    is_long = (rows.term_months > MONTHS_IN_YEAR).fill_null(False)
    yearly = ibis.ifelse(is_long, ratio(net * MONTHS_IN_YEAR, rows.term_months), net.cast(MONEY))
    rows = rows.mutate(
        acv=rows.acv.coalesce(yearly),
        tcv=rows.tcv.coalesce(rows.amount),
        rate_on=rows.closed_on.coalesce(rows.created_on),
    )
    amounts = {"amount_base": "amount", "acv_base": "acv", "tcv_base": "tcv", "asp_base": "amount"}
    return with_base(rows, fx, settings, amounts=amounts, day="rate_on")


def _aged(rows: ir.Table, settings: Settings) -> ir.Table:
    """Deals with their cycle and age in days of the company's zone, and their flags."""
    today = ibis.literal(known_day(settings), "date")
    quiet = ibis.literal(settings.known_at, INSTANT) - ibis.interval(days=SILENT_DAYS)
    cycle = days_between(rows.created_on, rows.closed_on).cast("float64")
    is_backwards = (cycle < 0).fill_null(False)
    minute = rows.created_at.truncate("minute")
    together = rows.count().over(group_by=[rows.connection_id, minute])
    year_later = (rows.closed_on + ibis.interval(years=1)).cast(INSTANT).date()
    return rows.mutate(
        # a year later this deal is what the deals of that day are compared with, up to the last known day
        anniversary_on=ibis.ifelse(year_later <= today, year_later, ibis.null("date")),
        origin=origin(rows.channel, rows.lead_source),
        cycle_days=ibis.ifelse(is_backwards, ibis.null("float64"), cycle),
        is_cycle_valid=~is_backwards,
        age_days=days_between(rows.created_on, today).cast("float64"),
        is_engaged=rows.engaged_at.notnull(),
        is_qualified=rows.qualified_at.notnull(),
        is_stale=(~rows.is_closed & (rows.expected_close_on < today)).fill_null(False),
        is_silent=~rows.is_closed & (rows.last_touch_at.coalesce(rows.created_at) < quiet),
        is_imported=rows.is_imported.fill_null(together >= settings.import_batch),
    )
