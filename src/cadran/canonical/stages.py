"""How deals went through the stages: every stay, and one line per deal and stage that adds up.

A stage that a deal jumps over is passed all the same (``is_implied``, no time spent): the implied
policy. Whoever wants the strict one leaves such rows out. Won and lost end the last stay; they are
no stages. Test and deleted deals are not in these tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.changes import as_of, spans_before
from cadran.canonical.days import days_elapsed
from cadran.canonical.dimensions import with_account, with_owner, with_title
from cadran.canonical.ladder import KEYS, key
from cadran.canonical.money import with_base
from cadran.canonical.schema import TYPES, Expr, as_int
from cadran.canonical.touch import staying
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.ladder import Ladder
    from cadran.canonical.settings import Settings

INSTANT = TYPES["timestamp"]


def marks(t: Mapping[str, ir.Table]) -> ir.Table:
    """One row per stage that a deal was recorded in, as written, in the order of its time.

    Columns: opportunity_id, connection_id, at, pipeline (as of then), stage_text, pipeline_key,
    stage_key, is_now (the present stage rather than a recorded change), is_inferred, close_lag
    (days between entry and close, for the present stage of a closed deal), age (days since the
    creation), seq (from 1).
    A deal without any recorded change has its present stage since it was created, inferred.
    """
    deals = t["opportunity"].select(
        "connection_id",
        "pipeline",
        "stage",
        "created_at",
        "closed_at",
        "valid_from",
        opportunity_id="id",
        is_over=t["opportunity"].is_closed.fill_null(t["opportunity"].is_won.notnull()),
    )
    history = t["field_history"]
    changes = history.filter(
        history.entity_type == "opportunity", history.field == "stage", history.new_value.notnull()
    ).select("entity_id", "old_value", "new_value", "changed_at", "is_inferred")
    ends = changes.group_by("entity_id").agg(first_at=changes.changed_at.min(), last_at=changes.changed_at.max())
    recorded = changes.join(deals, changes.entity_id == deals.opportunity_id)
    recorded = recorded.select(
        "opportunity_id",
        "connection_id",
        "pipeline",
        "created_at",
        at="changed_at",
        stage_text="new_value",
        is_now=ibis.literal(False),
        is_inferred=recorded.is_inferred.fill_null(False),
        close_lag=ibis.ifelse(
            recorded.is_over & (recorded.new_value == recorded.stage),
            days_elapsed(recorded.changed_at, recorded.closed_at).abs(),
            ibis.null("float64"),
        ),
    )
    every = ibis.union(recorded, _starts(deals, changes, ends), _now(deals, ends))
    every = as_of(
        every, spans_before(history, "opportunity", "pipeline"), id="opportunity_id", at="at", field="pipeline"
    )
    every = every.mutate(age=days_elapsed(every.created_at, every["at"])).drop("created_at")
    seq = ibis.row_number().over(group_by="opportunity_id", order_by=[every.at, every.is_now]) + 1
    return every.mutate(seq=seq, pipeline_key=key(every.pipeline), stage_key=key(every.stage_text))


def _starts(deals: ir.Table, changes: ir.Table, ends: ir.Table) -> ir.Table:
    """The stage in which a deal was created, where its first change tells the one before."""
    told = changes.filter(changes.old_value.nullif("").notnull())
    first = told.join(ends, [told.entity_id == ends.entity_id, told.changed_at == ends.first_at])
    found = first.join(deals, [first.entity_id == deals.opportunity_id, first.changed_at > deals.created_at])
    return found.select(
        "opportunity_id",
        "connection_id",
        "pipeline",
        "created_at",
        at="created_at",
        stage_text="old_value",
        is_now=ibis.literal(False),
        is_inferred=ibis.literal(False),
        close_lag=ibis.null("float64"),
    )


def _now(deals: ir.Table, ends: ir.Table) -> ir.Table:
    """The present stage, which no change records when only the export tells it."""
    found = deals.filter(deals.stage.nullif("").notnull()).left_join(ends, deals.opportunity_id == ends.entity_id)
    seen = ibis.ifelse(found.is_over, found.closed_at.coalesce(found.valid_from), found.valid_from)
    is_new = found.last_at.isnull() | found.is_over | (seen > found.last_at)
    after = ibis.ifelse(seen > found.last_at, seen, found.last_at)
    return found.filter(is_new.fill_null(True)).select(
        "opportunity_id",
        "connection_id",
        "pipeline",
        "created_at",
        at=ibis.ifelse(found.last_at.isnull(), found.created_at, after),
        stage_text="stage",
        is_now=ibis.literal(True),
        is_inferred=ibis.literal(True),
        close_lag=ibis.null("float64"),
    )


def steps(written: ir.Table, ladder: Ladder) -> ir.Table:
    """One row per change of stage that is one, won and lost included.

    Columns: opportunity_id, at, step (its order), is_inferred, is_now, ladder, pipeline, stage,
    category, position, last_position, next_stage, is_qualifying; before_category and before_at of the
    step before. A stage recorded twice in a row, or renamed, is one step. Order is not defined.

    Args:
        written: `marks`.
        ladder: The ladder that they are read by.
    """
    texts = ladder.texts.rename({f"text_{name}": name for name in KEYS})
    read = written.join(texts, [written[name] == texts[f"text_{name}"] for name in KEYS])
    read = read.select(
        "opportunity_id",
        "at",
        "is_inferred",
        "is_now",
        "ladder",
        "category",
        "position",
        "last_position",
        "next_stage",
        "is_qualifying",
        stage="known_stage",
        pipeline=read.known_pipeline.coalesce(read.pipeline),
    )
    order: dict[str, Expr] = {
        "group_by": "opportunity_id",
        # Stages entered at the same instant were gone through upwards, and an end comes last.
        "order_by": [read.at, read.position.isnull(), read.position, read.is_now],
    }
    beside = read.mutate(
        step=ibis.row_number().over(**order),
        **{f"before_{name}": read[name].lag().over(**order) for name in ("stage", "pipeline", "category", "at")},
    )
    is_same = (
        (beside.stage == beside.before_stage)
        & (beside.category == beside.before_category)
        & beside.pipeline.identical_to(beside.before_pipeline)
    )
    is_same_end = (beside.category != "open") & (beside.category == beside.before_category)
    return beside.filter(~(is_same | is_same_end).fill_null(False)).drop("before_stage", "before_pipeline")


#: What a deal's rows carry of it beside its own columns.
OF_DEAL = ("account_id", "owner_id", "primary_contact_id", "channel", "product", "is_won", "is_closed", "closed_at")


def stays(walked: ir.Table, standing: ir.Table, settings: Settings) -> ir.Table:
    """One row per stay of a deal in an open stage; test deals are left out.

    Columns: opportunity_id, ladder, pipeline, stage, next_stage, position, last_position, is_now,
    is_inferred, `OF_DEAL`, source, opportunity_type; seq (from 1), entered_at, exited_at (NULL while it
    lasts), days (up to the known instant while it lasts), exit_to (next, skip, back, handed_off, won,
    lost; NULL while it lasts), is_regression, is_last, advanced_at (when it went up from here, NULL if
    it did not), ended_at (final close of the deal, for its last stay) and upto (the position that it went up to).

    Args:
        walked: `steps`.
        standing: `opportunity.deals`.
        settings: Known instant.
    """
    order: dict[str, Expr] = {"group_by": "opportunity_id", "order_by": "step"}
    timed = walked.mutate(left_at=walked["at"].lead().over(**order), left_for=walked.category.lead().over(**order))
    timed = timed.filter(timed.category == "open")
    then = {f"then_{name}": timed[name].lead().over(**order) for name in ("at", "pipeline", "ladder", "position")}
    first = {f"first_{name}": timed[name].lag().over(**order) for name in ("pipeline", "ladder", "position")}
    beside = timed.mutate(seq=ibis.row_number().over(**order) + 1, **then, **first)
    real = standing.filter(~standing.is_test)
    real = real.select(*OF_DEAL, deal_id="id", source="lead_source", opportunity_type="type")
    return _left(beside.join(real, beside.opportunity_id == real.deal_id), settings)


def _left(rows: ir.Table, settings: Settings) -> ir.Table:
    """Stays with how and when each ended."""
    known = ibis.literal(settings.known_at, INSTANT)
    is_last = rows.then_at.isnull()
    same_then = rows.pipeline.identical_to(rows.then_pipeline) & (rows.ladder == rows.then_ladder)
    same_before = rows.pipeline.identical_to(rows.first_pipeline) & (rows.ladder == rows.first_ladder)
    is_up = same_then & (rows.then_position > rows.position)
    ended = ibis.ifelse(rows.is_closed, ibis.greatest(rows.closed_at, rows["at"]), ibis.null(INSTANT))
    exited_at = rows.left_at.coalesce(ibis.ifelse(is_last, ended, ibis.null(INSTANT)))
    exited_at = ibis.ifelse(is_last & ~rows.is_closed, ibis.null(INSTANT), exited_at)
    exit_to = ibis.cases(
        (is_last & rows.is_won, "won"),
        (is_last & rows.is_closed, "lost"),
        (is_last, ibis.null("string")),
        (rows.left_for != "open", rows.left_for),
        (~same_then, "handed_off"),
        (rows.then_position < rows.position, "back"),
        (rows.then_position == rows.position + 1, "next"),
        else_="skip",
    )
    return rows.mutate(
        entered_at=rows["at"],
        exited_at=exited_at,
        ended_at=ibis.ifelse(is_last, ended, ibis.null(INSTANT)),
        days=days_elapsed(rows["at"], exited_at.coalesce(known)),
        exit_to=exit_to,
        is_last=is_last,
        is_regression=(same_before & (rows.position < rows.first_position)).fill_null(False),
        is_handed_off=~is_last & ~same_then.fill_null(False),
        advanced_at=ibis.ifelse(
            is_last & rows.is_won, ended, ibis.ifelse(is_up.fill_null(False), rows.then_at, ibis.null(INSTANT))
        ),
        upto=ibis.ifelse(is_last, rows.last_position + 1, rows.then_position),
        is_implied=ibis.literal(False),
    )


def skipped(stayed: ir.Table, ladder: Ladder) -> ir.Table:
    """One row per stage that a deal jumped over, at the instant of the jump; the columns of `stays`.

    Only stages that existed then are jumped over, and only by deals whose steps are recorded.
    """
    jumped = stayed.filter(stayed.advanced_at.notnull(), stayed.upto > stayed.position + 1, ~stayed.is_now)
    rungs = ladder.rungs.rename(rung_ladder="ladder")
    over = jumped.join(
        rungs, [jumped.ladder == rungs.rung_ladder, jumped.position < rungs.rung, jumped.upto > rungs.rung]
    )
    over = over.filter(
        (over.rung_from <= over.advanced_at).fill_null(True), (over.rung_until > over.advanced_at).fill_null(True)
    )
    values = {
        "stage": over.rung_stage,
        "next_stage": over.rung_next,
        "position": over.rung,
        "entered_at": over.advanced_at,
        "exited_at": over.advanced_at,
        "ended_at": ibis.null(INSTANT),
        "days": ibis.literal(0.0),
        "exit_to": ibis.ifelse(over.is_last & (over.rung == over.last_position), "won", "skip"),
        "is_regression": ibis.literal(False),
        "is_last": ibis.literal(False),
        "is_handed_off": ibis.literal(False),
        "is_implied": ibis.literal(True),
    }
    return over.mutate(**values).select(*stayed.columns)


def stage_interval(every: ir.Table, t: Mapping[str, ir.Table]) -> ir.Table:
    """One row per stay of a deal in a stage, and one without duration per stage it jumped over.

    Attributes are those of the entry. Order is not defined.

    Args:
        every: `stays` and `skipped`.
        t: Tables of `history.current`.
    """
    return dressed(every, t, at="entered_at")


def stage_passage(
    every: ir.Table, standing: ir.Table, t: Mapping[str, ir.Table], settings: Settings, touches: ir.Table
) -> ir.Table:
    """One row per deal and stage that it entered or jumped over: a ledger that adds up.

    ``state`` is advanced (it went further from here at least once), lost, regressed (it went back and
    not further since), handed_off (to another pipeline) or open (still here): one each, so that for
    every stage the rows are the sum of the five. ``advanced_at`` is the first time it went further,
    ``advanced_strict_at`` the first time it went to the very next stage; ``decided_at`` is when it
    advanced or was lost. ``days`` sums the stays,
    up to the known instant while one lasts; ``age_days`` is counted from the entry to that instant;
    ``n_touches`` are those made in the stage before the deal first went further.
    Order is not defined.

    Args:
        every: `stays` and `skipped`.
        standing: `opportunity.deals`.
        t: Tables of `history.current`.
        settings: See there.
        touches: `touch.deal_touches`.
    """
    found = _ledger(staying(every, touches))
    state = ibis.cases(
        (found.advanced_at.notnull(), "advanced"),
        ((found.n_last > 0) & found.ended_at.isnull(), "open"),
        (found.n_last > 0, "lost"),
        (found.handed_seq == found.real_seq, "handed_off"),
        else_="regressed",
    )
    known = ibis.literal(settings.known_at, INSTANT)
    found = found.mutate(
        state=state,
        lost_at=ibis.ifelse(state == "lost", found.ended_at, ibis.null(INSTANT)),
        decided_at=found.advanced_at.coalesce(ibis.ifelse(state == "lost", found.ended_at, ibis.null(INSTANT))),
        is_open=state == "open",
        is_implied=found.n_entries == 0,
        is_inferred=found.n_inferred > 0,
        age_days=days_elapsed(found.entered_at, known),
    )
    return dressed(_with_deal(found, standing, t, settings), t, at="entered_at")


def _ledger(every: ir.Table) -> ir.Table:
    """One row per deal, pipeline and stage with what its stays add up to."""
    is_next = (every.exit_to == "next") | ((every.exit_to == "won") & (every.position == every.last_position))
    return every.group_by("opportunity_id", "ladder", "pipeline", "stage").agg(
        next_stage=every.next_stage.max(),
        position=every.position.min(),
        entered_at=every.entered_at.min(),
        advanced_at=every.advanced_at.min(),
        advanced_strict_at=every.exited_at.min(where=is_next & every.advanced_at.notnull() & ~every.is_implied),
        ended_at=every.ended_at.max(),
        n_entries=as_int(~every.is_implied).sum(),
        n_regressions=as_int(every.exit_to == "back").sum(),
        n_last=as_int(every.is_last).sum(),
        n_inferred=as_int(every.is_inferred).sum(),
        handed_seq=every.seq.max(where=every.is_handed_off),
        real_seq=every.seq.max(where=~every.is_implied),
        days=every.days.sum(),
        n_touches=every.n_touches.sum(),
    )


def _with_deal(rows: ir.Table, standing: ir.Table, t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """Rows with what they carry of their deal, its amount converted as `opportunity` does."""
    rate_on = standing.closed_on.coalesce(standing.created_on)
    deal = standing.select(
        *("account_id", "owner_id", "primary_contact_id", "channel", "product", "amount", "currency"),
        deal_id="id",
        source="lead_source",
        opportunity_type="type",
        opportunity_is_won="is_won",
        opportunity_is_closed="is_closed",
        rate_on=rate_on,
    )
    deal = with_base(deal, t["fx_rate"], settings, amounts={"amount_base": "amount"}, day="rate_on")
    return rows.join(deal, rows.opportunity_id == deal.deal_id)


def dressed(rows: ir.Table, t: Mapping[str, ir.Table], *, at: str) -> ir.Table:
    """The same rows of deals with every dimension as it was at an instant of each row.

    Args:
        rows: Rows with opportunity_id, account_id, owner_id (present ones) and primary_contact_id.
        t: Tables of `history.current`.
        at: Timestamp column.
    """
    owners = spans_before(t["field_history"], "opportunity", "owner_id")
    rows = as_of(rows, owners, id="opportunity_id", at=at, field="owner_id")
    rows = with_owner(with_account(rows, t, at=at), t, at=at)
    return with_title(rows, t["contact"])
