"""What costs lack that would make an acquisition cost too low without anybody seeing it (T-32)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadran.errors import Issue

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir


def summary(cost: ir.Table) -> ir.Table:
    """One row: lines of cost, of salary, and shared ones that no market bears.

    Args:
        cost: Published table of costs.
    """
    return cost.aggregate(
        n=cost.count(),
        n_salary=cost.count(where=cost.cost_line == "salary"),
        n_unallotted=cost.count(where=~cost.is_allocated),
    )


def findings(found: Mapping[str, Any]) -> list[Issue]:
    """The findings that a `summary` calls for."""
    issues = []
    if found["n"] and not found["n_salary"]:
        issues.append(
            Issue(
                "no_salary_cost",
                "warning",
                "No line of cost is a salary: what acquiring a customer costs is too low.",
                entity="cost",
                hint="Load the payroll of sales and marketing as spend, with the category salary.",
            )
        )
    if found["n_unallotted"]:
        issues.append(
            Issue(
                "unallotted_cost",
                "warning",
                "{n} lines of cost have no market and no key to allot them: they are in no market's acquisition cost.",
                entity="cost",
                hint="Give them a market, or the allocation_key headcount or direct_spend.",
                params={"n": found["n_unallotted"]},
                n_rows=found["n_unallotted"],
            )
        )
    return issues
