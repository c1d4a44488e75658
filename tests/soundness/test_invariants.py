"""T-100 over the whole catalogue: what must not change a figure does not, and what must add up does.

Companies are random and small; their seeds are drawn, and a failure prints them.
"""

import itertools
import os
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from cadran.canonical.entities import published_columns
from cadran.engine.parts import lineage_of, parts_of
from cadran.engine.query import KpiQuery
from cadran.engine.run import answer
from oracles.chance import KNOWN_AT
from oracles.world import random_rows
from shipped import CATALOGUE, NEWEST
from warehouse import PARIS, MemoryWarehouse, context

pytestmark = pytest.mark.slow

SPAN = {"start": date(2025, 7, 1), "end": date(2026, 4, 1), "grain": "quarter"}
ELSEWHERE = "Elsewhere"
#: The same few companies, whose plain figures are asked once, unless new ones are wanted.
SEEDS = st.integers(0, 10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "explore" else 1)
#: Shrinking would ask the whole catalogue again and again, and a seed does not get simpler.
FEW = effort(
    max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)


@cache
def company(seed):
    return random_rows(seed, deals=200, customers=40, leads=120, responses=80)


def warehouse(rows, *, zone=PARIS, known_at=KNOWN_AT):
    return MemoryWarehouse(known_at=known_at, zone=zone, **rows)


def entities_of(name):
    """The tables behind a KPI."""
    return {part.measure.entity for kpi in lineage_of(NEWEST[name], NEWEST) for part in parts_of(kpi).all()}


def quarterly(names=NEWEST):
    return tuple(name for name in names if "quarter" in NEWEST[name].grains)


def figures(found, names=None, *, zone=PARIS, known_at=KNOWN_AT, scope=(), **query):
    asked = KpiQuery(names or quarterly(), **{**SPAN, **query})
    return answer(CATALOGUE, asked, found, context(known_at=known_at, zone=zone, scope=scope)).figures


def told(found):
    """Everything that a figure says, to the last digit."""
    return {f.key: repr((f.value, f.numerator, f.denominator, f.n, f.moments, f.durations, f.status)) for f in found}


@cache
def plain(seed):
    """The figures of a company as it is."""
    return told(figures(warehouse(company(seed))))


def mapped(rows, change):
    return {name: [change(dict(row)) for row in each] for name, each in rows.items()}


# what must not change a figure ---------------------------------------------------------------------


@FEW
@given(SEEDS, SEEDS)
def test_the_order_of_rows_changes_no_figure(seed, order):
    chance = np.random.default_rng(order)
    shuffled = {name: [rows[n] for n in chance.permutation(len(rows))] for name, rows in company(seed).items()}
    assert told(figures(warehouse(shuffled))) == plain(seed)


@FEW
@given(SEEDS)
def test_a_row_merged_into_another_changes_no_figure(seed):
    """G-12: every deal has a duplicate, merged into it."""
    rows = company(seed)
    copies = [row | {"id": f"{row['id']}-copy", "merged_into_id": row["id"]} for row in rows["opportunity"]]
    assert told(figures(warehouse(rows | {"opportunity": rows["opportunity"] + copies}))) == plain(seed)


@FEW
@given(SEEDS)
def test_splitting_segments_changes_no_total_and_merging_them_again_no_segment(seed):
    def split(row):
        half = f" {int(str(hash_of(row))[-1]) % 2}"
        return row | {"segment": row["segment"] + half} if row.get("segment") else row

    def merge(row):
        return row | {"segment": row["segment"].removesuffix(" 0").removesuffix(" 1")} if row.get("segment") else row

    rows = company(seed)
    halves = mapped(rows, split)
    assert told(figures(warehouse(halves))) == plain(seed)
    names = tuple(name for name in quarterly() if splits(name, "segment"))
    again = told(figures(warehouse(mapped(halves, merge)), names, by=("segment",)))
    assert again == told(figures(warehouse(rows), names, by=("segment",)))


def hash_of(row):
    """A number that a row always has."""
    return sum(map(ord, str(row.get("id") or row.get("opportunity_id") or row.get("customer_id"))))


def splits(name, dimension):
    """True when a KPI and all behind it can be broken down by a dimension."""
    kpi = NEWEST[name]
    columns = CATALOGUE.dimensions[dimension].columns
    return (not kpi.dimensions or dimension in kpi.dimensions) and entities_of(name) <= columns.keys()


@FEW
@given(SEEDS, st.sampled_from([("Europe/Helsinki", -1), ("Europe/Lisbon", 1)]))
def test_moving_every_instant_and_the_zone_together_changes_no_figure(seed, moved):
    """G-6: the same days on another clock; these zones change to summer time at the same instant as Paris."""
    zone, by = ZoneInfo(moved[0]), timedelta(hours=moved[1])

    def shift(row):
        return {name: value + by if isinstance(value, datetime) else value for name, value in row.items()}

    there = warehouse(mapped(company(seed), shift), zone=zone, known_at=KNOWN_AT + by)
    assert told(figures(there, zone=zone, known_at=KNOWN_AT + by)) == plain(seed)


@FEW
@given(SEEDS, SEEDS)
def test_rows_outside_the_scope_change_no_figure(seed, other):
    inside = set(CATALOGUE.dimensions["segment"].columns)
    names = tuple(name for name in quarterly() if entities_of(name) <= inside)
    assert len(names) > 80
    rows = company(seed)
    outside = {
        name: [renamed(row) for row in each]
        for name, each in company(other).items()
        if "segment" in {column.name for column in published_columns(name)}
    }
    both = {name: each + outside.get(name, []) for name, each in rows.items()}
    scope = (f"segment IS NULL OR segment <> '{ELSEWHERE}'",)
    assert told(figures(warehouse(both), names, scope=scope)) == told(figures(warehouse(rows), names, scope=scope))


def renamed(row):
    """A row of another company: other ids, another segment."""
    ids = {name: f"other-{value}" for name, value in row.items() if name.endswith("id") and isinstance(value, str)}
    return row | ids | {"segment": ELSEWHERE}


# what must add up ----------------------------------------------------------------------------------


@FEW
@given(SEEDS)
def test_parts_add_up_to_the_total_for_every_additive_kpi_and_dimension(seed):
    """G-9: counts and sums, numerators and denominators, whatever they are broken down by."""
    found = warehouse(company(seed))
    for dimension in ("segment", "channel"):
        names = tuple(name for name in quarterly() if adds_up(name) and splits(name, dimension))
        assert len(names) > 25
        whole = {f.key: f for f in figures(found, names)}
        for (name, start, segment), total in whole.items():
            assert total.kpi.id == name
            parts = [f for f in by(found, names, dimension) if f.kpi.id == name and f.start == start]
            parts = [f for f in parts if set(segment) <= set(f.segment.items())]
            for read in (lambda f: f.numerator, lambda f: f.denominator) if total.denominator is not None else ():
                assert sum(read(f) or 0 for f in parts) == (read(total) or 0), (name, start, dimension)
            if NEWEST[name].kind in ("simple", "cumulative"):
                assert sum(Decimal(str(f.value or 0)) for f in parts) == Decimal(str(total.value or 0)), (name, start)


def by(found, names, dimension):
    key = (id(found), names, dimension)
    if key not in _BY:
        _BY.clear()
        _BY[key] = figures(found, names, by=(dimension,))
    return _BY[key]


_BY = {}


def adds_up(name):
    measures = [part.measure for part in parts_of(NEWEST[name]).all()]
    return NEWEST[name].kind != "derived" and all(measure.agg in ("count", "sum") for measure in measures)


@FEW
@given(SEEDS, st.sampled_from(["week", "month", "quarter"]))
def test_revenue_movements_reconcile_to_the_cent(seed, grain):
    """T-45: start + new + expansion + reactivation − contraction − churn ± currency = end."""
    names = ("mrr", "mrr_new", "mrr_expansion", "mrr_reactivation", "mrr_contraction", "mrr_churn", "mrr_fx")
    found = figures(warehouse(company(seed)), (*names, "net_new_mrr"), grain=grain)
    values = {(f.kpi.id, f.start): f.value for f in found}
    starts = sorted({f.start for f in found})
    for before, start in itertools.pairwise(starts):
        of = {name: values[name, start] for name in (*names, "net_new_mrr")}
        moved = sum(of[name] for name in ("mrr_new", "mrr_expansion", "mrr_reactivation"))
        moved -= abs(of["mrr_contraction"]) + abs(of["mrr_churn"])
        assert of["net_new_mrr"] == moved
        assert values["mrr", before] + moved + of["mrr_fx"] == of["mrr"]


@FEW
@given(SEEDS, st.sampled_from(["month", "quarter", "year"]))
def test_what_is_kept_is_at_most_all_and_at_most_what_is_kept_with_growth(seed, grain):
    """T-75: GRR ≤ 1 and ≤ NRR, in every segment."""
    found = figures(warehouse(company(seed)), ("nrr", "grr"), grain=grain, by=("segment",))
    values = {f.key: f.value for f in found}
    pairs = [(value, values["nrr", *key[1:]]) for key, value in values.items() if key[0] == "grr" and value is not None]
    assert pairs
    assert all(grr <= 1 and grr <= nrr for grr, nrr in pairs)


@FEW
@given(SEEDS)
def test_whoever_enters_a_stage_leaves_it_in_one_way_or_is_still_there(seed):
    """T-02: entered = advanced + lost + regressed + handed off + still there."""
    found = figures(warehouse(company(seed)), ("stage_entries", "stage_ledger"))
    entered = {(f.start, f.segment["stage"]): f.value for f in found if f.kpi.id == "stage_entries"}
    for (start, stage), n in entered.items():
        ways = [
            f.value for f in found if f.kpi.id == "stage_ledger" and (f.start, f.segment["stage"]) == (start, stage)
        ]
        assert sum(ways) == n


@FEW
@given(SEEDS, st.sampled_from(["week", "month"]))
def test_the_pipeline_at_the_end_is_that_at_the_start_and_what_moved_it(seed, grain):
    found = figures(warehouse(company(seed)), ("open_pipeline", "pipeline_waterfall"), grain=grain)
    stock = {f.start: f.value for f in found if f.kpi.id == "open_pipeline"}
    starts = sorted(stock)
    for before, start in itertools.pairwise(starts):
        moved = sum(f.value or 0 for f in found if f.kpi.id == "pipeline_waterfall" and f.start == start)
        assert stock[before] + moved == stock[start]


@FEW
@given(SEEDS)
def test_a_figure_asked_twice_is_the_same_to_the_last_digit_g_11(seed):
    assert told(figures(warehouse(company(seed)))) == plain(seed)


def test_the_properties_cover_the_whole_catalogue():
    """A KPI that cannot be asked by quarter would silently be left out."""
    assert set(NEWEST) - set(quarterly()) <= {"contract_credits"}
