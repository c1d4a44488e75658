"""The statement of each engine for an expression over unbound tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.errors import NotSupported

if TYPE_CHECKING:
    import ibis.expr.types as ir

DUCKDB, POSTGRES, SPARK = "duckdb", "postgres", "spark"
#: How people call them.
ENGINES = {DUCKDB: "DuckDB", POSTGRES: "PostgreSQL", SPARK: "Spark"}


def statement(expression: ir.Table, dialect: str) -> str:
    """The statement of an engine for an expression.

    Raises:
        NotSupported: The engine has no words for it.
    """
    from ibis.common.exceptions import IbisError  # noqa: PLC0415 - Ibis is slow to import

    try:
        return _written(expression, dialect)
    except (IbisError, NotImplementedError) as error:
        raise NotSupported(
            "{engine} cannot compute this: {feature}.",
            hint="Ask it of the engine DuckDB, and tell us.",
            engine=ENGINES[dialect],
            feature=str(error).splitlines()[0] if str(error) else type(error).__name__,
        ) from error


def _written(expression: ir.Table, dialect: str) -> str:
    if dialect == SPARK:
        from cadran.store.spark_dialect import statement as spark  # noqa: PLC0415 - knows Spark's own compiler

        return spark(expression)
    import ibis  # noqa: PLC0415 - slow to import

    return str(ibis.to_sql(expression, dialect=dialect))
