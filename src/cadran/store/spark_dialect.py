"""Expressions as Spark 4 says them, where Ibis says something else than it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis
from ibis.backends.sql.compilers.base import NULL, SQLGlotCompiler
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from ibis.backends.sql.dialects import PySpark
from sqlglot import expressions as sge

if TYPE_CHECKING:
    import ibis.expr.types as ir


class _Compiler(PySparkCompiler):  # type: ignore[no-untyped-call]
    """Ibis for Spark, with what Spark 4 does better."""

    __slots__ = ()

    # Spark knows OFFSET since 3.4: the numbering that stands in for it would forget the order of rows
    rewrites = SQLGlotCompiler.rewrites

    def visit_CountStar(self, op: Any, *, arg: Any, where: Any) -> Any:  # noqa: ARG002, N802 - names of Ibis
        # a sum of ones is NULL where no row counts, and a count is 0
        return self.f.count(sge.Star()) if where is None else self.f.count_if(where)

    def visit_Median(self, op: Any, *, arg: Any, where: Any) -> Any:  # noqa: ARG002, N802 - names of Ibis
        # the filter belongs to the value alone: the share of a percentile must be a constant
        return self.f.percentile(arg if where is None else self.if_(where, arg, NULL), 0.5)


def statement(expression: ir.Table) -> str:
    """The statement of Spark for an expression over unbound tables."""
    ibis.pyspark  # noqa: B018 - makes the options of its compiler known
    found = _Compiler().to_sqlglot(expression).transform(_zoned, copy=False)
    return str(found.sql(dialect=PySpark, pretty=True))


def _zoned(node: sge.Expression) -> sge.Expression:
    """``timezone(to, timezone(from, wall))``, which other engines have, as the function of Spark that does both."""
    if not _is_timezone(node) or not _is_timezone(node.expressions[1]):
        return node
    (target, inner) = node.expressions
    (source, wall) = inner.expressions
    return sge.Anonymous(this="convert_timezone", expressions=[source.copy(), target.copy(), wall.copy()])


def _is_timezone(node: sge.Expression) -> bool:
    return isinstance(node, sge.Anonymous) and str(node.this).lower() == "timezone"
