"""Deals and their stays in stages, as known on a day: what bookings are forecast from.

Deals are those of the ``bookings`` KPI: neither tests, nor deleted, nor merged into another. A stage that
was jumped over is no stay. Times are in days since 1970, fractions included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis

from cadran.canonical.days import SECONDS_IN_DAY
from cadran.engine.compile import kept_rows
from cadran.engine.question import knowledge
from cadran.engine.tables import published

if TYPE_CHECKING:
    from datetime import date, datetime

    import ibis.expr.types as ir
    import pyarrow as pa

    from cadran.canonical.schema import Expr
    from cadran.catalogue.definition import Catalogue
    from cadran.engine.query import Context
    from cadran.store.warehouse import Warehouse

#: What deals are told apart by.
KINDS = ("segment", "owner", "channel", "opportunity_type")


@dataclass(frozen=True)
class PipelineQuery:
    """Which deals.

    Attributes:
        where: Predicates on deals that all hold.
        as_of: Answer as it was known at the end of this day, or None.
    """

    where: tuple[str, ...] = ()
    as_of: date | None = None


@dataclass(frozen=True)
class PipelineResult:
    """Deals and stays.

    Attributes:
        deals: One row per deal, by id: ``deal``, ``amount`` (base currency, null where unknown or not
            convertible), ``created``, ``closed`` (null while open), ``is_won``, and `KINDS`.
        stays: One row per stay, by deal and order: ``deal``, ``pipeline``, ``stage``, ``position``, ``entered``,
            ``exited`` (null while it lasts), ``exit_to``, ``next_pipeline`` and ``next_stage``.
        said: Forecasts of periods that are not over: ``start_on``, ``end_on``, ``horizon``, ``forecast_type``,
            ``amount``, ``n`` submissions; none for a question about a part of the deals.
        at: Instant up to which the data was known.
        currency: Base currency.
        sql: Statements that ran.
    """

    deals: pa.Table
    stays: pa.Table
    said: pa.Table
    at: datetime
    currency: str
    sql: tuple[str, ...]


def pipeline(catalogue: Catalogue, query: PipelineQuery, warehouse: Warehouse, context: Context) -> PipelineResult:
    """Deals with their stays, and what people forecast.

    Raises:
        QueryError: A predicate cannot be read.
        StoreError: The database refuses a statement.
    """
    known, before = knowledge(query.as_of, context, warehouse.meta.known_at)
    kept = kept_rows(catalogue, "opportunity", (*query.where, *context.scope), "forecast")
    kept = kept.filter(~kept.is_test.fill_null(False), kept.deleted_at.isnull(), kept.merged_into_id.isnull())
    statements, found = [], []
    # what everybody forecast is not for those who see a part, and says nothing of a part
    is_whole = not (query.where or context.scope)
    for table in (_deals(kept), _stays(kept), _said(is_whole=is_whole)):
        sql = before.statement(table, warehouse.sql) if before else warehouse.sql(table)
        statements.append(sql)
        found.append(warehouse.execute(sql))
    deals, stays, said = found
    return PipelineResult(deals, stays, said, known.at, context.currency, tuple(statements))


def _deals(kept: ir.Table) -> ir.Table:
    closed = kept.is_closed.fill_null(False) & kept.closed_at.notnull()
    return kept.select(
        *KINDS,
        deal=kept.id,
        amount=kept.amount_base.cast("float64"),
        created=_days(kept.created_at),
        closed=ibis.ifelse(closed, _days(kept.closed_at), ibis.null("float64")),
        is_won=closed & kept.is_won.fill_null(False),
    ).order_by("deal")


def _stays(kept: ir.Table) -> ir.Table:
    stays = published("stage_interval")
    real = stays.filter(~stays.is_implied.fill_null(False), stays.entered_at.notnull())
    order: dict[str, Expr] = {"group_by": "opportunity_id", "order_by": "seq"}
    real = real.mutate(next_stage=real.stage.lead().over(**order), next_pipeline=real.pipeline.lead().over(**order))
    both = real.semi_join(kept, real.opportunity_id == kept.id)
    return both.select(
        "pipeline",
        "stage",
        "position",
        "exit_to",
        "next_stage",
        "next_pipeline",
        "seq",
        deal=both.opportunity_id,
        entered=_days(both.entered_at),
        exited=_days(both.exited_at),
    ).order_by("deal", "seq")


def _said(*, is_whole: bool) -> ir.Table:
    """What everybody together forecast of periods that are not over; nothing beside a part of the deals."""
    every = published("forecast_outcome")
    rows = every.filter(every.is_submitted.fill_null(False), ~every.is_final.fill_null(False), is_whole)
    told = rows.group_by("start_on", "end_on", "horizon", "forecast_type").agg(
        amount=rows.forecast.sum(), n=rows.count()
    )
    return told.order_by("start_on", "end_on", "horizon", "forecast_type")


def _days(instant: Expr) -> Expr:
    return instant.epoch_seconds().cast("float64") / SECONDS_IN_DAY
