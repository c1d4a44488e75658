"""How long customers stay and what they bring, by the quarter in which they came: what unit economics rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cadran.engine.compile import kept_rows
from cadran.engine.question import knowledge
from cadran.engine.tables import statement

if TYPE_CHECKING:
    from datetime import date, datetime

    import ibis.expr.types as ir
    import pyarrow as pa

    from cadran.canonical.schema import Expr
    from cadran.catalogue.definition import Catalogue
    from cadran.engine.query import Context
    from cadran.store.warehouse import Warehouse


@dataclass(frozen=True)
class CustomerQuery:
    """Which customers.

    Attributes:
        where: Predicates on customers' months that all hold.
        as_of: Answer as it was known at the end of this day, or None.
    """

    where: tuple[str, ...] = ()
    as_of: date | None = None


@dataclass(frozen=True)
class CustomerResult:
    """Customers by the month end at which they were first seen.

    Attributes:
        stays: One row per first month and stay: ``first_on`` (day), ``left_after`` (months; null while there),
            ``seen`` (months until the last known one), ``n``.
        months: One row per first month and age: ``first_on``, ``age`` (months), ``n`` customers that pay then, their
            ``margin`` and ``revenue`` of the month and the sum of squares of each, and ``n_margin``, ``n_revenue``
            that have a known one. Amounts are in the base currency.
        currency: Base currency.
        as_of: Instant up to which the data was known.
        sql: Statements that ran.
    """

    stays: pa.Table
    months: pa.Table
    currency: str
    as_of: datetime
    sql: tuple[str, ...]


def customers(catalogue: Catalogue, query: CustomerQuery, warehouse: Warehouse, context: Context) -> CustomerResult:
    """Stays and monthly amounts of customers, whole months only.

    A customer has left at the first month end at which it no longer pays; one that comes back later is not
    counted as having stayed (reactivation is another thing).

    Raises:
        QueryError: A predicate cannot be read.
        StoreError: The database refuses a statement.
    """
    known, before = knowledge(query.as_of, context, warehouse.meta.known_at)
    kept = kept_rows(catalogue, "customer_month", (*query.where, *context.scope), "economics")
    rows = _aged(kept.filter(kept.is_final.fill_null(False)))
    statements, found = [], []
    for table in (_stays(rows), _months(rows)):
        sql = statement(table, warehouse, before)
        statements.append(sql)
        found.append(warehouse.execute(sql))
    return CustomerResult(found[0], found[1], context.currency, known.at, tuple(statements))


def _aged(rows: ir.Table) -> ir.Table:
    """Months of customers from their first on, with ``age`` and whether they pay."""
    rows = rows.select(
        "customer_id",
        "month_on",
        pays=rows.is_customer.fill_null(False),
        revenue=rows.mrr_end_base.cast("float64"),
        margin=rows.margin_end_base.cast("float64"),
        month=_month(rows.month_on),
    )
    paid = rows.filter(rows.pays)
    first = paid.group_by("customer_id").agg(first_on=paid.month_on.min(), first=paid.month.min())
    both = rows.join(first, "customer_id").filter(lambda t: t.month >= t.first)
    both = both.mutate(age=both.month - both["first"])
    gone = both.filter(~both.pays).group_by("customer_id").agg(left_after=lambda t: t.age.min())
    both = both.left_join(gone, "customer_id").drop("customer_id_right")
    # what is known of the whole company's months, since a customer that left has no rows any more
    return both.mutate(last=rows.month.max().as_scalar())


def _stays(rows: ir.Table) -> ir.Table:
    each = rows.group_by("customer_id", "first_on").agg(
        left_after=rows.left_after.min(), seen=(rows["last"] - rows["first"]).max()
    )
    counted = each.group_by("first_on", "left_after", "seen").agg(n=each.count())
    return counted.order_by("first_on", "seen", "left_after")


def _months(rows: ir.Table) -> ir.Table:
    there = rows.filter(rows.pays, rows.left_after.isnull() | (rows.age < rows.left_after))
    sums = {
        f"{name}{suffix}": value.sum().fill_null(0.0)
        for name in ("margin", "revenue")
        for suffix, value in (("", there[name]), ("_squares", there[name] * there[name]))
    }
    known = {f"n_{name}": there[name].count() for name in ("margin", "revenue")}
    return there.group_by("first_on", "age").agg(n=there.count(), **sums, **known).order_by("first_on", "age")


def _month(day: Expr) -> Expr:
    return (day.year() * 12 + day.month()).cast("int64")
