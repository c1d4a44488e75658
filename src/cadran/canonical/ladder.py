"""The stages of each pipeline in their order, and what every text that names one means.

Exports name a stage by its label or its id, before and after it was renamed, and often come
without any list of stages. The ladder has one place for each stage: by the ``stage`` entity where it
is given, otherwise by the order in which deals went through. Won and lost are not on the ladder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cadran.canonical.schema import as_int
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.schema import Expr

#: Names of stages in which a deal is over, where no list of stages says so.
WON_NAMES = "(^|[^a-zé])(won|gagnée?s?)([^a-zé]|$)|closed ?won|signée?s?$"
LOST_NAMES = "(^|[^a-zé])(lost|perdue?s?)([^a-zé]|$)|closed ?lost|^closed$|^fermée?s?$|^cl[oô]turée?s?$"

#: Times that a stage may have been renamed in turn.
RENAMES = 2

#: What deals show of the place of a stage that no list gives, the strongest first.
EVIDENCE = ("usual_seq", "mean_seq", "mean_age", "mean_probability")

KEYS = ("connection_id", "pipeline_key", "stage_key")


@dataclass(frozen=True)
class Ladder:
    """The two small tables by which stages are read.

    Attributes:
        texts: One row per connection, pipeline and stage as written (``connection_id``,
            ``pipeline_key``, ``stage_key``, in lower case): ``ladder``, ``known_pipeline`` (NULL when
            the record's own pipeline counts), ``known_stage``, ``category`` (open, won or lost),
            ``position`` (from 1; NULL for won and lost), ``last_position``, ``next_stage``,
            ``is_qualifying``.
        rungs: One row per open stage: ``ladder``, ``rung``, ``rung_stage``, ``rung_next``,
            ``rung_from`` and ``rung_until`` (NULL while the stage exists).
    """

    texts: ir.Table
    rungs: ir.Table


def key(text: Expr) -> Expr:
    """How a name is compared: lower case, no space around it, empty when missing."""
    return text.strip().lower().fill_null("")


def build_ladder(t: Mapping[str, ir.Table], marks: ir.Table) -> Ladder:
    """The ladder of every pipeline.

    Args:
        t: Tables of `history.current`.
        marks: Stages that deals were in, by `stages.marks`.
    """
    listed = _listed(t["stage"])
    used = _used(t["opportunity"], marks)
    matched = _matched(used, listed)
    rungs = _rungs(matched, listed)
    on = [matched.ladder == rungs.ladder, matched.known_stage == rungs.rung_stage, matched.category == "open"]
    placed = matched.left_join(rungs, on)
    position: Expr = placed.rung
    texts = placed.select(
        *KEYS,
        "ladder",
        "known_pipeline",
        "known_stage",
        "category",
        position=position,
        last_position="rung_last",
        next_stage="rung_next",
        is_qualifying=(placed.category == "won") | placed.is_qualified.coalesce(position >= 2).fill_null(False),
    )
    return Ladder(texts=texts, rungs=rungs.drop("rung_last"))


def _listed(stage: ir.Table) -> ir.Table:
    """One row per text that names a listed stage, with the stage that it is today."""
    rows = stage.filter(stage.deleted_at.isnull(), stage.name.notnull())
    ladder = rows.connection_id.concat(" / ", rows.pipeline.fill_null(""))
    rows = rows.select(
        "connection_id",
        "name",
        "position",
        "category",
        "is_qualified",
        "pipeline",
        ladder=ladder,
        pipeline_key=key(rows.pipeline),
        replaced_key=rows.replaced_by.strip().lower().nullif(""),
        listed_from=rows.created_at,
        listed_until=rows.ended_at,
        names=ibis.array([key(rows.name), key(rows.source_id), key(rows.id)]),
    )
    texts = rows.mutate(text=rows.names.unnest()).drop("names")
    place = ibis.row_number().over(
        group_by=["connection_id", "pipeline_key", "text"],
        order_by=[texts.listed_until.isnull().desc(), texts.position.desc(), texts.name],
    )
    texts = texts.mutate(place=place).filter(lambda r: (r.place == 0) & (r.text != "")).drop("place")
    for _ in range(RENAMES):
        texts = _renamed(texts)
    return texts.drop("replaced_key")


def _renamed(texts: ir.Table) -> ir.Table:
    """Texts of replaced stages turned to the stage that took their place."""
    today = ("name", "position", "category", "is_qualified", "listed_from", "listed_until", "replaced_key")
    later = texts.select(
        later_connection="connection_id",
        later_pipeline="pipeline_key",
        later_text="text",
        **{f"later_{name}": texts[name] for name in today},
    )
    on = [
        texts.connection_id == later.later_connection,
        texts.pipeline_key == later.later_pipeline,
        texts.replaced_key == later.later_text,
    ]
    found = texts.left_join(later, on)
    is_later = found.later_text.notnull()
    values = {name: ibis.ifelse(is_later, found[f"later_{name}"], found[name]) for name in today}
    return found.mutate(**values).select(*texts.columns)


def _used(opportunity: ir.Table, marks: ir.Table) -> ir.Table:
    """One row per stage as written, with how deals went through it."""
    seq = marks.seq.cast("float64")
    by_mark = marks.group_by(*KEYS).agg(
        stage_text=marks.stage_text.max(),
        pipeline_text=marks.pipeline.max(),
        n_recorded=as_int(~marks.is_now).sum(),
        # A stage entered again late must not seem a late stage, hence the median first.
        usual_seq=seq.median(where=~marks.is_now),
        mean_seq=seq.mean(where=~marks.is_now),
        mean_age=marks.age.mean(where=~marks.is_now),
        # Where the last recorded entry is the close itself, the stage is an end and not a step.
        close_lag=marks.close_lag.mean(),
    )
    now = opportunity.select(
        now_connection="connection_id",
        now_pipeline=key(opportunity.pipeline),
        now_stage=key(opportunity.stage),
        probability="probability",
        is_closed=opportunity.is_closed.fill_null(opportunity.is_won.notnull()),
        is_won=opportunity.is_won.fill_null(False),
    )
    by_deal = now.group_by("now_connection", "now_pipeline", "now_stage").agg(
        n_now=now.count(),
        n_closed=as_int(now.is_closed).sum(),
        n_won=as_int(now.is_won).sum(),
        mean_probability=now.probability.mean(where=~now.is_closed),
    )
    on = [
        by_mark.connection_id == by_deal.now_connection,
        by_mark.pipeline_key == by_deal.now_pipeline,
        by_mark.stage_key == by_deal.now_stage,
    ]
    return by_mark.left_join(by_deal, on).drop("now_connection", "now_pipeline", "now_stage")


def _matched(used: ir.Table, listed: ir.Table) -> ir.Table:
    """Stages as written with the listed stage that each is, if any: the nearest that is not ambiguous."""
    other = listed.select(
        listed_connection="connection_id",
        listed_key="pipeline_key",
        listed_pipeline="pipeline",
        listed_ladder="ladder",
        text="text",
        name="name",
        position="position",
        listed_category="category",
        is_qualified="is_qualified",
    )
    found = used.left_join(other, used.stage_key == other.text)
    is_own = found.listed_connection == found.connection_id
    is_same, is_any = found.listed_key == found.pipeline_key, found.listed_key == ""
    distance: Expr = 10 * as_int(~is_own) + ibis.cases((is_same, 0), (is_any, 1), else_=2)
    found = found.mutate(distance=distance.fill_null(0))
    n_alike = found.count().over(group_by=[*KEYS, "distance"])
    place = ibis.row_number().over(group_by=[*KEYS], order_by=["distance", "listed_ladder"])
    found = found.mutate(n_alike=n_alike, place=place).filter(lambda r: r.place == 0)
    # A stage of that name in two other pipelines is neither of them.
    is_listed = found.text.notnull() & ((found.n_alike == 1) | (found.distance % 10 < 2))
    own_ladder = found.connection_id.concat(" / ", found.pipeline_key)
    return found.select(
        *KEYS,
        *EVIDENCE,
        ladder=ibis.ifelse(is_listed, found.listed_ladder, own_ladder),
        known_pipeline=ibis.ifelse(is_listed & (found.distance % 10 == 2), found.listed_pipeline, ibis.null("string")),
        known_stage=ibis.ifelse(is_listed, found.name, found.stage_text),
        position=ibis.ifelse(is_listed, found.position, ibis.null("int64")),
        is_qualified=ibis.ifelse(is_listed, found.is_qualified, ibis.null("boolean")),
        category=_category(found, ibis.ifelse(is_listed, found.listed_category, ibis.null("string"))),
    )


def _category(used: ir.Table, listed: Expr) -> Expr:
    """``open``, ``won`` or ``lost``: as listed, else by its name, else by how deals ended in it."""
    said = listed_category(listed)
    named = _named_category(used.stage_key)
    all_over = (used.n_closed == used.n_now) & (used.n_recorded <= used.n_now) & (used.close_lag.fill_null(0.0) < 1)
    return ibis.cases(
        (said.notnull(), said),
        (named.notnull(), named),
        ((all_over & (used.n_won == used.n_now)).fill_null(False), "won"),
        ((all_over & (used.n_won == 0)).fill_null(False), "lost"),
        else_="open",
    )


def _named_category(name: Expr) -> Expr:
    """``won`` or ``lost`` where a name says so, else NULL."""
    won, lost = name.re_search(WON_NAMES), name.re_search(LOST_NAMES)
    return ibis.cases((won, "won"), (lost, "lost"), else_=ibis.null("string"))


def listed_category(text: Expr) -> Expr:
    """``open``, ``won`` or ``lost`` from what a list of stages says; NULL when it says nothing."""
    word = text.strip().lower().nullif("")
    return ibis.cases(
        (word.re_search("won|gagn"), "won"),
        (word.re_search("lost|perdu|closed|ferm|omitted"), "lost"),
        (word.notnull(), "open"),
        else_=ibis.null("string"),
    )


def _rungs(matched: ir.Table, listed: ir.Table) -> ir.Table:
    """One row per open stage of each ladder, in order; listed stages that no deal was in included."""
    seen = matched.filter(matched.category == "open").select("ladder", "known_stage", "position", *EVIDENCE)
    category = listed_category(listed.category).coalesce(_named_category(key(listed.name)), "open")
    given = listed.filter(category == "open")
    every = ibis.union(
        seen.mutate(listed_from=ibis.null("timestamp(6)"), listed_until=ibis.null("timestamp(6)")),
        given.select(
            "ladder",
            known_stage="name",
            position="position",
            **{name: ibis.null("float64") for name in EVIDENCE},
            listed_from="listed_from",
            listed_until="listed_until",
        ),
    )
    stages = every.group_by("ladder", "known_stage").agg(
        position=every.position.min(),
        **{name: every[name].mean() for name in EVIDENCE},
        rung_from=every.listed_from.min(),
        rung_until=every.listed_until.max(),
    )
    order = [stages.position.isnull(), stages.position, *(stages[name] for name in EVIDENCE), stages.known_stage]
    ranked = stages.mutate(rung=ibis.row_number().over(group_by="ladder", order_by=order) + 1)
    return ranked.select(
        "ladder",
        "rung",
        "rung_from",
        "rung_until",
        rung_stage="known_stage",
        rung_next=ranked.known_stage.lead().over(group_by="ladder", order_by="rung").fill_null("won"),
        rung_last=ranked.rung.max().over(group_by="ladder"),
    )
