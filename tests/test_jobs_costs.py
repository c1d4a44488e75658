"""What the build says of costs that would make an acquisition cost too low."""

from __future__ import annotations

import ibis

from cadran.jobs.costs import findings, summary


def said(*rows):
    table = ibis.memtable([{"cost_line": line, "is_allocated": allotted} for line, allotted in rows])
    (found,) = ibis.duckdb.connect().to_pyarrow(summary(table)).to_pylist()
    return [(issue.code, issue.entity, issue.n_rows) for issue in findings(found)]


def test_costs_without_a_salary_are_told():
    """T-32."""
    assert said(("ads", True), ("tooling", True)) == [("no_salary_cost", "cost", 0)]


def test_shared_costs_that_no_market_bears_are_told():
    """T-32."""
    assert said(("salary", True), ("tooling", False), ("agency", False)) == [("unallotted_cost", "cost", 2)]


def test_whole_costs_have_no_finding():
    assert said(("salary", True), ("ads", True)) == []
    assert findings({"n": 0, "n_salary": 0, "n_unallotted": 0}) == []
