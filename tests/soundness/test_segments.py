"""Parts and wholes: segments add up, ratios come from sums, and the order of rows changes nothing."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadran.engine.query import KpiQuery
from cadran.engine.run import answer
from warehouse import BOOKED, WIN_RATE, WON, MemoryWarehouse, catalogue, context, deal, kpi, measure

DISTINCT = kpi("accounts", numerator=measure(agg="count_distinct", expr="account_id"))
MEAN = kpi("mean", unit="money", numerator=measure(agg="mean", expr="amount_base"))
CYCLE = kpi("cycle", unit="days", numerator=measure(agg="mean", expr="cycle_days"))
KPIS = (WIN_RATE, WON, BOOKED, DISTINCT, MEAN, CYCLE)
SPAN = {"start": date(2026, 1, 1), "end": date(2026, 4, 1)}
PROPERTY = settings(max_examples=15, deadline=None)

rows_of_deals = st.lists(
    st.builds(
        dict,
        day=st.sampled_from(["2026-01-31", "2026-02-01", "2026-02-28", "2026-03-31"]),
        won=st.booleans(),
        segment=st.sampled_from(["SMB", "Mid market", "Entreprise é", "", None]),
        account_id=st.sampled_from(["x", "y", "z"]),
        amount_base=st.none() | st.decimals(-1_000_000, 1_000_000, places=4),
        cycle_days=st.none() | st.floats(0, 1000, allow_nan=False),
    ),
    max_size=12,
)


def table(found):
    return MemoryWarehouse(
        opportunity=[
            deal(row["day"], id=str(n), **{k: v for k, v in row.items() if k != "day"}) for n, row in enumerate(found)
        ]
    )


def ask(warehouse, **query):
    names = tuple(each.id for each in KPIS)
    return answer(catalogue(*KPIS), KpiQuery(names, **{**SPAN, **query}), warehouse, context()).figures


@PROPERTY
@given(rows_of_deals)
def test_segments_add_up_to_the_total_g_9(found):
    warehouse = table(found)
    total = {figure.kpi.id: figure for figure in ask(warehouse)}
    parts = ask(warehouse, by=("segment",))
    for name in ("won", "booked"):
        if total[name].status == "ok":
            assert sum(f.value or 0 for f in parts if f.kpi.id == name) == total[name].value
    for part in ("numerator", "denominator"):
        summed = sum(getattr(f, part) for f in parts if f.kpi.id == "win_rate")
        assert summed == getattr(total["win_rate"], part)


@PROPERTY
@given(rows_of_deals)
def test_a_ratio_is_recomputed_from_sums_and_never_averaged_g_9(found):
    for figure in ask(table(found), by=("segment",), grain="month"):
        if figure.denominator:
            quotient = Decimal(figure.numerator) / Decimal(figure.denominator)
            assert float(figure.value) == pytest.approx(float(quotient), rel=1e-12, abs=1e-12)


@PROPERTY
@given(rows_of_deals, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing_t_100(found, order):
    numbered = [row | {"account_id": row["account_id"]} for row in found]
    shuffled = list(numbered)
    order.shuffle(shuffled)
    for query in ({}, {"by": ("segment",), "grain": "month"}):
        assert repr(ask(table(numbered), **query)) == repr(ask(table(shuffled), **query))


@PROPERTY
@given(rows_of_deals)
def test_splitting_a_span_into_months_and_adding_them_gives_the_span_t_100(found):
    warehouse = table(found)
    total = {f.kpi.id: f.value for f in ask(warehouse)}
    months = ask(warehouse, grain="month")
    assert sum(f.value for f in months if f.kpi.id == "won") == total["won"]


@PROPERTY
@given(rows_of_deals, rows_of_deals)
def test_rows_outside_a_scope_never_change_an_answer(inside, outside):
    mine = [row | {"segment": "SMB"} for row in inside]
    others = [row | {"segment": None} for row in outside]
    scoped = context(scope=("segment=SMB",))
    asked = KpiQuery(tuple(each.id for each in KPIS), grain="month")

    def figures(found):
        return answer(catalogue(*KPIS), asked, table(found), scoped).figures

    assert repr(figures(mine)) == repr(figures(mine + others))


def test_the_segment_that_is_not_given_is_kept_and_comes_last_g_9():
    found = [{"day": "2026-02-01", "segment": name} for name in ("SMB", None, "Enterprise")]
    segments = [f.segment["segment"] for f in ask(table(found), by=("segment",)) if f.kpi.id == "won"]
    assert segments == ["Enterprise", "SMB", None]


def test_a_segment_that_appears_once_is_there_in_every_period():
    found = [{"day": "2026-01-31", "segment": "SMB"}, {"day": "2026-03-31", "segment": None}]
    figures = [f for f in ask(table(found), by=("segment",), grain="month") if f.kpi.id == "won"]
    assert [(f.start.month, f.segment["segment"], f.value) for f in figures] == [
        (1, "SMB", 1),
        (1, None, 0),
        (2, "SMB", 0),
        (2, None, 0),
        (3, "SMB", 0),
        (3, None, 1),
    ]


def test_a_segment_without_a_case_of_the_kpi_does_not_appear():
    found = [{"day": "2026-01-31", "segment": "SMB", "won": False}, {"day": "2026-01-31", "segment": "Enterprise"}]
    figures = ask(table(found), by=("segment",))
    assert [f.segment["segment"] for f in figures if f.kpi.id == "won"] == ["Enterprise"]
    assert [f.segment["segment"] for f in figures if f.kpi.id == "win_rate"] == ["Enterprise", "SMB"]


def test_a_dimension_that_is_true_or_false_splits_into_texts():
    rows = [deal("2026-02-01", id=str(value), is_target=value) for value in (True, False, None)]
    [*figures] = answer(
        catalogue(WON), KpiQuery(("won",), by=("is_target",), **SPAN), MemoryWarehouse(opportunity=rows), context()
    ).figures
    assert [f.segment["is_target"] for f in figures] == ["false", "true", None]


def test_a_kpi_that_is_always_split_stays_split():
    passages = [{"stage": "demo", "entered_at": "2026-02-01", "segment": "SMB", "opportunity_id": "a"}]
    entries = kpi("entries", numerator=measure("stage_passage"), default_by=("stage",))
    warehouse = MemoryWarehouse(stage_passage=passages)
    for by, segment in (((), {"stage": "demo"}), (("segment",), {"stage": "demo", "segment": "SMB"})):
        [figure] = answer(catalogue(entries), KpiQuery(("entries",), by=by, **SPAN), warehouse, context()).figures
        assert figure.segment == segment
